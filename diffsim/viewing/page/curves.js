// Loss and gradient norm over the iterations: what is under the cursor is told, a click shows the nearest saved iteration.

const LOG_FROM = 30; // positive losses that spread over more than this factor have a logarithmic axis

function element(name, attributes = {}, parent = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "none";
  const size = Math.abs(value);
  const words = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(3) : Number(value.toPrecision(4)).toString();
  return words.replace(/\.?0*e\+?/, "e").replace(/-/g, "−");
}

// Lowest and highest of an axis that shows all losses but rare spikes.
function lossLimits(losses, lowest) {
  const sorted = losses.slice().sort((a, b) => a - b);
  const middle = sorted[Math.floor(0.9 * (sorted.length - 1))];
  const high = Math.min(sorted[sorted.length - 1], Math.max(middle + (middle - lowest), losses[0]));
  const margin = 0.08 * (high - lowest) || 0.08 * Math.abs(high) || 1;
  return [lowest - margin, high + margin];
}

function ticks(low, high, log) {
  if (log) {
    const found = [];
    for (let power = Math.ceil(low - 1e-9); power <= high + 1e-9; power++) found.push(power);
    const every = Math.ceil(found.length / 5);
    if (found.length >= 2) return found.filter((power) => power % every === 0);
    // Within a decade: 1, 2, 5.
    return [1, 2, 5, 10, 20, 50].map((k) => Math.floor(low) + Math.log10(k)).filter((at) => at >= low && at <= high);
  }
  const step = roundStep((high - low) / 4);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

// One chart. Series: {name, values, kind, stepped}; null is a gap.
class Chart {
  constructor(box, at, series, { log, limits, saved, chosen, label }) {
    Object.assign(this, { box, at, series, log, saved, chosen, label });
    this.limits = limits;
    this.now = null;
    this.svg = element("svg", { role: "slider", tabindex: 0, "aria-label": label }, box);
    this.svg.setAttribute("aria-valuemin", at[0]);
    this.svg.setAttribute("aria-valuemax", at[at.length - 1]);
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    box.append(this.tip);
    this.svg.addEventListener("keydown", (event) => this.press(event));
    this.svg.addEventListener("focus", () => {
      if (this.svg.matches(":focus-visible")) this.tell(this.told ?? Math.max(this.at.indexOf(this.now), 0));
    });
    this.svg.addEventListener("blur", () => this.leave());
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerdown", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.leave());
    this.svg.addEventListener("click", (event) => chosen && chosen(this.nearest(event)));
    new ResizeObserver(() => this.draw()).observe(box);
  }

  x(iteration) {
    const { left, right } = this.room;
    return left + ((iteration - this.span[0]) / (this.span[1] - this.span[0])) * (right - left);
  }

  y(value) {
    const { top, bottom } = this.room;
    const at = this.log ? Math.log10(value) : value;
    return bottom - ((at - this.limits[0]) / (this.limits[1] - this.limits[0])) * (bottom - top);
  }

  draw() {
    const [width, height] = [this.svg.clientWidth, this.svg.clientHeight];
    if (!width || !height) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.room = { left: 52, right: width - 10, top: 8, bottom: height - 38 };
    const [first, last] = [this.at[0], this.at[this.at.length - 1]];
    const margin = 0.02 * (last - first) || 1;
    this.span = [first - margin, last + margin];
    this.svg.replaceChildren();
    this.axes(first, last, height);
    // What leaves the picture leaves it at its edge.
    const id = `clip-${this.box.id}`;
    const clip = element("clipPath", { id }, element("defs", {}, this.svg));
    element("rect", { x: 0, y: 0, width, height: this.room.bottom + 2 }, clip);
    const lines = element("g", { "clip-path": `url(#${id})` }, this.svg);
    for (const series of this.series) element("path", { d: this.line(series), class: series.kind }, lines);
    for (const iteration of this.saved) {
      const x = this.x(iteration);
      element("line", { x1: x, x2: x, y1: this.room.bottom, y2: this.room.bottom - 5, class: "saved" }, this.svg);
    }
    this.marker = element("circle", { r: 5, class: "now", visibility: "hidden" }, this.svg);
    this.ruler = element("line", { class: "line", visibility: "hidden" }, this.svg);
    this.dot = element("circle", { r: 4, class: "dot", visibility: "hidden" }, this.svg);
    this.mark(this.now);
  }

  axes(first, last, height) {
    const { left, right, bottom } = this.room;
    for (const tick of ticks(...this.limits, this.log)) {
      const value = this.log ? 10 ** tick : tick;
      const y = this.y(value);
      element("line", { x1: left, x2: right, y1: y, y2: y, class: "rule" }, this.svg);
      const words = element("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, this.svg);
      words.textContent = short(value);
    }
    element("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "axis" }, this.svg);
    const step = Math.max(1, roundStep((last - first || 1) / Math.max(2, (right - left) / 80)));
    for (let k = Math.ceil(first / step) * step; k <= last; k += step) {
      const words = element("text", { x: this.x(k), y: height - 22, "text-anchor": "middle" }, this.svg);
      words.textContent = String(k);
    }
    element("text", { x: 0.5 * (left + right), y: height - 5, "text-anchor": "middle" }, this.svg).textContent = "iteration";
  }

  line(series) {
    const parts = [];
    let [open, before] = [false, 0];
    series.values.forEach((value, k) => {
      const there = value !== null && Number.isFinite(value) && (!this.log || value > 0);
      if (!there) {
        open = false;
        return;
      }
      const [x, y] = [this.x(this.at[k]), Math.max(-50, Math.min(this.y(value), 2000))];
      const [u, v] = [x.toFixed(1), y.toFixed(1)];
      if (!open) {
        const next = series.values[k + 1];
        const alone = next === null || next === undefined || !Number.isFinite(next);
        parts.push(`M${u} ${v}${alone ? "h0.01" : ""}`);
      } else parts.push(series.stepped ? `L${u} ${before}L${u} ${v}` : `L${u} ${v}`);
      [open, before] = [true, v];
    });
    return parts.join("");
  }

  // Index of the iteration that is nearest to the cursor.
  indexAt(event) {
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const { left, right } = this.room;
    const wanted = this.span[0] + ((x - left) / (right - left)) * (this.span[1] - this.span[0]);
    let [low, high] = [0, this.at.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.at[middle] <= wanted) low = middle;
      else high = middle;
    }
    return Math.abs(this.at[low] - wanted) <= Math.abs(this.at[high] - wanted) ? low : high;
  }

  nearest(event) {
    return this.at[this.indexAt(event)];
  }

  // Along the iterations with the arrows, as on a slider; enter shows the nearest that is saved.
  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.at.length - 1;
    const here = this.told ?? Math.max(this.at.indexOf(this.now), 0);
    const to = {
      ArrowLeft: here - 1, ArrowRight: here + 1, ArrowDown: here - 1, ArrowUp: here + 1,
      PageDown: here - Math.ceil(last / 10), PageUp: here + Math.ceil(last / 10), Home: 0, End: last,
    }[event.key];
    const chooses = event.key === "Enter" || event.key === " ";
    if (to === undefined && !chooses) return;
    event.preventDefault();
    event.stopPropagation();
    if (to !== undefined) this.tell(Math.max(0, Math.min(to, last)));
    else if (this.chosen) this.chosen(this.at[here]);
  }

  point(event) {
    if (this.room) this.tell(this.indexAt(event));
  }

  // Of an iteration what there is to say, on the chart and for who does not see it.
  tell(k) {
    if (!this.room) return;
    this.told = k;
    const shown = this.series.filter((series) => !series.silent);
    const words = shown.map((series) => {
      const value = series.values[k];
      return value === null || value === undefined ? `${series.name}: step rejected` : `${series.name} ${short(value)}`;
    });
    this.tip.textContent = `iteration ${this.at[k]} · ${words.join(" · ")}`;
    this.svg.setAttribute("aria-valuenow", this.at[k]);
    this.svg.setAttribute("aria-valuetext", this.tip.textContent);
    this.tip.hidden = false;
    const x = this.x(this.at[k]);
    const half = 0.5 * this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(half, Math.min(x, this.svg.clientWidth - half))}px`;
    this.place(this.ruler, { x1: x, x2: x, y1: this.room.top, y2: this.room.bottom });
    const value = shown[0].values[k];
    if (value === null || value === undefined) this.dot.setAttribute("visibility", "hidden");
    else this.place(this.dot, { cx: x, cy: Math.max(this.y(value), 2) });
  }

  leave() {
    this.tip.hidden = true;
    for (const part of [this.ruler, this.dot]) if (part) part.setAttribute("visibility", "hidden");
  }

  place(part, attributes) {
    for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
    part.setAttribute("visibility", "visible");
  }

  // The iteration that the player shows.
  mark(iteration) {
    this.now = iteration;
    if (iteration === null || !this.marker) return;
    const k = this.at.indexOf(iteration);
    const found = k < 0 ? null : this.series.map((series) => series.values[k]).find((v) => v !== null && v !== undefined);
    if (found === null || found === undefined) {
      this.marker.setAttribute("visibility", "hidden");
      return;
    }
    this.place(this.marker, { cx: this.x(iteration), cy: Math.max(this.y(found), 2) });
  }
}

// A history as comma-separated values, a line for each iteration.
function historyCsv({ iteration, loss, best, norm }) {
  const lines = iteration.map((k, row) => [k, loss[row] ?? "", best[row] ?? "", norm[row] ?? ""].join(","));
  return `iteration,loss,best,gradient_norm\n${lines.join("\n")}\n`;
}

// The charts of a history {iteration, loss, best, norm}, arrays.
function makeCharts(history, saved, chosen) {
  const charts = [];
  const losses = history.loss.filter(Number.isFinite);
  document.getElementById("curves").hidden = losses.length === 0;
  if (!losses.length) return charts;
  const bests = history.best.filter(Number.isFinite);
  const lowest = Math.min(...losses, ...bests);
  const log = lowest > 0 && Math.max(...losses) > LOG_FROM * lowest;
  const common = { saved, chosen };
  const logs = (values, margin) => {
    const found = values.map((value) => Math.log10(value));
    const [low, high] = [Math.min(...found), Math.max(...found)];
    const room = margin * (high - low) || 0.3;
    return [low - room, high + room];
  };
  const lossSeries = [
    { name: "loss", values: history.loss, kind: "loss" },
    { name: "best", values: history.best, kind: "best", stepped: true },
  ];
  charts.push(
    new Chart(document.getElementById("loss"), history.iteration, lossSeries, {
      ...common, log, limits: log ? logs([...losses, lowest], 0.06) : lossLimits(losses, lowest),
      label: `Loss over ${losses.length} iterations, from ${short(losses[0])} to ${short(lowest)} at best`,
    }),
  );
  const norms = history.norm.filter((value) => Number.isFinite(value) && value > 0);
  const box = document.getElementById("norm");
  if (norms.length) {
    charts.push(
      new Chart(box, history.iteration, [{ name: "norm", values: history.norm, kind: "gradient" }], {
        ...common, log: true, limits: logs(norms, 0.08),
        label: `Norm of the gradient, from ${short(Math.min(...norms))} to ${short(Math.max(...norms))}`,
      }),
    );
  } else {
    box.previousElementSibling.remove();
    box.remove();
  }
  return charts;
}
