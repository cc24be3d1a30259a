"""What is shown while a run goes on: a bar, lines or warnings."""

from __future__ import annotations

import io
import logging
import math
import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from diffsim.tuning import SGD, tune
from diffsim.tuning.progress import Bar, Lines, Silent, progress_for


class Unbounded:
    """A problem without bounds."""

    def limits(self, name):
        return -math.inf, math.inf


class Cliff:
    """The loss (x - 3)^2 + 2, not finite beyond ``edge``."""

    shared, envs, problem = True, 1, Unbounded()

    def __init__(self, edge=math.inf):
        self.edge = edge

    def params(self, seed=0):
        return {"x": np.array(0.0)}

    def value_and_grad(self, params):
        x = params["x"]
        return (float((x - 3.0) ** 2 + 2.0) if x <= self.edge else math.nan), {"x": 2.0 * (x - 3.0)}


def test_rejections_are_logged_without_a_bar_and_only_the_first_few(caplog):
    with caplog.at_level(logging.WARNING, logger="diffsim"):
        tune(Cliff(0.0), optimizer=SGD(0.1), iterations=100, progress=False)
    assert len(caplog.messages) == 5
    assert caplog.messages[0].startswith("iteration 1 rejected: the loss is nan; back to")
    assert caplog.messages[4].endswith("(later ones are only in the history)")


def test_plain_lines_where_there_is_no_terminal(capsys):
    tune(Cliff(2.0), optimizer=SGD(0.3), iterations=200)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0] == "compiling"
    assert lines[1].startswith("1/200  loss 11  best 11  |grad| 6")
    assert any(line.startswith("warning: iteration 2 rejected: the loss is nan") for line in lines)
    counts = [line.split("/")[0] for line in lines if "/200" in line]
    assert counts == ["1", *(str(20 * k) for k in range(1, 11))]
    assert lines[-2] == "stopped: all 200 iterations are done"
    assert lines[-1].startswith(
        "note: 69 of 200 steps were rejected, the last because the loss is nan; `diffsim health`"
    )
    assert "left" in lines[-3]


def test_slow_runs_get_a_line_each_five_seconds(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr("diffsim.tuning.progress.time.monotonic", lambda: now[0])
    lines = Lines(1000)
    for iteration in range(9):
        record = {"iteration": iteration, "loss": 1.0, "best": 1.0, "gradient_norm": 1.0, "seconds": 2.0 * iteration}
        lines.update(record)
        now[0] += 2.0
    found = capsys.readouterr().err.splitlines()
    assert [line.split("/")[0] for line in found] == ["1", "4", "7"]
    assert found[1].endswith("6.0 s, 33:12 left")  # 996 iterations of 2 s


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", Terminal())
    shown = {}

    class Watched(Cliff):
        def value_and_grad(self, params):
            shown.setdefault("before the first evaluation ends", sys.stderr.getvalue())
            return super().value_and_grad(params)

    tune(Watched(), optimizer=SGD(0.1), iterations=30)
    text = sys.stderr.getvalue()
    assert "compiling" in shown["before the first evaluation ends"]
    assert "30/30" in text
    assert "loss" in text
    assert "stopped: all 30 iterations are done" in text


@pytest.mark.parametrize("columns", [24, 40, 64, 120])
def test_a_narrow_terminal_has_what_fits_and_always_the_count(columns, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stderr", Terminal())
    tune(Cliff(), optimizer=SGD(0.1), iterations=30)
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", sys.stderr.getvalue())
    last = next(line for line in reversed(re.split(r"[\r\n]+", text)) if "30/30" in line)
    assert len(last.rstrip()) <= columns
    assert "best " in last
    assert "…" not in last  # nothing is cut off
    assert ("━" in last) == (columns >= 60)


def test_which_progress(monkeypatch):
    assert isinstance(progress_for(False, 3), Silent)
    assert isinstance(progress_for(None, 3), Lines)  # pytest's stderr is no terminal
    assert isinstance(progress_for(True, 3), Bar)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress_for(None, 3), Bar)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_for(None, 3), Lines)


class Shown:
    """A notebook's output: every state of every bar."""

    def __init__(self):
        self.bars = []

    def display(self, bundle, *, raw, display_id):
        assert raw
        assert display_id
        self.bars.append([bundle])
        return self

    def update(self, bundle, *, raw):
        assert raw
        self.bars[-1].append(bundle)


@pytest.fixture
def notebook(monkeypatch):
    """Stands for IPython with a kernel."""
    shown = Shown()
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())
    display.display = shown.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def test_a_notebook_has_one_bar(notebook, capsys):
    tune(Cliff(2.0), optimizer=SGD(0.3), iterations=30)
    assert capsys.readouterr() == ("", "")
    (states,) = notebook.bars
    assert states[0]["text/plain"] == "compiling"
    last = states[-1]
    assert last["text/plain"].startswith("30/30  loss ")
    assert last["text/html"].startswith('<progress value="1.0000" max="1"></progress> <code>30/30  loss ')
    lines = last["text/plain"].splitlines()
    assert "stopped: all 30 iterations are done" in lines
    assert any(line.startswith("warning: iteration 2 rejected") for line in lines)
    assert "steps were rejected" in lines[-1]


def test_ipython_in_a_terminal_is_a_terminal(notebook, monkeypatch):
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", SimpleNamespace)
    assert isinstance(progress_for(None, 3), Lines)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    assert isinstance(progress_for(None, 3), Lines)


def test_a_progress_of_ones_own(capsys):
    class Own(Silent):
        seen = ()

        def close(self, stopped, findings=()):
            self.seen = (stopped, findings)

    own = Own()
    tune(Cliff(), optimizer=SGD(0.1), iterations=3, progress=own)
    assert own.seen == ("all 3 iterations are done", ())
    assert capsys.readouterr() == ("", "")


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for setting, wanted in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", setting)
        monkeypatch.setattr(sys, "stderr", Terminal())
        tune(Cliff(2.0), optimizer=SGD(0.3), iterations=5)
        assert ("\x1b[33m" in sys.stderr.getvalue()) == wanted  # the yellow of a warning


def test_a_closed_stderr_does_not_end_the_run(monkeypatch):
    stream = io.StringIO()
    stream.close()
    lines = Lines(3)
    monkeypatch.setattr(sys, "stderr", stream)
    lines.start()
    lines.note("a warning")
    lines.close("done")
