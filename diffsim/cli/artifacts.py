"""What a run leaves besides its numbers: trajectories, curves, a video and a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

import diffsim as ds

__all__ = ["leave_pictures", "shown_in_video"]

MOST = 12  # iterations whose trajectories are kept

BYTES = 2**28  # of all of them together in memory: fewer are kept of a large scene

ON_DISK = 2**24  # bytes of those that are saved; what is not can be simulated again from its parameters


def leave_pictures(
    simulation: ds.Simulation, result: ds.Result, run: ds.Run, *, video: bool, in_mujoco: str | None = None
) -> Iterator[Path]:
    """Write them one after the other; the paths.

    Args:
        simulation: of one environment.
        result: of the run.
        run: its folder.
        video: whether to draw one.
        in_mujoco: what became of it there, in words, for the report.

    Raises:
        OSError: if one of them cannot be written, or the folder holds another run, because this one's files could not
            be written.
    """
    from diffsim.tuning.load import load_about

    folder = run.folder
    if not run.holds:
        raise OSError(f"{folder} does not hold this run, so its pictures are left out")
    yield ds.plot_loss(result.history, folder / "loss.png")
    rollouts = _rollouts(simulation, result)
    yield ds.save_rollouts(folder, _saved(rollouts, result.best_iteration).items())
    found = {"changes": result.changes, "findings": result.findings, "in_mujoco": in_mujoco}
    yield ds.write_report(
        folder / "report.html",
        rollouts=list(rollouts.items()),
        history=result.history,
        about={**load_about(folder), **found, "stopped": result.stopped},
        best_iteration=result.best_iteration,
    )
    if video:
        with Console(stderr=True).status("drawing the video"):
            shown = shown_in_video(rollouts, result.best_iteration)
            yield ds.render_optimisation(shown, result.history, folder / "optimisation.mp4")


def shown_in_video(rollouts: Mapping[int, ds.Rollout], best: int) -> list[tuple[int, ds.Rollout]]:
    """First, middle and best iteration; fewer in a short run."""
    return [(iteration, rollouts[iteration]) for iteration in _shown(rollouts, best)]


def _shown(known: Iterable[int], best: int) -> list[int]:
    return sorted(_nearest(known, (0, best // 2, best)))


def _nearest(known: Iterable[int], wanted: Iterable[int]) -> set[int]:
    """Of the known iterations, the nearest to each of the wanted ones."""
    return {min((abs(iteration - at), iteration) for iteration in known)[1] for at in wanted}


def _saved(rollouts: Mapping[int, ds.Rollout], best: int) -> dict[int, ds.Rollout]:
    """Those that fit: the best before what else the video shows, and that before the others."""
    found, left = [], ON_DISK
    for iteration in dict.fromkeys([*_nearest(rollouts, (best,)), *_shown(rollouts, best), max(rollouts), *rollouts]):
        size = sum(value.nbytes for value in rollouts[iteration].arrays.values()) // 2  # in float32
        if size <= left:
            found.append(iteration)
            left -= size
    return {iteration: rollouts[iteration] for iteration in sorted(found)}


def _rollouts(simulation: ds.Simulation, result: ds.Result) -> dict[int, ds.Rollout]:
    """Of the iterations that the video shows, the last, and others spread evenly between."""
    kept, best = dict(result.snapshots), result.best_iteration
    found: dict[int, ds.Rollout] = {}
    first = sorted(_nearest(kept, (0, best // 2, best, max(kept))))
    spread = [list(kept)[k] for k in np.linspace(0, len(kept) - 1, min(MOST, len(kept))).round().astype(int)]
    most = MOST
    for iteration in dict.fromkeys([*first, *spread]):
        if len(found) >= most and iteration not in first:
            break
        found[iteration] = simulation.rollout(kept[iteration], finite=False)  # a part that no loss looks at may diverge
        size = sum(value.nbytes for value in found[iteration].arrays.values())
        most = max(len(first), min(MOST, BYTES // max(size, 1)))
    return dict(sorted(found.items()))
