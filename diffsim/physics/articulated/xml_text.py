"""An XML file as text in which attributes of tags can be changed, and nothing else is."""

from __future__ import annotations

import re
import xml.parsers.expat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffsim.errors import InputError

__all__ = ["Element", "inlined", "parsed", "words", "written"]


@dataclass(frozen=True)
class Element:
    """An element of the file, and what is to become of it.

    Attributes:
        tag: its name.
        given: attributes that it has.
        parent: the element that it stands in.
        start: where its first tag begins in the text.
        end: where that tag ends.
        children: in order.
        change: other values of attributes; None takes one out.
        insert: what comes right after the tag.
    """

    tag: str
    given: dict[str, str]
    parent: Element | None
    start: int
    end: int
    children: list[Element] = field(default_factory=list)
    change: dict[str, str | None] = field(default_factory=dict)
    insert: list[str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """Itself and all below, in the order of the file."""
        yield self
        for child in self.children:
            yield from child.walk()

    def members(self, *tags: str) -> Iterator[Element]:
        """Children with such a tag, those in frames as well."""
        for child in self.children:
            if child.tag in tags:
                yield child
            elif child.tag == "frame":
                yield from child.members(*tags)


def parsed(text: str) -> Element:
    """The root of an XML file; places count characters."""
    data = text.encode()
    root: list[Element] = []
    stack: list[Element] = []
    parser = xml.parsers.expat.ParserCreate("utf-8")

    def begin(tag: str, attributes: dict[str, str]) -> None:
        start = len(data[: parser.CurrentByteIndex].decode())
        made = Element(tag, attributes, stack[-1] if stack else None, start, _end_of_tag(text, start))
        (stack[-1].children if stack else root).append(made)
        stack.append(made)

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda tag: stack.pop()
    parser.Parse(data, True)
    return root[0]


def inlined(text: str, read: Callable[[str], str]) -> str:
    """The text with what it includes in place of each ``<include file=...>``.

    Args:
        text: an XML file.
        read: gives the text of a file by the name that the tag has.
    """
    parts, at = [], 0
    for element in parsed(text).walk():
        if element.tag != "include":
            continue
        part = inlined(read(element.given.get("file", "")), read)
        root = parsed(part)
        inside = "" if part[: root.end].endswith("/>") else part[root.end : part.rindex("</")]
        parts += [text[at : element.start], inside.strip()]
        empty = text[: element.end].endswith("/>")
        at = element.end if empty else text.index(">", text.index("</include", element.end)) + 1
    return "".join([*parts, text[at:]])


def _end_of_tag(text: str, start: int) -> int:
    """Where the tag that begins at ``start`` ends, quotes looked through."""
    quote = ""
    for k in range(start, len(text)):
        if quote:
            quote = "" if text[k] == quote else quote
        elif text[k] in "\"'":
            quote = text[k]
        elif text[k] == ">":
            return k + 1
    raise InputError("save_mjcf: a tag of this file has no end")


def written(text: str, root: Element) -> str:
    """The text with what its elements are to become."""
    parts, at = [], 0
    for element in root.walk():
        if element.change or element.insert:
            tag = _patched(text[element.start : element.end], element.change)
            inserted = "".join(element.insert)
            if inserted and tag.endswith("/>"):
                tag = f"{tag[:-2].rstrip()}>{inserted}</{element.tag}>"
            else:
                tag += inserted
            parts += [text[at : element.start], tag]
            at = element.end
    return "".join([*parts, text[at:]])


def _patched(tag: str, change: Mapping[str, str | None]) -> str:
    """A start tag with other values of attributes; None takes one out."""
    for name, value in change.items():
        pattern = re.compile(rf"(\s+){re.escape(name)}(\s*=\s*)(\"[^\"]*\"|'[^']*')")
        there = pattern.search(tag)
        if value is None:
            tag = pattern.sub("", tag, count=1)
        elif there:
            tag = f'{tag[: there.start()]}{there[1]}{name}{there[2]}"{value}"{tag[there.end() :]}'
        else:
            close = len(tag) - (2 if tag.endswith("/>") else 1)
            tag = f'{tag[:close].rstrip()} {name}="{value}"{tag[close:]}'
    return tag


def words(value: Any) -> str:
    """Numbers as MJCF writes them, so that they are read as the same."""
    return " ".join(repr(float(entry)) for entry in np.ravel(value))
