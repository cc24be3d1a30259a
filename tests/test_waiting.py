"""How long compiling takes: told while it goes on, and apart from the rest in what a run says."""

import pytest

import diffsim as ds
from diffsim import waiting
from diffsim.cli.runs import _took
from diffsim.tuning.times import compiling
from diffsim.viewing.tables import facts
from tests.engine.test_staged import chain


@pytest.mark.parametrize("executor", ["staged", "fused"])
def test_a_run_says_how_much_of_it_was_compiling(executor):
    told = []
    with ds.Simulation(chain(3), executor=executor) as simulation, waiting.listening(lambda *how: told.append(how)):
        first = ds.tune(simulation, optimizer=ds.Adam(0.01), iterations=4, progress=False).history
        count = len(told)
        again = ds.tune(simulation, optimizer=ds.Adam(0.01), iterations=2, progress=False).history
    assert count > 0
    assert all(0 <= done < total and seconds >= 0.0 for done, total, seconds in told)
    assert 0.0 < first[0]["compiling"] <= first[0]["seconds"]
    assert len({record["compiling"] for record in first}) == 1  # nothing compiles after the first gradient
    assert len(told) == count
    assert [record["compiling"] for record in again] == [0.0, 0.0]


def test_a_run_that_goes_on_counts_what_was_before(tmp_path):
    def run(iterations):
        with ds.Simulation(chain(3), executor="staged") as simulation:
            return ds.tune(
                simulation,
                optimizer=ds.Adam(0.01),
                iterations=iterations,
                progress=False,
                run=ds.Run(tmp_path / "chain"),
                resume=iterations > 2,
            ).history

    before, after = run(2)[-1], run(3)[-1]
    assert after["compiling"] >= before["compiling"] > 0.0


def test_it_is_said_apart_from_the_wall_time():
    history = [{"iteration": 0, "loss": 1.0, "best": 1.0, "seconds": 780.0, "compiling": 720.0}]
    assert "13 min <small>12 min compiling, 60 s tuning</small>" in facts({"seconds": 780.0}, history, 0)
    assert compiling(history) == (720.0, 60.0)
    assert _took(780.0, 720.0) == "780.0 s: 720.0 s compiling, 60.0 s tuning"
    assert _took(780.0, None) == "780.0 s"
