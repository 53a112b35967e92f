/** Several runs beside each other: which generalizes better, by how much, and is that more than noise. */

import { axisOf, bareAxis, clockOf, KINDS } from "./chart-axis.js";
import { explanation } from "./chart-card.js";
import { choice, isPositive, spread } from "./chart-controls.js";
import { allTimed, comparedPlots, dashOf, inkOf, MOST_NAMED } from "./compare-data.js";
import { pointedAt, readout, toldAt } from "./compare-hover.js";
import { keyPressed } from "./compare-keys.js";
import { changesTable, comparedTable } from "./compare-table.js";
import { between, certainty, changesOf, summary } from "./compare-words.js";
import { h, section } from "./dom.js";
import { saveJson, savePicture, saveTable } from "./download.js";
import { number, runName, step } from "./format.js";
import { MOST_COMPARED } from "./overview.js";
import { createPanel } from "./panel.js";
import { joined, parted } from "./router.js";
import { createTooltip } from "./tooltip.js";

/**
 * @typedef {import("./contract.js").Comparison} Comparison
 * @typedef {import("./panel.js").Panel} Panel
 */

const MOST_WITH_TRAIN = 4;
const WIDE_SPREAD = 50;
const NEAR = 5;
const AXES = { step: bareAxis("step"), relative: bareAxis("relative"), wall: bareAxis("wall") };

/**
 * @param {import("./shell.js").Context & {comparison: Comparison}} context
 * @returns {import("./shell.js").Page}
 */
