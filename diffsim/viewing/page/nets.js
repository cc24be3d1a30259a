// Triangles, segments and points: in space the far ones first, and paler; see diffsim/viewing/painting/points.py.

const MANY = 400; // of more points each colour is painted at once, and haze has fewer shades

function paintNets(canvas, view, still, poses, hides) {
  const widths = new Map(); // of segments between the points of a channel
  for (const { element } of poses.segments || []) {
    if (!widths.has(element.places)) widths.set(element.places, netWidth(canvas, view, element));
  }
  const strokes = [];
  const pixels = new Map();
  for (const { kind } of still.elements.filter((each) => ["triangles", "segments", "points"].includes(each.kind))) {
    const pose = poses[kind][strokes.filter((group) => group.kind === kind).length];
    const { element } = pose;
    if (!pixels.has(element.places)) pixels.set(element.places, pose.points.map((point) => view.project(point)));
    const at = pixels.get(element.places);
    const group = { kind, found: [] };
    strokes.push(group);
    if (kind === "triangles") paintFlesh(canvas, at, element.corners, tint(element.colour));
    else if (kind === "segments") group.found = segmentsOf(canvas, view, pose, at, widths.get(element.places));
    else group.found = pointsOf(canvas, view, pose, at, widths.get(element.places));
    group.found = group.found.filter((stroke) => stroke.colour && fine(...stroke.ends));
    if (!view.flat) continue;
    const many = kind === "points" && group.found.length > MANY;
    if (many) group.found.sort((a, b) => (a.colour < b.colour ? -1 : a.colour > b.colour ? 1 : 0));
    putStrokes(canvas, group.found);
  }
  if (view.flat) return;
  const seen = strokes.flatMap((group) => group.found).filter((stroke) => !(hides && stroke.ends.every((p) => hides(p))));
  byDepth(seen);
  putStrokes(canvas, seen);
}

function netWidth(canvas, view, element) {
  return Math.min(Math.max((element.length * view.scale) / (view.flat ? 10 : 16), 1.2 * canvas.unit), 4.5 * canvas.unit);
}

function paintFlesh(canvas, pixels, triples, colour) {
  const { context } = canvas;
  context.beginPath();
  for (const corner of triples) {
    const [a, b, c] = corner.map((k) => pixels[k]);
    if (!fine(a, b, c)) continue;
    const turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0; // all one way round
    context.moveTo(a[0], a[1]);
    for (const [x, y] of turn ? [b, c] : [c, b]) context.lineTo(x, y);
    context.closePath();
  }
  context.fillStyle = colour;
  context.fill();
}

function segmentsOf(canvas, view, pose, pixels, wide) {
  const { ends, width } = pose.element;
  const colours = coloursOf(pose, ends.length);
  const own = width === null ? wide : Math.max(width * view.scale, canvas.unit);
  const widths = ends.map(() => (width !== null || view.flat ? own : 0.6 * own));
  for (const [line, colour] of pose.levels) {
    colours[line] = colour;
    widths[line] = width === null ? 1.5 * own : own;
  }
  return ends.map(([a, b], k) => ({
    ends: [pixels[a], pixels[b]], colour: colours[k], width: widths[k], near: 0.5 * (pixels[a][2] + pixels[b][2]),
  }));
}

function pointsOf(canvas, view, pose, pixels, wide) {
  const { radius, count } = pose.element;
  const { unit } = canvas;
  const colours = coloursOf(pose, count);
  const lone = wide === undefined ? Math.max(14 * Math.min(Math.sqrt(60 / count), 1), 2.5) * unit : 2.1 * wide;
  const size = (k) => {
    if (radius === null) return lone;
    const own = Array.isArray(radius) ? radius[k] : radius;
    return Math.max((2 * own * view.scale) / (1 - pixels[k][2] / view.eye), 1.5 * unit);
  };
  return pixels.map((at, k) => ({ ends: [at], colour: colours[k], width: size(k), near: at[2] }));
}

// Many discs of one colour are filled together.
function putStrokes(canvas, strokes) {
  const { context } = canvas;
  for (let k = 0; k < strokes.length; k++) {
    const { ends, colour, width } = strokes[k];
    if (ends.length > 1) {
      canvas.stroke(ends, colour, width);
      continue;
    }
    context.beginPath();
    for (; k < strokes.length && strokes[k].ends.length === 1 && strokes[k].colour === colour; k++) {
      const [x, y] = strokes[k].ends[0];
      const r = Math.max(0.5 * strokes[k].width, 0);
      if (r < 1.6) {
        context.rect(x - 0.89 * r, y - 0.89 * r, 1.78 * r, 1.78 * r); // too small to tell, and of the same area
        continue;
      }
      context.moveTo(x + r, y);
      context.arc(x, y, r, 0, 2 * Math.PI);
    }
    k--;
    context.fillStyle = colour;
    context.fill();
  }
}

// The far ones first and paler.
function byDepth(strokes) {
  strokes.sort((a, b) => a.near - b.near);
  if (!strokes.length) return;
  const high = strokes[strokes.length - 1].near;
  const span = high - strokes[0].near || 1;
  const flesh = named("flesh");
  const known = new Map();
  for (const stroke of strokes) {
    const haze = 0.33 * Math.min(Math.max((high - stroke.near) / span, 0), 1);
    stroke.width *= 1 - 0.35 * haze;
    if (strokes.length <= MANY) {
      stroke.colour = mix(stroke.colour, flesh, haze);
      continue;
    }
    const shade = Math.round(40 * haze);
    const key = `${stroke.colour}${shade}`;
    if (!known.has(key)) known.set(key, mix(stroke.colour, flesh, shade / 40));
    stroke.colour = known.get(key);
  }
}

// Shadows of springs and their flesh in space.
function paintThinShadows(canvas, view, floor, poses) {
  for (const { element, points } of poses.points || []) {
    const feet = points.map((p) => view.project(cast(floor, p)));
    const of = (kind) => (poses[kind] || []).map((pose) => pose.element).filter((each) => each.places === element.places);
    const flesh = of("triangles").find((each) => each.corners.length);
    if (flesh) {
      paintFlesh(canvas, feet, flesh.corners, faded(named("shadow"), theme.dark ? 0.5 : 0.3));
      continue;
    }
    const [lines] = of("segments");
    if (!lines) continue;
    const { context } = canvas;
    context.beginPath();
    for (const [a, b] of lines.ends) {
      if (!fine(feet[a], feet[b])) continue;
      context.moveTo(feet[a][0], feet[a][1]);
      context.lineTo(feet[b][0], feet[b][1]);
    }
    context.strokeStyle = faded(named("shadow"), 0.22);
    context.lineWidth = 1.6 * canvas.unit;
    context.stroke();
  }
}
