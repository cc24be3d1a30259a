"""What tendons and equalities are made of in fields: see `rows`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.physics.articulated.connections import Connections, carried_by, connected, connections_of, ends_of
from diffsim.physics.articulated.elimination import System, system_of
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.strings import Strings, moving, strings_of
from diffsim.physics.articulated.tendon_couples import Couples, coupled, couples_of

__all__ = ["Rows", "rows_of"]


@dataclass(frozen=True)
class Rows:
    """Rows: tendons, equalities of joints, links held to each other, equalities of two tendons.

    Fields (k,) of whole numbers, (env, k) of numbers.
    """

    strings: Strings | None  # spatial tendons
    joined: Connections | None  # links that are held to each other
    couples: Couples | None  # equalities of two tendons
    entry_row: Any  # (entry,) which row an entry of J belongs to; first those of tendons
    entry_freedom: Any  # (entry,) which velocity
    entry_coordinate: Any  # (entry,) where its position is
    one: Any  # (pair,) entry of J
    other: Any  # (pair,) another of the same row
    carried: Any  # (pair,) 1 if one velocity carries the other, or is the same
    slot: Any  # (pair,) where w times both goes in the matrix
    springs: Any  # (k,) tendons with a spring or damper
    limits: Any  # (k,) tendons with limits
    frictions: Any  # (k,) tendons with friction
    motors: Any  # (k,) tendons with armature
    follow: Any  # (4 k,) equality, its first entry, then where its joints' references are, -1 without a second
    held_row: Any  # (equality,) its row
    offset: Any  # (equality,) 1 if the row is a length, to be that of the polynomial
    coefficient: Any  # (env, entry) of tendons
    stiffness: Any
    damping: Any
    rest: Any
    range: Any
    limit_stiffness: Any
    limit_damping: Any
    friction_loss: Any
    friction_width: Any
    armature: Any
    polynomial: Any  # (env, equality)
    weight: Any
    reference: Any
    impedance: Any
    stiff: Any  # (env, tendon) how much of its limit is Euler's implicit step
    drift: Any  # (env, row, substep velocity) spatial acceleration without any of the joints', and of the world
    start: Any  # (row,) its first entry, with MuJoCo's law: see `constraint_ties`
    size: Any  # (row,) how many it has
    tie_row: Any  # (tie,) whose lever it has
    tie_sign: Any  # (tie,) with which sign
    tie_tendon: Any  # (tie,) of a friction loss or limit
    aim: Any  # (env, row, substep tie) reference acceleration
    weight_of: Any  # (env, row, substep tie) 1 / R
    gradient: Any  # (env, row, substep entry) J
    length: Any  # (env, row, substep row) r
    rate: Any
    force: Any  # f
    inertia: Any  # w; None where nothing is implicit
    passive: Any  # w of armature, dampers and servos; with MuJoCo's law without armature
    held: Any  # (env, row, substep tendon) f and w of a limit; None but with Runge and Kutta's
    system: System | None  # what the accelerations follow from; None where nothing is implicit, and with MuJoCo's law
    counts: tuple[int, ...]  # of springs, limits, frictions, motors
    tendons: int
    fixed: int  # entries of tendons
    entries: int
    rows: int
    pairs: int
    follows: int
    equalities: int
    linked: int  # the first row of what links are held by
    ties: int
    held_ties: int  # equalities, which come first; then friction losses, then both limits of each tendon
    solved: bool  # whether the law is MuJoCo's
    damps: bool  # whether damping of tendons is implicit
    implicit: bool  # whether what actuators lose per rate may be
    real: Any


def rows_of(scene: Articulated, fields: Fields, tree: Any, parents: np.ndarray) -> Rows | None:
    """Declare the fields of tendons and equalities; None without any."""
    tendons, equalities, held_links = scene.tendons, scene.equalities, connected(scene)
    if not tendons and not equalities and not held_links:
        return None
    names, solved = [each.name for each in tendons], scene.contact_law == "mujoco"
    entries = [(k, joint) for k, each in enumerate(tendons) for joint in each.joints]
    fixed, held = len(entries), []
    follow: list[tuple[int, int, int, int]] = []
    joints = [joint.name for joint in scene.joints]
    for k, each in enumerate(equalities):
        if each.of == "tendons":
            held.append(names.index(each.first))
            continue
        row = len(tendons) + len(follow)
        second = -1 if each.second is None else joints.index(each.second)
        follow.append((k, len(entries), joints.index(each.first), second))
        entries += [(row, name) for name in (each.first, each.second) if name is not None]
        held.append(row)
    freedoms = [scene.freedom(name) for _, name in entries]
    coordinates = [scene.coordinate("row", name) for _, name in entries]
    ties = [row for row, _ in entries]
    for row, each in enumerate(tendons):
        moved = sorted(moving(scene, parents, tree.carriers, each))
        ties += [row] * len(moved)
        freedoms += moved
        coordinates += [0] * len(moved)
    first_row = len(tendons) + len(follow)
    welds = [k for k in held_links if scene.holds[k].orientation is not None]
    for k, hold in enumerate((*held_links, *welds)):
        carriers = [(*tree.carriers, -1)[end] for end in ends_of(scene, hold)]
        driven = sorted({f for carrier in carriers for f in carried_by(parents, carrier)})
        for c in range(3):
            ties += [first_row + 3 * k + c] * len(driven)
            freedoms += driven
            coordinates += [0] * len(driven)
    behind = first_row + 3 * (len(held_links) + len(welds))
    for row, k in enumerate(coupled(scene), start=behind):
        both = [names.index(name) for name in (equalities[k].first, equalities[k].second)]
        driven = sorted({f for own, f in zip(ties, freedoms, strict=True) if own in both})
        ties += [row] * len(driven)
        freedoms += driven
        coordinates += [0] * len(driven)
        held[k] = row
    count, slots = behind + len(coupled(scene)), scene.evaluations
    groups = [[f for row, f in zip(ties, freedoms, strict=True) if row == k] for k in range(count)]
    system, slots_of = system_of(scene, fields, parents, groups) if scene.coupled and not solved else (None, {})
    lags = scene.integrator == "implicitfast" and (scene.slow or _tuned(fields)) if solved else system is not None
    if solved:
        pairs = _heavy_pairs(scene, parents, ties, freedoms, lags=lags)
    else:
        pairs = [
            (a, b, slots_of[min(freedoms[a], freedoms[b]), max(freedoms[a], freedoms[b])])
            for a in range(len(ties))
            for b in range(len(ties))
            if system and ties[a] == ties[b] and freedoms[a] <= freedoms[b]
        ]
    bounded = [scene.limits and each.limits is not None for each in tendons]
    lists: list[Any] = [
        [k for k, each in enumerate(tendons) if each.stiffness or each.damping or _tuned(fields)],
        np.flatnonzero(bounded),
        [k for k, each in enumerate(tendons) if each.friction_loss],
        [k for k, each in enumerate(tendons) if each.armature],
    ]
    springs, limits, frictions, motors = (fields.integers(np.array(each, dtype=int)) for each in lists)

    def number(name: str, width: int = 0, *, of: Any = tendons, kind: str = "tendon", there: bool = True) -> Any:
        return fields.number(f"scene.{kind}_{name}", len(of), width) if len(of) and there else None

    def equal(name: str, width: int = 0) -> Any:
        return number(name, width, of=equalities, kind="equality")

    def rows(name: str, elements: int, width: int = 0, *, accumulates: bool = True) -> Any:
        return fields.trajectory(name, slots * elements, width, accumulates=accumulates, recorded=False)

    holds_limits = scene.integrator == "rk4" and len(lists[1]) > 0 and not solved
    owning = [*lists[2], *(k for k in lists[1] for _ in range(2))]
    tied = [*held, *range(first_row, behind), *owning]
    signs = np.ones(len(tied), dtype=int)
    signs[len(tied) - 2 * len(lists[1]) + 1 :: 2] = -1
    held_ties = len(tied) - len(owning)

    def whole(values: Any) -> Any:
        return fields.integers(np.array(values, dtype=int)) if solved else None

    drift = rows("drift_of_links", scene.freedoms + 1, 6, accumulates=False) if held_links and solved else None
    of_limits = [f"scene.tendon_{name}" for name in ("limit_stiffness", "limit_damping")]
    places = {(row, f): k for k, (row, f) in enumerate(zip(ties, freedoms, strict=True))}
    return Rows(
        strings=strings_of(scene, fields, tree, places),
        joined=connections_of(scene, fields, tree, first_row, places),
        couples=couples_of(scene, fields, held, places),
        entry_row=fields.integers(np.array(ties)),
        entry_freedom=fields.integers(np.array(freedoms)),
        entry_coordinate=fields.integers(np.array(coordinates)),
        one=fields.integers(np.array([a for a, _, _ in pairs])),
        other=fields.integers(np.array([b for _, b, _ in pairs])),
        carried=fields.integers(
            np.array([freedoms[a] in carried_by(parents, freedoms[b]) for a, b, _ in pairs], dtype=int)
        ),
        slot=fields.integers(np.array([at for _, _, at in pairs])),
        springs=springs,
        limits=limits,
        frictions=frictions,
        motors=motors,
        follow=fields.integers(np.array(follow)),
        held_row=fields.integers(np.array(held)),
        offset=fields.integers(np.array([each.of == "tendons" and each.second is None for each in equalities])),
        coefficient=number("coefficient", of=range(fixed)),
        stiffness=number("stiffness"),
        damping=number("damping"),
        rest=number("rest", 2),
        range=number("limits", 2),
        limit_stiffness=number("limit_stiffness", there=not solved),
        limit_damping=number("limit_damping", there=not solved),
        friction_loss=number("friction_loss"),
        friction_width=number("friction_width", there=not solved),
        armature=number("armature"),
        polynomial=equal("polynomial", 5),
        weight=equal("weight"),
        reference=equal("reference", 2),
        impedance=equal("impedance", 5),
        stiff=fields.derived(len(tendons), of=of_limits) if len(lists[1]) and not solved else None,
        drift=system.drift if system else drift,
        start=whole([ties.index(k) if k in ties else 0 for k in range(count)]),
        size=whole([ties.count(k) for k in range(count)]),
        tie_row=whole(tied),
        tie_sign=whole(signs),
        tie_tendon=whole([0] * held_ties + owning),
        aim=rows("tie_aim", len(tied), accumulates=False) if solved else None,
        weight_of=rows("tie_weight", len(tied), accumulates=False) if solved else None,
        gradient=rows("row_gradient", len(ties)),
        length=rows("row_length", count),
        rate=rows("row_rate", count),
        force=rows("row_force", count),
        inertia=rows("row_inertia", count) if system else None,
        passive=rows("row_passive", count) if lags else None,
        held=rows("row_limit", len(tendons), 2, accumulates=False) if holds_limits else None,
        system=system,
        counts=tuple(map(len, lists)),
        tendons=len(tendons),
        fixed=fixed,
        entries=len(ties),
        rows=count,
        pairs=len(pairs),
        follows=len(follow),
        equalities=len(equalities),
        linked=first_row,
        ties=len(tied) if solved else 0,
        held_ties=held_ties,
        solved=solved,
        implicit=lags,
        damps=scene.integrator == "implicitfast" and (lags or not solved),
        real=fields.real,
    )


def _heavy_pairs(
    scene: Articulated, parents: np.ndarray, ties: list[int], freedoms: list[int], *, lags: bool
) -> list[tuple[int, int, int]]:
    """Of tendons two entries each, of velocities of which one carries the other, that armature or damping couples."""
    rows = [k for k, each in enumerate(scene.tendons) if each.armature or lags]
    return [
        (a, b, 0)
        for a in range(len(ties))
        for b in range(len(ties))
        if ties[a] in rows and ties[a] == ties[b] and freedoms[a] in carried_by(parents, freedoms[b])
    ]


def _tuned(fields: Fields) -> bool:
    """Whether springs or dampers of tendons are tuned, and may become some."""
    return bool({"scene.tendon_stiffness", "scene.tendon_damping"} & {name.partition("[")[0] for name in fields.tuned})
