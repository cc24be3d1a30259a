"""Geoms of MuJoCo's compiled model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from diffsim.physics.articulated.geoms import Geom, Pair
from diffsim.physics.articulated.mjcf_reading import MESH, SHAPES
from diffsim.physics.articulated.mjcf_visuals import Visuals
from diffsim.physics.articulated.quaternions import quaternion_of, rotation_of
from diffsim.physics.articulated.softness import mixed

__all__ = ["Geoms"]


class Geoms(Visuals):
    """What touches and is seen."""

    def _still_plane(self, geom: int) -> bool:
        """Whether a geom is a plane or a height field of a body that stays where it is: one of the world."""
        body = int(self.model.geom_bodyid[geom])
        plane = SHAPES.get(int(self.model.geom_type[geom])) in ("plane", "hfield")
        return plane and body > 0 and not self.moves(body) and not self.guided(body)

    def _still_planes(self) -> list[Geom]:
        """Planes of bodies that do not move, where they are in the world."""
        planes = [geom for geom in range(self.model.ngeom) if self._still_plane(geom)]
        if not planes:
            return []
        data = self.mujoco.MjData(self.model)
        self.mujoco.mj_kinematics(self.model, data)
        return [
            replace(
                self._geom(geom, 0),
                position=data.geom_xpos[geom],
                orientation=quaternion_of(data.geom_xmat[geom].reshape(3, 3)),
            )
            for geom in planes
        ]

    def _geoms(self, body: int) -> list[Geom]:
        model = self.model
        mine = [g for g in np.flatnonzero(model.geom_bodyid == body).tolist() if g not in self.dropped]
        return [self._geom(g, body) for g in mine if not self._still_plane(g)]

    def _geom(self, geom: int, body: int) -> Geom:
        model, shape = self.model, SHAPES[int(self.model.geom_type[geom])]
        size = {"plane": (), "sphere": (0,), "capsule": (0, 1), "cylinder": (0, 1)}.get(shape, (0, 1, 2))
        apart = self.kept_apart(geom)
        position, sizes = model.geom_pos[geom], model.geom_size[geom][list(size)] if size else ()
        vertices: Any = ()
        if shape == "mesh":
            hull = self.hull(geom)
            position = position + rotation_of(model.geom_quat[geom]) @ hull.centre
            vertices, sizes = hull.vertices, hull.half
        heights: Any = ()
        if shape == "hfield":
            sizes, heights = self._field(int(model.geom_dataid[geom]))
        return Geom(
            self.name("geom", geom),
            shape,
            sizes,
            position=position,
            orientation=model.geom_quat[geom],
            gap=max(0.0, float(model.geom_gap[geom])),
            contype=0 if apart else int(model.geom_contype[geom]),
            conaffinity=0 if apart else int(model.geom_conaffinity[geom]),
            frictionless=int(model.geom_condim[geom]) == 1,
            condim=3 if "condim" in self.ignore else max(3, int(model.geom_condim[geom])),
            priority=0 if "geom" in self.ignore else int(model.geom_priority[geom]),
            colour=self.colour(geom),
            visible=self.visible(geom),
            vertices=vertices,
            heights=heights,
            solmix=float(model.geom_solmix[geom]),
            **{
                "friction": float(model.geom_friction[geom, 0]),
                "torsion": float(model.geom_friction[geom, 1]),
                "rolling": float(model.geom_friction[geom, 2]),
                "margin": float(model.geom_margin[geom]),
                "solref": model.geom_solref[geom],
                "solimp": model.geom_solimp[geom],
                **self._overridden(0.5),
            },
        )

    def _overridden(self, share: float) -> dict[str, Any]:
        """What the option has in place of all contacts' numbers, if it does; of the margin a share."""
        option = self.model.opt
        if not self._enabled("OVERRIDE"):
            return {}
        return {
            "friction": float(option.o_friction[0]),
            "torsion": float(option.o_friction[2]),
            "rolling": float(option.o_friction[3]),
            "margin": share * float(option.o_margin),
            "solref": option.o_solref,
            "solimp": option.o_solimp,
        }

    def _field(self, field: int) -> tuple[np.ndarray, np.ndarray]:
        """Half sizes of a height field, and its heights."""
        model: Any = self.model
        rows, columns, first = (
            int(model.hfield_nrow[field]),
            int(model.hfield_ncol[field]),
            int(model.hfield_adr[field]),
        )
        heights = np.array(model.hfield_data[first : first + rows * columns], dtype=float).reshape(rows, columns)
        return np.array(model.hfield_size[field, :2]), heights * float(model.hfield_size[field, 2])

    def meshes(self) -> Iterator[tuple[str, str]]:
        """Geoms without a shape of `SHAPES` that may touch, and meshes if they are to be ignored."""
        for geom in self.dropped:
            if self._collides(geom):
                what = "mesh" if int(self.model.geom_type[geom]) == MESH else "signed distance field or the like"
                yield f"geom {self.name('geom', geom)!r}", f"is a {what} that may touch, which is not simulated"

    def odd_geoms(self) -> Iterator[tuple[str, str]]:
        """What changes a contact and is not read; solimp is another law altogether, as docs/articulated.md says."""
        for name in ("adhesion", "surfacevel"):
            values: Any = getattr(self.model, f"geom_{name}", ())
            for geom in range(len(values)):
                if self._collides(geom) and np.any(values[geom]):
                    yield f"geom {self.name('geom', geom)!r}", f"has a {name}, which is not simulated"

    def odd_pairs(self) -> Iterator[tuple[str, str]]:
        """Pairs that are softer or harder than their geoms, or are to be ignored."""
        for k in range(int(self.model.npair)):
            why = self._odd_pair(k)
            if why or "pair" in self.ignore:
                yield f"pair {self.name('pair', k)!r}", why or "is not simulated"

    def _odd_pair(self, k: int) -> str:
        model = self.model
        ends = (int(model.pair_geom1[k]), int(model.pair_geom2[k]))
        if any(geom in self.dropped for geom in ends):
            return "is of a geom that is not simulated"
        sliding, other, _, rolling, across = model.pair_friction[k]
        if sliding != other or rolling != across:
            return "has other friction along its second axis, which is not simulated"
        if self.law == "mujoco":
            apart = np.any(model.pair_solreffriction[k]) and model.opt.cone == self.mujoco.mjtCone.mjCONE_ELLIPTIC
            return "has a solreffriction, which is not simulated" if apart else ""
        solref, solimp = mixed(*(self._geom(geom, int(model.geom_bodyid[geom])) for geom in ends))
        own = {"solref": model.pair_solref[k], "solimp": model.pair_solimp[k], **self._overridden(1.0)}
        if not (np.allclose(own["solref"], solref) and np.allclose(own["solimp"], solimp)):
            return "has another solref or solimp than its geoms, which is not simulated"
        return ""

    def _pairs(self) -> list[Pair]:
        if "pair" in self.ignore:
            return []
        model = self.model
        return [
            Pair(
                self.name("pair", k),
                self.name("geom", model.pair_geom1[k]),
                self.name("geom", model.pair_geom2[k]),
                condim=int(model.pair_dim[k]),
                gap=max(0.0, float(model.pair_gap[k])),
                **{
                    "friction": float(model.pair_friction[k, 0]),
                    "torsion": float(model.pair_friction[k, 2]),
                    "rolling": float(model.pair_friction[k, 3]),
                    "margin": float(model.pair_margin[k]),
                    "solref": model.pair_solref[k],
                    "solimp": model.pair_solimp[k],
                    **self._overridden(1.0),
                },
            )
            for k in range(int(model.npair))
            if not self._odd_pair(k)
        ]
