"""Curves of a run: labels that can be read, and a legend that hides nothing."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from diffsim.viewing import curves, report


def drawn(losses, norms):
    """The axes of a history, drawn."""
    history = [
        {"iteration": k, "loss": loss, "best": min(losses[: k + 1]), "gradient_norm": norm}
        for k, (loss, norm) in enumerate(zip(losses, norms, strict=True))
    ]
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(8.0, 4.5), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        curves._draw_history(figure, history)
        figure.canvas.draw()
    return figure.axes


@pytest.mark.parametrize("spread", [1.05, 1.5, 3.0, 9.0, 30.0, 99.0, 1e3, 1e6])
@pytest.mark.parametrize("lowest", [1.0, 0.37, 6e-4])
def test_labels_of_a_logarithmic_axis_do_not_overlap_and_there_are_some(spread, lowest):
    values = lowest * np.geomspace(spread, 1.0, 40)
    losses, norms = drawn((values * 100.0).tolist(), values.tolist())
    for axes in (losses, norms):
        boxes = [label.get_window_extent() for label in axes.get_yticklabels(which="both") if label.get_text()]
        low, high = axes.bbox.y0 - 20.0, axes.bbox.y1 + 20.0
        shown = sorted((box.y0, box.y1) for box in boxes if low < box.y0 and box.y1 < high)
        assert len(shown) >= 2
        assert all(below[1] <= above[0] for below, above in pairwise(shown))


def test_the_legend_is_above_the_curves():
    losses, _ = drawn(np.linspace(3.0, 1.0, 9).tolist(), np.ones(9).tolist())
    assert losses.get_legend().get_window_extent().y0 >= losses.bbox.y1 - 1.0


@pytest.mark.parametrize("far", [1e12, 2.5e293])
def test_a_trial_that_led_nowhere_leaves_the_axis_to_the_others(far):
    losses, norms = drawn([0.3, 0.1, far, 0.01], [1.0, 0.5, far, 0.1])
    assert losses.get_ylim()[1] < 10.0
    assert norms.get_ylim()[1] < 100.0
    history = [{"iteration": k, "loss": x, "best": 0.3, "gradient_norm": x} for k, x in enumerate([0.3, far])]
    assert report._curves(history)["loss"] == report._curves(history)["norm"] == [0.3, None]
