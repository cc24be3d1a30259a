"""The records of the rigid-body model: what its stages read and write.

P places: n bodies, then obstacles, then the world, which anchors may be fixed to. Shapes are the first P - 1 of them.
Vertices of all shapes stand in one list; face f of a shape goes from its vertex f to the next one.
"""

from dataclasses import dataclass
from typing import Any

__all__ = ["Bodies", "Courses", "Drives", "Impacts", "JointSystem", "Joints", "Motion", "Pushes", "Springs", "Touch"]


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
    joined: Any  # (place,) 1 for what a pin, weld or slider holds
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

    free: Any  # (env, row, place) speed after forces, as if there were no joints [m/s, m/s, rad/s]
    held: Any  # (env, row, place) how joints change it
    start: Any  # (env, row, place) both: speed without contacts; the same field as `free` if there are no joints
    shift: Any  # (env, row, slot) [m, m, rad]
    speed: Any  # (env, row, slot) [m/s, m/s, rad/s]
    push: Any  # (env, row, place) displacement that pushes bodies apart which are too deep [m, m, rad]
    before: Any  # (env, row, 2 * constraint + side) see `slot`
    after: Any  # (env, row, body) the last slot
    constraints: int  # joints, then contacts
    joints: int
    places: int


@dataclass(frozen=True)
class Touch:
    """Contacts of a step, a list of varying length: fields (env, row, contact) unless said otherwise.

    Behind the room for contacts stands what of ropes is like a contact: ``first``, ``second``, ``out``, ``side`` and
    ``law``.
    """

    count: Any  # (env, row, 0)
    first: Any  # shape with the face, or with a round end
    second: Any  # shape with the vertex
    face: Any  # vertex at which the face begins, or the vertex of the first shape
    corner: Any  # vertex of the second shape
    points: Any  # 1 if two vertices meet, 0 for a vertex and a face
    key: Any  # 2 * pair + end: what a contact is known by from step to step
    warm: Any  # contact of the step before with the same key, or -1
    least: Any  # (env, row, 0) a speed that is more than rounding [m/s]
    seen: Any  # when they meet if nothing else happens [s], and the gap then [m]
    facing_then: Any  # normal from first to second at that time
    arms: Any  # from the centres of first and of second to the place, at that time [m]
    out: Any  # row along the normal: x, y, lever of the first, lever of the second
    side: Any  # row along the tangent, which is the normal turned counter-clockwise
    law: Any  # gap at the start of the step as it is seen from the impact [m], what forces add to the normal speed in
    # this step, normal speed at its start before forces [m/s], effective mass along the normal and along the tangent
    # [kg], speed along either for an impulse along the other [1/kg], friction, restitution, how much forces change the
    # speed of either body along the normal in this step, whichever is more [m/s], how far apart it may stay [m]
    point: Any  # where [m]
    impulse: Any  # (env, row, pass * contacts + contact) before each pass and after the last: normal and tangential
    # [N s], time of impact [s], and where there is restitution normal and tangential of bounces [N s]
    landed: Any  # what of that a landing gave to what is lifted off, which nothing takes back [N s]
    force: Any  # recorded: along the normal and the tangent, mean of the step [N]; 0 where nothing touches
    where: Any  # recorded: the point; 0 where nothing touches [m]
    normal: Any  # recorded: from first to second; 0 where nothing touches
    which: Any  # recorded: the pair; -1 where nothing touches
    carried: Any  # (env, row, contact) normal and tangential impulse that the last step ended with; `impulses.spare_of`
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
    loose: bool  # whether two may touch that no joint holds
    rounding: float  # of speeds after some impacts, relative to them [m/s, and per m/s]
    parts: int  # of an impulse
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
    error: (
        Any  # (env, row, joint) of the rows at the start of the step [m] or [rad]; third of a slider: its speed [m/s]
    )
    aim: Any  # (env, row, joint) speed along the rows that keeps the joint closed to the end of the step
    inverse: Any  # (env, row, 3 * joint + k) inverse effective mass matrix, row k
    impulse: (
        Any  # (env, row, pass * joints + joint) before each pass, and after the last [N s] or [N m s]; of ropes the
    )
    # impulse, its time, and 1 before the first pass if it was solved with impacts
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
    parts: int  # of an impulse: of a rope what it gives, when, and whether that was a jerk
    joints: int
    passes: int


