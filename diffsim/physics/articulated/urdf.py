"""URDF as people have it, made into what MuJoCo compiles: meshes found, bases that move, floors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.sources import compile_spec, text_of
from diffsim.physics.articulated.urdf_visuals import NOTHING, Clothes, clothes_of

__all__ = ["BASES", "compiled_urdf"]

BASES = ("fixed", "free")

READABLE = (".stl", ".obj", ".msh")
"""Meshes that MuJoCo reads."""

MIMICS = ("revolute", "continuous", "prismatic")
"""Joints that may follow and be followed."""

XACRO = "http://www.ros.org/wiki/xacro"

LEAST_MASS, LEAST_INERTIA = 1.0e-6, 1.0e-9
"""Of a body with ``ignore=("inertia",)`` [kg], [kg m^2]."""


def compiled_urdf(
    mujoco: Any,
    owner: str,
    source: Any,
    assets: Mapping[str, Any] | None,
    *,
    base: str = "fixed",
    floor: bool = False,
    mend: bool = False,
    seen: bool = True,
) -> tuple[Any, Clothes, list[str]]:
    """MuJoCo's model of a URDF, what its links are seen as, and what was left out of both, in words.

    Args:
        mujoco: the package.
        owner: whose errors these are.
        source: path, XML or bytes.
        assets: contents of files by their names or paths, looked at before the disk.
        base: "fixed" holds the first link to the world; "free" lets it move.
        floor: a plane of the world at a height of 0; the robot stands on it.
        mend: whether inertias that no body can have are replaced by the nearest that MuJoCo takes.
        seen: whether it is looked at what links are seen as.

    Raises:
        InputError: it cannot be read, is xacro, or MuJoCo refuses it.
    """
    text, folder = text_of(owner, source)
    root = _parsed(owner, source, text)
    meshes = _Meshes(folder, assets or {})
    clothes, unseen = clothes_of(root, meshes.find) if seen else (NOTHING, [])
    for link in root.iter("link"):
        for visual in link.findall("visual"):
            link.remove(visual)
        _first_inertia(link)
    _check_names(owner, source, root)
    _reader(root)
    meshes.take(root)
    model, omitted = _compiled(mujoco, owner, source, root, meshes, base, floor, mend)
    return model, clothes, [*unseen, *omitted, *_ignored(root)]


def _compiled(
    mujoco: Any, owner: str, source: Any, root: Any, meshes: _Meshes, base: str, floor: bool, mend: bool
) -> tuple[Any, list[str]]:
    """Compile, and once more without a mesh that MuJoCo cannot use, until it does."""
    while True:
        try:
            spec = mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode"), assets=meshes.contents)
        except (ValueError, OSError, RuntimeError, TypeError) as error:
            raise InputError(f"{owner} cannot read {_what(source)}: {' '.join(str(error).split())}") from None
        spec.compiler.fusestatic = False
        if mend:
            spec.compiler.balanceinertia = True
            spec.compiler.boundmass, spec.compiler.boundinertia = LEAST_MASS, LEAST_INERTIA
        bases = [body for body in spec.bodies if body.parent == spec.worldbody and not body.joints]
        if base == "free":
            for body in bases:
                body.add_freejoint()
        if floor:
            plane = {"type": mujoco.mjtGeom.mjGEOM_PLANE, "size": [10.0, 10.0, 0.1]}
            spec.worldbody.add_geom(name=_free("floor", [geom.name for geom in spec.geoms]), **plane)
        try:
            model = compile_spec(owner, spec, source)
        except InputError as error:
            if not meshes.drop(root, str(error)):
                raise _explained(owner, error) from None
            continue
        if floor:
            _stand(mujoco, model)
        return model, meshes.omitted


def _free(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _what(source: Any) -> str:
    text = str(source)
    return "the XML given" if isinstance(source, bytes) or "<" in text else text


def _parsed(owner: str, source: Any, text: str) -> Any:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{owner} cannot read {_what(source)}: {error}") from None
    for element in root.iter():
        if XACRO in str(element.tag) or any("${" in value for value in element.attrib.values()):
            raise InputError(
                f"{owner} cannot read {_what(source)}: it is xacro, which makes a URDF when it is run: "
                "xacro robot.urdf.xacro > robot.urdf"
            )
    if root.tag != "robot":
        other = "; load_mjcf reads it" if root.tag == "mujoco" else ""
        raise InputError(
            f"{owner} cannot read {_what(source)}: a URDF begins with <robot>, this with <{root.tag}>{other}"
        )
    return root


def _check_names(owner: str, source: Any, root: Any) -> None:
    """Links and joints have names of their own."""
    for kind in ("link", "joint"):
        names = [element.get("name") for element in root.findall(kind)]
        twice = [name for k, name in enumerate(names) if name in names[:k]]
        if twice:
            raise InputError(f"{owner} cannot read {_what(source)}: two {kind}s are named {twice[0]!r}")


def _ignored(root: Any) -> list[str]:
    """What MuJoCo takes no notice of at joints, in words."""
    kinds = {joint.get("name"): joint.get("type") for joint in root.findall("joint")}
    found = []
    for joint in root.findall("joint"):
        name, mimic, limit = joint.get("name"), joint.find("mimic"), joint.find("limit")
        if mimic is not None and kinds[name] != "fixed":
            unmoved = [each for each in (name, mimic.get("joint")) if kinds.get(each) not in MIMICS]
            if unmoved:
                found.append(f"<mimic> of joint {name!r}: {unmoved[0]!r} is no {', '.join(MIMICS)} joint")
        if limit is not None and kinds[name] in ("revolute", "prismatic"):
            low, high = (float(limit.get(end, 0.0)) for end in ("lower", "upper"))
            if low == high:
                found.append(f"the limits of joint {name!r}, both {low:g}; a joint that cannot move is of type fixed")
    return found


def _first_inertia(link: Any) -> None:
    """Of several the first counts, as in ROS."""
    for other in link.findall("inertial")[1:]:
        link.remove(other)


def _reader(root: Any) -> None:
    """Files are given by their names, so what a URDF tells MuJoCo's compiler about folders must not count."""
    for compiler in root.findall("mujoco/compiler"):
        for name in ("meshdir", "assetdir", "texturedir", "strippath", "fusestatic", "discardvisual"):
            compiler.attrib.pop(name, None)


