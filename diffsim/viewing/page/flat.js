// Pictures in two dimensions: ground, walls, bodies, what joins them, and the forces where they touch.

// Of balls and tables, as in diffsim/viewing/painting/bodies.py.
const LIGHTS = [[0.12, 0.84, 0.14], [0.24, 0.56, 0.3], [0.4, 0.2, 0.8]];
const SPOT = [0.5, 0.17];
const SHADE = [0.16, -0.2];
const CUSHION = 0.025;

function paintFlat(canvas, view, still, pose, ghost) {
  const { poses } = pose;
  if (still.table) paintTable(canvas, view, still);
  else paintFloor(canvas, view, still.floor);
  paintFilled(canvas, view, still, poses);
  if (!still.table) paintWalls(canvas, view, still);
  for (const { element } of poses.fixed || []) element.parts.forEach((part) => paintFixed(canvas, view, part));
  paintGoals(canvas, view, still);
  paintPuddles(canvas, view, still, poses);
  ghost();
  paintMoving(canvas, view, still, poses);
}

// What moves: all that a ghost has, too.
function paintMoving(canvas, view, still, poses) {
  paintTrails(canvas, view, poses);
  for (const joints of poses.joints || []) joints.ends = jointEnds(joints);
  for (const joints of poses.joints || []) paintRails(canvas, view, joints);
  for (const bodies of poses.bodies || []) paintBodies(canvas, view, bodies);
  for (const joints of poses.joints || []) paintJoints(canvas, view, joints);
  paintNets(canvas, view, still, poses, null);
  for (const { element, arrows } of poses.arrows || []) {
    for (const [x, y, u, v] of arrows) {
      if (!fine([x, y, u, v])) continue;
      canvas.arrow(view.project([x, y]), view.project([x + u, y + v]), faded(tint(element.colour), 0.85));
    }
  }
}

function paintFloor(canvas, view, floor) {
  const { unit, height } = canvas;
  const step = roundStep(Math.max((64 * unit) / view.scale, 1e-12));
  const { reach, here, spot } = rulerOf(canvas, view, floor);
  const guide = named("guide");
  for (let k = Math.ceil((here - reach) / step); k * step <= here + reach; k++) {
    const at = spot(k * step);
    const below = plus(at, floor.normal, floor.solid ? 0 : -reach);
    canvas.stroke([view.project(below), view.project(plus(at, floor.normal, reach))], guide, 1.2 * unit);
  }
  const edge = [spot(here - reach), spot(here + reach)];
  if (floor.solid) {
    const soil = [...edge, ...edge.slice().reverse().map((p) => plus(p, floor.normal, -reach))];
    canvas.fill(soil.map((p) => view.project(p)), named("soil"));
    canvas.stroke(edge.map((p) => view.project(p)), named("surface"), 1.6 * unit);
  } else {
    for (let k = -60; k <= 60; k++) {
      const level = edge.map((p) => view.project(plus(p, floor.normal, k * step)));
      if (Math.max(level[0][1], level[1][1]) > 0 && Math.min(level[0][1], level[1][1]) < height) {
        canvas.stroke(level, guide, 1.2 * unit);
      }
    }
  }
  paintRuler(canvas, view, floor, spot, step, here, reach);
}

// The line of a floor: where its middle is, how far it is drawn, and places along it.
function rulerOf(canvas, view, floor) {
  const along = [floor.normal[1], -floor.normal[0]];
  const middle = foot(floor, view.centre);
  const here = dot(middle, along);
  return { reach: (2 * (canvas.width + canvas.height)) / view.scale, here, spot: (value) => plus(middle, along, value - here) };
}

// Cloth between half-planes, which are cushions with a rail behind them.
function paintTable(canvas, view, still) {
  const { unit, width, height, context } = canvas;
  context.fillStyle = named("felt");
  context.fillRect(0, 0, width, height);
  const reach = (2 * (width + height)) / view.scale;
  const wide = (CUSHION * Math.max(width, height)) / view.scale;
  for (const [colour, back] of [["cushion", 0], ["rail", wide]]) {
    for (const wall of still.walls) {
      const along = [wall.normal[1], -wall.normal[0]];
      const middle = plus(foot(wall, view.centre), wall.normal, -back);
      const line = [plus(middle, along, -reach), plus(middle, along, reach)];
      const deep = line.slice().reverse().map((p) => plus(p, wall.normal, -2 * reach));
      canvas.fill([...line, ...deep].map((p) => view.project(p)), named(colour));
    }
  }
  const step = roundStep(Math.max((64 * unit) / view.scale, 1e-12));
  const { here, spot } = rulerOf(canvas, view, still.floor);
  paintRuler(canvas, view, still.floor, spot, step, here, reach, named("quiet"));
}

