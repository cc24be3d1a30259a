"""The records of a scene of rigid bodies: which fields it has, and which number is kept where."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.engine.runtime import REAL
from diffsim.physics.rigid_bodies.bodies import Disc
from diffsim.physics.rigid_bodies.declared import Numbers
from diffsim.physics.rigid_bodies.joints import Pin, Rope, Slider, Weld
from diffsim.physics.rigid_bodies.records import Bodies, Courses, Joints, Motion, Springs, Touch
from diffsim.physics.rigid_bodies.scene import RigidBodies

__all__ = [
    "PIN",
    "SLIDER",
    "bodies_of",
    "courses_of",
    "driven",
    "joints_of",
    "joints_of_kind",
    "motion_of",
    "rounded",
    "springs_of",
    "touch_of",
]

KINDS = (Pin, Weld, Slider, Rope)
PIN, WELD, SLIDER, ROPE = range(4)

CERTAIN = 64
"""So many points of contact get room without asking whether they can all touch at a time."""

MANY = 24
"""From so many bodies on, those that are near each other are found by a grid and not by looking at all pairs."""

USUAL = 6
"""Points of contact for each body that there is room for beyond that: six discs of one size fit around one."""

ROUNDINGS = 16.0
"""So many roundings of a speed are left of it after impacts on a tower of ten bodies, that should be 0."""


def bodies_of(scene: RigidBodies, fields: Fields) -> Bodies:
    """Bodies and obstacles of a scene."""
    n, m = len(scene.bodies), len(scene.obstacles)
    shapes, counts = n + m, scene.vertex_counts
    vertices, first = int(counts.sum()), np.cumsum(counts) - counts
    following = np.arange(vertices) + 1
    following[np.cumsum(counts) - 1] = first
    given = scene.members("vertices")
    sides = np.concatenate([_sides(scene, shape, shape in given) for shape in range(shapes)])
    own = [scene.members(name) for name in ("obstacle_friction", "obstacle_restitution")]
    material = [3] * n + [int(k in own[0]) + 2 * int(k in own[1]) for k in range(n, shapes)]
    number = Numbers(scene, fields)
    mass = [f"scene.{name}" for name in ("density", "body_density", "mass")]
    size = [f"scene.{name}" for name in ("half_size", "half_length", "radius", "vertices")]
    friction = [f"scene.{name}" for name in ("friction", "body_friction", "obstacle_friction")]
    restitution = [f"scene.{name}" for name in ("restitution", "body_restitution", "obstacle_restitution")]
    return Bodies(
        initial_position=number.all("initial_position", n, 2),
        initial_angle=number.all("initial_angle", n),
        initial_velocity=number.all("initial_velocity", n, 2),
        initial_angular_velocity=number.all("initial_angular_velocity", n),
        obstacle_position=number.some("obstacle_position", m, 2, members=range(m)),
        obstacle_angle=number.some("obstacle_angle", m, members=range(m)),
        density=number.shared("density", n),
        own_density=number.some("body_density", n),
        given_mass=number.some("mass", n),
        given_inertia=number.some("inertia", n),
        half_size=number.some("half_size", shapes, 2),
        half_length=number.some("half_length", shapes),
        radius=number.some("radius", shapes),
        given_vertex=number.some(
            "vertices", vertices, 2, members=[k for k, shape in enumerate(_owners(scene)) if shape in given]
        ),
        shared_friction=number.shared("friction", shapes),
        own_friction=number.some("body_friction", shapes),
        obstacle_friction=number.some("obstacle_friction", shapes),
        shared_restitution=number.shared("restitution", shapes),
        own_restitution=number.some("body_restitution", shapes),
        obstacle_restitution=number.some("obstacle_restitution", shapes),
        gravity=number.all("gravity", 1, 2),
        damping=number.all("damping", 1),
        keep=fields.derived(1, of=["scene.damping"]),
        centroid=fields.derived(shapes, 2, of=["scene.vertices"]),
        vertex=fields.derived(vertices, 2, of=size),
        normal=fields.derived(vertices, 2, of=size),
        mass=fields.derived(n, of=mass + size),
        inverse_mass=fields.derived(shapes + 1, of=mass + size),
        inverse_inertia=fields.derived(shapes + 1, of=[*mass, *size, "scene.inertia"]),
        share=fields.derived(n, of=mass + size),
        total=fields.derived(1, of=mass + size),
        friction=fields.derived(shapes, of=friction),
        restitution=fields.derived(shapes, of=restitution),
        kind=fields.integers(scene.kinds),
        first=fields.integers(first),
        count=fields.integers(counts),
        owner=fields.integers(_owners(scene)),
        following=fields.integers(following),
        side_x=fields.integers(sides[:, 0]),
        side_y=fields.integers(sides[:, 1]),
        polygon=fields.integers(np.isin(np.arange(shapes), given)),
        material=fields.integers(np.array(material)),
        by_inertia=fields.integers(np.isin(np.arange(n), scene.members("inertia"))),
        joined=fields.integers(_joined(scene)),
        bodies=n,
        places=shapes + 1,
        most_vertices=int(counts.max()),
        dt=scene.dt,
        real=fields.real,
    )


def _owners(scene: RigidBodies) -> np.ndarray:
    """The shape of each vertex."""
    return np.repeat(np.arange(len(scene.shapes)), scene.vertex_counts)


def _sides(scene: RigidBodies, shape: int, given: bool) -> np.ndarray:
    """(k, 2) on which side of the centre each vertex is, in units of the shape's size; 0 where vertices are given."""
    if given or isinstance(scene.shapes[shape], Disc):
        return np.zeros((scene.vertex_counts[shape], 2))
    if scene.kinds[shape] == 0:
        return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    ends = np.array([[-1, 0], [1, 0]])
    return ends[::-1] if scene.kinds[shape] == 2 else ends  # the normal of the face from the first end points up


