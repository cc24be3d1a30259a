// Pictures in three dimensions: squares on the ground, shadows, solids, springs, joints, forces.

const SHADES = 16;
const layers = new Layers();
let quality = 1; // samples per pixel, fewer where the machine is slow

function paintSpace(canvas, view, still, pose, ratio, ghost) {
  const [low, high] = bounds(still.box).map((corner) => (pose.track ? plus(corner, pose.track) : corner));
  paintSquares(canvas, view, still, still.floor, low, high);
  for (const wall of still.walls) {
    if (dot(wall.normal, view.axes[2]) > 0) paintSquares(canvas, view, still, { ...wall, solid: false }, low, high, still.floor);
  }
  if (still.follows) paintMarks(canvas, view, still, low, high, pose.way);
  else paintGoals(canvas, view, still);
  const { poses } = pose;
  paintFilled(canvas, view, still, poses);
  paintTrails(canvas, view, poses);
  const solids = solidsOf(poses);
  if (still.floor.solid && still.floor.shadows) {
    paintShadows(canvas, view, still.floor, solids);
    paintThinShadows(canvas, view, still.floor, poses);
  }
  ghost();
  paintBodiesInSpace(canvas, view, still, pose, solids, ratio);
}

// What moves: all that a ghost has, too.
function paintBodiesInSpace(canvas, view, still, pose, solids, ratio) {
  const { poses } = pose;
  if (solids.length) {
    const began = performance.now();
    layers.begin(view, canvas.width, canvas.height, Math.min(ratio, 2) * quality);
    layers.paint(solids, still.floor, 1.3 * canvas.unit);
    layers.put(canvas.context, canvas.width, canvas.height);
    const took = performance.now() - began;
    if (pose.moving && took > 30 && quality > 0.5) quality *= 0.85;
    if (!pose.moving) quality = 1;
  } else layers.wipe();
  paintNets(canvas, view, still, poses, solids.length ? (pixel) => layers.hidden(pixel, 0) : null);
  const thick = Math.max(0, ...(poses.bodies || []).map(({ element }) => element.width));
  for (const joints of poses.joints || []) paintHinges(canvas, view, joints, thick);
  for (const sites of poses.sites || []) paintSites(canvas, view, sites, thick);
  for (const arrows of poses.arrows || []) paintForces(canvas, view, arrows, thick);
}

// Every other square of a plane, paler with the distance from what is there.
function paintSquares(canvas, view, still, floor, low, high, above) {
  const [u, v] = tangents(floor);
  const corners = boxCorners(low, high);
  const flat = corners.map((p) => [dot(p, u), dot(p, v)]);
  const [least, most] = bounds(flat);
  const size = Math.max(most[0] - least[0], most[1] - least[1], 0.5 * view.radius) || 1;
  const step = roundStep(still.follows ? 0.2 * size : size / 7);
  const fade = (still.follows ? 1.6 : 0.75) * size;
  const full = rgb(named(floor.solid && !above ? "soil" : "guide"));
  const sky = rgb(named("sky"));
  const range = [0, 1].map((k) => [Math.floor((least[k] - fade) / step), Math.ceil((most[k] + fade) / step)]);
  const base = plus([0, 0, 0], floor.normal, floor.height);
  for (let i = range[0][0]; i < range[0][1]; i++) {
    for (let j = range[1][0]; j < range[1][1]; j++) {
      if ((i + j) % 2 !== 0) continue;
      const away = [i, j].map((cell, k) => {
        const middle = 0.5 * (least[k] + most[k]);
        return Math.max(Math.abs(step * (cell + 0.5) - middle) - 0.5 * (most[k] - least[k]), 0);
      });
      const share = Math.max(1 - Math.hypot(...away) / fade, 0) ** 1.5;
      if (share < 0.02) continue;
      const at = (p, q) => plus(plus(base, u, step * (i + p)), v, step * (j + q));
      if (above && gap(above, at(0.5, 0.5)) <= 0) continue;
      const quad = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([p, q]) => view.project(at(p, q)));
      if (fine(...quad)) canvas.fill(quad, hex(full.map((value, c) => share * value + (1 - share) * sky[c])));
    }
  }
  if (!still.follows && !above) {
    const words = step >= 0.01 ? `squares of ${step} m` : `squares of ${1000 * step} mm`;
    canvas.text(words, [16, canvas.height - 26], named("ruler"), "left");
  }
}

