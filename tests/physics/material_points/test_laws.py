"""Laws that matter obeys: free fall, what is conserved, a bar's vibration, friction, a liquid at rest."""

import numpy as np
import pytest

import diffsim as ds
from diffsim import Matter

# Of sums over hundreds of particles and steps in float64, of numbers of order one.
ROUNDING = 1e-12


def run(scene, steps, controller=None):
    with ds.Simulation(ds.Problem(scene, controller, steps=steps, tune=()), precision="f64", record="all") as sim:
        return sim.rollout({})


def test_what_falls_freely_falls_as_a_point_does():
    """Semi-implicit Euler: after n steps x = x0 + n h v + h^2 g n (n + 1) / 2, and its derivatives are as plain."""
    body = Matter.box((0.4, 0.5), (0.1, 0.1), 0.03)
    velocity, gravity, n, h = np.array([0.3, 1.0]), np.array([0.2, -9.0]), 40, 2e-3
    scene = ds.MaterialPoints(body, youngs_modulus=1e3, initial_velocity=velocity, gravity=gravity, dt=h)
    up = ds.Travel((0.0, 1.0))
    problem = ds.Problem(scene, None, up, steps=n, tune=("scene.gravity", "scene.initial_velocity"))
    with ds.Simulation(problem, precision="f64") as sim:
        rollout = sim.rollout(sim.params())
        _, grad = sim.value_and_grad(sim.params())
    fallen = n * h * velocity + h**2 * gravity * n * (n + 1) / 2
    assert np.abs(rollout.position[-1] - scene.points - fallen).max() < ROUNDING
    assert grad["scene.gravity"] == pytest.approx([0.0, -(h**2) * n * (n + 1) / 2], abs=ROUNDING)
    assert grad["scene.initial_velocity"] == pytest.approx([0.0, -n * h], abs=ROUNDING)


def moments(scene, rollout):
    """(rows,) angular momentum of particles in the plane, with that of their affine motion (Jiang et al. 2015)."""
    mass = scene.density * scene.volume
    x, v, affine = rollout.position, rollout.velocity, rollout["affine"]
    own = scene.cell**2 / 4.0 * (affine[..., 1, 0] - affine[..., 0, 1])
    return (mass * (x[..., 0] * v[..., 1] - x[..., 1] * v[..., 0] + own)).sum(axis=1)


@pytest.mark.parametrize("material", ["corotated", "neo-Hookean"])
def test_a_spinning_disc_keeps_its_momentum(material):
    disc = Matter.ball((0.5, 0.5), 0.2, 0.03)
    arm = disc.points - 0.5
    spin, drift = 3.0 * np.stack([-arm[:, 1], arm[:, 0]], axis=1), np.array([0.2, -0.1])
    given = {"youngs_modulus": 100.0, "density": 1.0, "gravity": (0.0, 0.0), "dt": 2e-3}
    scene = ds.MaterialPoints(disc, material=material, initial_velocity=spin + drift, **given)
    rollout = run(scene, 200)
    found = moments(scene, rollout)
    assert abs(found[0]) > 0.01
    assert np.abs(found / found[0] - 1.0).max() < 1e-10
    momentum = (scene.volume[:, None] * rollout.velocity).sum(axis=1)
    assert np.abs(momentum - momentum[0]).max() < ROUNDING


def half_period(cells):
    """Of a bar's first vibration along itself, over the length of the bar by the speed of sound."""
    length, young, low = 0.8, 100.0, np.array([0.1, 0.3])
    cell = length / cells
    bar = Matter.box(low, (length, 4 * cell), cell / 2)
    mode = np.cos(np.pi * (bar.points[:, 0] - low[0]) / length)
    velocity = 1e-4 * np.stack([mode, 0.0 * mode], axis=1)
    wave = np.sqrt(young)
    scene = ds.MaterialPoints(
        bar,
        youngs_modulus=young,
        poissons_ratio=0.0,
        density=1.0,
        initial_velocity=velocity,
        gravity=(0.0, 0.0),
        high=(1.1, 1.0),
        cell=cell,
        dt=0.3 * cell / wave,
    )
    rollout = run(scene, int(1.2 * length / wave / scene.dt))
    share = ((rollout.position - scene.points)[..., 0] * mode).mean(axis=1)
    k = int(np.flatnonzero((share[1:-1] > 0.0) & (share[2:] <= 0.0))[0]) + 1
    return (rollout.time[k] + scene.dt * share[k] / (share[k] - share[k + 1])) * wave / length


