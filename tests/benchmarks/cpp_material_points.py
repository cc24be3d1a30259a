"""material_points.cpp, compiled on first use and called through ctypes."""

import ctypes
from pathlib import Path

import numpy as np

import diffsim as ds

from .cpp_walker import build

__all__ = ["CppRobot"]

SOURCE = Path(__file__).with_name("material_points.cpp")


class CppRobot:
    """Loss and gradient by the hand-written adjoint, one thread: a scene of one corotated solid, muscles along y."""

    def __init__(self, scene: ds.MaterialPoints, steps: int, *, precision: str = "f32") -> None:
        self.real = np.float64 if precision == "f64" else np.float32
        self.shape = (steps, len(scene.actuators))
        self.library = ctypes.CDLL(str(build(SOURCE, precision)))
        array = np.ctypeslib.ndpointer(self.real, flags="C_CONTIGUOUS")
        integers = np.ctypeslib.ndpointer(np.int32, flags="C_CONTIGUOUS")
        whole, handle = ctypes.c_int, ctypes.c_void_p
        self.library.robot_create.argtypes = [whole, whole, whole, whole, integers, *[array] * 4]
        self.library.robot_create.restype = handle
        self.library.robot_value.argtypes = [handle, array]
        self.library.robot_value.restype = ctypes.c_double
        self.library.robot_value_and_grad.argtypes = [handle, array, array]
        self.library.robot_value_and_grad.restype = ctypes.c_double
        self.library.robot_destroy.argtypes = [handle]
        self.library.robot_destroy.restype = None

        n, margin = len(scene.points), 2
        young, poisson = float(scene.youngs_modulus), float(scene.poissons_ratio)
        shear = young / (2.0 * (1.0 + poisson))
        bulk = 2.0 * shear * poisson / (1.0 - 2.0 * poisson)
        mass = np.broadcast_to(scene.density * scene.volume, n)
        empty = (1e-20 if precision == "f64" else 1e-8) * mass.min()
        low, gravity = scene.low[0] - margin * scene.cell, scene.gravity[1]
        numbers = (scene.dt, scene.cell, low, gravity, scene.friction, shear, bulk, scene.strength, empty)
        self.handle = self.library.robot_create(
            n,
            *self.shape,
            int(scene.cells[0]) + 1 + 2 * margin,
            np.ascontiguousarray(scene.actuator, np.int32),
            np.ascontiguousarray(scene.points, self.real),
            np.ascontiguousarray(scene.volume, self.real),
            np.ascontiguousarray(mass, self.real),
            np.array(numbers, self.real),
        )

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self.library.robot_destroy(self.handle)
            self.handle = None

    def value(self, actuation: np.ndarray) -> float:
        """The loss: minus the mean x at the end [m]."""
        return self.library.robot_value(self.handle, self._taken(actuation))

    def value_and_grad(self, actuation: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its slopes by the actuation (steps, muscles)."""
        grad = np.empty(self.shape, self.real)
        return self.library.robot_value_and_grad(self.handle, self._taken(actuation), grad), grad

    def _taken(self, actuation: np.ndarray) -> np.ndarray:
        taken = np.ascontiguousarray(actuation, self.real)
        if taken.shape != self.shape:
            raise ValueError(f"an actuation of shape {self.shape} is needed, not {taken.shape}")
        return taken
