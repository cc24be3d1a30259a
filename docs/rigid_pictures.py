"""Make the pictures of docs/rigid_bodies.md anew: ``make pictures``. Prints the numbers that it quotes."""

import sys

import numpy as np
from make_pictures import picture, scene
from trust_pictures import canvas, save

import diffsim as ds
from diffsim.viewing.curves import dress
from diffsim.viewing.style import STYLE

SHOTS = 1000


def fan(zoom: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles of the break's first shot [rad], its losses [m^2], and their slopes by the angle [m^2/rad]."""
    problem = scene("billiards").problem()
    angle = zoom * np.linspace(-1.0, 1.0, SHOTS)
    speed = 0.3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    with ds.Simulation(problem, envs=SHOTS, shared=False, adjoint=ds.Checkpointed()) as simulation:
        params = simulation.params()
        params["scene.initial_velocity[0]"] = speed
        loss, grad = simulation.value_and_grad(params)
    slope = np.sum(grad["scene.initial_velocity[0]"] * np.stack([-speed[:, 1], speed[:, 0]], axis=1), axis=1)
    return angle, np.asarray(loss), slope


def billiards_fan() -> None:
    """The loss of the break over a fan of shooting angles, with the sign of its slope."""
    figure, panels = canvas("1,000 breaks in one launch", "those near the middle")
    for panel, zoom in zip(panels, (0.35, 0.02), strict=True):
        angle, loss, slope = fan(zoom)
        dress(panel, 9.0, "angle of the shot [degrees]", "loss [m$^2$]")
        panel.plot(np.degrees(angle), loss, color=STYLE.text, linewidth=0.5, alpha=0.4)
        for falls, colour in ((True, STYLE.best), (False, STYLE.contracted)):
            shown = (slope < 0.0) == falls
            shown &= slope != 0.0
            words = "falls with the angle" if falls else "rises"
            panel.plot(np.degrees(angle[shown]), loss[shown], ".", color=colour, markersize=2.5, label=words)
        steps = np.diff(loss) / np.diff(angle)
        same = np.sign(steps) == np.sign(0.5 * (slope[1:] + slope[:-1]))
        print(
            f"within {np.degrees(zoom):.1f} degrees: losses from {loss.min():.4f} to {loss.max():.4f} m^2, "
            f"{np.mean(slope == 0.0):.0%} without a slope; from shot to shot the loss moves as the slope says in "
            f"{np.mean(same[steps != 0.0]):.0%}; median slope {np.median(np.abs(slope)):.2g} m^2/rad"
        )
    panels[0].legend(fontsize=8.0, frameon=False, labelcolor=STYLE.text)
    save(figure, "billiards_fan")


def walker() -> None:
    """A rigid robot at three iterations of its training."""
    script = scene("rigid_walker")
    picture(script.problem("Leg"), "rigid_walker", **script.SETTINGS)


if __name__ == "__main__":
    for make in (billiards_fan, walker):
        if make.__name__ in (sys.argv[1:] or [make.__name__]):
            make()