def _explained(owner: str, error: InputError) -> InputError:
    """What MuJoCo says of an inertia, with the link's name and what to do."""
    words = str(error)
    name = re.search(r"Element name '([^']*)'", words)
    if not name or "inertia" not in words:
        return error
    why = "its principal moments are not those of a body (none can exceed the sum of the other two, none be negative)"
    if "mjMINVAL" in words:
        why = "it moves and has no mass or inertia"
    return InputError(
        f"{owner}: the inertia of link {name[1]!r} cannot be simulated: {why}; correct its <inertial>, or "
        "ignore=('inertia',) takes the nearest that can be"
    )


class _Meshes:
    """Meshes of a URDF: where they are, and those to collide with that are left out."""

    def __init__(self, folder: Path | None, assets: Mapping[str, Any]):
        self.folder, self.assets = folder, assets
        self.contents: dict[str, bytes] = {}
        self.omitted: list[str] = []

    def take(self, root: Any) -> None:
        """Give each mesh a name of its own and its content; leave out those that cannot be had."""
        known: dict[str, str] = {}
        for link, collision, mesh in _collision_meshes(root):
            given = mesh.get("filename", "")
            if given not in known:
                content, kind = self.find(given)
                if content is None:
                    self._omit(link, collision, f"{given!r}, which {kind}")
                    continue
                known[given] = f"{_stem(given)}_{len(known)}{kind}"
                self.contents[known[given]] = content
            mesh.set("filename", known[given])

    def drop(self, root: Any, words: str) -> bool:
        """Leave out a mesh that MuJoCo cannot make a shape of; False if its words are about something else."""
        name = re.search(r"Element name '([^']*)'", words)
        stems = {_stem(asset): asset for asset in self.contents}
        if not name or name[1] not in stems or ("hull" not in words and "mesh" not in words):
            return False
        asset = stems[name[1]]
        del self.contents[asset]
        for link, collision, mesh in list(_collision_meshes(root)):
            if mesh.get("filename") == asset:
                self._omit(link, collision, f"{asset!r}, which is no solid")
        return True

    def _omit(self, link: Any, collision: Any, what: str) -> None:
        link.remove(collision)
        self.omitted.append(f"a collision mesh of link {link.get('name')!r}, {what}")

    def find(self, given: str, readable: tuple[str, ...] = READABLE) -> tuple[bytes | None, str]:
        """Content of a mesh and its kind, or None and why there is none.

        A mesh of a kind that is not readable is looked for under the same name with another ending.
        """
        path = re.sub(r"^(package|file|model)://", "", given)
        if not Path(path).name:
            return None, "has no name"
        own = Path(path).suffix.lower()
        endings = [own] if own in readable else list(readable)
        for ending in endings:
            other = path if ending == own else str(Path(path).with_suffix(ending))
            for name in (given, other, Path(other).name):
                if name in self.assets and ending in readable:
                    content = self.assets[name]
                    return (content.encode() if isinstance(content, str) else content), ending
            for place in self._places(other):
                if place.is_file():
                    return place.read_bytes(), ending
        if own not in readable and any(place.is_file() for place in self._places(path)):
            who = "MuJoCo does" if readable is READABLE else "diffsim does"
            return None, f"{who} not read ({', '.join(readable)} it does)"
        return None, "is not there"

    def _places(self, path: str) -> list[Path]:
        """Where a mesh may be: from the file's folder upwards, with and without the name of its package."""
        if Path(path).is_absolute() and not self.folder:
            return [Path(path)]
        inner = Path(*Path(path).parts[1:]) if len(Path(path).parts) > 1 else Path(path)
        above = [self.folder, *self.folder.parents] if self.folder else []
        return [Path(path), *(folder / each for folder in above for each in (path, inner))]


