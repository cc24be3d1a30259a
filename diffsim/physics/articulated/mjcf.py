"""Robots from files: MJCF and URDF, parsed and compiled by the ``mujoco`` package (extra ``robots``)."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from diffsim.errors import InputError, MissingExtraError, OmissionWarning
from diffsim.physics.articulated.links import TIME_CONSTANT, Actuator, Geom, Hold, Joint, Link, Site
from diffsim.physics.articulated.mjcf_reading import JOINTS, KINDS, OF_CONTACTS, SHAPES, Reading
from diffsim.physics.articulated.pairs import Draft, touching, unsimulated
from diffsim.physics.articulated.quaternions import quaternion_of, rotation_of
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.sources import compiled
from diffsim.physics.articulated.urdf import BASES, compiled_urdf
from diffsim.physics.checks import flag
from diffsim.spec import choices

__all__ = ["load_mjcf", "load_urdf"]

OLDEST = (4, 0)
"""Version of the package mujoco that is needed. Before, the inertia of a URDF that ``rpy`` turns is not turned (3.3.7,
3.12.0), ``<mimic>`` is dropped (3.12.0), or nothing loads at all (3.2.0 to 3.3.0)."""

SOLREF = (TIME_CONSTANT, 1.0)
"""MuJoCo's default: what has it follows from what is moved, as in a scene made in Python."""

WIDEST = 0.499
"""Of the range of a joint, how far from a limit it can set in."""

MANY_PAIRS = 60
"""More pairs of geoms of two links than this are worth a word: gymnasium's humanoid has 109, its other robots at most
3."""


def load_mjcf(
    source: Any,
    *,
    ignore: Sequence[str] = (),
    assets: Mapping[str, Any] | None = None,
    pose: str | None = None,
    hold: bool = False,
    **changes: Any,
) -> Articulated:
    """The robot of an MJCF file, under the names that it has there.

    What the file holds and this package does not simulate is an error that names the first element of each kind, and
    the words for ``ignore`` that leave them all out; an `OmissionWarning` then lists what was. Without being asked for,
    pairs of shapes of one robot that are not simulated are left out, a body that is moved from outside (mocap) stays
    where it is, and the integrator "implicit" is replaced by "implicitfast": the warning says so, too. RK4 takes four
    times as long as ``integrator="euler"``.

    A `StartWarning` tells of joints that start beyond their limits: those will throw them back.

    Args:
        source: path of the file, or its XML as text or bytes, or a ``mujoco.MjSpec`` or ``mujoco.MjModel``;
            "package:path" is a file that an installed package ships, like "gymnasium:envs/mujoco/assets/ant.xml".
        ignore: of "tendon", "equality", "actuator", "mesh", "pair", "pairs" (of geoms whose shapes cannot touch),
            "fluid", "frictionloss", "gravcomp", "flex", "plugin", "polynomial", "condim", "contact" (of cylinders and
            ellipsoids), "actuatorfrcrange", "flag" (of the option), "geom" (gap, priority, adhesion, surface velocity).
        assets: contents of the files that the XML names, by name.
        pose: the keyframe to start from; see `Articulated.posed`.
        hold: whether an action of 0 holds the pose: it stands for the keyframe's controls.
        **changes: of the scene: ``dt=0.002, substeps=4``; ``contacts="world"`` keeps links from each other.

    Raises:
        MissingExtraError: there is no ``mujoco`` package, or one before 4.0; the extra ``robots`` has it.
        InputError: the file cannot be read, or an element of it is not simulated.
    """
    owner = "load_mjcf"
    mujoco, ignore = _package(owner), _words(owner, ignore)
    with _caller():
        file = _File(mujoco, compiled(mujoco, owner, source, assets), ignore)
        return _load(owner, file, ignore, changes, pose=pose, hold=hold)


