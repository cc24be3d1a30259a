"""Which stages share a kernel, where kernels are small (see `diffsim.engine.staged`)."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from diffsim.engine.mentions import Mentions
from diffsim.engine.stages import Passes, Stage, Steps

__all__ = ["HEAVY", "Group", "Lists", "grouped"]

HEAVY = 600
"""Nodes of syntax trees that a kernel of several stages may have. More compile longer, fewer cost launches: about 3 us
each, forward and in reverse."""


@dataclass(frozen=True)
class Group:
    """Stages that share a kernel.

    Attributes:
        stages: in the order in which they act.
        passes: how often they take turns within the kernel; 0: once in a launch, which is told its pass.
        upto: how many of the passes act, as of `Passes`.
    """

    stages: tuple[Stage, ...]
    passes: int = 1
    upto: Any = None

    @property
    def differentiable(self) -> bool:
        """Whether any of them is."""
        return any(stage.differentiable for stage in self.stages)


Lists = Sequence[Steps | Sequence[Stage]]


def _present(entry: Stage | Passes) -> tuple[Stage, ...]:
    """The stages of an entry that have elements."""
    return tuple(stage for stage in (entry.stages if isinstance(entry, Passes) else (entry,)) if stage.elements)


def _uses(lists: Lists) -> Callable[[Stage], tuple[int, ...]]:
    """How often a stage's function stands in each of these lists, with records of the same kinds."""

    def kind(stage: Stage) -> Hashable:
        return stage.function, stage.upto is None, tuple(map(type, stage.records))

    counts = [Counter(kind(stage) for entry in entries for stage in _present(entry)) for entries in lists]
    return lambda stage: tuple(count[kind(stage)] for count in counts)


def grouped(steps: Steps | Sequence[Stage], lists: Lists) -> list[tuple[Group, int]]:
    """Groups in the order in which they are launched, and the pass of each launch.

    What stands in several of the lists of a simulation shares no kernel with what does not, so that it compiles once.
    """
    found: list[tuple[Group, int]] = []
    open_group: list[Stage] = []
    uses = _uses(lists)

    def close() -> None:
        if open_group:
            # One by itself is told a pass, as in `Passes`: so it is the same kernel there.
            found.append((Group(tuple(open_group), int(len(open_group) > 1)), 0))
            open_group.clear()

    for entry in steps:
        stages = _present(entry)
        if isinstance(entry, Passes):
            close()
            if _weight(stages) <= HEAVY:
                found += [(Group(stages, entry.count), 0)] if stages else []
            else:
                found += [(Group((stage,), 0, entry.upto), turn) for turn in range(entry.count) for stage in stages]
            continue
        for stage in stages:
            first = open_group[0] if open_group else stage
            alike = first.differentiable == stage.differentiable and uses(first) == uses(stage)
            if not alike or max(uses(stage)) > 1 or _weight((*open_group, stage)) > HEAVY:
                close()
            open_group.append(stage)
    close()
    return found


def _weight(stages: Sequence[Stage]) -> int:
    return sum(Mentions.of(stage.function).weight for stage in stages)
