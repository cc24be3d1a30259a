"""Points with mass, joined by springs that may act as muscles, over a ground plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import Spec, array, number

__all__ = ["Ground", "MassSpring"]


@dataclass(frozen=True, eq=False, repr=False)
class Ground(Spec):
    """The half-space below a plane: points stay where ``normal . x >= height``.

    Attributes:
        height: of the plane, along its normal [m].
        friction: Coulomb's coefficient; infinite (the default) means that a point sticks where it lands.
        restitution: share of the normal speed that a point keeps when it bounces, from 0 to 1.
        normal: unit vector out of the ground; None is the last axis, up.
    """

    height: float = 0.0
    friction: float = float("inf")
    restitution: float = 0.0
    normal: Any = None

    def __post_init__(self) -> None:
        """Check every number."""
        friction = self.friction
        if friction != float("inf"):
            friction = number("Ground.friction", friction, least=0.0)
        normal = self.normal
        if normal is not None:
            normal = array("Ground.normal", normal, (2,), (3,))
            if abs(np.linalg.norm(normal) - 1.0) > 1e-9:
                raise InputError(
                    f"Ground.normal has length {np.linalg.norm(normal):g}, but it must be a unit vector"
                )
        self._set(
            height=number("Ground.height", self.height),
            friction=friction,
            restitution=number("Ground.restitution", self.restitution, least=0.0, most=1.0),
            normal=normal,
        )


@dataclass(frozen=True, eq=False, repr=False)
class MassSpring(Spec):
    """Points and springs in two or three dimensions; n points, s springs, dimension d.

    A spring pulls its ends together with ``stiffness * (length - target)`` newtons, where
    ``target = rest_length * (1 + actuation * a)`` and ``a`` is what the controller asks for.
    Springs whose ``actuation`` is not zero are the actuators, in the order of the springs.

    Attributes:
        points: (n, d) initial positions [m]; the parameter ``scene.initial_position``.
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
        ground: a `Ground`, or None.
        fixed: (k,) points that do not move.
        dt: time step [s].

    Raises:
        InputError: naming the element, what was given and what is allowed.
    """

    points: Any
    springs: Any = ()
    stiffness: Any = 1.0e4
    rest_length: Any = None
    spring_damping: Any = 0.0
    actuation: Any = 0.0
    mass: Any = 1.0
    damping: float = 0.0
    gravity: Any = None
    force: Any = None
    initial_velocity: Any = None
    ground: Ground | None = None
    fixed: Any = ()
    dt: float = 1.0e-3

    def __post_init__(self) -> None:
        """Check every number, once, before anything is simulated."""
        points = array("MassSpring.points", self.points, ("n", 2), ("n", 3))
        n, d = points.shape
        springs = np.asarray(self.springs)
        springs = array("MassSpring.springs", springs if springs.size else np.zeros((0, 2)), dtype=np.int64)
        if springs.ndim != 2 or springs.shape[1] != 2:
            raise InputError(f"MassSpring.springs has shape {springs.shape}, but (s, 2) is needed")
        s = len(springs)
        _check_springs(springs, n)
        distances = np.linalg.norm(points[springs[:, 0]] - points[springs[:, 1]], axis=1)
        if self.rest_length is None:
            _check_lengths(springs, distances)
        ground = self.ground
        if ground is not None:
            if not isinstance(ground, Ground):
                raise InputError(f"MassSpring.ground is {ground!r}, but a Ground or None is needed")
            if ground.normal is None:
                ground = replace(ground, normal=np.eye(d)[-1])
            if len(ground.normal) != d:
                raise InputError(
                    f"Ground.normal has {len(ground.normal)} components, but the points have {d}"
                )
            _check_above(points, ground)
        fixed = np.asarray(self.fixed)
        fixed = array("MassSpring.fixed", fixed if fixed.size else np.zeros(0), dtype=np.int64).reshape(-1)
        for k, point in enumerate(fixed):
            if not 0 <= point < n:
                raise InputError(f"fixed[{k}] is point {point}, but the scene has {n} points (0 to {n - 1})")
        if len(np.unique(fixed)) < len(fixed):
            raise InputError("MassSpring.fixed names a point twice; name each point once")
        down = np.zeros(d)
        down[-1] = -9.81
        per_spring, per_point = ((), (s,)) if s else ((), (0,)), ((d,), (n, d))
        self._set(
            points=points,
            springs=springs,
            stiffness=array("MassSpring.stiffness", self.stiffness, *per_spring, least=0.0),
            rest_length=array(
                "MassSpring.rest_length",
                distances if self.rest_length is None else self.rest_length,
                *per_spring,
                least=0.0,
            ),
            spring_damping=array("MassSpring.spring_damping", self.spring_damping, *per_spring, least=0.0),
            actuation=array("MassSpring.actuation", self.actuation, *per_spring),
            mass=array("MassSpring.mass", self.mass, (), (n,), above=0.0),
            damping=number("MassSpring.damping", self.damping, least=0.0),
            gravity=array("MassSpring.gravity", down if self.gravity is None else self.gravity, (d,)),
            force=array("MassSpring.force", np.zeros(d) if self.force is None else self.force, *per_point),
            initial_velocity=array(
                "MassSpring.initial_velocity",
                np.zeros(d) if self.initial_velocity is None else self.initial_velocity,
                *per_point,
            ),
            ground=ground,
            fixed=fixed,
            dt=number("MassSpring.dt", self.dt, above=0.0),
        )

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return int(self.points.shape[1])

    @property
    def actuators(self) -> np.ndarray:
        """(k,) the springs that a controller drives: those whose actuation is not zero."""
        return np.flatnonzero(np.broadcast_to(self.actuation, len(self.springs)))

    def numbers(self) -> dict[str, np.ndarray]:
        """Everything numeric that can be tuned, by its parameter's name without the leading ``scene.``."""
        found = {
            "initial_position": self.points,
            "initial_velocity": self.initial_velocity,
            "stiffness": self.stiffness,
            "rest_length": self.rest_length,
            "spring_damping": self.spring_damping,
            "actuation": self.actuation,
            "mass": self.mass,
            "damping": np.array(self.damping),
            "gravity": self.gravity,
            "force": self.force,
        }
        if self.ground is not None:
            found["ground_height"] = np.array(self.ground.height)
            found["restitution"] = np.array(self.ground.restitution)
            if np.isfinite(self.ground.friction):
                found["friction"] = np.array(self.ground.friction)
        return found

    def with_numbers(self, numbers: dict[str, np.ndarray]) -> MassSpring:
        """The same scene with other numbers, named as in `numbers`."""
        values: dict[str, Any] = dict(numbers)
        ground = {
            name: float(values.pop(key))
            for key, name in (
                ("ground_height", "height"),
                ("restitution", "restitution"),
                ("friction", "friction"),
            )
            if key in values
        }
        if ground:
            assert self.ground is not None
            values["ground"] = replace(self.ground, **ground)
        if "initial_position" in values:
            values["points"] = values.pop("initial_position")
        return replace(self, **values)


