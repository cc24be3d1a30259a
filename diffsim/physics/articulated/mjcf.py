"""Robots from files: MJCF and URDF, parsed and compiled by the ``mujoco`` package (extra ``robots``)."""

from __future__ import annotations

import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError, MissingExtraError, OmissionWarning
from diffsim.physics.articulated.links import TIME_CONSTANT, Actuator, Geom, Joint, Link, Site
from diffsim.physics.articulated.mjcf_reading import JOINTS, KINDS, OF_CONTACTS, SHAPES, Reading
from diffsim.physics.articulated.pairs import touching
from diffsim.physics.articulated.scene import Articulated

__all__ = ["load_mjcf", "load_urdf"]

OLDEST = (4, 0)
"""Version of the package mujoco that is needed. Before, the inertia of a URDF that ``rpy`` turns is not turned (3.3.7,
3.12.0), ``<mimic>`` is dropped (3.12.0), or nothing loads at all (3.2.0 to 3.3.0)."""

SOLREF = (TIME_CONSTANT, 1.0)
"""MuJoCo's default: what has it follows from what is moved, as in a scene made in Python."""

MANY_PAIRS = 60
"""More pairs of geoms of two links than this are worth a word: gymnasium's humanoid has 109, its other robots at most
3."""


def load_mjcf(source: str | Path, *, ignore: Sequence[str] = (), **changes: Any) -> Articulated:
    """The robot of an MJCF file, under the names that it has there.

    What the file holds and this package does not simulate is an error that names the element; kinds of such elements
    that are in ``ignore`` are left out, which an `OmissionWarning` lists. The integrator "implicit" is replaced by
    "implicitfast", which the warning says, too. RK4 takes four times as long as ``integrator="euler"``.

    A `StartWarning` tells of joints that start beyond their limits: those will throw them back.

    Args:
        source: path of the file, or its XML; "package:path" is a file that an installed package ships, like
            "gymnasium:envs/mujoco/assets/ant.xml".
        ignore: of "tendon", "equality", "actuator", "mesh", "pair", "fluid", "frictionloss", "gravcomp", "mocap",
            "flex", "plugin", "polynomial", "condim", "contact" (geoms of a shape that cannot touch),
            "actuatorfrcrange", "flag" (of the option), "geom" (gap, priority, adhesion, surface velocity).
        **changes: of the scene: ``dt=0.002, substeps=4``.

    Raises:
        MissingExtraError: there is no ``mujoco`` package, or one before 4.0; the extra ``robots`` has it.
        InputError: the file cannot be read, or an element of it is not simulated.
    """
    return _load("load_mjcf", source, ignore, changes, motors=False)


def load_urdf(source: str | Path, *, ignore: Sequence[str] = (), motors: bool = True, **changes: Any) -> Articulated:
    """The robot of a URDF file, under the names that it has there; its first link is fixed to the world.

    Args:
        source: as in `load_mjcf`.
        ignore: as in `load_mjcf`; visual meshes are left out anyway.
        motors: a motor at each hinge and slide that has an effort limit, of the joint's name: an actuation of 1 is the
            whole effort.
        **changes: of the scene: ``dt=0.002, substeps=4``.

    Raises:
        MissingExtraError, InputError: as in `load_mjcf`.
    """
    return _load("load_urdf", source, ignore, changes, motors=motors)


