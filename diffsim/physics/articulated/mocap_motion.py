"""Where links are put that are moved from outside: a decision between which times it is, and what follows from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated import mocap
from diffsim.physics.articulated.rotation import columns, nine, unit
from diffsim.physics.articulated.scene import Articulated

__all__ = ["Guides", "guides_of", "stages"]


@dataclass(frozen=True)
class Guides:
    """Links that are moved from outside: fields (guide,) of whole numbers, (env, k) of numbers of all places."""

    first: Any  # (guide,) where its places begin
    last: Any  # (guide,) its last place
    position: Any  # (env, k) [m]
    orientation: Any  # (env, k)
    time: Any  # (env, k) [s]
    before: Any  # (env, row, substep guide) the place that it leaves, a decision
    put_position: Any  # (env, row, substep guide) [m]
    put_rotation: Any  # (env, row, substep guide)
    dt: float  # of a step of the rollout [s]
    real: Any
    parts: int  # steps of the physics in it
    turns: int  # evaluations in each of these: it stays where it is in all of them
    count: int


def guides_of(scene: Articulated, fields: Fields) -> Guides | None:
    """Declare the fields of links that are moved from outside; None without any."""
    links = mocap.given(scene)
    if not links:
        return None
    starts = mocap.starts(scene)
    slots = scene.evaluations * len(links)
    return Guides(
        first=fields.integers(np.array(starts[:-1])),
        last=fields.integers(np.array(starts[1:]) - 1),
        position=fields.number("scene.mocap_position", starts[-1], 3),
        orientation=fields.number("scene.mocap_orientation", starts[-1], 4),
        time=fields.number("scene.mocap_time", starts[-1]),
        before=fields.decision(slots),
        put_position=fields.trajectory("mocap_place", slots, 3, recorded=False),
        put_rotation=fields.trajectory("mocap_rotation", slots, 9, recorded=False),
        dt=scene.dt,
        real=fields.real,
        parts=scene.substeps,
        turns=scene.evaluations // scene.substeps,
        count=len(links),
    )


@ti.func
def now(guides: ti.template(), step, element):
    """Time at the start of a step of the physics [s]."""
    part = element // (guides.count * guides.turns)
    return guides.dt * (ti.cast(step, guides.real) + ti.cast(part, guides.real) / guides.parts)


@ti.func
def find_place(guides: ti.template(), env, row, step, element):
    """The last place of which it is time, but for that where it ends."""
    k = element % guides.count
    time = now(guides, step, element)
    low = guides.first[k]
    high = ti.max(guides.last[k], low + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if guides.time[env, middle] <= time:
            low = middle
        else:
            high = middle
    guides.before[env, row, element] = low


@ti.func
def put(guides: ti.template(), env, row, step, element):
    """Put a link between two of its places."""
    before = guides.before[env, row, element]
    after = ti.min(before + 1, guides.last[element % guides.count])
    only = ti.cast(after == before, guides.real)
    begun = guides.time[env, before]
    span = guides.time[env, after] - begun + only
    along = ti.min(1.0, ti.max(0.0, (now(guides, step, element) - begun) / span))
    place = guides.position[env, before]
    q = unit(guides.orientation[env, before])
    other = unit(guides.orientation[env, after])
    nearer = 1.0 - 2.0 * ti.cast(q.dot(other) < 0.0, guides.real)
    guides.put_position[env, row, element] = place + along * (guides.position[env, after] - place)
    guides.put_rotation[env, row, element] = nine(columns(unit(q + along * (nearer * other - q))))


def stages(guides: Guides | None) -> tuple[Stage, ...]:
    """What puts them, for all substeps of a row."""
    if guides is None:
        return ()
    slots = guides.parts * guides.turns * guides.count
    return (Stage(find_place, (guides,), slots, differentiable=False), Stage(put, (guides,), slots))
