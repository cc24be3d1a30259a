"""What flows, on Vulkan: particles on a grid, cells, charges, rays; in a file of their own, a process of its own."""

import functools

import pytest

from .on_vulkan import check, needs_vulkan, on_a_cpu

pytestmark = needs_vulkan

reference = functools.cache(on_a_cpu)


@pytest.mark.parametrize(
    ("name", "executor", "adjoint", "envs"),
    [
        ("charges", "fused", "segments", 4),
        ("charges", "wide", "full", 1),
        ("smoke", "fused", "full", 1),
        ("smoke", "wide", "segments", 4),
        ("water", "wide", "full", 1),
        ("matter", "fused", "segments", 1),
        ("matter", "wide", "full", 4),
        ("volume", "wide", "full", 1),
    ],
)
def test_loss_and_gradient_are_those_of_a_cpu(name, executor, adjoint, envs):
    check(name, executor, adjoint, envs, reference(name))
