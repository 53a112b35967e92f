/** The plots in words, for those who do not see them: a sentence each, and a table of the points that matter. */

import { h } from "./dom.js";
import { number, step } from "./format.js";

const EVEN_POINTS = 10;

/**
 * A sentence about a plot.
 * @param {string} id
 * @param {any} detail
 */
export function summaryOf(id, { series, diagnosis, test }) {
  const { metrics, best_step: best, onset_step: onset } = diagnosis;
  if (id === "losses") {
    const marked = [
      best !== null && `best at step ${step(best)}`,
      onset !== null && `onset at step ${step(onset)}`,
    ].filter(Boolean);
    return `Train and validation, ${metrics.mode === "max" ? "higher" : "lower"} is better. ${course("Validation", series.val)} ${course("Train", series.train)} ${marked.length ? `Verdict ${diagnosis.verdict}, ${marked.join(", ")}.` : `Verdict ${diagnosis.verdict}.`}`;
  }
  if (id === "gap")
    return `Generalization gap. ${course("The gap", series.gap)} ${series.like_for_like_gap ? course("Like for like it", series.like_for_like_gap) : ""}`;
  if (id === "test")
    return `The test that decides, ${test.name}. ${course("Its statistic", test)} Its limit is ${number(test.limit)}.`;
  return course("Learning rate", series.learning_rate);
}

/**
 * @param {string} name
 * @param {{steps: number[], values: (number | null)[]} | null} columns
 */
function course(name, columns) {
  const values = columns?.values.filter((value) => value !== null) ?? [];
  if (!columns || !values.length) return `${name} has no values.`;
  const broken = columns.values.length - values.length;
  const nan = broken ? ` ${broken} values are not finite.` : "";
  return `${name} goes from ${number(values[0])} to ${number(values[values.length - 1])}, between ${number(Math.min(...values))} and ${number(Math.max(...values))}, over steps ${step(columns.steps[0])} to ${step(columns.steps[columns.steps.length - 1])}.${nan}`;
}

/**
 * The values at a step, as a line that is read out.
 * @param {import("./panel.js").Panel[]} panels
 * @param {number} at
 * @param {import("./chart-controls.js").Look} look
 */
export function describe(panels, at, look) {
  const values = panels.flatMap((panel) => {
    const found = panel.valuesAt(panel.chart?.cursor.idxs ?? null);
    return panel.plot.curves.flatMap((curve, i) =>
      found[i] === undefined || look.hidden.has(curve.id)
        ? []
        : [`${curve.label} ${found[i] === null ? "not finite" : number(found[i])}`],
    );
  });
  const marks = look.marked.marks.filter((mark) => mark.step === at).map((mark) => `${mark.title}: ${mark.text}`);
  return [`Step ${step(at)}`, ...values, ...marks].join(", ");
}

/**
 * A table of the marked steps and of some between them.
 * @param {any} detail
 */
export function keyPoints({ series, marks, diagnosis }) {
  const { steps } = series.val.steps.length ? series.val : series.train;
  const even = [...Array(EVEN_POINTS + 1).keys()].map((i) => steps[Math.round((i / EVEN_POINTS) * (steps.length - 1))]);
  const marked = marks.map((/** @type {any} */ mark) => mark.step).slice(0, 20);
  const at = [...new Set([...even, ...marked])].filter((one) => one !== undefined).sort((a, b) => a - b);
  const columns = ["train", "val", "gap"].filter((name) => series[name]?.steps.length);
  const titles = { train: "Train", val: "Validation", gap: "Gap" };
  const known = columns.map(
    (name) =>
      new Map(
        series[name].steps.map((/** @type {number} */ one, /** @type {number} */ i) => [one, series[name].values[i]]),
      ),
  );
  const rows = at.map((one) => {
    const here = marks
      .filter((/** @type {any} */ mark) => mark.step === one)
      .map((/** @type {any} */ mark) => mark.title);
    const cells = known.map((values) => h("td", {}, values.has(one) ? number(values.get(one)) : ""));
    return h("tr", {}, h("th", { scope: "row" }, step(one)), ...cells, h("td", {}, here.join(", ")));
  });
  const head = ["Step", ...columns.map((name) => titles[/** @type {keyof typeof titles} */ (name)]), "Marked"];
  return h(
    "table",
    {},
    h("caption", {}, `Key points of the curves. Verdict: ${diagnosis.verdict}`),
    h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...rows),
  );
}
