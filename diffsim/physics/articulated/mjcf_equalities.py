"""Equalities and tendons of MuJoCo's compiled model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from diffsim.physics.articulated.equalities import Hold
from diffsim.physics.articulated.mjcf_reading import Reading
from diffsim.physics.articulated.quaternions import quaternion_of, rotation_of

__all__ = ["Equalities"]


class Equalities(Reading):
    """What holds."""

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


def _reference(time: float, ratio: float) -> tuple[float, float]:
    """Time constant and damping ratio of MuJoCo's solref, which gives stiffness and damping if it is negative."""
    if time > 0.0:
        return float(time), float(ratio)
    constant = 2.0 / max(-ratio, 1e-12)
    return constant, 1.0 / (constant * np.sqrt(max(-time, 1e-12)))
