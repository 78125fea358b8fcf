// What the report shows: the figures of an experiment with its switches, and the page of a run.
// Names from the data reach the page as text, never as markup.
"use strict";

// ---- a figure: heading, switches, one or more plots

/** Switches for `entries` ({tag, label, color?, dash?, shape?}); `change(tag, shown)` is told. */
function chips(name, entries, change) {
  const buttons = entries.map((entry) => {
    const button = el("button", {
      type: "button", class: "chip", "aria-pressed": "true", "data-tag": entry.tag,
      onclick: () => set(button, button.getAttribute("aria-pressed") !== "true"),
    }, entry.color ? swatch(entry) : null, entry.label);
    return button;
  });
  const set = (button, shown) => {
    button.setAttribute("aria-pressed", shown);
    change(button.dataset.tag, shown);
  };
  const all = entries.length > 3
    ? [["all", true], ["none", false]].map(([label, shown]) =>
        el("button", { type: "button", class: "quiet", "aria-label": `${label} ${name}`, onclick: () => buttons.forEach((b) => set(b, shown)) }, label))
    : [];
  return el("div", { class: "chips", role: "group", "aria-label": name }, el("span", { class: "name" }, name), ...buttons, ...all);
}

/** A piece of a curve as in the plots, with the mark of its points. */
function swatch({ color: name, dash, shape }) {
  const color = name.startsWith("--") ? `var(${name})` : name;
  const svg = (tag, attributes, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const line = svg("line", { x1: 0, x2: 26, y1: 6, y2: 6, stroke: color, "stroke-width": 2.5, "stroke-dasharray": (dash ?? []).join(" ") || "none" });
  const corners = CORNERS[shape]?.map(([x, y]) => `${13 + 4.5 * x},${6 + 4.5 * y}`).join(" ");
  const mark = !shape ? [] : [corners ? svg("polygon", { points: corners, fill: color }) : svg("circle", { cx: 13, cy: 6, r: 4.5, fill: color })];
  return svg("svg", { width: 26, height: 12, "aria-hidden": "true" }, line, ...mark);
}

/** Buttons for the axes of one plot or of several: linear or logarithmic, and all of it again after a zoom. */
function axisTools(x, y) {
  const toggle = (a, name) => {
    const button = el("button", {
      type: "button", class: "quiet", "data-axis": name, "aria-pressed": a.log,
      onclick: () => { a.log = !a.log; a.zoom = null; redraw(a); },
    }, `log ${name}`);
    return button;
  };
  const switches = [["x", x], ["y", y]].filter(([, a]) => !a.linearOnly).map(([name, a]) => [a, toggle(a, name)]);
  const reset = el("button", { type: "button", class: "quiet", hidden: "", onclick: () => { x.zoom = y.zoom = null; redraw(x, y); } }, "show all");
  const update = () => {
    reset.hidden = !x.zoom && !y.zoom;
    switches.forEach(([a, button]) => button.setAttribute("aria-pressed", a.log));
  };
  return { buttons: el("div", { class: "tools" }, reset, ...switches.map(([, button]) => button)), update };
}

/** `plots`: [{title?, note?, …spec}]. They share the axes of the figure, and its buttons, or each has axes of its own. */
function figure(host, { id, title, note, x, y, plots, legend }) {
  const made = [];
  const shared = x ? axisTools(x, y) : null;
  const row = el("div", { class: `plots of-${plots.length > 4 ? "many" : plots.length}` });
  const whole = el("figure", { class: plots.length > 1 ? "figure wide" : "figure", "data-figure": id },
    el("figcaption", {}, el("div", {}, el("h3", {}, title), note ? el("p", {}, note) : null),
      shared?.buttons ?? null),
    legend ? chips("curves", legend, (tag, shown) => made.forEach((plot) => hide(plot, tag, shown))) : null, row);
  host.append(whole);
  for (const spec of plots) {
    const own = shared ?? axisTools(spec.x, spec.y);
    const head = spec.title ? el("h4", {}, spec.title) : null;
    const cell = el("div", { class: "cell" }, shared ? head : el("div", { class: "head" }, head, own.buttons), spec.note ? el("p", { class: "note" }, spec.note) : null);
    row.append(cell);
    const plot = new Plot(cell, { x, y, ...spec, label: [title, spec.title].filter(Boolean).join(": ") });
    plot.after = own.update;
    made.push(plot);
  }
  return made;
}

function hide(plot, tag, shown) {
  plot.hidden[shown ? "delete" : "add"](tag);
  plot.change();
}

// ---- what the figures show

/** One curve a run of `column`. */
function curves(experiment, column, name, format) {
  return experiment.runs.filter((run) => run.epochs.length > 0).map((run) => {
    const own = look(run.group);
    const x = epochsOf(run);
    return {
      label: `${experiment.groups[run.group].title} · seed ${run.seed}`, tags: [`group ${run.group}`, `seed ${run.seed}`],
      color: own.color, dash: own.dash, width: experiment.runs.length > 12 ? 1.1 : 1.5, x, y: run.columns[column],
      tell: (i) => [`epoch ${number(x[i])}`, `${name} ${format(run.columns[column][i])}`], open: run.address,
    };
  });
}

/** k95 against k_pred at one checkpoint: a series a group, hollow where the run did not grok. */
function scattered(experiment, checkpoint) {
  return experiment.runs.filter((run) => run[checkpoint]).map((run) => {
    const point = run[checkpoint];
    return {
      label: `${experiment.groups[run.group].title} · seed ${run.seed}`, tags: [`group ${run.group}`, `seed ${run.seed}`],
      ...look(run.group), scatter: true, hollow: !run.has_grokked, x: [point.k_pred], y: [point.k95],
      tell: () => [`epoch ${number(point.epoch)}`, `k_pred ${number(point.k_pred)}`, `k95 ${number(point.k95)}`, `LAR ${number(point.lar)}`], open: run.address,
    };
  });
}

const runs = (n) => `${n} run${n === 1 ? "" : "s"}`;

/** How far k_pred lies from k95, as a share of it, by the time since each run grokked. */
function sinceGrokking({ title, remark, agrees, at, relative, runs: alive }) {
  const greatest = Math.max(0.6, ...relative.filter((v) => v !== null && v <= 3));
  return {
    title, note: `root mean square of (k_pred − k95) / k95: ${remark} (level line); dashed: grokking`, level: agrees, marks: [{ x: 1, color: "--faint", dash: [6, 3] }],
    x: axis({ label: "epoch ÷ the run’s own grokking epoch", log: true }),
    y: axis({ label: "relative difference", format: percent, linearOnly: true, fixed: [0, 1.06 * greatest] }),
    series: [{
      label: "all runs that grokked", tags: [], color: GREEN, width: 2.4, x: at, y: relative,
      tell: (i) => [`${number(at[i])} × the grokking epoch`, percent(relative[i]), runs(alive[i])],
    }],
  };
}

/** p and q of every recorded checkpoint of a run. */
function spectra(host, run, id, name) {
  if (run.spectra.length === 0) return;
  const x = axis({ label: "direction i of W", fixed: [0, run.spectra[0].p.length + 1] });
  const y = axis({ label: "share of energy", log: true, floor: 1e-6 });
  figure(host, {
    id, x, y, title: `Spectra of weights and activations${name ? `, ${name}` : ""}`,
    note: "pᵢ: share of W’s energy in its i-th right singular vector; qᵢ: share of the activations’ energy along it",
    legend: [{ tag: "p", label: "p", color: BLUE }, { tag: "q", label: "q", color: VERMILION }],
    plots: run.spectra.map((s) => ({
      title: `${s.checkpoint}, epoch ${number(s.epoch)}`,
      note: s.lar === null ? "" : [["LAR", s.lar], ["corr", s.pearson], ["σ_p", s.sigma_p], ["σ_q", s.sigma_q]].map(([name, v]) => `${name} ${fixed(v)}`).join(" · "),
      series: [["p", BLUE], ["q", VERMILION]].map(([name, color]) => ({
        label: name, tags: [name], color, x: s[name].map((_, i) => i + 1), y: s[name],
        tell: (i) => [`i = ${i + 1}`, `p ${number(s.p[i])}`, `q ${number(s.q[i])}`],
      })),
    })),
  });
}

const lastEpoch = (runs) => Math.max(1, ...runs.map((run) => epochsOf(run).at(-1) ?? 0));
const accuracyAxis = () => axis({ label: "accuracy", format: percent, fixed: [-0.02, 1.02], linearOnly: true });

/** The figures of an experiment, and the switches that rule them all. */
function showExperiment(experiment, host) {
  const epochs = epochAxis(lastEpoch(experiment.runs));
  const bar = el("div", { class: "bar" });
  const grid = el("div", { class: "figures" });
  host.append(bar, grid);
  const made = [];
  const add = (spec) => made.push(...figure(grid, spec));
  add({ id: "lar", title: "Log-alignment ratio", x: epochs, y: axis({ label: "LAR" }), plots: [{ series: curves(experiment, "lar", "LAR", number) }] });
  add({ id: "accuracy", title: "Validation accuracy", x: epochs, y: accuracyAxis(), plots: [{ series: curves(experiment, "val_accuracy", "accuracy", percent) }] });
  add({ id: "train_loss", title: "Training loss", x: epochs, y: axis({ label: "nats", log: true }), plots: [{ series: curves(experiment, "train_loss", "loss", number) }] });
  add({ id: "val_loss", title: "Validation loss", x: epochs, y: axis({ label: "nats", log: true }), plots: [{ series: curves(experiment, "val_loss", "loss", number) }] });
  const names = { memorized: "memorized", grokked: "grokked", last: "final" };
  const [k, k95] = [axis({ label: "k_pred" }), axis({ label: "k95" })];
  const series = Object.keys(names).map((checkpoint) => scattered(experiment, checkpoint));
  const values = series.flat().flatMap((s) => [...s.x, ...s.y]);
  k.fixed = k95.fixed = [0, 1.06 * Math.max(10, ...values)];
  add({
    id: "k95", title: "k95 against k_pred", note: "hollow: the run did not grok; dashes: k95 = k_pred", x: k, y: k95,
    plots: Object.values(names).map((title, i) => ({ title, note: experiment.remarks[i], identity: true, series: series[i] })),
  });
  const since = experiment.since_grokking;
  const byEpoch = {
    title: since.length > 0 ? "by epoch" : null, x: epochs, y: axis({ label: "RMSE", log: true, floor: 0.1 }),
    series: experiment.rmse.map((curve) => ({ ...curve, epochs: epochsOf(curve) })).map((curve) => ({
      label: curve.group === null ? "all runs" : experiment.groups[curve.group].title, tags: curve.group === null ? [] : [`group ${curve.group}`],
      ...(curve.group === null ? { width: 2.4 } : look(curve.group)), x: curve.epochs, y: curve.rmse,
      tell: (i) => [`epoch ${number(curve.epochs[i])}`, `RMSE ${number(curve.rmse[i])}`, runs(curve.runs[i])],
    })),
  };
  add({
    id: "rmse", title: "RMSE of k95 against k_pred", note: "over all runs of a task, whichever seeds are shown",
    plots: [byEpoch, ...since.map(sinceGrokking)],
  });
  add({ id: "correlation", title: "Correlation of p and q", x: epochs, y: axis({ label: "Pearson", linearOnly: true }), plots: [{ series: curves(experiment, "pearson", "corr(p, q)", number) }] });
  made.push(...showEvidence(experiment, grid));

  const change = (tag, shown) => made.forEach((plot) => hide(plot, tag, shown));
  const seeds = [...new Set(experiment.runs.map((run) => run.seed))].sort((a, b) => a - b);
  bar.append(
    chips("tasks", experiment.groups.map((group, i) => ({ tag: `group ${i}`, label: group.title, ...look(i) })), change),
    chips("seeds", seeds.map((seed) => ({ tag: `seed ${seed}`, label: String(seed) })), change));
}

/** The page of one run. */
function showRun(experiment, run, host) {
  const epochs = epochAxis(lastEpoch([run]));
  const x = epochsOf(run);
  const vertical = [["memorized", PINK, [2, 2.5], "dotted"], ["grokked", GREEN, [6, 3], "dashed"]]
    .filter(([name]) => run[name])
    .map(([name, color, dash, look]) => ({ x: run[name].epoch, color, dash, told: `${look}: ${name}` }));
  const plots = (columns, format = number) => [{ marks: vertical, series: columns.map(([column, label, color]) => ({
    label, tags: [column], color, x, y: run.columns[column], tell: (i) => [`epoch ${number(x[i])}`, format(run.columns[column][i])],
  })) }];
  const legend = (columns) => columns.map(([tag, label, color]) => ({ tag, label, color }));
  const heading = el("h1", { tabindex: -1 }, experiment.groups[run.group].title, el("small", {}, `seed ${run.seed}`));
  const cell = (v) => el("td", {}, v);
  const moments = ["memorized", "grokked", "last"].map((name) => [name === "last" ? "final" : name, run[name]]);
  const files = run.files.map((file) => (run.link === null ? el("span", {}, file) : el("a", { href: run.link + file }, file)));
  host.replaceChildren(
    el("p", { class: "back" }, el("a", { href: `#${experiment.anchor}` }, `← ${experiment.name}`)),
    heading, el("p", { class: "id" }, run.id),
    el("div", { class: "pair" },
      el("div", { class: "scroll" }, el("table", {}, el("caption", {}, "Milestones"),
        el("thead", {}, el("tr", {}, ...["", "epoch", "LAR", "k_pred", "k95"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, ...moments.map(([name, p]) => el("tr", {}, el("th", { scope: "row" }, name),
          ...(p ? [number(p.epoch), fixed(p.lar), p.k_pred.toFixed(2), String(p.k95)] : ["–", "–", "–", "–"]).map(cell)))))),
      el("dl", {}, ...run.facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]))),
    el("p", { class: "files" }, "Files: ", ...files.flatMap((file, i) => (i ? [" · ", file] : [file]))));
  const grid = el("div", { class: "figures" });
  host.append(x.length > 0 ? grid : el("p", { class: "note" }, "There is no evaluation to show yet."));
  const milestones = vertical.map((mark) => mark.told).join("; ") || null;
  const pair = (id, title, columns, y, format, note) => figure(grid, { id, title, note, x: epochs, y, plots: plots(columns, format), legend: columns.length > 1 ? legend(columns) : null });
  pair("run-lar", "Log-alignment ratio", [["lar", "LAR", BLUE]], axis({ label: "LAR" }), number, milestones);
  pair("run-accuracy", "Accuracy", [["train_accuracy", "train", BLUE], ["val_accuracy", "validation", VERMILION]], accuracyAxis(), percent);
  pair("run-loss", "Loss", [["train_loss", "train", BLUE], ["val_loss", "validation", VERMILION]], axis({ label: "nats", log: true }));
  pair("run-k", "Dimension", [["k_pred", "k_pred", BLUE], ["k95", "k95", VERMILION]], axis({ label: "dimensions", log: true }));
  pair("run-rank", "Rank of the unembedding", [["stable_rank", "stable rank", BLUE], ["effective_rank", "effective rank", VERMILION]], axis({ label: "rank" }));
  pair("run-norm", "Norm of all parameters", [["weight_norm", "norm", BLUE]], axis({ label: "norm" }));
  const wide = () => grid.appendChild(el("div", { class: "wide" }));
  spectra(wide(), run, "run-spectra");
  const epoch = (point) => point?.epoch ?? null;
  if (run.matrix_lar) showMatrices("run-matrices", { title: null, memorized: epoch(run.memorized), grokked: epoch(run.grokked), panels: run.matrix_lar }, wide());
  host.append(el("section", {}, el("h2", {}, "Config"), el("pre", { tabindex: 0, role: "region", "aria-label": "config.toml" }, run.config)));
  heading.focus({ preventScroll: true });
}
