/** What is drawn into a chart besides its curves: band, marks, gaps in the numbers, names at the ends. */

import { paintMarks } from "./markers.js";

/**
 * @typedef {{
 *   plot: import("./chart-data.js").Plot, look: import("./panel.js").Look, palette: Record<string, string>,
 *   lit?: Set<string> | null,
 * }} Scene `lit` are the curves that are drawn strongly, where others are not.
 */

export const FONT = 'Roboto, "Helvetica Neue", Arial, sans-serif';
export const END_LABEL = 84;
const LINE = 15;
const INKS = [
  ...[
    "--paper",
    "--ink",
    "--quiet",
    "--grid",
    "--line",
    "--train",
    "--val",
    "--probe",
    "--gap",
    "--gap-fill",
    "--like",
  ],
  ...[
    "--band",
    "--best",
    "--onset",
    "--alarm",
    "--stop",
    "--alert",
    "--learning_rate",
    "--restart",
    "--applied",
    "--tint",
    "--range",
    "--over",
  ],
  ...[...Array(10).keys()].flatMap((i) => [`--run-${i}`, `--run-${i}-soft`]),
];

/**
 * The colours of the theme in force.
 * @param {Element} element
 * @returns {Record<string, string>}
 */
export function paletteOf(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(INKS.map((name) => [name, style.getPropertyValue(name).trim() || "#808080"]));
}

/**
 * Under the curves.
 * @param {any} u The uPlot instance.
 * @param {Scene} scene
 */
export function paintBelow(u, scene) {
  clipped(u, (ctx) => {
    paintMarks(u, ctx, scene);
    paintBand(u, ctx, scene);
    paintOver(u, ctx, scene);
  });
}

/**
 * Over the curves.
 * @param {any} u The uPlot instance.
 * @param {Scene} scene
 */
export function paintAbove(u, scene) {
  clipped(u, (ctx) => paintBroken(u, ctx, scene));
  nameEnds(u, scene);
}

/**
 * @param {any} u
 * @param {(ctx: CanvasRenderingContext2D) => void} paint
 */
function clipped(u, paint) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx);
  ctx.restore();
}

/**
 * The noise of validation around its level.
 * @param {any} u
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 */
function paintBand(u, ctx, { plot: { band }, look, palette }) {
  if (!band || look.hidden.has("band") || look.hidden.has("val")) return;
  const bottom = u.bbox.top + u.bbox.height;
  const x = (/** @type {number} */ i) => u.valToPos(look.axis.place(band.steps[i]), "x", true);
  const y = (/** @type {number | null} */ value) =>
    value === null ? null : look.log && value <= 0 ? bottom : u.valToPos(value, "y", true);
  ctx.fillStyle = palette["--band"];
  /** @type {number[]} */
  let stretch = [];
  const fill = () => {
    if (stretch.length > 1) {
      ctx.beginPath();
      for (const i of stretch) ctx.lineTo(x(i), y(band.high[i]));
      for (const i of stretch.reverse()) ctx.lineTo(x(i), y(band.low[i]));
      ctx.fill();
    }
    stretch = [];
  };
  const { min, max } = u.scales.x;
  const places = band.steps.map(look.axis.place);
  const first = places.findIndex((place) => place >= min) - 1;
  const last = places.findLastIndex((place) => place <= max) + 1;
  for (let i = Math.max(first, 0); i <= Math.min(last, places.length - 1); i += 1) {
    if (band.low[i] === null || band.high[i] === null) fill();
    else stretch.push(i);
  }
  fill();
}