def load_urdf(
    source: Any,
    *,
    ignore: Sequence[str] = (),
    assets: Mapping[str, Any] | None = None,
    motors: bool = True,
    base: str = "fixed",
    floor: bool = False,
    **changes: Any,
) -> Articulated:
    """The robot of a URDF file, under the names that it has there.

    Meshes are looked for from the file's folder upwards, whether they are named by a path or by their package
    (``package://``). Those that are only seen are not read, and collision meshes that cannot be had are left out, which
    an `OmissionWarning` lists.

    Args:
        source: path of the file, or its XML as text or bytes; "package:path" as in `load_mjcf`.
        ignore: as in `load_mjcf`, and "inertia": inertias that no body can have are replaced by the nearest.
        assets: as in `load_mjcf`.
        motors: a motor at each hinge and slide that has an effort limit, of the joint's name: an actuation of 1 is the
            whole effort.
        base: "fixed" holds the first link to the world, "free" lets it go, as of what walks.
        floor: a plane named "floor" at a height of 0; the robot stands on it.
        **changes: of the scene: ``dt=0.002, substeps=4``.

    Raises:
        MissingExtraError, InputError: as in `load_mjcf`.
    """
    owner = "load_urdf"
    mujoco, ignore = _package(owner), _words(owner, ignore)
    options = {"base": choices(f"{owner}: base", base, BASES), "floor": flag(f"{owner}: floor", floor)}
    with _caller():
        model, omitted = compiled_urdf(mujoco, owner, source, assets, mend="inertia" in ignore, **options)
        return _load(owner, _File(mujoco, model, ignore), ignore, changes, motors=motors, omitted=omitted)


def _package(owner: str) -> Any:
    try:
        import mujoco
    except ImportError:
        raise MissingExtraError(f"{owner} needs the package mujoco: pip install 'diffsim[robots]'") from None
    if _version(mujoco) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise MissingExtraError(
            f"{owner} needs the package mujoco {needed} or newer, but {mujoco.__version__} is installed, which reads "
            f"some files wrongly: pip install 'mujoco>={needed}'"
        )
    return mujoco


def _version(mujoco: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(mujoco.__version__))[:2])


def _words(owner: str, ignore: Sequence[str]) -> tuple[str, ...]:
    """What is to be ignored, if all of it is known."""
    given = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    known = (*KINDS, "pairs", "inertia")
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InputError(f"{owner}: ignore names {unknown[0]!r}, but it takes {', '.join(known)}")
    return given


