"""The main line of the scene scripts: flags, what is printed, exit statuses, Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import warnings

import pytest

import diffsim as ds
from diffsim.cli import scene, scene_main
from diffsim.errors import MissingExtraError

ALL = ["history", "loss", "optimisation", "params", "problem", "report", "rollouts", "state"]  # what a run leaves

BODY = ds.grid((1, 1), spacing=0.1, origin=(0.0, 0.2))


def problem(speed: float = 1.0, steps: int = 5, label: str = "plain", heavy: bool = False) -> ds.Problem:
    """A square in flight, to be thrown at a target."""
    if label == "wrong":
        raise ds.InputError("label is [bold]'wrong'[/], which springs[3] cannot be")
    mass, start = (2.0 if heavy else 1.0), (speed, 0.0)
    scene = ds.MassSpring(BODY.points, BODY.springs, stiffness=100.0, mass=mass, initial_velocity=start, dt=0.01)
    return ds.Problem(scene, None, ds.ReachTarget((1.0, 0.0)), steps=steps, tune=("scene.initial_velocity",))


# A scene script as a user writes one elsewhere. Python ignores Ctrl-C where its parent did, as a shell's background job
# does; the first lines make it a program in the foreground.
SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import diffsim as ds
from diffsim.cli import scene_main

def problem():
    body = ds.grid((1, 1), spacing=0.1, origin=(0.0, 0.2))
    scene = ds.MassSpring(body.points, body.springs, stiffness=100.0, dt=0.01)
    return ds.Problem(scene, None, ds.ReachTarget((1.0, 0.0)), steps=5, tune=("scene.initial_velocity",))

if __name__ == "__main__":
    scene_main(problem, optimizer=ds.SGD(1e-6))
"""


def main(*flags, **options):
    """Call the main line; its exit status."""
    try:
        scene_main(problem, arguments=[str(flag) for flag in flags], **options)
    except SystemExit as leaving:
        return leaving.code
    return 0


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, keep):
    """Each test has a current folder of its own; problems that are equal are compiled once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scene, "Simulation", keep)


@pytest.fixture
def script(tmp_path):
    """Starts a script called throw.py, in a folder outside the checkout, from the current folder."""
    path = tmp_path / "scripts" / "throw.py"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    started = []

    def start(*flags):
        command = [sys.executable, str(path), *flags]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def left(folder="outputs/test_scene"):
    """Names of the files in a run's folder."""
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


# Flags


def test_flags_from_arguments_have_their_types_and_reach_the_problem():
    seen = []

    def noted(speed: float = 1.0, steps: int = 5, label: str = "plain", heavy: bool = False) -> ds.Problem:
        seen.append((speed, steps, label, heavy))
        return problem()

    flags = ("--speed", "2", "--steps", "7", "--label", "3", "--heavy")
    scene_main(noted, arguments=[*flags, "--iterations", "1", "--no-video"])
    assert seen == [(2.0, 7, "3", True)]
    assert [type(value) for value in seen[0]] == [float, int, str, bool]
    assert ds.load_problem("outputs/test_scene") == problem()


def test_help_says_defaults(capsys):
    assert main("--help", iterations=17, starts=3) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert __doc__ in out
    folder = re.escape(os.path.join("outputs", "test_scene"))
    for flag, default in (
        *(("speed SPEED", "1.0"), ("steps STEPS", "5"), ("label LABEL", "plain"), ("heavy, --no-heavy", "False")),
        *(("iterations ITERATIONS", "17"), ("starts STARTS", "3"), ("seed SEED", "0"), ("device DEVICE", "cpu")),
        *(("precision {f32,f64}", "f32"), ("output OUTPUT", folder)),
    ):
        assert re.search(rf"--{re.escape(flag)} [^-]*default: {default} --", out), flag


@pytest.mark.parametrize("default", [1, 1.0])
def test_an_annotation_is_stronger_than_the_type_of_a_default(default, capsys):
    seen = []

    def made(share: float = default) -> ds.Problem:
        seen.append(share)
        return problem()

    scene_main(made, arguments=["--share", "0.5", "--check"])
    assert seen == [0.5]


