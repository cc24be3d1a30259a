"""Activations of actuators: from the control that an actuation means to what follows it in time."""

import taichi as ti

from diffsim.physics.articulated.contraction import twitched
from diffsim.physics.articulated.forces import UNLIMITED
from diffsim.physics.articulated.integration import ahead, first_of, set_next

__all__ = ["activate", "activate_in_turns", "asked_of", "enter_activation", "remember"]

INTEGRATOR, FILTER, EXACT, TWITCH = range(4)
"""As in `DYNAMICS`."""


@ti.func
def remember(muscles: ti.template(), motion: ti.template(), env, row, step, element):
    """Activation at the start."""
    motion.activation[env, 0, element] = muscles.initial_activation[env, muscles.lagging[element]]


@ti.func
def enter_activation(motion: ti.template(), env, row, step, element):
    """The activation of a row is that of its first substep."""
    motion.now_activation[env, row, element] = motion.activation[env, row, element]


@ti.func
def asked_of(muscles: ti.template(), motion: ti.template(), env, row, k):
    """The control that an actuation means, within its range."""
    control = muscles.control[env, k]
    most = 1.0 + UNLIMITED * (1.0 - ti.cast(muscles.controlled[k], muscles.real))
    # At a tie Taichi takes the second argument: what is just at its limit still has a gradient, and can leave it.
    share = ti.min(most, ti.max(-most, motion.actuation[env, row, k]))
    asked = control[0] + share * control[1]
    if ti.static(muscles.neutrals):
        asked = ti.min(muscles.reach[env, k][1], ti.max(muscles.reach[env, k][0], asked))
    return asked


@ti.func
def kept_within(muscles: ti.template(), env, k, activation):
    """An activation, within its range."""
    found = activation
    if ti.static(muscles.activation_ranges):
        far = UNLIMITED * (1.0 - ti.cast(muscles.kept[k], muscles.real))
        ends = muscles.activation_range[env, k]
        found = ti.min(ends[1] + far, ti.max(ends[0] - far, activation))
    return found


@ti.func
def activate(muscles: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """The next activation."""
    part = element // muscles.counts[3]
    which = element - part * muscles.counts[3]
    k = muscles.lagging[which]
    kind = muscles.kind[which]
    asked = asked_of(muscles, motion, env, row, k)
    before = motion.now_activation[env, row, element]
    pace = tree.dt / muscles.time_constant[env, k]
    filtered = ti.cast(kind == FILTER, muscles.real)
    exact = ti.cast(kind == EXACT, muscles.real)
    share = filtered * pace + exact * (1.0 - ti.exp(-pace))
    plain = 1.0 - filtered - exact
    if ti.static(muscles.twitching):
        plain -= ti.cast(kind == TWITCH, muscles.real)
    after = before + share * (asked - before) + plain * tree.dt * asked
    if ti.static(muscles.twitching):
        down = muscles.deactivation_time[env, k]
        rate = twitched(asked, before, muscles.time_constant[env, k], down, muscles.activation_width[env, k])
        after += ti.cast(kind == TWITCH, muscles.real) * tree.dt * rate
    after = kept_within(muscles, env, k, after)
    set_next(tree, motion.activation, motion.now_activation, muscles.counts[3], env, row, part, which, after)


@ti.func
def activate_in_turns(muscles: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """The activation of the next of Runge and Kutta's evaluations, or after the last one of the next step.

    Of the mean rate an exact filter takes as much as it would of one that decays, as MuJoCo has it.
    """
    part = element // muscles.counts[3]
    which = element - part * muscles.counts[3]
    k = muscles.lagging[which]
    kind = muscles.kind[which]
    asked = asked_of(muscles, motion, env, row, k)
    now = motion.now_activation[env, row, element]
    time = muscles.time_constant[env, k]
    filtered = ti.cast(kind == FILTER or kind == EXACT, muscles.real)
    rate = filtered * (asked - now) / time + ti.cast(kind == INTEGRATOR, muscles.real) * asked
    if ti.static(muscles.twitching):
        down = muscles.deactivation_time[env, k]
        twitch = twitched(asked, now, time, down, muscles.activation_width[env, k])
        rate += ti.cast(kind == TWITCH, muscles.real) * twitch
    muscles.pace[env, row, element] = rate
    begun = motion.now_activation[env, row, first_of(tree, part) * muscles.counts[3] + which]
    after = begun + ahead(tree, part) * rate
    if part % 4 == 3:
        back = ti.static(muscles.counts[3])
        mean = (
            muscles.pace[env, row, element - 3 * back]
            + 2.0 * muscles.pace[env, row, element - 2 * back]
            + 2.0 * muscles.pace[env, row, element - back]
            + rate
        ) / 6.0
        exact = ti.cast(kind == EXACT, muscles.real)
        span = exact * time * (1.0 - ti.exp(-tree.dt / time)) + (1.0 - exact) * tree.dt
        after = kept_within(muscles, env, k, begun + span * mean)
    set_next(tree, motion.activation, motion.now_activation, muscles.counts[3], env, row, part, which, after)
