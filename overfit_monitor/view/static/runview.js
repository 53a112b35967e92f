/** Everything about one run: what was found, the curves that show it, what to change. */

import { createCharts } from "./chart.js";
import { h } from "./dom.js";
import { exampleTables } from "./examples.js";
import { recommendations } from "./runview-advice.js";
import { createDownloads } from "./runview-downloads.js";
import { alertsRaised, findings, notes, notJudged } from "./runview-findings.js";
import { headline } from "./runview-head.js";

/**
 * @typedef {import("./contract.js").RunDetail} RunDetail
 */

/**
 * @param {import("./shell.js").Context & {run: string, detail: RunDetail}} context
 * @returns {import("./shell.js").Page}
 */
export function createRunView(context) {
  const { run, router, detail } = context;
  let shown = detail;
  const charts = createCharts(context);
  const title = h("h1", { tabindex: -1, title: run }, run === "." || run === "" ? "(log folder itself)" : run);
  const goBack = (/** @type {Event} */ event) => {
    const mouse = /** @type {MouseEvent} */ (event);
    if (mouse.ctrlKey || mouse.metaKey || mouse.shiftKey) return;
    event.preventDefault();
    router.change({ run: null });
  };
  const link = h(
    "a",
    { class: "back", href: router.addressOf({ run: null }), target: "_top", click: goBack },
    "← All runs",
  );
  const downloads = createDownloads(context, () => shown, charts.save);
  const summary = h("div", { class: "summary" });
  const side = h("div", { class: "side" });
  const tables = h("div", { class: "tables" });
  const main = h("div", { class: "main" }, charts.element, tables);
  const element = h(
    "article",
    { class: "run-view" },
    h("div", { class: "crumb" }, link, title, downloads),
    summary,
    h("div", { class: "columns" }, main, side),
  );

  /** @param {RunDetail} latest */
  function fill(latest) {
    shown = latest;
    keepOpen(summary, headline(latest, context));
    keepOpen(side, [findings(latest), recommendations(latest), alertsRaised(latest), notes(latest), notJudged(latest)]);
    keepOpen(tables, exampleTables(latest));
  }

  fill(detail);
  return {
    element,
    update(latest) {
      fill(latest);
      charts.update(latest);
    },
    route: charts.route,
    keys: charts.keys,
    redraw: charts.redraw,
    close: charts.close,
    focus: () => title.focus(),
  };
}

/**
 * Fills a part of the page anew; what the reader has opened or closed there stays so.
 * @param {HTMLElement} part
 * @param {(Node | null)[]} content
 */
function keepOpen(part, content) {
  const blocks = () => /** @type {HTMLDetailsElement[]} */ ([...part.querySelectorAll("details[data-key]")]);
  const before = new Map(blocks().map((block) => [block.dataset.key, block.open]));
  part.replaceChildren(...content.filter((node) => node !== null));
  for (const block of blocks()) block.open = before.get(block.dataset.key) ?? block.open;
}