@dataclass(frozen=True)
class JointSystem:
    """All rows of all joints but ropes, as one system of linear equations: see `rigid_bodies.joint_system`."""

    row: Any  # (env, row, place) direction x, y, lever of the first and of the second
    matrix: Any  # (env, row, entry) rows' inverse masses, and what elimination makes of them [1/kg]
    total: (
        Any  # (env, row, k) sums on the way to what rows answer to forces, and from `rows` on these impulses [N s]; of
    )
    # impacts (env, row, 2 * pass * rows + k), for speeds and displacements
    joint: Any  # (k,) of each row
    which: Any  # (k,) of the joint's rows
    place: Any  # (k,) where it is in `row`
    left: Any  # (entry,) row
    right: Any  # (entry,) row
    shared: Any  # (2 * entry + k) bodies that both rows hold
    sides: Any  # (4 * entry + 2 * k + side) which side of the left and of the right row
    updates: Any  # (4 * k + part) steps of the elimination
    solves: Any  # (4 * k + part) steps of a solution
    rows: int
    entries: int
    changes: int  # steps of the elimination
    steps: int  # of a solution
    soft: float  # added to the diagonal, relative


@dataclass(frozen=True)
class Impacts:
    """Impacts that are solved together, see `rigid_bodies.impacts`: fields (env, row, k) unless said otherwise.

    Two passes make a round: what was guessed, what is right.
    """

    count: Any  # (env, row, 0)
    twice: Any  # (env, row, 0) of impulses
    contact: Any  # which contact, or behind them which rope
    slot: Any  # (env, row, contact) k, or -1
    passes: Any  # (env, row, 0) that act: two for each round
    rest: Any  # (env, row, 0) the round for what forces press, after all others
    kind: Any  # (env, row, round * room + k) what it does: see `rigid_bodies.impacts`
    way: Any  # what it did in all rounds, as one number below 2^16
    leader: Any  # (env, row, round * room + k) whose time it acts at
    slides: Any  # (env, row, round * room + k) -1 or 1 along the tangent, 0 if it sticks
    unknowns: Any  # (env, row, round)
    unknown: Any  # (env, row, 2 * round * room + i) those that give: 2 * k for along the normal, and 2 * k + 1 of what
    # sticks
    guess: Any  # (env, row, 2 * round * room + u) impulse, to 36 bits [N s]
    offset: Any  # (env, row, round) where its inverse begins
    inverse: Any  # (env, row, offset + unknowns * i + j) [kg]
    pairs: Any  # (env, row, 0) of unknowns, in the round with most
    present: Any  # (env, row, 0) places and contacts to begin with, or 0 if nothing hits
    moved: Any  # (env, row, 0) places, or 0 if nothing hits
    joined: Any  # (env, row, 0) rows of joints, or 0 if nothing hits
    entries: Any  # (env, row, 0) of their matrix, or 0 if nothing hits
    changes: Any  # (env, row, 0) steps of its elimination, or 0 if nothing hits
    asked: Any  # (env, row, row of a joint) the first impact on what the joint holds together, or -1
    solves: Any  # (env, row, 0) steps of a solution, or 0 if nothing hits
    goal: Any  # (env, row, round * room + k) speed along the normal after it [m/s]; time [s]
    more: Any  # (env, row, 2 * (pass * room + k) + axis) what is added to the guess [N s]
    lack: Any  # (env, row, 2 * (round * room + k) + axis) of the speeds along them, after the guess [m/s]
    given: Any  # normal and tangential impulse of what stays closed, the former times its time; of all else; and what
    # forces press [N s]
    pressed: Any  # (env, row, place) what forces change of a speed
    struck: Any  # (env, row, pass * places + place) course, contacts counted: see `rigid_bodies.impacts`
    course: Any  # and joints as well; the same field if there are none
    assembly: Any  # (place,) number of what joints hold together, -1 for what is in no joint
    role: Any  # scratch: (env, contact, then rope) 1 if it may take part, 2 if it begins, 3 if so faster than forces
    # push it
    speed: Any  # scratch: (env, contact, then rope) along the normal [m/s]
    cluster: Any  # scratch: (env, body) the first body of what it is in touch with
    members: Any  # scratch: (env, body) contacts of a cluster
    begun: Any  # scratch: (env, body) whether one begins there; 2 on what joints hold
    leans: Any  # scratch: (env, body) 1 if it leans on something
    change: Any  # scratch: (env, place)
    now: Any  # scratch: (env, place, then places + place) speed, then displacement
    thought: Any  # scratch: (env, k) as `JointSystem.total`
    mass: Any  # scratch: (env, 2 * room * u + v) inverse masses with joints held; u and v are 2 * k + axis
    comes: Any  # scratch: (env, k) 1 if bodies approach each other there
    closed: Any  # scratch: (env, k) 1 if it stayed in a round before
    when: Any  # scratch: (env, k) time of impact [s]
    leaves: Any  # scratch: (env, k) how fast it is to leave [m/s]
    wanted: Any  # scratch: (env, u) change of speed
    tried: Any  # scratch: (env, u) impulse by sweeps
    found: Any  # scratch: (env, u) impulse by the inverse
    beyond: Any  # scratch: (env, u) which way friction gives all that it can, or 0
    grows: Any  # scratch: (env, u) 1 if the last sweep still changed its impulse
    spare: Any  # scratch: (env, u) 1 if it depends on the others and is not solved for
    acts: Any  # scratch: (env, u) 1 for an unknown of the active set
    flips: Any  # scratch: (env, u) 1 if it is wrong there
    centre: Any  # scratch: (env, u) impulse for which its compliance gives nothing
    lacks: Any  # scratch: (env, unknown) what it lacks of its speed
    table: Any  # scratch: (env, 4 * room * i + column)
    across: Any  # scratch: (env, 2 * room * i + unknown) directions along which impulses have no part
    own: Any  # scratch: (env, unknown) inverse mass that it feels by itself; then what it lacks. Before, of a round's
    # impacts: when each comes by itself, and its speed from `room` on
    room: int
    rounds: int
    closing: int  # the last of them, in which nothing bounces
    space: int  # of inverses, in all rounds
    crowd: Any  # (env, 2) where `room` did not suffice
    wide: Any  # (env, 2) where `space` did not suffice
    bodies: int
    places: int
    real: Any  # type of the numbers that a decision is worked out in
    halves: float  # what splits a number into 36 bits and the rest
    latest: float  # when a step is over but for rounding [s]
    still: float  # [m/s], and of the largest speed asked for: when sweeps end
    soft: float  # compliance of contacts, relative to the largest inverse mass that they feel
    softest: float  # and at least
    loose: float  # times that is how far a solution may be from right
    depends: float  # an unknown of which less than this share of its inverse mass is left, where others have their
    # speeds, depends on them


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


