// Pictures in two dimensions: ground, walls, bodies, what joins them, and the forces where they touch.

function paintFlat(canvas, view, still, pose) {
  paintFloor(canvas, view, still.floor);
  paintWalls(canvas, view, still);
  for (const part of still.fixed || []) paintFixed(canvas, view, part);
  paintGoals(canvas, view, still);
  paintPuddles(canvas, view, still, pose);
  paintBodies(canvas, view, still, pose);
  paintPoints(canvas, view, still, pose.points, pose.levels);
  for (const [x, y, u, v] of pose.arrows) {
    if (!fine([x, y, u, v])) continue;
    canvas.arrow(view.project([x, y]), view.project([x + u, y + v]), faded(named("contact"), 0.85));
  }
}

function paintFloor(canvas, view, floor) {
  const { unit, width, height } = canvas;
  const step = roundStep(Math.max((64 * unit) / view.scale, 1e-12));
  const along = [floor.normal[1], -floor.normal[0]];
  const middle = foot(floor, view.centre);
  const reach = (2 * (width + height)) / view.scale;
  const here = dot(middle, along);
  const spot = (value) => plus(middle, along, value - here);
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

function paintRuler(canvas, view, floor, spot, step, here, reach) {
  const { unit, width, height } = canvas;
  const down = [-floor.normal[0], floor.normal[1]]; // in pixels, where y goes down
  const tick = 7 * unit;
  for (let k = Math.ceil((here - reach) / step); k * step <= here + reach; k++) {
    const pixel = view.project(spot(k * step));
    if (!floor.solid) pixel[1] = height - 30;
    const x = pixel[0] + 2 * tick * down[0];
    if (x < 22 || x > width - 22) continue;
    if (floor.solid) canvas.stroke([pixel, plus(pixel.slice(0, 2), down, tick)], named("ruler"), 1.2 * unit);
    canvas.text(metres(k * step, step), [x, pixel[1] + 1.6 * tick * down[1]], named("ruler"));
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

// The outline of a part of a body at a pose (x, y, angle), as a path on the canvas.
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
  const radius = part.radius * view.scale;
  if (part.shape === "disc") {
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
  tracePart(canvas, view, part, [...part.at, part.angle]);
  const thin = part.shape === "capsule" && part.radius === 0;
  if (!thin) {
    context.fillStyle = tint(part.fill);
    context.fill();
  }
  context.strokeStyle = tint(part.edge);
  context.lineWidth = (thin ? 4 : 1.6) * unit;
  context.stroke();
}

// How far a body reaches from its centre [m].
function reachOf(parts) {
  return Math.max(...parts.map((part) => {
    if (part.shape === "polygon") return Math.max(...part.corners.map((p) => Math.hypot(...p)));
    return part.radius + (part.half || 0);
  }));
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
function paintPuddles(canvas, view, still, pose) {
  const { floor } = still;
  const groups = (still.bodies || []).map((parts, k) => (fine(pose.bodies[k]) ? parts.flatMap((part) => outer(part, pose.bodies[k])) : []));
  if (pose.points.length && still.lines) groups.push(pose.points.filter((point) => fine(point)));
  if (!floor.solid || still.shady === false) return;
  const along = [floor.normal[1], -floor.normal[0]];
  const { context, unit } = canvas;
  context.beginPath();
  for (const corners of groups) {
    if (!corners.length) continue;
    const across = corners.map((p) => dot(p, along));
    const [low, high] = [Math.min(...across), Math.max(...across)];
    const width = high - low + (6 * unit) / view.scale;
    const share = 1 - Math.max(Math.min(...corners.map((p) => gap(floor, p))), 0) / (2 * width);
    const middle = plus([floor.height * floor.normal[0], floor.height * floor.normal[1]], along, 0.5 * (low + high));
    if (share <= 0 || (still.walls || []).some((wall) => gap(wall, middle) <= 0)) continue;
    const at = view.project(middle);
    const tilt = Math.atan2(floor.normal[0], floor.normal[1]);
    context.moveTo(at[0], at[1]);
    context.ellipse(at[0], at[1], 0.5 * share * width * view.scale, share * 5.5 * unit, tilt, 0, Math.PI);
  }
  context.fillStyle = faded(named("shadow"), 0.3);
  context.fill();
}

function paintBodies(canvas, view, still, pose) {
  const { context, unit } = canvas;
  const thick = Math.min(Math.max(0.38 * (still.width || 0) * view.scale, 1.8 * unit), 4.5 * unit);
  const ends = jointEnds(still, pose);
  (still.joints || []).forEach((joint, k) => joint.kind === "slider" && paintRail(canvas, view, joint, ends[k], pose));
  (still.bodies || []).forEach((parts, k) => {
    if (!fine(pose.bodies[k])) return;
    for (const part of parts) {
      tracePart(canvas, view, part, pose.bodies[k]);
      context.fillStyle = tint(part.fill);
      context.fill();
      context.strokeStyle = tint(part.edge);
      context.lineWidth = 1.7 * unit;
      context.stroke();
      if (part.spoke) {
        const [x, y, angle] = pose.bodies[k];
        canvas.stroke([view.project([x, y]), view.project(turned([part.radius, 0], x, y, angle))], tint(part.edge), 1.7 * unit);
      }
    }
  });
  for (const [body, a, b, c, d] of still.stems || []) {
    if (!fine(pose.bodies[body])) continue;
    const line = [[a, b], [c, d]].map((p) => view.project(turned(p, ...pose.bodies[body])));
    canvas.stroke(line, named("point"), 0.7 * thick);
  }
  (still.joints || []).forEach((joint, k) => paintJoint(canvas, view, still, joint, ends[k], pose, thick));
  (still.joints || []).forEach((joint, k) => paintEnds(canvas, view, joint, ends[k], thick));
}

// Both ends of each joint in the world [m].
function jointEnds(still, pose) {
  return (still.joints || []).map((joint) =>
    joint.bodies.map((body, side) => (body < 0 ? joint.anchors[side] : turned(joint.anchors[side], ...pose.bodies[body]))),
  );
}

// Where the rail of a slider is, where its carriage is, and the direction of the rail.
function slide(joint, ends, pose) {
  const world = joint.bodies[1] < 0;
  const angle = pose.bodies[joint.bodies[0]][2] + joint.axis;
  return { base: ends[world ? 1 : 0], middle: ends[world ? 0 : 1], along: [Math.cos(angle), Math.sin(angle)] };
}

function paintRail(canvas, view, joint, ends, pose) {
  const { base, along } = slide(joint, ends, pose);
  if (!fine(base)) return;
  const line = joint.range.map((far) => view.project(plus(base, along, far)));
  canvas.stroke(line, named("surface"), 6 * canvas.unit);
  canvas.stroke(line, named("sky"), 3 * canvas.unit);
}

function paintJoint(canvas, view, still, joint, ends, pose, thick) {
  if (!fine(...ends)) return;
  const colour = joint.actuator >= 0 ? muscle(pose.levels[joint.actuator]) : null;
  const dark = named("point");
  if (joint.kind === "rope") canvas.stroke(ropeLine(view, still, joint, ends), dark, 0.5 * thick);
  if (joint.kind === "spring") canvas.stroke(coil(view, ends, thick), colour || named("passive"), 0.5 * thick);
  if (joint.kind === "slider") {
    const { middle, along } = slide(joint, ends, pose);
    const at = view.project(middle);
    const line = [-1, 1].map((sign) => [at[0] + 2.2 * thick * sign * along[0], at[1] - 2.2 * thick * sign * along[1]]);
    canvas.stroke(line, dark, 2.6 * thick);
    canvas.stroke(line, colour || named("sky"), 2.6 * thick - 2.4 * canvas.unit);
  }
  if (joint.kind === "pin" && colour) {
    const at = view.project(ends[0]);
    canvas.disc(at, 4.4 * thick, dark);
    canvas.disc(at, 4.4 * thick - 2.4 * canvas.unit, colour);
  }
}

// A parabola that is nearly as long as the rope, and is when the rope is taut.
function ropeLine(view, still, joint, [start, end]) {
  const way = plus(end, start, -1);
  const sag = Math.sqrt((3 / 16) * Math.max(joint.length ** 2 - dot(way, way), 0));
  return Array.from({ length: 17 }, (_, k) => {
    const share = k / 16;
    return view.project(plus(plus(start, way, share), still.down, 4 * share * (1 - share) * sag));
  });
}

function coil(view, ends, thick) {
  const [start, end] = ends.map((p) => view.project(p));
  const way = [end[0] - start[0], end[1] - start[1]];
  const long = Math.hypot(...way) || 1e-9;
  const across = [(-way[1] / long) * 1.5 * thick, (way[0] / long) * 1.5 * thick];
  const side = [0, 0, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, 0, 0];
  return side.map((s, k) => {
    const share = k === 0 ? 0 : k === 14 ? 1 : 0.15 + (0.7 * (k - 1)) / 12;
    return [start[0] + share * way[0] + s * across[0], start[1] + share * way[1] + s * across[1]];
  });
}

// Hinges are rings, what the world holds is orange.
function paintEnds(canvas, view, joint, ends, thick) {
  if (!fine(...ends)) return;
  const [one, two] = ends.map((p) => view.project(p));
  const held = joint.bodies[1] < 0;
  const [dark, light, pinned] = [named("point"), named("sky"), named("pinned")];
  if (joint.kind === "pin") {
    canvas.disc(one, 2.4 * thick, dark);
    if (held) canvas.disc(two, 1.5 * thick, pinned);
    else canvas.disc(one, 1.2 * thick, light);
  }
  if (joint.kind === "weld") canvas.disc(one, 1.1 * thick, dark);
  if (joint.kind === "rope" || joint.kind === "spring") {
    canvas.disc(one, 1.1 * thick, dark);
    canvas.disc(two, (held ? 1.5 : 1.1) * thick, held ? pinned : dark);
  }
}