def motion_of(scene: RigidBodies, fields: Fields, reads: frozenset[str]) -> Motion:
    """The trajectory of a scene."""
    n, places, actuators = len(scene.bodies), len(scene.shapes) + 1, len(scene.actuators)
    observed, sensed = "observation" in reads, "actuator_state" in reads
    centred = observed or "centre" in reads
    rows = fields.trajectory
    # In the order in which a step computes them: the first that is not finite tells where it began.
    return Motion(
        position=rows("position", places, 2, state=True, recorded=n),
        velocity=rows("velocity", places, 2, state=True, recorded=n),
        angle=rows("angle", places, state=True, recorded=n),
        angular_velocity=rows("angular_velocity", places, state=True, recorded=n),
        rotation=rows("rotation", places, 2, recorded=False, per_step=True),
        centre=rows("centre", 1, 2, accumulates=True, recorded=False) if centred else None,
        observation=rows("observation", scene.observations) if observed else None,
        actuator_position=rows("actuator_position", actuators) if sensed else None,
        actuator_velocity=rows("actuator_velocity", actuators) if sensed else None,
        actuation=rows("actuation", actuators, per_step=True),
        force=rows("force", places, 2, accumulates=True, recorded=False, per_step=True),
        torque=rows("torque", places, accumulates=True, recorded=False, per_step=True),
    )


def springs_of(scene: RigidBodies, fields: Fields) -> Springs:
    """Its springs."""
    s, world, number = len(scene.springs), len(scene.shapes), Numbers(scene, fields)
    every = range(s)
    driven_ones = scene.driven_springs
    return Springs(
        first=fields.integers(np.array([spring.first for spring in scene.springs])),
        second=fields.integers(_seconds(scene.springs, world)),
        anchor_first=number.end("spring_anchor", s, 0),
        anchor_second=number.end("spring_anchor", s, 1),
        stiffness=number.some("stiffness", s, members=every),
        rest_length=number.some("rest_length", s, members=every),
        damping=number.some("spring_damping", s, members=every),
        actuation=number.some("actuation", s, members=every),
        muscles=fields.integers(driven_ones),
        passive=fields.integers(np.setdiff1d(np.arange(s), driven_ones)),
    )


def _seconds(links: Sequence[Any], world: int) -> np.ndarray:
    return np.array([world if link.second is None else link.second for link in links])


def joints_of_kind(scene: RigidBodies, kind: int) -> np.ndarray:
    """Indices of its pins, welds, sliders or ropes."""
    found = [k for k, joint in enumerate(scene.joints) if isinstance(joint, KINDS[kind])]
    return np.array(found, dtype=np.int64)