@dataclass(frozen=True)
class Drives:
    """Torsion springs and thrusters."""

    twist_first: Any  # (torsion spring,) place
    twist_second: Any  # (torsion spring,) place
    twist_stiffness: Any  # (env, torsion spring) [N m/rad]
    rest_angle: Any  # (env, torsion spring) [rad]
    twist_damping: Any  # (env, torsion spring) [N m s/rad]
    twist_actuation: Any  # (env, torsion spring) change of the rest angle at an actuation of 1 [rad]
    twist_actuator: Any  # (torsion spring,) its actuator, or -1
    thrust_body: Any  # (thruster,)
    thrust: Any  # (env, thruster) at an actuation of 1 [N]
    thrust_point: Any  # (env, thruster) in the frame of the body [m]
    thrust_angle: Any  # (env, thruster) [rad]
    thrust_turns: Any  # (thruster,) 1 if its direction turns with the body
    thrust_first: int  # the first actuator that is a thruster


@dataclass(frozen=True)
class Pushes:
    """One recorded push, and the samples of all."""

    forces: Any  # (env, sample) of all pushes, one after the other [N]
    point: Any  # (env, push) in the frame of the body [m]
    index: int  # which push
    body: int
    first: int  # its first sample
    samples: int
    start: float  # time of the first [s]
    every: float  # [s]
    dt: float  # [s]
    real: Any  # type of the fields
