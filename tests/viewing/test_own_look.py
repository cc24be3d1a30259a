"""A kind of world in a user's own file, outside of the package: its run leaves a video and a report, whatever it says.

By one registration, with a look or without one; and for a world that has no points at all.
"""

import base64
import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffsim.viewing import find_encoder
from diffsim.viewing.style import STYLE, rgba

ROOT = Path(__file__).parents[2]

# What both worlds begin and end with.
HEAD = '''
"""{words}"""
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import taichi as ti

import diffsim as ds
from diffsim.cli import scene_main
from diffsim.engine.stages import Model, Stage
from diffsim.spec import Spec, array
from diffsim.viewing.forces import arrow_ways
from diffsim.viewing.look import Arrows, Field, Look, Points, Scale, Segments, Values
'''
TAIL = """
if __name__ == "__main__":
    scene_main(problem, optimizer=ds.Adam(0.05), iterations=2)
"""

SHIPS = """
@dataclass(frozen=True, eq=False, repr=False)
class Ships(Spec):
    kind: ClassVar[str] = "scene"
    dimension: ClassVar[int] = 2
    observations: ClassVar[int] = 0
    points: Any
    sun: Any
    dt: float = 0.05

    def __post_init__(self):
        self._set(points=array("Ships.points", self.points, ("n", 2)), sun=array("Ships.sun", self.sun, (2,)))

    @property
    def actuators(self):
        return np.arange(2 * len(self.points))

    def numbers(self):
        return {"initial_position": self.points, "sun": self.sun}

    def with_numbers(self, numbers):
        return replace(self, points=numbers["initial_position"], sun=numbers["sun"])


@dataclass(frozen=True)
class Flight:
    start: Any
    position: Any
    velocity: Any
    actuation: Any
    dt: float


@ti.func
def launch(flight: ti.template(), env, row, step, ship):
    flight.position[env, 0, ship] = flight.start[env, ship]
    flight.velocity[env, 0, ship] = ti.Vector([1.0, 0.3 * ship])


@ti.func
def fly(flight: ti.template(), env, row, step, ship):
    for c in ti.static(range(2)):
        speed = flight.velocity[env, row, ship][c] + flight.dt * flight.actuation[env, row, 2 * ship + c]
        flight.velocity[env, row + 1, ship][c] = speed
        flight.position[env, row + 1, ship][c] = flight.position[env, row, ship][c] + flight.dt * speed


def build(scene, fields, steps, reads):
    n, rows = len(scene.points), fields.trajectory
    fields.number("scene.sun", 2)
    flight = Flight(
        fields.number("scene.initial_position", n, 2),
        rows("position", n, 2, state=True),
        rows("velocity", n, 2, state=True),
        rows("actuation", 2 * n, per_step=True),
        scene.dt,
    )
    return Model(
        flight, 2, scene.dt, steps, places=n, actuators=2 * n, observations=0,
        prepare=(Stage(launch, (flight,), n),), step=(Stage(fly, (flight,), n),),
    )


def look(rollout):
    thrust = rollout["actuation"].reshape(len(rollout.time) - 1, -1, 2)
    speed = np.linalg.norm(rollout["velocity"], axis=2)
    ships = Points(rollout["position"], colour=Values(speed, Scale(0.0, 2.0, ("goal", "pinned"), unit="m/s")))
    sun = Points(rollout.numbers["scene.sun"][None], radius=0.3, colour="#ff00ff")
    return Look([sun, Segments(ships, [(0, 1)]), ships, Arrows(rollout["position"][:-1], arrow_ways(thrust, 0.3))])


def problem():
    scene = Ships(points=[[0.0, 0.0], [0.0, 0.5]], sun=(1.0, -0.5))
    goal = ds.ReachTarget((1.5, 0.5), point=0) + 1e-3 * ds.Effort()
    return ds.Problem(scene, ds.OpenLoop(knots=3), goal, steps=30, tune=("controller.*",))


ds.physics.register(Ships, build{look})
"""

ROD = """
@dataclass(frozen=True, eq=False, repr=False)
class Rod(Spec):
    kind: ClassVar[str] = "scene"
    dimension: ClassVar[int] = 2
    observations: ClassVar[int] = 0
    heat: Any
    dt: float = 0.02

    def __post_init__(self):
        self._set(heat=array("Rod.heat", self.heat, ("n",)))

    @property
    def actuators(self):
        return np.arange(1)

    def numbers(self):
        return {"heat": self.heat}

    def with_numbers(self, numbers):
        return replace(self, **numbers)


@dataclass(frozen=True)
class Warmth:
    start: Any
    warmth: Any
    actuation: Any
    dt: float
    n: int


@ti.func
def begin(warmth: ti.template(), env, row, step, cell):
    warmth.warmth[env, 0, cell] = warmth.start[env, cell]


@ti.func
def spread(warmth: ti.template(), env, row, step, cell):
    left, right = ti.max(cell - 1, 0), ti.min(cell + 1, warmth.n - 1)
    here = warmth.warmth[env, row, cell]
    flow = warmth.warmth[env, row, left] - 2.0 * here + warmth.warmth[env, row, right]
    warmth.warmth[env, row + 1, cell] = here + warmth.dt * (5.0 * flow + warmth.actuation[env, row, 0])


def build(scene, fields, steps, reads):
    n, rows = len(scene.heat), fields.trajectory
    warmth = Warmth(
        fields.number("scene.heat", n), rows("warmth", n, state=True), rows("actuation", 1, per_step=True), scene.dt, n
    )
    return Model(
        warmth, 2, scene.dt, steps, places=0, actuators=1, observations=0,
        prepare=(Stage(begin, (warmth,), n),), step=(Stage(spread, (warmth,), n),),
    )


def look(rollout):
    return Look([Field(rollout["warmth"][..., None], (0.0, 0.0), (4.0, 1.0), Scale(0.0, 0.3, ("sky", "#ff00ff")))])


def problem():
    scene = Rod([1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    return ds.Problem(scene, ds.OpenLoop(knots=3), ds.Effort(), steps=40, tune=("controller.*",))


ds.physics.register(Rod, build{look})
"""

