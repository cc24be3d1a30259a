"""Sixteen short runs: one after another, on two processes, and on two workers of Dask one of which is killed.

``python -m pytest -m bench -n 0 -s tests/benchmarks/test_sweep.py``; the last needs the extra ``sweep``. Times are
printed and not asserted. What is asserted is that all give the same table.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

import diffsim as ds

pytestmark = pytest.mark.bench

OVER = {"optimizer.learning_rate": [0.05, 0.1, 0.2, 0.4]}


def walker():
    body = ds.grid((4, 2), spacing=0.1, origin=(0.0, 0.05))
    scene = ds.MassSpring(
        body.points, body.springs, stiffness=3e3, actuation=0.15, damping=5.0, ground=ds.Ground(friction=0.7), dt=0.004
    )
    return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=400)


def swept(folder, **how):
    """The table, and how long it took [s]."""
    began = time.perf_counter()
    found = ds.sweep(walker(), folder, over=OVER, seeds=range(4), iterations=400, progress=False, **how)
    return found.table, time.perf_counter() - began


def test_two_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("TI_OFFLINE_CACHE_FILE_PATH", str(tmp_path / "cache"))
    swept(tmp_path / "warm", workers=1)  # kernels into the cache
    one, alone = swept(tmp_path / "one", workers=1)
    two, together = swept(tmp_path / "two", workers=2)
    assert one == two
    print(
        f"\n16 runs: {alone:.1f} s one after another, {together:.1f} s on two processes, {together / alone:.2f} times"
    )


def test_dask_with_a_worker_that_is_killed(tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    wanted, _ = swept(tmp_path / "here", workers=2)
    killed = []

    def kill_one(client):
        time.sleep(4.0)
        processes = [each.pid for each in client.cluster.workers.values()]
        os.kill(processes[0], signal.SIGKILL)
        killed.append(processes[0])

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        import threading

        threading.Thread(target=kill_one, args=(client,), daemon=True).start()
        found, seconds = swept(tmp_path / "dask", cluster=client)
    assert killed
    assert found == wanted
    print(f"\nDask, one of two workers killed: {seconds:.1f} s")
