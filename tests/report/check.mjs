// Opens a report in a headless Chromium and uses it as a reader would; screenshots go to a directory.
//
//   node tests/report/check.mjs REPORT.html SCREENSHOTS
//
// `just report-test` makes results, writes the report and runs this. Needs playwright-core (NODE_PATH) and a Chromium
// (CHROMIUM, or /usr/bin/chromium). Promises: no console error, no network request, every figure drawn, a value under
// the pointer, series that can be hidden, linear and logarithmic axes, zoom, keys, figures that need more data or the
// reason why one is not drawn, the page of a run, links to files that exist, light and dark, paper, nothing wider than
// the window.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const { chromium } = createRequire(resolve(process.env.NODE_PATH ?? "node_modules", "from-here.js"))("playwright-core");
const [report, shots] = process.argv.slice(2);
const address = pathToFileURL(resolve(report)).href;
mkdirSync(shots, { recursive: true });

const profile = mkdtempSync(join(tmpdir(), "report-check-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  viewport: { width: 1280, height: 900 },
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await context.newPage();
const complaints = [];
page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => { if (request.url().split("#")[0] !== address && !request.url().startsWith("data:")) complaints.push(`asks for ${request.url()}`); });

const passed = [];
async function check(what, test) {
  await test();
  passed.push(what);
  console.log(`ok  ${what}`);
}
const figure = (name) => page.locator(`main:not([hidden]) [data-figure="${name}"]`).first();
/** Waits for what was asked for to be drawn: two frames, and a little more. */
const settle = async () => {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await page.waitForTimeout(100);
};
/** A digest of the pixels of a figure's first plot, to see whether it changed. */
async function pixels(name) {
  await figure(name).scrollIntoViewIfNeeded();
  await settle();
  const url = await figure(name).locator("canvas").first().evaluate((canvas) => canvas.toDataURL());
  return createHash("sha256").update(url).digest("hex").slice(0, 12);
}
const shot = (name, fullPage = true) => page.screenshot({ path: join(shots, `${name}.png`), fullPage });
/** Scrolls through the page, so that every figure is drawn. */
async function drawAll() {
  await page.evaluate(async () => {
    for (let y = 0; y < document.documentElement.scrollHeight; y += 500) { scrollTo(0, y); await new Promise((done) => setTimeout(done, 60)); }
    scrollTo(0, 0);
  });
  await settle();
}
/** Moves the pointer over the middle of a plot, then along it and round until a value is shown; returns the text. */
async function valueIn(name, nth = 0) {
  await figure(name).scrollIntoViewIfNeeded();
  await settle();
  const box = await figure(name).locator(".u-over").nth(nth).boundingBox();
  for (let step = 0; step < 20; step++)
    for (let down = 0.05; down < 1; down += 0.1) {
      const across = (0.5 + 0.05 * step) % 1;
      await page.mouse.move(box.x + across * box.width, box.y + down * box.height);
      const tip = figure(name).locator(".tip").nth(nth);
      if (await tip.isVisible()) return tip.innerText();
    }
  return "";
}
async function nothingWider(width) {
  const wide = await page.evaluate((width) => ({
    page: document.documentElement.scrollWidth,
    // what scrolls in a box of its own may be wider
    nodes: [...document.querySelectorAll("main:not([hidden]) *")].filter((n) => !n.closest(".scroll, pre") && n.getBoundingClientRect().right > width + 0.5).slice(0, 3).map((n) => n.outerHTML.slice(0, 90)),
  }), width);
  assert.ok(wide.page <= width, `page is ${wide.page} wide at ${width}`);
  assert.deepEqual(wide.nodes, []);
}

const begin = performance.now();
await page.goto(address);
await page.waitForSelector("[data-ready]");
console.log(`    opened in ${Math.round(performance.now() - begin)} ms`);
await drawAll();

await check("every figure is drawn", async () => {
  const plots = page.locator("main:not([hidden]) .plot");
  for (let i = 0; i < (await plots.count()); i++) assert.equal(await plots.nth(i).locator("canvas").count(), 1, `plot ${i}`);
  assert.ok((await plots.count()) >= 9);
});
await shot("light-1280");

await check("pointing shows a value", async () => {
  assert.match(await valueIn("lar"), /seed \d+\s+epoch [\d,]+\s+LAR 0?[−\d.]+/);
  assert.match(await valueIn("accuracy"), /accuracy [\d.]+ %/);
  await page.mouse.move(2, 2);
  assert.ok(await figure("accuracy").locator(".tip").isHidden());
});

await check("a switch hides a task and a seed, and shows them again", async () => {
  const count = () => figure("lar").locator(".plot").getAttribute("data-series").then(Number);
  const [all, before] = [await count(), await pixels("lar")];
  for (const tag of ["group 0", "seed 0"]) {
    const chip = page.locator(`.bar [data-tag="${tag}"]`).first();
    await chip.click();
    await settle();
    assert.equal(await chip.getAttribute("aria-pressed"), "false");
    assert.ok((await count()) < all, tag);
    assert.notEqual(await pixels("lar"), before);
    await chip.click();
    await settle();
    assert.equal(await count(), all);
    assert.equal(await pixels("lar"), before);
  }
  const seeds = await page.locator('.bar [data-tag^="seed"]').all();
  for (const seed of seeds) await seed.click();
  await settle();
  assert.equal(await count(), 0, "nothing is left");
  for (const seed of seeds) await seed.click();
  assert.equal(await pixels("lar"), before);
});

await check("axes are linear or logarithmic", async () => {
  for (const [name, axis] of [["lar", "x"], ["train_loss", "y"], ["lar", "y"]]) {
    const button = figure(name).locator(`[data-axis="${axis}"]`);
    const [state, before] = [await button.getAttribute("aria-pressed"), await pixels(name)];
    await button.click();
    await settle();
    assert.notEqual(await button.getAttribute("aria-pressed"), state);
    assert.notEqual(await pixels(name), before, `${name} ${axis}`);
    assert.notEqual(await valueIn(name), "", `${name} ${axis}`);
    await button.click();
    await settle();
    await page.mouse.move(2, 2);
    assert.equal(await pixels(name), before, `${name} ${axis} back`);
  }
});

await check("dragging zooms all figures over epochs, a double click shows all", async () => {
  const before = [await pixels("lar"), await pixels("accuracy")];
  await figure("lar").scrollIntoViewIfNeeded();
  const box = await figure("lar").locator(".u-over").boundingBox();
  await page.mouse.move(box.x + box.width * 0.2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  await settle();
  assert.notEqual(await pixels("lar"), before[0]);
  assert.notEqual(await pixels("accuracy"), before[1]);
  assert.equal(await page.evaluate(() => location.hash), "");
  await figure("lar").locator(".u-over").dblclick({ position: { x: 5, y: 5 } });
  await page.mouse.move(2, 2);
  await settle();
  assert.deepEqual([await pixels("lar"), await pixels("accuracy")], before);
});

await check("keys move along a curve and zoom", async () => {
  const [plot, tip] = [figure("lar").locator(".plot"), figure("lar").locator(".tip")];
  await plot.focus();
  await page.keyboard.press("ArrowRight");
  const first = await tip.innerText();
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  const later = await tip.innerText();
  assert.match(first, /epoch 0\b/);
  assert.notEqual(later, first);
  await page.keyboard.press("ArrowDown");
  assert.notEqual((await tip.innerText()).split("\n")[0], later.split("\n")[0]);
  const before = await pixels("lar");
  await page.keyboard.press("+");
  await settle();
  assert.notEqual(await pixels("lar"), before);
  await page.keyboard.press("Escape");
  await settle();
  assert.equal(await pixels("lar"), before);
});

await check("scattered points have values", async () => assert.match(await valueIn("k95"), /k_pred [\d.]+\s+k95 \d+/));
await check("the RMSE has a plot by epoch, logarithmic, and one since grokking", async () => {
  assert.match(await valueIn("rmse"), /epoch [\d,]+\s+RMSE [\d.]+\s+\d+ runs?/);
  assert.match(await valueIn("rmse", 1), /[\d.]+ × the grokking epoch\s+[\d.]+ %\s+\d+ runs?/);
  assert.equal(await figure("rmse").locator('[data-axis="y"]').first().getAttribute("aria-pressed"), "true");
});
await check("a figure that an experiment lacks data for is named with its reason", async () => {
  const remarks = await page.locator(".undrawn").allInnerTexts();
  assert.equal(remarks.length, 2, "of the experiment with one batch size");
  assert.match(remarks[0], /^Not drawn: Early dip of LAR: .*one batch size/);
  assert.match(remarks[1], /^Not drawn: LAR of every matrix: .*probe\.diagnostics/);
  for (const name of ["dip", "matrices"]) assert.equal(await page.locator(`[data-figure="${name}"]`).count(), 1);
});

await check("the early dip has values by epoch, by step and by batch size, and axes of its own", async () => {
  assert.match(await valueIn("dip"), /batch size \d+\s+epoch \d+\s+LAR [\d.]+/);
  assert.match(await valueIn("dip", 1), /batch size \d+\s+step [\d,]+\s+LAR [\d.]+/);
  assert.match(await valueIn("dip", 2), /depth [\d.]+/);
  await page.mouse.move(2, 2);
  const logs = () => figure("dip").locator('[data-axis="x"]').evaluateAll((all) => all.map((b) => b.getAttribute("aria-pressed")));
  assert.deepEqual(await logs(), ["false", "true", "true"]);
  const before = await pixels("dip");
  await figure("dip").locator('[data-axis="x"]').first().click();
  await settle();
  assert.deepEqual(await logs(), ["true", "true", "true"]);
  assert.notEqual(await pixels("dip"), before);
  await figure("dip").locator('[data-axis="x"]').first().click();
  assert.equal(await pixels("dip"), before);
  const counts = () => figure("dip").locator(".plot").evaluateAll((all) => all.map((plot) => Number(plot.dataset.series)));
  // two runs a batch size, and their mean
  assert.deepEqual(await counts(), [2, 2, 5]);
  await figure("dip").locator(".chip").first().click();
  await settle();
  assert.deepEqual(await counts(), [1, 1, 3]);
  await figure("dip").locator(".chip").first().click();
});

await check("key frequencies have a point a run that says which they are", async () => {
  for (const value of [await valueIn("frequencies"), await valueIn("frequencies", 1)])
    assert.match(value, /k95 \d+\s+\d+ dimensions\s+(frequencies [\d, …]+|no key frequency)/);
});

await check("every matrix has a curve in its block, for the group that is chosen", async () => {
  const counts = () => figure("matrices").locator(".plot").evaluateAll((all) => all.map((plot) => Number(plot.dataset.series)));
  await figure("matrices").scrollIntoViewIfNeeded();
  await settle();
  assert.deepEqual(await counts(), [2, 6, 6]);
  assert.match(await valueIn("matrices", 1), /epoch \d+\s+LAR [\d.]+\s+[\d.]+ to [\d.]+, 2 runs/);
  const title = () => figure("matrices").locator("h3").innerText();
  assert.match(await title(), /batch size 64/);
  await figure("matrices").locator('[data-tag="q"]').click();
  await settle();
  assert.deepEqual(await counts(), [2, 5, 5]);
  await page.locator("label", { hasText: "Every matrix of" }).locator("select").selectOption({ index: 1 });
  await settle();
  assert.match(await title(), /batch size 576/);
  assert.deepEqual(await counts(), [2, 6, 6]);
});

await check("nothing is wider than 1280 pixels", () => nothingWider(1280));

await check("a run has a page with its config, and links to files that exist", async () => {
  await page.locator("table.runs td:first-child a").first().click();
  await page.waitForSelector("#run:not([hidden]) h1");
  await drawAll();
  assert.ok((await page.locator("#run canvas").count()) >= 7);
  assert.match(await page.locator("#run pre").innerText(), /\[model\]\s[^]*d_model = \d+/);
  const links = await page.locator("#run p.files a").evaluateAll((all) => all.map((a) => a.href));
  assert.ok(links.length >= 3);
  for (const link of links) assert.ok(existsSync(fileURLToPath(link)), link);
  assert.match(await valueIn("run-k"), /epoch/);
  const chip = figure("run-k").locator(".chip").first();
  await chip.click();
  await settle();
  assert.equal(await figure("run-k").locator(".plot").getAttribute("data-series"), "1");
  await chip.click();
  await nothingWider(1280);
  await shot("run-light-1280");
});

await check("a run with the diagnostic has the LAR of every matrix on its page", async () => {
  assert.equal(await figure("run-matrices").count(), 0, "the first run has none");
  const overview = page.url().split("#")[0];
  await page.goto(`${overview}#`);
  await page.locator("section.experiment", { hasText: "small-batches" }).locator("table.runs td:first-child a").first().click();
  await page.waitForSelector("#run:not([hidden]) h1");
  await figure("run-matrices").scrollIntoViewIfNeeded();
  await settle();
  const counts = await figure("run-matrices").locator(".plot").evaluateAll((all) => all.map((plot) => Number(plot.dataset.series)));
  assert.deepEqual(counts, [2, 6, 6]);
  assert.match(await valueIn("run-matrices", 1), /epoch \d+\s+LAR [\d.]+\s+1 run/);
  await nothingWider(1280);
  await shot("run-matrices-1280");
});

await check("the address of a run opens it, and back leads to the overview", async () => {
  await page.reload();
  await page.waitForSelector("#run:not([hidden]) h1");
  await page.locator(".back a").click();
  await page.waitForSelector("#overview:not([hidden])");
  assert.ok(await page.locator("#run").isHidden());
});

await check("light and dark follow the reader, and the button", async () => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  await settle();
  const dark = await ground();
  assert.notEqual(dark, light);
  await drawAll();
  await shot("dark-1280");
  await page.locator("#theme").click();
  assert.equal(await ground(), light, "light by the button");
  await page.locator("#theme").click();
  assert.equal(await ground(), dark, "dark by the button");
  await page.emulateMedia({ colorScheme: "light" });
  assert.equal(await ground(), dark, "the button outranks the system");
  await page.locator("#theme").click();
  assert.equal(await ground(), light);
});

await check("paper", async () => {
  await page.pdf({ path: join(shots, "overview.pdf"), preferCSSPageSize: true, printBackground: true });
  await settle();
});

await check("nothing is wider than 390 pixels", async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await drawAll();
  await nothingWider(390);
  for (const name of ["lar", "dip", "frequencies", "matrices"]) assert.notEqual(await valueIn(name), "", name);
  await nothingWider(390);
  await page.mouse.move(2, 2);
  await shot("light-390");
  await page.locator("table.runs td:first-child a").last().click();
  await page.waitForSelector("#run:not([hidden]) h1");
  await drawAll();
  await nothingWider(390);
  await shot("run-light-390");
});

await context.close();
rmSync(profile, { recursive: true, force: true });
assert.deepEqual(complaints, [], "console and network stay silent");
console.log(`ok  no console error, no network request\n${passed.length + 1} checks passed`);
