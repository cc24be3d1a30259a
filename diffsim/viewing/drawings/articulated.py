"""Articulated robots in three dimensions: links, joints, sites, and where they touch."""

from __future__ import annotations

import numpy as np

from diffsim.physics.articulated import pairs
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.scene import Articulated
from diffsim.rollout import Rollout
from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.drawings.contacts import LONGEST, USUAL, arrows
from diffsim.viewing.drawings.geoms import Geoms, paint_shadows, reaches
from diffsim.viewing.drawings.links import paint_dots
from diffsim.viewing.drawings.mass_spring import LOST, WILD
from diffsim.viewing.ground import SQUARE, paint_squares
from diffsim.viewing.legend import paint_scale
from diffsim.viewing.scenery import Floor, round_step
from diffsim.viewing.solids import Layers, Solids
from diffsim.viewing.style import STYLE, muscle_colours, rgba
from diffsim.viewing.view import steady

__all__ = ["ArticulatedDrawing"]

# A robot that gets farther than this many times its size is followed.
FAR = 1.5

# A usual contact force's arrow has this share of the robot's size.
ARROW = 0.3

# A level box that reaches this many sizes of the robot to all sides is ground, where there is no plane.
SLAB = 3.0

# A plane is ground to stand on if its normal points up at least this much; else it is a wall.
LEVEL = 0.3

# Shapes of the world are shown as far as they are no farther from where links are than this share of their space.
NEAR = 0.5

# Width of outlines, in pixels of a picture of 512 by 512.
OUTLINE = 1.3

# Rows that the camera looks at.
MOST_ROWS = 200


