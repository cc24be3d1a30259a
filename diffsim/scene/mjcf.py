"""Robots from files: MJCF and URDF, parsed and compiled by the ``mujoco`` package (extra ``robots``)."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError, MissingExtraError, OmissionWarning
from diffsim.scene.articulated import Articulated
from diffsim.scene.links import TIME_CONSTANT, Actuator, Geom, Joint, Link, Site

__all__ = ["load_mjcf", "load_urdf"]

JOINTS = ("free", "ball", "slide", "hinge")  # by MuJoCo's mjtJoint
SHAPES = {0: "plane", 2: "sphere", 3: "capsule", 4: "ellipsoid", 5: "cylinder", 6: "box"}  # by mjtGeom
INTEGRATORS = ("Euler", "RK4", "implicit", "implicitfast")
SOLREF = (TIME_CONSTANT, 1.0)
"""MuJoCo's default: what has it follows from what is moved, as in a scene made in Python."""


def load_mjcf(source: str | Path, *, ignore: Sequence[str] = (), **changes: Any) -> Articulated:
    """The robot of an MJCF file, under the names that it has there.

    What the file holds and this package does not simulate is an error that names the element; kinds of such elements
    that are in ``ignore`` are left out, which an `OmissionWarning` lists. Another integrator than Euler is replaced by
    it, which the warning says, too.

    Args:
        source: path of the file, or its XML; "package:path" is a file that an installed package ships, like
            "gymnasium:envs/mujoco/assets/ant.xml".
        ignore: of "tendon", "equality", "actuator", "mesh", "pair", "fluid", "frictionloss", "gravcomp", "mocap",
            "flex", "plugin", "polynomial", "condim", "contact" (geoms of a shape that cannot touch),
            "actuatorfrcrange", "flag" (of the option).
        **changes: of the scene: ``dt=0.002, substeps=4``.

    Raises:
        MissingExtraError: there is no ``mujoco`` package; the extra ``robots`` has it.
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
    ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    unknown = [name for name in ignore if name not in _KINDS]
    if unknown:
        raise InputError(f"{owner}: ignore names {unknown[0]!r}, but it takes {', '.join(_KINDS)}")
    model = _compiled(mujoco, owner, source)
    file = _File(mujoco, model)
    omitted = []
    for kind, find in _KINDS.items():
        if kind in _OF_CONTACTS and changes.get("contacts") is False:
            continue
        for name, why in find(file):
            if kind not in ignore:
                raise InputError(f"{owner}: {name} {why}; ignore=({kind!r},) leaves out what is of this kind")
            omitted.append(f"{name} {why}")
    omitted += file.replaced()
    if omitted:
        warnings.warn(f"{owner} left out: " + "; ".join(omitted), OmissionWarning, stacklevel=3)
    return file.scene(motors=motors, changes=changes)


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


class _File:
    """A compiled model of MuJoCo's, and the names of what is in it."""

    def __init__(self, mujoco: Any, model: Any):
        self.mujoco, self.model = mujoco, model
        self.dropped = [g for g in range(model.ngeom) if int(model.geom_type[g]) not in SHAPES]

    def name(self, kind: str, index: int) -> str:
        """The name of an element; of one without, its kind and number."""
        given = self.mujoco.mj_id2name(self.model, getattr(self.mujoco.mjtObj, f"mjOBJ_{kind.upper()}"), int(index))
        return given or f"{kind}_{index}"

    def replaced(self) -> list[str]:
        """What is simulated in another way than the file asks for, in words."""
        model, found = self.model, []
        integrator = INTEGRATORS[min(int(model.opt.integrator), len(INTEGRATORS) - 1)]
        if integrator != "Euler":
            found.append(f"the integrator {integrator}, replaced by Euler's")
        if self._disabled("EULERDAMP"):
            found.append("the flag eulerdamp='disable': damping is implicit")
        seen = [self.name("geom", g) for g in self.dropped if not self._collides(g)]
        if seen:
            found.append(f"the meshes of {', '.join(seen)}, which are only seen")
        return found

    def _collides(self, geom: int) -> bool:
        return bool(self.model.geom_contype[geom] or self.model.geom_conaffinity[geom])

    def _disabled(self, flag: str) -> bool:
        return bool(self.model.opt.disableflags & getattr(self.mujoco.mjtDisableBit, f"mjDSBL_{flag}"))

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
            "dt": float(model.opt.timestep),
        }
        scene = Articulated(**{**made, **changes})
        return replace(scene, initial_position=model.qpos0) if "initial_position" not in changes else scene

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
            made["limits"] = model.jnt_range[joint]
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

    # What is not simulated: pairs of a name and why.

    def _odd_actuator(self, k: int) -> str:
        model, mj = self.model, self.mujoco
        joints = (mj.mjtTrn.mjTRN_JOINT, mj.mjtTrn.mjTRN_JOINTINPARENT)
        if int(model.actuator_trntype[k]) not in [int(kind) for kind in joints]:
            return "does not act on a joint"
        if JOINTS[int(model.jnt_type[model.actuator_trnid[k, 0]])] not in ("hinge", "slide"):
            return "acts on a joint that is neither a hinge nor a slide"
        if int(model.actuator_dyntype[k]) != int(mj.mjtDyn.mjDYN_NONE):
            return "has dynamics of its own"
        if int(model.actuator_gaintype[k]) not in (int(mj.mjtGain.mjGAIN_FIXED), int(mj.mjtGain.mjGAIN_AFFINE)):
            return "has a gain that is not affine"
        if np.any(model.actuator_gainprm[k, 1:3]) and int(model.actuator_gaintype[k]) != int(mj.mjtGain.mjGAIN_FIXED):
            return "has a gain that depends on the joint"
        if int(model.actuator_biastype[k]) not in (int(mj.mjtBias.mjBIAS_NONE), int(mj.mjtBias.mjBIAS_AFFINE)):
            return "has a bias that is not affine"
        odd = [getattr(model, f"actuator_{what}", None) for what in ("damping", "armature", "delay")]
        return "has damping, armature or a delay of its own" if any(v is not None and np.any(v[k]) for v in odd) else ""

    def odd_actuators(self) -> Iterator[tuple[str, str]]:
        for k in range(self.model.nu):
            if why := self._odd_actuator(k):
                yield f"actuator {self.name('actuator', k)!r}", why

    def counted(self, kind: str, count: str, why: str) -> Iterator[tuple[str, str]]:
        """Elements of a kind of which there should be none."""
        for k in range(int(getattr(self.model, count, 0))):
            yield f"{kind} {self.name(kind, k)!r}", why

    def fluid(self) -> Iterator[tuple[str, str]]:
        option = self.model.opt
        for name in ("density", "viscosity", "wind"):
            if np.any(getattr(option, name)):
                yield f"option {name}", "makes a fluid, which is not simulated"

    def flags(self) -> Iterator[tuple[str, str]]:
        for name in ("spring", "damper", "actuation", "clampctrl", "filterparent"):
            if self._disabled(name.upper()):
                yield f"option flag {name}='disable'", "is not simulated"
        if self.model.opt.disableactuator:
            yield "option actuatorgroupdisable", "is not simulated"
        if self.model.opt.enableflags & int(self.mujoco.mjtEnableBit.mjENBL_OVERRIDE):
            yield "option flag override='enable'", "is not simulated"

    def driven_ranges(self) -> Iterator[tuple[str, str]]:
        """Joints whose actuators together are limited; those of a URDF have no actuators but the motors made here."""
        driven = {int(self.model.actuator_trnid[k, 0]) for k in range(self.model.nu) if not self._odd_actuator(k)}
        for joint in sorted(driven):
            if self.model.jnt_actfrclimited[joint]:
                yield f"joint {self.name('joint', joint)!r}", "limits what its actuators do, which is not simulated"

    def per_joint(self, attribute: str, why: str) -> Iterator[tuple[str, str]]:
        values: Any = getattr(self.model, attribute, ())
        for dof in range(len(values)):
            if np.any(values[dof]):
                yield f"joint {self.name('joint', self.model.dof_jntid[dof])!r}", why

    def polynomial(self) -> Iterator[tuple[str, str]]:
        yield from self.per_joint("dof_dampingpoly", "has damping that is not linear")
        for joint in range(self.model.njnt):
            terms = [
                self.model.jnt_stiffness[joint].flat[1:],
                np.atleast_2d(getattr(self.model, "jnt_stiffnesspoly", 0.0)),
            ]
            if np.any(terms[0]) or np.any(terms[1][joint % len(terms[1])]):
                yield f"joint {self.name('joint', joint)!r}", "has a spring that is not linear"

    def bodies(self, attribute: str, bad: Callable[[Any], Any], why: str) -> Iterator[tuple[str, str]]:
        for body in range(1, self.model.nbody):
            if bad(getattr(self.model, attribute)[body]):
                yield f"body {self.name('body', body)!r}", why

    def meshes(self) -> Iterator[tuple[str, str]]:
        for geom in self.dropped:
            if self._collides(geom):
                yield (
                    f"geom {self.name('geom', geom)!r}",
                    "is a mesh or the like that may touch, which is not simulated",
                )

    def condim(self) -> Iterator[tuple[str, str]]:
        for geom in range(self.model.ngeom):
            if self._collides(geom) and int(self.model.geom_condim[geom]) > 3:
                yield f"geom {self.name('geom', geom)!r}", "has torsional or rolling friction, which is not simulated"

    def odd_contacts(self) -> Iterator[tuple[str, str]]:
        for geom in range(self.model.ngeom):
            if self._collides(geom) and SHAPES.get(int(self.model.geom_type[geom])) in ("cylinder", "ellipsoid"):
                yield (
                    f"geom {self.name('geom', geom)!r}",
                    "is a cylinder or ellipsoid that may touch, which is not simulated",
                )


