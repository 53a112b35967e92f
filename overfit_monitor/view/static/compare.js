/** Several runs beside each other. */

import { h } from "./dom.js";

/**
 * @param {import("./shell.js").Context & {comparison: import("./contract.js").Comparison}} context
 * @returns {import("./shell.js").Page}
 */
export function createCompare({ comparison }) {
  const element = h("article", { class: "compare-view" }, h("h1", { tabindex: -1 }, "Compare"));
  void comparison;
  return { element, update: () => {}, redraw: () => {}, close: () => {}, focus: () => {} };
}
