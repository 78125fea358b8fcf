// The moving part of the report: figures over uPlot, the view of one run, light and dark.
// Data come from the JSON block of the page; names from it reach the page as text, never as markup.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const finePointer = matchMedia("(hover: hover)").matches;

// ---- small things

/** An element with attributes and children; strings become text. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Okabe & Ito's colours for groups in turn, as in the figures of `groklab plot`; then the next dash and shape. */
const SERIES = ["#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"];
const DASHES = [[], [7, 3], [2, 2.5], [9, 3, 2, 3]];
const SHAPES = ["circle", "square", "triangle", "diamond"];
const [BLUE, VERMILION, GREEN, , PINK] = SERIES;
const look = (i) => ({
  color: SERIES[i % SERIES.length],
  dash: DASHES[Math.floor(i / SERIES.length) % DASHES.length],
  shape: SHAPES[Math.floor(i / SERIES.length) % SHAPES.length],
});

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
/** A number for people: five digits, thousands apart, powers of ten where they are shorter. */
function number(v) {
  if (v === null || v === undefined) return "–";
  const size = Math.abs(v);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) {
    const [digits, power] = v.toExponential(3).split("e");
    const times = Number(digits) === 1 ? "" : `${Number(digits)}·`;
    return `${times}10${[...String(Number(power))].map((c) => SUPERSCRIPT[c]).join("")}`.replace(/^-/, "−");
  }
  return Number(v.toPrecision(5)).toLocaleString("en-US", { maximumFractionDigits: 6 }).replace(/^-/, "−");
}
const percent = (v) => (v === null ? "–" : `${Number((100 * v).toFixed(2))} %`);

/** The epochs of a run or a curve, from (first, step, count). */
const epochsOf = (curve) => curve.epochs.flatMap(([start, step, n]) => Array.from({ length: n }, (_, i) => start + i * step));

// ---- axes: shared by the plots that should move together

/** What is shown of one quantity: linear or logarithmic, whole or zoomed. */
function axis(options) {
  return { log: false, zoom: null, format: number, floor: 0, plots: new Set(), ...options };
}
const redraw = (...axes) => new Set(axes.flatMap((a) => [...a.plots])).forEach((plot) => plot.draw());

/** Epochs begin at 0, so their logarithm is that of epoch + 1. */
const epochAxis = (last) => axis({ label: "epoch", log: last > 2000, plusOne: true, fixed: [0, last] });

/** The range of `values` with a little room; what is not positive has no place on a logarithmic axis. */
function extent(values, a) {
  let [low, high] = [Infinity, -Infinity];
  const least = a.log && !a.plusOne ? Math.max(a.floor, Number.MIN_VALUE) : -Infinity;
  for (const v of values) {
    if (v === null || v === undefined) continue;
    if (v > high) high = v;
    if (v < low && v >= least) low = v;
  }
  if (low > high) return a.log && !a.plusOne ? [0.1, 1] : [0, 1];
  if (a.log && !a.plusOne) {
    const room = high > low ? (high / low) ** 0.04 : 1.5;
    return [low / room, high * room];
  }
  const room = high > low ? 0.05 * (high - low) : 0.05 * (Math.abs(high) || 1);
  return [low - room, high + room];
}

/** Ticks of a logarithmic axis: decades, with 2 and 5 between them when there are few. */
function logTicks(low, high, most) {
  const powers = [];
  for (let p = Math.floor(Math.log10(Math.max(low, 1e-300))); p <= Math.ceil(Math.log10(high)); p++) powers.push(p);
  const inside = (ticks) => ticks.filter((v) => v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9));
  const fine = inside(powers.flatMap((p) => [1, 2, 5].map((m) => Number(`${m}e${p}`))));
  if (fine.length <= most) return fine;
  const decades = inside(powers.map((p) => Number(`1e${p}`)));
  const every = Math.ceil(decades.length / most);
  return decades.filter((_, i) => i % every === 0);
}

function ticks(a) {
  if (!a.log) return undefined;
  return (u, side, low, high) => {
    const most = side === 0 ? Math.max(3, Math.floor(u.width / 75)) : 6;
    if (!a.plusOne) return logTicks(low, high, most);
    return high - low < 5 ? [Math.round(low), Math.round(high)] : [...(low <= 0 ? [0] : []), ...logTicks(Math.max(low, 1), high, most)];
  };
}

