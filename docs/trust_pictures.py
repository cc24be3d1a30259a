"""Make the pictures of docs/trust.md anew, from real runs: ``make pictures``. Prints the numbers that it quotes."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import diffsim as ds
from diffsim.viewing.curves import dress
from diffsim.viewing.style import STYLE

IMAGES = Path(__file__).parent / "images"


def canvas(*titles: str, size: tuple[float, float] = (9.6, 3.2)):
    """A figure with a panel for each title."""
    figure = Figure(figsize=size, dpi=120, facecolor=STYLE.sky, layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(1, len(titles)))
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title, fontsize=10.0, color=STYLE.text, loc="left")
    return figure, panels


def save(figure: Figure, name: str) -> None:
    """Write the figure as an image of the docs."""
    figure.savefig(IMAGES / f"{name}.png")


def ball(time_of_impact: bool, steps: int = 280, time: float = 0.7) -> ds.Problem:
    """A ball that falls from about 1 m and bounces; its height at 0.7 s."""
    ground = ds.Ground(restitution=0.8, friction=0.0, time_of_impact=time_of_impact)
    scene = ds.MassSpring(points=[[0.0, 1.0]], ground=ground, dt=time / steps)
    return ds.Problem(
        scene,
        None,
        ds.Travel(point=0, direction=(0.0, -1.0), origin=(0.0, 0.0)),
        steps=steps,
        tune=("scene.initial_position",),
    )


def bounce() -> None:
    """The height after a bounce, against the height of the drop, and its slope with and without time of impact."""
    heights = np.linspace(0.8, 1.4, 241)
    drops = np.stack([np.zeros_like(heights), heights], axis=1)[:, None, :]
    found = {}
    for exact in (True, False):
        with ds.Simulation(ball(exact), precision="f64", envs=len(heights), shared=False) as sim:
            loss, grad = sim.value_and_grad({"scene.initial_position": drops})
        found[exact] = loss, grad["scene.initial_position"][:, 0, 1]
    speed = np.sqrt(2.0 * 9.81 * heights)
    fall, left = speed / 9.81, 0.7 - speed / 9.81
    truth = 0.8 * (9.81 / speed * left - 1.0) + 9.81 * left / speed
    figure, (left_panel, right_panel) = canvas("height after the bounce", "its slope")
    dress(left_panel, 9.0, "dropped from [m]", "height after 0.7 s [m]")
    dress(right_panel, 9.0, "dropped from [m]", "slope")
    names = {True: "with time of impact", False: "without"}
    for exact, colour in ((False, STYLE.contracted), (True, STYLE.best)):
        loss, slope = found[exact]
        left_panel.plot(heights, loss, color=colour, linewidth=1.6, label=names[exact])
        right_panel.plot(heights, slope, color=colour, linewidth=1.6, label=f"gradient {names[exact]}")
    right_panel.plot(heights, truth, "--", color=STYLE.text, linewidth=1.0, label="closed form")
    for panel in (left_panel, right_panel):
        panel.legend(frameon=False, fontsize=8.0, labelcolor=STYLE.text)
    save(figure, "bounce")
    middle = int(np.abs(heights - 1.3).argmin())
    print(
        f"bounce: slope at 1.3 m: {found[True][1][middle]:+.3f} with, {found[False][1][middle]:+.3f} without time of "
    )
    print(f"        impact; closed form {truth[middle]:+.3f}; fall {fall[middle]:.3f} s")


def walker(robot: str) -> ds.Problem:
    """A walker of the scene script."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "scenes"))
    import mass_spring_walker

    return mass_spring_walker.problem(robot)


def growth() -> None:
    """Norm of the adjoint of robots A and C in both precisions, where plain Adam met the longest gradient."""
    for robot in "AC":
        met = []
        with ds.Simulation(walker(robot)) as sim:
            ds.tune(sim, progress=False, callback=lambda record, params: met.append((record, params)))  # noqa: B023
            record, params = max(met, key=lambda pair: pair[0]["gradient_norm"])
            report = ds.gradient_health(sim, params)
        ds.plot_health(report, IMAGES / f"health_{robot}.png", size=(900, 420))
        norms = [record["gradient_norm"] for record, _ in met]
        print(f"robot {robot}: norms of 100 gradients: median {np.median(norms):.2g}, largest {max(norms):.2g}")
        print(f"there, in iteration {record['iteration']}:\n{report}\n")


