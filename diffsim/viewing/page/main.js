// The page comes alive.

async function begin() {
  const data = JSON.parse(byId("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  setTheme(data, dark.matches);
  const history = data.history ? await inflateJson(data.history) : null;
  const saved = data.iterations.map((entry) => entry.iteration);
  const playable = data.iterations.length > 0 && byId("player");
  let player = null;
  const nearest = (iteration) => {
    const far = saved.map((own) => Math.abs(own - iteration));
    if (player) player.load(far.indexOf(Math.min(...far)));
  };
  const charts = history && byId("curves") ? makeCharts(history, saved, playable ? nearest : null) : [];
  if (byId("hint") && playable) byId("hint").textContent = "Ticks are saved iterations; a click shows the nearest one.";
  if (playable) {
    byId("player").hidden = false;
    player = new Player(data);
    connect(player, data, charts);
  }
  if (charts.length) byId("history-csv").onclick = () => offer("history.csv", historyCsv(history));
  const repaint = (isDark) => {
    setTheme(data, isDark);
    if (!player || !player.clip) return;
    player.draw();
    legend(player.clip.still);
  };
  dark.addEventListener("change", (event) => repaint(event.matches));
  if (byId("theme")) byId("theme").onclick = () => repaint(!theme.dark);
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.onclick = () => copy(button, byId(button.dataset.copy).textContent);
  }
  if (player) {
    const last = data.iterations.findIndex((entry) => entry.iteration === data.best);
    await player.load(last < 0 ? data.iterations.length - 1 : last);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!calm && data.mode === "report") player.play();
  }
  document.documentElement.dataset.ready = "yes";
}

begin().catch((error) => {
  document.documentElement.dataset.ready = "no";
  const words = document.createElement("p");
  words.className = "card";
  words.textContent = `This page could not be shown: ${error.message}. It needs a browser from 2023 or later.`;
  document.body.prepend(words);
  throw error;
});
