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

// What is asked of a muscle or motor, from -1 to 1: mixed as squares, which is near to mixing light.
function muscle(level) {
  const k = Number.isFinite(level) ? Math.max(-1, Math.min(1, level)) : 0;
  const end = rgb(named(k < 0 ? "contracted" : "extended"));
  const rest = rgb(named("resting"));
  const share = Math.abs(k);
  return hex(rest.map((value, c) => Math.sqrt((1 - share) * value ** 2 + share * end[c] ** 2)));
}
