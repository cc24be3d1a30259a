// Curves over time of the shown iteration, a chart for each series: lines of a few, coloured rows of many. A cursor goes
// with the player; a click, a drag or an arrow key goes to that time. The ghost's curves are dashed.

const MOST_LINES = 8; // of more, rows of a picture
const LINES = ["#2a6fc4", "#c9742a", "#2e9e6b", "#8a5fb0", "#d8433b", "#4f8795", "#a98a1d", "#b0578f"];
const LINES_DARK = ["#5b9bea", "#e59a4f", "#4cc48d", "#b08ad6", "#ee6a61", "#7fb3c2", "#d3b645", "#db86bb"];
const EDGES = { left: 56, right: 10, low: 22 };

class Trace {
  constructor(box, series, seek, step) {
    Object.assign(this, { series, seek, step });
    const head = document.createElement("h3");
    head.textContent = series.unit ? `${series.name} [${series.unit}]` : series.name;
    this.legend = document.createElement("p");
    this.legend.className = "legend-line";
    this.canvas = document.createElement("canvas");
    const { canvas } = this;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "slider");
    canvas.setAttribute("aria-label", `${series.name} over time`);
    const figure = document.createElement("div");
    figure.className = "trace";
    const line = document.createElement("div");
    line.className = "trace-head";
    line.append(head, this.legend);
    figure.append(line, canvas);
    box.append(figure);
    const at = (event) => this.clip && (event.buttons || event.type === "click") && this.seek(this.timeAt(event));
    canvas.addEventListener("click", at);
    canvas.addEventListener("pointermove", (event) => {
      at(event);
      this.hover = this.rowAt(event);
      this.tell();
    });
    canvas.addEventListener("pointerleave", () => {
      this.hover = null;
      this.tell();
    });
    canvas.addEventListener("keydown", (event) => this.press(event));
  }

  // Frames with the arrows, as on a slider; all other keys are the player's.
  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.step(by);
  }

  timeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientX - box.left - EDGES.left) / (box.width - EDGES.left - EDGES.right);
    return this.clip.start + Math.max(0, Math.min(share, 1)) * (this.clip.end - this.clip.start);
  }

  // Which row of a picture the pointer is over.
  rowAt(event) {
    if (this.lines || !this.clip) return null;
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientY - box.top - 4) / (this.height - EDGES.low - 6);
    return share < 0 || share >= 1 ? null : Math.floor(share * this.order.length);
  }

  show(clip, ghost) {
    Object.assign(this, { clip, ghost, picture: null, hover: null });
    const { columns, values } = clip.channels[this.series.channel];
    this.lines = columns <= MOST_LINES;
    this.canvas.parentNode.classList.toggle("tall", columns > 20);
    this.height = this.lines ? 150 : Math.min(Math.max(9 * columns, 110), 300) + EDGES.low + 6;
    this.order = this.series.order || Array.from({ length: columns }, (_, k) => k);
    // One axis for both iterations.
    const all = ghost && ghost.has(this.series.channel) ? [values, ghost.channels[this.series.channel].values] : [values];
    const zero = this.series.channel === "actuation" || !this.lines;
    let [low, high] = zero ? [0, 0] : [Infinity, -Infinity];
    for (const each of all) {
      for (const value of each) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (!(low < high)) [low, high] = Number.isFinite(low) ? [low - 1, high + 1] : [-1, 1];
    if (!zero) [low, high] = [low - 0.05 * (high - low), high + 0.05 * (high - low)];
    this.limits = [low, high];
  }

  value(clip, column, time) {
    const { values } = clip.channels[this.series.channel];
    return values[column * clip.rows + Math.min(Math.floor(clip.rowAt(time) + 1e-6), clip.rows - 1)];
  }

  draw(time) {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    if (!width) return;
    const key = `${width} ${ratio} ${theme.dark}`;
    if (!this.picture || this.key !== key) {
      this.key = key;
      this.canvas.style.height = `${this.height}px`;
      [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(this.height * ratio)];
      this.picture = document.createElement("canvas");
      [this.picture.width, this.picture.height] = [this.canvas.width, this.canvas.height];
      const context = this.picture.getContext("2d");
      context.scale(ratio, ratio);
      this.paint(context, width);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.picture, 0, 0);
    context.scale(ratio, ratio);
    const x = this.x(time, width);
    context.strokeStyle = named("text");
    context.lineWidth = 1.4;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, this.height - EDGES.low + 2);
    context.stroke();
    this.time = time;
    this.tell();
  }

  // The numbers at the time shown, in the legend and for who does not see it.
  tell() {
    if (!this.clip || this.time === undefined) return;
    const { labels, unit } = this.series;
    const say = (k) => `${labels[k] === this.series.name ? "" : `${labels[k]} `}${short(Number(this.value(this.clip, k, this.time).toPrecision(3)))}`;
    const shown = this.lines ? labels.map((_, k) => k) : this.hover === null ? [] : [this.order[this.hover]];
    this.legend.replaceChildren(
      ...shown.map((k) => {
        const part = document.createElement("span");
        const mark = document.createElement("i");
        if (this.lines) mark.style.background = lineColour(k);
        part.append(...(this.lines ? [mark] : []), say(k));
        return part;
      }),
    );
    if (!this.lines && this.hover === null) {
      const same = this.series.order ? ", those that act alike side by side" : ", a row each";
      const [low, word] = this.limits[0] < 0 ? [-this.most, "red"] : [0, "faint"];
      this.legend.textContent = `${labels.length} of them${same}; from ${short(low)} (${word}) to ${short(this.most)} (blue)`;
    }
    const { canvas } = this;
    canvas.setAttribute("aria-valuemin", this.clip.start.toFixed(2));
    canvas.setAttribute("aria-valuemax", this.clip.end.toFixed(2));
    canvas.setAttribute("aria-valuenow", this.time.toFixed(2));
    const told = shown.slice(0, 4).map(say).join(", ");
    canvas.setAttribute("aria-valuetext", `${this.time.toFixed(2)} s${told ? `: ${told}` : ""}${told && unit ? ` ${unit}` : ""}`);
  }

  // Half the extent of a picture's scale.
  get most() {
    return Math.max(...this.limits.map(Math.abs));
  }

  x(time, width) {
    const span = this.clip.end - this.clip.start || 1;
    const at = Math.max(this.clip.start, Math.min(time, this.clip.end));
    return EDGES.left + ((at - this.clip.start) / span) * (width - EDGES.left - EDGES.right);
  }

  paint(context, width) {
    context.font = '11.5px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
    const { start, end } = this.clip;
    const step = roundStep((end - start || 1) / Math.max(2, width / 110));
    context.fillStyle = named("quiet");
    context.textAlign = "center";
    for (let k = Math.ceil(start / step - 1e-6); k * step <= end + 1e-9; k++) {
      const x = Math.min(this.x(k * step, width), width - 16);
      context.fillText(metres(k * step, step).replace("m", "s"), x, this.height - 4);
    }
    if (this.lines) this.paintLines(context, width);
    else this.paintRows(context, width);
  }

  paintLines(context, width) {
    const [low, high] = this.limits;
    const bottom = this.height - EDGES.low - 6;
    const y = (value) => 6 + ((high - value) / (high - low)) * (bottom - 6);
    context.textAlign = "right";
    for (const tick of ticks(low, high, false)) {
      context.strokeStyle = named("guide");
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(EDGES.left, y(tick));
      context.lineTo(width - EDGES.right, y(tick));
      context.stroke();
      context.fillText(short(tick), EDGES.left - 7, y(tick) + 4);
    }
    context.lineJoin = "round";
    if (this.ghost && this.ghost.has(this.series.channel)) {
      context.setLineDash([4, 4]);
      context.globalAlpha = 0.6;
      this.paintClip(context, width, y, this.ghost, 1.2);
      context.setLineDash([]);
      context.globalAlpha = 1;
    }
    this.paintClip(context, width, y, this.clip, 1.6);
  }

  paintClip(context, width, y, clip, wide) {
    const { columns, values } = clip.channels[this.series.channel];
    const { rows } = clip;
    context.lineWidth = wide;
    for (let k = 0; k < columns; k++) {
      context.strokeStyle = lineColour(k);
      context.beginPath();
      let before = NaN;
      for (let row = 0; row < rows && clip.timeOf(row) <= this.clip.end + 1e-9; row++) {
        const value = values[k * rows + row];
        const x = this.x(clip.timeOf(row), width);
        if (!Number.isFinite(value)) before = NaN;
        else {
          if (Number.isFinite(before)) context.lineTo(x, y(value));
          else context.moveTo(x, y(value));
          before = value;
        }
      }
      context.stroke();
    }
  }

  paintRows(context, width) {
    const { values } = this.clip.channels[this.series.channel];
    const { rows } = this.clip;
    const { order, most } = this;
    const colour = this.limits[0] < 0 ? (value) => rgb(asked(value / most)) : (value) => paler(value / most);
    const image = new ImageData(rows, order.length);
    order.forEach((column, line) => {
      for (let row = 0, to = 4 * line * rows; row < rows; row++, to += 4) {
        image.data.set([...colour(values[column * rows + row]), 255], to);
      }
    });
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [rows, order.length];
    sheet.getContext("2d").putImageData(image, 0, 0);
    const high = this.height - EDGES.low - 6;
    // Where there are more rows than pixels, neighbours are mixed: they are alike.
    context.imageSmoothingEnabled = order.length > high;
    context.imageSmoothingQuality = "high";
    context.drawImage(sheet, EDGES.left, 4, width - EDGES.left - EDGES.right, high);
    context.textAlign = "right";
    const every = Math.ceil((order.length * 14) / high);
    const brief = (label) => (label.length > 7 ? `${label.slice(0, 6)}…` : label);
    for (let k = 0; k < order.length; k += every) {
      context.fillText(brief(this.series.labels[order[k]]), EDGES.left - 6, 4 + ((k + 0.5) * high) / order.length + 4);
    }
  }
}

