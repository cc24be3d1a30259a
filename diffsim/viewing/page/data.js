// Reading what diffsim/viewing/packing.py wrote: base64, deflate, whole numbers of seven bits to a byte.

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function inflateJson(text) {
  return JSON.parse(new TextDecoder().decode(await inflate(text)));
}

// Channels by name: {columns, values}, column after column, NaN where there is none.
function readChannels(head, bytes, rows) {
  const found = {};
  let at = 0;
  for (const [name, columns, step] of head) {
    const values = new Float32Array(columns * rows);
    for (let column = 0; column < columns; column++) {
      let value = 0;
      let slope = 0;
      for (let row = 0; row < rows; row++) {
        let code = 0;
        let factor = 1;
        let byte;
        do {
          byte = bytes[at++];
          code += (byte & 127) * factor;
          factor *= 128;
        } while (byte > 127);
        if (code === 0) {
          slope = 0;
          values[column * rows + row] = NaN;
          continue;
        }
        code -= 1;
        slope += code % 2 ? -(code + 1) / 2 : code / 2;
        value += slope;
        values[column * rows + row] = value * step;
      }
    }
    found[name] = { columns, values };
  }
  return found;
}

// One iteration's motion: what is at a moment between two frames lies between what is at both.
class Clip {
  constructor(entry, still, channels) {
    this.iteration = entry.iteration;
    this.loss = entry.loss;
    this.words = entry.words;
    this.still = still;
    this.channels = channels;
    [this.start, this.step, this.end, this.rows] = entry.time;
    this.most = {};
  }

  timeOf(row) {
    return row >= this.rows - 1 ? this.end : this.start + row * this.step;
  }

  // A row, with a fraction, of a time in seconds.
  rowAt(time) {
    if (this.rows < 2 || time <= this.start) return 0;
    const row = (time - this.start) / this.step;
    if (row < this.rows - 2) return row;
    const before = this.timeOf(this.rows - 2);
    const last = Math.max(this.end - before, 1e-12);
    return time < before ? row : this.rows - 2 + Math.min((time - before) / last, 1);
  }

  has(name) {
    return name in this.channels && this.channels[name].columns > 0;
  }

  // All columns of a channel at a row; between two rows, unless "held" from the earlier one.
  at(name, row, held = false) {
    const { columns, values } = this.channels[name];
    const rows = this.rows;
    const first = Math.min(Math.floor(row + 1e-6), rows - 1);
    const second = Math.min(first + 1, rows - 1);
    const share = held ? 0 : Math.max(row - first, 0);
    const found = new Float32Array(columns);
    for (let k = 0, at = 0; k < columns; k++, at += rows) {
      const value = values[at + first];
      found[k] = share > 0 ? value + share * (values[at + second] - value) : value;
    }
    return found;
  }
}

// Clips of the iterations, unpacked when first asked for.
class Library {
  constructor(data) {
    this.data = data;
    this.stills = new Map();
    this.surfaces = new Map();
    this.clips = new Map();
  }

  still(index) {
    if (!this.stills.has(index)) this.stills.set(index, this.unpack(index));
    return this.stills.get(index);
  }

  async unpack(index) {
    const still = await inflateJson(this.data.stills[index]);
    if (!("surfaces" in still)) return still;
    if (!this.surfaces.has(still.surfaces)) {
      const read = inflateJson(this.data.stills[still.surfaces]);
      this.surfaces.set(still.surfaces, read.then((found) => found.map(surfaceOf)));
    }
    const surfaces = await this.surfaces.get(still.surfaces);
    for (const { parts } of still.elements) {
      for (const part of (parts || []).flat()) if ("surface" in part) part.surface = surfaces[part.surface];
    }
    return still;
  }

  clip(index) {
    if (!this.clips.has(index)) this.clips.set(index, this.read(this.data.iterations[index]));
    return this.clips.get(index);
  }

  async read(entry) {
    const [still, bytes] = await Promise.all([this.still(entry.still), inflate(entry.data)]);
    return new Clip(entry, still, readChannels(entry.head, bytes, entry.time[3]));
  }
}