function scale(a, range) {
  const common = { time: false, auto: false, range };
  if (!a.log) return common;
  return a.plusOne
    ? { ...common, distr: 100, fwd: (v) => Math.log10(1 + Math.max(v, 0)), bwd: (v) => 10 ** v - 1 }
    : { ...common, distr: 3, log: 10 };
}

// ---- one plot

/** Marks of a scatter plot, drawn as one path. */
function marks(shape) {
  return (u, series, first, last) => {
    const [fill, clip, r] = [new Path2D(), new Path2D(), 4.2 * uPlot.pxRatio];
    const box = u.bbox;
    clip.rect(box.left - r, box.top - r, box.width + 2 * r, box.height + 2 * r);
    for (let i = first; i <= last; i++) {
      if (u.data[series][i] == null) continue;
      const x = u.valToPos(u.data[0][i], "x", true);
      const y = u.valToPos(u.data[series][i], "y", true);
      const corners = { square: [[-1, -1], [1, -1], [1, 1], [-1, 1]], triangle: [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]], diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]] }[shape];
      if (corners) {
        corners.forEach(([dx, dy], c) => fill[c ? "lineTo" : "moveTo"](x + r * dx * 0.9, y + r * dy * 0.9));
        fill.closePath();
      } else {
        fill.moveTo(x + r, y);
        fill.arc(x, y, r, 0, 2 * Math.PI);
      }
    }
    return { stroke: fill, fill, clip, flags: 3 };
  };
}

/** Series on common, increasing x as uPlot wants them; x of scattered points may repeat. */
function aligned(series, logY) {
  const shown = (v) => (logY && !(v > 0) ? null : v);
  if (series.length === 0) return [[]];
  if (!series[0].scatter) return uPlot.join(series.map((s) => [s.x, s.y.map(shown)]));
  const points = series.flatMap((s, at) => s.x.map((x, i) => ({ x, y: shown(s.y[i]), at }))).sort((a, b) => a.x - b.x);
  return [points.map((p) => p.x), ...series.map((_, at) => points.map((p) => (p.at === at ? p.y : null)))];
}

/**
 * A plot in `host`. `spec`: label (read aloud), x and y (axes), series, identity (the diagonal), marks (vertical lines).
 * A series: label, tags (what hides it), color, dash, width, x, y, scatter, shape, hollow, tell (index → lines of text), open (address).
 */
class Plot {
  static all = [];

  /** Those on the page. */
  static live() {
    return (Plot.all = Plot.all.filter((plot) => plot.box.isConnected));
  }

