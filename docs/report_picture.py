"""The picture of a report in the README: the voxel walker's, as a browser shows it. Run by ``make pictures``."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
ROW = 0.42  # share of the trajectory at which it is shown


def main() -> None:
    """Run the scene, open its report, and shoot the top of it."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        script = ROOT / "scenes" / "voxel_walker.py"
        subprocess.run([sys.executable, script, "--no-video", "--output", folder], check=True)
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 1180}, reduced_motion="reduce")
        page.goto(Path(folder, "report.html").as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        page.evaluate(
            "share => { const s = document.getElementById('scrub'); s.value = share * Number(s.max);"
            "s.dispatchEvent(new Event('input')); }",
            ROW,
        )
        page.wait_for_timeout(500)
        page.screenshot(path=ROOT / "docs" / "images" / "report.png")
        browser.close()


if __name__ == "__main__":
    main()