class ArticulatedDrawing:
    """An `Articulated` rollout of one environment, with n links.

    Attributes:
        centre: (rows, 3) mean place of the links [m].
        roams: whether it gets so far that a picture had better follow it.
        size: of the robot [m].
        outlook: azimuth and elevation of the eye that see most of it [degrees].
        position, rotation: (rows, n, 3) [m] and (rows, n, 3, 3) of the links.
        geoms, joints, contacts: its parts.
    """

    def __init__(self, rollout: Rollout) -> None:
        """Work out what does not change from row to row."""
        scene: Articulated = rollout.problem.scene
        n = len(scene.links)
        places = _tame(rollout["position"])
        self.position, self._sites = places[:, :n], places[:, n:]
        self.rotation = _tame(rollout["rotation"]).reshape(len(places), n, 3, 3)
        self.geoms = Geoms(scene, rollout.numbers)
        there = np.isfinite(self.position)
        count = np.where(there.any(axis=1), there.sum(axis=1), np.nan)
        self.centre = np.where(there, self.position, 0.0).sum(axis=1) / count
        start = self._corners(np.zeros(1, dtype=np.intp))[0]
        start = start[np.isfinite(start).all(axis=1)]
        self.size = (float(np.ptp(start, axis=0).max()) if len(start) else 0.0) or 1.0
        self.geoms.level_slab(SLAB * self.size)
        self._world = self.geoms.solids(self.position[0], self.rotation[0], moving=False)
        self.outlook = _outlook(scene)
        self.roams = _loose(scene) and _travel(steady(self.centre, self.size)) > FAR * self.size
        self.joints = _Joints(rollout)
        self.contacts = _Contacts(rollout, ARROW * self.size)
        self._lens: tuple[object, ...] = ()  # what the layers are made for
        self._stand: np.ndarray | None = None  # where the camera was when the world was painted
        self._layers: Layers
        self._still: Layers

    def content(self, track: np.ndarray | None = None) -> np.ndarray:
        """(m, 3) positions that the camera must show [m]: links, but what flies off, and what is near them.

        With a track (rows, 3) that the camera moves along: links as seen from there, and nothing of the world.
        """
        rows = np.unique(np.linspace(0, len(self.position) - 1, MOST_ROWS).astype(int))
        moved = self._corners(rows, track)
        links = moved.reshape(-1, 3)
        links = links[np.isfinite(links).all(axis=1)]
        if len(links) == 0:
            return np.zeros((1, 3))
        links = links[np.abs(links - links[0]).max(axis=1) <= WILD * self.size]
        if track is not None or not len(self._world.centre):
            return links
        low, high = links.min(axis=0), links.max(axis=0)
        margin = NEAR * float((high - low).max())
        reach = reaches(self._world.shapes, self._world.rotation, self._world.size)
        ends = np.stack([self._world.centre - reach, self._world.centre + reach])
        near = ((ends[0] <= high + margin) & (ends[1] >= low - margin)).all(axis=1)
        near &= self._world.fills[:, 3] > 0.0
        return np.concatenate([links, np.clip(ends[:, near].reshape(-1, 3), low - margin, high + margin)])

    def ground(self) -> Floor | None:
        """The plane that is most level, if one is level enough to stand on."""
        planes = self.geoms.planes
        return planes[0] if planes and planes[0].normal[2] > LEVEL else None

    def paint_scenery(self, canvas: Canvas, camera: Camera) -> None:
        """Planes that are not the ground; what else the world has may stand before links, and is painted with them."""
        ground, size = self.ground(), 2.0 * self.size
        for plane in self.geoms.planes[ground is not None :]:
            if plane.normal @ camera.axes[2] > 0.0:  # or it would hide all
                foot = plane.foot(camera.centre)
                paint_squares(canvas, camera, plane, foot, size, round_step(SQUARE * size), ground)

    def paint(self, canvas: Canvas, camera: Camera, floor: Floor, row: int) -> None:
        """Shadows, links and the world's shapes, joints, sites and contacts at a row of the trajectory."""
        links = self.geoms.solids(self.position[row], self.rotation[row])
        paint_shadows(canvas, camera, floor, _joined(links, self._world))
        layers = self._prepared(canvas, camera, floor)
        layers.paint(camera, links, floor)
        layers.put(canvas)
        thick = self.geoms.thickness
        self.joints.paint(canvas, camera, layers, self.position[row], self.rotation[row], thick, row)
        pixels, near = camera.project(self._sites[row])
        seen = np.isfinite(near) & ~layers.hidden(pixels, near, 2.0 * thick)
        paint_dots(canvas, pixels[seen], rgba(STYLE.point), 4.0 * canvas.unit)
        paint_dots(canvas, pixels[seen], rgba(STYLE.sky), 2.0 * canvas.unit)
        self.contacts.paint(canvas, camera, layers, thick, row)

    def paint_legend(self, canvas: Canvas, corner: tuple[float, float]) -> None:
        """The colours of motors, up and left of a corner [pixels]."""
        if self.joints.driven:
            paint_scale(canvas, corner, "motor −", "motor +")

    def _corners(self, rows: np.ndarray, track: np.ndarray | None = None) -> np.ndarray:
        """(k, m, 3) corners around the links in some rows [m], less the track there."""
        position, rotation = self.position[rows], self.rotation[rows]
        if track is not None:
            position = position - track[rows, None]
        with np.errstate(invalid="ignore"):
            return np.concatenate([position, self.geoms.corners(position, rotation)], axis=1)

    def _prepared(self, canvas: Canvas, camera: Camera, floor: Floor) -> Layers:
        """Layers with what the world has; that is painted once while the camera stands still."""
        lens = (canvas.within, camera.scale, *camera.origin.tolist(), *camera.axes.ravel().tolist())
        if lens != self._lens:
            self._lens, self._stand = lens, None
            self._layers, self._still = (Layers(camera, canvas.within, OUTLINE * canvas.unit) for _ in range(2))
        if self._stand is None or (self._stand != camera.centre).any():
            self._still.clear()
            self._still.paint(camera, self._world, floor)
            self._stand = camera.centre
        self._layers.take(self._still)
        return self._layers


