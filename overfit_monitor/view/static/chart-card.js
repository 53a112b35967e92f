/** What the card over the plots says: values at a step, and what the marks there mean. */

import { span } from "./chart-axis.js";
import { h } from "./dom.js";
import { number, sentence, step } from "./format.js";
import { glyph, KINDS } from "./markers.js";

const MOST_MARKS = 6;
const LONG = 30;

/**
 * The marks, each with what it means.
 * @param {import("./markers.js").Mark[]} marks
 */
export function explanation(marks) {
  const items = marks
    .slice(0, MOST_MARKS)
    .map((mark) =>
      h(
        "li",
        { class: `ink-${mark.kind}` },
        KINDS[mark.kind].main ? null : glyph(mark.kind),
        h("b", {}, sentence(mark.title)),
        h("span", { class: "card-text" }, sentence(mark.text)),
      ),
    );
  const rest = marks.length - items.length;
  return h("ul", { class: "card-marks" }, ...items, rest > 0 && h("li", { class: "quiet" }, `and ${rest} more`));
}

/**
 * @param {import("./panel.js").Panel[]} panels
 * @param {import("./panel.js").Panel} pointed The one that is pointed at, whose values come first.
 * @param {number} at Step under the cursor.
 * @param {import("./markers.js").Mark[]} marks
 * @param {{steps: number[], times: number[]}} clock
 * @param {import("./chart-controls.js").Look} look
 */
export function readoutCard(panels, pointed, at, marks, clock, look) {
  const rows = panels.flatMap((panel) => {
    const values = panel.valuesAt(panel.chart?.cursor.idxs ?? null);
    return panel.plot.curves.flatMap((curve, i) => {
      if (values[i] === undefined || look.hidden.has(curve.id)) return [];
      // What is not pointed at only as far as it says how well the run does.
      if (panel !== pointed && !curve.smooths) return [];
      const swatch = h("i", { class: `swatch ${curve.dash ? "dashed" : ""}` });
      swatch.style.setProperty("--own", `var(${curve.ink})`);
      const strong = panel === pointed ? "strong" : "quiet";
      return [
        h("dt", { class: strong }, swatch, curve.label.length > LONG ? curve.short : curve.label),
        h("dd", { class: strong }, values[i] === null ? "NaN" : number(values[i])),
      ];
    });
  });
  const steps = pointed.chart?.cursor.idx ?? null;
  const exact = steps === null ? at : look.axis.stepAt(pointed.chart.data[0][steps]);
  const title = h("p", { class: "card-title" }, h("b", {}, `Step ${step(exact)}`), ...timeOf(exact, clock));
  return [title, h("dl", { class: "card-values" }, ...rows), marks.length > 0 && explanation(marks)];
}

/**
 * @param {number} at
 * @param {{steps: number[], times: number[]}} clock
 */
function timeOf(at, { steps, times }) {
  const i = steps.findLastIndex((known) => known <= at);
  if (i < 0 || times[i] === times[0]) return [];
  return [h("span", { class: "quiet" }, `after ${span(times[i] - times[0])}`)];
}
