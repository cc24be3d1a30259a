// Joints, ropes and springs in two dimensions; see diffsim/viewing/painting/joints.py.

function paintJoints(canvas, view, pose) {
  const { element, bodies, ends, levels } = pose;
  const thick = Math.min(Math.max(0.38 * element.width * view.scale, 1.8 * canvas.unit), 4.5 * canvas.unit);
  for (const [body, a, b, c, d] of element.stems) {
    if (!fine(bodies[body])) continue;
    const line = [[a, b], [c, d]].map((p) => view.project(turned(p, ...bodies[body])));
    canvas.stroke(line, named("point"), 0.7 * thick);
  }
  const colours = new Map(levels);
  element.joints.forEach((joint, k) => paintJoint(canvas, view, element, joint, ends[k], bodies, colours.get(k), thick));
  element.joints.forEach((joint, k) => paintEnds(canvas, view, joint, ends[k], thick));
}

// Both ends of each joint in the world [m].
function jointEnds({ element, bodies }) {
  return element.joints.map((joint) =>
    joint.bodies.map((body, side) => (body < 0 ? joint.anchors[side] : turned(joint.anchors[side], ...bodies[body]))),
  );
}

// Where the rail of a slider is, where its carriage is, and the direction of the rail.
function slide(joint, ends, bodies) {
  const world = joint.bodies[1] < 0;
  const angle = bodies[joint.bodies[0]][2] + joint.axis;
  return { base: ends[world ? 1 : 0], middle: ends[world ? 0 : 1], along: [Math.cos(angle), Math.sin(angle)] };
}

function paintRails(canvas, view, { element, ends, bodies }) {
  element.joints.forEach((joint, k) => {
    if (joint.kind !== "slider") return;
    const { base, along } = slide(joint, ends[k], bodies);
    if (!fine(base)) return;
    const line = joint.range.map((far) => view.project(plus(base, along, far)));
    canvas.stroke(line, named("surface"), 6 * canvas.unit);
    canvas.stroke(line, named("sky"), 3 * canvas.unit);
  });
}

function paintJoint(canvas, view, element, joint, ends, bodies, colour, thick) {
  if (!fine(...ends)) return;
  const dark = named("point");
  if (joint.kind === "rope") canvas.stroke(ropeLine(view, element.down, joint, ends), dark, 0.5 * thick);
  if (joint.kind === "spring") canvas.stroke(coil(view, ends, thick), colour || named("passive"), 0.5 * thick);
  if (joint.kind === "slider") {
    const { middle, along } = slide(joint, ends, bodies);
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
function ropeLine(view, down, joint, [start, end]) {
  const way = plus(end, start, -1);
  const sag = Math.sqrt((3 / 16) * Math.max(joint.length ** 2 - dot(way, way), 0));
  return Array.from({ length: 17 }, (_, k) => {
    const share = k / 16;
    return view.project(plus(plus(start, way, share), down, 4 * share * (1 - share) * sag));
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
