"""Robot files with one thing changed by chance: each is refused in words, or loads with finite numbers."""

import re
import warnings
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np

__all__ = ["MODELS", "examine", "mutants"]

# All kinds of joints, geoms, actuators, tendons, equalities and pairs; muscles, pulleys, strings around geoms.
ARM = """
<mujoco>
  <option timestep="0.002" integrator="implicitfast"/>
  <asset><mesh name="wedge" vertex="0 0 0 0.1 0 0 0 0.1 0 0 0 0.1 0.1 0.1 0"/></asset>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 0.1" friction="0.8 0.01 0.001" condim="4" conaffinity="3"/>
    <geom name="step" type="box" size="0.2 0.2 0.05" pos="0.5 0 0.05"/>
    <site name="nail" pos="0 0 2"/>
    <body name="trunk" pos="0 0 0.6" quat="0.9 0.1 0 0.2">
      <freejoint name="root"/>
      <inertial pos="0 0 0.01" mass="3" diaginertia="0.05 0.06 0.04"/>
      <geom name="chest" type="box" size="0.15 0.1 0.05" priority="1"/>
      <geom name="chin" size="0.04" pos="0.1 0 0.2"/>
      <site name="rotor" pos="0.1 0.1 0.1"/>
      <body name="arm" pos="0.2 0 0" gravcomp="0.2">
        <joint name="shoulder" type="ball" damping="0.1" stiffness="1" range="0 90" limited="true"/>
        <geom name="upper" type="capsule" size="0.04 0.1" pos="0 0 -0.1" density="800"/>
        <body name="forearm" pos="0 0 -0.25">
          <joint name="elbow" axis="0 1 0" range="-90 60" limited="true" armature="0.01" frictionloss="0.1"/>
          <geom name="lower" type="cylinder" size="0.03 0.08" pos="0 0 -0.08"/>
          <site name="tip" pos="0 0 -0.2"/></body></body>
      <body name="leg" pos="-0.15 0 -0.05">
        <joint name="hip" axis="1 0 0" ref="10" springref="20" stiffness="2" actuatorfrcrange="-20 20"/>
        <joint name="knee" type="slide" axis="0 0 1" range="-0.1 0.1" limited="true" solreflimit="0.01 1"/>
        <geom name="shin" type="ellipsoid" size="0.04 0.05 0.12" pos="0 0 -0.15" margin="0.001"
          contype="2" conaffinity="0"/>
        <geom name="foot" type="mesh" mesh="wedge" pos="0 0 -0.3"/></body>
    </body>
    <body name="ball" pos="0.5 0.1 0.4"><joint type="slide" axis="0 0 1"/>
      <geom name="marble" size="0.05" mass="0.2"/></body>
    <body name="egg" pos="0.5 0.4 0.4"><freejoint/><geom name="egg" type="ellipsoid" size="0.05 0.04 0.06"/></body>
  </worldbody>
  <contact><pair name="clap" geom1="upper" geom2="marble" friction="0.3 0.3 0.01 0.001 0.001" condim="3"/>
    <exclude name="apart" body1="leg" body2="arm"/></contact>
  <tendon><fixed name="bow" stiffness="3" range="-1 1" limited="true"><joint joint="elbow" coef="1"/>
      <joint joint="knee" coef="-0.5"/></fixed>
    <spatial name="rope" damping="0.2" springlength="0.2 0.4"><site site="nail"/><geom geom="chin" sidesite="rotor"/>
      <site site="tip"/><pulley divisor="2"/><site site="rotor"/><geom geom="lower"/><site site="tip"/></spatial>
  </tendon>
  <equality><joint name="mimic" joint1="knee" joint2="elbow" polycoef="0 0.1 0 0 0" solref="0.03 1"/>
    <weld name="grip" body1="ball" solimp="0.8 0.9 0.01 0.5 2"/>
    <weld name="grasp" body1="forearm" body2="egg" torquescale="0.5" anchor="0 0 0.1"/></equality>
  <actuator>
    <motor name="m" joint="hip" gear="5" ctrlrange="-1 1" ctrllimited="true"/>
    <position name="p" joint="elbow" kp="10" kv="0.5" forcerange="-4 4" forcelimited="true"/>
    <general name="f" tendon="bow" dyntype="filter" dynprm="0.05" gainprm="2"/>
    <muscle name="biceps" tendon="rope" lengthrange="1 2.5" force="30" tausmooth="0.1" timeconst="0.02 0.05"/>
    <general name="triceps" joint="elbow" gaintype="muscle" biastype="muscle" dyntype="muscle" lengthrange="-1 1"
      gainprm="0.7 1.1 -1 200 0.5 1.6 1.5 1.3 1.2" biasprm="0.7 1.1 -1 200 0.5 1.6 1.5 1.3 1.2" dynprm="0.01 0.04"/>
    <motor name="jet" site="rotor" gear="0 0 3 0 0 0.1"/>
  </actuator>
  <keyframe><key name="home" qpos="0 0 0.6 1 0 0 0 1 0 0 0 0.1 0.2 0 0 0.5 0.4 0.4 1 0 0 0"/></keyframe>
</mujoco>
"""

