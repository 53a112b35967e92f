/** Starts the pages: in TensorBoard's tab and in a report alike. */

import { createFeed } from "./feed.js";
import { h } from "./dom.js";
import { borrowFont, followTheme, inReport } from "./host.js";
import { createRouter } from "./router.js";
import { createShell } from "./shell.js";
import { openSource } from "./source.js";

// A report carries them within it.
const STYLES = ["vendor/uplot-1.6.32/uPlot.min.css", "base.css", "overview.css", "compare.css", "run.css"];

/** Called once: by TensorBoard when the tab is first opened, by a report when it is loaded. */
export async function render() {
  document.documentElement.lang = "en";
  const source = openSource();
  const feed = createFeed(source);
  const router = createRouter();
  if (inReport()) await openOnly(source, router);
  const shell = createShell({ source, feed, router });
  followTheme(shell.redraw);
  if (!inReport()) {
    document.title = "Overfit";
    void borrowFont().then(shell.redraw);
    await Promise.all(STYLES.map(loadStyle));
  }
  document.body.append(...shell.elements);
}

/**
 * Opens the one run of a report, which needs no table, unless the address asks for something.
 * @param {import("./source.js").Source} source
 * @param {import("./router.js").Router} router
 */
async function openOnly(source, router) {
  const { runs } = await source.overview();
  if (runs.length === 1 && !Object.keys(router.state()).length) router.change({ run: runs[0].run }, { push: false });
}

/** @param {string} path */
function loadStyle(path) {
  return new Promise((resolve) => {
    const href = new URL(path, import.meta.url).href;
    document.head.append(h("link", { rel: "stylesheet", href, load: resolve, error: resolve }));
  });
}
