// Solids pixel by pixel, as diffsim/viewing/solids.py and ray_casting.py: where the ray of a pixel meets a sphere, a capsule, ...
// Surfaces are smooth at any size, and solids that overlap meet where they really do.

const DARK = 0.64;
const BRIGHT = 1.12;
const LIGHT = [-0.25, -0.12, 1.0]; // where the sun is
const FROM_EYE = 0.55;
const NOWHERE = -1e9;

function rotationOf([w, x, y, z]) {
  const s = 1 / Math.hypot(w, x, y, z);
  [w, x, y, z] = [w * s, x * s, y * s, z * s];
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
}

function times(matrix, vector) {
  return matrix.map((row) => row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2]);
}

function product(one, other) {
  return one.map((row) => [0, 1, 2].map((k) => row[0] * other[0][k] + row[1] * other[1][k] + row[2] * other[2][k]));
}

function column(matrix, k) {
  return [matrix[0][k], matrix[1][k], matrix[2][k]];
}

// Colour, coverage and nearness of every pixel.
class Layers {
  constructor() {
    this.width = 0;
    this.height = 0;
    this.sheet = document.createElement("canvas");
  }

  // Empty, for a picture of this size with so many samples per pixel of the page.
  begin(view, width, height, ratio) {
    const [columns, rows] = [Math.ceil(width * ratio), Math.ceil(height * ratio)];
    if (columns !== this.width || rows !== this.height) {
      [this.width, this.height] = [columns, rows];
      this.colour = new Float32Array(3 * columns * rows);
      this.coverage = new Float32Array(columns * rows);
      this.near = new Float32Array(columns * rows).fill(NOWHERE);
      [this.sheet.width, this.sheet.height] = [columns, rows];
      this.used = null;
    }
    this.wipe();
    this.view = view;
    this.ratio = ratio;
    this.eye = 1 / view.eye;
    this.scale = view.scale * ratio;
    this.origin = view.origin.map((value) => value * ratio);
    const sun = view.axes.map((axis) => dot(axis, LIGHT) / Math.hypot(...LIGHT));
    sun[2] += FROM_EYE;
    const long = Math.hypot(...sun);
    this.light = sun.map((value) => value / long);
  }

  wipe() {
    if (!this.used) return;
    const [left, top, right, bottom] = this.used;
    for (let y = top; y < bottom; y++) {
      const [from, to] = [y * this.width + left, y * this.width + right];
      this.colour.fill(0, 3 * from, 3 * to);
      this.coverage.fill(0, from, to);
      this.near.fill(NOWHERE, from, to);
    }
    this.used = null;
  }

  // Solids {shape, centre, rotation, size, fill, edge, alpha} in the world; what is below the floor is hidden by it.
  paint(solids, floor, outline) {
    const seen = [];
    for (const solid of solids) {
      const centre = this.view.local(solid.centre);
      if (!fine(centre) || !solid.rotation.every((row) => fine(row)) || !(solid.alpha > 0)) continue;
      if (centre[2] * this.eye > 0.98) continue;
      seen.push({ ...solid, centre, axes: product(this.view.axes, solid.rotation) });
    }
    seen.sort((a, b) => a.centre[2] - b.centre[2]);
    let ground = null;
    if (floor.solid && dot(floor.normal, this.view.axes[2]) > 0) {
      ground = { normal: times(this.view.axes, floor.normal), height: gap(floor, this.view.centre) };
    }
    paintSurfaces(this, seen.filter(({ surface }) => surface), ground, outline * this.ratio);
    for (const solid of seen) if (!solid.surface) this.solid(solid, ground, outline * this.ratio);
  }

  // Onto the picture.
  put(context, width, height) {
    if (!this.used) return;
    const [left, top, right, bottom] = this.used;
    const image = new ImageData(right - left, bottom - top);
    const pixels = image.data;
    for (let y = top, to = 0; y < bottom; y++) {
      for (let x = left, at = y * this.width + left; x < right; x++, at++, to += 4) {
        const cover = this.coverage[at];
        if (cover <= 0) continue;
        const share = 1 / cover;
        pixels[to] = this.colour[3 * at] * share;
        pixels[to + 1] = this.colour[3 * at + 1] * share;
        pixels[to + 2] = this.colour[3 * at + 2] * share;
        pixels[to + 3] = 255 * cover;
      }
    }
    const sheet = this.sheet.getContext("2d");
    sheet.clearRect(0, 0, this.width, this.height); // or the frame before would show at the edges of an enlarged part
    sheet.putImageData(image, left, top);
    const part = [left, top, right - left, bottom - top];
    context.drawImage(this.sheet, ...part, ...part.map((value) => value / this.ratio));
  }

