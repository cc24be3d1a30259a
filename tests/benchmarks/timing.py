"""Fair timing on a machine that others use too: competitors take turns, medians are compared."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

__all__ = ["Lap", "compare", "race"]

# Before each turn [s]. After a call JAX's threads wait for work in a busy loop for a while, for which the next
# in turn was charged up to 40 % more CPU time than wall time.
PAUSE = 0.05


@dataclass(frozen=True)
class Lap:
    """Medians of one competitor, per call."""

    cpu: float  # time on all cores together, time.process_time [s]
    wall: float  # time on the clock [s]


def race(
    competitors: Mapping[str, Callable[[], object]],
    *,
    title: str = "",
    repeats: int = 15,
    seconds: float = 0.02,
    warm_up: int = 1,
) -> dict[str, Lap]:
    """Run the competitors in turns, print a table with ratios to the first, and return the medians.

    In each of ``repeats`` rounds every competitor has one turn, so that a slow phase of the machine hits all
    of them alike. A turn is as many calls as fit into ``seconds`` (at least one): a tenth of a millisecond is
    less than what the clock of the processor resolves on some systems. CPU time is `time.process_time`: it
    counts every thread of this process and not the time when another program had the core; a competitor that
    uses several cores shows more CPU time than wall time. Calls must block until their result is there.
    """
    calls = {}
    for name, call in competitors.items():
        for _ in range(warm_up):
            call()
        began = time.perf_counter()
        call()
        calls[name] = max(1, int(seconds / max(time.perf_counter() - began, 1e-7)))
    turns: dict[str, list[Lap]] = {name: [] for name in competitors}
    for _ in range(repeats):
        for name, call in competitors.items():
            count = calls[name]
            time.sleep(PAUSE)
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(count):
                call()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            turns[name].append(Lap(cpu / count, wall / count))
    laps = {
        name: Lap(median(turn.cpu for turn in taken), median(turn.wall for turn in taken))
        for name, taken in turns.items()
    }
    print("\n" + table(laps, title or f"median of {repeats} rounds"))
    return laps


def table(laps: Mapping[str, Lap], title: str) -> str:
    """A line per competitor: CPU and wall time per call, and their ratios to the first competitor's."""
    width = max(len(title), *map(len, laps))
    first = next(iter(laps.values()))
    lines = [f"{title:<{width}}  {'CPU [ms]':>10} {'x first':>8}  {'wall [ms]':>10} {'x first':>8}"]
    for name, lap in laps.items():
        cpu, wall = lap.cpu / max(first.cpu, 1e-9), lap.wall / max(first.wall, 1e-9)
        lines.append(f"{name:<{width}}  {lap.cpu * 1e3:>10.3f} {cpu:>8.2f}  {lap.wall * 1e3:>10.3f} {wall:>8.2f}")
    return "\n".join(lines)


def compare(laps: Mapping[str, Lap], upper: str, lower: str, target: str = "") -> None:
    """Print the ratio of two competitors, and with a ``target`` like "<= 1.8" whether both its readings meet it."""
    cpu, wall = laps[upper].cpu / laps[lower].cpu, laps[upper].wall / laps[lower].wall
    print(f"{upper} / {lower}: {cpu:.2f} (CPU), {wall:.2f} (wall){verdict(target, cpu, wall)}")


def verdict(target: str, *readings: float) -> str:
    """The target in words: met if all readings meet it."""
    if not target:
        return ""
    relation, limit = target.split()
    met = [reading <= float(limit) if relation == "<=" else reading >= float(limit) for reading in readings]
    return f"; target {target}: " + ("met" if all(met) else "met by one of the two" if any(met) else "MISSED")
