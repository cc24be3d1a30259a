"""Points with mass, joined by springs that may act as muscles, over a ground plane."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError
from diffsim.numbers import constant, numbers_of, tunable
from diffsim.physics.base import Scene
from diffsim.physics.checks import ROUNDING, first, flag, indices
from diffsim.physics.mass_spring.cells import SHARE, cell_energy, mean_over_springs, volumes
from diffsim.physics.mass_spring.ground import Ground
from diffsim.physics.mass_spring.lattice import Lattice
from diffsim.physics.mass_spring.self_contact import SelfContact
from diffsim.physics.mass_spring.terrain import Terrain
from diffsim.physics.mechanics import MECHANICS, actuation_of, each, mechanics, spring_energy
from diffsim.spec import array

__all__ = ["Ground", "MassSpring"]


@dataclass(frozen=True, eq=False, repr=False)
class MassSpring(Scene):
    """Points and springs in two or three dimensions; n points, s springs, dimension d.

    A spring pulls its ends together with ``stiffness * (length - target)`` newtons, where
    ``target = rest_length * (1 + actuation * a)`` and ``a`` is what the controller asks for.
    Springs whose ``actuation`` is not zero are the actuators, in the order of the springs.

    Cells resist a change of their area (2D) or volume (3D) and turn back when they are inside out. With J what is left
    of it, negative inside out, the energy of a cell is ``cell_stiffness * cell_volume * (J^2 - 1 - 2 log J) / 4``
    (Simo and Miehe 1992), and below J = 0.2 its quadratic expansion there (see `diffsim.physics.mass_spring.cells`).

    Attributes:
        points: (n, d) initial positions [m]; the parameter ``scene.initial_position``. Or a `Lattice`, whose springs
            and cells are taken where none are given.
        springs: (s, 2) the two points that each spring joins.
        stiffness: () or (s,) [N/m].
        rest_length: () or (s,) [m]; None takes the distances between the points.
        spring_damping: () or (s,) force along a spring per rate of its length [N s/m].
        actuation: () or (s,) relative change of the rest length at an actuation of 1.
        mass: () or (n,) [kg].
        damping: global: velocities decay as exp(-damping * t) [1/s].
        gravity: (d,) [m/s^2]; None is 9.81 down the last axis.
        force: (d,) or (n, d) constant external force [N].
        initial_velocity: (d,) or (n, d) [m/s].
        ground: a `Ground`, a `Terrain`, or None.
        on_ground: whether all points are moved up or down until the lowest one just touches the ground.
        fixed: (k,) points that do not move.
        dt: time step [s].
        cells: (c, d + 1) points of each triangle (2D) or tetrahedron (3D), in positive order: the determinant of the
            sides from its first point is positive. None takes those of a `Lattice`, ``()`` has none.
        cell_stiffness: () or (c,) [N/m] in 2D, [N/m^2] in 3D; None is 0.3 times the mean stiffness of a cell's
            springs, in 3D by the length of its sides.
        cell_volume: (c,) area [m^2] or volume [m^3] of each cell at rest; None takes those of the points.
        surface: (f, d) edges (2D) or triangles (3D) that points are pressed against, whose normals point out: the
            direction from the first point to the second turned clockwise, and (b - a) x (c - a). None takes that of a
            `Lattice`; only `self_contact` uses it.
        self_contact: a `SelfContact`, or None: points pass through their own body.

    Raises:
        InputError: naming the element, what was given and what is allowed.
    """

    derives: ClassVar[tuple[str, ...]] = MECHANICS

    points: Any = tunable("n", "d", name="initial_position")
    springs: Any = ()
    stiffness: Any = tunable("s", default=1.0e4, least=0.0)
    rest_length: Any = tunable("s", default=None, least=0.0)
    spring_damping: Any = tunable("s", default=0.0, least=0.0)
    actuation: Any = tunable("s", default=0.0)
    mass: Any = tunable("n", default=1.0, above=0.0)
    damping: float = tunable(default=0.0, least=0.0)
    gravity: Any = tunable("d", default=None)
    force: Any = tunable("n", "d", default=None)
    initial_velocity: Any = tunable("n", "d", default=None)
    ground: Ground | Terrain | None = None
    fixed: Any = ()
    dt: float = constant(1.0e-3, above=0.0)
    cells: Any = None
    cell_stiffness: Any = tunable("c", default=None, least=0.0)
    cell_volume: Any = tunable("c", default=None, above=0.0)
    surface: Any = None
    self_contact: SelfContact | None = None
    on_ground: bool = False

    def __post_init__(self) -> None:
        """Check every number, once, before anything is simulated."""
        if isinstance(self.points, Lattice):
            self._take(self.points)
        points = array("MassSpring.points", self.points, ("n", 2), ("n", 3))
        n, d = points.shape
        springs = _checked_springs(self.springs, n)
        distances = np.linalg.norm(points[springs[:, 0]] - points[springs[:, 1]], axis=1)
        if self.rest_length is None:
            _check_lengths(springs, distances)
        down = np.zeros(d)
        down[-1] = -9.81
        self._set(
            springs=springs,
            cells=_checked_cells(self.cells, points),
            surface=indices("MassSpring.surface", () if self.surface is None else self.surface, "f", d, most=n - 1),
        )
        _check_belongs(self)
        usual = {"rest_length": distances, "gravity": down, "force": np.zeros(d), "initial_velocity": np.zeros(d)}
        self._set(**{name: value for name, value in usual.items() if getattr(self, name) is None})
        if len(self.cells) and self.cell_volume is None:
            self._set(cell_volume=volumes(points, self.cells))
        super().__post_init__()
        if len(self.cells) and self.cell_stiffness is None:
            self._set(cell_stiffness=array("MassSpring.cell_stiffness", _usual_stiffness(self)))
        if self.self_contact is not None:
            self._set(self_contact=_checked_contact(self))
        self._set(ground=_checked_ground(self.ground, d), fixed=_checked_fixed(self.fixed, n))
        if flag("MassSpring.on_ground", self.on_ground):
            self._set(points=_placed(self.points, self.ground), on_ground=False)  # once: they may be tuned from there
        if self.ground is not None:
            _check_above(self.points, self.ground)

    def _take(self, body: Lattice) -> None:
        """What a lattice has."""
        if not isinstance(self.springs, tuple) or self.springs:
            raise InputError(
                "MassSpring.points is a Lattice, which has springs of its own; leave MassSpring.springs out"
            )
        self._set(points=body.points, springs=body.springs)
        for name in ("cells", "surface"):
            if getattr(self, name) is None:
                self._set(**{name: getattr(body, name)})

    def _given_lengths(self) -> dict[str, int]:
        return {"s": len(self.springs), "c": len(self.cells)}

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return int(self.points.shape[1])

    @property
    def actuators(self) -> np.ndarray:
        """(k,) the springs that a controller drives: those whose actuation is not zero."""
        return np.flatnonzero(np.broadcast_to(self.actuation, len(self.springs)))

    @property
    def observations(self) -> int:
        """How many numbers a controller can observe: offset from the centre and velocity of every point."""
        return int(2 * self.points.size)

    def contact_name(self, element: int) -> str:
        """What entry ``element`` of a rollout's ``contact`` is about, in words."""
        return f"point {element}"

    def numbers(self) -> dict[str, np.ndarray]:
        """Everything numeric that can be tuned, by its parameter's name without the leading ``scene.``."""
        known = numbers_of(self)
        found = {"initial_position": known["initial_position"], "initial_velocity": known["initial_velocity"], **known}
        if self.ground is not None:
            if isinstance(self.ground, Terrain):
                found["heights"] = self.ground.heights.ravel()
            else:
                found["ground_height"] = np.array(self.ground.height)
                found["ground_normal"] = np.array(self.ground.normal)
            found["restitution"] = np.array(self.ground.restitution)
            if np.isfinite(self.ground.friction):
                found["friction"] = np.array(self.ground.friction)
        if self.self_contact is not None:
            found["contact_stiffness"] = np.array(self.self_contact.stiffness)
            found["contact_damping"] = np.array(self.self_contact.damping)
        return found

    def with_numbers(self, numbers: dict[str, np.ndarray]) -> MassSpring:
        """The same scene with other numbers, named as in `numbers`.

        Raises:
            InputError: for a name that this scene does not have, and for what a new scene refuses.
        """
        known = self.numbers()
        for name in numbers:
            if name not in known:
                raise InputError(f"this scene has no number {name!r}; it has {', '.join(known)}")
        values: dict[str, Any] = dict(numbers)
        for part, names in _PARTS.items():
            found = {field: values.pop(name) for name, field in names.items() if name in values}
            if isinstance(self.ground, Terrain) and "heights" in found:
                found["heights"] = np.reshape(found["heights"], self.ground.heights.shape)
            if found:
                values[part] = replace(getattr(self, part), **found)
        if "initial_position" in values:
            values["points"] = values.pop("initial_position")
        return replace(self, **values)

    def centre(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """(rows, d) mean of the points in each row of recorded arrays [m]."""
        return np.asarray(arrays["position"].mean(axis=1))

    def derive(self, numbers: dict[str, np.ndarray], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Energy and momentum in each row of a rollout: see `diffsim.physics.mechanics.mechanics`.

        The energy is that of motion, of springs and cells, and of the potentials of gravity and of the constant
        external force; that of contact with itself is left out. Points that do not move count for nothing, as the world
        that holds them.

        Args:
            numbers: named as in `numbers`, each with a leading axis of environments, or of length 1.
            arrays: recorded ones, each with a leading axis of environments.
        """
        n, s, d = len(self.points), len(self.springs), self.dimension
        position = arrays["position"]
        mobile = np.ones(n)
        mobile[self.fixed] = 0.0

        def lengths(rows: slice) -> np.ndarray:
            first, second = (position[:, rows, self.springs[:, side]] for side in range(2))
            return np.asarray(np.linalg.norm(second - first, axis=3))

        stiffness, rest, change = (each(numbers[name], s) for name in ("stiffness", "rest_length", "actuation"))
        stored = spring_energy(lengths, stiffness, rest, change, actuation_of(arrays), self.actuators)
        force = np.broadcast_to(numbers["force"].reshape(-1, numbers["force"][0].size // d, d), (len(position), n, d))
        stored -= np.einsum("ernd,end,n->er", position, force, mobile)
        if len(self.cells):
            stiffness, rest = (each(numbers[name], len(self.cells)) for name in ("cell_stiffness", "cell_volume"))
            stored += cell_energy(position, self.cells, stiffness, rest)
        mass = mobile * each(numbers["mass"], n)
        return mechanics(mass, position, arrays["velocity"], numbers["gravity"], stored=stored)


_PARTS = {
    "ground": {
        "heights": "heights",
        "ground_height": "height",
        "ground_normal": "normal",
        "restitution": "restitution",
        "friction": "friction",
    },
    "self_contact": {"contact_stiffness": "stiffness", "contact_damping": "damping"},
}
"""Numbers that a part of the scene has, by the parameter's name."""


def _checked_springs(value: Any, n: int) -> np.ndarray:
    springs = indices("MassSpring.springs", value, "s", 2)
    for k in first(np.any((springs < 0) | (springs >= n), axis=1)):
        a, b = springs[k]
        raise InputError(f"springs[{k}] joins points {a} and {b}, but the scene has {n} points (0 to {n - 1})")
    for k in first(springs[:, 0] == springs[:, 1]):
        raise InputError(f"springs[{k}] joins point {springs[k, 0]} to itself; a spring needs two points")
    pairs = np.minimum(springs[:, 0], springs[:, 1]) * n + np.maximum(springs[:, 0], springs[:, 1])
    for k, earlier in _repeated(pairs):
        a, b = springs[k]
        raise InputError(f"springs[{k}] joins points {a} and {b} as springs[{earlier}] does; give each pair one spring")
    return springs


def _checked_cells(value: Any, points: np.ndarray) -> np.ndarray:
    n, d = points.shape
    cells = indices("MassSpring.cells", () if value is None else value, "c", d + 1)
    for k in first(np.any((cells < 0) | (cells >= n), axis=1)):
        raise InputError(f"cells[{k}] is of points {cells[k].tolist()}, but the scene has {n} points (0 to {n - 1})")
    what = "area" if d == 2 else "volume"
    found = volumes(points, cells)
    for k in first(found <= 0.0):
        raise InputError(
            f"cells[{k}], of points {cells[k].tolist()}, has an {what} of {found[k]:g} where it starts, but it must be "
            f"above 0{'; exchange two of its points' if found[k] < 0.0 else ''}"
        )
    return cells


def _check_belongs(scene: MassSpring) -> None:
    """What is said of cells, of a scene without any, would do nothing."""
    for name in ("cell_stiffness", "cell_volume"):
        if not len(scene.cells) and getattr(scene, name) is not None:
            raise InputError(f"MassSpring.{name} is given, but the scene has no cells; give it a Lattice, or cells")


def _checked_contact(scene: MassSpring) -> SelfContact:
    law = scene.self_contact
    if not isinstance(law, SelfContact):
        raise InputError(f"MassSpring.self_contact is {law!r}, but a SelfContact or None is needed")
    if not len(scene.springs) and law.stiffness is None:
        raise InputError("SelfContact.stiffness is None, but the scene has no springs to take it from; give a number")
    return law.complete(scene.points, scene.surface, scene.stiffness)


def _usual_stiffness(scene: MassSpring) -> np.ndarray | float:
    """() or (c,) of cells that have none: see `diffsim.physics.mass_spring.cells.SHARE`."""
    d = scene.dimension
    side = (math.factorial(d) * scene.cell_volume) ** (1.0 / d)
    if np.ndim(scene.stiffness) == 0:
        return float(SHARE * scene.stiffness * side.mean() ** (2 - d))
    return np.asarray(SHARE * mean_over_springs(scene.stiffness, scene.springs, scene.cells) * side ** (2 - d))


def _checked_fixed(value: Any, n: int) -> np.ndarray:
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        raise InputError("MassSpring.fixed takes points, but a mask was given; numpy.flatnonzero makes it points")
    fixed = indices("MassSpring.fixed", value, "k")
    for k in first((fixed < 0) | (fixed >= n)):
        raise InputError(f"fixed[{k}] is point {fixed[k]}, but the scene has {n} points (0 to {n - 1})")
    for k, earlier in _repeated(fixed):
        raise InputError(f"fixed[{k}] is point {fixed[k]}, as fixed[{earlier}] is; name each point once")
    return fixed


def _checked_ground(ground: Any, d: int) -> Ground | Terrain | None:
    if ground is None:
        return None
    if isinstance(ground, Terrain):
        if ground.dimension != d:
            raise InputError(f"Terrain.heights is of {ground.dimension} dimensions, but the points have {d}")
        return ground
    if not isinstance(ground, Ground):
        raise InputError(f"MassSpring.ground is {ground!r}, but a Ground, a Terrain or None is needed")
    if ground.normal is None:
        ground = replace(ground, normal=np.eye(d)[-1])
    if len(ground.normal) != d:
        raise InputError(f"Ground.normal has {len(ground.normal)} components, but the points have {d}")
    return ground


def _placed(points: np.ndarray, ground: Ground | Terrain | None) -> np.ndarray:
    """Points moved along the last axis until the lowest one touches the ground."""
    if ground is None:
        raise InputError("MassSpring.on_ground is True, but there is no ground; give one")
    if isinstance(ground, Ground) and not ground.normal[-1] > 0.0:
        raise InputError(
            f"MassSpring.on_ground is True, but the ground does not look up: its normal is {ground.normal}"
        )
    moved = points.copy()
    moved[:, -1] -= _above(points, ground).min()
    return array("MassSpring.points", moved)


def _above(points: np.ndarray, ground: Ground | Terrain) -> np.ndarray:
    """(n,) how far points are above the ground, straight up [m]."""
    if isinstance(ground, Terrain):
        return ground.above(points)
    return np.asarray((points @ ground.normal - ground.height) / ground.normal[-1])


def _repeated(values: np.ndarray) -> list[tuple[int, int]]:
    """The first entry that repeats an earlier one, and the earliest that it repeats; or none."""
    _, earliest, which = np.unique(values, return_index=True, return_inverse=True)
    return [(k, int(earliest[which[k]])) for k in first(earliest[which] != np.arange(len(values)))]


def _check_lengths(springs: np.ndarray, distances: np.ndarray) -> None:
    for k in first(distances == 0.0):
        a, b = springs[k]
        raise InputError(
            f"springs[{k}] joins points {a} and {b}, which lie in one place: its direction is undefined; "
            "move a point, or give rest_length explicitly"
        )


def _check_above(points: np.ndarray, ground: Ground | Terrain) -> None:
    if isinstance(ground, Terrain):
        gap, size, what = ground.above(points), float(np.abs(ground.heights).max()), "terrain there"
    else:
        gap, size = points @ ground.normal - ground.height, abs(ground.height)
        what = f"ground, whose height is {ground.height:g} m"
    for k in first(gap < -ROUNDING * max(1.0, size)):
        raise InputError(f"points[{k}] lies {-gap[k]:g} m below the {what}; raise the point or lower the ground")
