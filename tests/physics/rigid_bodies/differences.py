"""Gradients of a problem against differences, and of both adjoints against each other."""

import numpy as np

import diffsim as ds


def check_both_adjoints(problem, executor, every):
    """Each parameter's gradient agrees with differences; with checkpoints every so many steps it has the same bits."""
    with ds.Simulation(problem, precision="f64", executor=executor) as sim:
        report = ds.check_gradients(sim)
        assert {row.verdict for row in report.checks} == {"agrees"}, report
        loss, grad = sim.value_and_grad(sim.params())
    with ds.Simulation(problem, precision="f64", executor=executor, adjoint=ds.Checkpointed(every=every)) as sim:
        again, other = sim.value_and_grad(sim.params())
    assert again == loss
    for name, value in grad.items():
        np.testing.assert_array_equal(other[name], value)
