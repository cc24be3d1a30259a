"""The log of ``scenes/identify_arm.py --friction``: a double pendulum with dry friction, by equations of its own.

``python tests/identification/arm_with_friction.py`` writes it again. Nothing of the package takes part: the equations
of motion of two rods on hinges are those of textbooks (Spong, Hutchinson & Vidyasagar, "Robot Modeling and Control",
2006, section 7.4), friction is F sign(velocity), and a step of time takes 20 microseconds.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

MASS, DAMPING, FRICTION = (1.0, 0.7), (0.05, 0.03), (0.15, 0.06)
LENGTH, CENTRES, INERTIAS, GRAVITY = 0.4, (0.2, 0.15), (0.01, 0.004), 9.81
START, NOISE, EVERY, UNTIL = (1.0, 0.5), 0.005, 0.01, 2.5
STEP, SLOW = 2e-5, 1e-4  # [s], and [rad/s], below which friction is less than all of it
HEADER = "time,shoulder,elbow"
FILE = Path(__file__).parents[2] / "scenes" / "identify_arm_friction.csv"


def pushed(rate: float, loss: float) -> float:
    return loss * rate / math.sqrt(rate * rate + SLOW * SLOW)


def swing() -> tuple[np.ndarray, np.ndarray]:
    """(k,) times [s] and (k, 2) angles [rad] of the arm that is let go."""
    (m1, m2), (c1, c2), (i1, i2) = MASS, CENTRES, INERTIAS
    a, b = START
    u = v = 0.0
    every, kept = round(EVERY / STEP), []
    for step in range(round(UNTIL / STEP) + 1):
        if step % every == 0:
            kept.append((a, b))
        cosine, sine = math.cos(b), math.sin(b)
        both = i2 + m2 * (c2 * c2 + LENGTH * c2 * cosine)
        first = i1 + m1 * c1 * c1 + i2 + m2 * (LENGTH * LENGTH + c2 * c2 + 2.0 * LENGTH * c2 * cosine)
        second = i2 + m2 * c2 * c2
        bend = m2 * LENGTH * c2 * sine
        weight = m2 * c2 * GRAVITY * math.sin(a + b)
        x = bend * (2.0 * u * v + v * v) - (m1 * c1 + m2 * LENGTH) * GRAVITY * math.sin(a) - weight
        y = -bend * u * u - weight
        x -= DAMPING[0] * u + pushed(u, FRICTION[0])
        y -= DAMPING[1] * v + pushed(v, FRICTION[1])
        below = first * second - both * both
        u, v = u + STEP * (second * x - both * y) / below, v + STEP * (first * y - both * x) / below
        a, b = a + STEP * u, b + STEP * v
    return EVERY * np.arange(len(kept)), np.array(kept)


def noisy(angles: np.ndarray, seed: int) -> np.ndarray:
    """What sensors with white noise say of the angles."""
    return angles + NOISE * np.random.default_rng(seed).normal(size=angles.shape)


def written(seed: int = 0) -> str:
    """The file."""
    times, angles = swing()
    rows = (f"{t:.2f},{a:.6f},{b:.6f}" for t, (a, b) in zip(times, noisy(angles, seed), strict=True))
    return "\n".join([HEADER, *rows, ""])


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
