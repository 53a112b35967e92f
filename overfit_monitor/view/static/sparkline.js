/** A curve the size of a word: no axes, a dot on the best value. */

import { svg } from "./dom.js";

const WIDTH = 116;
const HEIGHT = 24;
const EDGE = 3;

/**
 * @param {(number | null)[]} values Null where there was no finite value.
 * @param {"min" | "max"} mode
 */
export function sparkline(values, mode) {
  const known = /** @type {number[]} */ (values.filter((value) => typeof value === "number"));
  if (known.length < 2) return svg("svg", { class: "spark", width: WIDTH, height: HEIGHT, "aria-hidden": "true" });
  const low = Math.min(...known);
  const high = Math.max(...known);
  const best = values.indexOf(mode === "max" ? high : low);
  const x = (/** @type {number} */ i) => EDGE + (i / (values.length - 1)) * (WIDTH - 2 * EDGE);
  const y = (/** @type {number} */ value) => HEIGHT - EDGE - ((value - low) / (high - low || 1)) * (HEIGHT - 2 * EDGE);
  let path = "";
  values.forEach((value, i) => {
    if (typeof value !== "number") return;
    const starts = i === 0 || typeof values[i - 1] !== "number";
    path += `${starts ? "M" : "L"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return svg(
    "svg",
    { class: "spark", width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
    svg("path", { d: path }),
    svg("circle", { cx: x(best).toFixed(1), cy: y(/** @type {number} */ (values[best])).toFixed(1), r: 2.5 }),
  );
}
