/** One uPlot chart with its title, live legend and markers. */

import UPlot from "./vendor/uplot-1.6.32/uPlot.esm.js";
import { h } from "./dom.js";
import { number, step } from "./format.js";
import { drawMarks, placeLabels } from "./markers.js";

/**
 * @typedef {import("./contract.js").Points} Points
 * @typedef {{name: string, short: string, label: string, width: number, dash?: number[], points: Points}} Curve
 * @typedef {{
 *   title: string, note: string, curves: Curve[], height: number, main: boolean,
 *   sync: string, marks: () => import("./markers.js").Marks,
 * }} Options `main` adds the labels of the markers and the choice of scale.
 */

/** The vendored module has no types. */
const Plot = /** @type {any} */ (UPlot);
const FONT = 'Roboto, "Helvetica Neue", Arial, sans-serif';
const AXIS_WIDTH = 62;
const END_LABEL = 76;
const LINE = 15;
const FEW_POINTS = 25;
const WITH_ZERO = { range: { min: { pad: 0.1, soft: 0, mode: 1 }, max: { pad: 0.1, soft: 0, mode: 1 } } };
// A diverging run is a flat line and a corner on a linear scale.
const WIDE_SPREAD = 50;
const WHOLE_STEPS = [...Array(12).keys()].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));

/**
 * @param {Options} options
 * @returns {{element: HTMLElement, update: (curves: Curve[]) => void, redraw: () => void, close: () => void}}
 */
export function createPanel({ title, note, curves, height, main, sync, marks }) {
  let shown = curves;
  let log = main && spread(curves) > WIDE_SPREAD;
  /** @type {any} */
  let plot = null;
  const strip = h("div", { class: "marker-strip" });
  const canvas = h("div", { class: "plot" });
  const legend = h("ul", { class: "legend", "aria-label": `${title}: values` });
  const scale = h(
    "button",
    { type: "button", class: "plain small", "aria-pressed": String(log), click: toggleScale },
    "Log scale",
  );
  const head = h("header", {}, h("h2", {}, title), h("span", { class: "quiet" }, note), legend, main && scale);
  const element = h("figure", { class: "panel" }, head, strip, canvas);
  const watcher = new ResizeObserver(fit);
  watcher.observe(canvas);
  offerScale();

  /** @param {string} name */
  const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim();

  function fit() {
    if (!canvas.clientWidth) return;
    if (!plot) build();
    else if (plot.width !== canvas.clientWidth) plot.setSize({ width: canvas.clientWidth, height });
  }

  function build() {
    plot?.destroy();
    plot = new Plot(settings(), aligned(shown), canvas);
    readout(plot);
  }

  function toggleScale() {
    log = !log;
    scale.setAttribute("aria-pressed", String(log));
    build();
  }

  function offerScale() {
    const positive = shown.every((curve) => curve.points.every(([, value]) => value === null || value > 0));
    scale.hidden = !positive;
    if (log && !positive) toggleScale();
  }

  /** @param {any} chart */
  function readout(chart) {
    const at = chart.cursor.idx ?? null;
    const items = shown.map((curve, i) => {
      const value = at === null ? lastValue(curve.points) : chart.data[i + 1][at];
      return h("li", {}, h("i", { class: `swatch ${curve.name}` }), curve.label, h("b", {}, number(value)));
    });
    const place = at === null ? "last" : `step ${step(chart.data[0][at])}`;
    legend.replaceChildren(...items, h("li", { class: "quiet" }, place));
  }

  function settings() {
    const font = `12px ${FONT}`;
    const grid = { stroke: colour("--grid"), width: 1 };
    const axis = { stroke: colour("--quiet"), font, grid, ticks: { show: false } };
    // On a log scale only the powers of ten, which are also the ones with a number.
    const decades = (/** @type {any} */ _, /** @type {number[]} */ splits) =>
      splits.map((value) => (Number.isInteger(Math.log10(value)) ? value : null));
    const values = (/** @type {any} */ _, /** @type {(number | null)[]} */ splits) =>
      splits.map((value) => (value === null ? "" : number(value)));
    return {
      width: canvas.clientWidth,
      height,
      padding: [8, END_LABEL, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: sync, scales: ["x", null] }, drag: { x: true, y: false, dist: 8 }, y: false },
      scales: { x: { time: false }, y: log ? { distr: 3 } : main ? {} : WITH_ZERO },
      axes: [
        { ...axis, size: 28, gap: 6, space: 60, incrs: WHOLE_STEPS, values },
        { ...axis, size: AXIS_WIDTH, gap: 8, space: 34, values, grid: log ? { ...grid, filter: decades } : grid },
      ],
      series: [{}, ...shown.map(line)],
      hooks: {
        drawAxes: [(/** @type {any} */ chart) => drawMarks(chart, marks(), colour)],
        draw: [finish],
        setCursor: [readout],
      },
    };
  }

  /** @param {Curve} curve */
  function line(curve) {
    const plain = {
      label: curve.label,
      stroke: colour(`--${curve.name}`),
      width: curve.width,
      dash: curve.dash,
      points: { show: curve.points.length <= FEW_POINTS, dash: [] },
    };
    return curve.name === "gap" ? { ...plain, fill: colour("--gap-fill"), fillTo: 0 } : plain;
  }

  /** @param {any} chart */
  function finish(chart) {
    endLabels(chart, shown, colour);
    if (!main) return;
    strip.replaceChildren();
    placeLabels(chart, strip, marks().lines);
  }

  return {
    element,
    update(latest) {
      const same = latest.length === shown.length;
      shown = latest;
      offerScale();
      if (!plot) return;
      if (!same) return build();
      const [steps] = plot.data;
      // Somebody who has zoomed in keeps the view; otherwise it grows with the run.
      const whole = plot.scales.x.min === steps[0] && plot.scales.x.max === steps.at(-1);
      plot.setData(aligned(shown), whole);
      if (!whole) plot.redraw(true, true);
      readout(plot);
    },
    redraw: () => plot && build(),
    close() {
      watcher.disconnect();
      plot?.destroy();
    },
  };
}

