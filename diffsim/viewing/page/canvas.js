// Strokes, discs and areas in pixels, and what pictures in two and three dimensions have in common.

class Canvas {
  constructor(context, width, height) {
    this.context = context;
    this.width = width;
    this.height = height;
    // Widths and letters are given for a picture of 512 by 512, as in diffsim/viewing/canvas.py.
    this.unit = Math.min(Math.sqrt(width * height), 1.15 * height, 1.15 * width) / 512;
    this.unit = Math.max(this.unit, 0.6);
    context.lineCap = "round";
    context.lineJoin = "round";
  }

  path(points, closed = false) {
    const context = this.context;
    context.beginPath();
    points.forEach((p, k) => (k ? context.lineTo(p[0], p[1]) : context.moveTo(p[0], p[1])));
    if (closed) context.closePath();
  }

  stroke(points, colour, width) {
    this.path(points);
    this.context.strokeStyle = colour;
    this.context.lineWidth = width;
    this.context.stroke();
  }

  fill(points, colour) {
    this.path(points, true);
    this.context.fillStyle = colour;
    this.context.fill();
  }

  disc(centre, diameter, colour) {
    const context = this.context;
    context.beginPath();
    context.arc(centre[0], centre[1], Math.max(0.5 * diameter, 0), 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
  }

  text(words, place, colour, align = "center", size = 10.5) {
    const context = this.context;
    const letters = Math.max(size * this.unit, 9.5);
    context.font = `${letters}px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif`;
    context.fillStyle = colour;
    context.textAlign = align;
    context.textBaseline = "top";
    context.fillText(words, place[0], place[1]);
  }

  // An arrow from a dot, as in diffsim/viewing/painting/arrows.py.
  arrow(tail, tip, colour) {
    const unit = this.unit;
    const way = [tip[0] - tail[0], tip[1] - tail[1]];
    const long = Math.hypot(...way);
    this.disc(tail, 4.5 * unit, colour);
    if (!(long > 0.5)) return;
    const along = way.map((value) => value / long);
    const across = [-along[1], along[0]];
    const head = Math.min(7.2 * unit, long);
    const at = (forth, side) => tail.map((value, k) => value + forth * along[k] + side * across[k]);
    const half = 3 * unit;
    const base = long - head;
    this.fill(
      [at(0, -0.4 * half), at(base, -0.4 * half), at(base, -half), at(long, 0), at(base, half), at(base, 0.4 * half), at(0, 0.4 * half)],
      colour,
    );
  }
}

function fine(...values) {
  return values.every((value) => value.every(Number.isFinite));
}

// The least of 1, 2, 5 times a power of ten that is not below a number.
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((k) => k * power).find((value) => value >= least * (1 - 1e-9));
}

// A number with the digits that a step needs, and a proper minus.
function metres(value, step) {
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return (value.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1") + " m").replace("-", "−");
}

function plus(point, way, factor = 1) {
  return point.map((value, k) => value + factor * way[k]);
}

function gap(floor, point) {
  return dot(floor.normal, point) - floor.height;
}

function foot(floor, point) {
  return plus(point, floor.normal, -gap(floor, point));
}

// Rows of three or two numbers of a flat list.
function places(flat, size) {
  const found = [];
  for (let k = 0; k < flat.length; k += size) found.push(Array.from(flat.subarray(k, k + size)));
  return found;
}

function paintGoals(canvas, view, still) {
  for (const goal of still.goals) {
    const at = view.project(goal);
    if (!fine(at)) continue;
    if (!view.flat) {
      const below = view.project(foot(still.floor, goal));
      canvas.stroke([below, at], faded(named("goal"), 0.5), 1.4 * canvas.unit);
      canvas.disc(below, 6 * canvas.unit, faded(named("goal"), 0.5));
    }
    const colours = [named("goal"), named("sky"), named("goal")];
    [21, 16, 9].forEach((size, k) => canvas.disc(at, size * canvas.unit, colours[k]));
  }
}
