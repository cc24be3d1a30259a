"""Checks that the parts of a robot fit together."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.kinematics import joint_inertias, mass_matrix
from diffsim.physics.articulated.pairs import welded
from diffsim.physics.checks import sequence

__all__ = ["check_inertias", "check_names"]


def check_names(scene: Any) -> None:
    """Names are unique, and what is named is there."""
    joints, geoms = [joint.name for joint in scene.joints], [geom.name for _, geom in scene.all_geoms]
    kinds = {
        "joints": joints,
        "geoms": geoms,
        "actuators": [a.name for a in scene.actuators],
        "holds": [h.name for h in scene.holds],
        "tendons": [tendon.name for tendon in scene.tendons],
        "pairs": [pair.name for pair in scene.pairs],
        "equalities": [equality.name for equality in scene.equalities],
        "meshes": [mesh.name for mesh in scene.meshes],
    }
    for what, names in {"links or sites": list(scene.places), **kinds}.items():
        twice = [name for k, name in enumerate(names) if name in names[:k]]
        if twice:
            raise InputError(f"two {what} are named {twice[0]!r}; give each a name of its own")
    scalar = [joint.name for joint in scene.joints if joint.motion in ("hinge", "slide")]
    _check_actuators(scene, scalar)
    _check_holds(scene)
    _check_ties(scene, scalar)
    _check_pairs(scene)
    _check_visuals(scene, kinds["meshes"])
    given = (scene.unobserved,) if isinstance(scene.unobserved, str) else scene.unobserved
    unobserved = sequence("Articulated.unobserved", given)
    for name in unobserved:
        if name not in scalar:
            known = ", ".join(scalar) or "none"
            raise InputError(f"Articulated.unobserved names {name!r}, but the hinges and slides are {known}")
    exclude = sequence("Articulated.exclude", scene.exclude)
    touching = [*(link.name for link in scene.links), *geoms]
    for k, pair in enumerate(exclude):
        listed = isinstance(pair, (list, tuple))
        if not listed or len(pair) != 2 or any(name not in touching for name in pair):
            raise InputError(f"exclude[{k}] is {pair!r}, but a pair of names of links or geoms is needed")
    scene._set(unobserved=unobserved, exclude=tuple(tuple(pair) for pair in exclude))


def _check_visuals(scene: Any, known: list[str]) -> None:
    """Visuals are of meshes that there are."""
    owners = [(f"link {link.name!r}", link.visuals) for link in scene.links]
    for owner, visuals in [("the world", scene.visuals), *owners]:
        for visual in visuals:
            if visual.mesh not in known:
                raise InputError(
                    f"a visual of {owner} is of mesh {visual.mesh!r}, but the meshes are {', '.join(known) or 'none'}"
                )


def _check_actuators(scene: Any, scalar: list[str]) -> None:
    """What they drive is there."""
    tendons = [tendon.name for tendon in scene.tendons]
    sites = [site.name for owner, site in scene.all_sites if owner >= 0]
    known = {
        "joint": ("hinges and slides", scalar),
        "tendon": ("tendons", tendons),
        "site": ("links' sites", sites),
        "link": ("links", [link.name for link in scene.links]),
    }
    for actuator in scene.actuators:
        for what, (kind, names) in known.items():
            name = getattr(actuator, what)
            if name is not None and name not in names:
                raise InputError(
                    f"actuator {actuator.name!r} drives {what} {name!r}, but the {kind} are "
                    f"{', '.join(names) or 'none'}"
                )
        if actuator.site is not None:
            owner = next(owner for owner, site in scene.all_sites if site.name == actuator.site)
            if not any(scene.links[k].joints for k in scene.lineages[owner]):
                raise InputError(f"actuator {actuator.name!r} drives site {actuator.site!r}, but that does not move")


def _check_pairs(scene: Any) -> None:
    """The geoms of pairs are there, and can move against each other."""
    owners = {geom.name: owner for owner, geom in scene.all_geoms}
    bodies = welded(scene)
    for pair in scene.pairs:
        for name in (pair.first, pair.second):
            if name not in owners:
                raise InputError(
                    f"pair {pair.name!r} names geom {name!r}, but the geoms are {', '.join(owners) or 'none'}"
                )
        one, other = (bodies[owners[name]] if owners[name] >= 0 else -1 for name in (pair.first, pair.second))
        if one == other:
            raise InputError(f"pair {pair.name!r}: geoms {pair.first!r} and {pair.second!r} are of one rigid body")


def _check_holds(scene: Any) -> None:
    for hold in scene.holds:
        names = [link.name for link in scene.links]
        if hold.link not in names:
            raise InputError(f"hold {hold.name!r} holds link {hold.link!r}, but the links are {', '.join(names)}")
        if hold.other is not None and hold.other not in names:
            raise InputError(f"hold {hold.name!r} holds to link {hold.other!r}, but the links are {', '.join(names)}")
        if not any(scene.links[k].joints for k in scene.lineages[names.index(hold.link)]):
            raise InputError(f"hold {hold.name!r} holds link {hold.link!r}, but that does not move")


def _check_ties(scene: Any, scalar: list[str]) -> None:
    """What tendons and equalities name."""
    known = f"the hinges and slides are {', '.join(scalar) or 'none'}"
    for tendon in scene.tendons:
        for joint in tendon.joints:
            if joint not in scalar:
                raise InputError(f"tendon {tendon.name!r} runs along joint {joint!r}, but {known}")
    sites = [site.name for _, site in scene.all_sites]
    for tendon in scene.tendons:
        _check_wraps(scene, tendon)
        for name in tendon.sites:
            if name not in sites:
                raise InputError(
                    f"tendon {tendon.name!r} runs through site {name!r}, but the sites are {', '.join(sites) or 'none'}"
                )
        owners = [scene.site(name)[0] for name in tendon.sites]
        owners += [scene.geom(leg.wrap.geom)[1] for leg in tendon.legs if leg.wrap]
        if tendon.path and not any(scene.links[k].joints for o in owners if o >= 0 for k in scene.lineages[o]):
            raise InputError(f"tendon {tendon.name!r} runs through sites that do not move")
    tendons = [tendon.name for tendon in scene.tendons]
    for equality in scene.equalities:
        of_joints = equality.of == "joints"
        for name in (equality.first, equality.second):
            if name is not None and name not in (scalar if of_joints else tendons):
                what = known if of_joints else f"the tendons are {', '.join(tendons) or 'none'}"
                raise InputError(f"equality {equality.name!r} holds {equality.of[:-1]} {name!r}, but {what}")


def _check_wraps(scene: Any, tendon: Any) -> None:
    """What a string is wrapped around is there, and round."""
    shapes = {geom.name: geom.shape for _, geom in scene.all_geoms}
    sites = [site.name for _, site in scene.all_sites]
    for wrap in (leg.wrap for leg in tendon.legs if leg.wrap):
        if shapes.get(wrap.geom) not in ("sphere", "cylinder"):
            known = [name for name, shape in shapes.items() if shape in ("sphere", "cylinder")]
            raise InputError(
                f"tendon {tendon.name!r} is wrapped around geom {wrap.geom!r}, but the spheres and cylinders are "
                f"{', '.join(known) or 'none'}"
            )
        if wrap.side is not None and wrap.side not in sites:
            raise InputError(
                f"tendon {tendon.name!r} passes geom {wrap.geom!r} on the side of site {wrap.side!r}, but the sites "
                f"are {', '.join(sites) or 'none'}"
            )


def check_inertias(scene: Any) -> None:
    """Each joint moves something."""
    inertias = joint_inertias(scene, scene.reference_position)
    for freedom in np.flatnonzero(inertias <= 1e-12)[:1].tolist():
        owner, joint = scene.freedom_owners[freedom]
        before = scene.freedom_owners[:freedom].count((owner, joint))
        shifts = joint.motion == "slide" or (joint.motion == "free" and before < 3)
        what = "moves nothing that has a mass" if shifts else "turns nothing that has an inertia about its axis"
        raise InputError(
            f"joint {joint.name!r} {what}; give link {scene.links[owner].name!r}, or what it carries, "
            f"{'a mass' if shifts else 'an inertia'}, or the joint an armature"
        )
    # Eliminated as the simulation does it, children first: what is left for a joint is what it divides by.
    left = mass_matrix(scene, scene.initial_position)
    for freedom in reversed(range(scene.freedoms)):
        if left[freedom, freedom] <= 1e-10 * inertias[freedom]:
            owner, joint = scene.freedom_owners[freedom]
            raise InputError(
                f"joint {joint.name!r} can move at the start, alone or with joints that it carries, without moving "
                f"any mass or inertia; give link {scene.links[owner].name!r} an inertia about each axis, or the "
                "joint an armature; of two hinges on one line leave one out"
            )
        left -= np.outer(left[freedom], left[freedom]) / left[freedom, freedom]