def _load(
    owner: str, source: str | Path, ignore: Sequence[str], changes: dict[str, Any], *, motors: bool
) -> Articulated:
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
    ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    unknown = [name for name in ignore if name not in KINDS]
    if unknown:
        raise InputError(f"{owner}: ignore names {unknown[0]!r}, but it takes {', '.join(KINDS)}")
    model = _compiled(mujoco, owner, source)
    file = _File(mujoco, model)
    omitted = []
    for kind, find in KINDS.items():
        if kind in OF_CONTACTS and changes.get("contacts") is False:
            continue
        for name, why in find(file):
            if kind not in ignore:
                raise InputError(f"{owner}: {name} {why}; ignore=({kind!r},) leaves out what is of this kind")
            omitted.append(f"{name} {why}")
    omitted += file.replaced()
    if omitted:
        warnings.warn(f"{owner} left out: " + "; ".join(omitted), OmissionWarning, stacklevel=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scene = file.scene(motors=motors, changes=changes)
    for warning in caught:
        warnings.warn(warning.message, warning.category, stacklevel=3)
    _count_pairs(owner, scene)
    return scene


def _count_pairs(owner: str, scene: Articulated) -> None:
    """Say how many pairs of geoms may touch, if many of them are of two links: each is looked at in every step."""
    pairs = touching(scene)
    of_links = sum(min(scene.all_geoms[k][0] for k in pair) >= 0 for pair in pairs)
    if of_links > MANY_PAIRS:
        logging.getLogger("diffsim").warning(
            "%s: %d pairs of geoms may touch, %d of them of two links, and each is looked at in every step; contype "
            "and conaffinity of the geoms, or exclude, keep those apart that need not meet, contacts=False all",
            owner,
            len(pairs),
            of_links,
        )


def _version(mujoco: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(mujoco.__version__))[:2])


def _compiled(mujoco: Any, owner: str, source: str | Path) -> Any:
    text = str(source)
    if "<" not in text and (package := re.fullmatch(r"(\w{2,}):(.+)", text)):
        text = _shipped(owner, *package.groups())
    try:
        spec = mujoco.MjSpec.from_string(text) if "<" in text else mujoco.MjSpec.from_file(text)
        spec.compiler.fusestatic = False  # or links that are welded to others would lose their names
        with warnings.catch_warnings():  # advice to whoever wrote the file, not to who loads it
            warnings.filterwarnings("ignore", "compiler attribute .* is deprecated")
            return spec.compile()
    except (ValueError, OSError, RuntimeError, TypeError) as error:
        what = text if "<" not in text else "the XML given"
        raise InputError(f"{owner} cannot read {what}: {' '.join(str(error).split())}") from None


