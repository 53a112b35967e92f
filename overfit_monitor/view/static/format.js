/** Numbers and names as people read them. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
export const NONE = "–";

/**
 * A step, with separators; a dash where it is unknown.
 * @param {number | null | undefined} value
 */
export function step(value) {
  return value === null || value === undefined ? NONE : WHOLE.format(value);
}

/**
 * Four significant digits; numbers that are far from 1 in powers of ten.
 * @param {unknown} value
 */
export function number(value) {
  if (value === null || value === undefined) return NONE;
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (value === 0 || (Number.isInteger(value) && size < 1e6)) return WHOLE.format(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

/**
 * A share in percent, with as many digits as say something; a dash where it is unknown.
 * @param {number | null | undefined} share
 */
export function percent(share) {
  if (share === null || share === undefined) return NONE;
  const value = 100 * share;
  const digits = Math.abs(value) >= 10 || value === 0 ? 0 : Math.abs(value) >= 1 ? 1 : 2;
  return `${value.toLocaleString("en", { maximumFractionDigits: digits })}\u202f%`;
}

/**
 * What a run is called: TensorBoard names the one that lies in the log folder itself a dot.
 * @param {string} run
 */
export const runName = (run) => (run === "." || run === "" ? "(log folder itself)" : run);

/**
 * @param {number} count
 * @param {string} word
 */
export const counted = (count, word) => `${WHOLE.format(count)} ${word}${count === 1 ? "" : "s"}`;

/**
 * A stable id in words: ``train_val_shift`` becomes ``Train val shift``.
 * @param {string} id
 */
export function words(id) {
  return sentence(id.replace(/[_-]+/g, " "));
}

/**
 * With a capital letter at its beginning.
 * @param {string} text
 */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * The name of a compared curve. One that the monitor wrote itself goes by the metric.
 * @param {"train" | "val"} split
 * @param {string | null} tag
 * @param {import("./contract.js").Metrics} metrics
 */
export function curveName(split, tag, metrics) {
  return tag && tag.endsWith(`overfit-monitor/overfit/${split}`) ? `${split} ${metrics[split] ?? "metric"}` : tag;
}

/**
 * The time of day, with seconds.
 * @param {Date} date
 */
export function clock(date) {
  return date.toLocaleTimeString("en-GB");
}