WORLDS = {"ships": SHIPS, "rod": ROD}


def ran(*command, cwd):
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, *command], cwd=cwd, env=own, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


@pytest.fixture(scope="module", params=["ships, a look", "ships", "rod, a look", "rod"])
def run(request, tmp_path_factory):
    """Name, folder of the run, and what was said by ``python own.py`` and by ``diffsim run own.py --check``."""
    world, _, look = request.param.partition(", ")
    folder = tmp_path_factory.mktemp("elsewhere")
    file = folder / "own.py"
    made = WORLDS[world].replace("{look}", ", look=look" if look else "")
    file.write_text(HEAD.replace("{words}", f"The {world}.").lstrip() + made + TAIL)
    said = ran(file.name, "--output", "out", cwd=folder)
    checked = ran("-m", "diffsim", "run", file.name, "--check", cwd=folder)
    return request.param, folder / "out", said, checked


def player(folder):
    """Iterations and stills of the player in a report, and its words."""
    text = (folder / "report.html").read_text()
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    stills = [json.loads(zlib.decompress(base64.b64decode(still))) for still in data["stills"]]
    return data["iterations"], stills, text


def video(folder):
    """(height, width, 3) one of its frames, half way."""
    (path,) = folder.glob("optimisation.*")
    if path.suffix == ".gif":
        with Image.open(path) as image:
            image.seek(image.n_frames // 2)
            return np.asarray(image.convert("RGB")).astype(int)
    command = [find_encoder(), "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    frames = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 540, 800, 3)
    return frames[len(frames) // 2].astype(int)


def like(picture, colour, tolerance=40):
    """How many pixels of the picture above the loss curve are of a colour, to within what a video leaves of it."""
    above = picture[: int(0.6 * len(picture))]
    return int((np.abs(above - 255 * rgba(colour)[:3]) <= tolerance).all(axis=2).sum())


def test_it_runs_and_its_gradient_is_checked(run):
    _, folder, said, checked = run
    assert "not saved" not in said
    assert {path.stem for path in folder.iterdir()} >= {"history", "loss", "optimisation", "params", "report"}
    assert "agree" in checked


def test_the_player_has_what_the_look_says(run):
    name, folder, *_ = run
    iterations, stills, text = player(folder)
    kinds = {
        "ships, a look": ["points", "segments", "points", "arrows"],
        "ships": ["points"],
        "rod, a look": ["field"],
        "rod": [],
    }[name]
    if not kinds:
        assert iterations == stills == []
        assert "There is nothing to be seen of a Rod: it has no look, and no array position of points." in text
        return
    assert len(iterations) == 2
    assert [element["kind"] for element in stills[0]["elements"]] == kinds
    names = {head[0] for head in iterations[0]["head"]}
    for element in stills[0]["elements"]:
        moving = {"places": element.get("places"), "arrows": element.get("arrows"), "values": element.get("values")}
        assert {channel for channel in moving.values() if channel} <= names
    if name == "ships, a look":
        sun, _, ships, _ = stills[0]["elements"]
        assert sun["colour"]["palette"] == ["#ff00ff"]
        assert ships["colour"]["scale"]["ends"] == ["0 m/s", "2 m/s"]
        assert [scale["ends"] for scale in stills[0]["legend"]] == [["0 m/s", "2 m/s"]]
    if name == "rod, a look":
        assert stills[0]["elements"][0]["shape"] == [8, 1]


def test_the_video_has_what_the_look_says(run):
    name, folder, *_ = run
    picture = video(folder)
    if name == "ships, a look":
        assert like(picture, "#ff00ff") > 300  # the sun
        assert like(picture, STYLE.contact, 60) > 20  # arrows of the thrust
        assert like(picture, STYLE.point) < 1000  # words only
    elif name == "ships":
        assert like(picture, "#ff00ff") == 0
        assert like(picture, STYLE.point, 60) > 100
    elif name == "rod, a look":
        left, right = (like(half, "#ff00ff", 80) for half in np.split(picture, 2, axis=1))
        assert left > 300  # hot
        assert right < 0.2 * left
    else:
        assert like(picture, STYLE.quiet, 60) > 50  # the words that say so
        assert like(picture, "#ff00ff", 120) == 0