def _shipped(owner: str, package: str, path: str) -> str:
    """Path of a file that an installed package ships; the package is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise InputError(f"{owner}: the file {package}:{path} belongs to a package that is not installed: {package}")
    return str(Path(found.submodule_search_locations[0]) / path)


class _File(Reading):
    """A compiled model of MuJoCo's, and the scene that it is."""

    def scene(self, *, motors: bool, changes: dict[str, Any]) -> Articulated:
        """The scene of what is simulated."""
        model = self.model
        excluded = [
            (self.name("body", int(s) >> 16), self.name("body", int(s) & 0xFFFF)) for s in model.exclude_signature
        ]
        links = [self._link(body) for body in range(1, model.nbody)]
        actuators = [self._actuator(k) for k in range(model.nu) if not self._odd_actuator(k)]
        poses = {self.name("key", k): model.key_qpos[k] for k in range(model.nkey)}
        made: dict[str, Any] = {
            "links": links,
            "actuators": [*actuators, *(self._motors() if motors else [])],
            "geoms": self._geoms(0),
            "sites": self._sites(0),
            "gravity": (0.0, 0.0, 0.0) if self._disabled("GRAVITY") else model.opt.gravity,
            "poses": poses,
            "exclude": [pair for one, other in excluded for pair in self._apart(one, other)],
            "contacts": not self._disabled("CONTACT") and not self._disabled("CONSTRAINT"),
            "limits": not self._disabled("LIMIT") and not self._disabled("CONSTRAINT"),
            "integrator": {"Euler": "euler", "RK4": "rk4"}.get(self.integrator, "implicitfast"),
            "dt": float(model.opt.timestep),
        }
        return Articulated(**{"initial_position": model.qpos0, **made, **changes})

    def _apart(self, one: str, other: str) -> list[tuple[str, str]]:
        """Pairs that never touch, of two bodies; the world is each of its geoms."""
        world = [self.name("geom", geom) for geom in np.flatnonzero(self.model.geom_bodyid == 0).tolist()]
        firsts, seconds = (world if name == "world" else [name] for name in (one, other))
        return [(first, second) for first in firsts for second in seconds]

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
            geoms=self._geoms(body),
            sites=self._sites(body),
        )

    def _joint(self, joint: int) -> Joint:
        model, kind = self.model, JOINTS[int(self.model.jnt_type[joint])]
        dof, at = int(model.jnt_dofadr[joint]), int(model.jnt_qposadr[joint])
        scalar = kind in ("hinge", "slide")
        made: dict[str, Any] = {}
        if model.jnt_limited[joint]:
            time, ratio = model.jnt_solref[joint]
            margin = float(model.jnt_margin[joint])  # where limits set in before they are reached
            made["limits"] = model.jnt_range[joint] + (np.array([margin, -margin]) if scalar else (0.0, -margin))
            if (time, ratio) != SOLREF:
                moved = float(model.dof_M0[dof])
                made["limit_stiffness"], made["limit_damping"] = _spring(time, ratio, moved)
        return Joint(
            self.name("joint", joint),
            kind,
            axis=model.jnt_axis[joint],
            anchor=model.jnt_pos[joint],
            damping=float(model.dof_damping[dof]),
            stiffness=float(model.jnt_stiffness[joint].flat[0]),
            rest=float(model.qpos_spring[at]) if scalar else 0.0,
            reference=float(model.qpos0[at]) if scalar else 0.0,
            armature=float(model.dof_armature[dof]),
            **made,
        )

    def _geoms(self, body: int) -> list[Geom]:
        model = self.model
        mine = [g for g in range(model.ngeom) if model.geom_bodyid[g] == body and g not in self.dropped]
        return [self._geom(g, body) for g in mine]

    def _geom(self, geom: int, body: int) -> Geom:
        model, shape = self.model, SHAPES[int(self.model.geom_type[geom])]
        made: dict[str, Any] = {}
        time, ratio = model.geom_solref[geom]
        if (time, ratio) != SOLREF and body and shape != "plane":
            tree = float(model.body_subtreemass[model.body_rootid[body]])
            stiffness, _ = _spring(time, ratio, tree)
            made["stiffness"] = stiffness
            own = float(model.body_mass[body])
            made["damping"] = 2.0 * ratio * np.sqrt(stiffness * own) if time > 0.0 else _spring(time, ratio, tree)[1]
        size = {"plane": (), "sphere": (0,), "capsule": (0, 1), "cylinder": (0, 1)}.get(shape, (0, 1, 2))
        odd = shape in ("cylinder", "ellipsoid") and self._collides(geom)  # only there if it is to be ignored
        return Geom(
            self.name("geom", geom),
            shape,
            model.geom_size[geom][list(size)] if size else (),
            position=model.geom_pos[geom],
            orientation=model.geom_quat[geom],
            friction=float(model.geom_friction[geom, 0]),
            margin=float(model.geom_margin[geom]),
            contype=0 if odd else int(model.geom_contype[geom]),
            conaffinity=0 if odd else int(model.geom_conaffinity[geom]),
            frictionless=int(model.geom_condim[geom]) == 1,
            colour=model.geom_rgba[geom],
            **made,
        )

    def _sites(self, body: int) -> list[Site]:
        model = self.model
        bodies = [self.name("body", b) for b in range(model.nbody)]
        found = []
        for site in np.flatnonzero(model.site_bodyid == body).tolist():
            name = self.name("site", site)
            found.append(Site(f"{name}_site" if name in bodies else name, model.site_pos[site]))
        return found

    def _actuator(self, k: int) -> Actuator:
        model = self.model
        given = self.mujoco.mj_id2name(model, self.mujoco.mjtObj.mjOBJ_ACTUATOR, k)
        joint = self.name("joint", model.actuator_trnid[k, 0])
        alone = np.count_nonzero(model.actuator_trnid[:, 0] == model.actuator_trnid[k, 0]) == 1
        affine = int(model.actuator_biastype[k]) == int(self.mujoco.mjtBias.mjBIAS_AFFINE)
        return Actuator(
            given or (joint if alone else f"actuator_{k}"),
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


def _spring(time: float, ratio: float, moved: float) -> tuple[float, float]:
    """Stiffness and damping of MuJoCo's solref for a mass or inertia; negative ones are given per mass."""
    if time <= 0.0:
        return -time * moved, -ratio * moved
    return moved / (time * ratio) ** 2, 2.0 * moved / time