// How far something has come, along the side of its way.
function paintMarks(canvas, view, still, low, high, way) {
  const floor = still.floor;
  const axes = tangents(floor);
  const first = Math.abs(dot(axes[1], way)) > Math.abs(dot(axes[0], way)) ? 1 : 0;
  const along = axes[first];
  let across = axes[1 - first];
  if (dot(across, view.axes[2]) < 0) across = across.map((value) => -value);
  const size = Math.max(...high.map((value, k) => value - low[k])) || 1;
  const middle = low.map((value, k) => 0.5 * (value + high[k]));
  const every = roundStep((105 * canvas.unit) / view.scale);
  const half = high.reduce((sum, value, k) => sum + 0.5 * (value - low[k]) * Math.abs(across[k]), 0);
  const lane = dot(middle, across) + half + 0.07 * size;
  const here = dot(middle, along);
  const reach = (1.2 * canvas.width) / view.scale;
  for (let k = Math.ceil((here - reach) / every); k * every <= here + reach; k++) {
    const at = plus(plus(plus([0, 0, 0], floor.normal, floor.height), across, lane), along, k * every);
    const [one, other, text] = [-0.045, 0.045, 0.085].map((share) => view.project(plus(at, across, share * size)));
    if (!fine(one, other, text)) continue;
    const edge = Math.min(text[0], canvas.width - text[0]) / 60;
    if (edge < 0.3 || text[1] > canvas.height - 16) continue;
    const colour = mix(named("sky"), named("ruler"), Math.min(edge - 0.3, 1));
    canvas.stroke([one, other], colour, 1.4 * canvas.unit);
    canvas.text(metres(k * every, every), text, colour);
  }
}

function boxCorners(low, high) {
  const found = [];
  for (const x of [low, high]) for (const y of [low, high]) for (const z of [low, high]) found.push([x[0], y[1], z[2]]);
  return found;
}

// Unit vectors within a plane; the first is nearest to the x axis.
function tangents(floor) {
  const n = floor.normal;
  let along = [1 - n[0] * n[0], -n[0] * n[1], -n[0] * n[2]];
  let long = Math.hypot(...along);
  if (long < 1e-6) [along, long] = [[0, -1, 0], 1];
  along = along.map((value) => value / long);
  return [along, cross(n, along)];
}

// All parts of bodies and of the world where they are now.
function solidsOf(poses) {
  const found = [];
  const add = (part, place, rotation, fill) => {
    const own = (part.rotation ||= rotationOf(part.turn));
    found.push({
      shape: part.shape, size: part.size, surface: part.surface, alpha: fill === null ? 0 : part.alpha, fill: fill || tint(part.fill), edge: tint(part.edge),
      centre: place ? plus(place, times(rotation, part.at)) : part.at,
      rotation: place ? product(rotation, own) : own,
    });
  };
  for (const pose of poses.bodies || []) {
    const { element, bodies, rotations } = pose;
    const colours = element.colour ? coloursOf(pose, bodies.length) : [];
    element.parts.forEach((parts, k) => parts.forEach((part) => add(part, bodies[k], rotations[k], colours[k])));
  }
  for (const { element } of poses.fixed || []) element.parts.forEach((part) => add(part, null, null));
  return found;
}

// The point of a solid that is farthest along a way.
function farthest(solid, way) {
  const own = [0, 1, 2].map((k) => dot(column(solid.rotation, k), way));
  const [a, b] = solid.size;
  let point;
  if (solid.surface) point = farthestOf(solid.surface, own);
  else if (solid.shape === "box") point = own.map((value, k) => Math.sign(value) * solid.size[k]);
  else if (solid.shape === "ellipsoid") {
    const stretched = own.map((value, k) => value * solid.size[k]);
    const long = Math.hypot(...stretched);
    point = stretched.map((value, k) => (solid.size[k] * value) / long);
  } else if (solid.shape === "cylinder") {
    const across = Math.max(Math.hypot(own[0], own[1]), 1e-9);
    point = [(a * own[0]) / across, (a * own[1]) / across, b * Math.sign(own[2])];
  } else {
    const long = Math.hypot(...own);
    point = own.map((value) => (a * value) / long);
    if (solid.shape === "capsule") point[2] += b * Math.sign(own[2]);
  }
  return plus(solid.centre, times(solid.rotation, point));
}