def driven(scene: RigidBodies, kind: int) -> np.ndarray:
    """Those of its pins or sliders that have a motor or damping."""
    either = np.union1d(scene.members("motor"), scene.members("joint_damping"))
    return np.intersect1d(joints_of_kind(scene, kind), either)


def joints_of(scene: RigidBodies, fields: Fields) -> Joints:
    """Its joints."""
    j, world, number, passes = len(scene.joints), len(scene.shapes), Numbers(scene, fields), scene.iterations
    pins, welds, sliders, ropes = (joints_of_kind(scene, kind) for kind in range(4))
    held = np.setdiff1d(np.arange(j), ropes)
    kinds = np.array([KINDS.index(type(joint)) for joint in scene.joints])
    parts = 3 if len(welds) or len(ropes) else 2
    actuators = np.full(j, -1)
    actuators[scene.driven_joints] = len(scene.driven_springs) + np.arange(len(scene.driven_joints))
    rows = fields.trajectory
    hidden = {"recorded": False, "per_step": True}
    return Joints(
        first=fields.integers(np.array([joint.first for joint in scene.joints])),
        second=fields.integers(_seconds(scene.joints, world)),
        anchor_first=number.end("joint_anchor", j, 0),
        anchor_second=number.end("joint_anchor", j, 1),
        angle=number.some("joint_angle", j),
        axis=number.some("slider_axis", j),
        length=number.some("rope_length", j),
        motor=number.some("motor", j),
        damping=number.some("joint_damping", j),
        actuator=fields.integers(actuators),
        kind=fields.integers(kinds),
        row=rows("joint_row", 3 * j, 4, **hidden),
        error=rows("joint_error", j, 3, **hidden),
        aim=rows("joint_aim", j, 3, **hidden),
        inverse=rows("joint_inverse", 3 * j, 3, **hidden),
        impulse=rows("joint_impulse", (passes + 1) * j, parts, **hidden),
        carried=rows("joint_carried", j, parts, state=True, recorded=False),
        held=fields.integers(held),
        roped=fields.integers(ropes),
        pins=fields.integers(pins),
        welds=fields.integers(welds),
        sliders=fields.integers(sliders),
        turning=fields.integers(driven(scene, PIN)),
        sliding=fields.integers(driven(scene, SLIDER)),
        holds=len(held),
        ropes=len(ropes),
        rows=3 if len(welds) else 2,
        parts=parts,
        joints=j,
        passes=passes,
    )


def room(scene: RigidBodies) -> int:
    """How many points of contact there is room for."""
    if scene.contacts is not None:
        return scene.contacts
    single = scene.vertex_counts[scene.pairs] == 1
    possible = int(np.where(single.any(axis=1), 1, 2).sum())
    return min(possible, max(CERTAIN, USUAL * len(scene.bodies)))


def rounded(scene: RigidBodies) -> bool:
    """Whether two vertices may meet: not where there are only half-planes to meet."""
    return bool(len(scene.pairs)) and bool(np.any(scene.kinds[scene.pairs[:, 1]] != 2))


def _joined(scene: RigidBodies) -> np.ndarray:
    """(places,) 1 for what a joint that is no rope holds."""
    ends = [end for joint in scene.joints if not isinstance(joint, Rope) for end in (joint.first, joint.second)]
    found = np.zeros(len(scene.shapes) + 1, dtype=np.int64)
    found[[end for end in ends if end is not None]] = 1
    return found


def courses_of(scene: RigidBodies, fields: Fields, contacts: int) -> Courses:
    """The courses of its bodies within a step."""
    places, constraints = len(scene.shapes) + 1, len(scene.joints) + contacts
    slots = places + (scene.iterations + 1) * 2 * constraints
    hidden = {"recorded": False, "per_step": True}
    held = any(not isinstance(joint, Rope) for joint in scene.joints)
    free = fields.trajectory("course_free", places, 3, **hidden)
    joined = fields.trajectory("course_held", places if held else 0, 3, accumulates=True, **hidden)
    return Courses(
        free=free,
        held=joined,
        start=fields.trajectory("course_start", places, 3, **hidden) if held else free,
        shift=fields.trajectory("course_shift", slots, 3, **hidden),
        speed=fields.trajectory("course_speed", slots, 3, **hidden),
        push=fields.trajectory("course_push", places, 3, accumulates=True, **hidden),
        before=fields.decision(2 * constraints),
        after=fields.decision(len(scene.bodies)),
        constraints=constraints,
        joints=len(scene.joints),
        places=places,
    )


