"""Tendons of MuJoCo's compiled model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from diffsim.physics.articulated.mjcf_reading import Reading
from diffsim.physics.articulated.mjcf_softness import SOLREF, friction_width, spring
from diffsim.physics.articulated.tendons import Pulley, Tendon, Wrap

__all__ = ["Tendons"]

PASSIVE = ("stiffness", "damping", "stiffnesspoly", "dampingpoly", "armature", "frictionloss")
"""What a tendon may have that moves something."""


class Tendons(Reading):
    """What pulls at several joints."""

    def acting_tendons(self) -> list[int]:
        """Those that do something: what is only measured or seen moves nothing."""
        model, mj = self.model, self.mujoco
        pulled = {
            int(model.actuator_trnid[k, 0])
            for k in range(model.nu)
            if int(model.actuator_trntype[k]) == int(mj.mjtTrn.mjTRN_TENDON) and not self.switched_off(k)
        }
        off = self._disabled("EQUALITY") or self._disabled("CONSTRAINT")
        for k in range(0 if off else int(model.neq)):
            if int(model.eq_type[k]) == int(mj.mjtEq.mjEQ_TENDON) and model.eq_active0[k]:
                pulled |= {int(model.eq_obj1id[k]), int(model.eq_obj2id[k])}
        limits = not self._disabled("LIMIT") and not self._disabled("CONSTRAINT")
        return [
            k
            for k in range(model.ntendon)
            if k in pulled
            or (limits and model.tendon_limited[k])
            or any(np.any(getattr(model, f"tendon_{what}")[k]) for what in PASSIVE)
        ]

    def odd_tendon(self, k: int) -> str:
        """Why a tendon is not simulated; empty if it is."""
        model = self.model
        kinds = {int(model.wrap_type[at]) for at in self._wraps(k)}
        if int(self.mujoco.mjtWrap.mjWRAP_JOINT) not in kinds and model.tendon_armature[k]:
            return "is spatial and has an armature, which is not simulated"
        if np.any(model.tendon_stiffnesspoly[k]) or np.any(model.tendon_dampingpoly[k]):
            return "has a spring or damper that is not linear"
        return "has an actuatorfrcrange, which is not simulated" if model.tendon_actfrclimited[k] else ""

    def odd_tendons(self) -> Iterator[tuple[str, str]]:
        """Tendons that do something and are not simulated, or are to be ignored."""
        for k in self.acting_tendons():
            why = self.odd_tendon(k)
            if why or "tendon" in self.ignore:
                yield f"tendon {self.name('tendon', k)!r}", why or "is not simulated"

    def _tendons(self) -> list[Tendon]:
        if "tendon" in self.ignore:
            return []
        return [self._tendon(k) for k in self.acting_tendons() if not self.odd_tendon(k)]

    def _wraps(self, k: int) -> range:
        """What a tendon runs along or over."""
        first = int(self.model.tendon_adr[k])
        return range(first, first + int(self.model.tendon_num[k]))

    def _way(self, k: int) -> dict[str, Any]:
        """The joints of a fixed tendon, the sites of a spatial one: what follows itself counts once."""
        model, kinds = self.model, self.mujoco.mjtWrap
        joints: dict[str, float] = {}
        if int(model.wrap_type[self._wraps(k)[0]]) != int(kinds.mjWRAP_JOINT):
            path: list[Any] = []
            for at in self._wraps(k):
                kind, which, number = int(model.wrap_type[at]), int(model.wrap_objid[at]), float(model.wrap_prm[at])
                if kind == int(kinds.mjWRAP_PULLEY):
                    path.append(Pulley(number))
                elif kind != int(kinds.mjWRAP_SITE):
                    path.append(
                        Wrap(self.name("geom", which), self.site_name(round(number)) if number >= 0.0 else None)
                    )
                elif not path or path[-1] != self.site_name(which):
                    path.append(self.site_name(which))
            return {"path": path}
        for at in self._wraps(k):
            name = self.name("joint", model.wrap_objid[at])
            joints[name] = joints.get(name, 0.0) + float(model.wrap_prm[at])
        return {"joints": joints}

    def _tendon(self, k: int) -> Tendon:
        model = self.model
        made: dict[str, Any] = self._way(k)
        if model.tendon_limited[k]:
            low, high = model.tendon_range[k]
            margin = float(model.tendon_margin[k])
            made["limits"] = (low + margin, high - margin)
            made["limit_solref"], made["limit_solimp"] = model.tendon_solref_lim[k], model.tendon_solimp_lim[k]
            if tuple(model.tendon_solref_lim[k]) != SOLREF:
                moved = 1.0 / max(float(model.tendon_invweight0[k]), 1e-15)
                time, ratio = model.tendon_solref_lim[k]
                made["limit_stiffness"], made["limit_damping"] = spring(time, ratio, moved)
        if model.tendon_frictionloss[k] and not self._no_friction():
            made["friction_loss"] = float(model.tendon_frictionloss[k])
            made["friction_width"] = friction_width(model, "tendon", k)
            made["friction_solref"], made["friction_solimp"] = model.tendon_solref_fri[k], model.tendon_solimp_fri[k]
        return Tendon(
            self.name("tendon", k),
            stiffness=0.0 if self._disabled("SPRING") else float(model.tendon_stiffness[k]),
            damping=0.0 if self._disabled("DAMPER") else float(model.tendon_damping[k]),
            rest=model.tendon_lengthspring[k],
            armature=float(model.tendon_armature[k]),
            **made,
        )