  constructor(host, spec) {
    Object.assign(this, { spec, hidden: new Set(), at: null });
    this.tip = el("div", { class: "tip", role: "status", hidden: "" });
    this.ring = el("div", { class: "ring", hidden: "" });
    this.box = el("div", {
      class: "plot", tabindex: 0, role: "group",
      "aria-label": `${spec.label}. Left and right arrows move along a curve, up and down change the curve, plus and minus zoom, Escape shows all.`,
      onkeydown: (event) => this.key(event),
      onblur: () => this.point(null),
    }, this.tip);
    host.append(this.box);
    Plot.all.push(this);
    spec.x.plots.add(this);
    spec.y.plots.add(this);
    // drawn when it comes near the window, and again when its width changes
    Object.assign(this, { near: false, width: 0 });
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      this.near = true;
      this.draw();
    }, { rootMargin: "600px" });
    observer.observe(this.box);
    new ResizeObserver(() => { if (this.box.clientWidth !== this.width) this.draw(); }).observe(this.box);
  }

  visible() {
    return this.spec.series.filter((s) => !s.tags.some((tag) => this.hidden.has(tag)));
  }

  range(key) {
    const a = this.spec[key];
    if (a.zoom) return a.zoom;
    if (a.fixed && (!a.log || a.plusOne)) return a.fixed;
    if (key === "x" || !this.spec.x.zoom || this.spec.identity) return extent(this.visible().flatMap((s) => s[key]), a);
    const [low, high] = this.spec.x.zoom; // a zoom into some epochs shows what is in them at full height
    return extent(this.visible().flatMap((s) => s.y.filter((_, i) => s.x[i] >= low && s.x[i] <= high)), a);
  }

  draw() {
    this.width = this.box.clientWidth;
    if (!this.near || this.width === 0) return;
    this.point(null);
    this.plot?.destroy();
    const { spec } = this;
    const { x, y } = spec;
    const series = this.visible();
    const [ink, faint, grid, paper] = ["--ink", "--faint", "--grid", "--paper"].map(css);
    const font = `12px ${css("--sans")}`;
    const side = (a, extra) => ({
      stroke: faint, font, labelFont: font, label: a.label, labelSize: 20, gap: 4,
      grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 5 },
      splits: ticks(a), values: (_, splits) => splits.map((v) => (v === null ? "" : a.format(v))), ...extra,
      ...(a.log ? { filter: (_, splits) => splits } : {}),
    });
    const [xs, ys] = [this.range("x"), this.range("y")];
    const height = spec.identity ? clamp(this.width, 220, 380) : this.width < 420 ? 230 : 270;
    this.plot = new uPlot({
      width: this.width, height, legend: { show: false }, padding: [8, 12, 0, 0],
      scales: { x: scale(x, () => xs), y: scale(y, () => ys) },
      axes: [
        side(x, { space: 60, size: 32 }),
        side(y, { space: 34, size: (_, values) => 16 + 6.6 * Math.max(3, ...(values ?? []).map((v) => v.length)) }),
      ],
      cursor: {
        x: false, y: false, points: { show: false }, drag: { x: true, y: true, uni: 24, setScale: false },
        bind: { dblclick: () => () => this.reset() },
      },
      series: [{}, ...series.map((s) => ({
        stroke: s.color ?? ink, width: s.width ?? 1.5, dash: s.dash?.length ? s.dash : undefined, spanGaps: true,
        ...(s.scatter
          ? { paths: () => null, points: { show: true, size: 9, width: 1.6, stroke: s.color, fill: s.hollow ? paper : s.color, paths: marks(s.shape) } }
          : { points: { show: s.x.length < 2, size: 6, fill: s.color ?? ink } }),
      }))],
      hooks: {
        drawAxes: [(u) => this.under(u, faint)],
        setCursor: [(u) => { if (u.cursor.left >= 0) this.point(this.nearest(u.cursor.left, u.cursor.top)); else if (document.activeElement !== this.box) this.point(null); }],
        setSelect: [(u) => this.select(u)],
      },
    }, aligned(series, y.log), this.box);
    this.plot.over.append(this.ring);
    this.plot.over.addEventListener("click", () => { if (finePointer && this.at && this.pressed) this.open(); });
    this.plot.over.addEventListener("mousedown", (e) => { this.down = [e.clientX, e.clientY]; });
    this.plot.over.addEventListener("mouseup", (e) => { this.pressed = this.down && Math.hypot(e.clientX - this.down[0], e.clientY - this.down[1]) < 3; });
    this.plot.over.style.cursor = series.some((s) => s.open) && finePointer ? "pointer" : "crosshair";
    this.box.dataset.series = series.length;
    this.after?.();
  }

  /** What lies under the curves: the diagonal, and vertical marks. */
  under(u, faint) {
    const { ctx, bbox } = u;
    const r = uPlot.pxRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const line = (points, color, dash) => {
      ctx.beginPath();
      points.forEach(([x, y], i) => ctx[i ? "lineTo" : "moveTo"](x, y));
      Object.assign(ctx, { strokeStyle: color, lineWidth: 1.2 * r });
      ctx.setLineDash(dash.map((d) => d * r));
      ctx.stroke();
    };
    if (this.spec.identity) {
      const { min, max } = u.scales.x;
      const both = Array.from({ length: 65 }, (_, i) => min + ((max - min) * i) / 64).filter((v) => v > 0 || !this.spec.y.log);
      line(both.map((v) => [u.valToPos(v, "x", true), u.valToPos(v, "y", true)]), faint, [5, 3]);
    }
    for (const mark of this.spec.marks ?? []) {
      const x = u.valToPos(mark.x, "x", true);
      line([[x, bbox.top], [x, bbox.top + bbox.height]], mark.color, mark.dash);
    }
    ctx.restore();
  }

  /** The point nearest to a place in the plot, within reach. */
  nearest(left, top) {
    let best = null;
    this.visible().forEach((s, at) => {
      let [first, last] = [0, s.x.length - 1];
      if (!s.scatter) {
        const x = this.plot.posToVal(left, "x");
        let high = last;
        while (first < high) {
          const middle = (first + high) >> 1;
          if (s.x[middle] < x) first = middle + 1;
          else high = middle;
        }
        [first, last] = [Math.max(first - 1, 0), Math.min(first, last)];
      }
      for (let i = first; i <= last; i++) {
        const place = this.place(s, i);
        if (!place) continue;
        const distance = Math.hypot((place[0] - left) * (s.scatter ? 1 : 0.6), place[1] - top);
        if (distance < (best?.distance ?? 60)) best = { at, i, distance };
      }
    });
    return best;
  }

  place(s, i) {
    const { x, y } = this.spec;
    if (s.y[i] === null || s.y[i] === undefined || (y.log && s.y[i] <= 0) || (x.log && !x.plusOne && s.x[i] <= 0)) return null;
    return [this.plot.valToPos(s.x[i], "x"), this.plot.valToPos(s.y[i], "y")];
  }

  /** Shows the value of a point, or none. */
  point(at) {
    this.at = at;
    const s = at && this.visible()[at.at];
    const place = s && this.place(s, at.i);
    this.tip.hidden = this.ring.hidden = !place;
    if (!place) return;
    const [left, top] = place;
    const color = s.color ?? css("--ink");
    this.ring.style.cssText = `left:${left}px;top:${top}px;border-color:${color}`;
    this.tip.replaceChildren(el("b", {}, s.label), ...s.tell(at.i).map((text) => el("span", {}, text)));
    this.tip.firstChild.style.borderColor = color;
    const over = this.plot.over;
    const x = over.offsetLeft + left;
    const y = over.offsetTop + top;
    const wide = this.tip.offsetWidth;
    const before = x + 14 + wide > this.box.clientWidth;
    this.tip.style.left = `${clamp(before ? x - 14 - wide : x + 14, 0, Math.max(0, this.box.clientWidth - wide))}px`;
    this.tip.style.top = `${Math.max(0, y - this.tip.offsetHeight - 8)}px`;
  }

  open() {
    const address = this.at && this.visible()[this.at.at]?.open;
    if (address) location.hash = address;
  }

  select(u) {
    const { left, top, width, height } = u.select;
    if (width < 4 && height < 4) return;
    const value = (at, key) => u.posToVal(at, key);
    if (width >= 4) this.spec.x.zoom = [value(left, "x"), value(left + width, "x")];
    if (height >= 4 && height < u.over.clientHeight - 1) this.spec.y.zoom = [value(top + height, "y"), value(top, "y")];
    redraw(this.spec.x, this.spec.y);
  }

  reset() {
    this.spec.x.zoom = this.spec.y.zoom = null;
    redraw(this.spec.x, this.spec.y);
  }

  /** Zooms in x about the point that is shown, or about the middle. */
  zoom(factor) {
    const u = this.plot;
    const width = u.over.clientWidth;
    const at = this.at ? this.place(this.visible()[this.at.at], this.at.i)[0] : width / 2;
    const ends = [at - at * factor, at + (width - at) * factor].map((p) => u.posToVal(p, "x"));
    const whole = this.spec.x.fixed;
    this.spec.x.zoom = whole ? [Math.max(ends[0], whole[0]), Math.min(ends[1], whole[1])] : ends;
    redraw(this.spec.x, this.spec.y);
  }

  key(event) {
    const series = this.plot ? this.visible() : [];
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity] };
    if (event.ctrlKey || event.metaKey || event.altKey || series.length === 0) return;
    if (steps[event.key]) {
      const [across, along] = steps[event.key];
      const now = this.at ?? { at: 0, i: 0 };
      const at = this.at ? (now.at + across + series.length) % series.length : 0;
      let i = clamp(this.at ? now.i + along : 0, 0, series[at].x.length - 1);
      // evaluations without a value are stepped over
      while (along && i > 0 && i < series[at].x.length - 1 && !this.place(series[at], i)) i += Math.sign(along);
      this.point({ at, i });
    } else if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "Escape" || event.key === "0") this.reset();
    else if (event.key === "Enter") this.open();
    else return;
    event.preventDefault();
  }
}

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

