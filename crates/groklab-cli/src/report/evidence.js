// Figures that need data not every experiment has, or why one is not drawn.
// Names from the data reach the page as text, never as markup.
"use strict";

/** Appends them to `grid`; returns the plots that the switches of tasks and seeds rule. */
function showEvidence(experiment, grid) {
  const made = [];
  const missing = [];
  const show = (name, { drawn, undrawn }, draw) => (drawn ? draw(drawn) : missing.push(`${name}: ${undrawn}`));
  show("Early dip of LAR", experiment.dip, (all) => all.forEach((dip) => made.push(...showDip(experiment, dip, grid))));
  show("Key frequencies", experiment.frequencies, (shown) => made.push(...showFrequencies(experiment, shown, grid)));
  const recorded = experiment.runs.filter((run) => run.spectra.length > 0);
  const name = (run) => `${experiment.groups[run.group].title} · seed ${run.seed}`;
  chooser(grid, "Spectra of", recorded, name, (run, host) => spectra(host, run, "spectra", name(run)));
  show("LAR of every matrix", experiment.matrices, (groups) => chooser(grid, "Every matrix of", groups, (group) => group.title, (group, host) => showMatrices("matrices", group, host)));
  grid.append(...missing.map((text) => el("p", { class: "note wide undrawn" }, `Not drawn: ${text}`)));
  return made;
}

/** One of `things` at a time, drawn by `show` into its place. */
function chooser(grid, label, things, name, show) {
  if (things.length === 0) return;
  const place = el("div", { class: "wide" });
  const change = () => { place.replaceChildren(); show(things[choose.selectedIndex], place); };
  const choose = el("select", { onchange: change }, ...things.map((thing) => el("option", {}, name(thing))));
  grid.append(el("label", { class: "choose wide" }, `${label} `, choose), place);
  change();
}

/** A mean of LAR over runs against their `time`. */
function meanCurve(curve, time) {
  const x = epochsOf(curve);
  const runs = (i) => (curve.runs?.[i] > 1 ? [`${fixed(curve.min[i])} to ${fixed(curve.max[i])}, ${curve.runs[i]} runs`] : ["1 run"]);
  return { x, y: curve.mean, tell: (i) => [`${time} ${number(x[i])}`, `LAR ${number(curve.mean[i])}`, ...runs(i)] };
}

/** LAR over the first epochs, over the same by the step, and the depth of its dip, by batch size. */
function showDip(experiment, dip, host) {
  const runs = new Map(experiment.runs.map((run) => [run.id, run]));
  const lar = axis({ label: "LAR", linearOnly: true });
  const early = (key, time) => dip.sizes.map((size) => ({
    ...meanCurve(size[key], time), ...look(size.group), label: `batch size ${number(size.rows)}`, tags: [`group ${size.group}`, `size ${size.rows}`],
  }));
  const last = (series) => Math.max(1, ...series.map((s) => s.x.at(-1) ?? 0));
  const [byEpoch, byStep] = [early("by_epoch", "epoch"), early("by_step", "step")];
  const rows = dip.sizes.map((size) => size.rows);
  const depths = dip.sizes.flatMap((size) => size.runs.map(({ id, depth, epoch }) => ({
    label: `batch size ${number(size.rows)} · seed ${runs.get(id).seed}`, tags: [`group ${size.group}`, `size ${size.rows}`, `seed ${runs.get(id).seed}`],
    ...look(size.group), scatter: true, x: [size.rows], y: [depth],
    tell: () => [`depth ${number(depth)}`, `least LAR at epoch ${epoch}`], open: runs.get(id).address,
  })));
  const mean = {
    label: "mean over seeds", tags: [], x: rows, y: dip.sizes.map((size) => size.mean_depth),
    tell: (i) => [`batch size ${number(rows[i])}`, `depth ${number(dip.sizes[i].mean_depth)}`],
  };
  return figure(host, {
    id: "dip", title: `Early dip of LAR, ${dip.title}`, note: `depth: ${dip.definition}; means over all seeds of a batch size, whichever are shown`,
    legend: dip.sizes.map((size) => ({ tag: `size ${size.rows}`, label: `batch size ${number(size.rows)}`, ...look(size.group) })),
    plots: [
      { title: "by the epoch", x: epochAxis(last(byEpoch)), y: lar, series: byEpoch },
      { title: "by the step", x: { ...epochAxis(last(byStep)), label: "optimiser step", log: true }, y: lar, series: byStep },
      {
        title: "depth", series: [mean, ...depths],
        x: axis({ label: "batch size", log: true, at: rows }), y: axis({ label: "depth", linearOnly: true }),
      },
    ],
  });
}

