"""Equalities and tendons of MuJoCo's compiled model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from diffsim.physics.articulated.equalities import Equality, Hold
from diffsim.physics.articulated.mjcf_reading import JOINTS
from diffsim.physics.articulated.mjcf_softness import impedance, reference
from diffsim.physics.articulated.mjcf_tendons import Tendons
from diffsim.physics.articulated.quaternions import quaternion_of, rotation_of

__all__ = ["Equalities", "shifted"]


def shifted(polynomial: np.ndarray, by: float) -> np.ndarray:
    """(5,) the coefficients of p(x + by), given those of p."""
    found = np.zeros(5)
    for c in polynomial[::-1]:  # Horner's scheme
        found = np.append(c, found[:-1]) + by * found
    return found


class Equalities(Tendons):
    """What holds."""

    def _holds(self) -> list[Hold]:
        """Welds and connections of a body that moves with one that does not, where that is, or with another."""
        model = self.model
        acting = [] if "equality" in self.ignore else self.acting_equalities()
        data = self.mujoco.MjData(model) if acting else None
        if data is not None:
            self.mujoco.mj_kinematics(model, data)
        return [
            self._connection(k) if self.joins(k) else self._hold(k, data)
            for k in acting
            if self.joins(k) or (self.one_sided(k) and any(map(self.moves, self._ends(k))))
        ]

    def joins(self, k: int) -> bool:
        """Whether an equality connects or welds two bodies that move."""
        return self.of_bodies(k) and not self.one_sided(k)

    def _connection(self, k: int) -> Hold:
        """Of a weld the second body is held to the first, of a connection the first to the second."""
        model, numbers = self.model, self._placed(k)
        weld = int(model.eq_type[k]) == int(self.mujoco.mjtEq.mjEQ_WELD)
        bodies = self._ends(k)
        one, other = reversed(bodies) if weld else bodies
        moved = model.body_invweight0[one] + model.body_invweight0[other]
        return Hold(
            self.name("equality", k),
            self.name("body", one),
            numbers[3:6],
            numbers[6:10] if weld else None,
            other=self.name("body", other),
            anchor=numbers[:3],
            weight=1.0 / np.maximum(moved, 1e-15),
            reference=reference(*model.eq_solref[k]),
            impedance=impedance(model.eq_solimp[k]),
            lever=float(numbers[10]) if weld else 1.0,
        )

    def _hold(self, k: int, data: Any) -> Hold:
        model = self.model
        bodies, numbers = self._ends(k), self._placed(k)
        weld = int(model.eq_type[k]) == int(self.mujoco.mjtEq.mjEQ_WELD)
        # A weld has the point on the second body first, a connection that on the first.
        points = (numbers[3:6], numbers[:3]) if weld else (numbers[:3], numbers[3:6])
        second = self.moves(bodies[1])
        moves, stays = (1, 0) if second else (0, 1)
        guided = self.guided(bodies[stays])
        still = np.eye(3) if guided else data.xmat[bodies[stays]].reshape(3, 3)
        place = points[stays] if guided else data.xpos[bodies[stays]] + still @ points[stays]
        relative = rotation_of(numbers[6:10]) if weld else np.eye(3)
        turned = still @ (relative if second else relative.T)
        return Hold(
            self.name("equality", k),
            self.name("body", bodies[moves]),
            place,
            quaternion_of(turned) if weld else None,
            other=self.name("body", bodies[stays]) if guided else None,
            anchor=points[moves],
            weight=1.0 / np.maximum(model.body_invweight0[bodies[moves]], 1e-15),
            reference=reference(*model.eq_solref[k]),
            impedance=impedance(model.eq_solimp[k]),
            lever=float(numbers[10]) if weld else 1.0,
        )

    def one_sided(self, k: int) -> bool:
        """Whether an equality welds or connects bodies of which at most one moves."""
        return self.of_bodies(k) and not all(map(self.moves, self._ends(k)))

    def of_bodies(self, k: int) -> bool:
        """Whether an equality is a weld or a connection, of bodies or of their sites."""
        mj = self.mujoco
        return int(self.model.eq_type[k]) in (int(mj.mjtEq.mjEQ_WELD), int(mj.mjtEq.mjEQ_CONNECT))

    def _of_sites(self, k: int) -> bool:
        return int(self.model.eq_objtype[k]) == int(self.mujoco.mjtObj.mjOBJ_SITE)

    def _ends(self, k: int) -> list[int]:
        """Both bodies of a weld or connection."""
        ends = [int(self.model.eq_obj1id[k]), int(self.model.eq_obj2id[k])]
        return [int(self.model.site_bodyid[site]) for site in ends] if self._of_sites(k) else ends

    def _placed(self, k: int) -> np.ndarray:
        """Numbers of a weld or connection of bodies: those of one of sites follow from where these are."""
        model, numbers = self.model, np.array(self.model.eq_data[k])
        if not self._of_sites(k):
            return numbers
        one, other = int(model.eq_obj1id[k]), int(model.eq_obj2id[k])
        weld = int(model.eq_type[k]) == int(self.mujoco.mjtEq.mjEQ_WELD)
        first, second = (other, one) if weld else (one, other)
        numbers[:3], numbers[3:6] = model.site_pos[first], model.site_pos[second]
        if weld:
            numbers[6:10] = quaternion_of(rotation_of(model.site_quat[one]) @ rotation_of(model.site_quat[other]).T)
        return numbers

    def acting_equalities(self) -> list[int]:
        """Those that are switched on."""
        off = self._disabled("EQUALITY") or self._disabled("CONSTRAINT")
        return [] if off else [k for k in range(int(self.model.neq)) if self.model.eq_active0[k]]

    def _equalities(self) -> list[Equality]:
        """Those of joints and of tendons."""
        if "equality" in self.ignore:
            return []
        return [self._equality(k) for k in self.acting_equalities() if self.simple(k)]

    def simple(self, k: int) -> bool:
        """Whether an equality is one of hinges and slides, or of tendons that are simulated."""
        model, mj = self.model, self.mujoco
        objects = [int(o) for o in (model.eq_obj1id[k], model.eq_obj2id[k]) if o >= 0]
        if int(model.eq_type[k]) == int(mj.mjtEq.mjEQ_JOINT):
            return all(JOINTS[int(model.jnt_type[joint])] in ("hinge", "slide") for joint in objects)
        tendon = int(model.eq_type[k]) == int(mj.mjtEq.mjEQ_TENDON)
        return tendon and not any(map(self.odd_tendon, objects)) and "tendon" not in self.ignore

    def _equality(self, k: int) -> Equality:
        model = self.model
        of_joints = int(model.eq_type[k]) == int(self.mujoco.mjtEq.mjEQ_JOINT)
        kind, lightness = ("joint", "dof_invweight0") if of_joints else ("tendon", "tendon_invweight0")
        objects = [int(o) for o in (model.eq_obj1id[k], model.eq_obj2id[k]) if o >= 0]
        moved = sum(float(getattr(model, lightness)[model.jnt_dofadr[o] if of_joints else o]) for o in objects)
        polynomial = np.array(model.eq_data[k][:5])
        if not of_joints:
            lengths = model.tendon_length0[objects]
            polynomial = shifted(polynomial, -float(lengths[1:].sum()))
            polynomial[0] += lengths[0]
        return Equality(
            self.name("equality", k),
            *(self.name(kind, o) for o in objects),
            of=f"{kind}s",
            polynomial=polynomial,
            weight=1.0 / max(moved, 1e-15),
            reference=reference(*model.eq_solref[k]),
            impedance=impedance(model.eq_solimp[k]),
        )

    def odd_equalities(self) -> Iterator[tuple[str, str]]:
        """Equalities that are not simulated, or are to be ignored."""
        for k in self.acting_equalities():
            if "equality" in self.ignore or not (self.one_sided(k) or self.simple(k) or self.joins(k)):
                yield f"equality {self.name('equality', k)!r}", "is not simulated"
