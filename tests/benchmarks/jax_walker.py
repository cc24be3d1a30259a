"""The walker in JAX as its users write it: one `lax.scan`, differentiated by JAX, compiled by XLA."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np

from .walker import Parameters, Walker

__all__ = ["JaxWalker"]

# Up to so many points two steps per pass of the scan are faster (24 points: by a sixth; 2,500: slower by two fifths),
# and a multiplication with the dense incidence matrix beats gathering and scatter-add.
# Measured with JAX 0.10 on two cores: 24 points 3.0 ms instead of 4.0; 2,500 points need a matrix of 97 MB.
FEW_POINTS = 100


class JaxWalker:
    """Loss and gradient by ``jit(value_and_grad(...))``; ``envs`` copies with their own parameters by `vmap`.

    Tried, and slower or no faster: unrolling the scan further, `jax.checkpoint` of the step, `segment_sum`, a table
    of each point's springs instead of scatter-add, x and y in one array of shape (point, 2) (the dense
    product with two columns takes twice as long), actuations of one clock computed before the scan, as an outer
    product or a product of matrices.

    ``sines`` is ``"one clock"``: a sine and a cosine per step for all springs, by the identity for the sine of a sum,
    as diffsim's controller has it; or ``"each spring"``: the formula as it stands, vectorised before the scan.
    """

    def __init__(
        self, walker: Walker, *, precision: str = "f32", envs: int | None = None, sines: str = "one clock"
    ) -> None:
        import jax  # here, so that collecting the tests needs no JAX

        self.jax = jax
        self.real = np.float64 if precision == "f64" else np.float32
        with self.precision():
            call = jax.value_and_grad(make_loss(walker, self.real, SINES[sines]))
            self.call = jax.jit(call if envs is None else jax.vmap(call))

    def precision(self) -> AbstractContextManager:
        """JAX makes float64 only inside of this; it moved out of `jax.experimental` in the year 2025."""
        try:
            switch = self.jax.enable_x64
        except AttributeError:
            from jax.experimental import enable_x64 as switch
        return switch(self.real is np.float64)

    def put(self, parameters: Parameters) -> tuple:
        """The parameters as JAX arrays, so that a timing does not count their copy."""
        with self.precision():
            return tuple(self.jax.numpy.asarray(values, self.real) for values in parameters)

    def value_and_grad(self, parameters: tuple) -> tuple:
        """The loss and its slopes by amplitude, phase and offset, as JAX arrays that are there."""
        with self.precision():
            return self.jax.block_until_ready(self.call(parameters))


def each_spring(angles: object, amplitude: object, phase: object, offset: object) -> tuple:
    """What the scan runs over, and the function that makes a step's actuations of it: here they are ready."""
    import jax.numpy as jnp

    return amplitude * jnp.sin(angles[:, None] + phase) + offset, lambda actuation: actuation


def one_clock(angles: object, amplitude: object, phase: object, offset: object) -> tuple:
    """The same by sin(wt + phase) = sin(wt) cos(phase) + cos(wt) sin(phase)."""
    import jax.numpy as jnp

    with_sine, with_cosine = amplitude * jnp.cos(phase), amplitude * jnp.sin(phase)
    return (jnp.sin(angles), jnp.cos(angles)), lambda hand: with_sine * hand[0] + with_cosine * hand[1] + offset


SINES = {"each spring": each_spring, "one clock": one_clock}


def make_loss(walker: Walker, real: type, sines: Callable) -> Callable:
    """The loss as a function of (amplitude, phase, offset)."""
    import jax
    import jax.numpy as jnp

    differences, spread = incidence(walker, real)
    start_x, start_y = jnp.asarray(walker.points.T, real)
    rest = jnp.asarray(walker.rest, real)
    gravity_x, gravity_y = walker.gravity
    keep = float(np.exp(-walker.damping * walker.dt))
    angles = walker.frequency * (jnp.arange(walker.steps, dtype=real) * walker.dt)

    def step(state: tuple, actuation: object) -> tuple:
        x, y, vx, vy, load = state
        apart_x, apart_y = differences(x), differences(y)
        length = jnp.sqrt(apart_x * apart_x + apart_y * apart_y + 1e-12)
        target = rest * (1 + walker.stretch * actuation)
        pull = -walker.stiffness * (length - target) / length
        push_x = walker.dt * (spread(pull * apart_x) + gravity_x)  # of unit masses
        push_y = walker.dt * (spread(pull * apart_y) + gravity_y)
        rests = (y - walker.ground <= 1e-6) & (vy >= -1e-6)
        vx, vy = keep * vx + push_x, keep * vy + push_y
        gap = y - walker.ground
        lands = (vy < -1e-9) & (gap + walker.dt * vy < 0)
        lifted = lands & ~rests & (push_y > 0)
        # Both sides of a where are differentiated: the inner one keeps 0/0 out of the side that is not taken.
        time = jnp.where(rests, 0, gap) / jnp.where(lands, -vy, 1)
        time = jnp.where(lands, time, 0)
        left = 0.5 - time / walker.dt
        # What stayed and flies now was let go when forces along the normal turned round.
        lets_go = ~lands & (load > 0) & (push_y > 0)
        late = jnp.where(lets_go, push_y / jnp.where(lets_go, push_y + load, 1) - 0.5, 0)
        along = jnp.where(lands, jnp.where(lifted, left * push_x, 0), vx + late * push_x)
        up = jnp.where(lands, jnp.where(lifted, jnp.maximum(vy, left * push_y), 0), vy)
        rest_of = walker.dt - time
        on = jnp.where(lands, jnp.maximum(0, up), up)
        load = jnp.where(lands & ~lifted, jnp.maximum(0, -push_y), 0)
        return (x + time * vx + rest_of * along, y + time * vy + rest_of * on, along, up, load), None

    def loss(parameters: tuple) -> object:
        hands, actuation_of = sines(angles, *parameters)
        rest_state = jnp.zeros_like(start_x)
        start = (start_x, start_y, rest_state, rest_state, rest_state)
        ahead = 2 if len(walker.points) <= FEW_POINTS else 1
        (x, *_), _ = jax.lax.scan(lambda state, hand: step(state, actuation_of(hand)), start, hands, unroll=ahead)
        return -jnp.mean(x - start_x)

    return loss


def incidence(walker: Walker, real: type) -> tuple[Callable, Callable]:
    """Two linear maps: from points to the difference of each spring's ends, and its transpose."""
    import jax.numpy as jnp

    count = len(walker.points)
    a, b = (np.ascontiguousarray(ends, np.int32) for ends in walker.springs.T)
    if count <= FEW_POINTS:
        dense = np.zeros((len(a), count), real)
        np.add.at(dense, (np.arange(len(a)), a), 1)
        np.add.at(dense, (np.arange(len(b)), b), -1)
        matrix = jnp.asarray(dense)
        return lambda points: matrix @ points, lambda forces: matrix.T @ forces
    return (
        lambda points: points[a] - points[b],
        lambda forces: jnp.zeros(count, real).at[a].add(forces).at[b].add(-forces),
    )
