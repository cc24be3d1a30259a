"""What Taichi knows of a kernel's memory and does not tell LLVM, written into LLVM's text.

A small kernel is given its memory and its sizes as arguments. That they stay as they are while it runs, and that what
it stores into one array is not read from another, LLVM cannot know: it loads all of them again for each element, and
computes each index anew, which took half as long again as the rest. Here each load and store gets a tag of the memory
that it is about, as compilers of C give one of the type (LLVM Language Reference Manual, "TBAA Metadata"): those with
different tags have nothing to do with each other. The bits are the same.
"""

import re
from collections.abc import Mapping, Sequence

__all__ = ["tagged", "with_numbers"]

_FIRST = 9000  # numbers of metadata from here on; Taichi uses a handful
_DEFINITION = re.compile(r"^  (%[\w.]+) = (getelementptr|bitcast|load) (.*)$")
_ACCESS = re.compile(r"^  (?:%[\w.]+ = load (.*), \1\*|store .*\*) (%[\w.]+), align \d+$")
_NUMBER = re.compile(r"^(  %[\w.]+) = load i32, i32\* (%[\w.]+), align \d+$", re.MULTILINE)
_LOAD = re.compile(r"(.*), \1\* (%[\w.]+), align \d+$")

_Origin = tuple[str, int, int] | None
"""Of a pointer: to "arguments" (with the place of one), or to "memory" of a pool, 1 its values and 2 its gradients."""


def tagged(text: str, arguments: str, memory: Sequence[int]) -> str:
    """The text of a kernel with the tags.

    Args:
        text: of one function, as LLVM prints it, whose first argument points to a pointer to the arguments.
        arguments: the type of the arguments: a structure for each pool, then one of whole numbers.
        memory: of each pool, a number that is equal for those that may overlap.
    """
    pointers = _Pointers(text, arguments, len(memory))
    numbers: dict[tuple[int, int], int] = {}  # of the tags, by memory and whether it is values or gradients

    def tag(line: str) -> str:
        access = _ACCESS.match(line)
        origin = pointers.origin(access[2]) if access else None
        if origin is None:
            return line
        kind, pool, member = origin
        if kind == "arguments":
            return f"{line}, !invariant.load !{_FIRST}, !tbaa !{_FIRST + 2}"
        number = numbers.setdefault((memory[pool], member), _FIRST + 4 + 2 * len(numbers))
        return f"{line}, !tbaa !{number}"

    lines = [tag(line) for line in text.split("\n")]
    root = f'!{_FIRST + 1} = !{{!"diffsim"}}'
    lines += [f"!{_FIRST} = !{{}}", root, *_type(_FIRST + 2, "arguments", constant=True)]
    for (which, member), number in numbers.items():
        lines += _type(number, f"memory {which} {member}", constant=False)
    return "\n".join(lines) + "\n"


def with_numbers(text: str, arguments: str, pools: int, numbers: Mapping[int, int]) -> str:
    """The text of a kernel in which some of its whole numbers are no arguments any more.

    Args:
        text: as of `tagged`.
        arguments: as of `tagged`.
        pools: how many there are.
        numbers: values, by the place of each among the whole numbers.
    """
    pointers = _Pointers(text, arguments, pools)

    def known(load: re.Match[str]) -> str:
        origin = pointers.origin(load[2])
        if origin is None or origin[:2] != ("arguments", pools) or origin[2] not in numbers:
            return load[0]
        return f"{load[1]} = add i32 {numbers[origin[2]]}, 0"

    return _NUMBER.sub(known, text)


def _type(number: int, name: str, *, constant: bool) -> list[str]:
    own = number + 1
    return [
        f"!{number} = !{{!{own}, !{own}, i64 0, i64 {constant:d}}}",
        f'!{own} = !{{!"{name}", !{_FIRST + 1}, i64 0}}',
    ]


class _Pointers:
    """Where the pointers of a function come from."""

    def __init__(self, text: str, arguments: str, pools: int):
        self._pools = pools
        self._context = f" %context to {arguments}**"
        whole = re.escape(f"{arguments}, {arguments}*")
        self._member = re.compile(rf"(?:inbounds )?{whole} %[\w.]+, i64 0, i32 (\d+), i32 (\d+)$")
        found = map(_DEFINITION.match, text.split("\n"))
        self._made = {match[1]: (match[2], match[3]) for match in found if match}
        self._known: dict[str, _Origin] = {}

    def origin(self, name: str) -> _Origin:
        """Of the pointer of this name; None if it is not known for certain."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> _Origin:
        kind, rest = self._made.get(name, ("", ""))
        if kind == "getelementptr":
            if member := self._member.match(rest):
                return "arguments", int(member[1]), int(member[2])
            return self._inside(re.match(r"[^%]*\* (%[\w.]+),", rest))
        if kind == "bitcast":
            if rest.endswith(self._context):
                return "arguments", -1, 0
            return self._inside(re.match(r".*\* (%[\w.]+) to ", rest))
        if kind == "load" and (load := _LOAD.match(rest)):
            place = self.origin(load[2])
            if place is not None and place[0] == "arguments" and 0 <= place[1] < self._pools and place[2] > 0:
                return "memory", place[1], place[2]
        return None

    def _inside(self, outer: re.Match[str] | None) -> _Origin:
        """Of a pointer into what another one points to."""
        origin = self.origin(outer[1]) if outer else None
        return origin if origin is not None and origin[0] == "memory" else None
