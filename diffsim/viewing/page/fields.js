// Grids of numbers as pictures, and areas of one colour; see diffsim/viewing/painting/fields.py.

const sheet = document.createElement("canvas");

const pixelTables = new WeakMap();

// The colours of a scale as the pixels of an image, four bytes each.
function pixelsOf(scale) {
  const colours = tableOf(scale);
  if (!pixelTables.has(colours)) {
    const bytes = new Uint8ClampedArray(colours.flatMap(({ rgb: [r, g, b] }) => [r, g, b, 255]));
    pixelTables.set(colours, new Uint32Array(bytes.buffer));
  }
  return pixelTables.get(colours);
}

// The browser mixes between the middles of cells.
function paintField(canvas, view, { element, values }) {
  const [n, m] = element.shape;
  const { low, high } = element.scale;
  const table = pixelsOf(element.scale);
  const image = new ImageData(n, m);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0, k = 0; i < n; i++) {
    for (let j = 0; j < m; j++, k++) {
      const share = Math.max(0, Math.min((values[k] - low) / (high - low), 1));
      if (share === share) pixels[(m - 1 - j) * n + i] = table[Math.round(256 * share)]; // y goes up; NaN stays empty
    }
  }
  [sheet.width, sheet.height] = [n, m];
  sheet.getContext("2d").putImageData(image, 0, 0);
  const [left, bottom] = view.project(element.low);
  const [right, top] = view.project(element.high);
  const { context } = canvas;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(sheet, left, top, right - left, bottom - top);
}

function paintAreas(canvas, view, { element, corners }) {
  for (let k = 0; k < corners.length; k += element.each) {
    const ring = corners.slice(k, k + element.each).map((p) => view.project(p));
    if (fine(...ring)) canvas.fill(ring, tint(element.colour));
  }
}

function paintFilled(canvas, view, still, poses) {
  for (const pose of [...(poses.field || []), ...(poses.areas || [])]) {
    (pose.element.kind === "field" ? paintField : paintAreas)(canvas, view, pose);
  }
}