/** k95 at the end against the dimensions of the key Fourier frequencies: a point a run, hollow where it did not grok. */
function showFrequencies(experiment, { definition, panels }, host) {
  const runs = new Map(experiment.runs.map((run) => [run.id, run]));
  const greatest = Math.max(10, ...panels.flatMap((panel) => panel.runs.flatMap((run) => [run.dimension, run.k95])));
  const side = (label) => axis({ label, linearOnly: true, whole: true, fixed: [-0.03 * greatest, 1.06 * greatest] });
  const keys = (all) => (all.length === 0 ? "no key frequency" : `frequencies ${all.slice(0, 12).join(", ")}${all.length > 12 ? ", …" : ""}`);
  const point = ({ id, dimension, k95, beside, ...shown }) => {
    const run = runs.get(id);
    return {
      label: `${experiment.groups[run.group].title} · seed ${run.seed}`, tags: [`group ${run.group}`, `seed ${run.seed}`],
      ...look(run.group), scatter: true, hollow: !run.has_grokked, beside, x: [dimension], y: [k95],
      tell: () => [`k95 ${k95}`, `${dimension} dimensions`, keys(shown.keys)], open: run.address,
    };
  };
  return figure(host, {
    id: "frequencies", title: "k95 against the key Fourier frequencies",
    note: `${definition}; hollow: did not grok; dashes: equal; runs at one place stand side by side`,
    x: side("dimensions of the key frequencies"), y: side("k95 at the end"),
    plots: panels.map((panel) => ({ title: panel.title, note: panel.remark, identity: true, series: panel.runs.map(point) })),
  });
}

/** LAR of every matrix of a group or a run: embedding and unembedding, then a plot a block. */
function showMatrices(id, group, host) {
  const marks = [["memorized", [2, 2.5], "dotted"], ["grokked", [6, 3], "dashed"]]
    .filter(([name]) => group[name] !== null)
    .map(([name, dash, look]) => ({ x: group[name], color: "--ink", dash, told: `${look}: ${name}` }));
  const curves = group.panels.flatMap((panel) => panel.curves);
  const several = curves.some((curve) => curve.runs);
  const [low, high] = [Math.min(0.4, ...curves.flatMap((curve) => curve.min ?? curve.mean)), Math.max(0.7, ...curves.flatMap((curve) => curve.max ?? curve.mean))];
  const names = [...new Map(curves.map(({ name, color }) => [name, { tag: name, label: name, color }])).values()];
  figure(host, {
    id, title: ["LAR of every matrix", group.title].filter(Boolean).join(", "),
    note: [several ? "mean and range over all seeds" : null, ...marks.map((mark) => mark.told), "level line: LAR = ½"].filter(Boolean).join("; "),
    x: epochAxis(Math.max(1, ...curves.map((curve) => epochsOf(curve).at(-1)))),
    y: axis({ label: "LAR", linearOnly: true, fixed: [low - 0.01, high + 0.01] }),
    legend: names,
    plots: group.panels.map((panel) => ({
      title: panel.title, marks, level: 0.5,
      series: panel.curves.map((curve) => ({
        ...meanCurve(curve, "epoch"), label: curve.name, tags: [curve.name], color: curve.color,
        ...(curve.runs ? { low: curve.min, high: curve.max } : {}),
      })),
    })),
  });
}
