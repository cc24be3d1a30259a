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

  // An arrow from a dot, as in diffsim/viewing/drawings/contacts.py.
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

// What is asked of each actuator, from -1 to 1 as its colour tells.
function levels(still, asked) {
  return (still.gains || []).map((gain, k) => (asked && k < asked.length ? gain * asked[k] : 0));
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

// Springs and points, the far ones first; see diffsim/viewing/drawings/mass_spring.py.
function paintPoints(canvas, view, still, points, level) {
  if (!still.points) return;
  const { unit } = canvas;
  const lines = still.lines || { ends: [], driven: [], actuators: [], length: 0 };
  const flat = view.flat;
  const width = Math.min(Math.max((lines.length * view.scale) / (flat ? 10 : 16), 1.2 * unit), 4.5 * unit);
  const pixels = points.map((point) => view.project(point));
  const context = canvas.context;
  context.beginPath();
  for (const corner of still.flesh || []) {
    const [a, b, c] = corner.map((k) => pixels[k]);
    if (!fine(a, b, c)) continue;
    const turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0; // all one way round
    context.moveTo(a[0], a[1]);
    for (const [x, y] of turn ? [b, c] : [c, b]) context.lineTo(x, y);
    context.closePath();
  }
  context.fillStyle = named("flesh");
  context.fill();
  const passive = named("passive");
  const colours = lines.ends.map(() => passive);
  const widths = lines.ends.map(() => (flat ? width : 0.6 * width));
  lines.driven.forEach((line, k) => {
    colours[line] = muscle(level[lines.actuators[k]]);
    widths[line] = 1.5 * width;
  });
  const diameter = still.points.ball ? 14 * unit : 2.1 * width;
  const pinned = new Set(still.points.pinned);
  const strokes = lines.ends.map(([a, b], k) => ({
    ends: [pixels[a], pixels[b]], colour: colours[k], width: widths[k], near: 0.5 * (pixels[a][2] + pixels[b][2]),
  }));
  pixels.forEach((at, k) => {
    const colour = named(pinned.has(k) ? "pinned" : "point");
    strokes.push({ ends: [at], colour, width: diameter, near: at[2] });
  });
  const seen = strokes.filter((stroke) => fine(...stroke.ends));
  if (!flat) byDepth(seen);
  for (const { ends, colour, width: wide } of seen) {
    if (ends.length === 1) canvas.disc(ends[0], wide, colour);
    else canvas.stroke(ends, colour, wide);
  }
}

// The far ones first and paler.
function byDepth(strokes) {
  strokes.sort((a, b) => a.near - b.near);
  if (!strokes.length) return;
  const high = strokes[strokes.length - 1].near;
  const span = high - strokes[0].near || 1;
  for (const stroke of strokes) {
    const haze = 0.62 * Math.min(Math.max((high - stroke.near) / span, 0), 1);
    stroke.colour = mix(stroke.colour, named("flesh"), haze);
    stroke.width *= 1 - 0.35 * haze;
  }
}
