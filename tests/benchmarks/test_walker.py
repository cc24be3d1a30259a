"""The speed of a loss and gradient of the mass-spring walker: C++ by hand, diffsim, JAX.

Run by `make bench`; times are printed, and not asserted. What is asserted is that all compute the same.
C++ comes twice: "C++" as fast as it gets (vectorised, no sines, see walker.cpp) and "C++ one loop", the plain
program, which is what the targets were set against: 0.28 + 0.48 ms (24 points), 72 + 104 ms (2,500 points).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytest

import diffsim as ds

from .cpp_walker import CppWalker, compiler
from .jax_walker import JaxWalker
from .timing import Lap, race
from .walker import Parameters, Walker, lattice, random_parameters

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(compiler() is None, reason="the yardstick is C++ and there is no g++"),
]

NAMES = ("controller.amplitude", "controller.phase", "controller.offset")
TRAVELLERS = 64

# Share of the gradient's norm by which two implementations may differ after 50 steps. Rounding is 50 * 1e-16
# in float64 and 50 * 6e-8 in float32, and a hundred times that in length - target: measured
# are 1e-12 and 3e-4. Over 682 steps contact is chaotic and float32 gradients differ by tenths.
AGREEMENT = {"f64": 1e-9, "f32": 1e-3}


def problem_of(walker: Walker) -> ds.Problem:
    scene = ds.MassSpring(
        points=walker.points,
        springs=walker.springs,
        stiffness=walker.stiffness,
        actuation=walker.stretch,
        damping=walker.damping,
        gravity=walker.gravity,
        ground=ds.Ground(height=walker.ground),
        dt=walker.dt,
    )
    return ds.Problem(
        scene,
        controller=ds.Sine(frequency=walker.frequency),
        objective=ds.Travel(direction=(1, 0), origin=walker.points.mean(axis=0)),
        steps=walker.steps,
        tune=NAMES,
    )


@contextmanager
def diffsim_of(walker: Walker, **choices: object) -> Iterator[ds.Simulation]:
    with ds.Simulation(problem_of(walker), device="cpu", **choices) as simulation:
        yield simulation


def named(parameters: Parameters) -> dict[str, np.ndarray]:
    return dict(zip(NAMES, parameters, strict=True))


def flat(gradient: object) -> np.ndarray:
    """A gradient of any of the three as one vector: by amplitude, by phase, by offset."""
    arrays = [gradient[name] for name in NAMES] if isinstance(gradient, Mapping) else gradient
    return np.concatenate([np.asarray(array, np.float64).ravel() for array in arrays])


def assert_agreement(walker: Walker, precision: str, *, jax: bool = True) -> None:
    parameters = random_parameters(walker, seed=0)
    answers = {
        "C++": CppWalker(walker, precision=precision).value_and_grad(parameters),
        "C++ one loop": CppWalker(walker, precision=precision, springs="OneLoop").value_and_grad(parameters),
    }
    with diffsim_of(walker, precision=precision) as simulation:
        answers["diffsim"] = simulation.value_and_grad(named(parameters))
    if jax:
        in_jax = JaxWalker(walker, precision=precision)
        answers["JAX"] = in_jax.value_and_grad(in_jax.put(parameters))
    loss, gradient = answers.pop("C++")
    # The loss is a mean of differences of coordinates, whose rounding is that of the width of the lattice.
    width = np.ptp(walker.points[:, 0])
    print()
    for name, (other_loss, other_gradient) in answers.items():
        off = abs(float(other_loss) - loss)
        apart = np.linalg.norm(flat(other_gradient) - flat(gradient)) / np.linalg.norm(flat(gradient))
        print(f"{precision}, {walker}: {name} is off C++ by {off:.1e} m, its gradient by {apart:.1e}")
        assert off <= AGREEMENT[precision] * 1e-2 * width, name
        assert apart <= AGREEMENT[precision], name


def report(laps: dict[str, Lap], targets: dict[tuple[str, str], str]) -> None:
    for (upper, lower), target in targets.items():
        cpu, wall = laps[upper].cpu / laps[lower].cpu, laps[upper].wall / laps[lower].wall
        print(f"{upper} / {lower}: {cpu:.2f} (CPU), {wall:.2f} (wall){f'; target {target}' if target else ''}")


@pytest.mark.parametrize("springs", ["Blockwise", "OneLoop"])
def test_gradient_of_cpp_equals_differences(springs: str) -> None:
    walker = lattice(12, 2, steps=200)
    cpp = CppWalker(walker, precision="f64", springs=springs)
    parameters = random_parameters(walker, seed=0)
    loss, gradient = cpp.value_and_grad(parameters)
    assert loss == cpp.value(parameters)
    rng = np.random.default_rng(1)
    for which in range(3):
        direction = [rng.normal(size=values.shape) * (k == which) for k, values in enumerate(parameters)]
        step = 1e-6
        ahead, behind = (
            cpp.value([values + sign * step * d for values, d in zip(parameters, direction, strict=True)])
            for sign in (1, -1)
        )
        taped = sum((slope * d).sum() for slope, d in zip(gradient, direction, strict=True))
        # Rounding of the loss (1e-17) over the step, and the square of the step times a third derivative.
        assert (ahead - behind) / (2 * step) == pytest.approx(taped, rel=1e-6)


@pytest.mark.parametrize("precision", ["f64", "f32"])
@pytest.mark.parametrize("size", [(12, 2), (50, 50)])
def test_all_compute_the_same(size: tuple[int, int], precision: str) -> None:
    assert_agreement(lattice(*size, steps=50), precision)


@pytest.mark.parametrize(("size", "repeats", "target"), [((12, 2), 15, "at most 1.8"), ((50, 50), 7, "at most 1.6")])
def test_one_walker(size: tuple[int, int], repeats: int, target: str) -> None:
    assert_agreement(lattice(*size, steps=50), "f32")
    walker = lattice(*size)
    parameters = random_parameters(walker, seed=0)
    singles = tuple(values.astype(np.float32) for values in parameters)
    fast, plain, in_jax = CppWalker(walker), CppWalker(walker, springs="OneLoop"), JaxWalker(walker)
    on_device = in_jax.put(parameters)
    with diffsim_of(walker) as simulation:
        given = named(parameters)
        laps = race(
            {
                "C++": lambda: fast.value_and_grad(singles),
                "C++, forward only": lambda: fast.value(singles),
                "C++ one loop": lambda: plain.value_and_grad(singles),
                "C++ one loop, forward only": lambda: plain.value(singles),
                "diffsim": lambda: simulation.value_and_grad(given),
                "diffsim, forward only": lambda: simulation.value(given),
                "JAX": lambda: in_jax.value_and_grad(on_device),
            },
            title=str(walker),
            repeats=repeats,
        )
    report(
        laps,
        {
            ("diffsim", "C++"): "",
            ("diffsim", "C++ one loop"): target,
            ("JAX", "diffsim"): "at least 2.5",
        },
    )


def test_many_walkers() -> None:
    """64 copies with parameters of their own: one launch, 64 calls, one vmap."""
    walker = lattice(12, 2)
    each = [random_parameters(walker, seed) for seed in range(TRAVELLERS)]
    together = tuple(np.stack(values) for values in zip(*each, strict=True))
    singles = [tuple(values.astype(np.float32) for values in parameters) for parameters in each]
    cpp, in_jax = CppWalker(walker), JaxWalker(walker, envs=TRAVELLERS)
    plain = CppWalker(walker, springs="OneLoop")
    on_device = in_jax.put(together)

    def times(call: Callable, arguments: list) -> Callable[[], None]:
        def all_of_them() -> None:
            for argument in arguments:
                call(argument)

        return all_of_them

    with diffsim_of(walker, envs=TRAVELLERS, shared=False) as many, diffsim_of(walker) as one:
        given, given_each = named(together), [named(parameters) for parameters in each]
        assert np.allclose(many.value(given), [one.value(single) for single in given_each], rtol=0, atol=1e-6)
        laps = race(
            {
                "C++, 64 calls": times(cpp.value_and_grad, singles),
                "C++ one loop, 64 calls": times(plain.value_and_grad, singles),
                "diffsim, envs=64": lambda: many.value_and_grad(given),
                "diffsim, 64 calls": times(one.value_and_grad, given_each),
                "JAX, vmap": lambda: in_jax.value_and_grad(on_device),
            },
            title=f"{TRAVELLERS} times {walker}",
            repeats=7,
        )
    report(
        laps,
        {
            ("diffsim, envs=64", "C++, 64 calls"): "",
            ("diffsim, envs=64", "C++ one loop, 64 calls"): "",
            ("diffsim, 64 calls", "diffsim, envs=64"): "",
            ("JAX, vmap", "diffsim, envs=64"): "",
        },
    )


def test_large_walker() -> None:
    """40,000 points: what does not fit into the caches."""
    walker = lattice(200, 200, steps=100)
    parameters = random_parameters(walker, seed=0)
    singles = tuple(values.astype(np.float32) for values in parameters)
    fast, plain = CppWalker(walker), CppWalker(walker, springs="OneLoop")
    with diffsim_of(walker) as simulation:
        given = named(parameters)
        laps = race(
            {
                "C++": lambda: fast.value_and_grad(singles),
                "C++ one loop": lambda: plain.value_and_grad(singles),
                "diffsim": lambda: simulation.value_and_grad(given),
            },
            title=str(walker),
            repeats=5,
        )
    report(laps, {("diffsim", "C++"): "", ("diffsim", "C++ one loop"): ""})
