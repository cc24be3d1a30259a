"""Functions that stages of test_rules.py call."""

import taichi as ti


@ti.func
def doubled(x):
    return 2.0 * x


@ti.func
def inner(x):
    return ti.tan(x)  # refused


@ti.func
def outer(x):
    return x + inner(x)


@ti.func
def even(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = ti.tan(1.0)
    odd(r, env, row, step, k)


@ti.func
def odd(r: ti.template(), env, row, step, k):
    even(r, env, row, step, k)
