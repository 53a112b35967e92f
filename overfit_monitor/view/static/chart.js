/** The plots of a run: one x axis, one cursor, one zoom, and one card that explains what is pointed at. */

import { clockOf } from "./chart-axis.js";
import { createControls, isPositive, lookOf, spread, WIDE_SPREAD } from "./chart-controls.js";
import { mayBeThinned, plotsOf, refined } from "./chart-data.js";
import { handle } from "./chart-keys.js";
import { pictureOf } from "./chart-picture.js";
import { describe, keyPoints, summaryOf } from "./chart-text.js";
import { explanation, readoutCard } from "./chart-card.js";
import { h } from "./dom.js";
import { saveBlob, fileName } from "./download.js";
import { lineStep, markerLegend, marksOf, onsetRange } from "./markers.js";
import { createStrip } from "./markers-strip.js";
import { createPanel } from "./panel.js";
import { joined } from "./router.js";
import { createTooltip } from "./tooltip.js";

/**
 * @typedef {import("./contract.js").RunDetail} RunDetail
 * @typedef {import("./panel.js").Panel} Panel
 */

const NEAR = 5;
const SETTLED_MS = 180;

/**
 * @param {Pick<import("./shell.js").Context, "source" | "router"> & {run: string, detail: RunDetail}} context
 */
