// A page that follows the runs: every other second it asks the program how they stand, and takes the new page when there is one,
// unless the reader is at it. What the reader switched stays as it was.
"use strict";
{
  const version = document.documentElement.dataset.version;
  const KEY = "groklab-followed";
  const panel = el("section", { id: "live", "aria-label": "runs on their way", "aria-live": "off" });
  document.querySelector("header.top").after(panel);

  const opened = Date.now();
  let touched = 0;
  for (const event of ["pointermove", "pointerdown", "wheel", "touchstart", "keydown"]) addEventListener(event, () => { touched = Date.now(); }, { passive: true });

  /** Every switch under a name that the next page has too. */
  function switches() {
    return [...document.querySelectorAll("main [data-tag], main [data-axis]")].map((button) => {
      const place = [button.closest("section")?.id, button.closest("figure")?.dataset.figure, button.parentElement.getAttribute("aria-label")];
      return [[...place, button.dataset.tag ?? button.dataset.axis].join("|"), button];
    });
  }
  function remember() {
    const pressed = Object.fromEntries(switches().map(([name, button]) => [name, button.getAttribute("aria-pressed")]));
    sessionStorage.setItem(KEY, JSON.stringify({ hash: location.hash, top: scrollY, pressed }));
  }
  function restore() {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    sessionStorage.removeItem(KEY);
    if (!kept || kept.hash !== location.hash) return;
    for (const [name, button] of switches()) if (name in kept.pressed && kept.pressed[name] !== button.getAttribute("aria-pressed")) button.click();
    scrollTo(0, kept.top);
  }

  const bar = (share) => { const node = el("span", { class: "bar" }, el("span", {})); node.firstChild.style.width = `${100 * share}%`; return node; };
  function show(state) {
    const rest = state.runs - state.ended - state.failed - state.live.length;
    const parts = [`${state.ended} of ${state.runs} runs ended`, state.live.length ? `${state.live.length} on their way` : null, rest ? `${rest} to come` : null, state.failed ? `${state.failed} failed` : null];
    const cell = (text, attributes) => el("td", attributes ?? {}, text);
    const row = (run) => el("tr", {}, cell(`${run.experiment} / ${run.run}`), el("td", {}, bar(run.most ? Math.min(1, run.at / run.most) : 0)),
      cell(`${run.round} ${number(run.at)}${run.most === null ? "" : ` of ${number(run.most)}`}`),
      ...run.followed.flatMap((f) => [cell(`${f.name} ${f.value}`), cell(f.curve, { class: "curve" })]), cell(run.left === null ? "" : `${run.left} left`));
    panel.replaceChildren(el("p", {}, parts.filter(Boolean).join(", ")),
      ...(state.live.length ? [el("div", { class: "scroll" }, el("table", {}, el("tbody", {}, ...state.live.map(row))))] : []));
  }

  async function ask() {
    let wait = 2000;
    try {
      const answer = await fetch("/state", { cache: "no-store" });
      if (!answer.ok) throw new Error(await answer.text());
      const state = await answer.json();
      show(state);
      const now = Date.now();
      if (state.version !== version && now - opened > state.pause && now - touched > 2500 && !document.hidden) {
        remember();
        location.reload();
        return;
      }
    } catch (error) {
      panel.replaceChildren(el("p", {}, error instanceof TypeError ? "groklab watch has ended: this page stays as it is." : String(error.message)));
      wait = 5000;
    }
    setTimeout(ask, wait);
  }
  restore();
  ask();
}
