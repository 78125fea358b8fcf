// Opens the page of `groklab watch` in a headless Chromium while a run trains; screenshots go to a directory.
//
//   node tests/report/follow.mjs ADDRESS SCREENSHOTS
//
// `just watch-test` trains, serves and runs this. Needs what check.mjs needs. Promises: no console error, no request to
// anybody else, the runs on their way above the report with numbers that move, the page renewed while nobody touches it and
// not while somebody does, switches and place kept.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const { chromium } = createRequire(resolve(process.env.NODE_PATH ?? "node_modules", "from-here.js"))("playwright-core");
const [address, shots] = process.argv.slice(2);
mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const complaints = [];
let loads = 0;
page.on("load", () => loads++);
page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => { if (!request.url().startsWith(address) && !request.url().startsWith("data:")) complaints.push(`asks for ${request.url()}`); });

const round = async () => Number(/(?:epoch|step) ([\d,]+)/.exec(await page.locator("#live").innerText())?.[1].replaceAll(",", "") ?? "-1");
const until = async (what, test, seconds = 60) => {
  for (const end = Date.now() + 1000 * seconds; Date.now() < end; await page.waitForTimeout(250)) if (await test().catch(() => false)) return;
  assert.fail(`${what}: not within ${seconds} s`);
};

await page.goto(address);
await page.waitForSelector("[data-ready]");
await until("a run is on its way", async () => (await round()) >= 0);
const lar = page.locator('[data-figure="lar"]').first();
await until("a figure", async () => (await lar.count()) === 1);
await lar.scrollIntoViewIfNeeded();
await until("it is drawn", async () => (await lar.locator("canvas").count()) === 1);
const first = await round();
const seed = page.locator('.bar [data-tag^="seed"]').first();
await seed.click();
assert.equal(await seed.getAttribute("aria-pressed"), "false");
await page.screenshot({ path: join(shots, "watch.png") });

const before = loads;
for (let i = 0; i < 16; i++) { await page.mouse.move(300 + i, 400); await page.waitForTimeout(500); }
assert.equal(loads, before, "the page was renewed under the reader's hand");
const top = await page.evaluate(() => scrollY);
await until("a newer page", async () => loads > before);
await page.waitForSelector("[data-ready]");
assert.equal(await seed.getAttribute("aria-pressed"), "false", "the switch was kept");
assert.ok(Math.abs((await page.evaluate(() => scrollY)) - top) < 50, "the place was kept");
await until("the run goes on", async () => (await round()) > first);
await page.screenshot({ path: join(shots, "watch-later.png") });
assert.deepEqual(complaints, []);
console.log(`ok  the page follows: ${loads - 1} newer pages, round ${first} to ${await round()}`);
await browser.close();
