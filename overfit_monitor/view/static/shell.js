/** What stands around the pages: which one is open, asking for news while somebody looks, and errors. */

import { createAlerts } from "./alerts.js";
import { h } from "./dom.js";
import { counted, runName } from "./format.js";
import { createHead } from "./head.js";
import { openKeys } from "./help.js";
import { onReload } from "./host.js";
import { createOverview } from "./overview.js";
import { parted } from "./router.js";
import { SourceError } from "./source.js";
import { verdictLabel } from "./verdict.js";

/**
 * @typedef {import("./router.js").State} State
 * @typedef {{source: import("./source.js").Source, feed: import("./feed.js").Feed, router: import("./router.js").Router}} Context
 * @typedef {{
 *   element: HTMLElement, update: (answer: any) => void, redraw: () => void, close: () => void,
 *   focus: (before?: State) => void, route?: (state: State) => void, keys?: import("./help.js").Key[],
 *   downloads?: () => {label: string, save: () => void}[],
 * }} Page A page is made with its first answer and shows each later one. `redraw` follows a change of theme, `focus`
 *   takes the keyboard's focus to its heading or to what was open `before`, `route` follows a change of the address
 *   that asks for nothing new.
 * @typedef {{
 *   key: string, wish: string, waiting: string, runs: string[],
 *   ask: () => Promise<any>, make: (answer: any) => Page | Promise<Page>,
 * }} View What the address asks for. The page stays while `key` does, its answer while `wish` does.
 */

const SOON_MS = 5_000;
const UNFINISHED_MS = 500;
const TICK_MS = 250;
const HIDDEN_MS = 30_000;
// News take at most a tenth of the server's time.
const SHARE = 10;
const GONE = "TensorBoard does not answer. Is it still running? What is shown may be out of date.";

/**
 * @param {Context} context
 * @returns {{elements: HTMLElement[], redraw: () => void}}
 */