  // Whether something covers a place of the page that is nearer by more than a depth [m].
  hidden(pixel, depth) {
    const [x, y] = [Math.floor(pixel[0] * this.ratio), Math.floor(pixel[1] * this.ratio)];
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return false;
    return this.near[y * this.width + x] > pixel[2] + depth;
  }

  pixel(point) {
    const shrink = 1 - point[2] * this.eye;
    if (shrink <= 0.02) return null;
    return [this.origin[0] + (this.scale * point[0]) / shrink, this.origin[1] - (this.scale * point[1]) / shrink];
  }

  // The rectangle that a solid may cover, and the outline of what has corners.
  extent(solid) {
    const { shape, centre, axes, size } = solid;
    const whole = [0, 0, this.width, this.height];
    let [low, high, hull] = [null, null, null];
    if (shape === "box" || shape === "cylinder") {
      const pixels = cornersOf(shape, centre, axes, size).map((p) => this.pixel(p));
      if (pixels.some((p) => p === null)) return { part: whole, hull: null };
      hull = hullOf(pixels);
      if (!hull) return null;
      [low, high] = bounds(hull);
    } else {
      const half = shape === "capsule" ? size[1] : 0;
      const radius = shape === "ellipsoid" ? Math.max(...size) : size[0];
      for (const sign of [-1, 1]) {
        const end = plus(centre, column(axes, 2), sign * half);
        const shrink = 1 - (end[2] + radius) * this.eye;
        const at = this.pixel(end);
        if (shrink <= 0.02 || !at) return { part: whole, hull: null };
        const reach = (1.03 * radius * this.scale) / shrink;
        low = at.map((v, k) => (low ? Math.min(low[k], v - reach) : v - reach));
        high = at.map((v, k) => (high ? Math.max(high[k], v + reach) : v + reach));
      }
    }
    const part = [
      Math.max(Math.floor(low[0] - 1), 0), Math.max(Math.floor(low[1] - 1), 0),
      Math.min(Math.ceil(high[0] + 1), this.width), Math.min(Math.ceil(high[1] + 1), this.height),
    ];
    return part[0] < part[2] && part[1] < part[3] ? { part, hull } : null;
  }

  solid(solid, ground, outline) {
    const extent = this.extent(solid);
    if (!extent) return;
    const [left, top, right, bottom] = extent.part;
    const { centre, size } = solid;
    const e = this.eye;
    const shrink = 1 - centre[2] * e;
    const scale = this.scale / shrink;
    const meet = MEETS[solid.shape](solid, this.light, scale, e);
    const sides = extent.hull ? sidesOf(extent.hull) : null;
    const [cx, cy, cz] = centre;
    const fill = rgb(solid.fill);
    const [fr, fg, fb] = fill;
    const [er, eg, eb] = rgb(solid.edge);
    const most = Math.min(BRIGHT, 1 / Math.max(Math.max(...fill) / 255, 0.5)); // no channel is cut off
    const [base, range] = [0.5 * (DARK + most), 0.5 * (most - DARK)];
    const height = ground ? dot(ground.normal, centre) + ground.height : Infinity;
    const below = height < Math.hypot(...size) ? ground.normal : null;
    const { colour, coverage, near: nearness } = this;
    const hit = { near: 0, inside: 0, light: 0, crease: Infinity };
    const [ox, oy] = this.origin;
    const per = 1 / this.scale;
    for (let row = top; row < bottom; row++) {
      const b = (oy - row - 0.5) * per;
      for (let col = left, at = row * this.width + left; col < right; col++, at++) {
        const a = (col + 0.5 - ox) * per;
        hit.inside = sides ? insideOf(sides, col + 0.5, row + 0.5) : Infinity;
        if (hit.inside < -0.5) continue;
        const x = a * shrink - cx;
        const y = b * shrink - cy;
        meet(hit, x, y, a, b, sides !== null);
        if (hit.inside < -0.5) continue;
        let alpha = Math.min(Math.max(hit.inside + 0.5, 0), 1) * solid.alpha;
        if (below) {
          const up = height + x * below[0] + y * below[1] + hit.near * (below[2] - a * below[0] * e - b * below[1] * e);
          alpha *= Math.min(Math.max(up * scale + 1, 0), 1);
        }
        if (!(alpha > 0)) continue;
        const depth = hit.near + cz;
        const front = Math.min(Math.max((depth - nearness[at]) * scale + 1, 0), 1);
        const share = alpha * (1 - (1 - front) * coverage[at]);
        const keep = 1 - front * alpha;
        let line = Math.min(Math.max(outline + 0.5 - hit.inside, 0), 1);
        line = Math.max(line, 0.5 * Math.min(Math.max(0.5 * outline + 0.5 - hit.crease, 0), 1));
        const lined = share * line;
        const plain = share * (1 - line) * (base + range * hit.light);
        const to = 3 * at;
        colour[to] = colour[to] * keep + plain * fr + lined * er;
        colour[to + 1] = colour[to + 1] * keep + plain * fg + lined * eg;
        colour[to + 2] = colour[to + 2] * keep + plain * fb + lined * eb;
        coverage[at] += alpha * (1 - coverage[at]);
        if (solid.alpha > 0.5 && alpha > 0.4 && depth > nearness[at]) nearness[at] = depth;
      }
    }
    const u = this.used;
    this.used = u
      ? [Math.min(u[0], left), Math.min(u[1], top), Math.max(u[2], right), Math.max(u[3], bottom)]
      : extent.part.slice();
  }
}

