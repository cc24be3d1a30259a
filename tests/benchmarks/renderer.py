"""The page's own renderer beside three.js: size, and milliseconds per frame, in headless Chromium without a GPU.

    npm install --prefix FOLDER three@0.187.0 esbuild@0.28.2
    python tests/benchmarks/renderer.py FOLDER

Draws a robot (the ant, as its file has it) and balls, and leaves pictures of both beside the bundle.
"""

import base64
import json
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from playwright.sync_api import sync_playwright

import diffsim as ds
from diffsim import physics
from diffsim.rollout import Rollout
from diffsim.spec import Spec
from diffsim.viewing.look import Floor, Look, Points
from diffsim.viewing.player import recordings

FLAGS = "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --ignore-gpu-blocklist"
FRAMES = 20
SEEK = """
n => {
  const slider = document.getElementById("scrub");
  const context = document.getElementById("canvas").getContext("2d");
  const to = share => {
    slider.value = share * slider.max;
    slider.dispatchEvent(new Event("input"));
    context.getImageData(0, 0, 1, 1);
  };
  to(0.01);
  const began = performance.now();
  for (let k = 0; k < n; k++) to(k / n);
  return (performance.now() - began) / n;
}
"""


@dataclass(frozen=True, eq=False, repr=False)
class Dust(Spec):
    """Balls that fall."""

    kind: ClassVar[str] = "scene"
    count: int = 1000
    dt: float = 0.02

    def numbers(self):
        return {}


def dust(rollout):
    rng, count = np.random.default_rng(0), rollout.problem.scene.count
    start = rng.uniform((-0.5, -0.5, 0.3), (0.5, 0.5, 1.3), (count, 3))
    fall = rng.uniform(0.15, 0.3, (count, 1)) * np.array([0.0, 0.0, 1.0])
    return Look([Points(start - rollout.time[:, None, None] * fall, radius=0.01)], Floor((0.0, 0.0, 1.0), 0.0))


def rollouts():
    physics.register(Dust, lambda *_: None, look=dust)
    sys.path.insert(0, str(Path(__file__).parents[2] / "scenes"))
    import ant

    problem = ant.problem()
    with ds.Simulation(problem) as simulation:
        yield "ant", simulation.rollout(simulation.params(seed=0))
    for count in (1000, 5000):
        yield f"{count} balls", Rollout(ds.Problem(Dust(count), steps=50), {}, 0.02 * np.arange(51), {})


def as_three(rollout):
    """Still, frames, eye and what it looks at, for renderer.js."""
    recording = recordings([rollout])[0]
    still, channels = recording.still, recording.channels
    rows = np.linspace(0, len(rollout.time) - 1, FRAMES).astype(int).tolist()
    of = {element["kind"]: element for element in still["elements"]}

    def frame(row):
        bodies, balls = [], []
        if "bodies" in of:
            turns, places = (channels[of["bodies"][name]].values[row].tolist() for name in ("turns", "places"))
            bodies = list(zip(places, turns, strict=True))
        elif "points" in of:
            balls = channels[of["points"]["places"]].values[row].tolist()
        return {"bodies": bodies, "balls": balls}

    box = np.array(still["box"])
    middle = 0.5 * (box.min(axis=0) + box.max(axis=0))
    azimuth, elevation = np.radians(still["outlook"])
    flat = np.cos(elevation)
    towards = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    eye = middle + 4.5 * np.linalg.norm(box - middle, axis=1).max() * towards
    return [still, [frame(row) for row in rows], eye.tolist(), middle.tolist()]


def main(folder):
    source = shutil.copy(Path(__file__).with_name("renderer.js"), folder)
    bundle = folder / "bundle.js"
    command = [folder / "node_modules/.bin/esbuild", source, "--bundle", "--minify", "--log-level=error"]
    subprocess.run([*command, f"--outfile={bundle}"], check=True)
    script = bundle.read_bytes()
    packed = len(base64.b64encode(zlib.compress(script, 9)))
    print(f"three.js bundled: {len(script) / 1e3:.0f} kB, deflated in base64 {packed / 1e3:.0f} kB")
    own = sum(path.stat().st_size for path in (Path(ds.__file__).parent / "viewing/page").glob("*.js"))
    print(f"all scripts of the page: {own / 1e3:.0f} kB")
    (folder / "three.html").write_text(f"<body></body><script>{script.decode()}</script>")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        for name, rollout in rollouts():
            file = ds.write_report(folder / "own.html", rollouts=[(0, rollout)], history=[], about={})
            page.goto(file.as_uri())
            page.wait_for_selector("html[data-ready=yes]")
            took = page.evaluate(SEEK, FRAMES)
            page.locator("#canvas").screenshot(path=folder / f"{name} own.png")
            page.goto((folder / "three.html").as_uri())
            first, each = page.evaluate(f"timesOf(...{json.dumps(as_three(rollout))})")
            page.locator("canvas").screenshot(path=folder / f"{name} three.png")
            print(
                f"{name}: own {took:.0f} ms a frame with its curves; three.js {each:.0f} ms, the first {first:.0f} ms"
            )
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
