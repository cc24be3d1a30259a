// Surfaces of triangles, as diffsim/viewing/surfaces.py, outlines.py and diffsim/meshes/rasters.py: what is nearest in each pixel is seen.

const CREASE = Math.cos((40 * Math.PI) / 180); // triangles that meet at a larger angle are an edge
const EDGE = 1e-5; // share of a triangle by which it is larger: rounding leaves no gap between two
const STEP = 6; // pixels by which a part must be deeper than another for an outline between them

// A surface as it is drawn: places of the vertices, corners of the triangles, and a normal at each.
function surfaceOf({ step, vertices, faces }) {
  const places = Float32Array.from(vertices, (value) => value * step);
  let number = 0;
  const corners = Uint32Array.from(faces, (change) => (number += change));
  return { places, corners, normals: normalsOf(places, corners) };
}

// At each corner the mean of the triangles around it that are not over an edge.
function normalsOf(places, corners) {
  const count = corners.length / 3;
  const flat = new Float32Array(3 * count);
  const sizes = new Float32Array(count);
  for (let k = 0; k < count; k++) {
    const [a, b, c] = [0, 1, 2].map((i) => places.subarray(3 * corners[3 * k + i], 3 * corners[3 * k + i] + 3));
    const one = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
    const normal = cross(one, [c[0] - a[0], c[1] - a[1], c[2] - a[2]]);
    flat.set(normal, 3 * k);
    sizes[k] = Math.hypot(...normal) || 1e-30;
  }
  const around = Array.from({ length: places.length / 3 }, () => []);
  corners.forEach((vertex, k) => around[vertex].push(Math.floor(k / 3)));
  const found = new Float32Array(3 * corners.length);
  corners.forEach((vertex, at) => {
    const own = Math.floor(at / 3);
    let [x, y, z] = [0, 0, 0];
    for (const other of around[vertex]) {
      const product = flat[3 * own] * flat[3 * other] + flat[3 * own + 1] * flat[3 * other + 1] + flat[3 * own + 2] * flat[3 * other + 2];
      if (other !== own && product < CREASE * sizes[own] * sizes[other]) continue;
      x += flat[3 * other];
      y += flat[3 * other + 1];
      z += flat[3 * other + 2];
    }
    const long = Math.hypot(x, y, z) || 1e-30;
    found.set([x / long, y / long, z / long], 3 * at);
  });
  return found;
}

// The vertex that is farthest along a way.
function farthestOf({ places }, [x, y, z]) {
  let [best, most] = [0, -Infinity];
  for (let k = 0; k < places.length; k += 3) {
    const far = places[k] * x + places[k + 1] * y + places[k + 2] * z;
    if (far > most) [best, most] = [k, far];
  }
  return Array.from(places.subarray(best, best + 3));
}

// Which solid is seen in each pixel, how near and how light it is.
const drawn = { which: new Int32Array(0), near: new Float32Array(0), light: new Float32Array(0), flat: new Float32Array(0) };

// All surfaces among solids, onto layers that hold nothing yet.
function paintSurfaces(layers, solids, ground, outline) {
  if (!solids.length) return;
  const { width, height } = layers;
  if (drawn.which.length !== width * height) {
    drawn.which = new Int32Array(width * height);
    drawn.near = new Float32Array(width * height);
    drawn.light = new Float32Array(width * height);
  }
  drawn.which.fill(-1);
  drawn.near.fill(NOWHERE);
  const part = [width, height, 0, 0];
  solids.forEach((solid, k) => traceSurface(layers, solid, k, part));
  if (part[0] >= part[2] || part[1] >= part[3]) return;
  const tones = solids.map(({ fill, edge, alpha }) => {
    const colour = rgb(fill);
    const most = Math.min(BRIGHT, 1 / Math.max(Math.max(...colour) / 255, 0.5)); // no channel is cut off
    return { fill: colour, edge: rgb(edge), alpha, base: 0.5 * (DARK + most), range: 0.5 * (most - DARK) };
  });
  settle(layers, tones, part, ground, outline);
  layers.used = part;
}

