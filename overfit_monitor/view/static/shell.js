/** What stands around the pages: which one is open, asking for news while somebody looks, and errors. */

import { createCompare } from "./compare.js";
import { h } from "./dom.js";
import { clock } from "./format.js";
import { onReload } from "./host.js";
import { createOverview } from "./overview.js";
import { parted } from "./router.js";
import { createRunView } from "./runview.js";
import { SourceError } from "./source.js";

/**
 * @typedef {import("./router.js").State} State
 * @typedef {{source: import("./source.js").Source, feed: import("./feed.js").Feed, router: import("./router.js").Router}} Context
 * @typedef {{
 *   element: HTMLElement, update: (answer: any) => void, redraw: () => void, close: () => void, focus: () => void,
 *   route?: (state: State) => void,
 * }} Page A page is made with its first answer and shows each later one. `redraw` follows a change of theme, `focus`
 *   takes the keyboard's focus to its heading, `route` follows a change of the address that asks for nothing new.
 * @typedef {{
 *   key: string, wish: string, waiting: string, runs: string[],
 *   ask: () => Promise<any>, make: (answer: any) => Page,
 * }} View What the address asks for. The page stays while `key` does, its answer while `wish` does.
 */

const SOON_MS = 5_000;
// News take at most a tenth of the server's time.
const SHARE = 10;

/**
 * @param {Context} context
 * @returns {{elements: HTMLElement[], redraw: () => void}}
 */
export function createShell(context) {
  const { source, feed, router } = context;
  let view = viewOf(context);
  /** @type {Page | null} */
  let page = null;
  /** @type {string | undefined} */
  let versions;
  let visible = false;
  let turn = 0;
  let pause = SOON_MS;
  let asked = 0;

  const banner = h("div", { role: "alert" });
  const screen = h("main", {});
  const time = h("footer", { class: "quiet" });

  router.onChange((state, before) => {
    const latest = viewOf(context);
    const [same, answered] = [latest.key === view.key, latest.wish === view.wish];
    view = latest;
    if (!same) void show(true, before);
    else if (!answered) void refresh();
    else page?.route?.(state);
  });
  if (source.kind === "tensorboard") {
    onReload(() => void follow());
    new IntersectionObserver(([entry]) => {
      visible = entry.isIntersecting;
      if (visible && Date.now() - asked > pause) void follow();
    }).observe(screen);
    setInterval(() => looking() && Date.now() - asked > pause && void follow(), 1000);
  }
  void show(false, {});

  function looking() {
    return visible && document.visibilityState === "visible";
  }

  /**
   * @param {boolean} takeFocus Whether the reader came here from another page.
   * @param {State} before
   */
  async function show(takeFocus, before) {
    page?.close();
    page = null;
    banner.replaceChildren();
    screen.replaceChildren(h("p", { class: "loading", role: "status" }, view.waiting));
    document.documentElement.scrollTop = 0;
    await refresh();
    if (takeFocus) /** @type {Page | null} */ (page)?.focus();
  }

  /** Asks for the page's answer anew. */
  async function refresh() {
    const mine = ++turn;
    const from = (asked = Date.now());
    try {
      const seen = versionsOf(view.runs);
      const answer = await view.ask();
      pause = Math.max(SOON_MS, SHARE * (Date.now() - from));
      if (mine !== turn) return;
      versions = seen;
      banner.replaceChildren();
      if (source.kind === "tensorboard") time.textContent = `Updated ${clock(new Date())}`;
      draw(answer);
    } catch (error) {
      if (mine === turn) fail(error);
    }
  }

  /** Asks what has changed, and for the page's answer where that concerns it. */
  async function follow() {
    if (!page || view.key === "overview") return refresh();
    const from = (asked = Date.now());
    try {
      await feed.refresh();
      pause = Math.max(SOON_MS, SHARE * (Date.now() - from));
    } catch (error) {
      return fail(error);
    }
    if (versionsOf(view.runs) !== versions) await refresh();
  }

  /** @param {string[]} runs */
  function versionsOf(runs) {
    return JSON.stringify(runs.map((run) => feed.row(run)?.version ?? null));
  }

  /** @param {any} answer */
  function draw(answer) {
    if (page) {
      page.update(answer);
    } else {
      page = view.make(answer);
      screen.replaceChildren(page.element);
    }
  }

  /** @param {unknown} error */
  function fail(error) {
    if (!(error instanceof SourceError)) throw error;
    const gone = error.status === 0;
    const what = gone
      ? "TensorBoard does not answer. Is it still running? What is shown may be out of date."
      : error.message;
    const retry = h("button", { type: "button", class: "plain", click: () => void refresh() }, "Try again");
    const toAll = () => router.change({ run: null, page: null });
    const all = view.key !== "overview" && !gone && h("button", { type: "button", class: "plain", click: toAll }, "All runs");
    banner.replaceChildren(h("div", { class: "notice error" }, h("span", {}, what), retry, all));
    if (!page) screen.replaceChildren();
  }

  return { elements: [banner, screen, time], redraw: () => page?.redraw() };
}

/**
 * @param {Context} context
 * @returns {View}
 */
function viewOf(context) {
  const { source, feed, router } = context;
  const state = router.state();
  const { run, val, train, mode, exact } = state;
  if (run !== undefined) {
    const wish = { val, train, mode, exact };
    return {
      key: `run ${run}`,
      wish: JSON.stringify(wish),
      waiting: `Judging ${run} …`,
      runs: [run],
      ask: () => source.run(run, wish),
      make: (detail) => createRunView({ ...context, run, detail }),
    };
  }
  if (state.page === "compare") {
    const runs = parted(state.runs);
    return {
      key: "compare",
      wish: JSON.stringify(runs),
      waiting: "Comparing …",
      runs,
      ask: () => source.compare(runs),
      make: (comparison) => createCompare({ ...context, comparison }),
    };
  }
  return {
    key: "overview",
    wish: "",
    waiting: "Judging the runs …",
    runs: [],
    ask: () => feed.refresh(),
    make: () => createOverview(context),
  };
}
