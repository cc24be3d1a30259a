"""Muscles in stages: what they pull with, and how their activation follows what is asked (see `muscle.Muscle`)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.physics.articulated.muscle import OF_MUSCLES
from diffsim.physics.articulated.scene import Articulated

__all__ = ["Flesh", "contract", "flesh_of", "twitched"]

TINY = 1.0e-12
"""Width of what has none, and growth of what does not grow."""


@dataclass(frozen=True)
class Flesh:
    """Numbers of muscles: fields (env, actuator), and (actuator,) of whole numbers."""

    present: Any  # 1 for a muscle
    force: Any  # [N]
    length_range: Any  # [m]
    operating_range: Any
    shortest: Any
    longest: Any
    fastest: Any
    passive: Any
    lengthening: Any
    real: Any


def flesh_of(scene: Articulated, fields: Fields) -> Flesh | None:
    """Declare the fields of muscles; None without any."""
    muscles = [each.muscle for each in scene.actuators]
    if not any(muscles):
        return None
    widths = {"length_range": 2, "operating_range": 2}
    return Flesh(
        present=fields.integers(np.array([each is not None for each in muscles])),
        **{n: fields.number(f"scene.muscle_{n}", len(muscles), widths.get(n, 0)) for n in OF_MUSCLES},
        real=fields.real,
    )


@ti.func
def within(x):
    """Within 0 and 1; at a tie Taichi takes the second argument, so what is just at an end has the slope inwards."""
    return ti.min(1.0, ti.max(0.0, x))


@ti.func
def rising(x):
    """From 0 to 1 over 0 to 1, by two parabolas."""
    beyond = ti.max(x - 0.5, 0.0)
    return 2.0 * x * x - 4.0 * beyond * beyond


@ti.func
def contract(flesh: ti.template(), env, k, length, rate):
    """(3,) force per activation, force without any, and what the first gains per rate; 0 of what is no muscle.

    Args:
        flesh, env, k: which actuator.
        length, rate: of what it drives, times its gear.
    """
    ends = flesh.length_range[env, k]
    range_of = flesh.operating_range[env, k]
    optimal = (ends[1] - ends[0]) / (range_of[1] - range_of[0])
    far = range_of[0] + (length - ends[0]) / optimal
    fastest = optimal * flesh.fastest[env, k]
    pace = rate / fastest
    least = flesh.shortest[env, k]
    most = flesh.longest[env, k]
    grip = rising(within((far - least) / (1.0 - least))) * rising(within((most - far) / (most - 1.0)))
    more = ti.max(flesh.lengthening[env, k] - 1.0, TINY)
    slower = within(pace + 1.0)
    left = more - ti.min(ti.max(pace, 0.0), more)
    speed = slower * slower + more - left * left / more
    per_pace = ti.min(2.0 * ti.max(pace + 1.0, 0.0), 2.0 * ti.max(1.0 - pace / more, 0.0))
    stretched = 2.0 * ti.max(far - 1.0, 0.0) / (most - 1.0)
    beyond = ti.max(stretched - 1.0, 0.0)
    force = ti.cast(flesh.present[k], flesh.real) * flesh.force[env, k]
    return ti.Vector(
        [
            -force * grip * speed,
            -0.5 * force * flesh.passive[env, k] * (stretched * stretched - beyond * beyond),
            -force * grip * per_pace / fastest,
        ]
    )


@ti.func
def twitched(asked, before, up, down, width):
    """Rate of a muscle's activation (Millard et al. 2013, J. Biomech. Eng. 135; MuJoCo's muscle dynamics).

    Args:
        asked: control.
        before: activation.
        up, down: time constants of activation and deactivation [s].
        width: of what is asked beyond what is there, over which one goes over into the other.
    """
    share = 0.5 + 1.5 * within(before)
    lacks = within(asked) - before
    x = within(lacks / ti.max(width, TINY) + 0.5)
    grows = x * x * x * (3.0 * x * (2.0 * x - 5.0) + 10.0)
    return lacks / (down / share + (up * share - down / share) * grows)