export function createShell(context) {
  const { source, feed, router } = context;
  const live = source.kind === "tensorboard";
  let view = viewOf(context);
  /** @type {Page | null} */
  let page = null;
  /** @type {string | undefined} */
  let versions;
  let visible = false;
  let turn = 0;
  let pause = SOON_MS;
  let asked = 0;
  let busy = 0;

  const banner = h("div", { role: "alert" });
  const screen = h("main", {});
  const news = h("p", { class: "unseen", role: "status" });
  const notice = h("p", { class: "notice", role: "status", hidden: true });
  const alerts = createAlerts(feed, { open: (run) => router.change({ run }), say });
  const head = createHead(context, live ? alerts.button : null, () => page, () => openKeys(keysHere()));

  router.onChange((state, before) => {
    const latest = viewOf(context);
    const [same, answered] = [latest.key === view.key, latest.wish === view.wish];
    view = latest;
    head.show(view.key);
    if (!same) void show(before);
    else if (!answered) void refresh();
    else page?.route?.(state);
  });
  feed.onFirst(() => {
    head.show(view.key);
    page?.route?.(router.state());
  });
  feed.onNews(announce);
  document.addEventListener("keydown", pressed);
  if (live) {
    onReload(() => void follow());
    new IntersectionObserver(([entry]) => {
      visible = entry.isIntersecting;
      if (due()) void follow();
    }).observe(screen);
    setInterval(() => due() && void follow(), TICK_MS);
  }
  head.show(view.key);
  void show();

  function due() {
    const looking = visible && document.visibilityState === "visible";
    return !busy && Date.now() - asked > (looking ? pause : alerts.on() ? Math.max(pause, HIDDEN_MS) : Infinity);
  }

  /** @param {number} from When it was asked. */
  function patience(from) {
    return Math.max(feed.unfinished() ? UNFINISHED_MS : SOON_MS, SHARE * (Date.now() - from));
  }

  /** @param {State} [before] What was open, where the reader comes from another page. */
  async function show(before) {
    page?.close();
    page = null;
    say("");
    banner.replaceChildren();
    const heading = h("h1", { class: "unseen" }, "Overfit");
    screen.replaceChildren(heading, h("p", { class: "loading", role: "status" }, view.waiting));
    document.documentElement.scrollTop = 0;
    await refresh();
    if (before) /** @type {Page | null} */ (page)?.focus(before);
  }

  /** Asks for the page's answer anew. */
  async function refresh() {
    const mine = ++turn;
    const from = (asked = Date.now());
    busy += 1;
    try {
      const { runs } = view;
      const seen = runs.map((run) => feed.row(run)?.version);
      const answer = await view.ask();
      pause = patience(from);
      if (mine !== turn) return;
      versions = JSON.stringify(runs.map((run, i) => seen[i] ?? versionIn(answer, run) ?? null));
      if (page) page.update(answer);
      else await open(answer, mine);
      if (mine === turn) settled();
    } catch (error) {
      if (mine === turn) fail(error);
    } finally {
      busy -= 1;
    }
  }

  /**
   * @param {any} answer
   * @param {number} mine
   */
  async function open(answer, mine) {
    const made = await view.make(answer);
    if (mine !== turn) return made.close();
    page = made;
    screen.replaceChildren(made.element);
    made.route?.(router.state());
    (window.requestIdleCallback ?? setTimeout)(prepare);
  }

  /** Gets what the next click needs, once there is nothing better to do. */
  function prepare() {
    const rows = feed.known() ? [] : [feed.refresh()];
    void Promise.allSettled([...rows, import("./runview.js"), import("./compare.js")]);
  }

  /** Asks what has changed, and for the page's answer where that concerns it. */
  async function follow() {
    if (!page || view.key === "overview") return refresh();
    const from = (asked = Date.now());
    busy += 1;
    try {
      await feed.refresh();
      pause = patience(from);
    } catch (error) {
      return fail(error);
    } finally {
      busy -= 1;
    }
    if (versionsOf(view.runs) === versions) settled();
    else await refresh();
  }

  /**
   * @param {any} answer
   * @param {string} run
   */
  function versionIn(answer, run) {
    const found = answer.run === run ? answer : answer.runs?.find((/** @type {any} */ row) => row.run === run);
    return found?.version;
  }

  function settled() {
    banner.replaceChildren();
    if (live) head.updated();
  }

  /** @param {string[]} runs */
  function versionsOf(runs) {
    return JSON.stringify(runs.map((run) => feed.row(run)?.version ?? null));
  }

  /** @param {unknown} error */
  function fail(error) {
    if (!(error instanceof SourceError)) throw error;
    const gone = error.status === 0;
    const retry = h("button", { type: "button", class: "plain", click: () => void refresh() }, "Try again");
    const toAll = () => router.change({ run: null, page: null });
    const all = view.key !== "overview" && !gone && h("button", { type: "button", class: "plain", click: toAll }, "All runs");
    banner.replaceChildren(h("div", { class: "notice error" }, h("span", {}, gone ? GONE : error.message), retry, all));
    if (!page) screen.replaceChildren(h("h1", { class: "unseen" }, "Overfit"));
    head.stale();
  }

  /** @param {string} text */
  function say(text) {
    notice.textContent = text;
    notice.hidden = !text;
  }

  /**
   * For those who cannot see a row change.
   * @param {Set<string>} changed
   * @param {Map<string, import("./contract.js").RunRow>} before
   */
  function announce(changed, before) {
    head.show(view.key);
    const turned = [...changed].flatMap((name) => {
      const row = feed.row(name);
      if (!row || row.verdict === null || before.get(name)?.verdict === row.verdict) return [];
      return [`${runName(name)} is ${verdictLabel(row.verdict).toLowerCase()}`];
    });
    if (turned.length) news.textContent = turned.length > 3 ? `${counted(turned.length, "verdict")} changed` : turned.join(", ");
  }

  function keysHere() {
    const list = { keys: ["?"], does: "This list", run: () => openKeys(keysHere()) };
    const back = { keys: ["Escape"], does: "All runs", run: () => router.change({ run: null, page: null }) };
    return [...(page?.keys ?? []), ...(view.key === "overview" ? [] : [back]), list];
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    const target = /** @type {Element} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    // Charts, and what is open above them, have keys of their own.
    if (event.defaultPrevented) return;
    if (target.closest("input:not([type=checkbox]), select, textarea")) {
      if (event.key === "Escape" && target instanceof HTMLElement) target.blur();
      return;
    }
    const found = keysHere().find(({ keys }) => keys.includes(event.key));
    if (!found || (event.key.startsWith("Arrow") && target.closest("details, [role=tablist]"))) return;
    event.preventDefault();
    found.run();
  }

  return { elements: [head.element, banner, notice, screen, news], redraw: () => page?.redraw() };
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
      waiting: `Judging ${runName(run)} …`,
      runs: [run],
      ask: () => source.run(run, wish),
      make: async (detail) => (await loaded(import("./runview.js"))).createRunView({ ...context, run, detail }),
    };
  }
  if (state.page === "compare") {
    const runs = parted(state.runs);
    return {
      key: "compare",
      wish: JSON.stringify(runs),
      waiting: "Comparing …",
      runs,
      ask: async () => (runs.length > 1 ? source.compare(runs) : { schema_version: 1, runs: [], comparisons: [] }),
      make: async (comparison) => (await loaded(import("./compare.js"))).createCompare({ ...context, comparison }),
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

/**
 * @template Module
 * @param {Promise<Module>} module
 * @returns {Promise<Module>}
 */
function loaded(module) {
  return module.catch(() => {
    throw new SourceError(0, GONE);
  });
}
