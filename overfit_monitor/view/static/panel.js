/** One uPlot chart with its title and its legend, whose entries show the values and switch the curves. */

import UPlot from "./vendor/uplot-1.6.32/uPlot.esm.js";
import { clockLabels } from "./chart-axis.js";
import { aligned } from "./chart-data.js";
import { h } from "./dom.js";
import { number } from "./format.js";
import { END_LABEL, FONT, paintAbove, paintBelow, paletteOf } from "./panel-paint.js";
import { legendEntry } from "./panel-legend.js";
import { decades, valueRange, yValues } from "./panel-scale.js";

/**
 * @typedef {import("./chart-data.js").Plot} Plot
 * @typedef {{
 *   axis: import("./chart-axis.js").Axis, log: boolean, weight: number, hidden: Set<string>,
 *   range: [number, number] | null, marked: {marks: import("./markers.js").Mark[], range: [number, number] | null, onset: number | null},
 * }} Look `range` is the part of the x axis that is shown, in its own units.
 * @typedef {{
 *   hover: (panel: Panel, left: number) => void, select: (from: number, to: number) => void,
 *   reset: () => void, toggle: (curve: string) => void, save: (panel: Panel) => void,
 *   drawn?: (chart: any, plot: Plot) => void,
 * }} Handlers
 * @typedef {ReturnType<typeof createPanel>} Panel
 */

/** The vendored module has no types. */
const Uplot = /** @type {any} */ (UPlot);
const AXIS_WIDTH = 62;
const FEW_POINTS = 25;
const DENSE = 800;
const BEHIND = 0.3;
const CROWDED = 0.55;
const FAINT = 0.18;
const BAND = "band";
const KEYS = "Arrow keys read out the points, plus and minus zoom, Escape shows the whole run.";

/**
 * @param {Plot} plot
 * @param {Look} look
 * @param {Handlers} on
 */
