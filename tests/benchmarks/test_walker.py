"""The speed of a loss and gradient of the mass-spring walker: C++ by hand, diffsim, JAX.

Run by `make bench`; times are printed, and not asserted. What is asserted is that all compute the same.
C++ comes three times (see walker.cpp): "C++ blockwise", as fast as it gets; "C++ one loop", the plain program; and
"C++ one clock", the plain program with the identity for the sine of a sum that diffsim's controller also uses. JAX
comes with the identity and without. The targets speak of "a hand-written C++ adjoint": a ratio to each is printed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

import diffsim as ds

from .cpp_walker import CppWalker, compiler
from .jax_walker import JaxWalker
from .timing import compare, race
from .walker import Walker, lattice, random_parameters
from .walker_problem import NAMES, named, problem_of

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(compiler() is None, reason="the yardstick is C++ and there is no g++"),
]

CPP = {"C++ blockwise": "Blockwise", "C++ one clock": "OneClock", "C++ one loop": "OneLoop"}
JAX = {"JAX one clock": "one clock", "JAX": "each spring"}
TRAVELLERS = 64

# Share of the gradient's norm by which two implementations may differ after 50 steps. Rounding is 50 * 1e-16
# in float64 and 50 * 6e-8 in float32, and a hundred times that in length - target: measured
# are 1e-12 and 3e-4. Over 682 steps contact is chaotic and float32 gradients differ by tenths.
AGREEMENT = {"f64": 1e-9, "f32": 1e-3}


@contextmanager
def diffsim_of(walker: Walker, **choices: object) -> Iterator[ds.Simulation]:
    with ds.Simulation(problem_of(walker), device="cpu", **choices) as simulation:
        yield simulation


def flat(gradient: object) -> np.ndarray:
    """A gradient of any of the three as one vector: by amplitude, by phase, by offset."""
    arrays = [gradient[name] for name in NAMES] if isinstance(gradient, Mapping) else gradient
    return np.concatenate([np.asarray(array, np.float64).ravel() for array in arrays])


def assert_agreement(walker: Walker, precision: str) -> None:
    parameters = random_parameters(walker, seed=0)
    answers = {
        name: CppWalker(walker, precision=precision, springs=springs).value_and_grad(parameters)
        for name, springs in CPP.items()
    }
    with diffsim_of(walker, precision=precision) as simulation:
        answers["diffsim"] = simulation.value_and_grad(named(parameters))
    for name, sines in JAX.items():
        in_jax = JaxWalker(walker, precision=precision, sines=sines)
        answers[name] = in_jax.value_and_grad(in_jax.put(parameters))
    loss, gradient = answers.pop("C++ blockwise")
    # The loss is a mean of differences of coordinates, whose rounding is that of the width of the lattice.
    width = np.ptp(walker.points[:, 0])
    print()
    for name, (other_loss, other_gradient) in answers.items():
        off = abs(float(other_loss) - loss)
        apart = np.linalg.norm(flat(other_gradient) - flat(gradient)) / np.linalg.norm(flat(gradient))
        print(f"{precision}, {walker}: {name} is off C++ blockwise by {off:.1e} m, its gradient by {apart:.1e}")
        assert off <= AGREEMENT[precision] * 1e-2 * width, name
        assert apart <= AGREEMENT[precision], name


@pytest.mark.parametrize("springs", ["Blockwise", "OneClock", "OneLoop"])
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


# The targets for diffsim are shares of the time of a hand-written adjoint; that for JAX is given for 24 points only.
@pytest.mark.parametrize(
    ("size", "repeats", "cpp_target", "jax_target"), [((12, 2), 25, "<= 1.8", ">= 2.5"), ((50, 50), 9, "<= 1.6", "")]
)
def test_one_walker(size: tuple[int, int], repeats: int, cpp_target: str, jax_target: str) -> None:
    assert_agreement(lattice(*size, steps=50), "f32")
    walker = lattice(*size)
    parameters = random_parameters(walker, seed=0)
    singles = tuple(values.astype(np.float32) for values in parameters)
    cpp = {name: CppWalker(walker, springs=springs) for name, springs in CPP.items()}
    in_jax = {name: JaxWalker(walker, sines=sines) for name, sines in JAX.items()}
    on_device = next(iter(in_jax.values())).put(parameters)
    with diffsim_of(walker) as simulation:
        given = named(parameters)
        calls: dict[str, Callable[[], object]] = {}
        for name, peer in cpp.items():
            calls[name] = partial(peer.value_and_grad, singles)
            calls[f"{name}, forward only"] = partial(peer.value, singles)
        calls["diffsim"] = partial(simulation.value_and_grad, given)
        calls["diffsim, forward only"] = partial(simulation.value, given)
        for name, peer in in_jax.items():
            calls[name] = partial(peer.value_and_grad, on_device)
        laps = race(calls, title=str(walker), repeats=repeats)
    for name in CPP:
        compare(laps, "diffsim", name, cpp_target)
    for name in JAX:
        compare(laps, name, "diffsim", jax_target)


def test_many_walkers() -> None:
    """64 copies with parameters of their own: one launch, 64 calls, one vmap; and what one walker costs."""
    walker = lattice(12, 2)
    each = [random_parameters(walker, seed) for seed in range(TRAVELLERS)]
    together = tuple(np.stack(values) for values in zip(*each, strict=True))
    singles = [tuple(values.astype(np.float32) for values in parameters) for parameters in each]
    cpp = {name: CppWalker(walker, springs=springs) for name, springs in CPP.items()}
    in_jax = JaxWalker(walker, envs=TRAVELLERS)
    on_device = in_jax.put(together)

    def all_of(call: Callable, arguments: list) -> None:
        for argument in arguments:
            call(argument)

    with diffsim_of(walker, envs=TRAVELLERS, shared=False) as many, diffsim_of(walker) as one:
        given, given_each = named(together), [named(parameters) for parameters in each]
        assert np.allclose(many.value(given), [one.value(single) for single in given_each], rtol=0, atol=1e-6)
        laps = race(
            {
                **{f"{name}, 64 calls": partial(all_of, peer.value_and_grad, singles) for name, peer in cpp.items()},
                "diffsim, envs=64": partial(many.value_and_grad, given),
                "diffsim, 64 calls": partial(all_of, one.value_and_grad, given_each),
                "diffsim, one walker": partial(one.value_and_grad, given_each[0]),
                "JAX one clock, vmap": partial(in_jax.value_and_grad, on_device),
            },
            title=f"{TRAVELLERS} times {walker}",
            repeats=9,
        )
    compare(laps, "diffsim, envs=64", "diffsim, one walker", "<= 64")
    for name in CPP:
        compare(laps, "diffsim, envs=64", f"{name}, 64 calls")
    compare(laps, "JAX one clock, vmap", "diffsim, envs=64")


def test_large_walker() -> None:
    """40,000 points: what does not fit into the caches."""
    walker = lattice(200, 200, steps=100)
    parameters = random_parameters(walker, seed=0)
    singles = tuple(values.astype(np.float32) for values in parameters)
    cpp = {name: CppWalker(walker, springs=springs) for name, springs in CPP.items()}
    with diffsim_of(walker) as simulation:
        calls = {name: partial(peer.value_and_grad, singles) for name, peer in cpp.items()}
        calls["diffsim"] = partial(simulation.value_and_grad, named(parameters))
        laps = race(calls, title=str(walker), repeats=5)
    for name in CPP:
        compare(laps, "diffsim", name)