def test_without_an_annotation_the_default_decides(capsys):
    seen = []

    def made(count=1, flying=True):
        seen.append((count, flying))
        return problem()

    scene_main(made, arguments=["--count", "2", "--no-flying", "--check"])
    assert seen == [(2, False)]
    with pytest.raises(SystemExit) as refused:
        scene_main(made, arguments=["--count", "two"])
    assert refused.value.code == 2
    assert "argument --count: invalid int value: 'two'" in capsys.readouterr().err


def test_an_argument_without_a_default_is_named():
    with pytest.raises(ds.InputError, match=r"problem\(count\) is a flag and needs a default"):
        scene_main(lambda count: problem(), arguments=[])
    with pytest.raises(ds.InputError, match=r"problem\(count\) is a flag and needs a default"):
        scene_main(lambda count=None: problem(), arguments=[])


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--iterations", "0", "it is '0', but it must be a whole number of at least 1"),
        ("--iterations", "1.5", "it is '1.5', but it must be a whole number of at least 1"),
        ("--starts", "-2", "it is '-2', but it must be a whole number of at least 1"),
        ("--seed", "-1", "it is '-1', but it must be a whole number of at least 0"),
        ("--precision", "f16", "invalid choice: 'f16'"),
        ("--speed", "fast", "invalid float value: 'fast'"),
    ],
)
def test_a_wrong_flag_is_named(flag, value, said, capsys):
    assert main(flag, value) == 2
    assert f"error: argument {flag}: {said}" in capsys.readouterr().err
    assert not left(".")


# A run


def test_report_is_called_with_one_environment_and_the_result(capsys):
    seen = []

    def report(simulation, result):
        seen.append((simulation.envs, result))
        assert simulation.rollout(result.best_params).position.shape[0] == 6
        print("a word of its own")

    assert main("--iterations", 4, "--starts", 2, "--no-video", report=report) == 0
    ((envs, result),) = seen
    assert envs == 1
    assert [record["iteration"] for record in result.history] == [0, 1, 2, 3]
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"loss     {result.history[0]['loss']:.6g} at the start, {result.best_loss:.6g} at iteration 3"
    found = [
        (loss**0.5, words) for loss, words in ((result.best_loss, ""), (result.history[0]["loss"], " at the start"))
    ]
    assert out[1] == "found    " + "; ".join(f"{way:.3g} m from the target{words}" for way, words in found)
    assert re.fullmatch(r"took     \d+\.\d s for 4 iterations: \d+\.\d s compiling, \d+\.\d s tuning", out[2])
    assert out[3] == "stopped  all 4 iterations are done"
    folder = os.path.join("outputs", "test_scene")
    (change,) = result.changes
    assert out[4].split() == ["parameter", "shape", "start", "end", "moved", "by", "unit"]
    assert out[5].split() == " ".join(word for word in change.words().values() if word).split()
    assert out[6] == "a word of its own"
    assert out[7] == f"files    {folder}{os.sep}problem.json"
    assert sorted(line.split(os.sep)[-1] for line in out[7:]) == left()  # all of them
    assert result.best_loss == ds.load_history(folder)[-1]["best"]


def test_what_was_found_is_said_once(capsys):
    flags = ("--iterations", 4, "--no-video", "--precision", "f64")
    assert main(*flags, scale={"*": 1e-3}, optimizer=ds.SGD(1.0)) == 0
    out, err = capsys.readouterr()
    assert "stopped" not in err
    assert out.count("stopped") == 1
    (note,) = (line for line in out.splitlines() if line.startswith("note "))
    assert note.startswith("note     scene.initial_velocity did not move: by ")
    with open("outputs/test_scene/report.html", encoding="utf-8") as report:
        assert "scene.initial_velocity did not move" in report.read()


def test_one_iteration_of_the_default_problem_has_a_video():
    assert main("--iterations", 1) == 0
    assert [name.split(".")[0] for name in left()] == ALL
    assert all(os.path.getsize(os.path.join("outputs", "test_scene", name)) for name in left())
    assert len(ds.load_history("outputs/test_scene")) == 1
    assert ds.load_problem("outputs/test_scene") == problem()


def test_settings_of_the_script_reach_the_run():
    optimizer = ds.SGD(0.125)
    assert main("--no-video", optimizer=optimizer, iterations=2, clip=3.0, scale={"scene.*": 2.0}) == 0
    with open("outputs/test_scene/problem.json") as file:
        settings = file.read()
    for word in (repr(optimizer), '"iterations": 2', '"clip": 3.0', '"scene.*": 2.0'):
        assert word in settings


