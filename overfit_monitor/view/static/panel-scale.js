/** The y axis of a chart: which values it spans, and where a logarithmic one has its lines. */

import { number } from "./format.js";

const PAD = 0.06;
// A limit far above the curve would press the curve flat; then it stays outside.
const ROOM_FOR_LIMIT = 2.2;
// A statistic far above its limit would press the limit onto the axis; then its end stays outside.
const ROOM_FOR_STATISTIC = 4;

/**
 * The span of what is shown between the ends of the x axis.
 * @param {any} u The uPlot instance.
 * @param {{plot: import("./chart-data.js").Plot, hidden: Set<string>, log: boolean}} what
 * @returns {[number, number]}
 */
export function valueRange(u, { plot, hidden, log }) {
  // Those of the scale that is about to hold, which the plot does not tell otherwise.
  const [first, last] = u.series[0].idxs;
  const usable = (/** @type {unknown} */ value) => typeof value === "number" && (!log || value > 0);
  const spans = plot.curves.map((curve, i) =>
    hidden.has(curve.id) ? null : spanOf(u.data[i + 1], first, last, usable),
  );
  const own = spans.filter((span, i) => span && !isLimit(plot.curves[i].id));
  let [low, high] = together(own.length ? own : spans);
  if (plot.fill) [low, high] = [Math.min(0, low), Math.max(0, high)];
  const limits = spans.filter((span, i) => span && isLimit(plot.curves[i].id));
  if (limits.length && own.length) {
    const [lowest, highest] = together(limits);
    const room = low + (high - low) * ROOM_FOR_LIMIT;
    if (plot.id === "test") high = Math.min(high, ROOM_FOR_STATISTIC * highest);
    if (lowest < room) high = Math.max(high, Math.min(highest, room));
  }
  return log
    ? padded(low, high, Math.log10, (x) => 10 ** x)
    : padded(
        low,
        high,
        (x) => x,
        (x) => x,
      );
}

/** @param {string} id */
const isLimit = (id) => id === "limit" || id === "bound";

/**
 * @param {(number | null | undefined)[]} values
 * @param {number} first
 * @param {number} last
 * @param {(value: unknown) => boolean} counts
 * @returns {[number, number] | null}
 */
function spanOf(values, first, last, counts) {
  let low = Infinity;
  let high = -Infinity;
  for (let i = first ?? 0; i <= (last ?? -1); i += 1) {
    const value = values[i];
    if (!counts(value)) continue;
    low = Math.min(low, /** @type {number} */ (value));
    high = Math.max(high, /** @type {number} */ (value));
  }
  return low <= high ? [low, high] : null;
}

/** @param {([number, number] | null)[]} spans @returns {[number, number]} */
function together(spans) {
  const known = /** @type {[number, number][]} */ (spans.filter(Boolean));
  return known.length ? [Math.min(...known.map(([low]) => low)), Math.max(...known.map(([, high]) => high))] : [0.1, 1];
}

/**
 * @param {number} low
 * @param {number} high
 * @param {(x: number) => number} into
 * @param {(x: number) => number} back
 * @returns {[number, number]}
 */
function padded(low, high, into, back) {
  const [from, to] = [into(low), into(high)];
  const pad = (to - from) * PAD || Math.abs(from) * PAD || PAD;
  return [back(from - pad), back(to + pad)];
}

/**
 * Lines of a logarithmic axis: the powers of ten, and 2 and 5 between them where there are few.
 * @param {(value: number) => string} format
 */
export function decades(format) {
  const splits = (
    /** @type {any} */ _,
    /** @type {number} */ __,
    /** @type {number} */ low,
    /** @type {number} */ high,
  ) => {
    const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const every = Math.max(1, Math.ceil((to - from) / 8));
    const digits = to - from <= 3 ? [1, 2, 5] : [1];
    const powers = [...Array(to - from + 1).keys()].map((i) => from + i).filter((power) => power % every === 0);
    const found = powers.flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)));
    const inside = found.filter((value) => value >= low && value <= high);
    return inside.length > 1
      ? inside
      : [0.1, 0.5, 0.9].map((share) => Number((low * (high / low) ** share).toPrecision(3)));
  };
  return {
    splits,
    values: (/** @type {any} */ _, /** @type {number[]} */ found) => found.map(format),
    filter: (/** @type {any} */ _, /** @type {number[]} */ found) => found,
  };
}

/**
 * As many decimals as the distance of the labels asks for.
 * @param {any} _
 * @param {number[]} splits
 */
export function yValues(_, splits) {
  const apart = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 0;
  const largest = Math.max(...splits.map(Math.abs));
  if (!apart || apart < 1e-6 || largest >= 1e5) return splits.map(number);
  const places = Math.max(0, -Math.floor(Math.log10(apart) + 1e-9));
  const digits = Math.min(places, 8);
  return splits.map((value) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  );
}