function paintRuler(canvas, view, floor, spot, step, here, reach, colour = named("ruler")) {
  const { unit, width, height } = canvas;
  const down = [-floor.normal[0], floor.normal[1]]; // in pixels, where y goes down
  const tick = 7 * unit;
  for (let k = Math.ceil((here - reach) / step); k * step <= here + reach; k++) {
    const pixel = view.project(spot(k * step));
    if (!floor.solid) pixel[1] = height - 30;
    const x = pixel[0] + 2 * tick * down[0];
    if (x < 22 || x > width - 22) continue;
    if (floor.solid) canvas.stroke([pixel, plus(pixel.slice(0, 2), down, tick)], named("ruler"), 1.2 * unit);
    canvas.text(metres(k * step, step), [x, pixel[1] + 1.6 * tick * down[1]], colour);
  }
}

// Half-planes that are not the ground: solid, with a line where no other covers it.
function paintWalls(canvas, view, still) {
  const walls = still.walls || [];
  const reach = (2 * (canvas.width + canvas.height)) / view.scale;
  const lines = walls.map((wall) => {
    const along = [wall.normal[1], -wall.normal[0]];
    const middle = foot(wall, view.centre);
    return [plus(middle, along, -reach), plus(middle, along, reach)];
  });
  walls.forEach((wall, k) => {
    const deep = lines[k].slice().reverse().map((p) => plus(p, wall.normal, -2 * reach));
    canvas.fill([...lines[k], ...deep].map((p) => view.project(p)), named("soil"));
  });
  const all = still.floor.solid ? [still.floor, ...walls] : walls;
  walls.forEach((wall, k) => {
    const part = openPart(lines[k], all.filter((other) => other !== wall));
    if (part) canvas.stroke(part.map((p) => view.project(p)), named("surface"), 1.6 * canvas.unit);
  });
  if (walls.length && still.floor.solid) {
    // Their fill covers the ground's line within them, and only there.
    const along = [still.floor.normal[1], -still.floor.normal[0]];
    const middle = foot(still.floor, view.centre);
    const part = openPart([plus(middle, along, -reach), plus(middle, along, reach)], walls);
    if (part) canvas.stroke(part.map((p) => view.project(p)), named("surface"), 1.6 * canvas.unit);
  }
}

// The part of a line that is in none of some half-planes; null if there is none.
function openPart(line, planes) {
  let [first, last] = [0, 1];
  for (const plane of planes) {
    const [start, end] = line.map((p) => gap(plane, p));
    if (start < 0 && end < 0) return null;
    if (start < 0) first = Math.max(first, start / (start - end));
    else if (end < 0) last = Math.min(last, start / (start - end));
  }
  if (first >= last) return null;
  const way = plus(line[1], line[0], -1);
  return [plus(line[0], way, first), plus(line[0], way, last)];
}

function turned(point, x, y, angle) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [x + cos * point[0] - sin * point[1], y + sin * point[0] + cos * point[1]];
}

// Where a part is and how it is turned, on a body at a pose (x, y, angle).
function placed(part, [x, y, angle]) {
  return [...turned(part.at, x, y, angle), angle + part.turn];
}

// The outline of a part at a pose (x, y, angle), as a path on the canvas.
function tracePart(canvas, view, part, [x, y, angle]) {
  const context = canvas.context;
  context.beginPath();
  if (part.shape === "polygon") {
    part.corners.forEach((corner, k) => {
      const [px, py] = view.project(turned(corner, x, y, angle));
      if (k) context.lineTo(px, py);
      else context.moveTo(px, py);
    });
    context.closePath();
    return;
  }
  const radius = Math.max(part.radius, 0) * view.scale;
  if (part.shape === "disc" || part.shape === "ball") {
    const [px, py] = view.project([x, y]);
    context.arc(px, py, radius, 0, 2 * Math.PI);
    return;
  }
  const right = view.project(turned([part.half, 0], x, y, angle));
  const left = view.project(turned([-part.half, 0], x, y, angle));
  // Angles turn the other way where y goes down.
  context.arc(right[0], right[1], radius, -angle + Math.PI / 2, -angle - Math.PI / 2, true);
  context.arc(left[0], left[1], radius, -angle - Math.PI / 2, -angle - (3 * Math.PI) / 2, true);
  context.closePath();
}

