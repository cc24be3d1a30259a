"""The fused kernel, compiled and run by a process of its own, while the simulation goes on with small kernels.

Small kernels are ready at once, one kernel of everything is faster: with ``executor="auto"`` a simulation that is used
for a while starts a helper, a Python of its own that compiles the fused kernel (into Taichi's cache, too). From when it
is ready, the helper answers what losses and gradients are asked for; whatever else is asked, the simulation does
itself. Both have the same bits, so nobody can tell which answered, but by the clock. If the helper cannot be started,
fails or dies, the simulation goes on alone. It ends with the simulation, and with the process that started it.
``DIFFSIM_BACKGROUND=0`` in the environment leaves it away.
"""

import contextlib
import ctypes
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np

from diffsim.engine.trajectory import Trajectory
from diffsim.lazy import named

__all__ = ["Assisted", "allowed", "die_with_parent", "portable", "start_python"]

SIMULATION = "diffsim.simulation:Simulation"
"""What the helper makes: it builds on this module, so here it is only named."""

PATIENCE = 2.0
"""So long [s] a simulation runs by itself, compiling not counted, before it starts a helper: who needs few losses
should not pay for a kernel that is never used."""

_SAVED = 4.0  # [s] what took longer to compile is written to the disk at once, not when the helper ends
_QUESTION = struct.Struct("<cd")  # what is asked ("v": losses, "g": gradient as well), and the weight


def allowed() -> bool:
    """Whether the environment lets simulations start helpers."""
    return os.environ.get("DIFFSIM_BACKGROUND", "1") != "0"


def portable(problem: Any) -> bool:
    """Whether another process can have the problem: all its classes are in modules that it can import."""
    try:
        return b"__main__" not in pickle.dumps(problem)
    except Exception:  # whatever keeps it from being written down
        return False