/** A piece of a curve, as in the plots. */
function swatch({ color, dash }) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [k, v] of Object.entries({ width: 22, height: 10, "aria-hidden": "true" })) svg.setAttribute(k, v);
  for (const [k, v] of Object.entries({ x1: 0, x2: 22, y1: 5, y2: 5, stroke: color, "stroke-width": 3, "stroke-dasharray": (dash ?? []).join(" ") || "none" })) line.setAttribute(k, v);
  svg.append(line);
  return svg;
}

/** `plots`: [{title?, note?, …spec}]. They share the axes they are given; the buttons switch those of the first. */
function figure(host, { id, title, note, x, y, plots, legend }) {
  const made = [];
  const toggle = (a, name) => {
    const button = el("button", {
      type: "button", class: "quiet", "data-axis": name, "aria-pressed": a.log,
      onclick: () => { a.log = !a.log; a.zoom = null; redraw(a); },
    }, `log ${name}`);
    return button;
  };
  const switches = [["x", x], ["y", y]].filter(([, a]) => !a.linearOnly).map(([name, a]) => [a, toggle(a, name)]);
  const reset = el("button", { type: "button", class: "quiet", hidden: "", onclick: () => made[0].reset() }, "show all");
  const row = el("div", { class: `plots of-${plots.length}` });
  const whole = el("figure", { class: plots.length > 1 ? "figure wide" : "figure", "data-figure": id },
    el("figcaption", {}, el("div", {}, el("h3", {}, title), note ? el("p", {}, note) : null),
      el("div", { class: "tools" }, reset, ...switches.map(([, button]) => button))),
    legend ? chips("curves", legend, (tag, shown) => made.forEach((plot) => hide(plot, tag, shown))) : null, row);
  host.append(whole);
  for (const spec of plots) {
    const cell = el("div", { class: "cell" }, spec.title ? el("h4", {}, spec.title) : null, spec.note ? el("p", { class: "note" }, spec.note) : null);
    row.append(cell);
    const plot = new Plot(cell, { x, y, ...spec, label: [title, spec.title].filter(Boolean).join(": ") });
    plot.after = () => {
      reset.hidden = !x.zoom && !y.zoom;
      switches.forEach(([a, button]) => button.setAttribute("aria-pressed", a.log));
    };
    made.push(plot);
  }
  return made;
}

