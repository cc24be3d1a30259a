"""What a robot can be loaded from: a path, XML, bytes, or what MuJoCo has of it already."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffsim.errors import InputError

__all__ = ["compiled", "spec_of", "text_of"]


def text_of(owner: str, source: Any) -> tuple[str, Path | None]:
    """The XML of a source, and the folder that it stands in; None of what is not a file.

    Raises:
        InputError: there is no such file or package, or it is no text.
    """
    if isinstance(source, bytes):
        return _decoded(owner, source), None
    text = str(source)
    if "<" in text:
        return text, None
    if package := re.fullmatch(r"(\w{2,}):(.+)", text):
        text = _shipped(owner, *package.groups())
    try:
        return _decoded(owner, Path(text).read_bytes()), Path(text).absolute().parent
    except OSError as error:
        raise InputError(f"{owner} cannot read {text}: {error.strerror}") from None


def _decoded(owner: str, source: bytes) -> str:
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            f"{owner} cannot read the {len(source)} bytes given: they are no XML; of a compiled model give the MjModel"
        ) from None


def _shipped(owner: str, package: str, path: str) -> str:
    """Path of a file that an installed package ships; the package is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise InputError(f"{owner}: the file {package}:{path} belongs to a package that is not installed: {package}")
    return str(Path(found.submodule_search_locations[0]) / path)


def spec_of(mujoco: Any, owner: str, source: Any, assets: Mapping[str, Any] | None) -> Any:
    """MuJoCo's specification of an MJCF source; a copy of one that is given.

    Raises:
        InputError: it cannot be read.
    """
    if isinstance(source, mujoco.MjSpec):
        return source.copy()
    if isinstance(source, bytes):
        source = _decoded(owner, source)
    text = str(source)
    if "<" not in text and (package := re.fullmatch(r"(\w{2,}):(.+)", text)):
        text = _shipped(owner, *package.groups())
    _check_kind(owner, text)
    given = {name: item.encode() if isinstance(item, str) else item for name, item in (assets or {}).items()}
    try:
        if "<" in text:
            return mujoco.MjSpec.from_string(text, include=_parts(given), assets=given)
        return mujoco.MjSpec.from_file(text, assets=given) if given else mujoco.MjSpec.from_file(text)
    except (ValueError, OSError, RuntimeError, TypeError) as error:
        raise _unreadable(owner, text, error) from None


def _check_kind(owner: str, text: str) -> None:
    """Refuse a URDF, which MuJoCo reads as well, but not as it is meant."""
    try:
        begins = text if "<" in text else Path(text).read_text(errors="replace")
    except OSError:
        return  # which MuJoCo says
    if "<mujoco" not in begins and re.search(r"<robot\b", begins):
        what = "the XML given" if "<" in text else text
        raise InputError(f"{owner} cannot read {what}: it is a URDF; load_urdf reads it")


def _parts(assets: Mapping[str, bytes]) -> dict[str, bytes]:
    """Of assets the XML files, which others include."""
    return {name: item for name, item in assets.items() if name.endswith(".xml")}


def compiled(mujoco: Any, owner: str, source: Any, assets: Mapping[str, Any] | None = None) -> Any:
    """MuJoCo's model of an MJCF source. A model that is given, or what wraps one (``.ptr``), is taken as it is.

    Raises:
        InputError: it cannot be read or compiled.
    """
    own = getattr(source, "ptr", source)
    if isinstance(own, mujoco.MjModel):
        return own
    spec = spec_of(mujoco, owner, source, assets)
    spec.compiler.fusestatic = False  # or links that are welded to others would lose their names
    return compile_spec(owner, spec, source)


def compile_spec(owner: str, spec: Any, source: Any) -> Any:
    """The model of a specification.

    Raises:
        InputError: MuJoCo refuses it.
    """
    try:
        with warnings.catch_warnings():  # advice to whoever wrote the file, not to who loads it
            warnings.filterwarnings("ignore", "compiler attribute .* is deprecated")
            return spec.compile()
    except (ValueError, OSError, RuntimeError, TypeError) as error:
        raise _unreadable(owner, source, error) from None


def _unreadable(owner: str, source: Any, error: Exception) -> InputError:
    text = str(source)
    what = "the XML given" if isinstance(source, bytes) or "<" in text else text
    return InputError(f"{owner} cannot read {what}: {' '.join(str(error).split())}")
