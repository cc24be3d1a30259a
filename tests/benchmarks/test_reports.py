"""The report that every scene leaves, in a browser: it plays, iterates and turns; sizes and load times.

Screenshots go to $DIFFSIM_SCREENSHOTS, if that is set, to be looked at.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import diffsim as ds

from ..viewing.test_report_browser import (  # noqa: F401  (fixtures)
    DESKTOP,
    PHONE,
    apart,
    browser,
    canvas,
    contexts,
    iteration_of,
    scrub,
    time_of,
    until,
    visit,
)
from .scenes import SCENES

pytestmark = pytest.mark.bench

ITERATIONS = "6"


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Reports by the names of their scenes: runs of a few iterations, or those below $DIFFSIM_RUNS."""
    given = os.environ.get("DIFFSIM_RUNS")
    folder = Path(given).resolve() if given else tmp_path_factory.mktemp("runs")
    for path in SCENES:
        if (folder / path.stem / "report.html").exists():
            continue
        flags = ("--iterations", ITERATIONS, "--no-video", "--output", str(folder / path.stem))
        done = subprocess.run([sys.executable, str(path), *flags], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return {path.stem: folder / path.stem / "report.html" for path in SCENES}


def shoot(page, name):
    folder = os.environ.get("DIFFSIM_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("name", [path.stem for path in SCENES])
def test_every_report_passes(name, visit, reports):  # noqa: F811
    size = reports[name].stat().st_size
    assert size < 2_000_000
    run = ds.load_run(reports[name].parent)
    began = time.perf_counter()
    page = visit(name)
    seconds = time.perf_counter() - began
    assert iteration_of(page) == run.best_iteration
    first = canvas(page)
    scrub(page, 0.5)
    half = canvas(page)
    assert apart(first, half) > 0.02
    scrub(page, 0.0)
    page.locator("#speed").select_option("2")
    page.locator("#play").click()
    until(lambda: time_of(page) > 0.05)
    page.locator("#play").click()
    page.locator("#iterations").fill("0")
    page.wait_for_selector(f"html[data-iteration='{min(run.rollouts)}']")
    scrub(page, 0.5)
    shoot(page, name)
    before = canvas(page)
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 160, steps=4)
    page.mouse.up()
    assert apart(before, canvas(page)) > 0.5  # turned, or moved where there is nothing to turn
    phone = visit(name, PHONE, dark=True)
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    shoot(phone, f"{name}-phone")
    print(f"\n| {name} | {len(run.rollouts)} | {size / 1000:.0f} kB | {seconds:.2f} s |")
