// Grids of numbers as pictures, and areas of one colour; see diffsim/viewing/painting/fields.py.

const sheet = document.createElement("canvas");

// The browser mixes between the middles of cells.
function paintField(canvas, view, { element, values }) {
  const [n, m] = element.shape;
  const image = new ImageData(n, m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      const colour = shade(element.scale, values[i * m + j]);
      if (!colour) continue;
      const at = 4 * ((m - 1 - j) * n + i); // y goes up
      image.data.set(colour.rgb, at);
      image.data[at + 3] = 255;
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
