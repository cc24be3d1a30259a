"""Make the page robots.md and its pictures: well-known robots with their own meshes and colours.

    make robots
    python docs/robots_page.py              # downloads the packages that ship them, some 500 MB, on first use
    python docs/robots_page.py spot g1      # only these pictures; the page has all

Packages are unpacked into ``outputs/robot_files``, or where ``DIFFSIM_ROBOT_FILES`` says, as the benchmark of robots'
files does (tests/benchmarks/robot_files.py). Each robot stands in a pose that is set here, on its feet or its base.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import diffsim as ds
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.rollout import Rollout
from diffsim.viewing import View
from diffsim.viewing.camera import Viewport
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.frames import Film, Panel
from diffsim.viewing.look import Bodies, Fixed
from diffsim.viewing.sight import Sight

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
FOLDER = Path(os.environ.get("DIFFSIM_ROBOT_FILES", HERE.parent / "outputs" / "robot_files"))
PAGE, IMAGES = HERE / "robots.md", HERE / "images" / "robots"
SIZE = (400, 380)
LARGEST = 60_000  # bytes of a picture

LEGS = {"thigh": 0.9, "calf": -1.8}
SUITE = "robosuite/robosuite/models/assets/robots"
MODELS = "robosuite-models/robosuite_models/assets/robots"


@dataclass(frozen=True)
class Robot:
    """A robot of the page.

    Attributes:
        title: its name.
        file: within the packages.
        pose: positions of joints whose names contain these words [rad] or [m].
        azimuth: of the eye [degrees].
    """

    title: str
    file: str
    pose: Mapping[str, float] = field(default_factory=dict)
    azimuth: float = -52.0


ROBOTS = {
    "spot": Robot("Spot (Boston Dynamics)", f"{SUITE}/spot/robot.xml", {"hip_y": 0.8, "kn": -1.5, "_hy": 0.8}),
    "go1": Robot("Go1 (Unitree)", "mjlab/mjlab/asset_zoo/robots/unitree_go1/xmls/go1.xml", LEGS),
    "go2": Robot("Go2 (Unitree)", f"{MODELS}/go2/robot.xml", LEGS),
    "b1": Robot("B1 (Unitree)", f"{MODELS}/b1/robot.xml", LEGS),
    "g1": Robot("G1 (Unitree)", "mjlab/mjlab/asset_zoo/robots/unitree_g1/xmls/g1.xml", {"elbow": 0.6}),
    "jaco": Robot("Jaco (Kinova)", f"{SUITE}/jaco/robot.xml", {"_2": 3.68, "_4": 1.17, "_6": 3.76}),
    "panda": Robot(
        "Panda (Franka)",
        f"{SUITE}/panda/robot.xml",
        {"joint2": 0.2, "joint4": -2.6, "joint6": 2.9, "joint7": 0.78},
    ),
    "ur5e": Robot(
        "UR5e (Universal Robots)",
        f"{SUITE}/ur5e/robot.xml",
        {"shoulder_lift": -1.735, "elbow": 2.48, "wrist_1": -2.275, "wrist_2": -1.59},
    ),
    "sawyer": Robot("Sawyer (Rethink)", f"{SUITE}/sawyer/robot.xml", {"j1": -1.18, "j3": 2.18, "j5": 0.57}),
    "iiwa": Robot("LBR iiwa (KUKA)", f"{SUITE}/iiwa/robot.xml", {"joint_2": 0.65, "joint_4": -1.89, "joint_6": 0.6}),
    "tiago": Robot("TIAGo (PAL)", f"{SUITE}/tiago/robot.xml"),
    "fly": Robot("Fruit fly (dm_control)", "dm_control/dm_control/locomotion/walkers/assets/fruitfly_v2/fruitfly.xml"),
}

HEAD = """# Robots as their files have them

Twelve robots from packages of the registry, loaded by `ds.load_mjcf(file)`: the meshes of the file in at most 5,000
triangles, colours of geoms and materials. They stand in a pose that the script sets; nothing is simulated.

