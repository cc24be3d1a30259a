"""MuJoCo's compiled model as parts of a scene, and what of it is not simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from diffsim.physics.articulated.links import Joint, Link, Site
from diffsim.physics.articulated.mjcf_actuators import Actuators
from diffsim.physics.articulated.mjcf_equalities import Equalities
from diffsim.physics.articulated.mjcf_geoms import Geoms
from diffsim.physics.articulated.mjcf_reading import JOINTS
from diffsim.physics.articulated.mjcf_softness import SOLREF, friction_width, spring

__all__ = ["KINDS", "OF_CONTACTS", "File"]


class File(Geoms, Actuators, Equalities):
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
            "visuals": self.visuals(0),
            "meshes": self.meshes_seen(),
            "pairs": self._pairs(),
            "holds": self._holds(),
            "tendons": self._tendons(),
            "equalities": self._equalities(),
            **self._medium(),
            "gravity": (0.0, 0.0, 0.0) if self._disabled("GRAVITY") else model.opt.gravity,
            "poses": {name: model.key_qpos[k] for name, k in keys},
            "pose_controls": {} if motors else {name: model.key_ctrl[k, driving] for name, k in keys},
            "pose_activations": {} if motors or not model.na else {n: self._activations(k, driving) for n, k in keys},
            "pose_places": {name: put for name, k in keys if (put := self._put(k))},
            "exclude": [pair for one, other in excluded for pair in self._apart(one, other)],
            "contacts": not self._disabled("CONTACT") and not self._disabled("CONSTRAINT"),
            "limits": not self._disabled("LIMIT") and not self._disabled("CONSTRAINT"),
            "integrator": {"Euler": "euler", "RK4": "rk4"}.get(self.integrator, "implicitfast"),
            "implicit_damping": not self._disabled("EULERDAMP"),
            "dt": float(model.opt.timestep),
            "cone": "elliptic" if int(model.opt.cone) == int(self.mujoco.mjtCone.mjCONE_ELLIPTIC) else "pyramidal",
            "impratio": float(model.opt.impratio),
        }

    def _activations(self, key: int, driving: list[int]) -> np.ndarray:
        """Of a keyframe, one for each actuator; 0 without dynamics."""
        places = np.asarray(self.model.actuator_actadr)[driving]
        return np.array([self.model.key_act[key, at] if at >= 0 else 0.0 for at in places.tolist()])

    def _put(self, key: int) -> dict[str, np.ndarray]:
        """Where a keyframe has bodies that are moved from outside, but those of which a trajectory says so."""
        model = self.model
        places = np.concatenate([model.key_mpos[key].reshape(-1, 3), model.key_mquat[key].reshape(-1, 4)], axis=1)
        bodies = np.flatnonzero(model.body_mocapid >= 0).tolist()
        return {
            name: places[model.body_mocapid[body]]
            for body, name in zip(bodies, self.mocap_bodies(), strict=True)
            if name not in self.mocap
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
            visuals=self.visuals(body),
            mocap=self.mocap.get(self.name("body", body)),
        )

    def _joint(self, joint: int) -> Joint:
        model, kind = self.model, JOINTS[int(self.model.jnt_type[joint])]
        dof, at = int(model.jnt_dofadr[joint]), int(model.jnt_qposadr[joint])
        scalar = kind in ("hinge", "slide")
        made = self._effort(joint)
        if model.jnt_limited[joint]:
            time, ratio = model.jnt_solref[joint]
            made["limits"] = self._limits(joint, scalar)
            made["limit_solref"], made["limit_solimp"] = model.jnt_solref[joint], model.jnt_solimp[joint]
            if (time, ratio) != SOLREF:
                moved = float(model.dof_M0[dof])
                made["limit_stiffness"], made["limit_damping"] = spring(time, ratio, moved)
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
        margin = min(float(self.model.jnt_margin[joint]), self.widest_margin(joint))
        return np.array([low + margin if scalar else low, high - margin])

    def _effort(self, joint: int) -> dict[str, Any]:
        """Limits of what its actuators do together, and how soft its friction is if the file says so."""
        model, made = self.model, {}
        if model.jnt_actfrclimited[joint] and joint in self.driven():
            made["effort_range"] = model.jnt_actfrcrange[joint]
        dof = int(model.jnt_dofadr[joint])
        if model.dof_frictionloss[dof] and not self._no_friction():
            made["friction_width"] = friction_width(model, "dof", dof)
            made["friction_solref"], made["friction_solimp"] = model.dof_solref[dof], model.dof_solimp[dof]
        return made

    def _medium(self) -> dict[str, Any]:
        """What surrounds the robot; if it is to be ignored, or passive forces are off, nothing."""
        if not self.immersed() or "fluid" in self.ignore or (self._disabled("SPRING") and self._disabled("DAMPER")):
            return {}
        option = self.model.opt
        return {"density": float(option.density), "viscosity": float(option.viscosity), "wind": option.wind}

    def _sites(self, body: int) -> list[Site]:
        mine = np.flatnonzero(self.model.site_bodyid == body).tolist()
        return [Site(self.site_name(site), self.model.site_pos[site]) for site in mine]


KINDS: dict[str, Callable[[File], Iterable[tuple[str, str]]]] = {
    "tendon": lambda file: file.odd_tendons(),
    "equality": lambda file: file.odd_equalities(),
    "actuator": lambda file: file.odd_actuators(),
    "mesh": lambda file: file.meshes(),
    "pair": lambda file: file.odd_pairs(),
    "fluid": lambda file: file.fluid(),
    "frictionloss": lambda file: (),
    "gravcomp": lambda file: file.compensating_actuators(),
    "mocap": lambda file: (),  # stays where it is, which is said
    "flex": lambda file: file.counted("flex", "nflex", "is soft, which is not simulated"),
    "plugin": lambda file: file.counted("plugin", "nplugin", "is a plugin, which is not simulated"),
    "polynomial": lambda file: file.polynomial(),
    "condim": lambda file: (),
    "contact": lambda file: (),  # a word that takes geoms out of contact: see `File`
    "geom": lambda file: file.odd_geoms(),
    "actuatorfrcrange": lambda file: (),
    "flag": lambda file: file.flags(),
}
"""What is looked for, by the word for `ignore`."""

OF_CONTACTS = ("mesh", "pair", "geom")
"""Of these, what does not matter without contacts."""