// Where the sun's shadow of a point falls.
function cast(floor, point) {
  const light = dot(floor.normal, LIGHT) < 0.2 ? floor.normal : LIGHT;
  return plus(point, light, -gap(floor, point) / dot(light, floor.normal));
}

// Softer the higher a solid is; where shadows overlap they are one.
function paintShadows(canvas, view, floor, solids) {
  const [u, v] = tangents(floor);
  const light = dot(floor.normal, LIGHT) < 0.2 ? floor.normal : LIGHT;
  const up = dot(floor.normal, light);
  const around = Array.from({ length: 20 }, (_, k) => {
    const turn = (2 * Math.PI * k) / 20;
    return plus(u.map((value) => Math.cos(turn) * value), v, Math.sin(turn));
  });
  const ways = around.map((way) => plus(way, floor.normal, -dot(way, light) / up));
  const casts = [];
  for (const solid of solids) {
    const high = gap(floor, solid.centre);
    if (!fine(solid.centre) || !(high > -Math.max(...solid.size)) || solid.alpha <= 0.3) continue;
    const thin = Math.min(...solid.size.filter((value) => value > 0));
    const feet = ways.map((way) => cast(floor, farthest(solid, way)));
    const soft = 0.2 * thin + 0.09 * Math.max(high, 0);
    const pixels = feet.map((p) => view.project(p));
    const outer = feet.map((p, k) => view.project(plus(p, around[k], soft)));
    if (fine(...pixels, ...outer)) casts.push({ pixels, outer, thin, soft });
  }
  const context = canvas.context;
  context.fillStyle = faded(named("shadow"), theme.dark ? 0.05 : 0.032);
  for (let layer = -6; layer <= 6; layer++) {
    context.beginPath();
    for (const { pixels, outer, thin, soft } of casts) {
      const share = layer / 6;
      if (share * soft <= -0.8 * thin) continue; // what is thin and high up has no core
      pixels.forEach((p, k) => {
        const x = p[0] + share * (outer[k][0] - p[0]);
        const y = p[1] + share * (outer[k][1] - p[1]);
        if (k) context.lineTo(x, y);
        else context.moveTo(x, y);
      });
      context.closePath();
    }
    context.fill();
  }
}

function onBody({ bodies, rotations }, body, at) {
  return body < 0 ? at : plus(bodies[body], times(rotations[body], at));
}

// Dots in the colours of motors, where nothing hides them.
function paintHinges(canvas, view, pose, thick) {
  const { unit } = canvas;
  const size = Math.min(Math.max(0.9 * thick * view.scale, 3.6 * unit), 9 * unit);
  const colours = new Map(pose.levels);
  pose.element.joints.forEach((joint, k) => {
    const pixel = view.project(onBody(pose, joint.bodies[0], joint.anchors[0]));
    if (!fine(pixel) || layers.hidden(pixel, 1.6 * thick)) return;
    canvas.disc(pixel, size, faded(theme.names.point, 0.8));
    canvas.disc(pixel, size - 2 * unit, colours.get(k) || theme.names.sky);
  });
}

function paintSites(canvas, view, pose, thick) {
  const { unit } = canvas;
  pose.element.owners.forEach((body, k) => {
    const pixel = view.project(onBody(pose, body, pose.element.at[k]));
    if (!fine(pixel) || layers.hidden(pixel, 2 * thick)) return;
    canvas.disc(pixel, 4 * unit, named("point"));
    canvas.disc(pixel, 2 * unit, named("sky"));
  });
}

function paintForces(canvas, view, { element, arrows }, thick) {
  for (const [x, y, z, u, v, w] of arrows) {
    const tail = view.project([x, y, z]);
    const tip = view.project([x + u, y + v, z + w]);
    if (!fine(tail, tip)) continue;
    const behind = layers.hidden(tail, 2.5 * thick);
    canvas.arrow(tail, tip, faded(tint(element.colour), behind ? 0.25 : 0.85));
  }
}