/**
 * Where the gap, or the statistic, is above its limit.
 * @param {any} u
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 */
function paintOver(u, ctx, { plot, look, palette }) {
  const limit = plot.curves.findIndex(({ id }) => id === "limit" || id === "bound");
  if (limit < 0 || look.hidden.has(plot.curves[limit].id)) return;
  const curve = plot.curves.findIndex(({ id }) => id === "gap" || id === "statistic");
  if (curve < 0 || look.hidden.has(plot.curves[curve].id)) return;
  ctx.fillStyle = palette["--over"];
  const [xs, above, bound] = [u.data[0], u.data[curve + 1], u.data[limit + 1]];
  const [first, end] = u.series[0].idxs;
  const isOver = (/** @type {number} */ i) => above[i] > bound[i];
  /** @type {number[]} */
  let stretch = [];
  const fill = () => {
    if (stretch.length > 1) {
      ctx.beginPath();
      for (const i of stretch) ctx.lineTo(u.valToPos(xs[i], "x", true), u.valToPos(above[i], "y", true));
      for (const i of stretch.reverse()) ctx.lineTo(u.valToPos(xs[i], "x", true), u.valToPos(bound[i], "y", true));
      ctx.fill();
    }
    stretch = [];
  };
  for (let i = Math.max(first - 1, 0); i <= Math.min(end + 1, xs.length - 1); i += 1) {
    if (typeof above[i] !== "number" || typeof bound[i] !== "number") continue;
    if (isOver(i)) stretch.push(i);
    else fill();
  }
  fill();
}

/**
 * A cross at the bottom for every value that is not a finite number.
 * @param {any} u
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 */
function paintBroken(u, ctx, { plot, look, palette }) {
  if (plot.id !== "losses") return;
  const arm = 3.5 * devicePixelRatio;
  const y = u.bbox.top + u.bbox.height - 3 * arm;
  ctx.lineWidth = 1.75 * devicePixelRatio;
  plot.curves.forEach((curve, i) => {
    if (look.hidden.has(curve.id) || !curve.smooths) return;
    ctx.strokeStyle = palette[curve.ink];
    ctx.beginPath();
    u.data[i + 1].forEach((/** @type {unknown} */ value, /** @type {number} */ j) => {
      if (value !== null) return;
      const x = u.valToPos(u.data[0][j], "x", true);
      ctx.moveTo(x - arm, y - arm);
      ctx.lineTo(x + arm, y + arm);
      ctx.moveTo(x + arm, y - arm);
      ctx.lineTo(x - arm, y + arm);
    });
    ctx.stroke();
  });
}

/**
 * Names the curves where they end, so that nobody needs the colour to tell them apart.
 * @param {any} u
 * @param {Scene} scene
 */
function nameEnds(u, { plot, look, palette, lit }) {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const lowest = bbox.top + bbox.height;
  const labels = plot.curves.flatMap((curve, i) => {
    if (look.hidden.has(curve.id) || !curve.short) return [];
    if (lit ? !lit.has(curve.id) : plot.first !== undefined && plot.first !== curve.id) return [];
    const column = u.data[look.weight > 0 && curve.smooths ? plot.curves.length + i + 1 : i + 1];
    const at = column.findLastIndex(
      (/** @type {unknown} */ value, /** @type {number} */ j) =>
        typeof value === "number" && u.data[0][j] <= u.scales.x.max,
    );
    if (at < 0) return [];
    const y = u.valToPos(column[at], "y", true);
    return [{ curve, y: Math.min(Math.max(y, bbox.top), lowest), outside: y < bbox.top - 1 }];
  });
  labels.sort((a, b) => a.y - b.y);
  let above = bbox.top - LINE * ratio;
  ctx.save();
  ctx.font = `500 ${12 * ratio}px ${FONT}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  labels.forEach(({ curve, y, outside }, i) => {
    const room = lowest - (labels.length - 1 - i) * LINE * ratio;
    above = Math.max(Math.min(y, room), above + LINE * ratio, bbox.top + 4 * ratio);
    ctx.fillStyle = palette[curve.ink];
    ctx.fillText(`${curve.short}${outside ? " ↑" : ""}`, bbox.left + bbox.width + 8 * ratio, above);
  });
  ctx.restore();
}