function hide(plot, tag, shown) {
  plot.hidden[shown ? "delete" : "add"](tag);
  plot.draw();
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

/** p and q of every recorded checkpoint of a run. */
function spectra(host, run, id) {
  if (run.spectra.length === 0) return;
  const x = axis({ label: "direction i of W", fixed: [0, run.spectra[0].p.length + 1] });
  const y = axis({ label: "share of energy", log: true, floor: 1e-6 });
  figure(host, {
    id, x, y, title: "Spectra of weights and activations", note: "pᵢ: share of W’s energy in its i-th right singular vector; qᵢ: share of the activations’ energy along it",
    legend: [{ tag: "p", label: "p", color: BLUE }, { tag: "q", label: "q", color: VERMILION }],
    plots: run.spectra.map((s) => ({
      title: `${s.checkpoint}, epoch ${number(s.epoch)}`,
      note: s.lar === null ? "" : `LAR ${number(s.lar)} · corr(p, q) ${number(s.pearson)} · σ_p ${number(s.sigma_p)} · σ_q ${number(s.sigma_q)}`,
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
  add({
    id: "rmse", title: "RMSE of k95 against k_pred", note: "over all runs of a task, whichever seeds are shown", x: epochs, y: axis({ label: "RMSE" }),
    plots: [{ series: experiment.rmse.map((curve) => ({ ...curve, epochs: epochsOf(curve) })).map((curve) => ({
      label: curve.group === null ? "all runs" : experiment.groups[curve.group].title, tags: curve.group === null ? [] : [`group ${curve.group}`],
      ...(curve.group === null ? { width: 2.4 } : look(curve.group)), x: curve.epochs, y: curve.rmse,
      tell: (i) => [`epoch ${number(curve.epochs[i])}`, `RMSE ${number(curve.rmse[i])}`, `${curve.runs[i]} run${curve.runs[i] === 1 ? "" : "s"}`],
    })) }],
  });
  add({ id: "correlation", title: "Correlation of p and q", x: epochs, y: axis({ label: "Pearson", linearOnly: true }), plots: [{ series: curves(experiment, "pearson", "corr(p, q)", number) }] });

  const change = (tag, shown) => made.forEach((plot) => hide(plot, tag, shown));
  const seeds = [...new Set(experiment.runs.map((run) => run.seed))].sort((a, b) => a - b);
  bar.append(
    chips("tasks", experiment.groups.map((group, i) => ({ tag: `group ${i}`, label: group.title, ...look(i) })), change),
    chips("seeds", seeds.map((seed) => ({ tag: `seed ${seed}`, label: String(seed) })), change));

  const recorded = experiment.runs.filter((run) => run.spectra.length > 0);
  if (recorded.length === 0) return;
  const place = el("div", { class: "wide" });
  const choose = el("select", { onchange: () => { place.replaceChildren(); spectra(place, recorded[choose.selectedIndex], "spectra"); } },
    ...recorded.map((run) => el("option", {}, `${experiment.groups[run.group].title} · seed ${run.seed}`)));
  grid.append(el("label", { class: "choose wide" }, "Spectra of ", choose), place);
  spectra(place, recorded[0], "spectra");
}

/** The page of one run. */
function showRun(experiment, run, host) {
  const epochs = epochAxis(lastEpoch([run]));
  const x = epochsOf(run);
  const vertical = [["memorized", PINK, [2, 2.5]], ["grokked", GREEN, [6, 3]]].filter(([name]) => run[name]).map(([name, color, dash]) => ({ x: run[name].epoch, color, dash }));
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
          ...(p ? [number(p.epoch), p.lar.toFixed(3), p.k_pred.toFixed(2), String(p.k95)] : ["–", "–", "–", "–"]).map(cell)))))),
      el("dl", {}, ...run.facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]))),
    el("p", { class: "files" }, "Files: ", ...files.flatMap((file, i) => (i ? [" · ", file] : [file]))));
  const grid = el("div", { class: "figures" });
  host.append(grid);
  const milestones = vertical.length ? "dotted: memorized; dashed: grokked" : null;
  const pair = (id, title, columns, y, format, note) => figure(grid, { id, title, note, x: epochs, y, plots: plots(columns, format), legend: columns.length > 1 ? legend(columns) : null });
  pair("run-lar", "Log-alignment ratio", [["lar", "LAR", BLUE]], axis({ label: "LAR" }), number, milestones);
  pair("run-accuracy", "Accuracy", [["train_accuracy", "train", BLUE], ["val_accuracy", "validation", VERMILION]], accuracyAxis(), percent);
  pair("run-loss", "Loss", [["train_loss", "train", BLUE], ["val_loss", "validation", VERMILION]], axis({ label: "nats", log: true }));
  pair("run-k", "Dimension", [["k_pred", "k_pred", BLUE], ["k95", "k95", VERMILION]], axis({ label: "dimensions" }));
  pair("run-rank", "Rank of the unembedding", [["stable_rank", "stable rank", BLUE], ["effective_rank", "effective rank", VERMILION]], axis({ label: "rank" }));
  pair("run-norm", "Norm of all parameters", [["weight_norm", "norm", BLUE]], axis({ label: "norm" }));
  const wide = el("div", { class: "wide" });
  grid.append(wide);
  spectra(wide, run, "run-spectra");
  host.append(el("section", {}, el("h2", {}, "Config"), el("pre", { tabindex: 0, role: "region", "aria-label": "config.toml" }, run.config)));
  heading.focus({ preventScroll: true });
}

// ---- the page

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
  theme.textContent = `${name[0].toUpperCase()}${name.slice(1)}`;
  theme.setAttribute("aria-label", `Colours: ${name}`);
  Plot.live().forEach((plot) => plot.draw());
}
const stored = { get() { try { return localStorage.getItem("groklab-theme"); } catch { return null; } }, set(v) { try { localStorage.setItem("groklab-theme", v); } catch { /* a page opened from a file may have no storage */ } } };
setTheme(THEMES.includes(stored.get()) ? stored.get() : "auto");
theme.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  stored.set(next);
  setTheme(next);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Plot.live().forEach((plot) => plot.draw()));

// ---- paper: every figure, dark on white, as wide as the page has room for

addEventListener("beforeprint", () => {
  document.documentElement.classList.add("printing");
  Plot.live().forEach((plot) => { plot.near = true; plot.draw(); });
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("printing");
  Plot.live().forEach((plot) => plot.draw());
});
document.documentElement.dataset.ready = "";
