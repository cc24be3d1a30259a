"""Elements of a look as plain data for the player: what does not change for JSON, the rest as channels over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from diffsim.viewing.colours import Driven, Scale, Values, hex_of
from diffsim.viewing.look import (
    Areas,
    Arrows,
    Bodies,
    Element,
    Field,
    Fixed,
    Joints,
    Look,
    Points,
    Segments,
    Sites,
    Surface,
    Trail,
    Triangles,
)
from diffsim.viewing.packing import Channel
from diffsim.viewing.painting.joints import slider_ranges, stems, width_of
from diffsim.viewing.painting.points import length_of
from diffsim.viewing.painting.solid_bodies import thickness
from diffsim.viewing.parts import Part, quaternions

__all__ = ["Elements", "plain_scale"]

# A length is off by at most half of this share of what the picture shows: invisible, ten times enlarged too.
FINE = 1.0 / 8000.0

# Angles [rad] and quaternions: off by half of this, at the rim of a body that fills the picture 1/4000 of it.
TURN = 5e-4

# Numbers that are told by colours: a share of their scale.
SHADE = 1.0 / 250.0

# Steps that half the largest side of a surface has: places on it are off by half a step.
SURFACE = 2000

# Forces that are shown at a time.
MOST_ARROWS = 48

# Cells of a field along the longer side; of a finer one, means of some. With more there is room for few frames only.
MOST_CELLS = 128


class Elements:
    """All elements of a look.

    Attributes:
        plain: a dictionary each, for JSON; "kind" is what it is, and names of channels stand for what moves.
        channels: by name, a row for each of the rollout's.
        surfaces: a dictionary each, for JSON, to which parts that are meshes point by number.
    """

    def __init__(self, look: Look, rows: int, size: float) -> None:
        """Of a rollout with so many rows, in a picture that shows something of a size [m]."""
        self._rows, self._fine = rows, FINE * size
        self._names: dict[int, str] = {}
        self._kept: list[np.ndarray] = []  # so that no other array gets the number of one that is gone
        self._nets = {id(net.points) for net in look.of(Segments)}
        self.channels: dict[str, Channel] = {}
        self.surfaces: list[dict[str, Any]] = []
        self._surfaces: dict[int, int] = {}
        self.plain = [{"kind": type(element).__name__.lower(), **self._plain(element)} for element in look.elements]

    def _plain(self, element: Element) -> dict[str, Any]:
        makers: dict[type, Any] = {
            Points: self._points,
            Segments: self._segments,
            Triangles: self._triangles,
            Areas: self._areas,
            Field: self._field,
            Bodies: self._bodies,
            Fixed: lambda fixed: {"parts": self._parts(fixed.parts)},
            Joints: self._joints,
            Sites: self._sites,
            Arrows: self._arrows,
            Trail: self._trail,
        }
        made: dict[str, Any] = makers[type(element)](element)
        return made

    def _channel(self, sort: str, array: np.ndarray, step: float) -> str:
        """The name of the channel that holds an array; of one that it already has, the same."""
        if id(array) not in self._names:
            name = f"{sort}{sum(known.startswith(sort) for known in self.channels)}"
            self._names[id(array)] = name
            self._kept.append(array)
            missing = self._rows - len(array)
            values = array if missing == 0 else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
            self.channels[name] = Channel(values, step)
        return self._names[id(array)]

    def _places(self, element: Points | Bodies) -> str:
        return self._channel("places", element.places, self._fine)

    def _turns(self, bodies: Bodies) -> str:
        if id(bodies.turns) not in self._names:
            turns = bodies.turns[..., None] if bodies.places.shape[2] == 2 else _steady(quaternions(bodies.turns))
            self._names[id(bodies.turns)] = self._channel("turns", turns, TURN)
        return self._names[id(bodies.turns)]

    def _colour(self, colour: np.ndarray | Values) -> dict[str, Any]:
        if isinstance(colour, Values):
            step = SHADE * (colour.scale.high - colour.scale.low)
            return {"values": self._channel("values", colour.values, step), "scale": plain_scale(colour.scale)}
        shades, which = np.unique(colour, axis=0, return_inverse=True)
        found = [hex_of(shade) for shade in shades]
        return {"palette": found, "which": which.reshape(-1).tolist() if len(found) > 1 else None}

    def _points(self, points: Points) -> dict[str, Any]:
        radius = points.radius
        if radius is not None:
            radius = float(radius[0]) if len(set(radius.tolist())) == 1 else radius.tolist()
        return {
            "places": self._places(points),
            "count": points.places.shape[1],
            "radius": radius,
            "joined": id(points) in self._nets,
            "colour": self._colour(points.colour),
        }

    def _segments(self, net: Segments) -> dict[str, Any]:
        return {
            "places": self._places(net.points),
            "ends": net.ends.tolist(),
            "width": net.width,
            "length": length_of(net),
            "colour": self._colour(net.colour),
            "driven": [] if net.driven is None else [_driven(net.driven)],
        }

    def _triangles(self, flesh: Triangles) -> dict[str, Any]:
        return {
            "places": self._places(flesh.points),
            "corners": flesh.corners.tolist(),
            "colour": hex_of(flesh.colour),
        }

    def _areas(self, areas: Areas) -> dict[str, Any]:
        channel = self._channel("corners", areas.corners, self._fine)
        return {"corners": channel, "each": areas.corners.shape[2], "colour": hex_of(areas.colour)}

    def _field(self, field: Field) -> dict[str, Any]:
        values = _coarser(field.values)
        return {
            "values": self._channel("values", values, SHADE * (field.scale.high - field.scale.low)),
            "shape": list(values.shape[1:]),
            "low": field.low.tolist(),
            "high": field.high.tolist(),
            "scale": plain_scale(field.scale),
        }

    def _bodies(self, bodies: Bodies) -> dict[str, Any]:
        parts: list[list[dict[str, Any]]] = [[] for _ in range(bodies.places.shape[1])]
        for part, plain in zip(bodies.parts, self._parts(bodies.parts), strict=True):
            parts[part.body].append({**plain, "spoke": True} if part.shape == "disc" else plain)
        return {
            "places": self._places(bodies),
            "turns": self._turns(bodies),
            "parts": parts,
            "width": thickness(list(bodies.parts)) if bodies.places.shape[2] == 3 else None,
            "colour": None if bodies.colour is None else self._colour(bodies.colour),
        }

    def _parts(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        found = _parts(parts)
        for part, plain in zip(parts, found, strict=True):
            if part.surface is not None:
                plain["surface"] = self._surface(part.surface)
        return found

    def _surface(self, surface: Surface) -> int:
        """The number of a surface: whole numbers of steps, and differences of numbers of vertices, which are small."""
        if id(surface) not in self._surfaces:
            self._surfaces[id(surface)] = len(self.surfaces)
            step = float(np.abs(surface.vertices).max()) / SURFACE or 1.0
            corners = surface.faces.reshape(-1)
            plain = {
                "step": step,
                "vertices": np.rint(surface.vertices / step).astype(int).reshape(-1).tolist(),
                "faces": np.diff(corners, prepend=0).tolist(),
            }
            self.surfaces.append(plain)
        return self._surfaces[id(surface)]

    def _joints(self, joints: Joints) -> dict[str, Any]:
        flat = joints.bodies.places.shape[2] == 2
        plain: list[dict[str, Any]] = [
            {"kind": joint.kind, "bodies": list(joint.bodies), "anchors": joint.anchors.tolist()}
            for joint in joints.joints
        ]
        found = {
            "places": self._places(joints.bodies),
            "turns": self._turns(joints.bodies),
            "joints": plain,
            "driven": [_driven(group) for group in joints.driven],
        }
        if not flat:
            return found
        ranges = iter(slider_ranges(joints).tolist())
        for joint, own in zip(joints.joints, plain, strict=True):
            if joint.kind == "slider":
                own.update(axis=joint.axis, range=next(ranges))
            if joint.kind == "rope":
                own.update(length=joint.length)
        owners, ends = stems(joints)
        pairs = [[int(k), *ends[2 * i].tolist(), *ends[2 * i + 1].tolist()] for i, k in enumerate(owners[::2].tolist())]
        return {**found, "stems": pairs, "down": joints.down.tolist(), "width": width_of(joints)}

    def _sites(self, sites: Sites) -> dict[str, Any]:
        return {
            "places": self._places(sites.bodies),
            "turns": self._turns(sites.bodies),
            "owners": sites.owners.tolist(),
            "at": sites.places.tolist(),
        }

    def _trail(self, trail: Trail) -> dict[str, Any]:
        which = None if trail.which is None else trail.which.tolist()
        return {"places": self._places(trail.mover), "which": which, "colour": self._colour(trail.colour)}

    def _arrows(self, arrows: Arrows) -> dict[str, Any]:
        rows = max(len(arrows.tails), len(arrows.ways))
        shape = (rows, *arrows.tails.shape[1:])
        both = [np.broadcast_to(part, shape) if len(part) == 1 else part[:rows] for part in (arrows.tails, arrows.ways)]
        least = min(map(len, both))
        joined = _dense(np.concatenate([part[:least] for part in both], axis=2))
        return {"arrows": self._channel("arrows", joined, self._fine), "colour": hex_of(arrows.colour)}


def plain_scale(scale: Scale) -> dict[str, Any]:
    """Colours and words of a scale."""
    colours = [hex_of(colour) for colour in scale.colours]
    return {"low": scale.low, "high": scale.high, "colours": colours, "ends": list(scale.ends)}


def _driven(driven: Driven) -> dict[str, Any]:
    return {
        "which": driven.which.tolist(),
        "actuators": driven.actuators.tolist(),
        "gains": driven.gains.tolist(),
        "scale": plain_scale(driven.scale),
    }


def _parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Shapes that are seen through keep their opacity."""
    found = []
    for part in parts:
        plain = {"shape": part.shape, "fill": hex_of(part.fill), "edge": hex_of(part.edge), "at": part.at.tolist()}
        if part.dimension == 3:
            turn = quaternions(part.turn[None])[0].tolist()
            plain.update(turn=turn, size=part.size.tolist(), alpha=float(part.fill[3]))
        else:
            plain.update(turn=part.turn)
            if part.shape == "polygon":
                plain.update(corners=part.corners.tolist())
            else:
                plain.update(radius=part.margin, half=float(part.size[1]))
        found.append(plain)
    return found


