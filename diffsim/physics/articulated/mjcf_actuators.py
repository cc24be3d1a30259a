"""Actuators of MuJoCo's compiled model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from diffsim.physics.articulated.actuators import Actuator
from diffsim.physics.articulated.mjcf_reading import JOINTS, Reading

__all__ = ["Actuators"]


class Actuators(Reading):
    """What drives."""

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
