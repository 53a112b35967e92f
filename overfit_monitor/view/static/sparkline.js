/** Two curves the size of a word: train faint, validation, and a dot on its best value. No axes. */

import { svg } from "./dom.js";

const WIDTH = 132;
const HEIGHT = 30;
const EDGE = 3;

/** @typedef {(number | null)[]} Values Null where there was no finite value. */

/**
 * @param {Values} val
 * @param {Values} train
 * @param {import("./contract.js").Mode} mode
 */
export function sparkline(val, train, mode) {
  const attributes = { class: "spark", width: WIDTH, height: HEIGHT, "aria-hidden": "true" };
  const known = /** @type {number[]} */ ([...val, ...train].filter((value) => typeof value === "number"));
  if (known.length < 2) return svg("svg", attributes);
  const low = Math.min(...known);
  const size = (Math.max(...known) - low || 1) / (HEIGHT - 2 * EDGE);
  const y = (/** @type {number} */ value) => HEIGHT - EDGE - (value - low) / size;
  const parts = [svg("path", { class: "train", d: path(train, y) }), svg("path", { d: path(val, y) })];
  const best = bestOf(val, mode);
  if (best >= 0) {
    const [cx, cy] = [place(best, val.length), y(/** @type {number} */ (val[best]))];
    parts.push(svg("circle", { cx: cx.toFixed(1), cy: cy.toFixed(1), r: 2.6 }));
  }
  return svg("svg", { ...attributes, viewBox: `0 0 ${WIDTH} ${HEIGHT}` }, ...parts);
}

/**
 * @param {number} i
 * @param {number} count
 */
function place(i, count) {
  return EDGE + (i / Math.max(1, count - 1)) * (WIDTH - 2 * EDGE);
}

/**
 * @param {Values} values
 * @param {(value: number) => number} y
 */
function path(values, y) {
  let text = "";
  values.forEach((value, i) => {
    if (typeof value !== "number") return;
    const starts = i === 0 || typeof values[i - 1] !== "number";
    text += `${starts ? "M" : "L"}${place(i, values.length).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return text;
}

/**
 * @param {Values} values
 * @param {import("./contract.js").Mode} mode
 */
function bestOf(values, mode) {
  let best = -1;
  values.forEach((value, i) => {
    if (typeof value !== "number") return;
    const beats = best < 0 || (mode === "max" ? value > Number(values[best]) : value < Number(values[best]));
    if (beats) best = i;
  });
  return best;
}
