"""Numbers of a robot written back into the MJCF file that it came from, nothing else of which is changed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError, OmissionWarning, StartWarning
from diffsim.files import write_whole
from diffsim.physics.articulated.mjcf import load_mjcf, package
from diffsim.physics.articulated.mjcf_file import KINDS
from diffsim.physics.articulated.mjcf_writing_ties import MUSCLES, TWITCHES, write_muscle, write_ties
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.sources import compiled, spec_of, text_of
from diffsim.physics.articulated.xml_text import Element, inlined, parsed, words, written

__all__ = ["save_mjcf"]

CLOSE = 1e-9
"""Relative difference of a number in the file to what it should be: that of a few roundings."""

STARTS = ("initial_position", "initial_velocity", "initial_activation")
"""Where a rollout starts is not what a robot is."""

PATHS = ("mocap_position", "mocap_orientation", "mocap_time")
"""Nor is where it is put from outside, which no file says."""

FOLLOWING = ("friction_width", "limit_stiffness", "limit_damping", "hold_weight", "equality_weight")
"""What a file gets from its masses and softness when MuJoCo compiles it: where others change, it is what follows."""

TURNS = ("quat", "axisangle", "euler", "xyaxes", "zaxis")
"""Ways in which MJCF says an orientation."""

DRIVES = ("gear", "gain", "bias", "control_range", "force_range")
"""Numbers of actuators."""

Values = dict[str, np.ndarray]


def save_mjcf(
    scene: Articulated,
    path: str | os.PathLike[str],
    *,
    like: Any,
    assets: Mapping[str, Any] | None = None,
    leave: Iterable[str] = (),
) -> Path:
    """Write the numbers of a robot into its own MJCF file, as a new file: only attributes whose numbers differ change.

    Masses, centres and inertias of links; springs, dampers, armatures, friction losses, limits, axes and anchors of
    joints; friction, sizes and places of geoms; gears, gains, biases and ranges of actuators, curves and times of
    muscles; tendons, contact pairs, and what equalities hold how softly; places of links and sites; gravity. Where a
    scene starts (``initial_position``) is not written: a file has keyframes for that. Nor is where a `Mocap` goes.

    What a file includes stands in the new one. What was written is read again and compared with the scene, so a file
    that is left says what was meant.

    Args:
        scene: what `load_mjcf` made of ``like``, with other numbers: ``result.problem.scene`` of `identify`, or
            ``problem.with_tuned(result.best_params).scene`` of `tune`.
        path: of the new file; meshes that the file names by relative paths are looked for beside it.
        like: the file: a path, its XML, or "package:path", as in `load_mjcf`.
        assets: as in `load_mjcf`.
        leave: numbers that are not to be written, by name: ``("slip_speed",)``.

    Returns:
        The path.

    Raises:
        InputError: the scene is not that robot, or a number has no place in the file: it names the first, and nothing
            is written.
        MissingExtraError: there is no ``mujoco`` package, or it is too old.
    """
    text, folder = text_of("save_mjcf", like)
    text = inlined(text, partial(_included, folder, assets))
    left = (leave,) if isinstance(leave, str) else tuple(leave)
    if not isinstance(scene, Articulated):
        raise InputError(f"save_mjcf writes robots, but {scene!r} was given")
    before, ignore = _read_as(scene, like, assets)
    _check_same(scene, before, left)
    wanted = {name: value for name, value in scene.numbers().items() if name not in (*STARTS, *PATHS, *left)}
    changed = {name: value for name, value in wanted.items() if not _close(value, before.numbers().get(name))}
    written = _Writer(text, before, changed, compiled(package("save_mjcf"), "save_mjcf", like, assets)).written()
    found = _read(_placed(written, folder, assets), None, ignore, scene).numbers()
    for name, value in wanted.items():
        follows = name not in changed and name.removeprefix("tendon_") in FOLLOWING
        if not follows and not _close(value, found.get(name)):
            raise InputError(
                f"save_mjcf cannot write scene.{name} into this file: it would be read as something else; "
                f"leave=({name!r},) writes the others"
            )
    target = Path(path)
    write_whole(target, written.encode())
    return target


def _included(folder: Path | None, assets: Mapping[str, Any] | None, name: str) -> str:
    """The text of a file that another includes."""
    if name in (assets or {}):
        return text_of("save_mjcf", (assets or {})[name])[0]
    if folder is None:
        raise InputError(f"save_mjcf: the XML given includes {name!r}, which is not among its assets")
    return text_of("save_mjcf", folder / name)[0]


def _read(source: Any, assets: Mapping[str, Any] | None, ignore: tuple[str, ...], scene: Articulated) -> Articulated:
    """The robot of a file, with the law of contact and the paths of a scene."""
    paths = {link.name: link.mocap for link in scene.links if link.mocap is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OmissionWarning)
        warnings.simplefilter("ignore", StartWarning)
        return load_mjcf(source, ignore=ignore, assets=assets, mocap=paths, triangles=0, contact_law=scene.contact_law)


def _read_as(scene: Articulated, source: Any, assets: Mapping[str, Any] | None) -> tuple[Articulated, tuple[str, ...]]:
    """The robot of a file, and what of it was ignored: nothing, or if it is not that robot all that can be."""
    try:
        found = _read(source, assets, (), scene)
        if _parts(found) == _parts(scene):
            return found, ()
    except InputError:
        pass
    return _read(source, assets, tuple(KINDS), scene), tuple(KINDS)


def _parts(scene: Articulated) -> dict[str, list[str]]:
    """Names of all that has numbers."""
    kinds = ("links", "joints", "actuators", "tendons", "equalities", "holds", "pairs")
    return {
        **{kind: [each.name for each in getattr(scene, kind)] for kind in kinds},
        "geoms": [geom.name for _, geom in scene.all_geoms],
    }


def _placed(text: str, folder: Path | None, assets: Mapping[str, Any] | None) -> Any:
    """XML that is read as if it stood in a folder."""
    spec = spec_of(package("save_mjcf"), "save_mjcf", text, assets)
    if folder is not None:
        spec.modelfiledir = str(folder)
    return spec


def _close(value: np.ndarray, other: np.ndarray | None) -> bool:
    if other is None or np.shape(value) != np.shape(other):
        return False
    return bool(np.allclose(value, other, rtol=CLOSE, atol=1e-12))


def _check_same(scene: Articulated, before: Articulated, left: tuple[str, ...]) -> None:
    for what, names in _parts(before).items():
        own = _parts(scene)[what]
        if own != names:
            odd = next((name for name in (*own, *names) if name not in own or name not in names), "their order")
            raise InputError(f"save_mjcf: the scene is not the robot of this file: {what} differ, {odd}")
    known = scene.numbers()
    for name in left:
        if name not in known:
            raise InputError(f"save_mjcf: leave names {name!r}, but this robot has {', '.join(known)}")


class _Writer:
    """The text of a file with other numbers."""

    def __init__(self, text: str, before: Articulated, changed: Values, model: Any):
        self.text, self.before, self.changed, self.model = text, before, changed, model
        self.root = parsed(text)
        for odd in ("attach", "replicate", "composite", "flexcomp"):
            if any(element.tag == odd for element in self.root.walk()):
                raise InputError(
                    f"save_mjcf: this file has <{odd}>, so its elements stand elsewhere; MuJoCo's "
                    "MjSpec.to_xml() makes one file of it, which can be given as like="
                )
        compilers = [element for element in self.root.children if element.tag == "compiler"]
        self.degrees = all(c.given.get("angle", "degree") != "radian" for c in compilers)
        self.always_from_geoms = any(c.given.get("inertiafromgeom") == "true" for c in compilers)
        self.bodies = [e for e in self._inside("worldbody") if e.tag == "body"]

    def written(self) -> str:
        """The whole file."""
        self._links()
        self._joints()
        self._geoms()
        self._sites()
        self._actuators()
        write_ties(self.root, self.before, self.model, self.changed, self._differs)
        if "gravity" in self.changed:
            self._option().change["gravity"] = words(self.changed["gravity"])
        return written(self.text, self.root)

    def _inside(self, tag: str) -> Iterator[Element]:
        for section in self.root.children:
            if section.tag == tag:
                yield from (element for element in section.walk() if element is not section)

    def _option(self) -> Element:
        options = [element for element in self.root.children if element.tag == "option"]
        if options:
            return options[-1]
        made = Element("option", {}, self.root, self.root.end, self.root.end)
        self.root.insert.append(f'\n  <option gravity="{words(self.changed["gravity"])}"/>')
        return made

    def _differs(self, name: str, k: int) -> bool:
        """Whether entry ``k`` of a number is another than in the file."""
        if name not in self.changed:
            return False
        return not _close(self.changed[name][k], self.before.numbers()[name][k])

    def _body(self, k: int) -> Element:
        """The element of link ``k``."""
        if len(self.bodies) != len(self.before.links):
            raise InputError(
                f"save_mjcf finds {len(self.bodies)} bodies in this file, but the robot has {len(self.before.links)}"
            )
        return self.bodies[k]

    def _links(self) -> None:
        for k, link in enumerate(self.before.links):
            if any(self._differs(name, k) for name in ("mass", "centre", "inertia", "inertia_orientation")):
                self._inertial(k, link)
            if self._differs("link_position", k):
                self._body(k).change["pos"] = words(self.changed["link_position"][k])
            if self._differs("link_orientation", k):
                _turned(self._body(k), self.changed["link_orientation"][k])
            if self._differs("buoyancy", k):
                self._body(k).change["gravcomp"] = words(self.changed["buoyancy"][k])

    def _inertial(self, k: int, link: Any) -> None:
        if self.always_from_geoms:
            raise InputError(
                f"save_mjcf cannot write the mass or inertia of link {link.name!r}: the compiler of this file takes "
                'them from geoms (inertiafromgeom="true"); make that "auto"'
            )
        own = {name: self._value(name, k, getattr(link, name)) for name in ("mass", "centre", "inertia")}
        turn = self._value("inertia_orientation", k, link.inertia_orientation)
        made = {"pos": own["centre"], "mass": own["mass"], "diaginertia": own["inertia"], "quat": turn}
        given = {name: words(value) for name, value in made.items()}
        body = self._body(k)
        there = [child for child in body.children if child.tag == "inertial"]
        if there:
            there[0].change.update({**given, **dict.fromkeys(("fullinertia", *TURNS[1:]))})
        else:
            body.insert.append("<inertial " + " ".join(f'{name}="{value}"' for name, value in given.items()) + "/>")

    def _value(self, name: str, k: int, before: Any) -> Any:
        return self.changed[name][k] if name in self.changed else before

    def _joints(self) -> None:
        elements = [
            (joint, element)
            for k, link in enumerate(self.before.links)
            for joint, element in self._paired(link.joints, self._body(k).members("joint", "freejoint"), link.name)
        ]
        plain = {
            "damping": "damping",
            "stiffness": "stiffness",
            "armature": "armature",
            "friction_loss": "frictionloss",
        }
        for k, (joint, element) in enumerate(elements):
            angle = 180.0 / np.pi if self.degrees and joint.motion in ("hinge", "ball") else 1.0
            for name, attribute in plain.items():
                if self._differs(name, k):
                    element.change[attribute] = words(self.changed[name][k])
            for name, attribute in {"rest": "springref", "reference": "ref", "joint_limits": "range"}.items():
                if self._differs(name, k):
                    element.change[attribute] = words(angle * self.changed[name][k])
            if self._differs("effort_range", k):
                element.change["actuatorfrcrange"] = words(self.changed["effort_range"][k])
            for name, attribute in {"axis": "axis", "anchor": "pos"}.items():
                if self._differs(name, k):
                    element.change[attribute] = words(self.changed[name][k])

    def _paired(self, parts: Any, elements: Iterator[Element], owner: str) -> list[tuple[Any, Element]]:
        found = list(elements)
        if len(found) != len(parts):
            raise InputError(f"save_mjcf finds {len(found)} joints of link {owner!r} in this file, not {len(parts)}")
        return list(zip(parts, found, strict=True))

    def _geoms(self) -> None:
        names = [geom.name for _, geom in self.before.all_geoms]
        for name in ("friction", "geom_size", "geom_position", "geom_orientation", "geom_margin"):
            for k, geom in enumerate(names):
                if not self._differs(name, k):
                    continue
                element, value = self._named("worldbody", "geom", geom), self.changed[name][k]
                if name == "friction":
                    others = self.model.geom(geom).friction[1:]
                    element.change["friction"] = words(np.concatenate([[float(value)], others]))
                elif name == "geom_size":
                    size = np.array(self.model.geom(geom).size)
                    size[: np.size(value)] = value
                    element.change["size"] = words(size)
                elif name == "geom_orientation":
                    _turned(element, value)
                else:
                    element.change["margin" if name == "geom_margin" else "pos"] = words(value)

    def _sites(self) -> None:
        for k, (_, site) in enumerate(self.before.all_sites):
            if self._differs("site_position", k):
                self._named("worldbody", "site", site.name).change["pos"] = words(self.changed["site_position"][k])

    def _actuators(self) -> None:
        for k, actuator in enumerate(self.before.actuators):
            kinds = [
                name for name in ("gear", "gain", "bias", "control_range", "force_range") if self._differs(name, k)
            ]
            self._muscle(k, actuator)
            if kinds:
                element = self._actuator(k, actuator.name)
                for name in kinds:
                    self._drive(element, name, k)

    def _muscle(self, k: int, actuator: Any) -> None:
        """Its numbers; the force, too, if that follows from what it moves and anything else changes."""
        names = [name for name in (*MUSCLES, *TWITCHES) if self._differs(name, k)]
        if not names and (not actuator.muscle or not self.changed):
            return
        element = self._actuator(k, actuator.name)
        model = self.model.actuator(actuator.name)
        numbers = {name: self.changed[name] for name in names}
        if actuator.muscle and model.gainprm[2] < 0.0:
            numbers.setdefault("muscle_force", self.before.numbers()["muscle_force"])
        write_muscle(element, self.model, actuator.name, k, numbers)

    def _actuator(self, k: int, name: str) -> Element:
        elements = [e for section in self.root.children if section.tag == "actuator" for e in section.children]
        named = [element for element in elements if element.given.get("name") == name]
        if not named and len(elements) == len(self.before.actuators):
            return elements[k]
        if not named:
            raise InputError(f"save_mjcf: actuator {name!r} has no name in this file; give it one")
        return named[0]

    def _drive(self, element: Element, name: str, k: int) -> None:
        """Change a number of an actuator, in the words of its kind."""
        value = self.changed[name][k]
        if name == "gear" and element.tag != "adhesion":
            rest = self.model.actuator(self.before.actuators[k].name).gear[1:] if element.given.get("name") else []
            element.change["gear"] = words(np.concatenate([[float(value)], rest]))
        elif name in ("control_range", "force_range"):
            element.change["ctrlrange" if name == "control_range" else "forcerange"] = words(value)
        elif element.tag == "position":
            element.change.update({"kp": words(value)} if name == "gain" else {"kv": words(-value[2])})
        elif element.tag == "adhesion":
            element.change.update({"gain": words(value)} if name == "gain" else {})
        elif element.tag == "velocity":
            element.change.update({"kv": words(value)} if name == "gain" else {})
        elif element.tag != "general":
            raise InputError(
                f"save_mjcf: actuator {self.before.actuators[k].name!r} is a <{element.tag}>, in which MJCF has no "
                f"place for another {name}; tune its gear, or make it a <general> in the file"
            )
        else:
            element.change["gainprm" if name == "gain" else "biasprm"] = words(value)

    def _named(self, section: str, tag: str, name: str) -> Element:
        found = [e for e in self._inside(section) if e.tag == tag and e.given.get("name") == name]
        if not found:
            raise InputError(f"save_mjcf: {tag} {name!r} has no name in this file; give it one, and load it again")
        return found[0]


def _turned(element: Element, quaternion: np.ndarray) -> None:
    element.change.update({"quat": words(quaternion), **dict.fromkeys(TURNS[1:])})