def start_python(code: str, output: int) -> Any:
    """A Python that runs this, with what this one can import; it reads what is written to its standard input."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "DIFFSIM_BACKGROUND": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,  # Ctrl-C is meant for its parent
    )


class Assisted:
    """A `Trajectory` with a helper: the same methods, with the same results.

    Args:
        own: the simulation's own.
        simulation: the problem and the settings with which a helper makes the same simulation.
        copies: of the parameters, in a table of gradients.
    """

    def __init__(self, own: Trajectory, simulation: tuple[Any, dict[str, Any]], copies: int):
        self._own, self._simulation, self._copies = own, simulation, copies
        self._helper: _Helper | None = None
        self._spent = 0.0  # by itself [s]
        self._runs = 0
        self._norms: np.ndarray | None = None  # of the last gradient, if the helper had it

    @property
    def own(self) -> Trajectory:
        """What runs in this process."""
        return self._own

    @property
    def starts(self) -> list[int]:
        """See `Trajectory`."""
        return self._own.starts

    @property
    def helped(self) -> bool:
        """Whether the helper answers."""
        return self._helper is not None and self._helper.ready

    def norms(self) -> np.ndarray:
        """See `Trajectory`."""
        return self._own.norms() if self._norms is None else self._norms

    def forward(self, table: np.ndarray, record: Any = None, names: Any = None, steps: Any = None) -> np.ndarray:
        """See `Trajectory`."""
        if record is None and self.helped and (found := self._ask(b"v", table, 0.0)) is not None:
            return found[0]
        return self._alone(lambda: self._own.forward(table, record, names, steps))

    def gradient(
        self,
        table: np.ndarray,
        out: np.ndarray,
        weight: float,
        cotangents: Mapping[str, np.ndarray] | None = None,
        observe: Callable[[int, dict[str, np.ndarray]], None] | None = None,
    ) -> np.ndarray:
        """See `Trajectory`."""
        plain = cotangents is None and observe is None
        if plain and self.helped and (found := self._ask(b"g", table, weight)) is not None:
            losses, gradient, self._norms = found
            out += gradient
            return losses
        self._norms = None
        return self._alone(lambda: self._own.gradient(table, out, weight, cotangents, observe))

    def close(self) -> None:
        """End the helper."""
        if self._helper is not None:
            self._helper.close()

    def _ask(self, what: bytes, table: np.ndarray, weight: float) -> Any:
        assert self._helper is not None
        shapes: list[tuple[int, ...]] = [(self._own.envs,)]
        if what == b"g":
            shapes += [(self._copies, table.shape[1]), (self._own.envs, len(self.starts))]
        return self._helper.ask(what, table, weight, shapes)

    def _alone(self, run: Callable[[], np.ndarray]) -> np.ndarray:
        began = time.perf_counter()
        found = run()
        self._runs += 1
        if self._runs > 2:  # the first compile
            self._spent += time.perf_counter() - began
        if self._helper is None and self._spent > PATIENCE and allowed():
            self._helper = _Helper(self._simulation)
        return found


class _Helper:
    """The process. Nothing that happens to it is an error here."""

    def __init__(self, simulation: tuple[Any, dict[str, Any]]):
        self.ready = False
        self._process: Any = None
        with contextlib.suppress(Exception):
            data = pickle.dumps((list(sys.path), simulation))
            self._process = start_python("from diffsim.engine.background import serve; serve()", subprocess.PIPE)
            self._end = weakref.finalize(self, _end, self._process, os.getpid())
            threading.Thread(target=self._greet, args=(weakref.ref(self), self._process, data), daemon=True).start()

    @staticmethod
    def _greet(helper: Any, process: Any, data: bytes) -> None:
        """Tell the process what to do and wait until it is ready."""
        with contextlib.suppress(Exception):
            process.stdin.write(struct.pack("<q", len(data)) + data)
            process.stdin.flush()
            if process.stdout.read(1) == b"r" and (living := helper()) is not None:
                living.ready = True

    def ask(self, what: bytes, table: np.ndarray, weight: float, shapes: list[tuple[int, ...]]) -> Any:
        """Its answer, arrays of these shapes; None if it has none."""
        try:
            self._process.stdin.write(_QUESTION.pack(what, weight) + struct.pack("<q", table.nbytes) + table.tobytes())
            self._process.stdin.flush()
            if self._process.stdout.read(1) != b"y":
                return None
            return [self._array(shape) for shape in shapes]
        except Exception:
            self.close()
            return None
        except BaseException:  # Ctrl-C amid an answer: what is left of it would be taken for the next one
            self.close()
            raise

    def _array(self, shape: tuple[int, ...]) -> np.ndarray:
        data = self._process.stdout.read(8 * int(np.prod(shape)))
        return np.frombuffer(data, np.float64).reshape(shape).copy()

    def close(self) -> None:
        """End it."""
        self.ready = False
        if self._process is not None:
            self._end()


def _end(process: Any, owner: int) -> None:
    if os.getpid() != owner:  # a fork ends, or forgets what it cannot use
        return
    with contextlib.suppress(Exception):
        process.kill()
        process.wait(10)
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(Exception):
            pipe.close()


# In the helper


def serve() -> None:
    """Be the helper: what is read from standard input is answered on standard output, until either is closed."""
    die_with_parent()
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Taichi prints
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
    data = questions.read(struct.unpack("<q", questions.read(8))[0])
    path, (problem, settings) = pickle.loads(data)
    sys.path[:] = path
    simulation, took = _made(problem, settings)
    if took > _SAVED:
        import taichi as ti

        simulation.close()
        ti.reset()  # Taichi writes its cache when a program of its ends
        simulation, _ = _made(problem, settings)
    _answer(simulation, questions, answers)


def die_with_parent() -> None:
    """On Linux, even in the middle of compiling; elsewhere, when it has compiled and finds its input closed."""
    if sys.platform == "linux":
        with contextlib.suppress(Exception):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if os.getppid() == 1:
                os._exit(0)


def _made(problem: Any, settings: dict[str, Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    simulation = named(SIMULATION)(problem, executor="fused", **settings)
    simulation.value_and_grad(simulation.params(), finite=False)
    return simulation, time.perf_counter() - began


def _answer(simulation: Any, questions: IO[bytes], answers: IO[bytes]) -> None:
    from diffsim.engine import runtime

    trajectory, copies = simulation._trajectory, simulation._copies
    answers.write(b"r")
    answers.flush()
    while header := questions.read(_QUESTION.size):
        what, weight = _QUESTION.unpack(header)
        size = struct.unpack("<q", questions.read(8))[0]
        width = simulation._fields.spare + 1
        table = np.frombuffer(questions.read(size), np.float64).reshape(-1, width).copy()
        try:
            with runtime.precision(simulation.precision):
                if what == b"g":
                    out = np.zeros((copies, width))
                    found = [trajectory.gradient(table, out, weight), out, trajectory.norms()]
                else:
                    found = [trajectory.forward(table)]
            answers.write(b"y" + b"".join(np.ascontiguousarray(array).tobytes() for array in found))
        except Exception:  # the simulation will meet it as well, and say it
            answers.write(b"n")
        answers.flush()