This page and its pictures are made by [`docs/robots_page.py`](robots_page.py) (`make robots`), which downloads the
packages. What of a robot is simulated, and what `ignore=` leaves out, is in [Articulated robots](articulated.md).
"""


def load(robot: Robot) -> ds.Articulated:
    """The robot in its pose, on a floor of its own."""
    path = FOLDER / robot.file
    try:
        scene = ds.load_mjcf(path, contacts=False)
    except ds.InputError as error:
        words = str(error).rpartition("ignore=(")[2].partition(")")[0]
        scene = ds.load_mjcf(path, contacts=False, ignore=tuple(part.strip(" '") for part in words.split(",") if part))
    position = np.array(scene.initial_position)
    for name, end, kind in scene.joint_coordinates():
        for word, angle in robot.pose.items():
            if word in name and kind in ("hinge", "slide"):
                position[end - 1] = angle
    floor = ds.Geom("floor of the page", "plane", contype=0, conaffinity=0)
    scene = replace(scene, geoms=[geom for geom in scene.geoms if geom.shape != "plane"] + [floor])
    return lowered(replace(scene, initial_position=position))


def lowered(scene: ds.Articulated) -> ds.Articulated:
    """Stood on the floor by its lowest place."""
    low = min(lowest(scene, k) for k in range(len(scene.links)))
    position = np.array(scene.initial_position)
    links = list(scene.links)
    at = 0
    for k, link in enumerate(links):
        for joint in link.joints:
            if joint.motion == "free":
                position[at + 2] -= low
            at += joint.coordinates
        if link.parent is None and not any(joint.motion == "free" for joint in link.joints):
            links[k] = replace(link, position=link.position - np.array([0.0, 0.0, low]))
    return replace(scene, links=links, initial_position=position)


def lowest(scene: ds.Articulated, k: int) -> float:
    """Height of the lowest vertex of what a link is seen as [m]."""
    pose = forward_kinematics(scene, scene.initial_position)
    meshes = {mesh.name: mesh for mesh in scene.meshes}
    found = [np.inf]
    for visual in scene.links[k].visuals:
        turn = pose.rotation[k] @ rotation_of(visual.orientation)
        places = pose.origin[k] + pose.rotation[k] @ visual.position + meshes[visual.mesh].vertices @ turn.T
        found.append(float(places[:, 2].min()))
    return min(found)


def picture(name: str, robot: Robot) -> None:
    """Its links where they stand, without marks of joints and sites."""
    scene = load(robot)
    pose = forward_kinematics(scene, scene.initial_position)
    sites = [
        pose.origin[k] + pose.rotation[k] @ site.position if k >= 0 else site.position for k, site in scene.all_sites
    ]
    places = np.concatenate([pose.origin, np.reshape(sites, (-1, 3))])
    arrays = {"position": places[None], "rotation": pose.rotation.reshape(1, -1, 9)}
    arrays = {key: np.repeat(value, 2, axis=0) for key, value in arrays.items()}
    rollout = Rollout(ds.Problem(scene, steps=1), {}, np.array([0.0, scene.dt]), arrays)
    sight = Sight(rollout)
    sight.look = replace(sight.look, elements=sight.look.of(Bodies, Fixed))
    canvas = Canvas(SIZE)
    view = View(azimuth=robot.azimuth, elevation=16.0)
    panel = Panel(rollout, Viewport(0, 0, *SIZE), view=view, sight=sight)
    shown = Film(canvas, [panel], rollout.time[:1], 1.0)[0]
    path = ds.save_png(shown, IMAGES / f"{name}.png")
    triangles = sum(len(mesh.faces) for mesh in scene.meshes)
    print(
        f"{name}: {path.stat().st_size / 1e3:.0f} kB, {len(scene.meshes)} meshes of {triangles} triangles", flush=True
    )
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, but {LARGEST} are allowed")


def page() -> str:
    """All pictures, three beside each other."""
    rows = [HEAD]
    names = list(ROBOTS)
    for start in range(0, len(names), 3):
        part = names[start : start + 3]
        rows.append("| " + " | ".join(ROBOTS[name].title for name in part) + " |")
        rows.append("|" + "---|" * len(part))
        rows.append("| " + " | ".join(f"![{ROBOTS[name].title}](images/robots/{name}.png)" for name in part) + " |")
        packages = [ROBOTS[name].file.partition("/")[0] for name in part]
        rows.append("| " + " | ".join(f"`{package}`" for package in packages) + " |\n")
    return "\n".join(rows)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("diffsim").setLevel(logging.ERROR)
    from tests.benchmarks.robot_files import download

    download(FOLDER)
    for name in sys.argv[1:] or ROBOTS:
        picture(name, ROBOTS[name])
    PAGE.write_text(page(), encoding="utf-8")