_KINDS: dict[str, Callable[[_File], Iterator[tuple[str, str]]]] = {
    "tendon": lambda file: file.counted("tendon", "ntendon", "is not simulated"),
    "equality": lambda file: file.counted("equality", "neq", "is not simulated"),
    "actuator": lambda file: file.odd_actuators(),
    "mesh": lambda file: file.meshes(),
    "pair": lambda file: file.counted("pair", "npair", "is a contact of its own rules, which is not simulated"),
    "fluid": lambda file: file.fluid(),
    "frictionloss": lambda file: file.per_joint("dof_frictionloss", "has friction loss, which is not simulated"),
    "gravcomp": lambda file: file.bodies("body_gravcomp", bool, "has gravity compensation, which is not simulated"),
    "mocap": lambda file: file.bodies("body_mocapid", lambda index: index >= 0, "is moved from outside (mocap)"),
    "flex": lambda file: file.counted("flex", "nflex", "is soft, which is not simulated"),
    "plugin": lambda file: file.counted("plugin", "nplugin", "is a plugin, which is not simulated"),
    "polynomial": lambda file: file.polynomial(),
    "condim": lambda file: file.condim(),
    "contact": lambda file: file.odd_contacts(),
    "actuatorfrcrange": lambda file: file.driven_ranges(),
    "flag": lambda file: file.flags(),
}
"""What is looked for, by the word for `ignore`."""

_OF_CONTACTS = ("mesh", "pair", "condim", "contact")
"""Of these, what does not matter without contacts."""


def _spring(time: float, ratio: float, moved: float) -> tuple[float, float]:
    """Stiffness and damping of MuJoCo's solref for a mass or inertia; negative ones are given per mass."""
    if time <= 0.0:
        return -time * moved, -ratio * moved
    return moved / (time * ratio) ** 2, 2.0 * moved / time
