"""walker.cpp, compiled on first use and called through ctypes."""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from .walker import Parameters, Walker

__all__ = ["CppWalker", "build", "compiler"]

SOURCE = Path(__file__).with_name("walker.cpp")
# No -ffast-math: rounding as written. The two -fno flags let loops with a root or a division be vectorised;
# no number changes, only what happens besides: errno of a negative root, and floating-point exceptions.
FLAGS = (
    "-O3",
    "-march=native",
    "-std=gnu++17",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-shared",
    "-fPIC",
)


def compiler() -> str | None:
    """The path of g++, or None."""
    return shutil.which("g++")


def build(source: Path, precision: str, *defined: str) -> Path:
    """The library of a source in one precision; compiled anew only when the source or the flags changed.

    The cache lies in the folder for temporary files, not in the checkout: -march=native belongs to a machine.
    """
    found = compiler()
    if found is None:
        raise RuntimeError("the C++ benchmark needs g++ on the PATH, and there is none")
    flags = (*FLAGS, f"-DREAL={'double' if precision == 'f64' else 'float'}", *defined)
    key = hashlib.sha256(source.read_bytes() + repr(flags).encode() + found.encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / "diffsim-benchmarks"
    folder.mkdir(exist_ok=True)
    library = folder / f"{source.stem}-{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fresh = Path(scratch) / library.name
            subprocess.run([found, *flags, str(source), "-o", str(fresh)], check=True)
            fresh.replace(library)  # at once: another session may be building the same
    return library


class CppWalker:
    """Loss and gradient by the hand-written adjoint, one thread.

    ``springs`` is ``"Blockwise"``, the fast one, ``"OneLoop"``, the one that one writes first, or ``"OneClock"``: the
    plain loop with one sine and one cosine per step, as diffsim's controller has it.
    """

    def __init__(self, walker: Walker, *, precision: str = "f32", springs: str = "Blockwise") -> None:
        self.real = np.float64 if precision == "f64" else np.float32
        self.count = len(walker.springs)
        self.library = ctypes.CDLL(str(build(SOURCE, precision, f"-DSPRINGS={springs}")))
        array = np.ctypeslib.ndpointer(self.real, flags="C_CONTIGUOUS")
        integers = np.ctypeslib.ndpointer(np.int32, flags="C_CONTIGUOUS")
        whole, handle = ctypes.c_int, ctypes.c_void_p
        self.library.walker_create.argtypes = [whole, whole, whole, integers, *[array] * 6]
        self.library.walker_create.restype = handle
        self.library.walker_value.argtypes = [handle, *[array] * 3]
        self.library.walker_value.restype = ctypes.c_double
        self.library.walker_value_and_grad.argtypes = [handle, *[array] * 6]
        self.library.walker_value_and_grad.restype = ctypes.c_double
        self.library.walker_destroy.argtypes = [handle]
        self.library.walker_destroy.restype = None

        keep = np.exp(-walker.damping * walker.dt)
        constants = (walker.dt, keep, *walker.gravity, walker.ground, walker.frequency)
        self.handle = self.library.walker_create(
            len(walker.points),
            self.count,
            walker.steps,
            np.ascontiguousarray(walker.springs, np.int32),
            np.ascontiguousarray(walker.points, self.real),
            np.ones(len(walker.points), self.real),
            np.full(self.count, walker.stiffness, self.real),
            walker.rest.astype(self.real),
            np.full(self.count, walker.stretch, self.real),
            np.array(constants, self.real),
        )

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self.library.walker_destroy(self.handle)
            self.handle = None

    def value(self, parameters: Parameters) -> float:
        """The loss, by a forward pass that keeps nothing."""
        return self.library.walker_value(self.handle, *self.arrays(parameters))

    def value_and_grad(self, parameters: Parameters) -> tuple[float, Parameters]:
        """The loss and its slopes by amplitude, phase and offset."""
        grad = tuple(np.empty(self.count, self.real) for _ in range(3))
        return self.library.walker_value_and_grad(self.handle, *self.arrays(parameters), *grad), grad

    def arrays(self, parameters: Parameters) -> list[np.ndarray]:
        """The parameters as C++ wants them; ctypes checks no lengths, so they are checked here."""
        arrays = [np.ascontiguousarray(values, self.real) for values in parameters]
        if any(values.shape != (self.count,) for values in arrays):
            raise ValueError(f"three arrays of {self.count} numbers are needed")
        return arrays
