/** An entry of a chart's legend: a button that shows or hides its curve, with the value under the cursor. */

import { h } from "./dom.js";

/**
 * @param {{id: string, label: string, ink?: string, dash?: number[]}} curve Without an ink it is an area, which has no
 *   value of its own.
 * @param {boolean} shown
 * @param {(curve: string) => void} toggle
 */
export function legendEntry({ id, label, ink, dash }, shown, toggle) {
  const swatch = h("i", { class: `swatch ${ink ? (dash ? "dashed" : "") : "area"}`, "aria-hidden": "true" });
  if (ink) swatch.style.setProperty("--own", `var(${ink})`);
  const attributes = {
    type: "button",
    class: "legend-entry",
    "data-curve": id,
    "aria-pressed": String(shown),
    title: `${shown ? "Hide" : "Show"} ${label}`,
    click: () => toggle(id),
  };
  return h("button", attributes, swatch, h("span", { class: "legend-name" }, label), ink ? h("b", {}) : null);
}
