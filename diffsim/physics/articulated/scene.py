"""Articulated robots: trees of links in three dimensions, held together by joints and driven by actuators."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError, StartWarning
from diffsim.physics.articulated import mocap, observing, pairs, scene_checks, starting
from diffsim.physics.articulated import numbers as robot_numbers
from diffsim.physics.articulated import poses as robot_poses
from diffsim.physics.articulated.actuators import Actuator
from diffsim.physics.articulated.equalities import Equality, Hold
from diffsim.physics.articulated.geoms import Geom, Pair
from diffsim.physics.articulated.links import Joint, Link, Site
from diffsim.physics.articulated.mechanics import mechanics
from diffsim.physics.articulated.tendons import Tendon
from diffsim.physics.articulated.tree import Tree
from diffsim.physics.articulated.values import members
from diffsim.physics.articulated.visuals import Mesh, Visual
from diffsim.physics.checks import flag
from diffsim.spec import Spec, array, choices, number, whole

__all__ = ["Articulated"]

INTEGRATORS = ("euler", "implicitfast", "rk4")

LAWS = ("compliant", "mujoco")

CONES = ("pyramidal", "elliptic")


@dataclass(frozen=True, eq=False, repr=False)
class Articulated(Tree, Spec):
    """Links in three dimensions, each held to its parent by joints; n links, j joints, k actuators.

    ``nq`` numbers are the position of all joints and ``nv`` their velocity, in the order of links and joints: MuJoCo's
    qpos and qvel (see `Joint`). Places of a rollout are the links, then the links' sites, then those of the world.

    Attributes:
        links: n of `Link`, parents before children.
        actuators: k of `Actuator`.
        geoms: shapes of the world, such as the ground.
        sites: points of the world.
        gravity: (3,) [m/s^2].
        initial_position: (nq,) of the joints; None is their reference. Quaternions may have any length but zero.
        initial_velocity: (nv,) of the joints.
        poses: positions of the joints by name, each (nq,): see `posed`.
        pose_controls: controls of the actuators that belong to some of the poses, each (k,).
        pose_activations: activations likewise, each (k,); of actuators without dynamics they mean nothing.
        pose_places: where some of the links are put in some of the poses, by the link's name: each (7,), position [m]
            and quaternion in the parent's frame.
        holds: of `Hold`, what holds links to places of the world.
        tendons: of `Tendon`, lengths that follow from several joints.
        equalities: of `Equality`, what holds joints or tendons.
        density: of the medium around the links [kg/m^3]: of water 1000; 0 has no drag of inertia.
        viscosity: of the medium [Pa s].
        wind: (3,) velocity of the medium [m/s].
        implicit_damping: whether Euler's step takes the damping of joints implicitly (MuJoCo's flag eulerdamp).
        exclude: pairs of names of links or geoms that never touch.
        pairs: of `Pair`, geoms that may touch whatever else is said of them.
        contacts: False simulates none, "world" only those with the world and what is fixed to it.
        limits: False simulates none.
        slip_speed: at which friction has 71 % of its strength [m/s]: on a slope that a body does not slide down, it
            creeps slower than this.
        touch_depth: over which the stiffness of a contact sets in, so that its force is smooth [m].
        unobserved: names of hinges and slides whose position a controller does not see, like that along which a robot
            runs. Of a free joint, the horizontal place never is.
        feels: whether a controller observes how much each geom touches a plane.
        meshes: what visuals are made of.
        visuals: meshes that the world is seen as; those of links are theirs.
        integrator: of the physics: "euler", "implicitfast" or "rk4", MuJoCo's of these names (see docs/articulated.md).
        contact_law: "compliant", springs and dampers that are smooth at each landing, or "mujoco": contacts, limits and
            friction losses are its soft constraints, solved together (see docs/articulated.md).
        cone: of friction, with the law "mujoco": "pyramidal" or "elliptic", its words.
        impratio: with the law "mujoco", how much harder friction is than what is along the normal.
        substeps: steps of the physics per step of the rollout.
        dt: step of the rollout [s]: of the controller, the objective and what is recorded.

    Raises:
        InputError: naming the element, what was given and what is allowed.

    Warns:
        StartWarning: a joint, tendon or activation starts beyond its limits, which will throw it back, or an equality
            or hold is not fulfilled where the robot starts; naming it, where it is and what is asked.
    """

    kind: ClassVar[str] = "scene"
    own_limits: ClassVar[bool] = True  # actuators limit what they are asked for themselves, if at all
    derives: ClassVar[tuple[str, ...]] = ("energy", "momentum", "angular_momentum", "orientation")

    links: Any
    actuators: Any = ()
    geoms: Any = ()
    sites: Any = ()
    gravity: Any = (0.0, 0.0, -9.81)
    initial_position: Any = None
    initial_velocity: Any = None
    poses: Mapping[str, Any] = field(default_factory=dict)
    exclude: Any = ()
    contacts: bool | str = True
    limits: bool = True
    slip_speed: float = 1.0e-3
    touch_depth: float = 3.0e-4
    unobserved: Any = ()
    integrator: str = "euler"
    substeps: int = 1
    dt: float = 1.0e-3
    pose_controls: Mapping[str, Any] = field(default_factory=dict)
    pose_activations: Mapping[str, Any] = field(default_factory=dict)
    pose_places: Mapping[str, Any] = field(default_factory=dict)
    holds: Any = ()
    tendons: Any = ()
    equalities: Any = ()
    pairs: Any = ()
    density: float = 0.0
    viscosity: float = 0.0
    wind: Any = (0.0, 0.0, 0.0)
    implicit_damping: bool = True
    feels: bool = True
    contact_law: str = "compliant"
    cone: str = "pyramidal"
    impratio: float = 1.0
    meshes: Any = ()
    visuals: Any = ()

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        self._set(
            links=members("Articulated.links", self.links, Link),
            actuators=members("Articulated.actuators", self.actuators, Actuator),
            geoms=members("Articulated.geoms", self.geoms, Geom),
            sites=members("Articulated.sites", self.sites, Site),
            pairs=members("Articulated.pairs", self.pairs, Pair),
            meshes=members("Articulated.meshes", self.meshes, Mesh),
            visuals=members("Articulated.visuals", self.visuals, Visual),
            holds=members("Articulated.holds", self.holds, Hold),
            tendons=members("Articulated.tendons", self.tendons, Tendon),
            equalities=members("Articulated.equalities", self.equalities, Equality),
            density=number("Articulated.density", self.density, least=0.0),
            viscosity=number("Articulated.viscosity", self.viscosity, least=0.0),
            wind=array("Articulated.wind", self.wind, (3,)),
            implicit_damping=flag("Articulated.implicit_damping", self.implicit_damping),
            gravity=array("Articulated.gravity", self.gravity, (3,)),
            contacts="world" if self.contacts == "world" else flag("Articulated.contacts", self.contacts),
            limits=flag("Articulated.limits", self.limits),
            feels=flag("Articulated.feels", self.feels),
            slip_speed=number("Articulated.slip_speed", self.slip_speed, above=0.0),
            touch_depth=number("Articulated.touch_depth", self.touch_depth, above=0.0),
            integrator=choices("Articulated.integrator", self.integrator, INTEGRATORS),
            contact_law=choices("Articulated.contact_law", self.contact_law, LAWS),
            cone=choices("Articulated.cone", self.cone, CONES),
            impratio=number("Articulated.impratio", self.impratio, above=0.0),
            substeps=whole("Articulated.substeps", self.substeps),
            dt=number("Articulated.dt", self.dt, above=0.0),
        )
        if not self.links:
            raise InputError("Articulated.links is empty, but a robot has at least one link")
        scene_checks.check_names(self)
        self._check_tree()
        self._check_motion()
        pairs.check(self)

    def _check_tree(self) -> None:
        earlier: list[str] = []
        for link in self.links:
            if link.parent is not None and link.parent not in earlier:
                raise InputError(
                    f"link {link.name!r} has the parent {link.parent!r}, but links before it are "
                    f"{', '.join(earlier) or 'none'}; parents stand before their children"
                )
            earlier.append(link.name)
        mocap.check_carried(self)
        for owner, geom in self.all_geoms:
            if geom.shape in ("plane", "hfield") and owner >= 0:
                what = "plane" if geom.shape == "plane" else "height field"
                raise InputError(
                    f"geom {geom.name!r} is a {what} of link {self.links[owner].name!r}; {what}s do not move"
                )

    def _check_motion(self) -> None:
        nv = self.freedoms
        if not nv:
            raise InputError("no link has a joint: nothing in this scene moves")
        reference = self.reference_position
        start = reference if self.initial_position is None else self.initial_position
        if not isinstance(self.poses, Mapping):
            raise InputError(f"Articulated.poses is {self.poses!r}, but positions of the joints by name are needed")
        poses = {name: self._unit(f"poses[{name!r}]", pose, reference) for name, pose in self.poses.items()}
        self._set(
            initial_position=self._unit("Articulated.initial_position", start, reference),
            initial_velocity=array(
                "Articulated.initial_velocity",
                np.zeros(nv) if self.initial_velocity is None else self.initial_velocity,
                (nv,),
            ),
            poses=poses,
            **robot_poses.belongings(self, poses),
        )
        scene_checks.check_inertias(self)
        for found, then in (
            (
                starting.beyond_limits(self),
                "Limits throw back what is beyond them: give an initial_position within them",
            ),
            (
                starting.apart(self),
                "What holds parts together jerks them there: give an initial_position where they are",
            ),
        ):
            if words := "; ".join(found):
                warnings.warn(f"{words}. {then}", StartWarning, stacklevel=4)

    def _unit(self, owner: str, value: Any, reference: np.ndarray) -> np.ndarray:
        found = array(owner, value, reference.shape)
        for name, at, kind in self.joint_coordinates():
            if kind in ("ball", "free"):
                quaternion = found[at - 4 : at]
                if np.linalg.norm(quaternion) < 1e-12:
                    raise InputError(f"{owner}: the quaternion of joint {name!r} is zero")
        return found

    def _shown(self) -> dict[str, Any]:
        """What `repr` tells: names, not everything about all links."""
        found = super()._shown()
        found["links"] = tuple(link.name for link in self.links)
        found.update(
            {
                name: tuple(each.name for each in getattr(self, name))
                for name in ("actuators", "geoms", "sites", "pairs", "holds", "tendons", "equalities", "meshes")
            }
        )
        return found

    # What follows from it

    @property
    def evaluations(self) -> int:
        """How often accelerations are worked out in a step of the rollout."""
        return self.substeps * (4 if self.integrator == "rk4" else 1)

    @cached_property
    def touching(self) -> tuple[tuple[int, int], ...]:
        """Pairs of geoms that may touch, as indices of `all_geoms`; none without `contacts`."""
        return pairs.touching(self)

    def posed(self, pose: str, *, hold: bool = False) -> Articulated:
        """The same scene, starting from one of its named poses, with what belongs to it: activations, places.

        Args:
            pose: its name.
            hold: whether an actuation of 0 holds it: that is then `pose_controls`. Where these are all 0, or the pose
                has none, it is the control at which a servo of a position gives no force there, and 0 of others.

        Raises:
            InputError: there is no such pose.
        """
        return robot_poses.posed(self, pose, hold=hold)

    def contact_name(self, element: int) -> str:
        """What entry ``element`` of a rollout's ``contact`` is about, in words."""
        spots = pairs.spots(self)
        first, second = spots[element % len(spots)].geoms
        return f"geoms {self.all_geoms[first][1].name} and {self.all_geoms[second][1].name}"

    # What a controller reads

    @property
    def observations(self) -> int:
        """How many numbers a controller can observe: see docs/articulated.md."""
        return len(pairs.touch_geoms(self)) + self.freedoms + sum(_observed(self, joint) for joint in self.joints)

    @property
    def observation_names(self) -> list[tuple[str, str]]:
        """Of each number that a controller observes: what it is, and its unit."""
        return observing.names(self)

    def observe(self, position: Any, velocity: Any) -> np.ndarray:
        """(..., observations) what a controller observes of a state, in NumPy; docs/articulated.md says what that is.

        Args:
            position: (..., nq) of the joints.
            velocity: (..., nv).
        """
        return observing.observation(self, *self._state(position, velocity))

    def sense(self, position: Any, velocity: Any, time: Any = 0.0) -> dict[str, np.ndarray]:
        """All that controllers may read of a state, in NumPy, by name.

        ``observation`` (..., observations), ``centre`` (..., 3) of mass [m], ``actuator_position`` and
        ``actuator_velocity`` (..., k) of the joint that each actuator drives, and the state itself, ``joint_position``
        and ``joint_velocity``.

        Args:
            position: (..., nq) of the joints.
            velocity: (..., nv).
            time: (...) of it [s]: where a `Mocap` has its link then counts.
        """
        q, v = self._state(position, velocity)
        names = ("actuator_position", "actuator_velocity")
        return {
            "observation": observing.observation(self, q, v),
            "centre": observing.centre(self, q, time),
            **dict(zip(names, observing.actuator_state(self, q, v, time), strict=True)),
            "joint_position": q,
            "joint_velocity": v,
        }

    def _state(self, position: Any, velocity: Any) -> tuple[np.ndarray, np.ndarray]:
        q, v = np.asarray(position, np.float64), np.asarray(velocity, np.float64)
        if q.shape != (*v.shape[:-1], self.coordinates) or v.shape[-1:] != (self.freedoms,):
            raise InputError(
                f"position and velocity have shapes {q.shape} and {v.shape}, but (..., {self.coordinates}) and "
                f"(..., {self.freedoms}) are needed"
            )
        return q, v

    # Numbers

    def numbers(self) -> dict[str, np.ndarray]:
        """Everything numeric that can be tuned, by its parameter's name without the leading ``scene.``."""
        return robot_numbers.numbers(self)

    def with_numbers(self, numbers: dict[str, np.ndarray]) -> Articulated:
        """The same scene with other numbers, named as in `numbers`.

        Raises:
            InputError: for a name that this scene does not have, and for what a new scene refuses.
        """
        known = self.numbers()
        values = {}
        for name, value in numbers.items():
            if name not in known:
                raise InputError(f"this scene has no number {name!r}; it has {', '.join(known)}")
            values[name] = array(f"Articulated.{name}", value, known[name].shape)
        with warnings.catch_warnings():  # told when the scene was made; where a rollout starts is the user's
            warnings.simplefilter("ignore", StartWarning)
            return robot_numbers.renewed(self, values)

    def derive(self, numbers: dict[str, np.ndarray], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Energy, momentum and orientations in each row of a rollout.

        ``energy`` (E, rows) [J] is that of motion, weight and the springs of joints, not of contacts and limits;
        ``momentum`` (E, rows, 3) [kg m/s]; ``angular_momentum`` (E, rows, 3) about the world's origin [kg m^2/s];
        ``orientation`` (E, rows, n, 3, 3) from the links' frames to the world.

        Args:
            numbers: named as in `numbers`, each with a leading axis of environments, or of length 1.
            arrays: recorded ones, each with a leading axis of environments.
        """
        envs, found = len(arrays["joint_position"]), []
        for env in range(envs):
            own = {name: value[env % len(value)] for name, value in numbers.items()}
            with np.errstate(over="ignore", invalid="ignore"):
                found.append(
                    mechanics(self.with_numbers(own), arrays["joint_position"][env], arrays["joint_velocity"][env])
                )
        return {name: np.stack([each[name] for each in found]) for name in found[0]}


def _observed(scene: Articulated, joint: Joint) -> int:
    """How many numbers a controller observes of a joint's position."""
    if joint.motion == "free":
        return 6
    if joint.motion == "ball":
        return 4
    if joint.name in scene.unobserved:
        return 0
    return 2 if joint.motion == "hinge" and joint.limits is None else 1