class _Joints:
    """Where links are joined, as dots: in the colours of their motors where they have some.

    Attributes:
        owners: (k,) the link of each dot.
        anchors: (k,) its place in the frame of that link [m].
        motors: (k,) lists of actuators.
    """

    def __init__(self, rollout: Rollout) -> None:
        """Of a rollout of one environment."""
        scene: Articulated = rollout.problem.scene
        motors = {actuator.joint: k for k, actuator in enumerate(scene.actuators)}
        anchors = rollout.numbers.get("scene.anchor", np.array([joint.anchor for joint in scene.joints]))
        self.owners, self.anchors, self.motors = [], [], []
        at = 0
        for k, link in enumerate(scene.links):
            # Several joints at one place have one dot.
            places: dict[tuple[float, ...], list[int]] = {}
            for joint in link.joints:
                if joint.motion in ("hinge", "ball") and (scene.parents[k] >= 0 or joint.name in motors):
                    own = places.setdefault(tuple(anchors[at].tolist()), [])
                    own += [motors[joint.name]] if joint.name in motors else []
                at += 1
            for place, own in places.items():
                self.owners.append(k)
                self.anchors.append(place)
                self.motors.append(own)
        self.driven = any(self.motors)
        self._level = _levels(rollout)

    def paint(
        self,
        canvas: Canvas,
        camera: Camera,
        layers: Layers,
        position: np.ndarray,
        rotation: np.ndarray,
        thick: float,
        row: int,
    ) -> None:
        """Those that no other link hides, with links at (n, 3) [m] and (n, 3, 3)."""
        if not self.owners:
            return
        places = position[self.owners] + (rotation[self.owners] @ np.array(self.anchors)[..., None])[..., 0]
        pixels, near = camera.project(places)
        seen = np.isfinite(near) & ~layers.hidden(pixels, near, 1.6 * thick)
        levels = self._level[min(row, len(self._level) - 1)]
        strongest = [max((levels[m] for m in own), key=abs, default=0.0) for own in self.motors]
        colours = muscle_colours(np.array(strongest))
        colours[[not own for own in self.motors]] = rgba(STYLE.sky)
        size = float(np.clip(0.9 * thick * camera.scale, 3.6 * canvas.unit, 9.0 * canvas.unit))
        paint_dots(canvas, pixels[seen], rgba(STYLE.point, 0.8), size)
        canvas.discs(pixels[seen], colours[seen], size - 2.0 * canvas.unit)


class _Contacts:
    """Arrows of the forces where links touch; nothing where none are recorded."""

    def __init__(self, rollout: Rollout, size: float) -> None:
        """A usual force has an arrow of this size [m]."""
        scene, none = rollout.problem.scene, np.zeros((1, 0, 3))
        recorded = "contact_point" in rollout.arrays and "contact_force" in rollout.arrays
        self._point, self._force = (
            _tame(rollout[name]) if recorded else none for name in ("contact_point", "contact_force")
        )
        strength = np.linalg.norm(self._force, axis=2)
        self._strength = np.where(np.isfinite(strength), strength, 0.0)
        presses = self._strength[self._strength > 0.0]
        self._metres = size / float(np.quantile(presses, USUAL)) if len(presses) else 0.0  # per newton
        self._longest = LONGEST * size
        # A force that is no hundredth of the usual one has no arrow: it would be a dot.
        self._least = 0.01 * size
        own = [[scene.all_geoms[k][0] >= 0 for k in spot.geoms] for spot in pairs.spots(scene)] if recorded else []
        self._own = np.array(own, dtype=bool).reshape(-1, 2)

    def vectors(self) -> np.ndarray:
        """(rows, m, 6) tail and vector of every arrow [m]; NaN where there is none."""
        rows = len(self._strength)
        if not len(self._own):
            return np.zeros((rows, 0, 6))
        lengths = np.minimum(self._strength * self._metres, self._longest)
        with np.errstate(invalid="ignore", divide="ignore"):
            ways = self._force / self._strength[..., None] * lengths[..., None]
        found = []
        for side, sign in ((1, 1.0), (0, -1.0)):
            seen = (lengths > self._least) & self._own[:, side]
            found.append(np.where(seen[..., None], np.concatenate([self._point, sign * ways], axis=2), np.nan))
        return np.concatenate(found, axis=1)

    def paint(self, canvas: Canvas, camera: Camera, layers: Layers, thick: float, row: int) -> None:
        """Forces on links in the step that begins at a row, pale behind links; between two links there are two."""
        if not len(self._own):
            return
        row = min(row, len(self._strength) - 1)
        lengths = np.minimum(self._strength[row] * self._metres, self._longest)
        found = []
        for side, sign in ((1, 1.0), (0, -1.0)):
            spots = np.flatnonzero((lengths > self._least) & self._own[:, side])
            way = sign * self._force[row, spots] / self._strength[row, spots, None]
            tails = self._point[row, spots]
            found.append(np.stack([tails, tails + lengths[spots, None] * way], axis=1))
        ends, near = camera.project(np.concatenate(found))
        fine = np.isfinite(ends).all(axis=(1, 2))
        ends, near = ends[fine], near[fine, 0]
        if len(ends):
            ways = ends[:, 1] - ends[:, 0]
            long = np.maximum(np.linalg.norm(ways, axis=1), 1e-6)
            shapes = arrows(ends[:, 0], ways / long[:, None], long, canvas.unit)
            behind = layers.hidden(ends[:, 0], near, 2.5 * thick)
            for opacity, which in ((0.25, behind), (0.85, ~behind)):
                canvas.polygons(shapes[which], rgba(STYLE.contact, opacity))