// The triangles of a solid, into the drawn.
function traceSurface(layers, { surface, centre, axes }, number, part) {
  const { width, height, scale, eye, light } = layers;
  const [ox, oy] = layers.origin;
  const { places, corners, normals } = surface;
  const count = places.length / 3;
  if (drawn.flat.length < 3 * count) drawn.flat = new Float32Array(3 * count);
  const { flat, which, near, light: shown } = drawn;
  const [[a0, a1, a2], [b0, b1, b2], [c0, c1, c2]] = axes;
  for (let k = 0; k < 3 * count; k += 3) {
    const [x, y, z] = [places[k], places[k + 1], places[k + 2]];
    const depth = centre[2] + c0 * x + c1 * y + c2 * z;
    const per = scale / (1 - depth * eye);
    flat[k] = ox + per * (centre[0] + a0 * x + a1 * y + a2 * z);
    flat[k + 1] = oy - per * (centre[1] + b0 * x + b1 * y + b2 * z);
    flat[k + 2] = 1 - depth * eye > 0.02 ? depth : NaN;
  }
  // The light in the frame of the surface.
  const l0 = a0 * light[0] + b0 * light[1] + c0 * light[2];
  const l1 = a1 * light[0] + b1 * light[1] + c1 * light[2];
  const l2 = a2 * light[0] + b2 * light[1] + c2 * light[2];
  for (let k = 0, n = 0; k < corners.length; k += 3, n += 9) {
    const [p, q, r] = [3 * corners[k], 3 * corners[k + 1], 3 * corners[k + 2]];
    const ax = flat[p];
    const ay = flat[p + 1];
    const bx = flat[q] - ax;
    const by = flat[q + 1] - ay;
    const cx = flat[r] - ax;
    const cy = flat[r + 1] - ay;
    const az = flat[p + 2];
    const bz = flat[q + 2] - az;
    const cz = flat[r + 2] - az;
    const twice = bx * cy - cx * by;
    if (!(twice > 1e-9 || twice < -1e-9) || !(bz - cz < Infinity)) continue;
    const top = Math.max(Math.ceil(ay + Math.min(0, by, cy) - 0.5), 0);
    const bottom = Math.min(Math.floor(ay + Math.max(0, by, cy) - 0.5) + 1, height);
    const left = Math.max(Math.ceil(ax + Math.min(0, bx, cx) - 0.5), 0);
    const right = Math.min(Math.floor(ax + Math.max(0, bx, cx) - 0.5) + 1, width);
    if (left >= right || top >= bottom) continue;
    if (left < part[0]) part[0] = left;
    if (top < part[1]) part[1] = top;
    if (right > part[2]) part[2] = right;
    if (bottom > part[3]) part[3] = bottom;
    // Rows count downwards, so what turns to the right is seen from outside; the rest is lit from behind.
    const side = twice < 0 ? 1 : -1;
    const la = side * (normals[n] * l0 + normals[n + 1] * l1 + normals[n + 2] * l2);
    const lb = side * (normals[n + 3] * l0 + normals[n + 4] * l1 + normals[n + 5] * l2) - la;
    const lc = side * (normals[n + 6] * l0 + normals[n + 7] * l1 + normals[n + 8] * l2) - la;
    const per = 1 / twice;
    const [vx, vy, wx, wy] = [cy * per, -cx * per, -by * per, bx * per];
    for (let row = top; row < bottom; row++) {
      const y = row + 0.5 - ay;
      let v = vx * (left + 0.5 - ax) + vy * y;
      let w = wx * (left + 0.5 - ax) + wy * y;
      for (let at = row * width + left, end = row * width + right; at < end; at++, v += vx, w += wx) {
        if (v < -EDGE || w < -EDGE || v + w > 1 + EDGE) continue;
        const depth = az + v * bz + w * cz;
        if (depth <= near[at]) continue;
        near[at] = depth;
        shown[at] = la + v * lb + w * lc;
        which[at] = number;
      }
    }
  }
}

// From the sheet to the layers: edges are soft and outlined, also where a part covers one that is deeper.
function settle(layers, tones, part, ground, outline) {
  const { width, height, colour, coverage, eye } = layers;
  const { which, near, light } = drawn;
  const [left, top, right, bottom] = part;
  const [ox, oy] = layers.origin;
  const per = 1 / layers.scale;
  for (let row = top; row < bottom; row++) {
    const b = (oy - row - 0.5) * per;
    const inner = row > 0 && row < height - 1;
    for (let col = left, at = row * width + left; col < right; col++, at++) {
      const number = which[at];
      if (number < 0) continue;
      const tone = tones[number];
      let alpha = tone.alpha;
      let line = 0;
      if (inner && col > 0 && col < width - 1) {
        const [n, s, e, w] = [which[at - width], which[at + width], which[at + 1], which[at - 1]];
        if (n !== number || s !== number || e !== number || w !== number) {
          const bare = (n < 0) + (s < 0) + (e < 0) + (w < 0);
          if (bare) {
            const across = (which[at - width - 1] < 0) + (which[at - width + 1] < 0) + (which[at + width - 1] < 0) + (which[at + width + 1] < 0);
            alpha *= Math.max(0.5 + (3 - bare - across) / 3, 0.3);
            line = 1;
          } else {
            const deep = near[at] - STEP * per * (1 - near[at] * eye);
            if (near[at - width] < deep || near[at + width] < deep || near[at + 1] < deep || near[at - 1] < deep) {
              line = 0.5 * Math.min(0.5 * outline + 0.5, 1);
            }
          }
        }
      }
      if (ground) {
        const a = (col + 0.5 - ox) * per;
        const shrink = 1 - near[at] * eye;
        const up = ground.height + shrink * (a * ground.normal[0] + b * ground.normal[1]) + near[at] * ground.normal[2];
        alpha *= Math.min(Math.max((up * layers.scale) / shrink + 1, 0), 1);
      }
      if (!(alpha > 0)) continue;
      alpha = Math.min(alpha, 1);
      const bright = alpha * (1 - line) * (tone.base + tone.range * light[at]);
      const dark = alpha * line;
      colour[3 * at] = bright * tone.fill[0] + dark * tone.edge[0];
      colour[3 * at + 1] = bright * tone.fill[1] + dark * tone.edge[1];
      colour[3 * at + 2] = bright * tone.fill[2] + dark * tone.edge[2];
      coverage[at] = alpha;
      if (alpha > 0.4) layers.near[at] = near[at];
    }
  }
}