URDF = """
<robot name="cart">
  <link name="base"><inertial><mass value="2"/><origin xyz="0 0 0.1" rpy="0 0.1 0"/>
      <inertia ixx="0.02" iyy="0.03" izz="0.025" ixy="0" ixz="0.001" iyz="0"/></inertial>
    <collision><geometry><box size="0.3 0.2 0.1"/></geometry></collision></link>
  <link name="wheel"><inertial><mass value="0.5"/>
      <inertia ixx="0.001" iyy="0.001" izz="0.002" ixy="0" ixz="0" iyz="0"/>
    </inertial><collision><geometry><cylinder radius="0.1" length="0.05"/></geometry></collision></link>
  <link name="follower"><inertial><mass value="0.5"/>
      <inertia ixx="0.001" iyy="0.001" izz="0.002" ixy="0" ixz="0" iyz="0"/>
    </inertial></link>
  <joint name="axle" type="revolute"><parent link="base"/><child link="wheel"/>
    <origin xyz="0.1 0.1 0" rpy="1.57 0 0"/>
    <axis xyz="0 0 1"/><limit lower="-1" upper="1" effort="5" velocity="3"/>
    <dynamics damping="0.1" friction="0.05"/></joint>
  <joint name="slave" type="prismatic"><parent link="base"/><child link="follower"/><axis xyz="1 0 0"/>
    <limit lower="-0.1" upper="0.1" effort="5" velocity="3"/>
    <mimic joint="axle" multiplier="0.1" offset="0.01"/></joint>
</robot>
"""

MODELS = {"mjcf": ARM, "urdf": URDF}

ODD = ("", "x", "nan", "inf", "-1", "0", "1e-300", "1e300", "-0.5 0.2", "1 2 3 4 5 6 7 8", "true", "free", "auto")
"""What stands in place of an attribute."""


def mutants(text: str, count: int, seed: int) -> Iterator[str]:
    """Files that differ from a text in one attribute, number, name or element, or in a few characters."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield _cut(text, rng) if rng.random() < 0.1 else _changed(text, rng)


def _cut(text: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(text)))
    return text[:at] + text[at + int(rng.integers(1, 30)) :]


def _changed(text: str, rng: np.random.Generator) -> str:
    root = ElementTree.fromstring(text)
    elements = [(parent, child) for parent in root.iter() for child in parent]
    parent, element = elements[rng.integers(len(elements))]
    what = rng.integers(6)
    if what == 0:
        parent.remove(element)
    elif what == 1:
        parent.append(element)
    elif element.attrib:
        name = sorted(element.attrib)[rng.integers(len(element.attrib))]
        element.set(name, _other(element.get(name), name, what, rng, root))
        if what == 5 and rng.random() < 0.3:
            del element.attrib[name]
    return ElementTree.tostring(root, encoding="unicode")


def _other(value: str, name: str, what: int, rng: np.random.Generator, root: Any) -> str:
    """Another value of an attribute: an odd one, another number, or the name of something else."""
    if what == 2:
        return str(rng.choice(ODD))
    numbers = re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", value)
    if what == 3 and numbers:
        scale = float(rng.choice([-1.0, 0.0, 1e-6, 1e6, 10.0 ** rng.uniform(-2, 2)]))
        changed = [float(number) for number in numbers]
        changed[rng.integers(len(changed))] *= scale
        return " ".join(map(repr, changed))
    others = sorted({other.get(key) for other in root.iter() for key in other.attrib if key in (name, "name")} - {None})
    return str(rng.choice(others or [value]))


def examine(kind: str, text: str) -> str:
    """What became of a file: "refused", "loads"; or what is wrong, in words."""
    import diffsim as ds
    from diffsim.errors import InputError
    from diffsim.physics.articulated.kinematics import forward_kinematics, mass_matrix

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            scene = (ds.load_urdf if kind == "urdf" else ds.load_mjcf)(text)
        except InputError as error:
            return "refused" if names_an_element(str(error)) else f"says nothing: {error}"
    odd = [name for name, value in scene.numbers().items() if not np.isfinite(value).all()]
    if odd:
        return f"loads with numbers that are not finite: {', '.join(odd)}"
    pose = forward_kinematics(scene, scene.initial_position)
    if not all(np.isfinite(each).all() for each in (*pose, mass_matrix(scene, scene.initial_position))):
        return "loads with places or inertias that are not finite"
    return "loads"


def names_an_element(words: str) -> bool:
    """Whether an error says where: a name in quotes, an element, or a line."""
    return bool(
        re.search(r"'[^']+'|\"[^\"]+\"|<\w+>|[Ll]ine \d+|number=\d+|Element|element|\w+\[\w|Articulated\.\w", words)
    )
