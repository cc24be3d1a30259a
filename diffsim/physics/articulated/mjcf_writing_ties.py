"""Numbers of tendons, equalities, contact pairs and muscles as attributes of MJCF: see `mjcf_writing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.mjcf_equalities import shifted
from diffsim.physics.articulated.muscle import OF_MUSCLES
from diffsim.physics.articulated.xml_text import Element, words

__all__ = ["MUSCLES", "TWITCHES", "write_muscle", "write_ties"]

TENDONS = {"stiffness": "stiffness", "damping": "damping", "armature": "armature", "friction_loss": "frictionloss"}

MUSCLES = tuple(f"muscle_{name}" for name in OF_MUSCLES)

TWITCHES = ("time_constant", "deactivation_time", "activation_width")

CURVES = {"shortest": "lmin", "longest": "lmax", "fastest": "vmax", "passive": "fpmax", "lengthening": "fvmax"}

Differs = Callable[[str, int], bool]


def write_ties(root: Element, before: Any, model: Any, changed: dict[str, np.ndarray], differs: Differs) -> None:
    """Mark what changes of tendons, equalities and pairs.

    Args:
        root: of the file.
        before: the robot of the file.
        model: MuJoCo's of it.
        changed: numbers by their names.
        differs: whether entry k of a number is another than in the file.

    Raises:
        InputError: an element has no name in the file, or a number has no place there.
    """
    for k, tendon in enumerate(before.tendons):
        _write_tendon(_named(root, "tendon", tendon.name), tendon, model, k, changed, differs)
    _write_coefficients(root, before, changed, differs)
    for k, pair in enumerate(before.pairs):
        if any(differs(f"pair_{name}", k) for name in ("friction", "torsion", "rolling")):
            friction = np.array(model.pair(pair.name).friction)
            for name, places in (("friction", (0, 1)), ("torsion", (2,)), ("rolling", (3, 4))):
                if differs(f"pair_{name}", k):
                    friction[list(places)] = changed[f"pair_{name}"][k]
            _found(root, "contact", pair.name).change["friction"] = words(friction)
        if differs("pair_margin", k):
            _found(root, "contact", pair.name).change["margin"] = words(changed["pair_margin"][k])
    for of, parts in (("equality", before.equalities), ("hold", before.holds)):
        for k, each in enumerate(parts):
            if differs(f"{of}_reference", k):
                _found(root, "equality", each.name).change["solref"] = words(changed[f"{of}_reference"][k])
            if differs(f"{of}_impedance", k):
                _found(root, "equality", each.name).change["solimp"] = words(changed[f"{of}_impedance"][k])
    for k, each in enumerate(before.equalities):
        if differs("equality_polynomial", k):
            element, polynomial = _found(root, "equality", each.name), np.array(changed["equality_polynomial"][k])
            if each.of == "tendons":
                polynomial[0] -= float(model.tendon_length0[model.tendon(each.first).id])
                if each.second is not None:
                    polynomial = shifted(polynomial, float(model.tendon_length0[model.tendon(each.second).id]))
            element.change["polycoef"] = words(polynomial)
    for k, hold in enumerate(before.holds):
        if differs("hold_lever", k):
            _found(root, "equality", hold.name).change["torquescale"] = words(changed["hold_lever"][k])


def _write_tendon(
    find: Callable[[], Element],
    tendon: Any,
    model: Any,
    k: int,
    changed: dict[str, np.ndarray],
    differs: Differs,
) -> None:
    for name, attribute in TENDONS.items():
        if differs(f"tendon_{name}", k):
            find().change[attribute] = words(changed[f"tendon_{name}"][k])
    if differs("tendon_rest", k):
        find().change["springlength"] = words(changed["tendon_rest"][k])
    if differs("tendon_limits", k):
        element, margin = find(), float(model.tendon_margin[model.tendon(tendon.name).id])
        element.change["range"] = words(changed["tendon_limits"][k] + np.array([-margin, margin]))


def _write_coefficients(root: Element, before: Any, changed: dict[str, np.ndarray], differs: Differs) -> None:
    """Of the joints of fixed tendons, and of the pulleys of spatial ones."""
    for name, tag, attribute, kind in (
        ("tendon_coefficient", "joint", "coef", "joints"),
        ("tendon_divisor", "pulley", "divisor", "pulleys"),
    ):
        at = 0
        for tendon in before.tendons:
            count = len(getattr(tendon, kind))
            for i in range(count):
                if differs(name, at + i):
                    own = [child for child in _found(root, "tendon", tendon.name).children if child.tag == tag]
                    if len(own) != count:
                        raise InputError(f"save_mjcf: tendon {tendon.name!r} names a {tag} twice; name each once")
                    own[i].change[attribute] = words(changed[name][at + i])
            at += count


def write_muscle(element: Element, model: Any, name: str, k: int, changed: dict[str, np.ndarray]) -> None:
    """Mark all numbers of a muscle, in the words of its kind: a force is one that does not follow from ``scale``.

    Args:
        element: of the actuator.
        model: MuJoCo's of the file.
        name: of the actuator.
        k: which it is.
        changed: numbers by their names.
    """
    own = {attribute: changed.get(f"muscle_{attribute}") for attribute in OF_MUSCLES}
    times = {attribute: changed.get(attribute) for attribute in TWITCHES}
    given = {attribute: value[k] for attribute, value in {**own, **times}.items() if value is not None}
    plain = element.tag == "muscle"
    actuator = model.actuator(name)
    if "length_range" in given:
        element.change["lengthrange"] = words(given["length_range"])
    if plain:
        if "force" in given:
            element.change["force"] = words(given["force"])
        if "operating_range" in given:
            element.change["range"] = words(given["operating_range"])
        element.change.update({CURVES[n]: words(value) for n, value in given.items() if n in CURVES})
        if "activation_width" in given:
            element.change["tausmooth"] = words(given["activation_width"])
    curves = np.array(actuator.gainprm)
    times_of = np.array(actuator.dynprm)
    for n, value in given.items():
        if n == "operating_range":
            curves[:2] = value
        elif n == "force":
            curves[2] = value
        elif n in CURVES:
            curves[4 + list(CURVES).index(n)] = value
        elif n in TWITCHES:
            times_of[TWITCHES.index(n)] = value
    if plain and {"time_constant", "deactivation_time"} & set(given):
        element.change["timeconst"] = words(times_of[:2])
    if not plain and any(n in OF_MUSCLES and n != "length_range" for n in given):
        element.change.update(gainprm=words(curves), biasprm=words(curves))
    if not plain and any(n in TWITCHES for n in given):
        element.change["dynprm"] = words(times_of)


def _named(root: Element, section: str, name: str) -> Callable[[], Element]:
    return lambda: _found(root, section, name)


def _found(root: Element, section: str, name: str) -> Element:
    """The element of a section that has a name."""
    for part in root.children:
        if part.tag == section:
            for element in part.walk():
                if element is not part and element.given.get("name") == name:
                    return element
    raise InputError(f"save_mjcf: {section} {name!r} has no name in this file; give it one, and load it again")
