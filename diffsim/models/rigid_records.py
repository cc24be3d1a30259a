"""The records of the rigid-body model: what its stages read and write.

P places: n bodies, then obstacles, then the world, which anchors may be fixed to. Shapes are the first P - 1 of them.
Vertices of all shapes stand in one list; face f of a shape goes from its vertex f to the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.scene import Disc, Pin, RigidBodies, Rope, Slider, Weld

__all__ = [
    "PIN",
    "SLIDER",
    "Bodies",
    "Courses",
    "Joints",
    "Motion",
    "Springs",
    "Touch",
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


@dataclass(frozen=True)
class Bodies:
    """The scene's bodies and obstacles: fields (env, element) and constants."""

    initial_position: Any  # (env, body) [m]
    initial_angle: Any  # (env, body) [rad]
    initial_velocity: Any  # (env, body) [m/s]
    initial_angular_velocity: Any  # (env, body) [rad/s]
    obstacle_position: Any  # (env, obstacle) [m]
    obstacle_angle: Any  # (env, obstacle) [rad]
    density: Any  # (env, body) the scene's, 0 where a body has its own or a mass [kg/m^2]
    own_density: Any  # (env, body) else 0
    given_mass: Any  # (env, body) else 0 [kg]
    given_inertia: Any  # (env, body) else 0 [kg m^2]
    half_size: Any  # (env, shape) of boxes, else 0 [m]
    half_length: Any  # (env, shape) of capsules and segments, else 0 [m]
    radius: Any  # (env, shape) of discs, capsules and segments, else 0 [m]
    given_vertex: Any  # (env, vertex) of polygons, else 0 [m]
    shared_friction: Any  # (env, shape) the scene's, for bodies without one of their own, else 0
    own_friction: Any  # (env, shape) of bodies, else 0
    obstacle_friction: Any  # (env, shape) of obstacles, else 0
    shared_restitution: Any  # (env, shape) likewise
    own_restitution: Any  # (env, shape)
    obstacle_restitution: Any  # (env, shape)
    gravity: Any  # (env, 0) [m/s^2]
    damping: Any  # (env, 0) [1/s]
    keep: Any  # (env, 0) share of a velocity that is left after a step
    centroid: Any  # (env, shape) of the given vertices of a polygon, else 0 [m]
    vertex: Any  # (env, vertex) in the body's frame [m]
    normal: Any  # (env, vertex) out of the face that begins there, in the body's frame
    mass: Any  # (env, body) [kg]
    inverse_mass: Any  # (env, place) 0 for what does not move [1/kg]
    inverse_inertia: Any  # (env, place) [1/(kg m^2)]
    share: Any  # (env, body) of the mass of all
    total: Any  # (env, 0) mass of all [kg]
    friction: Any  # (env, shape) whichever it has
    restitution: Any  # (env, shape)
    kind: Any  # (shape,) 0 polygon, 1 round, 2 half-plane
    first: Any  # (shape,) its first vertex
    count: Any  # (shape,) number of its vertices
    owner: Any  # (vertex,) shape
    following: Any  # (vertex,) the next one of the same shape
    side_x: Any  # (vertex,) -1, 0 or 1: along half size and half length
    side_y: Any  # (vertex,) -1, 0 or 1: along half size
    polygon: Any  # (shape,) 1 for those with given vertices
    material: Any  # (shape,) 1 if it has coefficients of its own, bit 0 friction, bit 1 restitution
    by_inertia: Any  # (body,) 1 if its inertia is given
    bodies: int
    places: int
    most_vertices: int  # of one shape
    dt: float  # [s]
    real: Any  # type of the fields


@dataclass(frozen=True)
class Motion:
    """The trajectory: fields (env, row, element)."""

    position: Any  # (env, row, place) of the centre of mass [m]
    velocity: Any  # (env, row, place) [m/s]
    angle: Any  # (env, row, place) [rad]
    angular_velocity: Any  # (env, row, place) [rad/s]
    rotation: Any  # (env, row, place) cosine and sine of the angle
    centre: Any  # (env, row, 0) of mass of all bodies [m]
    observation: Any  # (env, row, 6 * body + k)
    actuator_position: Any  # (env, row, actuator)
    actuator_velocity: Any  # (env, row, actuator)
    actuation: Any  # (env, row, actuator)
    force: Any  # (env, row, body) of springs and motors [N]
    torque: Any  # (env, row, body) [N m]


@dataclass(frozen=True)
class Courses:
    """How bodies move within a step: each impulse bends a straight course, and a solver bends it many times.

    A course is a displacement (x, y, angle) and a velocity (x, y, angular). At time t of the step the body is
    displaced by ``shift + t * speed``; an impulse at time t changes the speed by d and the shift by -t d. The slots
    of a place are linked: its course before any impulse is in the slot of its own number, then comes a slot for each
    side of each constraint and pass.
    """

    shift: Any  # (env, row, slot) [m, m, rad]
    speed: Any  # (env, row, slot) [m/s, m/s, rad/s]
    before: Any  # (env, row, 2 * constraint + side) see `slot`
    after: Any  # (env, row, body) the last slot
    constraints: int  # joints, then contacts
    joints: int
    places: int