def _check_springs(springs: np.ndarray, n: int) -> None:
    seen: dict[tuple[int, int], int] = {}
    for k, (a, b) in enumerate(springs.tolist()):
        if not (0 <= a < n and 0 <= b < n):
            raise InputError(
                f"springs[{k}] joins points {a} and {b}, but the scene has {n} points (0 to {n - 1})"
            )
        if a == b:
            raise InputError(f"springs[{k}] joins point {a} to itself; a spring needs two points")
        first = seen.setdefault((min(a, b), max(a, b)), k)
        if first != k:
            raise InputError(
                f"springs[{k}] joins points {a} and {b} as springs[{first}] does; give each pair one spring"
            )


def _check_lengths(springs: np.ndarray, distances: np.ndarray) -> None:
    for k in np.flatnonzero(distances == 0.0):
        a, b = springs[k]
        raise InputError(
            f"springs[{k}] joins points {a} and {b}, which lie in one place: its direction is undefined; "
            "move a point, or give rest_length explicitly"
        )


def _check_above(points: np.ndarray, ground: Ground) -> None:
    gap = points @ ground.normal - ground.height
    for k in np.flatnonzero(gap < -1e-9):
        raise InputError(
            f"points[{k}] lies {-gap[k]:g} m below the ground, whose height is {ground.height:g} m; "
            "raise the point or lower the ground"
        )
