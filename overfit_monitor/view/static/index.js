/** The tab: shows the table of runs or one run, and keeps it fresh while somebody looks. */

import { ApiError, fetchOverview, fetchRun } from "./api.js";
import { h } from "./dom.js";
import { clock } from "./format.js";
import { addressedRun, borrowFont, followTheme, onAddress, onReload, setAddress } from "./host.js";
import { createRunView } from "./runview.js";
import { createTable } from "./table.js";

const REFRESH_MS = 30_000;
const STYLES = ["./vendor/uplot-1.6.32/uPlot.min.css", "./style.css"];

/** TensorBoard calls this once, when the tab is first opened. */
export async function render() {
  document.documentElement.lang = "en";
  document.title = "Overfit";
  followTheme(() => {});
  await Promise.all([borrowFont(), ...STYLES.map(loadStyle)]);
  start();
}

function start() {
  /** @type {string | null} */
  let run = addressedRun();
  /** @type {string | null} The answer that is on the screen. */
  let answer = null;
  /** @type {ReturnType<typeof createRunView> | null} */
  let runView = null;
  /** @type {import("./api.js").Pair | null} */
  let pair = null;
  let turn = 0;
  let visible = false;
  let fetched = 0;

  const table = createTable(open);
  const banner = h("div", { role: "alert" });
  const screen = h("main", {});
  const time = h("footer", { class: "quiet" });
  document.body.append(banner, screen, time);

  followTheme(() => runView?.redraw());
  onReload(refresh);
  onAddress(() => addressedRun() !== run && show(addressedRun()));
  new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    if (visible && Date.now() - fetched > REFRESH_MS) void refresh();
  }).observe(screen);
  setInterval(() => visible && document.visibilityState === "visible" && refresh(), REFRESH_MS);
  show(run, false);

  /** @param {string | null} wanted */
  function open(wanted) {
    setAddress(wanted);
    if (wanted !== run) show(wanted);
  }

  /**
   * @param {string | null} wanted
   * @param {boolean} [takeFocus] Whether the reader came here from within the tab.
   */
  function show(wanted, takeFocus = true) {
    const left = run;
    run = wanted;
    answer = pair = null;
    runView?.close();
    runView = null;
    banner.replaceChildren();
    screen.replaceChildren(
      h("p", { class: "loading", role: "status" }, run === null ? "Judging the runs …" : `Judging ${run} …`),
    );
    document.documentElement.scrollTop = 0;
    void refresh().then(() => {
      if (takeFocus && run === null && left !== null) table.focusRun(left);
      else if (takeFocus) runView?.focus();
    });
  }

  /** @param {import("./api.js").Pair | null} chosen */
  function compare(chosen) {
    pair = chosen;
    void refresh();
  }

  async function refresh() {
    const mine = ++turn;
    fetched = Date.now();
    try {
      const latest = run === null ? await fetchOverview() : await fetchRun(run, pair);
      if (mine !== turn) return;
      banner.replaceChildren();
      time.textContent = `Updated ${clock(new Date())}`;
      const text = JSON.stringify("runs" in latest ? latest.runs : latest);
      if (text !== answer) draw(latest);
      answer = text;
    } catch (error) {
      if (mine === turn) fail(error);
    }
  }

  /** @param {import("./api.js").Overview | import("./api.js").RunDetail} latest */
  function draw(latest) {
    if ("runs" in latest) {
      table.update(latest.runs);
      if (!table.element.isConnected) screen.replaceChildren(table.element);
    } else if (runView) {
      runView.update(latest);
    } else {
      runView = createRunView(/** @type {string} */ (run), latest, () => open(null), compare);
      screen.replaceChildren(runView.element);
    }
  }

  /** @param {unknown} error */
  function fail(error) {
    if (!(error instanceof ApiError)) throw error;
    const gone = error.status === 0;
    const what = gone
      ? "TensorBoard does not answer. Is it still running? What is shown may be out of date."
      : error.message;
    const retry = h("button", { type: "button", class: "plain", click: refresh }, "Try again");
    const all =
      run !== null && !gone && h("button", { type: "button", class: "plain", click: () => open(null) }, "All runs");
    banner.replaceChildren(h("div", { class: "notice error" }, h("span", {}, what), retry, all || ""));
    if (answer === null) screen.replaceChildren();
  }
}

/** @param {string} path */
function loadStyle(path) {
  return new Promise((resolve) => {
    const link = h("link", {
      rel: "stylesheet",
      href: new URL(path, import.meta.url).href,
      load: resolve,
      error: resolve,
    });
    document.head.append(link);
  });
}
