// A plot over uPlot: axes that several plots share, zoom, the value under the pointer or the keys.
"use strict";

// ---- small things

const finePointer = matchMedia("(hover: hover)").matches;

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
/** Corners of the marks about their middle, one being the radius of a circle of the same size to the eye. */
const CORNERS = {
  square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  triangle: [[0, -1.1], [1, 0.75], [-1, 0.75]],
  diamond: [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]],
};
const look = (i) => ({
  color: SERIES[i % SERIES.length],
  dash: DASHES[Math.floor(i / SERIES.length) % DASHES.length],
  shape: SHAPES[Math.floor(i / SERIES.length) % SHAPES.length],
});

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** A colour, or the name of one that follows light and dark. */
const paint = (color) => (color?.startsWith("--") ? css(color) : color ?? css("--ink"));
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
const fixed = (v) => (v === null ? "–" : v.toFixed(3).replace("-", "−"));
const percent = (v) => (v === null ? "–" : `${Number((100 * v).toFixed(2))} %`);

/** The epochs of a run or a curve, from (first, step, count). */
const epochsOf = (curve) => curve.epochs.flatMap(([start, step, n]) => Array.from({ length: n }, (_, i) => start + i * step));

// ---- axes: shared by the plots that should move together

/** What is shown of one quantity: linear or logarithmic, whole or zoomed. */
function axis(options) {
  return { log: false, zoom: null, format: number, floor: 0, plots: new Set(), ...options };
}
const redraw = (...axes) => new Set(axes.flatMap((a) => [...a.plots])).forEach((plot) => plot.change());

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

/** Distances of ticks between whole numbers. */
const WHOLE = [0, 1, 2, 3, 4, 5].flatMap((power) => [1, 2, 5].map((m) => m * 10 ** power));

