"""How many of the robots that packages ship load as they are, and whether those are MuJoCo's.

On request: ``pytest tests/benchmarks/test_robot_files.py -m bench -s -n 0``. Packages are unpacked into
``outputs/robot_files``, 600 MB, or where ``DIFFSIM_ROBOT_FILES`` says. Loading takes two minutes, steps half an hour,
standing a quarter.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from .robot_files import ROOT, candidates, download, examine

pytestmark = pytest.mark.bench

FOLDER = Path(os.environ.get("DIFFSIM_ROBOT_FILES", ROOT / "outputs" / "robot_files"))

CLOSE = 1e-9
"""Rounding of sums over some hundred links and large positions, in float64."""


@pytest.fixture(scope="module")
def found():
    pytest.importorskip("mujoco")
    download(FOLDER)
    robots = [each for each in examine("load", candidates(FOLDER)) if each.get("robot", True)]
    show(robots)
    return robots


def kind(each):
    return Path(each["file"]).suffix.removeprefix(".").replace("xml", "mjcf")


def show(robots):
    """Print what loads, and what is in the way."""
    for name in ("mjcf", "urdf"):
        own = [each for each in robots if kind(each) == name]
        as_is = sum(each.get("loads", False) for each in own)
        never = [each for each in own if "error" in each or "died" in each]
        print(f"\n{name}: {as_is} of {len(own)} load as they are, {len(own) - len(never)} with all words of ignore")
        words = Counter(word for each in own for word in each.get("words", ()))
        alone = Counter(each["words"][0] for each in own if len(each.get("words", ())) == 1 and "error" not in each)
        for word, count in words.most_common():
            print(f"  {word:18} {count:4}  the only one in {alone[word]}")
        for each in never:
            print(f"  {Path(each['file']).relative_to(FOLDER)}: {each.get('error', each.get('died'))[:200]}")


def share(robots, name):
    own = [each for each in robots if kind(each) == name]
    return sum(each.get("loads", False) for each in own) / len(own)


def test_most_robots_load_as_they_are(found):
    assert share(found, "mjcf") >= 0.9
    assert share(found, "urdf") == 1.0


def test_statics_are_mujocos(found):
    assert [each["file"] for each in found if each.get("statics", 0.0) > CLOSE] == []


def test_steps_are_mujocos(found):
    files = [Path(each["file"]) for each in found if each.get("loads")]
    steps = examine("step", files, seconds=300.0)
    wrong = [each for each in steps if not each.get("step", 1.0) < CLOSE]
    print(f"\n{len(steps) - len(wrong)} of {len(steps)} make MuJoCo's step")
    for each in wrong:
        print(f"  {Path(each['file']).relative_to(FOLDER)}: {each}")
    assert not wrong


def test_steps_with_contacts_are_mujocos(found):
    """Under its own law, of what walks, where what touches are shapes whose contacts are MuJoCo's."""
    files = [Path(each["file"]) for each in found if each.get("loads") and kind(each) == "mjcf"]
    walking = [each for each in examine("law", files, seconds=300.0) if each.get("walks", True)]
    for each in walking:
        print(f"  {Path(each['file']).relative_to(FOLDER)}: {each}")
    assert [each for each in walking if each.get("exact") and not each["law"] < CLOSE] == []


def test_robots_that_stand_in_mujoco_stand_here(found):
    files = [Path(each["file"]) for each in found if each.get("loads") and kind(each) == "mjcf"]
    walking = [each for each in examine("stand", files, seconds=300.0) if each.get("walks", True)]
    theirs = [each for each in walking if each.get("theirs")]
    fallen = [each for each in theirs if not each.get("ours")]
    print(
        f"\n{len(theirs) - len(fallen)} of {len(theirs)} that stand in MuJoCo stand here, of {len(walking)} that walk"
    )
    for each in walking:
        print(f"  {Path(each['file']).relative_to(FOLDER)}: {each}")
    assert len(fallen) <= 0.1 * len(theirs)