// For each shape a function that makes one of rays: of a pixel at (a, b) whose ray passes (x, y) in the plane of the
// solid's centre. It sets nearness to the eye, distance from the silhouette [pixels], light, and distance from a crease.
const MEETS = {
  sphere: (solid, light, scale, e) => meetRound(solid.axes, solid.size[0], 0, light, scale, e),
  capsule: (solid, light, scale, e) => meetRound(solid.axes, solid.size[0], solid.size[1], light, scale, e),
  ellipsoid: meetEllipsoid,
  box: meetBox,
  cylinder: meetCylinder,
};

function meetRound(axes, radius, half, light, scale, e) {
  const [ux, uy, uz] = column(axes, 2);
  const [lx, ly, lz] = light;
  const shade = ux * lx + uy * ly + uz * lz;
  const outer = (radius + 0.6 / scale) ** 2;
  return (hit, x, y, a, b) => {
    let square = x * x + y * y;
    let slant = -(a * x + b * y) * e;
    const way = 1 + (a * a + b * b) * e * e;
    let lit = x * lx + y * ly;
    let closest = -1;
    if (half > 0) {
      const start = x * ux + y * uy;
      const slope = uz - a * ux * e - b * uy * e;
      const across = Math.max(way - slope * slope, 1e-9);
      const fall = slant - start * slope;
      const steep = slope / across;
      const free = start - fall * steep;
      const middle = Math.min(Math.max(free, -half), half);
      closest = Math.max(square + middle * (middle - 2 * start) - (slant - middle * slope) ** 2 / way, 0);
      if (closest > outer) {
        hit.inside = -1; // most of the rectangle around a limb is not the limb
        return;
      }
      const root = fall * fall - across * (square - start * start - radius * radius);
      const along = Math.min(Math.max(free + Math.sqrt(Math.max(root, 0)) * steep, -half), half);
      square += along * (along - 2 * start);
      slant -= along * slope;
      lit -= along * shade;
    }
    const apart = square - (slant * slant) / way;
    hit.near = (Math.sqrt(Math.max((radius * radius - apart) * way, 0)) - slant) / way;
    hit.inside = (radius - Math.sqrt(closest >= 0 ? closest : Math.max(apart, 0))) * scale;
    hit.light = (lit + hit.near * (lz - a * lx * e - b * ly * e)) / radius;
    hit.crease = Infinity;
  };
}

function meetEllipsoid({ axes, size }, light, scale, e) {
  const rows = [0, 1, 2].map((k) => column(axes, k).map((value) => value / size[k]));
  const lights = rows.map((row) => dot(row, light));
  const starts = [0, 0, 0];
  const slopes = [0, 0, 0];
  return (hit, x, y, a, b) => {
    let [square, slant, way] = [0, 0, 0];
    for (let k = 0; k < 3; k++) {
      starts[k] = x * rows[k][0] + y * rows[k][1];
      slopes[k] = rows[k][2] - a * rows[k][0] * e - b * rows[k][1] * e;
      square += starts[k] * starts[k];
      slant += starts[k] * slopes[k];
      way += slopes[k] * slopes[k];
    }
    const apart = Math.max(square - (slant * slant) / way, 0);
    hit.near = (Math.sqrt(Math.max((1 - apart) * way, 0)) - slant) / way;
    let [steep, lit] = [0, 0];
    for (let k = 0; k < 3; k++) {
      const part = starts[k] + hit.near * slopes[k];
      steep += (part / size[k]) ** 2;
      lit += part * lights[k];
    }
    steep = Math.sqrt(steep);
    const far = Math.sqrt(apart);
    hit.inside = (((1 - far) * Math.max(far, 1)) / steep) * scale;
    hit.light = lit / steep;
    hit.crease = Infinity;
  };
}