@dataclass(frozen=True)
class Touch:
    """Contacts of a step, a list of varying length: fields (env, row, contact) unless said otherwise."""

    count: Any  # (env, row, 0)
    first: Any  # shape with the face, or with a round end
    second: Any  # shape with the vertex
    face: Any  # vertex at which the face begins, or the vertex of the first shape
    corner: Any  # vertex of the second shape
    points: Any  # 1 if two vertices meet, 0 for a vertex and a face
    key: Any  # 2 * pair + end: what a contact is known by from step to step
    warm: Any  # contact of the step before with the same key, or -1
    seen: Any  # when they meet if nothing else happens [s], and the gap then [m]
    facing_then: Any  # normal from first to second at that time
    arms: Any  # from the centres of first and of second to the place, at that time [m]
    out: Any  # row along the normal: x, y, lever of the first, lever of the second
    side: Any  # row along the tangent, which is the normal turned counter-clockwise
    law: Any  # gap at the start of the step as it is seen from the impact [m], what forces add to the normal speed in
    # this step, normal speed at its start before forces [m/s], effective mass along the normal and along the tangent
    # [kg], speed along either for an impulse along the other [1/kg], friction, restitution, how much forces change the
    # velocity of either body in this step, whichever is more [m/s]
    point: Any  # where [m]
    impulse: (
        Any  # (env, row, pass * contacts + contact) before each pass, and after the last: normal, tangential [N s],
    )
    # time of impact [s], and normal and tangential impulses of bounces [N s]
    force: Any  # recorded: along the normal and the tangent, mean of the step [N]; 0 where nothing touches
    where: Any  # recorded: the point; 0 where nothing touches [m]
    normal: Any  # recorded: from first to second; 0 where nothing touches
    which: Any  # recorded: the pair; -1 where nothing touches
    carried: Any  # (env, row, contact) normal and tangential impulse that the last step ended with [N s]
    carried_key: Any  # (env, row, contact)
    carried_count: Any  # (env, row, 0)
    contact: Any  # (env, row, 2 * pair + end) events of `diffsim.events`; None unless everything is recorded
    branch: Any  # (env, row, pass * 2 * pairs + 2 * pair + end) which way the law went; None unless so
    pair: Any  # (2 * pair + side) the two shapes of each pair that may touch
    pair_of: Any  # (body * shapes + shape) the pair that they are, or -1; None without a grid
    head: Any  # scratch: (env, bucket) the last body of a bucket of the grid, or -1
    chain: Any  # scratch: (env, body) the one before it in the bucket, or -1
    cell: Any  # scratch: (env, 2 * body + axis) where its box's middle is in the grid
    near: Any  # scratch: (env, k) what a body may touch
    last: Any  # scratch: (env, place) the last constraint that a place was in
    place: Any  # scratch: (env, vertex) in the world [m]
    facing: Any  # scratch: (env, vertex) normal of the face that begins there, in the world
    box: Any  # scratch: (env, shape) bounds: least x, least y, most x, most y [m]
    reach: Any  # scratch: (env, shape) from the centre to the farthest place [m]
    limit: Any  # (env, 2) of `Fields.limit`
    pairs: int
    contacts: int  # room for so many
    passes: int
    bouncy: bool  # whether there is restitution
    gridded: bool  # whether bodies look for each other in a grid
    buckets: int  # of the grid, a power of two


@dataclass(frozen=True)
class Joints:
    """Pins, welds and sliders: up to three rows each that hold two bodies together, and ropes."""

    first: Any  # (joint,) place
    second: Any  # (joint,) place
    anchor_first: Any  # (env, joint) in the frame of the first [m]
    anchor_second: Any  # (env, joint)
    angle: Any  # (env, joint) second less first at rest [rad]
    axis: Any  # (env, joint) of a slider, in the frame of the first [rad]
    length: Any  # (env, joint) of ropes [m]
    motor: Any  # (env, joint) torque or force at an actuation of 1 [N m] or [N]
    damping: Any  # (env, joint) [N m s] or [N s/m]
    actuator: Any  # (joint,) its actuator, or -1
    kind: Any  # (joint,) PIN, WELD, SLIDER or ROPE
    row: Any  # (env, row, 3 * joint + k) direction x, y, lever of the first and of the second
    error: Any  # (env, row, joint) of the rows at the start of the step [m] or [rad]
    aim: Any  # (env, row, joint) speed along the rows that keeps the joint closed to the end of the step
    inverse: Any  # (env, row, 3 * joint + k) inverse effective mass matrix, row k
    impulse: Any  # (env, row, pass * joints + joint) before each pass, and after the last [N s] or [N m s]
    carried: Any  # (env, row, joint) what the last step ended with
    held: Any  # (k,) joints that are no ropes
    roped: Any  # (k,) ropes
    pins: Any  # (k,) pins
    welds: Any  # (k,) welds
    sliders: Any  # (k,) sliders
    turning: Any  # (k,) pins with a motor or damping
    sliding: Any  # (k,) sliders with a motor or damping
    holds: int  # joints that are no ropes
    ropes: int
    rows: int  # of the joint that has most
    joints: int
    passes: int


