"""The task of the tests: a pole on a cart, without contact, which both physics move alike."""

from __future__ import annotations

import diffsim as ds

__all__ = ["CART", "POLICY", "cart"]

CART = """
<mujoco>
  <option timestep="0.01" gravity="0 0 -9.81"/>
  <default><geom contype="0" conaffinity="0"/></default>
  <worldbody>
    <body name="cart">
      <joint name="slide" type="slide" axis="1 0 0" damping="0.1"/>
      <geom type="box" size="0.1 0.05 0.05" mass="1"/>
      <body name="pole">
        <joint name="hinge" type="hinge" axis="0 1 0" damping="0.01"/>
        <geom type="capsule" fromto="0 0 0 0 0 0.6" size="0.02" mass="0.2"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor name="push" joint="slide" gear="10" ctrllimited="true" ctrlrange="-1 1"/></actuator>
</mujoco>
"""

POLICY = ds.MLP(hidden=8, sines=0, activation="elu")


def _reward(before, action, after):
    """Upright and in the middle, up to 1 a step."""
    place = after["joint_position"]
    return 1.0 - place[:, 1] ** 2 - 0.1 * place[:, 0] ** 2 - 0.01 * (action**2).sum(axis=1)


def _fallen(seen):
    return abs(seen["joint_position"][:, 1]) > 0.6


def _start(arrays, rng):
    place = arrays["joint_position"]
    return {**arrays, "joint_position": place + rng.uniform(-0.2, 0.2, place.shape)}


def cart(**changes):
    scene = ds.load_mjcf(CART, dt=0.02, substeps=2)
    given = {"reward": _reward, "ended": _fallen, "start": _start, "steps": 100, "source": CART, **changes}
    return ds.Task(scene, **given)