def _stem(path: str) -> str:
    return Path(path).stem


def _collision_meshes(root: Any) -> list[tuple[Any, Any, Any]]:
    return [
        (link, collision, mesh)
        for link in root.iter("link")
        for collision in link.findall("collision")
        for mesh in collision.findall("geometry/mesh")
    ]


def _stand(mujoco: Any, model: Any) -> None:
    """Move the robot up or down until the lowest point of what it touches with is at a height of 0."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    lowest = [
        _lowest(model, data, geom)
        for geom in range(model.ngeom)
        if model.geom_bodyid[geom] and (model.geom_contype[geom] or model.geom_conaffinity[geom])
    ]
    if not lowest:
        return
    for body in np.flatnonzero(model.body_parentid == 0)[1:].tolist():
        model.body_pos[body, 2] -= min(lowest)
        joint = int(model.body_jntadr[body])
        if joint >= 0:
            model.qpos0[model.jnt_qposadr[joint] + 2] -= min(lowest)


def _lowest(model: Any, data: Any, geom: int) -> float:
    """Height of the lowest corner of the box around a geom; exact for spheres, capsules and boxes of any turn."""
    down = np.array(data.geom_xmat[geom]).reshape(3, 3)[2]
    size, kind = np.array(model.geom_size[geom]), int(model.geom_type[geom])
    z = float(data.geom_xpos[geom, 2])
    if kind == 2:  # sphere
        return z - size[0]
    if kind == 3:  # capsule
        return z - size[0] - size[1] * abs(down[2])
    if kind == 7:  # mesh
        first, count = (
            int(model.mesh_vertadr[model.geom_dataid[geom]]),
            int(model.mesh_vertnum[model.geom_dataid[geom]]),
        )
        return z + float((model.mesh_vert[first : first + count] @ down).min())
    if kind == 5:  # cylinder
        return z - size[1] * abs(down[2]) - size[0] * float(np.hypot(down[0], down[1]))
    return z - float(np.abs(down) @ size)
