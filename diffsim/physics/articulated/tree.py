"""The tree of a robot: which link hangs on which, and where joints, geoms and sites stand among all of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.geoms import Geom
from diffsim.physics.articulated.links import Joint, Site

__all__ = ["Tree"]


class Tree:
    """Links, each held to its parent by joints; n links, j joints, nq coordinates, nv freedoms. See `Articulated`."""

    links: Any
    actuators: Any
    geoms: Any
    sites: Any
    holds: Any
    tendons: Any
    equalities: Any
    integrator: str
    density: float
    viscosity: float
    wind: Any
    gravity: Any
    initial_position: Any
    initial_velocity: Any
    exclude: Any
    pairs: Any
    contacts: bool | str
    limits: bool
    slip_speed: float
    touch_depth: float
    feels: bool
    contact_law: str
    cone: str
    impratio: float
    substeps: int
    dt: float

    @cached_property
    def joints(self) -> tuple[Joint, ...]:
        """All joints, link by link."""
        return tuple(joint for link in self.links for joint in link.joints)

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """Index of each link's parent, -1 for the world."""
        index = {link.name: k for k, link in enumerate(self.links)}
        return tuple(-1 if link.parent is None else index[link.parent] for link in self.links)

    @cached_property
    def lineages(self) -> tuple[tuple[int, ...], ...]:
        """Of each link: itself, its parent, and so on up to the link of the world."""
        found: list[tuple[int, ...]] = []
        for k, parent in enumerate(self.parents):
            found.append((k,) if parent < 0 else (k, *found[parent]))
        return tuple(found)

    @cached_property
    def moved(self) -> tuple[bool, ...]:
        """Whether joints move a link."""
        return tuple(any(self.links[k].joints for k in lineage) for lineage in self.lineages)

    @cached_property
    def mutual_holds(self) -> tuple[int, ...]:
        """Holds of two links that joints move; those to what stands, or is moved from outside, are not."""
        index = {link.name: k for k, link in enumerate(self.links)}
        others = [hold.other for hold in self.holds]
        return tuple(k for k, name in enumerate(others) if name is not None and self.moved[index[name]])

    @property
    def timed(self) -> str:
        """What goes by the time, in words; nothing if all follows from the state."""
        names = [link.name for link in self.links if link.mocap is not None and len(link.mocap.positions) > 1]
        return f"the mocap of link {names[0]!r}" if names else ""

    @cached_property
    def freedom_owners(self) -> tuple[tuple[int, Joint], ...]:
        """Link and joint of every number of the velocity."""
        return tuple(
            (k, joint) for k, link in enumerate(self.links) for joint in link.joints for _ in range(joint.freedoms)
        )

    @property
    def coordinates(self) -> int:
        """Length of the joints' position (nq)."""
        return sum(joint.coordinates for joint in self.joints)

    @property
    def freedoms(self) -> int:
        """Length of the joints' velocity (nv)."""
        return sum(joint.freedoms for joint in self.joints)

    @cached_property
    def reference_position(self) -> np.ndarray:
        """(nq,) of the joints where every link is where its position says."""
        found: list[float] = []
        for link in self.links:
            for joint in link.joints:
                if joint.motion == "free":
                    found += [*link.position, *link.orientation]
                else:
                    found += [1.0, 0.0, 0.0, 0.0] if joint.motion == "ball" else [joint.reference]
        return np.array(found)

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Names of what has a position in a rollout: links, then their sites, then those of the world."""
        sites = [site.name for link in self.links for site in link.sites] + [site.name for site in self.sites]
        return (*(link.name for link in self.links), *sites)

    @cached_property
    def all_sites(self) -> tuple[tuple[int, Site], ...]:
        """Every site with the index of its link, -1 for the world."""
        own = [(k, site) for k, link in enumerate(self.links) for site in link.sites]
        return (*own, *((-1, site) for site in self.sites))

    @cached_property
    def all_geoms(self) -> tuple[tuple[int, Geom], ...]:
        """Every geom with the index of its link, -1 for the world: first those of the world."""
        own = [(k, geom) for k, link in enumerate(self.links) for geom in link.geoms]
        return (*((-1, geom) for geom in self.geoms), *own)

    @property
    def dimension(self) -> int:
        """Always 3."""
        return 3

    @property
    def limited(self) -> bool:
        """Whether a joint has limits that are simulated."""
        return self.limits and any(joint.limits is not None for joint in self.joints)

    @property
    def immersed(self) -> bool:
        """Whether a medium drags at the links."""
        return bool(self.density or self.viscosity)

    @property
    def buoyant(self) -> bool:
        """Whether a link has buoyancy."""
        return any(link.buoyancy for link in self.links)

    @property
    def spinning(self) -> list[tuple[int, int]]:
        """Links whose gyroscopic forces are implicit, and their first velocities: free ones that carry nothing."""
        if self.integrator != "implicitfast":
            return []
        carrying = {lineage[-1] for link, lineage in self._beyond() if link.mass > 0.0 or link.joints}
        found, first = [], 0
        for k, link in enumerate(self.links):
            if [joint.motion for joint in link.joints] == ["free"] and k not in carrying:
                found.append((k, first))
            first += sum(joint.freedoms for joint in link.joints)
        return found

    def _beyond(self) -> list[tuple[Any, tuple[int, ...]]]:
        """Links that others carry, each with its lineage."""
        return [(link, line) for link, line in zip(self.links, self.lineages, strict=True) if len(line) > 1]

    @property
    def rough(self) -> bool:
        """Whether a joint has dry friction."""
        return any(joint.friction_loss for joint in self.joints)

    @property
    def coupled(self) -> bool:
        """Whether what acts at several joints is implicit: it couples their accelerations beyond the tree."""
        implicit = self.integrator == "implicitfast"
        return (
            bool(self.mutual_holds)
            or bool(self.equalities)
            or any(
                (self.limits and each.limits is not None) or each.friction_loss or each.armature
                for each in self.tendons
            )
            or (implicit and self.slow)
        )

    @property
    def slow(self) -> bool:
        """Whether tendons have dampers, or actuators whose force changes with their rate."""
        servos = {each.tendon for each in self.actuators if each.bias[2] or each.gain_slope[1] or each.muscle}
        return any(each.damping or each.name in servos for each in self.tendons)

    @cached_property
    def tree_masses(self) -> np.ndarray:
        """(n,) mass of the whole tree that each link belongs to [kg]."""
        mass = np.array([link.mass for link in self.links])
        roots = np.array([lineage[-1] for lineage in self.lineages])
        return np.array([mass[roots == root].sum() for root in roots])

    def place(self, owner: str, name: str | int) -> int:
        """Index of a place, given by its name or index.

        Raises:
            InputError: there is none of that name.
        """
        if isinstance(name, str):
            if name not in self.places:
                raise InputError(f"{owner} is {name!r}, but the links and sites are {', '.join(self.places)}")
            return self.places.index(name)
        if not 0 <= name < len(self.places):
            raise InputError(f"{owner} is {name}, but the scene has {len(self.places)} links and sites, from 0")
        return name

    def site(self, name: str) -> tuple[int, Site]:
        """A site with the index of its link, -1 for the world."""
        return next((owner, site) for owner, site in self.all_sites if site.name == name)

    def geom(self, name: str) -> tuple[int, int, Geom]:
        """A geom with its index among all, and the index of its link, -1 for the world."""
        return next((k, owner, geom) for k, (owner, geom) in enumerate(self.all_geoms) if geom.name == name)

    def coordinate(self, owner: str, joint: str) -> int:
        """Where the position of a hinge or slide stands among those of all joints."""
        for name, end, kind in self.joint_coordinates():
            if name == joint and kind in ("hinge", "slide"):
                return end - 1
        known = [other.name for other in self.joints if other.motion in ("hinge", "slide")]
        raise InputError(f"{owner} is {joint!r}, but the hinges and slides are {', '.join(known) or 'none'}")

    def freedom(self, joint: str) -> int:
        """Where the velocity of a joint begins among those of all joints."""
        names = [each.name for each in self.joints]
        return sum(each.freedoms for each in self.joints[: names.index(joint)])

    def joint_coordinates(self) -> Iterator[tuple[str, int, str]]:
        """Name and kind of every joint, and where its position ends."""
        at = 0
        for joint in self.joints:
            at += joint.coordinates
            yield joint.name, at, joint.motion