@dataclass(frozen=True)
class Springs:
    """Springs between anchors."""

    first: Any  # (spring,) place
    second: Any  # (spring,) place
    anchor_first: Any  # (env, spring) in the frame of the first [m]
    anchor_second: Any  # (env, spring)
    stiffness: Any  # (env, spring) [N/m]
    rest_length: Any  # (env, spring) [m]
    damping: Any  # (env, spring) [N s/m]
    actuation: Any  # (env, spring) relative change of the rest length at an actuation of 1
    muscles: Any  # (k,) springs that are driven
    passive: Any  # (k,) springs that are not


# Records of a scene


class _Numbers:
    """Declares the fields of numbers that only some elements have: the others have 0."""

    def __init__(self, scene: RigidBodies, fields: Fields):
        self._scene, self._fields, self._known = scene, fields, scene.numbers()

    def all(self, name: str, elements: int, width: int = 0) -> Any:
        """Of a number that every element has, or that all share."""
        return self._fields.number(f"scene.{name}", elements, width)

    def some(self, name: str, elements: int, width: int = 0, *, members: Sequence[int] | None = None) -> Any:
        """Of a number whose rows belong to these elements, by default to its members."""
        rows = self._scene.members(name) if members is None else np.asarray(members, dtype=np.int64)
        return self._spread(name, elements, width, np.arange(len(rows) * max(width, 1)), rows)

    def shared(self, name: str, elements: int) -> Any:
        """Of a number of the whole scene, for its members."""
        return self._spread(name, elements, 0, 0, self._scene.members(name))

    def end(self, name: str, elements: int, side: int) -> Any:
        """Of an array of anchors, those of the first bodies or those of the second."""
        index = np.arange(4 * elements).reshape(elements, 2, 2)[:, side]
        return self._fields.number(f"scene.{name}", elements, 2, index) if elements else self._fields.zeros(1, 2)

    def _spread(self, name: str, elements: int, width: int, entries: Any, rows: np.ndarray) -> Any:
        if name not in self._known:
            return self._fields.zeros(elements, width)
        index = np.full((elements, width) if width else (elements,), -1)
        index[rows] = np.reshape(entries, index[rows].shape) if np.ndim(entries) else entries
        return self._fields.number(f"scene.{name}", elements, width, index)


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
    number = _Numbers(scene, fields)
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
    s, world, number = len(scene.springs), len(scene.shapes), _Numbers(scene, fields)
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
    j, world, number, passes = len(scene.joints), len(scene.shapes), _Numbers(scene, fields), scene.iterations
    pins, welds, sliders, ropes = (joints_of_kind(scene, kind) for kind in range(4))
    held = np.setdiff1d(np.arange(j), ropes)
    kinds = np.array([KINDS.index(type(joint)) for joint in scene.joints])
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
        impulse=rows("joint_impulse", (passes + 2) * j, 3, **hidden),
        carried=rows("joint_carried", j, 3, state=True, recorded=False),
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


def courses_of(scene: RigidBodies, fields: Fields, contacts: int) -> Courses:
    """The courses of its bodies within a step."""
    places, constraints = len(scene.shapes) + 1, len(scene.joints) + contacts
    slots = places + (scene.iterations + 1) * 2 * constraints
    hidden = {"recorded": False, "per_step": True}
    return Courses(
        shift=fields.trajectory("course_shift", slots, 3, **hidden),
        speed=fields.trajectory("course_speed", slots, 3, **hidden),
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
    return Touch(
        count=decide(1),
        first=decide(contacts),
        second=decide(contacts),
        face=decide(contacts),
        corner=decide(contacts),
        points=decide(contacts),
        key=decide(contacts),
        warm=decide(contacts),
        seen=rows("contact_seen", contacts, 2, **hidden),
        facing_then=rows("contact_facing", contacts, 2, **hidden),
        arms=rows("contact_arms", contacts, 4, **hidden),
        out=rows("contact_out", contacts, 4, **hidden),
        side=rows("contact_side", contacts, 4, **hidden),
        law=rows("contact_law", contacts, 9, **hidden),
        point=rows("contact_place", contacts, 2, **hidden),
        impulse=rows("contact_impulse", (passes + 2) * contacts, 5, **hidden),
        force=rows("contact_force", contacts, 2, per_step=True),
        where=rows("contact_point", contacts, 2, per_step=True),
        normal=rows("contact_normal", contacts, 2, per_step=True),
        which=rows("contact_pair", contacts, per_step=True),
        carried=rows("contact_carried", contacts, 2, state=True, recorded=False),
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
        bouncy=bool(restitution or any(positive)),
        gridded=gridded,
        buckets=buckets,
    )
