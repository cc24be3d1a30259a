"""Planar rigid bodies among obstacles, joined by joints and springs that may act as motors and muscles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.mechanics import MECHANICS, actuation_of, mechanics, spring_energy
from diffsim.physics.rigid_bodies.bodies import Body, Box, Capsule, Disc, HalfPlane, Polygon, Segment, Shape
from diffsim.physics.rigid_bodies.drives import Push, Thruster, TorsionSpring
from diffsim.physics.rigid_bodies.joints import Connection, Pin, Rope, Slider, Spring, Weld, in_world, owners_of
from diffsim.physics.rigid_bodies.masses import mass_and_inertia
from diffsim.physics.rigid_bodies.numbers import NUMBERS, OF_MASS, ROWS, Kept
from diffsim.physics.rigid_bodies.overlap import check_apart
from diffsim.spec import Spec, array, number, whole

__all__ = ["Elements", "RigidBodies"]

_BODIES = (Box, Disc, Capsule, Polygon)
_OBSTACLES = (HalfPlane, Segment, *_BODIES)
_JOINTS = (Pin, Weld, Slider, Rope)
_MOTION = {field.name for field in fields(Body)} - {
    field.name for field in fields(Shape)
}  # of bodies, not of obstacles


class Elements(NamedTuple):
    """What a scene of rigid bodies is made of."""

    bodies: tuple[Body, ...]
    obstacles: tuple[Shape, ...]
    joints: tuple[Connection, ...]
    springs: tuple[Spring, ...]
    torsion_springs: tuple[TorsionSpring, ...]
    thrusters: tuple[Thruster, ...]
    pushes: tuple[Push, ...]


@dataclass(frozen=True, eq=False, repr=False)
class RigidBodies(Spec):
    """Rigid bodies in the plane; n bodies, m obstacles, j joints, s springs.

    Actuators are first the springs with an actuation, then the pins and sliders with a motor, the torsion springs with
    an actuation and the thrusters, each in their order.

    Attributes:
        bodies: n of `Box`, `Disc`, `Capsule` and `Polygon`.
        obstacles: m of `HalfPlane`, `Segment` and the above; they do not move.
        joints: j of `Pin`, `Weld`, `Slider` and `Rope`.
        springs: s of `Spring`.
        torsion_springs: any number of `TorsionSpring`.
        thrusters: any number of `Thruster`.
        pushes: any number of `Push`.
        gravity: (2,) [m/s^2].
        damping: velocities and angular velocities decay as exp(-damping * t) [1/s].
        friction: Coulomb's coefficient of bodies without one of their own. At a contact of two their geometric mean
            counts; an obstacle without one takes that of the body.
        restitution: of bodies without one of their own: share of the normal speed that is kept at a bounce, from 0 to
            1. At a contact of two their geometric mean counts.
        density: of bodies with neither a density nor a mass of their own [kg/m^2].
        dt: time step [s].
        iterations: passes over contacts and joints in a step.
        contacts: how many points of contact there is room for at a time; None is room for all that there should be.

    Raises:
        InputError: naming the element, what was given and what is allowed; also if bodies that may touch overlap at the
            start, or if anchors that a joint holds together are apart.
    """

    kind: ClassVar[str] = "scene"
    derives: ClassVar[tuple[str, ...]] = MECHANICS

    bodies: Any
    obstacles: Any = ()
    joints: Any = ()
    springs: Any = ()
    gravity: Any = (0.0, -9.81)
    damping: float = 0.0
    friction: float = 0.5
    restitution: float = 0.0
    density: float = 1.0
    dt: float = 1.0e-3
    iterations: int = 8
    contacts: int | None = None
    torsion_springs: Any = ()
    thrusters: Any = ()
    pushes: Any = ()

    def __post_init__(self) -> None:
        """Check every element, find what is left to the initial pose, and whether that pose is possible."""
        bodies = _checked_bodies(self.bodies)
        self._set(
            bodies=bodies,
            obstacles=_checked_obstacles(self.obstacles),
            joints=_checked_links("joints", self.joints, _JOINTS, bodies),
            springs=_checked_links("springs", self.springs, (Spring,), bodies),
            torsion_springs=_checked_links("torsion_springs", self.torsion_springs, (TorsionSpring,), bodies),
            thrusters=_checked_links("thrusters", self.thrusters, (Thruster,), bodies),
            pushes=_checked_links("pushes", self.pushes, (Push,), bodies),
            gravity=array("RigidBodies.gravity", self.gravity, (2,)),
            damping=number("RigidBodies.damping", self.damping, least=0.0),
            friction=number("RigidBodies.friction", self.friction, least=0.0),
            restitution=number("RigidBodies.restitution", self.restitution, least=0.0, most=1.0),
            density=number("RigidBodies.density", self.density, above=0.0),
            dt=number("RigidBodies.dt", self.dt, above=0.0),
            iterations=whole("RigidBodies.iterations", self.iterations),
            contacts=None if self.contacts is None else whole("RigidBodies.contacts", self.contacts),
        )
        check_apart(self.bodies, self.obstacles, self.pairs)

    @property
    def dimension(self) -> int:
        """2."""
        return 2

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The bodies, then the obstacles: obstacle k is shape n + k."""
        return self.bodies + self.obstacles

    @property
    def kinds(self) -> np.ndarray:
        """(n + m,) of each shape: 0 for a box or polygon, 1 for a disc, capsule or segment, 2 for a half-plane."""
        return np.array([_kind(shape) for shape in self.shapes])

    @property
    def vertex_counts(self) -> np.ndarray:
        """(n + m,) how many points the core of each shape has: 1 for a disc, 2 for what is made of a line, 3 to 8."""
        return np.array([len(shape.core) for shape in self.shapes])

    @property
    def pairs(self) -> np.ndarray:
        """(p, 2) shapes that may touch, the lower first, in order.

        All bodies touch all obstacles, and each other unless they are of one group or joined by a joint that lets them
        not collide.
        """
        n, total = len(self.bodies), len(self.shapes)
        touch = np.triu(np.ones((n, total), dtype=bool), 1)
        group = np.array([np.nan if body.group is None else body.group for body in self.bodies])  # nan equals nothing
        touch[:, :n] &= group[:, None] != group
        for joint in self.joints:
            if joint.second is not None and not joint.collide:
                touch[[joint.first, joint.second], [joint.second, joint.first]] = False
        return np.argwhere(touch)

    def contact_name(self, element: int) -> str:
        """Which two touch in entry ``element`` of a rollout's ``contact`` and ``branch``, in words."""
        n, pairs = len(self.bodies), self.pairs
        names = [f"bodies[{k}]" if k < n else f"obstacles[{k - n}]" for k in pairs[element // 2 % len(pairs)].tolist()]
        return " and ".join(names)

    @property
    def driven_springs(self) -> np.ndarray:
        """(k,) the springs that a controller drives: those whose actuation is not zero."""
        return np.flatnonzero([spring.actuation != 0.0 for spring in self.springs])

    @property
    def driven_joints(self) -> np.ndarray:
        """(k,) the joints that a controller drives: the pins and sliders whose motor is not zero."""
        return self.members("motor")

    @property
    def driven_torsion_springs(self) -> np.ndarray:
        """(k,) the torsion springs that a controller drives: those whose actuation is not zero."""
        return np.flatnonzero([spring.actuation != 0.0 for spring in self.torsion_springs])

    @property
    def actuators(self) -> np.ndarray:
        """(k,) 0 to k - 1: `driven_springs`, `driven_joints`, `driven_torsion_springs`, then all thrusters."""
        driven = len(self.driven_springs) + len(self.driven_joints) + len(self.driven_torsion_springs)
        return np.arange(driven + len(self.thrusters))

    @property
    def observations(self) -> int:
        """How many numbers a controller can observe: of every body its offset from the centre, angle and velocities."""
        return 6 * len(self.bodies)

    def numbers(self) -> dict[str, np.ndarray]:
        """Everything numeric that can be tuned, by its parameter's name without the leading ``scene.``.

        What only some elements have, or are given, has a row for each of these; `members` says which they are.
        """
        found = {}
        for name, kept in NUMBERS.items():
            if kept.of == "scene":
                found[name] = np.array(getattr(self, kept.attribute))
            elif rows := [getattr(element, kept.attribute) for element in self._holders(kept).values()]:
                found[name] = np.concatenate(rows) if name in ROWS else np.array(rows)
        if not self.members("density").size:
            del found["density"]
        return found

    def members(self, name: str) -> np.ndarray:
        """(k,) what the rows of a number belong to: indices of shapes, or of joints or springs for theirs.

        Of ``vertices``, where a polygon has several rows, its index is there as often. Of a number of the whole scene
        they are the bodies that take it: of ``density`` those with neither a density nor a mass of their own.

        Raises:
            InputError: if no scene has a number of that name.
        """
        if name not in NUMBERS:
            raise InputError(f"no scene of rigid bodies has a number {name!r}; known are {', '.join(NUMBERS)}")
        kept = NUMBERS[name]
        if kept.of == "scene":
            own = ("density", "mass") if name == "density" else (name,)
            found = [k for k, body in enumerate(self.bodies) if all(getattr(body, a, None) is None for a in own)]
        elif name in ROWS:
            found = [k for k, element in self._holders(kept).items() for _ in getattr(element, kept.attribute)]
        else:
            found = list(self._holders(kept))
        return np.array(found, dtype=np.int64)

    def _holders(self, kept: Kept) -> dict[int, Any]:
        """The elements that have a number, by their index."""
        n = len(self.bodies)
        elements = {
            "bodies": enumerate(self.bodies),
            "obstacles": enumerate(self.obstacles, start=n),
            "shapes": enumerate(self.shapes),
        }.get(kept.of, enumerate(getattr(self, kept.of, ())))
        found = {k: element for k, element in elements if getattr(element, kept.attribute, None) is not None}
        if kept.positive:
            return {k: element for k, element in found.items() if getattr(element, kept.attribute) > 0.0}
        return found

    def with_numbers(self, numbers: dict[str, np.ndarray]) -> RigidBodies:
        """The same scene with other numbers, named as in `numbers`.

        Raises:
            InputError: for a name that this scene does not have, and for what a new scene refuses.
        """
        known, given = self.numbers(), {}
        for name, value in numbers.items():
            if name not in known:
                raise InputError(f"this scene has no number {name!r}; it has {', '.join(known)}")
            above = 0.0 if NUMBERS[name].positive else None
            given[name] = array(f"RigidBodies.{name}", value, known[name].shape, above=above)
        own: dict[str, Any] = {
            NUMBERS[name].attribute: value for name, value in given.items() if NUMBERS[name].of == "scene"
        }
        return replace(self, **self.elements(given)._asdict(), **own)

    def elements(self, numbers: dict[str, np.ndarray]) -> Elements:
        """Bodies, obstacles and all else with other numbers, named as in `numbers` and of its shapes.

        They are what a rollout with these numbers is about. Unlike in `with_numbers` nothing is checked: a scene would
        refuse a pin, say, whose anchors have moved apart.
        """
        names = Elements._fields[2:]
        new: dict[str, Any] = {"shapes": [*self.shapes], **{name: [*getattr(self, name)] for name in names}}
        for name, value in numbers.items():
            kept = NUMBERS[name]
            if kept.of == "scene":
                continue
            holders = self._holders(kept)
            rows: Sequence[np.ndarray] = value  # type: ignore[assignment]
            if name in ROWS:
                lengths = [len(getattr(element, kept.attribute)) for element in holders.values()]
                rows = np.split(value, np.cumsum(lengths)[:-1])
            elements = new[kept.of if kept.of in new else "shapes"]
            for k, row in zip(holders, rows, strict=True):
                elements[k] = replace(elements[k], **{kept.attribute: row})
        shapes, n = new["shapes"], len(self.bodies)
        return Elements(*map(tuple, (shapes[:n], shapes[n:], *(new[name] for name in names))))

    def derive(self, numbers: dict[str, np.ndarray], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Energy and momentum in each row of a rollout: see `diffsim.physics.mechanics.mechanics`.

        The energy is that of motion, of springs and of the potential of gravity.

        Args:
            numbers: named as in `numbers`, each with a leading axis of environments, or of length 1.
            arrays: recorded ones, each with a leading axis of environments.
        """
        position, angle = arrays["position"], arrays["angle"]
        stored = np.zeros(angle.shape[:2])
        if self.springs:
            owners, anchors = owners_of(self.springs, len(self.bodies)), numbers["spring_anchor"][:, None]

            def lengths(rows: slice) -> np.ndarray:
                ends = (in_world(position[:, rows], angle[:, rows], owners[:, k], anchors[..., k, :]) for k in (0, 1))
                return np.asarray(np.linalg.norm(next(ends) - next(ends), axis=3))

            stiffness, rest, change = (numbers[name] for name in ("stiffness", "rest_length", "actuation"))
            stored += spring_energy(lengths, stiffness, rest, change, actuation_of(arrays), self.driven_springs)
        if self.torsion_springs:
            stored += self._torsion_energy(numbers, angle, actuation_of(arrays))
        mass, inertia = self._masses({name: numbers[name] for name in OF_MASS if name in numbers})
        return mechanics(
            mass,
            position,
            arrays["velocity"],
            numbers["gravity"],
            stored=stored,
            inertia=inertia,
            angular_velocity=arrays["angular_velocity"],
        )

    def _torsion_energy(self, numbers: dict[str, np.ndarray], angle: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """(E, rows) energy of the torsion springs, as in `spring_energy`."""
        pairs, driven = owners_of(self.torsion_springs, len(self.bodies)), self.driven_torsion_springs
        with_world = np.concatenate([angle, np.zeros_like(angle[..., :1])], axis=-1)
        off = with_world[..., pairs[:, 1]] - with_world[..., pairs[:, 0]] - numbers["rest_angle"][:, None]
        first = len(self.driven_springs) + len(self.driven_joints)
        steps = np.minimum(np.arange(off.shape[1]), asked.shape[1] - 1)
        change = numbers["torsion_actuation"][:, None, driven]
        off[..., driven] -= change * asked[:, steps, first : first + len(driven)]
        return np.asarray(0.5 * (numbers["torsion_stiffness"][:, None] * off**2).sum(axis=2))

    def _masses(self, numbers: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """(E, n) masses [kg] and moments of inertia [kg m^2] with these numbers, each with a leading axis."""
        found = []
        for copy in range(max(map(len, numbers.values()), default=1)):
            own = {name: value[copy if len(value) > 1 else 0] for name, value in numbers.items()}
            found.append(mass_and_inertia(self.elements(own).bodies, float(own.get("density", self.density))))
        mass, inertia = np.stack(found, axis=1)
        return mass, inertia


def _kind(shape: Shape) -> int:
    if isinstance(shape, HalfPlane):
        return 2
    return 0 if isinstance(shape, (Box, Polygon)) else 1


def _elements(name: str, value: Any, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """``value`` as a tuple of instances of the kinds."""
    names = [kind.__name__ for kind in kinds]
    words = ", ".join(names[:-1]) + " or " * (len(names) > 1) + names[-1]
    if not isinstance(value, (tuple, list)):
        raise InputError(f"RigidBodies.{name} is {value!r}, but a list is needed, each of its elements a {words}")
    for k, element in enumerate(value):
        if not isinstance(element, kinds):
            raise InputError(f"{name}[{k}] is {element!r}, but a {words} is needed")
    return tuple(value)


def _checked_bodies(value: Any) -> tuple[Body, ...]:
    bodies = _elements("bodies", value, _BODIES)
    if not bodies:
        raise InputError("RigidBodies.bodies is empty, but at least one body is needed")
    return tuple(body.checked(f"bodies[{k}]") for k, body in enumerate(bodies))


def _checked_obstacles(value: Any) -> tuple[Shape, ...]:
    obstacles = _elements("obstacles", value, _OBSTACLES)
    found = []
    for k, obstacle in enumerate(obstacles):
        checked = obstacle.checked(f"obstacles[{k}]")
        for name, given in checked.given().items():
            if name in _MOTION:
                raise InputError(f"obstacles[{k}].{name} is {given}, but an obstacle does not move; leave it out")
        found.append(checked)
    return tuple(found)


def _checked_links(name: str, value: Any, kinds: tuple[type, ...], bodies: Sequence[Shape]) -> tuple[Any, ...]:
    links = _elements(name, value, kinds)
    return tuple(link.placed(f"{name}[{k}]", bodies) for k, link in enumerate(links))
