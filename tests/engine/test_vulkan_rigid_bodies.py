"""Rigid bodies on Vulkan: joints, contacts and impacts, in a file of their own, which is a process of its own."""

import functools

import numpy as np
import pytest

from .on_vulkan import check, needs_vulkan, on_a_cpu

pytestmark = needs_vulkan

reference = functools.cache(on_a_cpu)


@pytest.mark.parametrize(
    ("name", "executor", "adjoint", "envs"),
    [
        # Mesa compiles the reverse kernels of these for minutes.
        pytest.param("discs", "wide", "full", 1, marks=pytest.mark.bench),
        pytest.param("discs", "fused", "segments", 4, marks=pytest.mark.bench),
        pytest.param("billiards", "fused", "full", 64, marks=pytest.mark.bench),
        ("billiards", "wide", "segments", 1),
    ],
)
def test_loss_and_gradient_are_those_of_a_cpu(name, executor, adjoint, envs):
    expected = reference(name)
    if name == "billiards":  # where nothing hits, the far ball stays, and there is no gradient
        assert all(np.abs(value).max(axis=tuple(range(1, value.ndim))).min() > 1e-4 for value in expected[2].values())
    check(name, executor, adjoint, envs, expected)