function ticks(a) {
  if (!a.log) return undefined;
  return (u, side, low, high) => {
    const most = side === 0 ? Math.max(3, Math.floor(u.width / 75)) : 6;
    if (a.at) {
      // where the values are, unless two labels would touch
      let free = low;
      const gap = (high / low) ** (48 / u.width);
      const own = a.at.filter((v) => v >= free && v <= high && (free = v * gap));
      if (own.length > 1) return own;
    }
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

/** Pixels between marks of runs at the same place. */
const BESIDE = 4;

/** Marks of a scatter plot, drawn as one path. */
function marks(shape, beside = 0) {
  return (u, series, first, last) => {
    const [fill, clip, r] = [new Path2D(), new Path2D(), 4.2 * uPlot.pxRatio];
    const box = u.bbox;
    clip.rect(box.left - r, box.top - r, box.width + 2 * r, box.height + 2 * r);
    for (let i = first; i <= last; i++) {
      if (u.data[series][i] == null) continue;
      const x = u.valToPos(u.data[0][i], "x", true) + BESIDE * beside * uPlot.pxRatio;
      const y = u.valToPos(u.data[series][i], "y", true);
      const corners = CORNERS[shape];
      if (corners) {
        corners.forEach(([dx, dy], c) => fill[c ? "lineTo" : "moveTo"](x + r * dx, y + r * dy));
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
  if (!series.some((s) => s.scatter)) return uPlot.join(series.map((s) => [s.x, s.y.map(shown)]));
  const points = series.flatMap((s, at) => s.x.map((x, i) => ({ x, y: shown(s.y[i]), at }))).sort((a, b) => a.x - b.x);
  return [points.map((p) => p.x), ...series.map((_, at) => points.map((p) => (p.at === at ? p.y : null)))];
}

/**
 * A plot in `host`. `spec`: label (read aloud), x and y (axes), series, identity (the diagonal), level (a horizontal line), marks (vertical ones).
 * A series: label, tags (what hides it), color, dash, width, x, y, low and high (a band), scatter, shape, hollow, beside, tell (index → lines of text), open (address).
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
    // drawn when it is near the window, and again when something has changed: many long runs take a while
    Object.assign(this, { near: false, stale: true, asked: false, width: 0 });
    const observer = new IntersectionObserver((entries) => {
      this.near = entries.at(-1).isIntersecting;
      if (this.near && this.stale) this.draw();
    }, { rootMargin: "400px" });
    observer.observe(this.box);
    new ResizeObserver(() => { if (this.box.clientWidth !== this.width) this.change(); }).observe(this.box);
  }

  /** Draws before the next frame, once for all changes until then. */
  change() {
    this.stale = true;
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      if (this.near && this.stale) this.draw();
    });
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
    if (this.width === 0) return;
    this.stale = false;
    this.point(null);
    this.plot?.destroy();
    const { spec } = this;
    const { x, y } = spec;
    const series = this.visible();
    const [faint, grid, paper] = ["--faint", "--grid", "--paper"].map(css);
    const font = `12px ${css("--sans")}`;
    const side = (a, extra) => ({
      stroke: faint, font, labelFont: font, label: a.label, labelSize: 20, gap: 4,
      grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 5 },
      splits: ticks(a), incrs: a.whole ? WHOLE : undefined, values: (_, splits) => splits.map((v) => (v === null ? "" : a.format(v))), ...extra,
      ...(a.log ? { filter: (_, splits) => splits } : {}),
    });
    const [xs, ys] = [this.range("x"), this.range("y")];
    const height = spec.identity ? clamp(this.width, 220, 380) : this.width < 420 ? 230 : 270;
    this.plot = new uPlot({
      width: this.width, height, legend: { show: false }, padding: [8, 22, 0, 0],
      scales: { x: scale(x, () => xs), y: scale(y, () => ys) },
      axes: [
        side(x, { space: 60, size: 32 }),
        side(y, { space: spec.identity ? 60 : 34, size: (_, values) => 16 + 6.6 * Math.max(3, ...(values ?? []).map((v) => v.length)) }),
      ],
      cursor: {
        x: false, y: false, points: { show: false }, drag: { x: true, y: true, uni: 24, setScale: false },
      },
      series: [{}, ...series.map((s) => ({
        stroke: paint(s.color), width: s.width ?? 1.5, dash: s.dash?.length ? s.dash : undefined, spanGaps: true,
        ...(s.scatter
          ? { paths: () => null, points: { show: true, size: 9, width: 1.6, stroke: s.color, fill: s.hollow ? paper : s.color, paths: marks(s.shape, s.beside) } }
          : { points: { show: s.x.length < 2, size: 6, fill: paint(s.color) } }),
      }))],
      hooks: {
        drawAxes: [(u) => this.under(u, faint)],
        setCursor: [(u) => { if (u.cursor.left >= 0) this.point(this.nearest(u.cursor.left, u.cursor.top)); else if (document.activeElement !== this.box) this.point(null); }],
        setSelect: [(u) => this.select(u)],
      },
    }, aligned(series, y.log), this.box);
    this.plot.over.append(this.ring);
    this.listen(this.plot.over);
    this.plot.over.style.cursor = series.some((s) => s.open) && finePointer ? "pointer" : "crosshair";
    this.box.dataset.series = series.length;
    this.after?.();
  }

  /** A click on a point opens its run, unless it was the first half of a double click or the end of a drag. */
  listen(over) {
    let [down, waiting] = [null, null];
    over.addEventListener("mousedown", (event) => { down = [event.clientX, event.clientY]; });
    over.addEventListener("click", (event) => {
      const still = down && Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 3;
      clearTimeout(waiting);
      if (finePointer && still && event.detail === 1 && this.at?.distance < 10) waiting = setTimeout(() => this.open(), 300);
    });
    over.addEventListener("dblclick", () => { clearTimeout(waiting); this.reset(); });
  }

  /** What lies under the curves: bands, the diagonal, the level, and vertical marks. */
  under(u, faint) {
    const { ctx, bbox } = u;
    const r = uPlot.pxRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const path = (points) => {
      ctx.beginPath();
      points.forEach(([x, y], i) => ctx[i ? "lineTo" : "moveTo"](x, y));
    };
    const line = (points, color, dash) => {
      path(points);
      Object.assign(ctx, { strokeStyle: color, lineWidth: 1.2 * r });
      ctx.setLineDash(dash.map((d) => d * r));
      ctx.stroke();
    };
    for (const s of this.visible().filter((s) => s.high)) {
      const edge = (values) => values.map((v, i) => [u.valToPos(s.x[i], "x", true), u.valToPos(v, "y", true)]);
      path([...edge(s.high), ...edge(s.low).reverse()]);
      Object.assign(ctx, { fillStyle: paint(s.color), globalAlpha: 0.16 });
      ctx.fill();
      ctx.globalAlpha = 1;
    }
    if (this.spec.level !== undefined) {
      const y = u.valToPos(this.spec.level, "y", true);
      line([[bbox.left, y], [bbox.left + bbox.width, y]], faint, [1, 2.5]);
    }
    if (this.spec.identity) {
      const { min, max } = u.scales.x;
      const both = Array.from({ length: 65 }, (_, i) => min + ((max - min) * i) / 64).filter((v) => v > 0 || !this.spec.y.log);
      line(both.map((v) => [u.valToPos(v, "x", true), u.valToPos(v, "y", true)]), faint, [5, 3]);
    }
    for (const mark of this.spec.marks ?? []) {
      const x = u.valToPos(mark.x, "x", true);
      line([[x, bbox.top], [x, bbox.top + bbox.height]], paint(mark.color), mark.dash);
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
    return [this.plot.valToPos(s.x[i], "x") + BESIDE * (s.beside ?? 0), this.plot.valToPos(s.y[i], "y")];
  }

  /** Shows the value of a point, or none. */
  point(at) {
    this.at = at;
    const s = at && this.visible()[at.at];
    const place = s && this.place(s, at.i);
    this.tip.hidden = this.ring.hidden = !place;
    if (!place) return;
    const [left, top] = place;
    const color = paint(s.color);
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