def test_a_second_run_gets_a_number_and_both_flags_say_which(capsys):
    assert main("--iterations", 2, "--no-video") == 0
    assert main("--iterations", 3, "--no-video", "--seed", 1) == 0
    out, err = capsys.readouterr()
    assert f"{os.path.join('outputs', 'test_scene-2')}{os.sep}report.html" in out
    usual = os.path.join("outputs", "test_scene")
    assert f"warning: {usual} holds another run; this one goes to {usual}-2" in err
    assert [len(ds.load_history(f"outputs/{name}")) for name in left("outputs")] == [2, 3]
    assert main("--iterations", 4, "--no-video", "--seed", 1, "--resume") == 0  # the newest
    assert main("--iterations", 5, "--no-video", "--output", usual, "--resume") == 0  # the one that is named
    assert [len(ds.load_history(f"outputs/{name}")) for name in left("outputs")] == [5, 4]
    assert main("--iterations", 1, "--no-video", "--overwrite") == 0
    assert main("--iterations", 1, "--no-video", "--output", f"{usual}-2") == 0
    assert left("outputs") == ["test_scene", "test_scene-2", "test_scene-2-2"]
    assert [len(ds.load_history(f"outputs/{name}")) for name in left("outputs")] == [1, 4, 1]
    assert main("--overwrite", "--resume") == 2


def test_the_command_that_goes_on_names_the_folder_with_a_number(monkeypatch, capsys):
    monkeypatch.setattr(sys, "orig_argv", ["python", "throw.py", "--output", "mine", "--seed", "3"])
    assert main("--iterations", 1, "--no-video", "--output", "mine") == 0
    usual = ds.Simulation.value_and_grad

    def press(self, params):
        monkeypatch.setattr(ds.Simulation, "value_and_grad", usual)
        os.kill(os.getpid(), signal.SIGINT)
        return usual(self, params)

    monkeypatch.setattr(ds.Simulation, "value_and_grad", press)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main("--iterations", 9, "--no-video", "--output", "mine") == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().out.splitlines()[-1] == "go on    python throw.py --seed 3 --output mine-2 --resume"


# --check


def test_check_prints_a_line_for_each_parameter_and_writes_nothing(capsys):
    assert main("--check") == 0
    assert "scene.initial_velocity" in capsys.readouterr().out
    assert not left(".")


def test_check_of_a_wrong_gradient(monkeypatch, capsys):
    right = ds.Simulation.value_and_grad

    def wrong(self, params):
        loss, grad = right(self, params)
        return loss, {name: 1.001 * value for name, value in grad.items()}  # off by a thousandth

    monkeypatch.setattr(ds.Simulation, "value_and_grad", wrong)
    assert main("--check") == 1
    assert capsys.readouterr().out.rstrip().endswith("DISAGREES")


# What goes wrong


def test_input_error_is_a_line_on_standard_error(capsys):
    assert main("--label", "wrong") == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "InputError: label is [bold]'wrong'[/], which springs[3] cannot be\n")
    assert not left(".")


def test_a_long_message_stays_one_line(capsys):
    assert main("--device", "a" * 200) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_divergence_at_the_first_evaluation(check, monkeypatch, capsys):
    def diverge(self, params):
        raise ds.DivergenceError("velocity is not finite in step 3", array="velocity", env=0, step=3)

    monkeypatch.setattr(ds.Simulation, "value_and_grad", diverge)
    assert main(*check) == 2
    assert capsys.readouterr().err.endswith("DivergenceError: velocity is not finite in step 3\n")
    assert not left(".")


def test_a_picture_that_cannot_be_drawn_does_not_hide_the_result(monkeypatch, capsys):
    monkeypatch.setenv("DIFFSIM_FFMPEG", "no-such-program")
    assert main("--iterations", 2, report=lambda simulation, result: print("reported")) == 1
    out, err = capsys.readouterr()
    assert out.startswith("loss     ")
    assert "\nreported\nfiles    " in out
    assert "loss.png" in out
    assert "optimisation" not in out
    assert err.splitlines()[-1].startswith("not saved: a picture: DIFFSIM_FFMPEG is 'no-such-program'")
    assert [name.split(".")[0] for name in left()] == [name for name in ALL if name != "optimisation"]