// From nothing to one, for what has no sign.
function paler(share) {
  const [a, b] = [rgb(named("guide")), rgb(named("extended"))];
  return a.map((value, c) => value + Math.max(0, Math.min(share || 0, 1)) * (b[c] - value));
}

function lineColour(k) {
  return (theme.dark ? LINES_DARK : LINES)[k];
}

// All charts of the shown iteration.
class Traces {
  constructor(box, seek, step) {
    Object.assign(this, { box, seek, step, traces: [], names: "" });
    new ResizeObserver(() => this.time !== undefined && this.draw(this.time)).observe(box);
  }

  show(clip, ghost) {
    const shown = clip.still.series.filter((series) => clip.has(series.channel));
    document.getElementById("traces").hidden = !shown.length;
    const names = shown.map((series) => series.name).join();
    if (names !== this.names) {
      this.names = names;
      this.box.replaceChildren();
      this.traces = shown.map((series) => new Trace(this.box, series, this.seek, this.step));
    }
    this.traces.forEach((trace, k) => {
      trace.series = shown[k];
      trace.show(clip, ghost);
    });
    this.clip = clip;
  }

  draw(time) {
    this.time = time;
    for (const trace of this.traces) trace.draw(time);
  }

  // All of it as comma-separated values, a line for each frame.
  csv() {
    const { clip } = this;
    const word = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
    const titles = ["time [s]"];
    const columns = [];
    for (const { series } of this.traces) {
      const unit = series.unit ? ` [${series.unit}]` : "";
      series.labels.forEach((label, k) => {
        titles.push(`${series.name}${label === series.name ? "" : ` ${label}`}${unit}`);
        columns.push([clip.channels[series.channel].values, k * clip.rows]);
      });
    }
    const lines = [titles.map(word).join(",")];
    for (let row = 0; row < clip.rows; row++) {
      const cells = columns.map(([values, at]) => values[at + row]).map((value) => (Number.isFinite(value) ? Number(value.toPrecision(7)) : ""));
      lines.push([Number(clip.timeOf(row).toPrecision(9)), ...cells].join(","));
    }
    return `${lines.join("\n")}\n`;
  }
}

// Offer words as a file to keep.
function offer(name, words) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([words], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
