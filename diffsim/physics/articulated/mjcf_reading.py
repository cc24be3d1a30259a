"""What MuJoCo's compiled model holds and diffsim does not simulate: every element of it, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from diffsim.physics.articulated.hulls import CORNERS, Hull, hull_of

__all__ = ["JOINTS", "KINDS", "OF_CONTACTS", "SHAPES", "Reading"]

JOINTS = ("free", "ball", "slide", "hinge")  # by MuJoCo's mjtJoint
SHAPES = {0: "plane", 2: "sphere", 3: "capsule", 4: "ellipsoid", 5: "cylinder", 6: "box", 7: "mesh"}  # mjtGeom
MESH = 7
INTEGRATORS = ("Euler", "RK4", "implicit", "implicitfast")

COUNTS = {
    "actuator": "nu",
    "body": "nbody",
    "equality": "neq",
    "flex": "nflex",
    "geom": "ngeom",
    "joint": "njnt",
    "key": "nkey",
    "pair": "npair",
    "plugin": "nplugin",
    "site": "nsite",
    "tendon": "ntendon",
}
"""How many elements of a kind a model has."""


class Reading:
    """A compiled model of MuJoCo's, and the names of what is in it.

    Cylinders and ellipsoids do not touch if "contact" is to be ignored.
    """

    def __init__(self, mujoco: Any, model: Any, ignore: tuple[str, ...] = ()):
        self.mujoco, self.model, self.ignore = mujoco, model, ignore
        self.dropped = [g for g in range(model.ngeom) if self._is_dropped(g)]
        self._hulls: dict[int, Hull] = {}
        self._taken: dict[str, set[str]] = {}

    def _is_dropped(self, geom: int) -> bool:
        """Whether a geom is none here: a mesh that is only seen or to be ignored, or what has no shape of `SHAPES`."""
        shape = SHAPES.get(int(self.model.geom_type[geom]))
        return not shape or (shape == "mesh" and ("mesh" in self.ignore or not self._collides(geom)))

    def hull(self, geom: int) -> Hull:
        """Corners of a mesh."""
        mesh = int(self.model.geom_dataid[geom])
        if mesh not in self._hulls:
            self._hulls[mesh] = hull_of(self.model, mesh)
        return self._hulls[mesh]

    def given(self, kind: str, index: int) -> str | None:
        """The name that the file gives an element."""
        found = self.mujoco.mj_id2name(self.model, getattr(self.mujoco.mjtObj, f"mjOBJ_{kind.upper()}"), int(index))
        return found or None

    def taken(self, kind: str) -> set[str]:
        """All names that the file gives to elements of a kind."""
        if kind not in self._taken:
            count = int(getattr(self.model, COUNTS[kind]))
            self._taken[kind] = {name for k in range(count) if (name := self.given(kind, k))}
        return self._taken[kind]

    def name(self, kind: str, index: int) -> str:
        """The name of an element; of one without, its kind and number, and a dash more if the file has that name."""
        return self.given(kind, index) or self.free(kind, f"{kind}_{index}")

    def free(self, kind: str, name: str) -> str:
        """A name like ``name`` that the file gives to no element of a kind."""
        while name in self.taken(kind):
            name += "_"
        return name

    @property
    def integrator(self) -> str:
        """As the file has it."""
        return INTEGRATORS[int(self.model.opt.integrator)]

    def replaced(self) -> list[str]:
        """What is simulated in another way than the file asks for, in words."""
        found = []
        if self.integrator == "implicit":
            found.append("the integrator implicit, replaced by implicitfast: Coriolis' forces are not implicit")
        if self.immersed() and self.integrator.startswith("implicit"):
            found.append(f"the drag of the fluid as part of {self.integrator}: it is not implicit")
        seen = [self.name("geom", g) for g in self.dropped if not self._collides(g)]
        if seen:
            found.append(f"the meshes of {', '.join(seen)}, which are only seen")
        hulls = {g: self.hull(g).missing for g in range(self.model.ngeom) if self._is_mesh(g)}
        if hulls and max(hulls.values()) > 0.0:
            most = max(hulls, key=lambda g: hulls[g])
            found.append(
                f"all but {CORNERS} corners of the hulls of {len(hulls)} meshes, at most "
                f"{1e3 * hulls[most]:.2g} mm of geom {self.name('geom', most)!r}"
            )
        if apart := [self.name("geom", g) for g in range(self.model.ngeom) if self.kept_apart(g)]:
            found.append(f"geom {apart[0]!r} and {len(apart) - 1} more cylinders and ellipsoids, which do not touch")
        off = [self.name("actuator", k) for k in range(self.model.nu) if self.switched_off(k)]
        if off:
            found.append(f"the actuators {', '.join(off)}, which the file switches off")
        mocap = [self.name("body", body) for body in np.flatnonzero(self.model.body_mocapid >= 0).tolist()]
        if mocap:
            found.append(f"what moves {', '.join(mocap)} from outside (mocap): they stay where they are")
        return found

    def _is_mesh(self, geom: int) -> bool:
        return SHAPES.get(int(self.model.geom_type[geom])) == "mesh" and geom not in self.dropped

    def kept_apart(self, geom: int) -> bool:
        """Whether a geom is one that could touch and is to be ignored."""
        odd = SHAPES.get(int(self.model.geom_type[geom])) in ("cylinder", "ellipsoid")
        return odd and "contact" in self.ignore and self._collides(geom)

    def switched_off(self, k: int) -> bool:
        """Whether the file switches an actuator off, by a flag or by its group."""
        group = int(self.model.actuator_group[k])
        return self._disabled("ACTUATION") or bool(0 <= group < 31 and self.model.opt.disableactuator & (1 << group))

    def _collides(self, geom: int) -> bool:
        return bool(self.model.geom_contype[geom] or self.model.geom_conaffinity[geom])

    def _disabled(self, flag: str) -> bool:
        return bool(self.model.opt.disableflags & getattr(self.mujoco.mjtDisableBit, f"mjDSBL_{flag}"))

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
        """Actuators that are not affine in control, position and velocity of a hinge or slide."""
        for k in range(self.model.nu):
            if (why := self._odd_actuator(k)) and not self.switched_off(k):
                yield f"actuator {self.name('actuator', k)!r}", why

    def tendons(self) -> Iterator[tuple[str, str]]:
        """Tendons that do something: what is only measured or seen moves nothing."""
        model = self.model
        pulled = {
            int(model.actuator_trnid[k, 0])
            for k in range(model.nu)
            if int(model.actuator_trntype[k]) == int(self.mujoco.mjtTrn.mjTRN_TENDON) and not self.switched_off(k)
        }
        limits = not self._disabled("LIMIT") and not self._disabled("CONSTRAINT")
        passive = ("stiffness", "damping", "stiffnesspoly", "dampingpoly", "armature", "frictionloss")
        for k in range(model.ntendon):
            acts = any(np.any(getattr(model, f"tendon_{what}")[k]) for what in passive)
            if acts or k in pulled or (limits and model.tendon_limited[k]):
                yield f"tendon {self.name('tendon', k)!r}", "is not simulated"

    def counted(self, kind: str, count: str, why: str) -> Iterator[tuple[str, str]]:
        """Elements of a kind of which there should be none."""
        for k in range(int(getattr(self.model, count, 0))):
            yield f"{kind} {self.name(kind, k)!r}", why

    def one_sided(self, k: int) -> bool:
        """Whether an equality welds or connects bodies of which at most one moves."""
        model, mj = self.model, self.mujoco
        kinds = (int(mj.mjtEq.mjEQ_WELD), int(mj.mjtEq.mjEQ_CONNECT))
        if int(model.eq_type[k]) not in kinds or int(model.eq_objtype[k]) != int(mj.mjtObj.mjOBJ_BODY):
            return False
        return not (self.moves(int(model.eq_obj1id[k])) and self.moves(int(model.eq_obj2id[k])))

    def moves(self, body: int) -> bool:
        """Whether joints move a body."""
        return bool(self.model.body_dofnum[self.model.body_weldid[body]])

    def acting_equalities(self) -> list[int]:
        """Those that are switched on."""
        off = self._disabled("EQUALITY") or self._disabled("CONSTRAINT")
        return [] if off else [k for k in range(int(self.model.neq)) if self.model.eq_active0[k]]

    def equalities(self) -> Iterator[tuple[str, str]]:
        """Equalities; what a URDF says with ``<mimic>`` has no name, so the joint tells which it is."""
        model, mj = self.model, self.mujoco
        for k in self.acting_equalities():
            named = mj.mj_id2name(model, mj.mjtObj.mjOBJ_EQUALITY, k)
            if named or int(model.eq_type[k]) != int(mj.mjtEq.mjEQ_JOINT):
                if not self.one_sided(k):
                    yield f"equality {self.name('equality', k)!r}", "is not simulated"
            else:
                other = int(model.eq_obj2id[k])
                what = f"follows joint {self.name('joint', other)!r}" if other >= 0 else "is held in place"
                yield (
                    f"joint {self.name('joint', model.eq_obj1id[k])!r}",
                    f"{what} (<mimic>, an equality), which is not simulated",
                )

    def fluid(self) -> Iterator[tuple[str, str]]:
        """Geoms that a fluid flows around as ellipsoids, which is another model."""
        if self.immersed():
            for geom in np.flatnonzero(self.model.geom_fluid[:, 0]).tolist():
                yield f"geom {self.name('geom', geom)!r}", "has a fluidshape, which is not simulated"

    def immersed(self) -> bool:
        """Whether a medium drags at the bodies."""
        return bool(self.model.opt.density or self.model.opt.viscosity)

    def flags(self) -> Iterator[tuple[str, str]]:
        """Options that turn parts of the physics off."""
        for name in ("clampctrl", "filterparent"):
            if self._disabled(name.upper()):
                yield f"option flag {name}='disable'", "is not simulated"
        if self.model.opt.enableflags & int(self.mujoco.mjtEnableBit.mjENBL_OVERRIDE):
            yield "option flag override='enable'", "is not simulated"

    def driven(self) -> set[int]:
        """Joints that actuators drive which are simulated."""
        acting = [k for k in range(self.model.nu) if not self._odd_actuator(k) and not self.switched_off(k)]
        return {int(self.model.actuator_trnid[k, 0]) for k in acting}

    def compensating_actuators(self) -> Iterator[tuple[str, str]]:
        """Joints whose actuators carry weights within their efforts."""
        if np.any(self.model.body_gravcomp):
            for joint in np.flatnonzero(self.model.jnt_actgravcomp & self.model.jnt_actfrclimited).tolist():
                yield (
                    f"joint {self.name('joint', joint)!r}",
                    "has gravity compensation within actuatorfrcrange, which is not simulated",
                )

    def _no_friction(self) -> bool:
        """Whether joints have no friction loss."""
        off = self._disabled("FRICTIONLOSS") or self._disabled("CONSTRAINT")
        return off or "frictionloss" in self.ignore

    def per_joint(self, attribute: str, why: str) -> Iterator[tuple[str, str]]:
        """Joints with something that is not zero."""
        values: Any = getattr(self.model, attribute, ())
        for dof in range(len(values)):
            if np.any(values[dof]):
                yield f"joint {self.name('joint', self.model.dof_jntid[dof])!r}", why

    def polynomial(self) -> Iterator[tuple[str, str]]:
        """Springs and dampers that are not linear."""
        yield from self.per_joint("dof_dampingpoly", "has damping that is not linear")
        for joint in range(self.model.njnt):
            terms = [
                self.model.jnt_stiffness[joint].flat[1:],
                np.atleast_2d(getattr(self.model, "jnt_stiffnesspoly", 0.0)),
            ]
            if np.any(terms[0]) or np.any(terms[1][joint % len(terms[1])]):
                yield f"joint {self.name('joint', joint)!r}", "has a spring that is not linear"

    def meshes(self) -> Iterator[tuple[str, str]]:
        """Geoms without a shape of `SHAPES` that may touch, and meshes if they are to be ignored."""
        for geom in self.dropped:
            if self._collides(geom):
                what = "mesh" if int(self.model.geom_type[geom]) == MESH else "height field or the like"
                yield f"geom {self.name('geom', geom)!r}", f"is a {what} that may touch, which is not simulated"

    def odd_geoms(self) -> Iterator[tuple[str, str]]:
        """What changes a contact and is not read; solimp is another law altogether, as docs/articulated.md says."""
        for name in ("adhesion", "surfacevel"):
            values: Any = getattr(self.model, f"geom_{name}", ())
            for geom in range(len(values)):
                if self._collides(geom) and np.any(values[geom]):
                    yield f"geom {self.name('geom', geom)!r}", f"has a {name}, which is not simulated"


KINDS: dict[str, Callable[[Reading], Iterable[tuple[str, str]]]] = {
    "tendon": lambda file: file.tendons(),
    "equality": lambda file: file.equalities(),
    "actuator": lambda file: file.odd_actuators(),
    "mesh": lambda file: file.meshes(),
    "pair": lambda file: file.counted("pair", "npair", "is a contact of its own rules, which is not simulated"),
    "fluid": lambda file: file.fluid(),
    "frictionloss": lambda file: (),
    "gravcomp": lambda file: file.compensating_actuators(),
    "mocap": lambda file: (),  # stays where it is, which is said
    "flex": lambda file: file.counted("flex", "nflex", "is soft, which is not simulated"),
    "plugin": lambda file: file.counted("plugin", "nplugin", "is a plugin, which is not simulated"),
    "polynomial": lambda file: file.polynomial(),
    "condim": lambda file: (),
    "contact": lambda file: (),  # a word that takes geoms out of contact: see `Reading`
    "geom": lambda file: file.odd_geoms(),
    "actuatorfrcrange": lambda file: (),
    "flag": lambda file: file.flags(),
}
"""What is looked for, by the word for `ignore`."""

OF_CONTACTS = ("mesh", "pair", "geom")
"""Of these, what does not matter without contacts."""
