"""What MuJoCo's constraints are made of in fields: see `constraints`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.engine.runtime import REAL
from diffsim.physics.articulated import pairs
from diffsim.physics.articulated.constraint_ties import Ties, ties_of
from diffsim.physics.articulated.gyroscope import Gyros
from diffsim.physics.articulated.row_fields import Rows
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.touch import SHAPES, Touch

__all__ = ["Constraints", "constraints_of"]

_OF_GRIP = [
    f"scene.{name}" for name in ("friction", "torsion", "rolling", "pair_friction", "pair_torsion", "pair_rolling")
]

_OF_ROWS = [f"scene.{name}" for name in ("limit_solref", "limit_solimp", "friction_solref", "friction_solimp")]


@dataclass(frozen=True)
class Constraints:
    """Contacts (spots) and rows (limits, then friction losses). Fields (k,) of whole numbers, (env, k) of numbers.

    The coordinates of a contact are along the normal, along both tangents, and if there is friction against turning or
    rolling about these three axes.
    """

    owner: Any  # (geom,) its link, or room for the world behind the links
    condim: Any  # (spot,) MuJoCo's
    aligned: Any  # (spot,) 1 if the first tangent is along the axis of a capsule
    ties: Ties | None  # of tendons and equalities
    gyros: Gyros | None  # of what spins, if its forces are implicit
    joint: Any  # (row,) its joint
    freedom: Any  # (row,) its velocity, the first of three of a ball
    coordinate: Any  # (row,) where its position is
    wide: Any  # (row,) 1 for a ball
    solref: Any  # (env, geom)
    solimp: Any
    solmix: Any
    pair_solref: Any  # (env, pair); None without pairs
    pair_solimp: Any
    link_mobility: Any  # (env, link) of shifts and turns [1/kg], [1/(kg m^2)]
    joint_mobility: Any  # (env, velocity)
    limit_solref: Any  # (env, joint)
    limit_solimp: Any
    friction_solref: Any
    friction_solimp: Any
    range: Any
    pull: Any  # (env, spot) b and k of the reference acceleration
    shape: Any  # (env, spot) solimp
    lightness: Any  # (env, spot) inverse inertia that the regulariser counts with
    grip: Any  # (env, spot) friction along the tangents, against turning and rolling
    row_pull: Any  # (env, row) as of spots
    row_shape: Any
    gap: Any  # (env, row, substep spot) distance less the margin [m]; touches if it is negative
    frame: Any  # (env, row, substep spot) normal and tangents
    arm: Any  # (env, row, substep spot) of the point, from where the second geom's tree is taken at [m]
    other_arm: Any  # the same of the first geom
    aim: Any  # (env, row, substep spot) reference acceleration
    weight: Any  # (env, row, substep spot) 1 / R
    lever: Any  # (env, row, substep row) J of three velocities from the first on
    row_aim: Any
    row_weight: Any
    pure: Any  # (env, row, substep velocity) spatial acceleration by those of the joints
    drift: Any  # the same by the motion there is
    lag: Any  # the same as `pure`, of what damping takes
    reply: Any  # force of contacts on what a velocity moves
    torque: Any  # of rows
    handed: Any  # force of what is beyond
    handed_lag: Any
    lack: Any  # of the equations of motion, at the solution that was decided
    gained: Any
    rate: Any  # the solution: acceleration without implicit damping
    lag_lack: Any
    lag_gained: Any
    lag_beside: Any  # what implicit damping of tendons and gyroscopic forces take; None without any
    moved: Any  # spatial acceleration at the solution
    solution: Any  # decided: (env, row, substep velocity) acceleration
    slowed: Any  # what implicit damping takes of it
    inverse: Any  # (env, row, substep velocity * velocity) of the system's matrix
    slowed_inverse: Any
    branch: Any  # (env, row, substep spot) which edges push; None unless everything is recorded
    mass: Any  # scratch: M
    system: Any
    factor: Any
    drifting: Any
    gathered: Any
    beyond: Any
    effort: Any
    now: Any
    way: Any
    slope: Any
    jacobian: Any
    where: Any
    offset: Any
    change: Any
    row_offset: Any
    row_change: Any
    spots: int
    width: int  # coordinates of a contact
    geoms: int
    limits: int
    rows: int  # limits, then friction losses
    squares: int  # velocities squared
    damped: bool  # whether damping or servos are implicit
    touches: bool
    tied: bool  # whether there are ties
    spins: bool  # whether there are gyroscopic forces
    beside: bool  # whether damping is implicit of more than joints and their actuators
    elliptic: bool
    impratio: float
    limit_rows: bool
    friction_rows: bool
    still: float  # change of an acceleration, against the largest, that is rounding
    real: Any


def constraints_of(
    scene: Articulated, fields: Fields, touch: Touch, tree: Any, tied: Rows | None, gyros: Gyros | None
) -> Constraints | None:
    """Declare the fields of MuJoCo's constraints; None if a scene has the compliant law."""
    if scene.contact_law != "mujoco":
        return None
    spots, geoms, nv, slots = pairs.spots(scene), scene.all_geoms, scene.freedoms, scene.evaluations
    count, width = len(spots), 6 if touch.twists else 3
    shapes = [SHAPES.index(geom.shape) for _, geom in geoms]
    joints = scene.joints
    starts = np.cumsum([(0, 0), *((joint.coordinates, joint.freedoms) for joint in joints)], axis=0)[:-1]
    rubbed = [joint.friction_loss > 0.0 for joint in joints]
    limits = [k for k, joint in enumerate(joints) if scene.limits and joint.limits is not None]
    lossy = [(k, f) for k, joint in enumerate(joints) for f in range(joint.freedoms) if rubbed[k]]
    rows = len(limits) + len(lossy)
    owning = np.array([*limits, *(k for k, _ in lossy)], dtype=int)
    freedom = np.array([*(starts[k, 1] for k in limits), *(starts[k, 1] + f for k, f in lossy)], dtype=int)
    damped = tree.damps and (
        scene.integrator == "implicitfast"
        or any(joint.damping > 0.0 for joint in joints)
        or "scene.damping" in fields.tuned
    )

    def number(name: str, elements: int, width: int = 0, *, there: bool = True) -> Any:
        return fields.number(f"scene.{name}", elements, width) if there else None

    def kept(name: str, elements: int, width: int = 0, *, accumulates: bool = False, there: bool = True) -> Any:
        elements = slots * elements if there else 0
        return fields.trajectory(name, elements, width, accumulates=accumulates, recorded=False)

    def think(elements: int, width: int = 0) -> Any:
        return fields.scratch_numbers(elements, width)

    chains, touches, ties = nv + 1, bool(count), ties_of(scene, fields, tied)
    beside = damped and (gyros is not None or (ties is not None and ties.paired))
    softness = ["scene.solref", "scene.solimp", "scene.solmix"]
    softness += ["scene.pair_solref", "scene.pair_solimp"] if touch.paired else []
    return Constraints(
        owner=fields.integers(np.array([owner if owner >= 0 else len(scene.links) for owner, _ in geoms], dtype=int)),
        condim=fields.integers(np.array([pairs.dimensions(scene, spot) for spot in spots], dtype=int)),
        aligned=fields.integers(
            np.array([spot.kind == "plane" and shapes[spot.geoms[1]] == SHAPES.index("capsule") for spot in spots], int)
        ),
        ties=ties,
        gyros=gyros,
        joint=fields.integers(owning),
        freedom=fields.integers(freedom),
        coordinate=fields.integers(starts[owning, 0] if rows else owning),
        wide=fields.integers(np.array([joints[k].motion == "ball" for k in limits] + [False] * len(lossy), dtype=int)),
        solref=number("solref", len(geoms), 2, there=touches),
        solimp=number("solimp", len(geoms), 5, there=touches),
        solmix=number("solmix", len(geoms), there=touches),
        pair_solref=number("pair_solref", len(scene.pairs), 2, there=touch.paired and touches),
        pair_solimp=number("pair_solimp", len(scene.pairs), 5, there=touch.paired and touches),
        link_mobility=number("link_mobility", len(scene.links), 2, there=touches),
        joint_mobility=fields.number(
            "scene.joint_mobility",
            nv,
            index=np.array([2 * k + (f > 2) for k, joint in enumerate(joints) for f in range(joint.freedoms)]),
        )
        if rows
        else None,
        limit_solref=number("limit_solref", len(joints), 2, there=bool(limits)),
        limit_solimp=number("limit_solimp", len(joints), 5, there=bool(limits)),
        friction_solref=number("friction_solref", len(joints), 2, there=bool(lossy)),
        friction_solimp=number("friction_solimp", len(joints), 5, there=bool(lossy)),
        range=number("joint_limits", len(joints), 2, there=bool(limits)),
        pull=fields.derived(count, 2, of=softness),
        shape=fields.derived(count, 5, of=softness),
        lightness=fields.derived(count, of=["scene.link_mobility"]),
        grip=fields.derived(count, width - 1, of=_OF_GRIP),
        row_pull=fields.derived(rows, 2, of=_OF_ROWS),
        row_shape=fields.derived(rows, 5, of=_OF_ROWS),
        gap=kept("contact_gap", count),
        frame=kept("contact_frame", count, 9),
        arm=kept("contact_lever", count, 3),
        other_arm=kept("contact_other_lever", count, 3),
        aim=kept("contact_aim", count, width),
        weight=kept("contact_weight", count),
        lever=kept("row_lever", rows, 3),
        row_aim=kept("row_aim", rows),
        row_weight=kept("row_weight", rows),
        pure=kept("pure_acceleration", chains, 6),
        drift=kept("drift", chains, 6),
        lag=kept("lag_acceleration", chains, 6, there=damped),
        reply=kept("contact_reply", chains, 6, accumulates=True),
        torque=kept("row_torque", nv, accumulates=True),
        handed=kept("handed_force", chains, 6, accumulates=True),
        handed_lag=kept("handed_lag", chains, 6, accumulates=True, there=damped),
        lack=kept("lack", nv),
        gained=kept("gained", nv, accumulates=True),
        rate=kept("undamped_rate", nv),
        lag_lack=kept("lag_lack", nv, there=damped),
        lag_gained=kept("lag_gained", nv, accumulates=True, there=damped),
        lag_beside=kept("lag_beside", nv, accumulates=True) if beside else None,
        moved=kept("moved_acceleration", chains, 6, there=touches),
        solution=fields.decision_numbers(slots * nv),
        slowed=fields.decision_numbers(slots * nv if damped else 0),
        inverse=fields.decision_numbers(slots * nv * nv),
        slowed_inverse=fields.decision_numbers(slots * nv * nv if damped else 0),
        branch=fields.trajectory(
            "branch", slots * (count + rows + (ties.count if ties else 0)), accumulates=True, per_step=True
        )
        if fields.record_all
        else None,
        mass=think(nv * nv),
        system=think(nv * nv),
        factor=think(nv * nv),
        drifting=think(chains, 6),
        gathered=think(chains, 21),
        beyond=think(chains, 6),
        effort=think(nv),
        now=think(nv),
        way=think(nv),
        slope=think(nv),
        jacobian=think(count * nv, width),
        where=fields.scratch(count),
        offset=think(count, width),
        change=think(count, width),
        row_offset=think(rows),
        row_change=think(rows),
        spots=count,
        width=width,
        geoms=len(geoms),
        limits=len(limits),
        rows=rows,
        squares=nv * nv,
        damped=damped,
        touches=touches,
        tied=ties is not None,
        spins=gyros is not None,
        beside=beside,
        elliptic=scene.cone == "elliptic",
        impratio=scene.impratio,
        limit_rows=bool(limits),
        friction_rows=bool(lossy),
        still=1.0e-12 if fields.real == REAL["f64"] else 1.0e-5,
        real=fields.real,
    )
