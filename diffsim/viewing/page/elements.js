// Elements of a look (diffsim/viewing/player_elements.py) as they are at a moment: {element, ...} with what moves filled in.

// Everything at a row, with a fraction, of a clip: a list for each kind of element.
function posesOf(clip, row) {
  const { still } = clip;
  const size = still.dimension;
  const known = new Map();
  const channel = (name, width, held = false) => {
    if (!known.has(name)) known.set(name, places(clip.at(name, row, held), width));
    return known.get(name);
  };
  const asked = clip.has("actuation") ? clip.at("actuation", row, true) : [];
  const found = {};
  for (const element of still.elements) {
    const pose = { element };
    if ("turns" in element) Object.assign(pose, bodiesAt(element, channel, size));
    else if ("places" in element) pose.points = channel(element.places, size);
    if (element.kind === "arrows") pose.arrows = clip.has(element.arrows) ? channel(element.arrows, 2 * size, true) : [];
    if (element.kind === "areas") pose.corners = clip.has(element.corners) ? channel(element.corners, size) : [];
    if (element.kind === "field") pose.values = clip.at(element.values, row);
    if (element.colour && element.colour.values) pose.values = clip.at(element.colour.values, row);
    if (element.kind === "trail") Object.assign(pose, { clip, row });
    pose.levels = (element.driven || []).flatMap((group) => levelsOf(group, asked));
    (found[element.kind] ||= []).push(pose);
  }
  return found;
}

function bodiesAt(element, channel, size) {
  const at = channel(element.places, size);
  if (size === 2) {
    const turns = channel(element.turns, 1);
    return { bodies: at.map((place, k) => [...place, turns[k][0]]) };
  }
  return { bodies: at, rotations: channel(element.turns, 4).map(rotationOf) };
}

// [which, colour] of driven elements; of several for one the strongest is the last.
function levelsOf(group, asked) {
  const found = group.which.map((which, k) => {
    const value = group.gains[k] * (asked[group.actuators[k]] ?? 0);
    return [which, Number.isFinite(value) ? Math.max(-1, Math.min(value, 1)) : 0];
  });
  found.sort((a, b) => Math.abs(a[1]) - Math.abs(b[1]));
  return found.map(([which, level]) => [which, shade(group.scale, level).hex]);
}

// The colours of n of an element's parts; null where there is none to be seen.
function coloursOf(pose, n) {
  const { palette, which, scale } = pose.element.colour;
  if (scale) return Array.from(pose.values, (value) => (shade(scale, value) || { hex: null }).hex);
  const tinted = palette.map((colour) => tint(colour));
  return Array.from({ length: n }, (_, k) => tinted[which ? which[k] : 0]);
}