@contextmanager
def _caller() -> Iterator[None]:
    """Warnings of what is done within are given once each, as of where the loader was called."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        warnings.warn(warning.message, warning.category, stacklevel=4)


def _load(
    owner: str,
    file: _File,
    ignore: tuple[str, ...],
    changes: dict[str, Any],
    *,
    motors: bool = False,
    pose: str | None = None,
    hold: bool = False,
    omitted: Sequence[str] = (),
) -> Articulated:
    """The scene of a model, or an error that names everything that is not simulated."""
    found: dict[str, list[str]] = {}
    for kind, find in KINDS.items():
        if kind not in OF_CONTACTS or changes.get("contacts") is not False:
            found[kind] = [f"{name} {why}" for name, why in find(file)]
    made = {**file.parts(motors=motors), **changes}
    odd = unsimulated(Draft(**made))
    made["exclude"] = [*made["exclude"], *odd.own, *odd.foreign]
    found["pairs"] = [f"geoms {one!r} and {other!r} may touch, which is not simulated" for one, other in odd.foreign]
    refused = {kind: elements for kind, elements in found.items() if elements and kind not in ignore}
    if refused:
        raise InputError(f"{owner}: {_listed(refused)}")
    words = [*omitted, *(each for elements in found.values() for each in elements), *file.replaced()]
    if odd.own:
        one, other = odd.own[0]
        words.append(
            f"{len(odd.own)} pairs of geoms of the same robot, such as {one!r} and {other!r}, which do not touch"
        )
    if words:
        warnings.warn(f"{owner} left out: " + "; ".join(words), OmissionWarning, stacklevel=2)
    scene = Articulated(**made)
    _count_pairs(owner, scene)
    return scene if pose is None else scene.posed(pose, hold=hold)


def _listed(refused: dict[str, list[str]]) -> str:
    """The first element of each kind, how many more there are, and the words that leave them out."""
    counts = {
        kind: f" (and {len(elements) - 1} more)" if len(elements) > 1 else "" for kind, elements in refused.items()
    }
    first = "; ".join(f"{elements[0]}{counts[kind]}" for kind, elements in refused.items())
    what = "of this kind" if len(refused) == 1 else "of these kinds"
    return f"{first}; ignore={tuple(refused)!r} leaves out what is {what}"


def _count_pairs(owner: str, scene: Articulated) -> None:
    """Say how many pairs of geoms may touch, if many of them are of two links: each is looked at in every step."""
    pairs = touching(scene)
    of_links = sum(min(scene.all_geoms[k][0] for k in pair) >= 0 for pair in pairs)
    if of_links > MANY_PAIRS:
        logging.getLogger("diffsim").warning(
            "%s: %d pairs of geoms may touch, %d of them of two links, and each is looked at in every step; "
            "contacts='world' keeps links from each other, contype and conaffinity of the geoms, or exclude, those "
            "that need not meet, contacts=False all",
            owner,
            len(pairs),
            of_links,
        )


class _File(Reading):
    """A compiled model of MuJoCo's, and the scene that it is."""

    def parts(self, *, motors: bool) -> dict[str, Any]:
        """What a scene of it is made of."""
        model = self.model
        excluded = [(int(s) >> 16, int(s) & 0xFFFF) for s in model.exclude_signature]
        links = [self._link(body) for body in range(1, model.nbody)]
        driving = [k for k in range(model.nu) if not self._odd_actuator(k) and not self.switched_off(k)]
        keys = [(self.name("key", k), k) for k in range(model.nkey)]
        return {
            "initial_position": model.qpos0,
            "links": links,
            "actuators": [*(self._actuator(k) for k in driving), *(self._motors() if motors else [])],
            "geoms": [*self._geoms(0), *self._still_planes()],
            "sites": self._sites(0),
            "holds": self._holds(),
            **self._medium(),
            "gravity": (0.0, 0.0, 0.0) if self._disabled("GRAVITY") else model.opt.gravity,
            "poses": {name: model.key_qpos[k] for name, k in keys},
            "pose_controls": {} if motors else {name: model.key_ctrl[k, driving] for name, k in keys},
            "exclude": [pair for one, other in excluded for pair in self._apart(one, other)],
            "contacts": not self._disabled("CONTACT") and not self._disabled("CONSTRAINT"),
            "limits": not self._disabled("LIMIT") and not self._disabled("CONSTRAINT"),
            "integrator": {"Euler": "euler", "RK4": "rk4"}.get(self.integrator, "implicitfast"),
            "implicit_damping": not self._disabled("EULERDAMP"),
            "dt": float(model.opt.timestep),
        }

    def _apart(self, one: int, other: int) -> list[tuple[str, str]]:
        """Pairs that never touch, of two bodies: a body is itself and its planes, which are the world's, the world each
        of its geoms.
        """
        firsts, seconds = (self._members(body) for body in (one, other))
        return [(first, second) for first in firsts for second in seconds]

    def _members(self, body: int) -> list[str]:
        mine = np.flatnonzero(self.model.geom_bodyid == body).tolist()
        if body == 0:
            return [self.name("geom", geom) for geom in mine if geom not in self.dropped]
        return [self.name("body", body), *(self.name("geom", geom) for geom in mine if self._still_plane(geom))]

    def _still_plane(self, geom: int) -> bool:
        """Whether a geom is a plane of a body that is welded to the world: a plane of the world."""
        body = int(self.model.geom_bodyid[geom])
        plane = int(self.model.geom_type[geom]) == int(self.mujoco.mjtGeom.mjGEOM_PLANE)
        return plane and body > 0 and int(self.model.body_weldid[body]) == 0

    def _still_planes(self) -> list[Geom]:
        """Planes of bodies that do not move, where they are in the world."""
        planes = [geom for geom in range(self.model.ngeom) if self._still_plane(geom)]
        if not planes:
            return []
        data = self.mujoco.MjData(self.model)
        self.mujoco.mj_kinematics(self.model, data)
        return [
            replace(
                self._geom(geom, 0),
                position=data.geom_xpos[geom],
                orientation=quaternion_of(data.geom_xmat[geom].reshape(3, 3)),
            )
            for geom in planes
        ]

    def _link(self, body: int) -> Link:
        model = self.model
        parent = int(model.body_parentid[body])
        first = int(model.body_jntadr[body])
        return Link(
            self.name("body", body),
            self.name("body", parent) if parent else None,
            joints=[self._joint(first + k) for k in range(int(model.body_jntnum[body]))],
            position=model.body_pos[body],
            orientation=model.body_quat[body],
            mass=float(model.body_mass[body]),
            centre=model.body_ipos[body],
            inertia=model.body_inertia[body],
            inertia_orientation=model.body_iquat[body],
            buoyancy=0.0 if "gravcomp" in self.ignore else float(model.body_gravcomp[body]),
            geoms=self._geoms(body),
            sites=self._sites(body),
        )

    def _joint(self, joint: int) -> Joint:
        model, kind = self.model, JOINTS[int(self.model.jnt_type[joint])]
        dof, at = int(model.jnt_dofadr[joint]), int(model.jnt_qposadr[joint])
        scalar = kind in ("hinge", "slide")
        made = self._effort(joint)
        if model.jnt_limited[joint]:
            time, ratio = model.jnt_solref[joint]
            made["limits"] = self._limits(joint, scalar)
            if (time, ratio) != SOLREF:
                moved = float(model.dof_M0[dof])
                made["limit_stiffness"], made["limit_damping"] = _spring(time, ratio, moved)
        return Joint(
            self.name("joint", joint),
            kind,
            axis=model.jnt_axis[joint],
            anchor=model.jnt_pos[joint],
            damping=0.0 if self._disabled("DAMPER") else float(model.dof_damping[dof]),
            stiffness=0.0 if self._disabled("SPRING") else float(model.jnt_stiffness[joint].flat[0]),
            rest=float(model.qpos_spring[at]) if scalar else 0.0,
            reference=float(model.qpos0[at]) if scalar else 0.0,
            armature=float(model.dof_armature[dof]),
            friction_loss=0.0 if self._no_friction() else float(model.dof_frictionloss[dof]),
            **made,
        )

    def _limits(self, joint: int, scalar: bool) -> np.ndarray:
        """Where limits set in: before they are reached by the margin, but not beyond the middle between them."""
        low, high = self.model.jnt_range[joint]
        margin = min(float(self.model.jnt_margin[joint]), WIDEST * (high - low))
        return np.array([low + margin if scalar else low, high - margin])

    def _effort(self, joint: int) -> dict[str, Any]:
        """Limits of what its actuators do together, and how soft its friction is if the file says so."""
        model, made = self.model, {}
        if model.jnt_actfrclimited[joint] and joint in self.driven():
            made["effort_range"] = model.jnt_actfrcrange[joint]
        dof = int(model.jnt_dofadr[joint])
        if model.dof_frictionloss[dof] and not self._no_friction():
            made["friction_width"] = _friction_width(model, dof)
        return made

    def _geoms(self, body: int) -> list[Geom]:
        model = self.model
        mine = [g for g in np.flatnonzero(model.geom_bodyid == body).tolist() if g not in self.dropped]
        return [self._geom(g, body) for g in mine if not self._still_plane(g)]

    def _geom(self, geom: int, body: int) -> Geom:
        model, shape = self.model, SHAPES[int(self.model.geom_type[geom])]
        size = {"plane": (), "sphere": (0,), "capsule": (0, 1), "cylinder": (0, 1)}.get(shape, (0, 1, 2))
        apart = self.kept_apart(geom)
        position, sizes = model.geom_pos[geom], model.geom_size[geom][list(size)] if size else ()
        vertices: Any = ()
        if shape == "mesh":
            hull = self.hull(geom)
            position = position + rotation_of(model.geom_quat[geom]) @ hull.centre
            vertices, sizes = hull.vertices, hull.half
        return Geom(
            self.name("geom", geom),
            shape,
            sizes,
            position=position,
            orientation=model.geom_quat[geom],
            friction=float(model.geom_friction[geom, 0]),
            margin=float(model.geom_margin[geom]),
            contype=0 if apart else int(model.geom_contype[geom]),
            conaffinity=0 if apart else int(model.geom_conaffinity[geom]),
            frictionless=int(model.geom_condim[geom]) == 1,
            condim=3 if "condim" in self.ignore else max(3, int(model.geom_condim[geom])),
            torsion=float(model.geom_friction[geom, 1]),
            rolling=float(model.geom_friction[geom, 2]),
            priority=0 if "geom" in self.ignore else int(model.geom_priority[geom]),
            colour=model.geom_rgba[geom],
            vertices=vertices,
            solref=model.geom_solref[geom],
            solimp=model.geom_solimp[geom],
            solmix=float(model.geom_solmix[geom]),
        )

    def _medium(self) -> dict[str, Any]:
        """What surrounds the robot; if it is to be ignored, or passive forces are off, nothing."""
        if not self.immersed() or "fluid" in self.ignore or (self._disabled("SPRING") and self._disabled("DAMPER")):
            return {}
        option = self.model.opt
        return {"density": float(option.density), "viscosity": float(option.viscosity), "wind": option.wind}

    def _holds(self) -> list[Hold]:
        """Welds and connections of a body that moves with one that does not, where that is."""
        model = self.model
        equalities = [k for k in self.acting_equalities() if self.one_sided(k) and "equality" not in self.ignore]
        data = self.mujoco.MjData(model) if equalities else None
        if data is not None:
            self.mujoco.mj_kinematics(model, data)
        return [
            self._hold(k, data)
            for k in equalities
            if self.moves(int(model.eq_obj1id[k])) or self.moves(int(model.eq_obj2id[k]))
        ]

    def _hold(self, k: int, data: Any) -> Hold:
        model = self.model
        bodies, numbers = (int(model.eq_obj1id[k]), int(model.eq_obj2id[k])), model.eq_data[k]
        weld = int(model.eq_type[k]) == int(self.mujoco.mjtEq.mjEQ_WELD)
        # A weld has the point on the second body first, a connection that on the first.
        points = (numbers[3:6], numbers[:3]) if weld else (numbers[:3], numbers[3:6])
        second = self.moves(bodies[1])
        moves, stays = (1, 0) if second else (0, 1)
        still = data.xmat[bodies[stays]].reshape(3, 3)
        place = data.xpos[bodies[stays]] + still @ points[stays]
        relative = rotation_of(numbers[6:10]) if weld else np.eye(3)
        turned = still @ (relative if second else relative.T)
        time, ratio = _reference(*model.eq_solref[k])
        return Hold(
            self.name("equality", k),
            self.name("body", bodies[moves]),
            place,
            quaternion_of(turned) if weld else None,
            anchor=points[moves],
            weight=1.0 / np.maximum(model.body_invweight0[bodies[moves]], 1e-15),
            reference=(time, ratio),
            impedance=model.eq_solimp[k],
            lever=float(numbers[10]) if weld else 1.0,
        )

    def _sites(self, body: int) -> list[Site]:
        model = self.model
        bodies = self.taken("body") | {self.name("body", b) for b in range(model.nbody)}
        found = []
        for site in np.flatnonzero(model.site_bodyid == body).tolist():
            name = self.name("site", site)
            found.append(Site(self.free("site", f"{name}_site") if name in bodies else name, model.site_pos[site]))
        return found

    def _actuator(self, k: int) -> Actuator:
        model = self.model
        joint = self.name("joint", model.actuator_trnid[k, 0])
        alone = np.count_nonzero(model.actuator_trnid[:, 0] == model.actuator_trnid[k, 0]) == 1
        affine = int(model.actuator_biastype[k]) == int(self.mujoco.mjtBias.mjBIAS_AFFINE)
        return Actuator(
            self.given("actuator", k) or self.free("actuator", joint if alone else f"actuator_{k}"),
            joint,
            gear=float(model.actuator_gear[k, 0]),
            gain=float(model.actuator_gainprm[k, 0]),
            bias=model.actuator_biasprm[k, :3] if affine else (0.0, 0.0, 0.0),
            control_range=model.actuator_ctrlrange[k] if model.actuator_ctrllimited[k] else None,
            force_range=model.actuator_forcerange[k] if model.actuator_forcelimited[k] else None,
        )

    def _motors(self) -> Iterator[Actuator]:
        for joint in range(self.model.njnt):
            effort = float(self.model.jnt_actfrcrange[joint, 1])
            if self.model.jnt_actfrclimited[joint] and effort > 0.0:
                yield Actuator.motor(self.name("joint", joint), effort)


