"""Where the seconds before the first gradient go, kernel by kernel: ``python compile_phases.py CASE`` (of `ready`).

CPU seconds, with an empty cache: of Taichi, from reading the stages to its LLVM, and of our own machine code after
that. Lines are those of LLVM's text. ``python compile_phases.py CASE passes`` adds Taichi's own table of the wall time
of all its passes.
"""

import os
import sys
import tempfile
import time
import zlib

os.environ["DIFFSIM_BACKGROUND"] = "0"  # no helpers: all of it in this process

import ready
import taichi as ti

from diffsim.engine import native, staged

FOUND: list[dict] = []
MOST = 12  # kernels that are shown


def timed(owner, name, key):
    """Have a function note the CPU seconds that it takes in the kernel that is being made."""
    inner = getattr(owner, name)

    def outer(*arguments, **settings):
        began = time.process_time()
        result = inner(*arguments, **settings)
        FOUND[-1][key] = time.process_time() - began
        return result

    setattr(owner, name, outer)


def named(make):
    """Have `_Kernel._kernel` note what the kernel is of."""

    def outer(kernel, reverse):
        stages = "+".join(stage.function.__name__ for stage in kernel._group.stages)
        FOUND.append({"name": f"{'reverse' if reverse else 'forward'} {stages}"})
        return make(kernel, reverse)

    return outer


def counted(make):
    """Have `native._made` note how long LLVM's text is."""

    def outer(*arguments):
        text, code = make(*arguments)
        FOUND[-1]["lines"] = zlib.decompress(text).count(b"\n")
        return text, code

    return outer


def main(case):
    """Make the case's first gradient, and print where the time went."""
    staged._Kernel._kernel = named(staged._Kernel._kernel)
    timed(staged, "kernel", "taichi")
    native._made = counted(native._made)
    timed(native, "_made", "own")
    ready.seconds = lambda problem, *_, **settings: ready.first_gradient(problem, **settings)["cpu"]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TI_OFFLINE_CACHE_FILE_PATH"] = cache
        seconds = ready.run(case)
    made = sorted((k for k in FOUND if "own" in k), key=lambda k: -k["taichi"] - k["own"])
    print(f"{case}: {seconds:.1f} s from the problem to the gradient")
    for way in ("forward", "reverse"):
        own = [k for k in made if k["name"].startswith(way)]
        taichi, code, lines = (sum(k[what] for k in own) for what in ("taichi", "own", "lines"))
        print(f"  {len(own)} kernels {way}: Taichi {taichi:.1f} s, machine code {code:.1f} s, {lines} lines")
    for k in made[:MOST]:
        print(f"  {k['taichi'] + k['own']:5.2f} s, {k['lines']:5d} lines: {k['name']}")


if __name__ == "__main__":
    main(sys.argv[1])
    if "passes" in sys.argv[2:]:
        ti.profiler.print_scoped_profiler_info()
