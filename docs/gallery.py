"""Run the scene scripts and make the page gallery.md of what they leave: ``make gallery``.

    python docs/gallery.py                        # all scenes, one after the other: most of an hour
    python docs/gallery.py soft_throw ant         # only these; the others' entries stay as they are
    python docs/gallery.py --from outputs         # no runs: entries from the finished ones in outputs/NAME

Each scene runs through its own command line. Text, numbers and pictures come from the script and from what the run left
(problem.json, params.npz, history.jsonl); none is written by hand.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffsim as ds

HERE = Path(__file__).parent
SCENES, PAGE, IMAGES = HERE.parent / "scenes", HERE / "gallery.md", HERE / "images" / "gallery"
KINDS = {
    "MassSpring": "Mass-spring bodies",
    "RigidBodies": "Rigid bodies",
    "Articulated": "Articulated robots",
    "Charges": "Charges",
    "Volume": "Tomography",
    "Smoke": "Smoke",
    "Water": "Water",
    "MaterialPoints": "Matter",
}

POLICY = 2.0  # s: of one that goes on and on
LARGEST = 240_000  # bytes of a picture: a page of all of them loads in a few seconds
TRIES = [
    (640, 300, 12.0),
    (640, 300, 6.0),
    (560, 264, 8.0),
    (480, 240, 6.0),
    (360, 180, 4.0),
]  # width, height, frames per second

HEAD = """# Gallery

All scenes of `scenes/`, each a script of at most 40 lines, and what its defaults find with seed 0. Left the
first iteration, right the best. A run leaves the same and a video in `outputs/NAME`; `--help` lists its flags.

This page is made by [`docs/gallery.py`](gallery.py) from runs on two cores of a shared machine without a GPU, other
programs on both. *Start* is the time to the first loss and gradient: kernels are compiled, or read from Taichi's cache
where an earlier run left them. *Search* is the time of all iterations after it.
"""


def run(name: str, folder: Path) -> None:
    """Run the script as a user does, without its video."""
    command = [sys.executable, str(SCENES / f"{name}.py"), "--no-video", "--overwrite", "--output", str(folder)]
    subprocess.run(command, check=True)


def start_of(simulation: ds.Simulation, history: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Parameters of the first iteration: of several starts those with the lowest loss, as the history counts."""
    starts = len(history[0].get("losses", (0,)))
    return min((simulation.params(seed + k) for k in range(starts)), key=simulation.value)


def picture(name: str, folder: Path) -> None:
    """The first and the best iteration side by side, over the loss: as large as is allowed."""
    path = IMAGES / f"{name}.gif"
    if path.exists() and path.stat().st_mtime > (folder / "params.npz").stat().st_mtime:
        return  # it was drawn after this run ended
    history, about = ds.load_history(folder), json.loads((folder / "problem.json").read_text())
    best = next(record["iteration"] for record in history if record["best"] == history[-1]["best"])
    problem = ds.load_problem(folder)
    learned = problem.objective is None  # a policy: the run alone knows its start, and some seconds of it are enough
    if learned:
        problem = replace(problem, steps=min(problem.steps, round(POLICY / problem.scene.dt)))
    with ds.Simulation(problem) as simulation:
        start = ds.load_run(folder).start_params if learned else start_of(simulation, history, about["seed"])
        first = simulation.rollout(start)
        pairs = [(0, first), (best, simulation.rollout(ds.load_params(folder)))]
    for width, height, fps in TRIES[3:] if learned else TRIES:
        ds.render_optimisation(pairs, history, path, fps=fps, size=(width, height))
        if path.stat().st_size <= LARGEST:
            return
    raise SystemExit(f"{path} has {path.stat().st_size} bytes; add a smaller size to TRIES")


def entry(name: str, folder: Path) -> tuple[str, str]:
    """The heading that a scene belongs under, and its entry."""
    history, about = ds.load_history(folder), json.loads((folder / "problem.json").read_text())
    problem = ds.load_problem(folder)
    first_line = (ast.get_docstring(ast.parse((SCENES / f"{name}.py").read_text())) or "").splitlines()[0]
    numbers = problem.numbers()
    count = sum(problem.pick(tuned, numbers).size for tuned in problem.tuned)
    starts = len(history[0].get("losses", (0,)))
    first, last = history[0], history[-1]
    best = next((record for record in history if record["best"] == last["best"]), last)
    earns = [
        f"{best[key]:.0f} in {place}" for key, place in (("diffsim", "diffsim"), ("mujoco", "MuJoCo")) if key in best
    ]
    facts = {
        "tunes": f"{count} number{'s' * (count > 1)} ({', '.join(f'`{tuned}`' for tuned in problem.tuned)})",
        "through": f"{problem.steps} steps of {1e3 * problem.scene.dt:g} ms",
        **({"earns": f"**{' and '.join(earns)}** in an episode"} if earns else {}),
        "loss": f"{first['loss']:.4g} at the start, **{last['best']:.4g}** at best",
        "took": f"{first['seconds']:.0f} s start, {last['seconds'] - first['seconds']:.1f} s search: "
        f"{len(history)} iterations" + (f" of {starts} starts" if starts > 1 else ""),
    }
    lines = [
        f"### {name}",
        "",
        first_line,
        "",
        f"![{name}: the first and the best iteration, over the loss](images/gallery/{name}.gif)",
        "",
        "```sh",
        command_of(about["environment"]["command"]),
        "```",
        "",
        *(f"* {key}: {value}" for key, value in facts.items()),
    ]
    return KINDS[type(problem.scene).__name__], "\n".join(lines)


def command_of(words: list[str]) -> str:
    """What to type for a run, from the command that it notes: without where it went."""
    flags = words[next(k for k, word in enumerate(words) if word.endswith(".py")) + 1 :]
    script = next(Path(word).name for word in words if word.endswith(".py"))
    kept = re.sub(r"--(no-video|overwrite|output[ =]\S+) ?", "", shlex.join(flags)).strip()
    return f"python scenes/{script} {kept}".strip()


def read_page() -> dict[str, tuple[str, str]]:
    """Entries that the page has: heading and text by name of the scene."""
    found, heading = {}, ""
    if PAGE.exists():
        for part in re.split(r"^(?=##)", PAGE.read_text(), flags=re.M)[1:]:
            title = part.splitlines()[0]
            if title.startswith("### "):
                found[title[4:]] = heading, part.strip()
            else:
                heading = title[3:]
    return found


def write_page(entries: dict[str, tuple[str, str]]) -> None:
    """Write all entries under their headings, by name."""
    parts = [HEAD.strip()]
    for heading in KINDS.values():
        own = [text for _, (kind, text) in sorted(entries.items()) if kind == heading]
        parts += [f"## {heading}", *own] if own else []
    PAGE.write_text("\n\n".join(parts) + "\n")


def main() -> None:
    """Run, draw, write."""
    names = sorted(path.stem for path in SCENES.glob("*.py"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--from", dest="runs", type=Path, help="a folder of finished runs, NAME in each")
    given = parser.parse_args()
    if unknown := set(given.names) - set(names):
        parser.error(f"there is no scene {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    runs = given.runs or HERE.parent / "outputs" / "gallery"
    for name in given.names or names:
        folder = runs / name
        if given.runs is None:
            run(name, folder)
        elif not (folder / "history.jsonl").exists():
            print(f"{name}: no run in {folder}; its entry stays as it is")
            continue
        picture(name, folder)
        entries = read_page()  # anew: what was made stays if a later scene fails
        entries[name] = entry(name, folder)
        write_page(entries)
        print(f"{name}: {(IMAGES / f'{name}.gif').stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
