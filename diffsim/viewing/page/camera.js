// From places in the world to pixels, as diffsim/viewing/camera.py: a view fitted to a box, turned and zoomed by hand.

const EYE = 4.5; // The eye is this many times the content's radius away.
const MARGINS = [0.07, 0.16, 0.07, 0.14]; // left, bottom, right, top
const ON_RAIL = [0.09, 0.16, 0.09, 0.2];
const WORDS = 64; // height of the caption of a table, three lines on a phone [pixels]
const ALONG = [0.12, 0.19, 0.12, 0.16];

function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + (a.length > 2 ? a[2] * b[2] : 0);
}

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function bounds(points) {
  const low = points[0].slice();
  const high = points[0].slice();
  for (const point of points) {
    point.forEach((value, k) => {
      low[k] = Math.min(low[k], value);
      high[k] = Math.max(high[k], value);
    });
  }
  return [low, high];
}

class Camera {
  constructor(still) {
    this.still = still;
    this.flat = still.dimension === 2;
    this.reset();
  }

  reset() {
    [this.azimuth, this.elevation] = this.still.outlook;
    this.zoom = 1;
    this.pan = [0, 0];
    this.touched = false;
  }

  // What the camera showed of another iteration, it goes on showing.
  take(other) {
    for (const name of ["azimuth", "elevation", "zoom", "pan", "touched"]) this[name] = other[name];
  }

  turn() {
    if (this.flat) {
      this.axes = [[1, 0], [0, 1]];
      return;
    }
    const [a, e] = [(this.azimuth * Math.PI) / 180, (this.elevation * Math.PI) / 180];
    const towards = [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), Math.sin(e)];
    const right = [-Math.sin(a), Math.cos(a), 0];
    this.axes = [right, cross(towards, right), towards];
  }

  // Fit to the picture. The size is that of the first view: turning does not zoom.
  fit(width, height, track) {
    const still = this.still;
    const points = still.box;
    const [low, high] = bounds(points);
    const middle = low.map((value, k) => 0.5 * (value + high[k]));
    const radius = Math.max(...points.map((p) => Math.hypot(...p.map((v, k) => v - middle[k])))) || 1;
    this.eye = this.flat ? Infinity : EYE * radius;
    this.radius = radius;
    this.centre = middle;
    this.scale = 1;
    this.origin = [0, 0];
    const turned = [this.azimuth, this.elevation];
    [this.azimuth, this.elevation] = still.outlook;
    this.turn();
    const [least, most] = bounds(points.map((p) => this.project(p).slice(0, 2)));
    const margins = (still.follows ? ALONG : still.table ? ON_RAIL : MARGINS).slice();
    // On a small page, too, the words stand on the rail, clear of the cushion.
    if (still.table) margins[3] = Math.max(margins[3], (WORDS + CUSHION * Math.max(width, height)) / height);
    const room = [width * (1 - margins[0] - margins[2]), height * (1 - margins[1] - margins[3])];
    const span = most.map((value, k) => Math.max(value - least[k], 0.1 * radius));
    this.scale = Math.min(room[0] / span[0], room[1] / span[1]);
    const slack = room.map((value, k) => value - this.scale * (most[k] - least[k]));
    const rest = this.flat && still.floor.solid ? 0.15 : 0.5;
    this.origin = [
      width * margins[0] + 0.5 * slack[0] - this.scale * least[0],
      height * margins[3] + (1 - rest) * slack[1] - this.scale * least[1],
    ];
    [this.azimuth, this.elevation] = turned;
    this.turn();
    this.base = this.scale;
    this.scale *= this.zoom;
    if (this.flat) {
      this.origin = this.origin.map((value, k) => (value - [width, height][k] / 2) * this.zoom + [width, height][k] / 2);
    }
    this.origin = [this.origin[0] + this.pan[0], this.origin[1] + this.pan[1]];
    if (track) this.centre = middle.map((value, k) => value + track[k]);
  }

  local(point) {
    const apart = point.map((value, k) => value - this.centre[k]);
    return this.axes.map((axis) => dot(axis, apart));
  }

  // Pixels from the upper left, and nearness to the eye [m]; NaN behind the eye.
  project(point) {
    const [x, y, near = 0] = this.local(point);
    const shrink = 1 - near / this.eye;
    const factor = shrink > 0.02 ? this.scale / shrink : NaN;
    return [this.origin[0] + factor * x, this.origin[1] - factor * y, near];
  }
}

// Hands on the picture: drag turns (3D) or moves (2D), the wheel and two fingers zoom.
function handle(canvas, camera, changed) {
  const pointers = new Map();
  let spread = 0;
  const zoomAt = (factor, at) => {
    const view = camera();
    if (!view) return;
    const before = view.zoom;
    view.zoom = Math.max(0.2, Math.min(20, before * factor));
    if (view.flat) {
      const scale = view.zoom / before;
      const middle = [canvas.clientWidth / 2, canvas.clientHeight / 2];
      const held = at || middle;
      view.pan = view.pan.map((value, k) => (value + middle[k] - held[k]) * scale - middle[k] + held[k]);
    }
    view.touched = true;
    changed();
  };
  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    canvas.setPointerCapture(event.pointerId);
    spread = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    const view = camera();
    if (!last || !view) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()];
      const apart = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (spread) zoomAt(apart / spread);
      spread = apart;
      return;
    }
    const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
    if (view.flat || event.shiftKey) view.pan = [view.pan[0] + dx, view.pan[1] + dy];
    else {
      view.azimuth -= 0.4 * dx;
      view.elevation = Math.max(-5, Math.min(89, view.elevation + 0.4 * dy));
    }
    view.touched = true;
    changed();
  });
  const gone = (event) => {
    pointers.delete(event.pointerId);
    spread = 0;
  };
  canvas.addEventListener("pointerup", gone);
  canvas.addEventListener("pointercancel", gone);
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      zoomAt(Math.exp(-0.0015 * event.deltaY), [event.clientX - box.left, event.clientY - box.top]);
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", () => {
    if (camera()) camera().reset();
    changed();
  });
}
