"""Robots from files: MJCF and URDF, parsed and compiled by the ``mujoco`` package (extra ``robots``)."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from diffsim.errors import InputError, MissingExtraError, OmissionWarning
from diffsim.physics.articulated.mjcf_file import KINDS, OF_CONTACTS, File
from diffsim.physics.articulated.mocap import Mocap
from diffsim.physics.articulated.pairs import Draft, touching, unsimulated
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.sources import compiled
from diffsim.physics.articulated.urdf import BASES, compiled_urdf
from diffsim.physics.checks import flag
from diffsim.spec import choices, whole

__all__ = ["load_mjcf", "load_urdf", "package"]

OLDEST = (4, 0)
"""Version of the package mujoco that is needed. Before, the inertia of a URDF that ``rpy`` turns is not turned (3.3.7,
3.12.0), ``<mimic>`` is dropped (3.12.0), or nothing loads at all (3.2.0 to 3.3.0)."""

TRIANGLES = 5000
"""Of all meshes that are seen of a robot: what a report holds in 40 to 60 kB, and an outline shows no corner of."""

MANY_PAIRS = 60
"""More pairs of geoms of two links than this are worth a word: gymnasium's humanoid has 109, its other robots at most
3."""


def load_mjcf(
    source: Any,
    *,
    ignore: Sequence[str] = (),
    assets: Mapping[str, Any] | None = None,
    pose: str | None = None,
    hold: bool = False,
    mocap: Mapping[str, Mocap] | None = None,
    triangles: int = TRIANGLES,
    **changes: Any,
) -> Articulated:
    """The robot of an MJCF file, under the names that it has there.

    What the file holds and this package does not simulate is an error that names the first element of each kind, and
    the words for ``ignore`` that leave them all out; an `OmissionWarning` then lists what was. Without being asked for,
    pairs of shapes of one robot that are not simulated are left out, a body that is moved from outside stays where it
    is if ``mocap`` does not say where it goes, and the integrator "implicit" is replaced by "implicitfast": the warning
    says so, too. RK4 takes four times as long as ``integrator="euler"``.

    A `StartWarning` tells of joints and tendons that start beyond their limits: those will throw them back; and of
    equalities and holds that are off where the robot starts.

    Args:
        source: path of the file, or its XML as text or bytes, or a ``mujoco.MjSpec`` or ``mujoco.MjModel``;
            "package:path" is a file that an installed package ships, like "gymnasium:envs/mujoco/assets/ant.xml".
        ignore: of "tendon", "equality", "actuator", "mesh", "pair", "pairs" (of geoms whose shapes cannot touch),
            "fluid", "frictionloss", "gravcomp", "flex", "plugin", "polynomial", "condim", "contact" (of cylinders and
            ellipsoids), "actuatorfrcrange", "flag" (of the option), "geom" (priority, own adhesion, surface velocity).
        assets: contents of the files that the XML names, by name.
        pose: the keyframe to start from; see `Articulated.posed`.
        hold: whether an action of 0 holds the pose: it stands for the keyframe's controls.
        mocap: where bodies with ``mocap="true"`` are put over time, by name; see `Mocap`.
        triangles: that meshes which are seen may have in all; those that show least are left out. 0 has none.
        **changes: of the scene: ``dt=0.002, substeps=4``; ``contacts="world"`` keeps links from each other.

    Raises:
        MissingExtraError: there is no ``mujoco`` package, or one before 4.0; the extra ``robots`` has it.
        InputError: the file cannot be read, or an element of it is not simulated.
    """
    owner = "load_mjcf"
    mujoco, ignore = package(owner), _words(owner, ignore)
    with _caller():
        file = File(mujoco, compiled(mujoco, owner, source, assets), ignore, _most(owner, triangles))
        file.mocap = _guided(owner, file, mocap)
        return _load(owner, file, ignore, changes, pose=pose, hold=hold)


def load_urdf(
    source: Any,
    *,
    ignore: Sequence[str] = (),
    assets: Mapping[str, Any] | None = None,
    motors: bool = True,
    base: str = "fixed",
    floor: bool = False,
    triangles: int = TRIANGLES,
    **changes: Any,
) -> Articulated:
    """The robot of a URDF file, under the names that it has there.

    Meshes are looked for from the file's folder upwards, whether they are named by a path or by their package
    (``package://``). Links are seen as their visuals (box, cylinder, sphere; stl, obj, dae) in the colours of their
    materials. Collision meshes and visuals that cannot be had are left out, which an `OmissionWarning` lists.

    Args:
        source: path of the file, or its XML as text or bytes; "package:path" as in `load_mjcf`.
        ignore: as in `load_mjcf`, and "inertia": inertias that no body can have are replaced by the nearest.
        assets: as in `load_mjcf`.
        motors: a motor at each hinge and slide that has an effort limit, of the joint's name: an actuation of 1 is the
            whole effort.
        base: "fixed" holds the first link to the world, "free" lets it go, as of what walks.
        floor: a plane named "floor" at a height of 0; the robot stands on it.
        triangles: as in `load_mjcf`.
        **changes: of the scene: ``dt=0.002, substeps=4``.

    Raises:
        MissingExtraError, InputError: as in `load_mjcf`.
    """
    owner = "load_urdf"
    mujoco, ignore = package(owner), _words(owner, ignore)
    options = {"base": choices(f"{owner}: base", base, BASES), "floor": flag(f"{owner}: floor", floor)}
    with _caller():
        most = _most(owner, triangles)
        options |= {"mend": "inertia" in ignore, "seen": most > 0}
        model, clothes, omitted = compiled_urdf(mujoco, owner, source, assets, **options)
        file = File(mujoco, model, ignore, most)
        file.clothes = clothes
        return _load(owner, file, ignore, changes, motors=motors, omitted=omitted)


def _guided(owner: str, file: File, mocap: Mapping[str, Mocap] | None) -> dict[str, Mocap]:
    """Where bodies are put from outside, if the file has them."""
    if not isinstance(mocap or {}, Mapping):
        raise InputError(f"{owner}: mocap is {mocap!r}, but a Mocap for each body is needed, by its name")
    known = file.mocap_bodies()
    for name in mocap or {}:
        if name not in known:
            raise InputError(
                f'{owner}: mocap names {name!r}, but bodies with mocap="true" are {", ".join(known) or "none"}'
            )
    return dict(mocap or {})


def _most(owner: str, triangles: Any) -> int:
    return whole(f"{owner}: triangles", triangles, least=0)


def package(owner: str) -> Any:
    """MuJoCo, of a version that reads files rightly; ``owner`` is who needs it."""
    try:
        import mujoco
    except ImportError:
        raise MissingExtraError(f"{owner} needs the package mujoco: pip install 'diffsim[robots]'") from None
    if _version(mujoco) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise MissingExtraError(
            f"{owner} needs the package mujoco {needed} or newer, but {mujoco.__version__} is installed, which reads "
            f"some files wrongly: pip install 'mujoco>={needed}'"
        )
    return mujoco


def _version(mujoco: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(mujoco.__version__))[:2])


def _words(owner: str, ignore: Sequence[str]) -> tuple[str, ...]:
    """What is to be ignored, if all of it is known."""
    given = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    known = (*KINDS, "pairs", "inertia")
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InputError(f"{owner}: ignore names {unknown[0]!r}, but it takes {', '.join(known)}")
    return given


@contextmanager
def _caller() -> Iterator[None]:
    """Warnings of what is done within are given once each, as of where the loader was called."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        warnings.warn(warning.message, warning.category, stacklevel=4)


def _load(
    owner: str,
    file: File,
    ignore: tuple[str, ...],
    changes: dict[str, Any],
    *,
    motors: bool = False,
    pose: str | None = None,
    hold: bool = False,
    omitted: Sequence[str] = (),
) -> Articulated:
    """The scene of a model, or an error that names everything that is not simulated."""
    found: dict[str, list[str]] = {}
    file.law = changes.get("contact_law", file.law)
    for kind, find in KINDS.items():
        if kind not in OF_CONTACTS or changes.get("contacts") is not False:
            found[kind] = [f"{name} {why}" for name, why in find(file)]
    made = {**file.parts(motors=motors), **changes}
    odd = unsimulated(Draft(**made))
    made["exclude"] = [*made["exclude"], *odd.own, *odd.foreign]
    found["pairs"] = [f"geoms {one!r} and {other!r} may touch, which is not simulated" for one, other in odd.foreign]
    refused = {kind: elements for kind, elements in found.items() if elements and kind not in ignore}
    if refused:
        raise InputError(f"{owner}: {_listed(refused)}")
    words = [*omitted, *(each for elements in found.values() for each in elements), *file.replaced()]
    if odd.own:
        one, other = odd.own[0]
        words.append(
            f"{len(odd.own)} pairs of geoms of the same robot, such as {one!r} and {other!r}, which do not touch"
        )
    if words:
        warnings.warn(f"{owner} left out: " + "; ".join(words), OmissionWarning, stacklevel=2)
    scene = Articulated(**made)
    _count_pairs(owner, scene)
    return scene if pose is None else scene.posed(pose, hold=hold)


def _listed(refused: dict[str, list[str]]) -> str:
    """The first element of each kind, how many more there are, and the words that leave them out."""
    counts = {
        kind: f" (and {len(elements) - 1} more)" if len(elements) > 1 else "" for kind, elements in refused.items()
    }
    first = "; ".join(f"{elements[0]}{counts[kind]}" for kind, elements in refused.items())
    what = "of this kind" if len(refused) == 1 else "of these kinds"
    return f"{first}; ignore={tuple(refused)!r} leaves out what is {what}"


def _count_pairs(owner: str, scene: Articulated) -> None:
    """Say how many pairs of geoms may touch, if many of them are of two links: each is looked at in every step."""
    pairs = touching(scene)
    of_links = sum(min(scene.all_geoms[k][0] for k in pair) >= 0 for pair in pairs)
    if of_links > MANY_PAIRS:
        logging.getLogger("diffsim").warning(
            "%s: %d pairs of geoms may touch, %d of them of two links, and each is looked at in every step; "
            "contacts='world' keeps links from each other, contype and conaffinity of the geoms, or exclude, those "
            "that need not meet, contacts=False all",
            owner,
            len(pairs),
            of_links,
        )
