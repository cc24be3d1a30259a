"""What MuJoCo's compiled model holds and diffsim does not simulate: every element of it, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from diffsim.physics.articulated.hulls import CORNERS, Hull, hull_of
from diffsim.physics.articulated.mocap import Mocap

__all__ = ["JOINTS", "MESH", "SHAPES", "Reading"]

JOINTS = ("free", "ball", "slide", "hinge")  # by MuJoCo's mjtJoint
SHAPES = {
    0: "plane",
    1: "hfield",
    2: "sphere",
    3: "capsule",
    4: "ellipsoid",
    5: "cylinder",
    6: "box",
    7: "mesh",
}  # mjtGeom
MESH = 7
WIDEST = 0.499
"""Of the range of a joint, how far from a limit it can set in."""

INTEGRATORS = ("Euler", "RK4", "implicit", "implicitfast", "discrete")

COUNTS = {
    "actuator": "nu",
    "body": "nbody",
    "equality": "neq",
    "flex": "nflex",
    "geom": "ngeom",
    "joint": "njnt",
    "key": "nkey",
    "mesh": "nmesh",
    "pair": "npair",
    "plugin": "nplugin",
    "site": "nsite",
    "tendon": "ntendon",
}
"""How many elements of a kind a model has."""


class Reading:
    """A compiled model of MuJoCo's, and the names of what is in it.

    Cylinders and ellipsoids do not touch if "contact" is to be ignored. Meshes that are seen have at most ``triangles``
    in all.
    """

    def __init__(self, mujoco: Any, model: Any, ignore: tuple[str, ...] = (), triangles: int = 0):
        self.mujoco, self.model, self.ignore, self.triangles = mujoco, model, ignore, triangles
        self.law = "compliant"  # of contact, that the scene will have
        self.mocap: dict[str, Mocap] = {}  # where bodies are put from outside, by name
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
        if self.integrator == "discrete":
            found.append("the integrator discrete, replaced by implicitfast: springs are not implicit")
        if self.law == "mujoco" and self.model.opt.noslip_iterations > 0:
            found.append(f"noslip_iterations={self.model.opt.noslip_iterations}: friction is as soft as without them")
        wide = [self.name("joint", k) for k in range(self.model.njnt) if self._margins_overlap(k)]
        if self.law == "mujoco" and wide:
            found.append(f"the margins of the limits of {', '.join(wide)} beyond the middle between both")
        if self.immersed() and self.integrator in ("implicit", "implicitfast", "discrete"):
            found.append(f"the drag of the fluid as part of {self.integrator}: it is not implicit")
        seen = [self.name("geom", g) for g in self.dropped if not self._collides(g) and not self._is_kind(g, "mesh")]
        if seen:
            found.append(f"the shapes of {', '.join(seen)}, which are only seen")
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
        still = [name for name in self.mocap_bodies() if name not in self.mocap]
        if still:
            found.append(f"what moves {', '.join(still)} from outside (give mocap=): they stay where they are")
        return found

    def widest_margin(self, joint: int) -> float:
        """How far from a limit a joint can be for it to set in: not beyond the middle between both."""
        low, high = self.model.jnt_range[joint]
        return WIDEST * float(high - low)

    def _margins_overlap(self, joint: int) -> bool:
        """Whether both limits of a hinge or slide would push at once."""
        scalar = JOINTS[int(self.model.jnt_type[joint])] in ("hinge", "slide")
        wide = self.model.jnt_margin[joint] > self.widest_margin(joint)
        return scalar and bool(self.model.jnt_limited[joint] and wide)

    def _is_kind(self, geom: int, shape: str) -> bool:
        return SHAPES.get(int(self.model.geom_type[geom])) == shape

    def _is_mesh(self, geom: int) -> bool:
        return self._is_kind(geom, "mesh") and geom not in self.dropped

    def kept_apart(self, geom: int) -> bool:
        """Whether a geom is one that could touch and is to be ignored."""
        odd = SHAPES.get(int(self.model.geom_type[geom])) in ("cylinder", "ellipsoid")
        return odd and "contact" in self.ignore and self._collides(geom)

    def mocap_bodies(self) -> list[str]:
        """Names of the bodies that are moved from outside."""
        return [self.name("body", body) for body in np.flatnonzero(self.model.body_mocapid >= 0).tolist()]

    def guided(self, body: int) -> bool:
        """Whether it is said where a body is put from outside, or the one that carries it."""
        return self.name("body", int(self.model.body_rootid[body])) in self.mocap

    def switched_off(self, k: int) -> bool:
        """Whether the file switches an actuator off, by a flag or by its group."""
        group = int(self.model.actuator_group[k])
        return self._disabled("ACTUATION") or bool(0 <= group < 31 and self.model.opt.disableactuator & (1 << group))

    def moves(self, body: int) -> bool:
        """Whether joints move a body."""
        return bool(self.model.body_dofnum[self.model.body_weldid[body]])

    def site_name(self, site: int) -> str:
        """The name of a site: no body's."""
        name = self.name("site", site)
        bodies = self.taken("body") | {self.name("body", b) for b in range(self.model.nbody)}
        return self.free("site", f"{name}_site") if name in bodies else name

    def _collides(self, geom: int) -> bool:
        return bool(self.model.geom_contype[geom] or self.model.geom_conaffinity[geom])

    def _disabled(self, flag: str) -> bool:
        return bool(self.model.opt.disableflags & getattr(self.mujoco.mjtDisableBit, f"mjDSBL_{flag}"))

    def _enabled(self, flag: str) -> bool:
        return bool(self.model.opt.enableflags & getattr(self.mujoco.mjtEnableBit, f"mjENBL_{flag}", 0))

    # What is not simulated: pairs of a name and why.

    def counted(self, kind: str, count: str, why: str) -> Iterator[tuple[str, str]]:
        """Elements of a kind of which there should be none."""
        for k in range(int(getattr(self.model, count, 0))):
            yield f"{kind} {self.name(kind, k)!r}", why

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
        if self.law == "mujoco" and self._disabled("REFSAFE"):
            yield "option flag refsafe='disable'", "is not simulated"
        across = self.model.opt.o_friction[[1, 4]] != self.model.opt.o_friction[[0, 3]]
        if self._enabled("OVERRIDE") and across.any():
            yield "option o_friction", "is another along the second axis, which is not simulated"
        for name in ("ipc", "speculative", *(("diagexact",) if self.law == "mujoco" else ())):
            if self._enabled(name.upper()):
                yield f"option flag {name}='enable'", "is not simulated"

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
