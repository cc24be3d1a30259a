// The ways that things have gone, up to the time shown; see diffsim/viewing/painting/trails.py.

const MOST_CORNERS = 240;

// Of each trail of an element the places at some rows, worked out once for a clip.
function waysOf(clip, element) {
  clip.ways ||= new Map();
  if (clip.ways.has(element)) return clip.ways.get(element);
  const size = clip.still.dimension;
  const { columns, values } = clip.channels[element.places];
  const { rows } = clip;
  const at = (k, row) => Array.from({ length: size }, (_, axis) => values[(k * size + axis) * rows + row]);
  const middle = (row) => {
    const all = Array.from({ length: columns / size }, (_, k) => at(k, row)).filter((place) => fine(place));
    return Array.from({ length: size }, (_, axis) => all.reduce((sum, place) => sum + place[axis], 0) / (all.length || NaN));
  };
  const stride = Math.ceil(rows / MOST_CORNERS);
  const which = element.which === null ? [middle] : element.which.map((k) => (row) => at(k, row));
  const found = which.map((place) => {
    const way = [];
    for (let row = 0; row < rows; row += stride) way.push([row, place(row)]);
    return way;
  });
  clip.ways.set(element, found);
  return found;
}

function paintTrails(canvas, view, poses) {
  for (const { element, points, clip, row } of poses.trail || []) {
    const colours = coloursOf({ element }, element.which === null ? 1 : element.which.length);
    waysOf(clip, element).forEach((way, k) => {
      const past = way.filter(([at]) => at <= row).map(([, place]) => place);
      const here = element.which === null ? null : points[element.which[k]];
      const line = [...past, ...(here ? [here] : [])].map((place) => view.project(place)).filter((p) => fine(p));
      if (line.length > 1) canvas.stroke(line, faded(colours[k], 0.55), 2 * canvas.unit);
    });
  }
}
