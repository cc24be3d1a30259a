// Buttons, sliders, keys, and what they say.

const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2];

function byId(name) {
  return document.getElementById(name);
}

function seconds(time) {
  return `${time.toFixed(2)} s`;
}

// Buttons of a player, and the charts that show and choose its iterations.
function connect(player, data, charts) {
  const traces = new Traces(byId("trace-list"), (time) => player.seek(time), (by) => player.step(by));
  const scrub = byId("scrub");
  const slider = byId("iterations");
  const says = {
    clip() {
      const { clip } = player;
      [scrub.min, scrub.max] = [clip.start, clip.end];
      slider.value = player.index;
      slider.setAttribute("aria-valuetext", `iteration ${clip.iteration}`);
      byId("iteration").textContent = clip.iteration;
      caption(clip, data);
      legend(clip.still);
      const ghost = player.ghost && player.ghost !== clip ? player.ghost : null;
      traces.show(clip, ghost);
      byId("tracing").textContent = ghost
        ? `iteration ${clip.iteration}, and dashed iteration ${ghost.iteration}; a click goes to that time`
        : `${clip.iteration === null ? "" : `iteration ${clip.iteration}; `}a click goes to that time`;
      byId("ghost").textContent = player.ghost ? `ghost: ${player.ghost.iteration}` : "ghost";
      byId("ghost").setAttribute("aria-pressed", String(Boolean(player.ghost)));
      charts.forEach((chart) => chart.mark(clip.iteration));
      document.documentElement.dataset.iteration = clip.iteration;
    },
    time() {
      scrub.value = player.time;
      scrub.setAttribute("aria-valuetext", seconds(player.time));
      byId("time").textContent = seconds(player.time);
      byId("reset").hidden = !player.camera.touched;
      traces.draw(player.time);
    },
    playing() {
      byId("play").classList.toggle("playing", player.playing);
      byId("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
    },
    through() {
      byId("through").setAttribute("aria-pressed", String(player.through));
    },
  };
  player.changed = (what) => says[what]();
  byId("play").onclick = () => player.toggle();
  byId("back").onclick = () => player.step(-1);
  byId("forward").onclick = () => player.step(1);
  byId("reset").onclick = () => {
    player.camera.reset();
    player.draw();
  };
  scrub.oninput = () => player.seek(Number(scrub.value));
  byId("speed").onchange = (event) => (player.speed = Number(event.target.value));
  slider.oninput = () => player.load(Number(slider.value));
  slider.max = data.iterations.length - 1;
  byId("learn").hidden = data.iterations.length < 2;
  const best = data.iterations.findIndex((entry) => entry.iteration === data.best);
  byId("best").hidden = best < 0;
  byId("best").onclick = () => player.load(best);
  byId("through").onclick = () => watch(player);
  byId("ghost").onclick = () => player.haunt();
  byId("traces-csv").onclick = () => {
    const { iteration } = player.clip;
    offer(iteration === null ? "curves.csv" : `curves_iteration_${iteration}.csv`, traces.csv());
  };
  byId("help").onclick = () => help(player);
  document.addEventListener("keydown", (event) => press(event, player, best));
}

// All iterations, one after the other, from the first if the last is shown.
async function watch(player) {
  player.through = !player.through;
  player.changed("through");
  if (!player.through) return;
  if (player.index === player.entries.length - 1) {
    await player.load(0);
    player.seek(player.clip.start);
  }
  player.play();
}

function caption(clip, data) {
  const box = byId("caption");
  box.replaceChildren();
  if (clip.iteration !== null) box.append(`iteration ${clip.iteration}${clip.iteration === data.best ? " (best)" : ""}`);
  if (clip.loss !== null) {
    const loss = document.createElement("span");
    loss.textContent = `loss ${short(clip.loss)}${clip.words ? `: ${clip.words.replaceAll("-", "−")}` : ""}`;
    box.append(loss);
  }
}

function legend(still) {
  const rows = still.legend.map((colouring) => {
    const row = document.createElement("div");
    const scale = document.createElement("i");
    const colours = Array.from({ length: 9 }, (_, k) => tableOf(colouring)[32 * k].hex);
    scale.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
    const [low, high] = colouring.ends;
    row.append(low, scale, high);
    return row;
  });
  byId("legend").replaceChildren(...rows);
}

function help(player) {
  const flat = player.camera.flat;
  byId("mouse").textContent = flat
    ? "Drag the picture to move it, zoom with the wheel or two fingers, double-click to reset."
    : "Drag the picture to turn it (with shift to move it), zoom with the wheel or two fingers, double-click to reset.";
  byId("keys").showModal();
}

// Keys, unless they are meant for what has the focus.
function press(event, player, best) {
  if (event.ctrlKey || event.metaKey || event.altKey || !player.clip || byId("keys").open) return;
  const kind = event.target.closest ? event.target.closest("button, select, input, summary") : null;
  if (kind && (event.key === " " || event.key === "Enter") && kind.tagName !== "INPUT") return;
  if (kind && (kind.tagName === "SELECT" || kind.tagName === "INPUT") && /^(Arrow|Home|End|Page)/.test(event.key)) return;
  const { clip } = player;
  const jump = 0.05 * (clip.end - clip.start);
  const actions = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.seek(player.time - jump),
    ArrowRight: () => player.seek(player.time + jump),
    ",": () => player.step(-1),
    ".": () => player.step(1),
    Home: () => player.seek(clip.start),
    End: () => player.seek(clip.end),
    "[": () => player.load(player.asked - 1),
    "]": () => player.load(player.asked + 1),
    b: () => best >= 0 && player.load(best),
    g: () => player.entries.length > 1 && player.haunt(),
    l: () => player.entries.length > 1 && watch(player),
    ArrowUp: () => faster(player, 1),
    ArrowDown: () => faster(player, -1),
    0: () => byId("reset").click(),
    d: () => byId("theme") && byId("theme").click(),
    "?": () => help(player),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function faster(player, by) {
  const at = SPEEDS.indexOf(player.speed) + by;
  player.speed = SPEEDS[Math.max(0, Math.min(at, SPEEDS.length - 1))];
  byId("speed").value = String(player.speed);
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea"); // where a page from a file may not use the clipboard
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const words = button.textContent;
  button.textContent = "copied";
  setTimeout(() => (button.textContent = words), 1500);
}
