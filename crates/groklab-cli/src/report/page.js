// The page: its data, what the address asks for, light and dark, paper.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

const overview = document.getElementById("overview");
const runView = document.getElementById("run");
const documentTitle = document.title;

for (const experiment of data.experiments) {
  for (const run of experiment.runs) run.address = `#run/${[experiment.name, run.id].map(encodeURIComponent).join("/")}`;
  showExperiment(experiment, document.getElementById(experiment.anchor).querySelector(".interactive"));
}

/** What the address asks for: the page of a run, or a place on the overview. */
function route() {
  const [kind, ...names] = location.hash.slice(1).split("/");
  const [name, id] = kind === "run" ? names.map(decoded) : [];
  const experiment = data.experiments.find((e) => e.name === name);
  const run = experiment?.runs.find((r) => r.id === id);
  const was = runView.hidden;
  overview.hidden = Boolean(run);
  runView.hidden = !run;
  document.title = run ? `${run.id} · ${documentTitle}` : documentTitle;
  if (run) {
    showRun(experiment, run, runView);
    scrollTo(0, 0);
  } else if (!was) {
    runView.replaceChildren();
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }
}
const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
addEventListener("hashchange", route);
route();

// ---- light and dark

const theme = document.getElementById("theme");
const THEMES = ["auto", "light", "dark"];
function setTheme(name) {
  document.documentElement.dataset.theme = name;
  theme.textContent = `Theme: ${name}`;
  Plot.live().forEach((plot) => plot.change());
}
const stored = { get() { try { return localStorage.getItem("groklab-theme"); } catch { return null; } }, set(v) { try { localStorage.setItem("groklab-theme", v); } catch { /* a page opened from a file may have no storage */ } } };
setTheme(THEMES.includes(stored.get()) ? stored.get() : "auto");
theme.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  stored.set(next);
  setTheme(next);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Plot.live().forEach((plot) => plot.change()));

// ---- paper: every figure, dark on white, as wide as the page has room for

addEventListener("beforeprint", () => {
  document.documentElement.classList.add("printing");
  Plot.live().forEach((plot) => plot.draw()); // now: there is no next frame before the paper
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("printing");
  Plot.live().forEach((plot) => plot.change());
});
document.documentElement.dataset.ready = "";
