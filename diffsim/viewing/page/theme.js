// Colours: the names are those of diffsim/viewing/style.py.

const theme = { dark: false, palette: {}, names: {} };

function setTheme(data, dark) {
  theme.dark = dark;
  theme.names = data.palette.light;
  theme.palette = dark ? data.palette.dark : {};
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

// A colour as it is in this theme: those of the style have dark twins.
function tint(colour) {
  return theme.palette[colour] || colour;
}

function named(name) {
  return tint(theme.names[name]);
}

const parsed = new Map();

// Red, green and blue from 0 to 255.
function rgb(colour) {
  if (!parsed.has(colour)) {
    const number = parseInt(colour.slice(1), 16);
    parsed.set(colour, [number >> 16, (number >> 8) & 255, number & 255]);
  }
  return parsed.get(colour);
}

function mix(one, other, share) {
  const [a, b] = [rgb(one), rgb(other)];
  return hex(a.map((value, k) => value + share * (b[k] - value)));
}

function hex(values) {
  return "#" + values.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("");
}

function faded(colour, opacity) {
  return `rgb(${rgb(colour).join(" ")} / ${opacity})`;
}

const tables = new WeakMap();

// The 257 colours of a scale from low to high, {hex, rgb} each; mixed as squares, which is near to mixing light.
function tableOf(scale) {
  const known = tables.get(scale);
  if (known && known.dark === theme.dark) return known.colours;
  const knots = scale.colours.map((colour) => rgb(tint(colour)));
  const colours = Array.from({ length: 257 }, (_, k) => {
    const at = (k / 256) * (knots.length - 1);
    const first = Math.min(Math.floor(at), knots.length - 2);
    const share = at - first;
    const mixed = knots[first].map((value, c) => Math.sqrt((1 - share) * value ** 2 + share * knots[first + 1][c] ** 2));
    return { hex: hex(mixed), rgb: mixed };
  });
  tables.set(scale, { dark: theme.dark, colours });
  return colours;
}

// The colour of a number; null of one that is not there.
function shade(scale, value) {
  if (Number.isNaN(value)) return null;
  const share = Math.max(0, Math.min((value - scale.low) / (scale.high - scale.low), 1));
  return tableOf(scale)[Math.round(256 * share)];
}

const asking = { low: -1, high: 1, colours: [] };

// What is asked of an actuator, from -1 to 1.
function asked(level) {
  if (!asking.colours.length) asking.colours = ["contracted", "resting", "extended"].map((name) => theme.names[name]);
  return shade(asking, Number.isFinite(level) ? level : 0).hex;
}