export function createCharts({ source, router, run, detail }) {
  let whole = detail;
  let clock = clockOf(detail);
  let plots = plotsOf(detail);
  let look = looked(null);
  // Whether finer points stand in the place of those that were sent first.
  let refinedNow = false;
  let question = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  /** @type {Map<string, Panel>} */
  const panels = new Map();

  const controls = createControls(router, { reset, live: smoothLive });
  const key = h("div", { class: "key" });
  const none = h("p", { class: "quiet" }, "There is no finite value to show.");
  const said = h("p", { class: "sr-only", role: "status" });
  const points = h("div", { class: "sr-only" });
  const body = h("div", { class: "panels" });
  const element = h("section", { class: "charts", "aria-label": "Curves" }, controls.element, none, body, said, points);
  element.addEventListener("keydown", (event) => event.key === "Escape" && escape(event));
  const tooltip = createTooltip(body);
  const strip = createStrip((marks, label) => {
    if (!label) return tooltip.hide();
    const [x, y] = [
      label.offsetLeft + strip.element.offsetLeft,
      strip.element.offsetTop + label.offsetTop + label.offsetHeight,
    ];
    tooltip.show(x, y + 4, explanation(marks));
  });
  const on = { hover, select, reset, toggle, save, drawn };

  /** @param {import("./chart-controls.js").Look | null} before */
  function looked(before) {
    const marks = marksOf(whole);
    const marked = before?.marked ?? {
      marks,
      range: onsetRange(whole.diagnosis, marks),
      onset: whole.diagnosis.onset_step,
    };
    return lookOf(router.state(), whole, marked, clock, before);
  }

  /** Says everything anew that depends on the data. */
  function told() {
    none.hidden = plots.length > 0;
    key.replaceChildren(markerLegend(look.marked));
    points.replaceChildren(keyPoints(whole));
    for (const [id, panel] of panels) panel.label(summaryOf(id, whole));
  }

  /** Makes the plots there are, and drops those there are no more. */
  function fill() {
    for (const [id, panel] of panels) {
      if (plots.some((plot) => plot.id === id)) continue;
      panel.close();
      panel.element.remove();
      panels.delete(id);
    }
    for (const plot of plots) {
      const panel = panels.get(plot.id);
      if (panel) panel.update(plot, lookAt(plot));
      else panels.set(plot.id, added(createPanel(plot, lookAt(plot), on)));
    }
    // In the order of the plots, each at its place, without moving one that has the focus.
    let before = /** @type {Element} */ (tooltip.element);
    for (const plot of plots) {
      const panel = /** @type {Panel} */ (panels.get(plot.id));
      if (before.nextElementSibling !== panel.element) before.after(panel.element);
      before = panel.element;
    }
    controls.update(look, clock, { scale: isPositive(plots), zoomed: look.range !== null });
  }

  /**
   * Of all plots only the first and the learning rate can be logarithmic, for the others cross zero.
   * @param {import("./chart-data.js").Plot} plot
   */
  function lookAt(plot) {
    if (plot.id === "losses") return look;
    return { ...look, log: plot.id === "rate" && spread([plot]) > WIDE_SPREAD };
  }

  /** @param {Panel} panel */
  function added(panel) {
    if (panel.plot.id === "losses") panel.frame(strip.element, key);
    handle(panel, { select, reset, arrived });
    panel.canvas.addEventListener("blur", () => left(panel));
    return panel;
  }

  /**
   * @param {any} chart
   * @param {import("./chart-data.js").Plot} plot
   */
  function drawn(chart, plot) {
    if (plot.id === "losses") strip.place(chart, look);
  }

  /**
   * The cursor of one chart has moved.
   * @param {Panel} panel
   * @param {number} place From the left of the plot, negative for nowhere.
   */
  function hover(panel, place) {
    for (const other of panels.values()) {
      if (other !== panel) other.follow(place);
      other.readout(place < 0 ? null : other.chart?.cursor.idxs);
    }
    if (place < 0 || !panel.chart) return tooltip.hide();
    const { chart } = panel;
    const step = look.axis.stepAt(chart.posToVal(place, "x"));
    const marks = look.marked.marks.filter(
      (mark) => Math.abs(chart.valToPos(look.axis.place(lineStep(mark, look.marked)), "x") - place) <= NEAR,
    );
    const { x, y } = placeIn(panel, place);
    tooltip.show(x, y, ...readoutCard([...panels.values()], panel, step, marks, clock, look));
  }

  /**
   * @param {Panel} panel
   * @param {number} place
   */
  function placeIn(panel, place) {
    const [own, over] = [body.getBoundingClientRect(), panel.chart.over.getBoundingClientRect()];
    return { x: over.left - own.left + place, y: over.top - own.top + 8 };
  }

  /** @param {number} place Where a key has moved the cursor to, in the axis' own units. */
  function arrived(place) {
    said.textContent = describe([...panels.values()], look.axis.stepAt(place), look);
  }

  /** @param {Panel} panel */
  function left(panel) {
    panel.chart?.setCursor({ left: -10, top: -10 });
    hover(panel, -10);
  }

  /**
   * @param {number} from In the axis' own units.
   * @param {number} to
   */
  function select(from, to) {
    const steps = [look.axis.stepAt(from), look.axis.stepAt(to)];
    if (steps[1] > steps[0]) router.change({ from: String(steps[0]), to: String(steps[1]) }, { push: false });
  }

  function reset() {
    router.change({ from: null, to: null }, { push: false });
  }

  /** @param {KeyboardEvent} event */
  function escape(event) {
    // What is closed here is not the whole page, which the same key leaves.
    if (look.range || !tooltip.element.hidden) event.stopPropagation();
    tooltip.hide();
    if (look.range) reset();
  }

  /** @param {string} curve */
  function toggle(curve) {
    const hidden = new Set(look.hidden);
    if (!hidden.delete(curve)) hidden.add(curve);
    router.change({ hide: joined([...hidden]) }, { push: false });
  }

  /** @param {number} weight While the slider is dragged; the address follows when it is let go. */
  function smoothLive(weight) {
    look = { ...look, weight };
    fill();
  }

  /** @param {Panel} panel */
  async function save(panel) {
    const blob = await pictureOf(panel, { run, verdict: whole.diagnosis.verdict, look });
    if (blob) saveBlob(`${fileName(run)}-${panel.plot.id}.png`, blob);
  }

  /** Asks for the points of a stretch where those that are there may have been thinned. */
  function refine() {
    clearTimeout(later);
    const mine = ++question;
    const { from, to } = look;
    if (from === null || to === null || !mayBeThinned(whole)) {
      if (refinedNow) plots = plotsOf(whole);
      refinedNow = false;
      return;
    }
    later = setTimeout(async () => {
      const { val, train, mode, exact } = router.state();
      try {
        const part = await source.series(run, { val, train, mode, exact }, from, to);
        if (mine !== question) return;
        plots = plotsOf(refined(whole, part, from, to));
        refinedNow = true;
        fill();
      } catch {
        // The coarse points are on the screen already; the next zoom asks again.
      }
    }, SETTLED_MS);
  }

  fill();
  told();
  refine();
  return {
    element,
    /** @param {RunDetail} latest */
    update(latest) {
      whole = latest;
      clock = clockOf(latest);
      plots = plotsOf(latest);
      look = looked(null);
      refine();
      fill();
      told();
    },
    route() {
      const before = look;
      look = looked(before);
      if (before.from !== look.from || before.to !== look.to) refine();
      fill();
    },
    /** @type {import("./help.js").Key[]} */
    keys: [
      {
        keys: ["p"],
        does: "Read the plot point by point, with ← and →",
        run: () => panels.get("losses")?.canvas.focus(),
      },
      {
        keys: ["l"],
        does: "Linear or logarithmic",
        run: () => router.change({ scale: look.log ? "linear" : "log" }, { push: false }),
      },
      { keys: ["0"], does: "Show the whole run", run: reset },
    ],
    save: () => [...panels.values()].reduce((done, panel) => done.then(() => save(panel)), Promise.resolve()),
    redraw() {
      for (const panel of panels.values()) panel.redraw();
    },
    close() {
      clearTimeout(later);
      question += 1;
      for (const panel of panels.values()) panel.close();
    },
  };
}