def _friction_width(model: Any, dof: int) -> float:
    """Velocity at which MuJoCo's soft constraint of a friction loss has reached all of it, at a constant push."""
    time, ratio = model.dof_solref[dof]
    least, most = np.clip(model.dof_solimp[dof, :2], 1e-4, 0.9999)
    rate = -ratio / most if time <= 0.0 else 2.0 / (most * max(time, 2.0 * model.opt.timestep))
    softness = (1.0 - least) / least * model.dof_invweight0[dof]
    return float(max(softness * model.dof_frictionloss[dof] / rate, 1e-12)) if rate > 0.0 else 1e-12


def _reference(time: float, ratio: float) -> tuple[float, float]:
    """Time constant and damping ratio of MuJoCo's solref, which gives stiffness and damping if it is negative."""
    if time > 0.0:
        return float(time), float(ratio)
    constant = 2.0 / max(-ratio, 1e-12)
    return constant, 1.0 / (constant * np.sqrt(max(-time, 1e-12)))


def _spring(time: float, ratio: float, moved: float) -> tuple[float, float]:
    """Stiffness and damping of MuJoCo's solref for a mass or inertia; negative ones are given per mass."""
    if time <= 0.0:
        return -time * moved, -ratio * moved
    return moved / (time * ratio) ** 2, 2.0 * moved / time