export function createCompare({ router, feed, comparison }) {
  let shown = comparison;
  /** @type {Map<string, Panel>} */
  const panels = new Map();
  const axes = choice("X axis", KINDS, (kind) => router.change({ axis: kind === "step" ? null : kind, from: null, to: null }, { push: false }));
  const title = h("h1", { tabindex: -1 }, "Compare");
  const verdict = h("div", { class: "compare-summary", role: "status" });
  const picker = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": "Add a run", change: added }));
  const scale = h("button", { type: "button", class: "plain small", click: () => toggle("scale", "log", "linear", isLog()) }, "Log scale");
  const train = h("button", { type: "button", class: "plain small", click: () => toggle("curves", "all", "val", withTrain()) }, "Train curves");
  const back = h("button", { type: "button", class: "plain small", click: reset }, "Reset zoom");
  const hint = h("span", { class: "quiet hint" }, "Drag to zoom");
  const controls = h("div", { class: "controls", role: "group", "aria-label": "How the curves are drawn" }, axes.element, scale, train, h("span", { class: "push" }), hint, back);
  const charts = h("div", { class: "panels" });
  const said = h("p", { class: "unseen", role: "status" });
  const none = h("p", { class: "quiet" }, "There is no finite value to show.");
  const tables = h("div", { class: "compare-tables", mouseover: rowEntered, mouseleave: rowLeft, focusin: rowEntered, focusout: rowLeft });
  const curves = h("section", { class: "compare-charts", "aria-label": "Curves" }, controls, none, charts, said);
  const element = h("article", { class: "compare-view" }, h("div", { class: "crumb" }, title, picker), verdict, curves, tables);
  const tooltip = createTooltip(charts);
  const on = { hover, select, reset, toggle: hide, save, scaled: () => {} };

  const chosen = () => parted(router.state().runs);
  const place = (/** @type {string} */ run) => Math.max(0, chosen().indexOf(run));
  const withTrain = () => (router.state().curves ?? (shown.runs.length <= MOST_WITH_TRAIN ? "all" : "val")) === "all";

  /** @returns {import("./chart-axis.js").Kind} */
  function kind() {
    const { axis = "step" } = router.state();
    return axis in AXES && allTimed(shown.runs) ? /** @type {import("./chart-axis.js").Kind} */ (axis) : "step";
  }

  function isLog() {
    const plots = comparedPlots(shown.runs, place, false);
    if (!plots.length || !isPositive(plots)) return false;
    return router.state().scale ? router.state().scale === "log" : spread(plots) > WIDE_SPREAD;
  }

  /** @returns {import("./panel.js").Look} */
  function look() {
    const { from, to, hide: hidden } = router.state();
    const [low, high] = [Number(from), Number(to)];
    const range = from && to && high > low ? /** @type {[number, number]} */ ([low, high]) : null;
    const marks = shown.runs.flatMap((run) => {
      const { place: at } = axisOf(kind(), clockOf(run));
      return changesOf(run).map((change) => ({ kind: "applied", step: at(change.step ?? 0), to_step: null, title: runName(run.run), text: change.what }));
    });
    const marked = { marks, range: null, onset: null };
    return { axis: AXES[kind()], log: isLog(), weight: 0, hidden: new Set(parted(hidden)), range, marked };
  }

  function draw() {
    const plots = comparedPlots(shown.runs, place, withTrain(), kind());
    const own = look();
    curves.classList.toggle("crowded", shown.runs.length > MOST_NAMED);
    axes.element.hidden = !allTimed(shown.runs);
    axes.show(kind());
    for (const [id, panel] of panels) {
      if (plots.some((plot) => plot.id === id)) continue;
      panel.close();
      panel.element.remove();
      panels.delete(id);
    }
    for (const plot of plots) {
      const wanted = plot.id === "gap" ? { ...own, log: false } : own;
      const panel = panels.get(plot.id);
      if (panel) panel.update(plot, wanted);
      else {
        const made = createPanel(plot, wanted, on);
        made.canvas.addEventListener("keydown", (event) => keyPressed(made, event, { read: (at) => read(made, at), select, reset }));
        panels.set(plot.id, made);
        charts.append(made.element);
      }
      panels.get(plot.id)?.label(`${plot.title} of ${plot.curves.length} curves over the ${kind() === "step" ? "steps" : "time"}. The table below has the values.`);
    }
    none.hidden = plots.length > 0 || shown.runs.length === 0;
    controls.hidden = plots.length === 0;
    scale.hidden = !plots.length || !isPositive(plots);
    scale.setAttribute("aria-pressed", String(own.log));
    train.setAttribute("aria-pressed", String(withTrain()));
    back.hidden = own.range === null;
    hint.hidden = own.range !== null;
  }

  /** Once the rows are known, which a link straight to this page has to wait for. */
  function offer() {
    const names = chosen();
    const rest = feed.rows().filter((row) => !names.includes(row.run) && row.verdict !== null);
    picker.replaceChildren(h("option", { value: "" }, "Add a run …"), ...rest.map((row) => h("option", { value: row.run }, runName(row.run))));
    picker.hidden = rest.length === 0 || names.length >= MOST_COMPARED;
  }

  function fill() {
    offer();
    if (shown.runs.length < 2) {
      const all = h("a", { href: router.addressOf({ run: null, page: null }), target: "_top" }, "table of runs");
      verdict.replaceChildren(h("h2", {}, "Choose two runs or more"), h("p", {}, "Tick them in the ", all, ", or add them here."));
    } else {
      const { headline, rest: more } = summary(shown);
      verdict.replaceChildren(h("h2", {}, headline), h("p", {}, more));
    }
    const table = shown.runs.length ? comparedTable(shown, { place, link, drop }) : null;
    tables.replaceChildren(...[section("Runs", table), changesTable(shown.runs)].filter((part) => part !== null));
    draw();
  }

  /**
   * @param {string} run
   * @param {string} text
   */
  function link(run, text) {
    const go = (/** @type {Event} */ event) => {
      const mouse = /** @type {MouseEvent} */ (event);
      if (mouse.ctrlKey || mouse.metaKey || mouse.shiftKey) return;
      event.preventDefault();
      router.change({ run, page: null });
    };
    return h("a", { href: router.addressOf({ run, page: null }), target: "_top", title: text, click: go }, text);
  }

  function added() {
    if (picker.value) router.change({ runs: joined([...chosen(), picker.value]) });
  }

  /** @param {string} run */
  function drop(run) {
    router.change({ runs: joined(chosen().filter((name) => name !== run)) });
    title.focus();
  }

  /**
   * @param {string} name
   * @param {string} yes
   * @param {string} no
   * @param {boolean} now
   */
  function toggle(name, yes, no, now) {
    router.change({ [name]: now ? no : yes }, { push: false });
  }

  /** @param {string} curve With which those of the same run come and go. */
  function hide(curve) {
    const hidden = new Set(parted(router.state().hide));
    const run = curve.slice(curve.indexOf(" "));
    const [gone, ids] = [hidden.has(curve), ["val", "train", "gap"].map((split) => split + run)];
    for (const id of ids) if (gone) hidden.delete(id); else hidden.add(id);
    router.change({ hide: joined([...hidden]) }, { push: false });
  }

  function reset() {
    router.change({ from: null, to: null }, { push: false });
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  function select(from, to) {
    const exact = (/** @type {number} */ x) => String(kind() === "step" ? Math.round(x) : Number(x.toPrecision(13)));
    router.change({ from: exact(from), to: exact(to) }, { push: false });
  }

  /**
   * @param {Panel} panel
   * @param {number} left
   */
  function hover(panel, left) {
    for (const other of panels.values()) {
      if (other !== panel) other.follow(left);
      other.readout(left < 0 ? null : other.chart?.cursor.idxs);
    }
    if (left < 0 || panel.chart?.cursor.idx == null) {
      light(null);
      return tooltip.hide();
    }
    const splits = panel.plot.id === "gap" ? ["gap"] : withTrain() ? ["val", "train"] : ["val"];
    const told = toldAt(panel, shown.runs.map(({ run }) => run), splits);
    const pointed = pointedAt(told);
    light(shown.runs.length > MOST_WITH_TRAIN ? pointed : null); // of a few all others are wanted beside it
    const { marks } = look().marked;
    const near = marks.filter((mark) => Math.abs(panel.chart.valToPos(mark.step, "x") - left) <= NEAR);
    const [own, over] = [charts.getBoundingClientRect(), panel.chart.over.getBoundingClientRect()];
    const at = h("b", {}, placeNamed(panel.chart.data[0][panel.chart.cursor.idx]));
    const values = readout(told, splits, { place, pointed });
    tooltip.show(over.left - own.left + left, over.top - own.top + 8, h("p", { class: "card-title" }, at), values, near.length > 0 && explanation(near));
  }

  /** @param {number} x */
  const placeNamed = (x) => (kind() === "step" ? `Step ${step(x)}` : AXES[kind()].format(x));

  /** @param {string | null} run Whose curves are drawn strongly; null for all. */
  function light(run) {
    for (const panel of panels.values()) panel.light(run === null ? null : new Set(["val", "train", "gap"].map((split) => `${split} ${run}`)));
  }

  /** @param {Event} event */
  function rowEntered(event) {
    light(/** @type {Element} */ (event.target).closest("tr")?.dataset.run ?? null);
  }

  function rowLeft() {
    light(null);
  }

  /**
   * For those who do not see the cursor.
   * @param {Panel} panel
   * @param {number} at
   */
  function read(panel, at) {
    const values = panel.plot.curves.map((curve, i) => [curve.label, panel.chart.data[i + 1][at]]);
    const known = values.filter(([, value]) => value !== undefined).map(([label, value]) => `${label} ${value === null ? "NaN" : number(value)}`);
    said.textContent = `${placeNamed(panel.chart.data[0][at])}: ${known.join(", ")}`;
  }

  function save() {
    const style = getComputedStyle(document.documentElement);
    const legend = shown.runs.map(({ run }) => ({
      label: runName(run),
      colour: style.getPropertyValue(inkOf(place(run))).trim(),
      dash: dashOf(place(run)),
    }));
    const parts = [...panels.values()].map(({ plot, chart }, i) => ({ title: plot.title, legend: i ? [] : legend, canvas: chart.ctx.canvas }));
    void savePicture("overfit-compare.png", parts);
  }

  fill();
  return {
    element,
    update(latest) {
      shown = latest;
      fill();
    },
    route() {
      offer();
      draw();
    },
    redraw() {
      for (const panel of panels.values()) panel.redraw();
    },
    close() {
      for (const panel of panels.values()) panel.close();
    },
    focus: () => title.focus(),
    downloads: () => [
      { label: "Charts as PNG", save },
      { label: "Table as CSV", save: () => saveTable("overfit-compare.csv", CSV, shown.runs.map((run) => csvRow(shown, run))) },
      { label: "Everything as JSON", save: () => saveJson("overfit-compare.json", shown) },
    ],
  };
}

const COPIED = ["run", "verdict", "best_value", "best_step", "last_value", "last_step", "loss_lost", "noise"];
const CSV = [...COPIED, "difference_to_best", "relative", "standard_error", "more_than_noise", "reason"];

/**
 * @param {Comparison} comparison
 * @param {import("./contract.js").ComparedRun} run
 */
function csvRow(comparison, run) {
  const best = comparison.runs[0].run;
  const pair = run.run === best ? null : between(comparison, best, run.run);
  const all = /** @type {Record<string, unknown>} */ ({ ...run });
  const told = [pair?.difference, pair?.relative, pair?.standard_error, pair && certainty(pair), pair?.reason];
  return [...COPIED.map((name) => all[name]), ...told];
}