function meetBox({ axes, size }, light, scale, e) {
  const columns = [0, 1, 2].map((k) => column(axes, k));
  const lights = columns.map((axis) => dot(axis, light));
  const starts = [0, 0, 0];
  const slopes = [0, 0, 0];
  return (hit, x, y, a, b, outlined) => {
    let [near, far, face] = [Infinity, -Infinity, 0];
    for (let k = 0; k < 3; k++) {
      const axis = columns[k];
      starts[k] = x * axis[0] + y * axis[1];
      slopes[k] = axis[2] - a * axis[0] * e - b * axis[1] * e;
      const turn = 1 / (Math.abs(slopes[k]) < 1e-6 ? 1e-6 : slopes[k]);
      const end = size[k] * Math.abs(turn) - starts[k] * turn;
      far = Math.max(far, -size[k] * Math.abs(turn) - starts[k] * turn);
      if (end < near) [near, face] = [end, k];
    }
    hit.near = near;
    if (!outlined) hit.inside = near >= far ? 9 : -9;
    hit.light = Math.sign(slopes[face]) * lights[face];
    hit.crease = Infinity;
    for (let k = 0; k < 3; k++) {
      if (k !== face) hit.crease = Math.min(hit.crease, (size[k] - Math.abs(starts[k] + near * slopes[k])) * scale);
    }
  };
}

function meetCylinder({ axes, size }, light, scale, e) {
  const [ux, uy, uz] = column(axes, 2);
  const [lx, ly, lz] = light;
  const [radius, half] = size;
  const shade = ux * lx + uy * ly + uz * lz;
  return (hit, x, y, a, b, outlined) => {
    const square = x * x + y * y;
    const slant = -(a * x + b * y) * e;
    const way = 1 + (a * a + b * b) * e * e;
    const start = x * ux + y * uy;
    const slope = uz - a * ux * e - b * uy * e;
    const across = Math.max(way - slope * slope, 1e-9);
    const fall = slant - start * slope;
    const root = fall * fall - across * (square - start * start - radius * radius);
    const wide = Math.sqrt(Math.max(root, 0));
    const side = (wide - fall) / across;
    const turn = 1 / (Math.abs(slope) < 1e-6 ? 1e-6 : slope);
    const end = -start * turn + half * Math.abs(turn);
    const near = Math.min(side, end);
    if (!outlined) {
      const far = Math.max((-wide - fall) / across, -start * turn - half * Math.abs(turn));
      hit.inside = near >= far && root >= 0 ? 9 : -9;
    }
    const along = start + near * slope;
    const capped = end < side;
    hit.near = near;
    hit.light = capped
      ? Math.sign(slope) * shade
      : (x * lx + y * ly + near * (lz - a * lx * e - b * ly * e) - along * shade) / radius;
    const reach = Math.sqrt(Math.max(square + near * (2 * slant + near * way) - along * along, 0));
    hit.crease = (capped ? radius - reach : half - Math.abs(along)) * scale;
  };
}

// Whose convex hull is a box, or nearly a cylinder.
function cornersOf(shape, centre, axes, size) {
  const local = [];
  if (shape === "box") {
    for (const x of [-1, 1]) for (const y of [-1, 1]) for (const z of [-1, 1]) local.push([x * size[0], y * size[1], z * size[2]]);
  } else {
    for (let k = 0; k < 40; k++) {
      const turn = (2 * Math.PI * k) / 40;
      for (const z of [-1, 1]) local.push([size[0] * Math.cos(turn), size[0] * Math.sin(turn), z * size[1]]);
    }
  }
  return local.map((point) => plus(centre, times(axes, point)));
}

// Corners of the convex hull (Andrew 1979); null if it has no area.
function hullOf(points) {
  const ordered = points.slice().sort((p, q) => p[0] - q[0] || p[1] - q[1]);
  const hull = [];
  for (const way of [ordered, ordered.slice().reverse()]) {
    const chain = [];
    for (const p of way) {
      while (chain.length > 1) {
        const [o, q] = chain.slice(-2);
        if ((q[0] - o[0]) * (p[1] - o[1]) - (q[1] - o[1]) * (p[0] - o[0]) > 1e-9) break;
        chain.pop();
      }
      chain.push(p);
    }
    hull.push(...chain.slice(0, -1));
  }
  return hull.length > 2 ? hull : null;
}

function sidesOf(hull) {
  return hull.map((p, k) => {
    const q = hull[(k + 1) % hull.length];
    const long = Math.hypot(q[0] - p[0], q[1] - p[1]);
    return [p[0], p[1], -(q[1] - p[1]) / long, (q[0] - p[0]) / long];
  });
}

function insideOf(sides, x, y) {
  let least = Infinity;
  for (let k = 0; k < sides.length; k++) {
    const side = sides[k];
    least = Math.min(least, (x - side[0]) * side[2] + (y - side[1]) * side[3]);
  }
  return least;
}
