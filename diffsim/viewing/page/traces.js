// What is asked of the actuators over the shown iteration: lines of a few, coloured rows of many.

const MOST_LINES = 6;
const LINES = ["#2a6fc4", "#d8913b", "#2e9e6b", "#8a5fb0", "#d8433b", "#5f8a9e"];

class Traces {
  constructor(canvas, seek) {
    this.canvas = canvas;
    this.seek = seek;
    const at = (event) => {
      if (!this.clip || !(event.buttons || event.type === "click")) return;
      const box = canvas.getBoundingClientRect();
      const share = (event.clientX - box.left - this.left) / (box.width - this.left - 10);
      this.seek(this.clip.start + Math.max(0, Math.min(share, 1)) * (this.clip.end - this.clip.start));
    };
    canvas.addEventListener("click", at);
    canvas.addEventListener("pointermove", at);
    this.left = 44;
  }

  // Drawn once for an iteration; the cursor of time goes over it.
  show(clip) {
    this.clip = clip;
    const section = document.getElementById("traces");
    section.hidden = !clip.has("actuation");
    if (section.hidden) return;
    const { columns } = clip.channels.actuation;
    this.lines = columns <= MOST_LINES;
    this.height = this.lines ? 150 : Math.min(Math.max(9 * columns, 110), 260) + 24;
    document.getElementById("tracing").textContent = this.lines
      ? `of ${columns} actuator${columns > 1 ? "s" : ""}`
      : `of ${columns} actuators, a row each`;
    this.picture = null;
  }

  draw(time) {
    if (!this.clip || !this.clip.has("actuation")) return;
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    if (!width) return;
    const key = `${width} ${ratio} ${theme.dark} ${this.clip.iteration}`;
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
    context.lineTo(x, this.height - 20);
    context.stroke();
  }

  x(time, width) {
    const span = this.clip.end - this.clip.start || 1;
    return this.left + ((time - this.clip.start) / span) * (width - this.left - 10);
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
    const { columns, values } = this.clip.channels.actuation;
    const rows = this.clip.rows;
    const known = values.filter(Number.isFinite);
    let [low, high] = [Math.min(0, ...known), Math.max(0, ...known)];
    if (low === high) [low, high] = [-1, 1];
    const y = (value) => 8 + ((high - value) / (high - low)) * (this.height - 36);
    context.textAlign = "right";
    for (const tick of ticks(low, high, false)) {
      context.strokeStyle = named("guide");
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(this.left, y(tick));
      context.lineTo(width - 10, y(tick));
      context.stroke();
      context.fillText(short(tick), this.left - 8, y(tick) + 4);
    }
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    for (let k = 0; k < columns; k++) {
      context.strokeStyle = LINES[k];
      context.beginPath();
      let before = NaN;
      for (let row = 0; row < rows; row++) {
        const value = values[k * rows + row];
        const x = this.x(this.clip.timeOf(row), width);
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
    const { columns, values } = this.clip.channels.actuation;
    const rows = this.clip.rows;
    const gains = this.clip.still.gains || [];
    const image = new ImageData(rows, columns);
    for (let k = 0, to = 0; k < columns; k++) {
      for (let row = 0; row < rows; row++, to += 4) {
        const value = values[k * rows + row] * (k < gains.length ? gains[k] : 1);
        const colour = rgb(asked(value));
        image.data.set([...colour, 255], to);
      }
    }
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [rows, columns];
    sheet.getContext("2d").putImageData(image, 0, 0);
    const high = this.height - 28;
    context.imageSmoothingEnabled = false;
    context.drawImage(sheet, this.left, 4, width - this.left - 10, high);
    context.textAlign = "right";
    const every = Math.ceil((columns * 14) / high);
    for (let k = 0; k < columns; k += every) context.fillText(String(k), this.left - 8, 4 + ((k + 0.5) * high) / columns + 4);
  }
}