def chaos() -> None:
    """The loss of robot A along a line, near and far, and what the estimators make of its slope."""
    problem = walker("A")
    problem = replace(
        problem, controller=ds.Sine(amplitude=0.7, frequency=20.0, saturate=False), tune=("controller.*",)
    )
    with ds.Simulation(problem, adjoint=ds.Truncated(100)) as sim:
        centre = ds.tune(sim, optimizer=ds.Adam(0.02), clip=1.0, iterations=30, progress=False).best_params
    with ds.Simulation(problem, envs=64, shared=False) as sim:
        downhill = ds.estimate_gradient(sim, centre, estimator="zeroth", sigma=0.1, rounds=64, seed=9).gradient
    length = np.sqrt(sum(np.sum(value**2) for value in downhill.values()))
    way = {name: value / length for name, value in downhill.items()}
    figure, (far, near, slopes) = canvas("loss along a line", "closer", "slope there, by estimator", size=(10.8, 3.2))
    with ds.Simulation(problem, precision="f64", envs=401, shared=False) as sim:
        for panel, reach in ((far, 0.5), (near, 1e-4)):
            at = np.linspace(-reach, reach, 401)
            params = {n: v + at.reshape(-1, *[1] * v.ndim) * way[n] for n, v in centre.items()}
            losses, grad = sim.value_and_grad(params)
            dress(panel, 9.0, "distance along the line", "loss [m]")
            panel.ticklabel_format(axis="x", style="sci", scilimits=(-2, 2))
            panel.locator_params(axis="x", nbins=5)
            panel.plot(at, losses, color=STYLE.best, linewidth=1.0)
            slope = sum(np.sum(grad[n][200] * way[n]) for n in way)
            span = np.array([-0.25, 0.25]) * (np.ptp(losses) / max(abs(slope), 1e-9))
            span = np.clip(span, -reach, reach)
            panel.plot(span, losses[200] + slope * span, color=STYLE.contracted, linewidth=1.6, label="gradient")
            panel.legend(frameon=False, fontsize=8.0, labelcolor=STYLE.text)
            print(f"chaos: slope {slope:+.4g} at the middle; losses from {losses.min():.3f} to {losses.max():.3f}")
    dress(slopes, 9.0, "samples", "slope of the smoothed loss")
    with ds.Simulation(problem, envs=64, shared=False) as sim:
        for shift, (name, colour) in enumerate(
            (("first", STYLE.contracted), ("mixed", STYLE.goal), ("zeroth", STYLE.best))
        ):
            for rounds in (1, 4, 16, 64):
                found = ds.estimate_gradient(sim, centre, estimator=name, sigma=0.1, rounds=rounds, seed=1)
                slope = sum(np.sum(found.gradient[n] * way[n]) for n in way)
                variance = {"first": found.variance_first, "zeroth": found.variance_zeroth}.get(name)
                error = 0.0
                if variance is not None:
                    error = np.sqrt(sum(np.sum(variance[n] * way[n] ** 2) for n in way))
                style = {"color": colour, "markersize": 4.0, "capsize": 2.0, "linewidth": 1.0}
                label = name if rounds == 1 else None
                slopes.errorbar(64 * rounds * (0.9 + 0.1 * shift), slope, error, fmt="o", label=label, **style)
                about = f"slope {slope:+.4g} +- {error:.2g}, alpha {found.alpha:.3g}"
                print(f"chaos: {name:6} {64 * rounds:5d} samples: {about}")
    slopes.set_xscale("log")
    slopes.set_yscale("symlog", linthresh=1.0)
    slopes.axhline(0.0, color=STYLE.quiet, linewidth=0.6)
    slopes.legend(frameon=False, fontsize=8.0, labelcolor=STYLE.text)
    save(figure, "chaos")


if __name__ == "__main__":
    bounce()
    growth()
    chaos()
