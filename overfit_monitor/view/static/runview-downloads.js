/** What can be taken away from a run's view: its data, its curves, its pictures, a report. */

import { codeBlock } from "./code.js";
import { h } from "./dom.js";
import { fileName, saveJson, saveTable } from "./download.js";

/**
 * @param {import("./shell.js").Context & {run: string}} context
 * @param {() => import("./contract.js").RunDetail} detail
 * @param {() => Promise<void>} savePictures
 */
export function createDownloads({ source, run }, detail, savePictures) {
  const name = fileName(run);
  const item = (/** @type {string} */ title, /** @type {string} */ what, /** @type {() => unknown} */ save) =>
    h(
      "button",
      { type: "button", class: "menu-item", click: save },
      h("b", {}, title),
      h("span", { class: "quiet" }, what),
    );
  const report = h("div", { class: "menu-report" });
  const menu = h(
    "div",
    { class: "menu-body" },
    item("JSON", "diagnosis and curves", () => saveJson(`${name}.json`, detail())),
    item("CSV", "the curves as they are drawn", () => saveTable(`${name}.csv`, ...curveTable(detail()))),
    item("PNG", "a picture of each chart", savePictures),
    report,
  );
  const element = /** @type {HTMLDetailsElement} */ (
    h(
      "details",
      { class: "menu", toggle: opened, keydown: pressed },
      h("summary", { class: "plain" }, "Download"),
      menu,
    )
  );

  /** @param {Event} event */
  function outside(event) {
    if (event.target instanceof Node && !element.contains(event.target)) element.open = false;
  }

  async function opened() {
    if (element.open) document.addEventListener("pointerdown", outside);
    else document.removeEventListener("pointerdown", outside);
    if (!element.open || report.hasChildNodes() || source.kind === "report") return;
    const folder = await source.folder().catch(() => null);
    report.replaceChildren(
      h("p", { class: "quiet" }, "A report in one HTML file, with plots and advice:"),
      codeBlock(`overfit-monitor report ${quoted(folder ?? "LOGDIR")} --output report.html`),
    );
  }

  /** @param {Event} event */
  function pressed(event) {
    if (/** @type {KeyboardEvent} */ (event).key !== "Escape" || !element.open) return;
    event.stopPropagation();
    element.open = false;
    element.querySelector("summary")?.focus();
  }

  return element;
}

/**
 * A path as a shell takes it for one word.
 * @param {string} path
 */
function quoted(path) {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replace(/'/g, "'\\''")}'`;
}

/**
 * All curves side by side, a row for each step.
 * @param {any} detail
 * @returns {[string[], (number | null)[][]]}
 */
export function curveTable({ series, band, limit, test }) {
  const plain = { ...series, ...(limit ? { limit } : {}), ...(test ? { statistic: test } : {}) };
  const curves = Object.entries(plain).filter(([, columns]) => columns?.steps.length);
  if (band)
    curves.push(
      ["noise_low", { steps: band.steps, values: band.low }],
      ["noise_high", { steps: band.steps, values: band.high }],
    );
  const known = curves.map(
    ([, { steps, values }]) =>
      new Map(steps.map((/** @type {number} */ at, /** @type {number} */ i) => [at, values[i]])),
  );
  const times = new Map(
    curves.flatMap(([, { steps, times: told }]) =>
      (told ?? []).map((/** @type {number} */ time, /** @type {number} */ i) => [steps[i], time]),
    ),
  );
  const steps = [...new Set(known.flatMap((values) => [...values.keys()]))].sort((a, b) => a - b);
  const names = curves.map(([name]) => (name === "val" ? "validation" : name));
  const rows = steps.map((at) => [at, times.get(at) ?? null, ...known.map((values) => values.get(at) ?? null)]);
  return [["step", "wall_time", ...names], rows];
}