def _joined(one: Solids, other: Solids) -> Solids:
    if not len(other.centre):
        return one
    return Solids(
        (*one.shapes, *other.shapes), *(np.concatenate(parts) for parts in zip(one[1:], other[1:], strict=True))
    )


def _tame(array: np.ndarray) -> np.ndarray:
    """What diverged is not there; it could not be drawn."""
    array = np.array(array, dtype=float)
    array[~(np.abs(array) < LOST)] = np.nan
    return array


def _levels(rollout: Rollout) -> np.ndarray:
    """(rows, actuators) from -1 to 1: what is asked of each; of one without a range, against the most ever asked."""
    actuators = rollout.problem.scene.actuators
    if "actuation" not in rollout.arrays or not len(rollout["actuation"]):
        return np.zeros((1, len(actuators)))
    asked = np.nan_to_num(np.array(rollout["actuation"], dtype=float))
    endless = np.array([actuator.control_range is None for actuator in actuators], dtype=bool)
    most = np.abs(asked).max(axis=0, initial=1e-12)
    return np.clip(asked / np.where(endless, most, 1.0), -1.0, 1.0)


def _loose(scene: Articulated) -> bool:
    """Whether a link of the world can go anywhere: no limits end its way."""
    roots = [link for link, parent in zip(scene.links, scene.parents, strict=True) if parent < 0]
    return any(
        joint.motion == "free" or (joint.motion == "slide" and joint.limits is None)
        for link in roots
        for joint in link.joints
    )


def _travel(centre: np.ndarray) -> float:
    """How far the centre gets from one place to another, along an axis [m]."""
    fine = centre[np.isfinite(centre).all(axis=1)]
    return float(np.ptp(fine, axis=0).max()) if len(fine) else 0.0


def _outlook(scene: Articulated) -> tuple[float, float]:
    """Azimuth and elevation of the eye [degrees]: what moves in a plane is seen from its side, or from above."""
    pose = forward_kinematics(scene, scene.initial_position)
    normal = None
    if all(joint.motion in ("hinge", "slide") for joint in scene.joints):
        turns = pose.turn[np.linalg.norm(pose.turn, axis=1) > 0.5]
        if len(turns):
            apart = np.concatenate([np.cross(turns, turns[0]).ravel(), pose.slide @ turns[0]])
            normal = turns[0] if np.abs(apart).max() < 1e-3 else None
    if normal is None:
        return -62.0, 20.0
    if abs(normal[2]) > 0.99:
        return -90.0, 55.0
    if abs(normal[2]) > 0.01:
        return -62.0, 20.0
    # Of both sides, that from which x (or y, if there is no x) goes to the right.
    right = np.array([-normal[1], normal[0]])
    flip = right[0] < -1e-6 or (abs(right[0]) <= 1e-6 and right[1] < 0.0)
    side = -normal if flip else normal
    return float(np.degrees(np.arctan2(side[1], side[0]))), 9.0