def test_a_folder_that_cannot_be_written_does_not_hide_the_result(capsys):
    with open("file", "w"):
        pass
    assert main("--iterations", 2, "--no-video", "--output", "file") == 1
    out, err = capsys.readouterr()
    assert out.startswith("loss     ")
    assert "problem.json" not in out
    assert "\nnot saved: cannot write file" in err


def test_a_part_that_no_loss_looks_at_may_diverge(monkeypatch, capsys):
    usual = ds.Simulation.rollout

    def broken(self, params, *, finite=True):
        made = usual(self, params, finite=finite)
        made.arrays["position"][-1, -1] = float("nan")
        return made

    monkeypatch.setattr(ds.Simulation, "rollout", broken)
    assert main("--iterations", 2) == 0
    assert [name.split(".")[0] for name in left()] == ALL


def test_whatever_a_picture_runs_into_the_result_is_said(monkeypatch, capsys):
    def stumble(*_, **__):
        raise IndexError("beyond")

    monkeypatch.setattr(ds, "write_report", stumble)
    assert main("--iterations", 2) == 1
    out, err = capsys.readouterr()
    assert out.startswith("loss     ")
    assert "not saved: a picture: beyond" in err


def test_without_an_encoder_it_says_in_a_line_what_would_bring_one(monkeypatch, capsys):
    monkeypatch.setattr("diffsim.viewing.video.find_encoder", lambda given: None)
    monkeypatch.setattr(warnings, "filters", [])  # pytest's make them errors
    assert main("--iterations", 1) == 0
    err = capsys.readouterr().err
    assert "optimisation.gif" in left()
    line = next(line for line in err.splitlines() if line.startswith("warning: there is no ffmpeg for an MP4"))
    assert 'pip install "diffsim[video]"' in line
    assert "leave.py" not in err


def test_a_missing_extra_is_named(capsys, monkeypatch):
    def made():
        raise MissingExtraError("load_mjcf needs the package mujoco: pip install 'diffsim[robots]'")

    with pytest.raises(SystemExit) as refused:
        scene_main(made, arguments=[])
    assert refused.value.code == 2
    assert capsys.readouterr().err.startswith("MissingExtraError: load_mjcf needs the package mujoco")


def test_interrupted_while_it_draws(monkeypatch, capsys):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ds, "render_optimisation", press)
    assert main("--iterations", 2) == 130
    assert capsys.readouterr().err.endswith("interrupted: at once; the files already written are whole\n")
    assert [name.split(".")[0] for name in left()] == [name for name in ALL if name != "optimisation"]


# Colours


@pytest.mark.parametrize("colour", [True, False])
def test_no_color_is_respected(colour, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # what makes pytest's stand-in a terminal for rich
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    assert main("--label", "wrong") == 2
    err = capsys.readouterr().err
    assert ("\x1b[1;31m" in err) == colour  # bold and red; bold alone is no colour
    assert "\x1b[3" not in err


# In a process of its own


def test_a_script_elsewhere_writes_below_the_current_folder(script, tmp_path):
    process = script("--iterations", "12", "--no-video")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, left("outputs/throw")[0]) == (0, "history.jsonl"), err
    assert sorted(os.listdir()) == ["outputs", "scripts"]
    assert "\x1b" not in out + err
    assert "\r" not in out + err
    lines = err.splitlines()
    assert lines[0] == "compiling"
    assert lines[1].startswith("1/12  loss ")
    assert lines[-1].startswith("12/12  loss ")
    assert "\nstopped  all 12 iterations are done\n" in out
    assert ds.load_problem("outputs/throw").steps == 5


def test_ctrl_c_keeps_the_best_and_draws_it(script):
    process = script("--iterations", "100000000")
    for line in process.stderr:
        if line.startswith("1/100000000 "):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out.count("stopped") == 1
    assert "stopped  interrupted" in out
    assert out.splitlines()[-1].endswith("throw.py --iterations 100000000 --resume")
    assert "Traceback" not in err
    assert "\x1b" not in out + err
    assert [name.split(".")[0] for name in left("outputs/throw")] == ALL
    history = ds.load_history("outputs/throw")
    assert out.startswith(f"loss     {history[0]['loss']:.6g} at the start, {history[-1]['best']:.6g} at iteration ")
    with ds.Simulation(ds.load_problem("outputs/throw")) as simulation:
        assert simulation.value(ds.load_params("outputs/throw")) == pytest.approx(history[-1]["best"], rel=1e-6)