function paintFixed(canvas, view, part) {
  const { context, unit } = canvas;
  tracePart(canvas, view, part, [...part.at, part.turn]);
  const thin = part.shape === "capsule" && part.radius === 0;
  if (!thin) {
    context.fillStyle = tint(part.fill);
    context.fill();
  }
  context.strokeStyle = tint(part.edge);
  context.lineWidth = (thin ? 4 : 1.6) * unit;
  context.stroke();
}

// Corners of a part in the world, enough to know where its shadow is.
function outer(part, [x, y, angle]) {
  if (part.shape === "polygon") return part.corners.map((corner) => turned(corner, x, y, angle));
  const half = part.half || 0;
  const r = part.radius;
  return [-half, half].flatMap((along) => {
    const [cx, cy] = turned([along, 0], x, y, angle);
    return [[cx - r, cy], [cx + r, cy], [cx, cy - r], [cx, cy + r]];
  });
}

// Half ellipses in the soil below bodies, that shrink the higher a body is.
function paintPuddles(canvas, view, still, poses) {
  const { floor } = still;
  if (!floor.solid || !floor.shadows) return;
  const groups = (poses.bodies || []).flatMap(({ element, bodies }) =>
    bodies.map((body, k) => (fine(body) ? element.parts[k].flatMap((part) => outer(part, placed(part, body))) : [])),
  );
  for (const { points } of poses.points || []) groups.push(points.filter((point) => fine(point)));
  const along = [floor.normal[1], -floor.normal[0]];
  const { context, unit } = canvas;
  context.beginPath();
  for (const corners of groups) {
    if (!corners.length) continue;
    const across = corners.map((p) => dot(p, along));
    const low = across.reduce((a, b) => Math.min(a, b), Infinity);
    const high = across.reduce((a, b) => Math.max(a, b), -Infinity);
    const width = high - low + (6 * unit) / view.scale;
    const above = corners.reduce((least, p) => Math.min(least, gap(floor, p)), Infinity);
    const share = 1 - Math.max(above, 0) / (2 * width);
    const middle = plus([floor.height * floor.normal[0], floor.height * floor.normal[1]], along, 0.5 * (low + high));
    if (share <= 0 || still.walls.some((wall) => gap(wall, middle) <= 0)) continue;
    const at = view.project(middle);
    const tilt = Math.atan2(floor.normal[0], floor.normal[1]);
    context.moveTo(at[0], at[1]);
    context.ellipse(at[0], at[1], 0.5 * share * width * view.scale, share * 5.5 * unit, tilt, 0, Math.PI);
  }
  context.fillStyle = faded(named("shadow"), 0.3);
  context.fill();
}

// The spot that shows how a ball turns, and light from the upper left.
function paintLights(canvas, view, part, [x, y, angle], fill) {
  const r = part.radius;
  const spot = turned([SPOT[0] * r, 0], x, y, angle);
  canvas.disc(view.project(spot), 2 * SPOT[1] * r * view.scale, tint(part.edge));
  for (const [off, size, white] of LIGHTS) {
    const at = view.project([x - (off * r) / Math.SQRT2, y + (off * r) / Math.SQRT2]);
    canvas.disc(at, 2 * size * r * view.scale, faded(mix(fill, "#ffffff", white), 0.6));
  }
}

function paintBodies(canvas, view, pose) {
  const { context, unit } = canvas;
  const { element, bodies } = pose;
  const colours = element.colour ? coloursOf(pose, bodies.length) : null;
  element.parts.forEach((parts, k) => {
    if (!fine(bodies[k])) return;
    for (const part of parts) {
      const at = placed(part, bodies[k]);
      if (part.shape === "ball") {
        const [x, y] = at;
        const under = view.project([x + SHADE[0] * part.radius, y + SHADE[1] * part.radius]);
        canvas.disc(under, 2 * part.radius * view.scale, "rgb(0 0 0 / 0.25)");
      }
      tracePart(canvas, view, part, at);
      const fill = colours ? colours[k] : tint(part.fill);
      if (fill) {
        context.fillStyle = fill;
        context.fill();
      }
      context.strokeStyle = tint(part.edge);
      context.lineWidth = 1.7 * unit;
      context.stroke();
      if (part.shape === "ball") paintLights(canvas, view, part, at, fill);
      if (part.spoke) {
        const [x, y, angle] = at;
        canvas.stroke([view.project([x, y]), view.project(turned([part.radius, 0], x, y, angle))], tint(part.edge), 1.7 * unit);
      }
    }
  });
}