def _pair_table(scene: RigidBodies) -> np.ndarray:
    """(n, shapes) which pair a body and a shape after it are, or -1."""
    table = np.full((len(scene.bodies), len(scene.shapes)), -1)
    table[scene.pairs[:, 0], scene.pairs[:, 1]] = np.arange(len(scene.pairs))
    return table


def touch_of(scene: RigidBodies, fields: Fields) -> Touch:
    """Its contacts."""
    contacts, pairs, passes, shapes = room(scene), len(scene.pairs), scene.iterations, len(scene.shapes)
    ropes = len(joints_of_kind(scene, ROPE))
    rows, decide = fields.trajectory, fields.decision
    hidden = {"recorded": False, "per_step": True}
    events = {"accumulates": True, "per_step": True}

    def explain(env: int, step: int, needed: int) -> str:
        return (
            f"step {step} of environment {env} has {needed} points of contact, but there is room for {contacts}; "
            f"RigidBodies(contacts={needed + needed // 4}) makes more"
        )

    n = len(scene.bodies)
    gridded, buckets = n >= MANY, 1 << (2 * n - 1).bit_length()
    every = fields.record_all and pairs
    restitution = any(
        f"scene.{name}" in fields.tuned for name in ("restitution", "body_restitution", "obstacle_restitution")
    )
    known = scene.numbers()
    positive = [np.any(known[name] > 0.0) for name in known if name.endswith("restitution")]
    bouncy = bool(restitution or any(positive))
    parts = 5 if bouncy else 3
    return Touch(
        count=decide(1),
        first=decide(contacts + ropes),
        second=decide(contacts + ropes),
        face=decide(contacts),
        corner=decide(contacts),
        points=decide(contacts),
        key=decide(contacts),
        warm=decide(contacts),
        least=fields.decision_numbers(1),
        seen=rows("contact_seen", contacts, 2, **hidden),
        facing_then=rows("contact_facing", contacts, 2, **hidden),
        arms=rows("contact_arms", contacts, 4, **hidden),
        out=rows("contact_out", contacts + ropes, 4, **hidden),
        side=rows("contact_side", contacts + ropes, 4, **hidden),
        law=rows("contact_law", contacts + ropes, 10, **hidden),
        point=rows("contact_place", contacts, 2, **hidden),
        impulse=rows("contact_impulse", (passes + 1) * contacts, parts, **hidden),
        landed=rows("contact_landed", contacts, **hidden),
        force=rows("contact_force", contacts, 2, per_step=True),
        where=rows("contact_point", contacts, 2, per_step=True),
        normal=rows("contact_normal", contacts, 2, per_step=True),
        which=rows("contact_pair", contacts, per_step=True),
        carried=rows("contact_carried", contacts, 3, state=True, recorded=False),
        carried_key=rows("contact_carried_key", contacts, state=True, recorded=False),
        carried_count=rows("contact_carried_count", 1, state=True, recorded=False),
        contact=rows("contact", 2 * pairs, **events) if every else None,
        branch=rows("branch", passes * 2 * pairs, **events) if every else None,
        pair=fields.integers(scene.pairs),
        pair_of=fields.integers(_pair_table(scene)) if gridded else None,
        head=fields.scratch(buckets) if gridded else None,
        chain=fields.scratch(n) if gridded else None,
        cell=fields.scratch(2 * n) if gridded else None,
        near=fields.scratch(shapes) if gridded else None,
        last=fields.scratch(shapes + 1),
        place=fields.scratch_numbers(int(scene.vertex_counts.sum()), 2),
        facing=fields.scratch_numbers(int(scene.vertex_counts.sum()), 2),
        box=fields.scratch_numbers(shapes, 4),
        reach=fields.scratch_numbers(shapes),
        limit=fields.limit(explain),
        pairs=pairs,
        contacts=contacts,
        passes=passes,
        bouncy=bouncy,
        loose=bool(np.any(_joined(scene)[scene.pairs].max(axis=1) == 0)) if pairs else False,
        rounding=ROUNDINGS * (2.0**-52 if fields.real == REAL["f64"] else 2.0**-23),
        parts=parts,
        gridded=gridded,
        buckets=buckets,
    )
