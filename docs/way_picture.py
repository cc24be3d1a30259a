"""Draw images/way.svg, the way of one parameter through the program: ``make pictures``.

Every box is filled and has its own letters, lines are of a middle grey: readable on white and on black.
"""

from pathlib import Path
from xml.sax.saxutils import escape

OUT = Path(__file__).parent / "images" / "way.svg"
WIDTH, HEIGHT = 980, 476

# What a box is: its fill, its outline, its letters.
NUMPY = ("#dff0e2", "#4d7d5a", "#20402a")
FIELD = ("#dbe7f7", "#4a658f", "#1f3558")
STAGE = ("#f7e6c4", "#93773f", "#4d3a12")
ADJOINT = ("#eadff3", "#6d5c92", "#3a2a5c")
LINE = "#8a8f99"

# Rows of boxes from left to right: (words, second line, what it is). Names are those of the source.
ONCE = [
    ('params["controller.phase"]', "NumPy, float64", NUMPY),
    ("wave.phase", "field (env, actuator)", FIELD),
    ("split_wave", "stage, prepare", STAGE),
    ("clock.parts", "field (env, actuator)", FIELD),
]
EACH = [
    ("shared_wave", "stage, controller", STAGE),
    ("motion.actuation", "field (env, row, muscle)", FIELD),
    ("muscle_force", "stage, model", STAGE),
    ("motion.force", "field (env, row, point)", FIELD),
    ("advance", "stage, model", STAGE),
    ("motion.position", "row + 1", FIELD),
]
LAST = [
    ("centre", "stage, model", STAGE),
    ("motion.centre", "field (env, row, 0)", FIELD),
    ("formula", "of the objective", STAGE),
    ("loss", "field (env,)", FIELD),
]
BACK = [
    ('grad["controller.phase"]', "NumPy, float64", NUMPY),
    ("phase.grad", "summed over env", ADJOINT),
    ("actuation.grad", "every row", ADJOINT),
    ("force.grad", "every row", ADJOINT),
    ("position.grad", "last row first", ADJOINT),
    ("loss.grad = 1", "the tape turns", ADJOINT),
]
FRAMES = [("once", ONCE, 40), ("every step", EACH, 150), ("last row", LAST, 270), ("reversed", BACK, 390)]
TALL, LEFT, RIGHT = 46, 112, 970


def boxes(row: list[tuple[str, str, tuple[str, str, str]]]) -> list[tuple[float, float]]:
    """Left edge and width of each box: as wide as its words, evenly apart."""
    wide = [max(7.3 * len(words), 6.2 * len(below)) + 14 for words, below, _ in row]
    gap = (RIGHT - LEFT - sum(wide)) / max(len(row) - 1, 1)
    gap = min(gap, 46.0)
    places, x = [], float(LEFT)
    for width in wide:
        places.append((x, width))
        x += width + gap
    return places


def arrow(points: list[tuple[float, float]], dashed: bool = False) -> str:
    """A line through the points, with a head at its end."""
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.8"{dash} marker-end="url(#head)"/>'


def label(x: float, y: float, words: str, anchor: str = "middle") -> str:
    """Words beside a line."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="side">{escape(words)}</text>'


def draw() -> str:
    """The whole picture."""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 30 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-label="The way of one parameter: from params through fields and stages to the loss, and back '
        'as an adjoint to grad">',
        "<style>text{font-family:DejaVu Sans,Verdana,sans-serif}.name{font-size:12px;font-weight:600}"
        f".below{{font-size:10px}}.side{{font-size:11px;fill:{LINE}}}</style>",
        f'<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 z" fill="{LINE}"/></marker></defs>',
    ]
    placed = {}
    for title, row, y in FRAMES:
        placed[title] = places = boxes(row)
        out.append(label(12, y + TALL / 2 + 4, title, "start"))
        middle = y + TALL / 2
        for k, ((x, width), (words, below, (fill, edge, ink))) in enumerate(zip(places, row, strict=True)):
            corner = 14 if fill == STAGE[0] else 4
            out.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{TALL}" rx="{corner}" fill="{fill}" '
                f'stroke="{edge}" stroke-width="1.4"/>'
            )
            for dy, name, said in ((20, "name", words), (36, "below", below)):
                out.append(
                    f'<text x="{x + width / 2:.1f}" y="{y + dy}" text-anchor="middle" class="{name}" '
                    f'fill="{ink}">{escape(said)}</text>'
                )
            if k:
                before = places[k - 1][0] + places[k - 1][1]
                there = (before, middle), (x, middle)
                out.append(arrow([(x - 2, middle), (before + 2, middle)] if title == "reversed" else [*there]))
    (once, every, last, back) = (placed[title] for title, _, _ in FRAMES)

    def mid(place: tuple[float, float]) -> float:
        return place[0] + place[1] / 2

    # From one row to the next, and the loop over steps.
    out.append(arrow([(mid(once[-1]), 86), (mid(once[-1]), 118), (mid(every[0]), 118), (mid(every[0]), 148)]))
    out.append(arrow([(mid(every[-1]), 196), (mid(every[-1]), 214), (mid(every[2]), 214), (mid(every[2]), 198)], True))
    out.append(label(mid(every[4]) - 40, 229, "the next step starts from it: row by row"))
    down = [(mid(every[-1]) + 30, 196), (mid(every[-1]) + 30, 246), (mid(last[0]), 246), (mid(last[0]), 268)]
    out.append(arrow(down))
    out.append(arrow([(mid(last[-1]), 316), (mid(last[-1]), 350), (mid(back[-1]), 350), (mid(back[-1]), 388)]))
    out.append(label(mid(last[-1]) + 12, 343, "every stage again, backwards, by Taichi's reverse mode", "start"))
    # tune closes the circle, at the left.
    x = mid(back[0])
    out += [arrow([(x, 436), (x, 454)]), arrow([(LEFT, 476), (92, 476), (92, 63), (LEFT - 2, 63)])]
    out.append(
        f'<rect x="{LEFT}" y="456" width="300" height="40" rx="4" fill="{NUMPY[0]}" stroke="{NUMPY[1]}" '
        f'stroke-width="1.4"/><text x="{LEFT + 150}" y="473" text-anchor="middle" class="name" fill="{NUMPY[2]}">tune'
        f'</text><text x="{LEFT + 150}" y="488" text-anchor="middle" class="below" fill="{NUMPY[2]}">'
        "a step against the gradient: the next params</text>"
    )
    out.append("</svg>")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    OUT.write_text(draw())
