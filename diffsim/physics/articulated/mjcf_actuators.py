"""Actuators of MuJoCo's compiled model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from diffsim.physics.articulated.actuators import Actuator
from diffsim.physics.articulated.mjcf_reading import JOINTS
from diffsim.physics.articulated.mjcf_tendons import Tendons
from diffsim.physics.articulated.muscle import Muscle
from diffsim.physics.articulated.quaternions import rotation_of

__all__ = ["Actuators"]


DYNAMICS = {0: None, 1: "integrator", 2: "filter", 3: "filterexact", 4: "muscle"}  # by MuJoCo's mjtDyn


class Actuators(Tendons):
    """What drives."""

    def _actuator(self, k: int) -> Actuator:
        model = self.model
        affine = int(model.actuator_biastype[k]) == int(self.mujoco.mjtBias.mjBIAS_AFFINE)
        grows = int(model.actuator_gaintype[k]) == int(self.mujoco.mjtGain.mjGAIN_AFFINE)
        if self._is_muscle(k):
            drawn: dict[str, Any] = {"muscle": self._muscle(k)}
        else:
            drawn = {
                "gain": float(model.actuator_gainprm[k, 0]),
                "gain_slope": model.actuator_gainprm[k, 1:3] if grows else (0.0, 0.0),
                "bias": model.actuator_biasprm[k, :3] if affine else (0.0, 0.0, 0.0),
            }
        return Actuator(
            **self._drives(k),
            **drawn,
            control_range=model.actuator_ctrlrange[k] if model.actuator_ctrllimited[k] else None,
            force_range=model.actuator_forcerange[k] if model.actuator_forcelimited[k] else None,
            **self._dynamics(k),
        )

    def _is_muscle(self, k: int) -> bool:
        """Whether gain and bias of an actuator are those of one muscle."""
        model, mj = self.model, self.mujoco
        kinds = int(model.actuator_gaintype[k]), int(model.actuator_biastype[k])
        if kinds != (int(mj.mjtGain.mjGAIN_MUSCLE), int(mj.mjtBias.mjBIAS_MUSCLE)):
            return False
        curves = model.actuator_gainprm[k, :9], model.actuator_biasprm[k, :9]
        return bool(np.array_equal(*curves)) and not self._odd_muscle(k)

    def _odd_muscle(self, k: int) -> str:
        """What of a muscle's numbers cannot be; empty if they can."""
        low, high, *_, shortest, longest, fastest, passive, lengthening = self.model.actuator_gainprm[k, :9].tolist()
        ends = self.model.actuator_lengthrange[k]
        if not (low < high and ends[0] < ends[1]):
            return "is a muscle whose range or lengthrange is empty"
        fits = shortest < 1.0 < longest and fastest > 0.0 and passive >= 0.0 and lengthening >= 1.0 and shortest >= 0.0
        return "" if fits else "is a muscle whose curves are not from lmin below 1 to lmax above 1, with fvmax from 1"

    def _muscle(self, k: int) -> Muscle:
        """As strong as it says, or as ``scale`` over the acceleration that it gives says."""
        model, prm = self.model, self.model.actuator_gainprm[k].tolist()
        strength = prm[2] if prm[2] >= 0.0 else prm[3] / max(float(model.actuator_acc0[k]), 1e-15)
        names = ("shortest", "longest", "fastest", "passive", "lengthening")
        curves = dict(zip(names, prm[4:9], strict=True))
        return Muscle(strength, model.actuator_lengthrange[k], operating_range=prm[:2], **curves)

    def _drives(self, k: int) -> dict[str, Any]:
        """Its name, and what it drives with which gear."""
        model, kind = self.model, self.transmission(k)
        target = int(model.actuator_trnid[k, 0])
        name = self.name("body" if kind == "link" else kind, target)
        same = (model.actuator_trnid[:, 0] == target) & (model.actuator_trntype == model.actuator_trntype[k])
        own = self.given("actuator", k) or self.free(
            "actuator", name if np.count_nonzero(same) == 1 else f"actuator_{k}"
        )
        if kind != "site":
            # What sticks has no gear in MuJoCo, whatever the file says.
            return {"name": own, kind: name, "gear": 1.0 if kind == "link" else float(model.actuator_gear[k, 0])}
        turn = rotation_of(model.site_quat[target])
        wrench = np.concatenate([turn @ model.actuator_gear[k, :3], turn @ model.actuator_gear[k, 3:]])
        return {"name": own, "site": self.site_name(target), "wrench": wrench}

    def transmission(self, k: int) -> str:
        """What an actuator drives: a "joint", a "tendon", a "site", a "link"; empty for anything else."""
        kinds = {"JOINT": "joint", "JOINTINPARENT": "joint", "TENDON": "tendon", "SITE": "site", "BODY": "link"}
        found = int(self.model.actuator_trntype[k])
        named = {int(getattr(self.mujoco.mjtTrn, f"mjTRN_{name}")): kind for name, kind in kinds.items()}
        return named.get(found, "")

    def _dynamics(self, k: int) -> dict[str, Any]:
        model, kind = self.model, DYNAMICS[int(self.model.actuator_dyntype[k])]
        if kind is None:
            return {}
        up, down, width = model.actuator_dynprm[k, :3].tolist()
        muscle = {"deactivation_time": max(down, 1e-15), "activation_width": max(width, 0.0)}
        return {
            **(muscle if kind == "muscle" else {}),
            "dynamics": kind,
            "time_constant": max(up, 1e-15) if kind != "integrator" else 1.0,
            "activation_range": model.actuator_actrange[k] if model.actuator_actlimited[k] else None,
        }

    def _motors(self) -> Iterator[Actuator]:
        for joint in range(self.model.njnt):
            effort = float(self.model.jnt_actfrcrange[joint, 1])
            if self.model.jnt_actfrclimited[joint] and effort > 0.0:
                yield Actuator.motor(self.name("joint", joint), effort)

    def _odd_actuator(self, k: int) -> str:
        model, mj = self.model, self.mujoco
        if why := self._odd_target(k):
            return why
        if DYNAMICS.get(int(model.actuator_dyntype[k]), "") == "" or np.any(model.actuator_actearly[k]):
            return "has dynamics of its own"
        if self._is_muscle(k):
            return "acts on a site, where a muscle has no length" if self.transmission(k) == "site" else self._odd(k)
        muscles = int(mj.mjtGain.mjGAIN_MUSCLE), int(mj.mjtBias.mjBIAS_MUSCLE)
        if (int(model.actuator_gaintype[k]), int(model.actuator_biastype[k])) == muscles:
            return self._odd_muscle(k) or "is a muscle whose gainprm and biasprm differ"
        if int(model.actuator_gaintype[k]) not in (int(mj.mjtGain.mjGAIN_FIXED), int(mj.mjtGain.mjGAIN_AFFINE)):
            return "has a gain that is not affine"
        if int(model.actuator_biastype[k]) not in (int(mj.mjtBias.mjBIAS_NONE), int(mj.mjtBias.mjBIAS_AFFINE)):
            return "has a bias that is not affine"
        return self._odd(k)

    def _odd(self, k: int) -> str:
        """What else an actuator has that is not simulated."""
        model = self.model
        odd = [getattr(model, f"actuator_{what}", None) for what in ("damping", "armature", "delay")]
        return "has damping, armature or a delay of its own" if any(v is not None and np.any(v[k]) for v in odd) else ""

    def _odd_target(self, k: int) -> str:
        """Why what an actuator drives is none that is simulated."""
        model, kind, target = self.model, self.transmission(k), int(self.model.actuator_trnid[k, 0])
        if not kind:
            return "does not act on a joint, tendon, site or body"
        if kind == "joint" and JOINTS[int(model.jnt_type[target])] not in ("hinge", "slide"):
            return "acts on a joint that is neither a hinge nor a slide"
        if kind == "tendon" and ("tendon" in self.ignore or self.odd_tendon(target)):
            return "acts on a tendon that is not simulated"
        if kind == "tendon" and self._limited_efforts(target):
            return "acts on a tendon along joints with an actuatorfrcrange, which is not simulated"
        if kind == "link":
            return self._odd_adhesion(k, target)
        if kind == "site" and int(model.actuator_trnid[k, 1]) >= 0:
            return "acts on a site against another"
        return (
            "acts on a site that does not move" if kind == "site" and not self.moves(model.site_bodyid[target]) else ""
        )

    def _odd_adhesion(self, k: int, body: int) -> str:
        """Why a body does not stick as an actuator asks."""
        model, affine = self.model, int(self.mujoco.mjtBias.mjBIAS_AFFINE)
        biased = int(model.actuator_biastype[k]) == affine and np.any(model.actuator_biasprm[k, 1:3])
        if biased or int(model.actuator_gaintype[k]) != int(self.mujoco.mjtGain.mjGAIN_FIXED):
            return "acts on a body with a force that depends on a position or velocity, which is not simulated"
        if body == 0:
            return "acts on the world, which is not simulated; let the body stick that touches it"
        kinds = {int(self.mujoco.mjtGeom.mjGEOM_PLANE), int(self.mujoco.mjtGeom.mjGEOM_HFIELD)}
        if kinds & set(np.asarray(model.geom_type)[np.asarray(model.geom_bodyid) == body].tolist()):
            return "acts on a body with a plane or height field; let the body stick that touches it"
        return (
            "acts on a body while joints have an actuatorfrcrange, which is not simulated"
            if np.any(model.jnt_actfrclimited)
            else ""
        )

    def _limited_efforts(self, tendon: int) -> bool:
        """Whether what actuators do together is limited at a joint of a tendon."""
        model, kinds, limited = self.model, self.mujoco.mjtWrap, np.asarray(self.model.jnt_actfrclimited)
        bodies: set[int] = set()
        for at in self._wraps(tendon):
            kind, which = int(model.wrap_type[at]), int(model.wrap_objid[at])
            if kind == int(kinds.mjWRAP_JOINT):
                if limited[which]:
                    return True
            elif kind != int(kinds.mjWRAP_PULLEY):
                body = int((model.site_bodyid if kind == int(kinds.mjWRAP_SITE) else model.geom_bodyid)[which])
                while body > 0:
                    bodies.add(body)
                    body = int(model.body_parentid[body])
        return any(int(model.jnt_bodyid[joint]) in bodies for joint in np.flatnonzero(limited))

    def odd_actuators(self) -> Iterator[tuple[str, str]]:
        """Actuators whose force, dynamics or target are others."""
        for k in range(self.model.nu):
            if (why := self._odd_actuator(k)) and not self.switched_off(k):
                yield f"actuator {self.name('actuator', k)!r}", why

    def driven(self) -> set[int]:
        """Joints that actuators drive which are simulated."""
        acting = [k for k in range(self.model.nu) if not self._odd_actuator(k) and not self.switched_off(k)]
        return {int(self.model.actuator_trnid[k, 0]) for k in acting if self.transmission(k) == "joint"}

    def compensating_actuators(self) -> Iterator[tuple[str, str]]:
        """Joints whose actuators carry weights within their efforts."""
        if np.any(self.model.body_gravcomp):
            for joint in np.flatnonzero(self.model.jnt_actgravcomp & self.model.jnt_actfrclimited).tolist():
                yield (
                    f"joint {self.name('joint', joint)!r}",
                    "has gravity compensation within actuatorfrcrange, which is not simulated",
                )