export function createPanel(plot, look, on) {
  let shown = plot;
  let seen = look;
  /** @type {any} */
  let chart = null;
  /** @type {Record<string, string>} */
  let palette = {};
  /** @type {Set<string> | null} */
  let lit = null;
  const note = h("span", { class: "quiet" }, plot.note);
  const legend = h("div", { class: "legend", role: "group", "aria-label": `${plot.title}: curves` });
  const save = h(
    "button",
    {
      type: "button",
      class: "icon-button",
      title: "Save this chart as a PNG",
      "aria-label": `Save ${plot.title} as a PNG`,
      click: () => on.save(self),
    },
    "PNG",
  );
  const title = h("h2", {}, plot.title);
  const canvas = h("div", {
    class: "plot",
    tabindex: 0,
    role: "application",
    "aria-roledescription": "chart",
    "aria-label": plot.title,
  });
  const element = h(
    "figure",
    { class: "panel", "data-plot": plot.id },
    h("header", {}, title, note, h("div", { class: "panel-tools" }, legend, save)),
    canvas,
  );
  const watcher = new ResizeObserver(fit);
  watcher.observe(canvas);

  function fit() {
    if (!canvas.clientWidth) return;
    if (!chart) build();
    else if (chart.width !== canvas.clientWidth) chart.setSize({ width: canvas.clientWidth, height: shown.height });
  }

  function build() {
    chart?.destroy();
    palette = paletteOf(element);
    chart = new Uplot(options(), columns(), canvas);
    fillLegend();
  }

  const columns = () => aligned(shown.curves, seen.axis.place, seen.weight);
  const isShown = (/** @type {string} */ id) => !seen.hidden.has(id);

  function options() {
    const font = `12px ${FONT}`;
    const grid = { stroke: palette["--grid"], width: 1 };
    const axis = { stroke: palette["--quiet"], font, grid, ticks: { show: false } };
    const { kind, format, increments } = seen.axis;
    const formatted = (/** @type {any} */ _, /** @type {number[]} */ splits) =>
      splits.map((at) => (kind === "step" ? number(at) : format(at)));
    return {
      width: canvas.clientWidth,
      height: shown.height,
      padding: [10, END_LABEL, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: true, y: false, dist: 6, setScale: false },
        bind: { dblclick: () => () => on.reset() },
        points: {
          size: 7,
          width: 2,
          stroke: (/** @type {any} */ _, /** @type {number} */ i) => inkOf(i),
          fill: () => palette["--paper"],
        },
      },
      scales: {
        x: {
          time: kind === "wall",
          range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => xRange(low, high),
        },
        y: {
          distr: seen.log ? 3 : 1,
          range: (/** @type {any} */ u) => valueRange(u, { plot: shown, hidden: seen.hidden, log: seen.log }),
        },
      },
      axes: [
        {
          ...axis,
          size: 28,
          gap: 6,
          space: kind === "relative" ? 80 : 60,
          ...(increments ? { incrs: increments } : {}),
          values: kind === "wall" ? clockLabels : formatted,
        },
        { ...axis, size: AXIS_WIDTH, gap: 8, space: 34, ...(seen.log ? decades(number) : { values: yValues }) },
      ],
      series: [{}, ...shown.curves.map(raw), ...shown.curves.map(smooth)],
      hooks: {
        drawAxes: [(/** @type {any} */ u) => paintBelow(u, { plot: shown, look: seen, palette })],
        draw: [drawn],
        setCursor: [(/** @type {any} */ u) => on.hover(self, u.cursor.left)],
        setSelect: [selected],
      },
    };
  }

  /** @param {any} u */
  function drawn(u) {
    paintAbove(u, { plot: shown, look: seen, palette, lit });
    on.drawn?.(u, shown);
  }

  /** @param {number} low @param {number} high @returns {[number, number]} */
  function xRange(low, high) {
    if (seen.range) return seen.range;
    return low === high || low === null ? [(low ?? 0) - 1, (high ?? 0) + 1] : [low, high];
  }

  /** @param {any} u */
  function selected(u) {
    const { left, width } = u.select;
    if (width < 3) return;
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    on.select(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
  }

  /** @param {import("./chart-data.js").Curve} curve */
  function raw(curve) {
    const behind = seen.weight > 0 && curve.smooths;
    return {
      label: curve.label,
      show: isShown(curve.id),
      stroke: palette[curve.ink],
      width: behind ? 1 : curve.width,
      alpha: strength(curve),
      // Of a dense, jagged line dashes would leave dots.
      dash: behind || curve.columns.steps.length > DENSE ? undefined : curve.dash,
      points: { show: curve.columns.steps.length <= FEW_POINTS && !behind, dash: [], size: 5 },
      ...(curve.stepped ? { paths: Uplot.paths.stepped({ align: 1 }) } : {}),
      ...(curve.id === shown.fill && !behind ? { fill: palette["--gap-fill"], fillTo: 0 } : {}),
    };
  }

  /** @param {import("./chart-data.js").Curve} curve How strongly it is drawn. */
  function strength(curve) {
    const own = seen.weight > 0 && curve.smooths ? BEHIND : 1;
    if (lit) return lit.has(curve.id) ? own : FAINT;
    return shown.first === undefined || shown.first === curve.id ? own : own * CROWDED;
  }

  /** @param {import("./chart-data.js").Curve} curve */
  function smooth(curve) {
    const drawn = seen.weight > 0 && curve.smooths;
    return {
      label: `${curve.label}, smoothed`,
      show: drawn && isShown(curve.id),
      stroke: palette[curve.ink],
      width: curve.width,
      dash: curve.dash,
      points: { show: false },
    };
  }

  /** @param {number} i Series of the chart, 1 for the first curve. */
  const inkOf = (i) => palette[shown.curves[(i - 1) % shown.curves.length]?.ink ?? "--ink"];

  function fillLegend() {
    const entries = shown.curves.map((curve) => legendEntry(curve, isShown(curve.id), on.toggle));
    if (shown.band) entries.push(legendEntry({ id: BAND, label: "noise band" }, isShown(BAND), on.toggle));
    legend.replaceChildren(...entries);
    readout(null);
  }

  /**
   * The values under the cursor, or else the last ones.
   * @param {number[] | null} indices By series of the chart.
   */
  function readout(indices) {
    for (const [i, value] of valuesAt(indices).entries()) {
      const cell = legend.querySelectorAll("b")[i];
      if (cell) cell.textContent = value === null ? "NaN" : value === undefined ? "" : number(value);
    }
  }

  /**
   * @param {number[] | null} indices
   * @returns {(number | null | undefined)[]} By curve; the smoothed value where there is one.
   */
  function valuesAt(indices) {
    return shown.curves.map((curve, i) => {
      if (!indices || !chart) return curve.columns.values.findLast((value) => value !== null);
      const place = seen.weight > 0 && curve.smooths ? shown.curves.length + i + 1 : i + 1;
      const at = indices[place] ?? indices[i + 1] ?? null;
      const value = at === null ? undefined : chart.data[place][at];
      // Of a limit null only says that there is none yet.
      return value === null && !curve.smooths ? undefined : value;
    });
  }

  const self = {
    element,
    get chart() {
      return chart;
    },
    get plot() {
      return shown;
    },
    canvas,
    palette: () => palette,
    /** @param {string} text What the chart shows, for those who do not see it. */
    label: (text) => canvas.setAttribute("aria-label", `${text} ${KEYS}`),
    /**
     * @param {HTMLElement} over
     * @param {HTMLElement} under
     */
    frame(over, under) {
      canvas.before(over);
      canvas.after(under);
    },
    valuesAt,
    readout,
    /**
     * @param {Plot} latest
     * @param {Look} wanted
     */
    update(latest, wanted) {
      const same = formOf(latest, wanted) === formOf(shown, seen);
      const smooths = latest.curves.some((curve) => curve.smooths);
      const known = latest === shown && wanted.axis === seen.axis && (!smooths || wanted.weight === seen.weight);
      const still = known && String(wanted.range) === String(seen.range);
      shown = latest;
      seen = wanted;
      note.textContent = latest.note;
      if (!chart) return fit();
      if (!same) return build();
      if (still) return;
      if (known) return chart.setScale("x", { min: chart.data[0][0], max: chart.data[0].at(-1) });
      chart.setData(columns(), true);
      readout(null);
    },
    /** @param {Set<string> | null} curves Those to draw strongly, and all others faintly; null for all alike. */
    light(curves) {
      if (String([...(lit ?? [])]) === String([...(curves ?? [])])) return;
      lit = curves;
      if (!chart) return;
      shown.curves.forEach((curve, i) => (chart.series[i + 1].alpha = strength(curve)));
      chart.redraw(false);
    },
    /** @param {number} left Where the cursor of another chart is, negative for nowhere. */
    follow: (left) => chart?.setCursor({ left, top: 10 }, false, false),
    redraw: () => chart && build(),
    close() {
      watcher.disconnect();
      chart?.destroy();
    },
  };
  return self;
}

/**
 * What a chart has to be made anew for; anything else only changes its data.
 * @param {Plot} plot
 * @param {Look} look
 */
function formOf({ curves, band, height }, { axis, log, weight, hidden }) {
  const each = curves.map((curve) => [
    curve.id,
    curve.label,
    curve.columns.steps.length <= FEW_POINTS,
    curve.columns.steps.length > DENSE,
  ]);
  const smoothed = weight > 0 && curves.some((curve) => curve.smooths);
  return JSON.stringify([each, band !== null, height, axis.kind, log, smoothed, [...hidden].sort()]);
}