def test_a_bar_vibrates_with_the_frequency_of_its_elasticity_and_converges_to_it():
    """sqrt(E / rho) / (2 L), without Poisson's effect also in the plane."""
    coarse, fine = (abs(half_period(cells) - 1.0) for cells in (16, 32))
    assert coarse < 0.02
    assert fine < 0.5 * coarse  # of order two: 0.4 % and 0.1 %


def test_friction_slows_what_slides_and_so_does_its_derivative():
    """x = v t - friction g t^2 / 2, but for the trembling with which the block stands on the ground."""
    speed, friction, time, dt = 1.0, 0.3, 0.2, 2.5e-4
    block = Matter.box((0.1, 0.0), (0.2, 0.1), 1 / 60)
    given = {"youngs_modulus": 1e5, "initial_velocity": (speed, 0.0), "friction": friction}
    scene = ds.MaterialPoints(block, **given, cell=1 / 30, dt=dt)
    problem = ds.Problem(scene, None, ds.Travel(), steps=round(time / dt), tune=("scene.friction",))
    with ds.Simulation(problem, precision="f64") as sim:
        loss, grad = sim.value_and_grad(sim.params())
    lost = 9.81 * time**2 / 2
    assert -loss == pytest.approx(speed * time - friction * lost, abs=0.02 * friction * lost)
    assert grad["scene.friction"] == pytest.approx(lost, rel=0.05)


def test_what_meets_a_sticky_wall_stays_there():
    """The lower half of a block that lands on one does not slide on, as it does where there is no friction."""
    block = Matter.box((0.3, 0.06), (0.2, 0.1), 0.05)
    given = {"youngs_modulus": 1000.0, "density": 1.0, "initial_velocity": (0.5, -2.0), "cell": 0.1, "dt": 1e-3}
    walls = {"sticky": {"sticky": True}, "smooth": {"friction": 0.0}}
    gone = {name: run(ds.MaterialPoints(block, **given, **wall), 800).position for name, wall in walls.items()}
    low = block.points[:, 1] == block.points[:, 1].min()
    along = {name: (place[-1] - place[0])[low, 0].mean() for name, place in gone.items()}
    assert along["smooth"] == pytest.approx(0.4, rel=0.01)
    assert abs(along["sticky"]) < 0.05


def test_a_liquid_at_rest_bears_its_own_weight():
    """p = density * gravity * depth, in the mean of neighbouring layers, of which one is above it and one below.

    In the first cell above the ground, which nodes of the wall support as well, it is a tenth more.
    """
    depth, width, density, gravity = 0.5, 0.25, 1000.0, 9.81
    pool = Matter.box((0.0, 0.0), (width, depth), 1 / 48)
    scene = ds.MaterialPoints(
        pool,
        material="liquid",
        bulk_modulus=100.0 * density * gravity * depth,
        viscosity=200.0,
        friction=0.0,
        high=(width, 1.0),
        cell=1 / 24,
        dt=8e-4,
    )
    rollout = run(scene, 2000)
    ratio = rollout["volume_ratio"][-500:]
    pressure = (scene.bulk_modulus * (ratio**-7 - 1.0) / 7.0).mean(axis=0).reshape(12, 24).mean(axis=0)
    height = rollout.position[-500:, :, 1].mean(axis=0).reshape(12, 24).mean(axis=0)
    pressure, height = (layers.reshape(-1, 2).mean(axis=1) for layers in (pressure, height))
    assert np.abs(pressure - density * gravity * (depth - height))[2:].max() < 0.01 * density * gravity * depth
    assert pressure[0] == pytest.approx(density * gravity * depth, rel=0.1)
    assert rollout.position[-1].min() > -0.5 * scene.cell  # nothing tunnels


def test_muscles_pull_along_their_fibres():
    """In the air, at rest at last: E e = -strength * actuation for a stress along one axis, to first order."""
    body = Matter.box((0.4, 0.4), (0.2, 0.2), 0.05)
    strength, young = 1.0, 100.0
    given = {"youngs_modulus": young, "poissons_ratio": 0.0, "density": 1.0, "gravity": (0.0, 0.0)}
    scene = ds.MaterialPoints(body, actuator=0, strength=strength, fibre=(1.0, 0.0), **given, cell=0.1, dt=4e-3)
    constant = ds.Sine(amplitude=[0.0], offset=[1.0], phase=[0.0], saturate=False)
    rollout = run(scene, 400, controller=constant)
    stretch = rollout["deformation"][-200:].mean(axis=(0, 1)) - np.eye(2)
    assert stretch[0, 0] == pytest.approx(-strength / young, rel=0.05)
    assert abs(stretch[1, 1]) < 0.05 * strength / young