/**
 * All curves over the union of their steps. Null breaks a line (no finite value there),
 * undefined does not (nothing was logged at that step).
 * @param {Curve[]} curves
 */
function aligned(curves) {
  const steps = [...new Set(curves.flatMap((curve) => curve.points.map(([at]) => at)))].sort((a, b) => a - b);
  const columns = curves.map((curve) => {
    const values = new Map(curve.points);
    return steps.map((at) => values.get(at));
  });
  return [steps, ...columns];
}

/**
 * The largest value over the median, 0 where a value is not positive.
 * @param {Curve[]} curves
 */
function spread(curves) {
  const values = curves.flatMap(({ points }) => points.flatMap(([, value]) => (value === null ? [] : [value])));
  values.sort((a, b) => a - b);
  return values.length && values[0] > 0 ? values[values.length - 1] / values[values.length >> 1] : 0;
}

/** @param {Points} points */
function lastValue(points) {
  return points.findLast(([, value]) => value !== null)?.[1] ?? null;
}

/**
 * Names the curves where they end, so that nobody needs the colour to tell them apart.
 * @param {any} chart
 * @param {Curve[]} curves
 * @param {(name: string) => string} colour
 */
function endLabels(chart, curves, colour) {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  const labels = curves.flatMap((curve, i) => {
    const at = chart.data[i + 1].findLastIndex(
      (/** @type {any} */ value, /** @type {number} */ j) =>
        typeof value === "number" && chart.data[0][j] <= chart.scales.x.max,
    );
    return at < 0 ? [] : [{ curve, y: chart.valToPos(chart.data[i + 1][at], "y", true) }];
  });
  labels.sort((a, b) => a.y - b.y);
  const lowest = bbox.top + bbox.height;
  let above = bbox.top - LINE * ratio;
  ctx.save();
  ctx.font = `500 ${12 * ratio}px ${FONT}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  labels.forEach(({ curve, y }, i) => {
    const room = lowest - (labels.length - 1 - i) * LINE * ratio;
    above = Math.max(Math.min(y, room), above + LINE * ratio, bbox.top);
    ctx.fillStyle = colour(`--${curve.name}`);
    ctx.fillText(curve.short, bbox.left + bbox.width + 8 * ratio, above);
  });
  ctx.restore();
}