def _steady(turns: np.ndarray) -> np.ndarray:
    """Quaternions (rows, ..., 4) that do not jump from one sign to the other: frames are interpolated."""
    turns = np.array(turns)
    filled = np.nan_to_num(turns)
    flips = np.where((filled[1:] * filled[:-1]).sum(axis=-1) < 0.0, -1.0, 1.0)
    turns[1:] *= np.cumprod(flips, axis=0)[..., None]
    return turns


def _dense(arrows: np.ndarray) -> np.ndarray:
    """(rows, m, 2 d) of (rows, slots, 2 d): as many as there are at a time, those that are first."""
    there = np.isfinite(arrows).all(axis=2)
    most = min(int(there.sum(axis=1).max(initial=0)), MOST_ARROWS)
    order = np.argsort(~there, axis=1, kind="stable")[:, :most]
    return np.take_along_axis(np.where(there[..., None], arrows, np.nan), order[..., None], axis=1)


def _coarser(values: np.ndarray) -> np.ndarray:
    """(rows, n, m) with at most `MOST_CELLS` to a side: means of neighbours, of those that there are."""
    stride = -(-max(values.shape[1:]) // MOST_CELLS)
    if stride == 1:
        return values
    for axis in (1, 2):
        starts = np.arange(0, values.shape[axis], stride)
        there = np.isfinite(values)
        count = np.add.reduceat(there.astype(float), starts, axis=axis)
        total = np.add.reduceat(np.where(there, values, 0.0), starts, axis=axis)
        values = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
    return values
