/** The compared runs as a table, the best first, and what was changed in them while they trained. */

import { amount, between, certainty, changesOf } from "./compare-words.js";
import { dashOf, inkOf } from "./compare-data.js";
import { h, section } from "./dom.js";
import { NONE, number, percent, runName, sentence, step } from "./format.js";
import { sign } from "./icons.js";
import { badge } from "./verdict.js";

/**
 * @typedef {import("./contract.js").Comparison} Comparison
 * @typedef {import("./contract.js").ComparedRun} ComparedRun
 */

// As many rows may say the same.
const MOST_SAID = 3;
const HEADS = /** @type {const} */ ([
  ["Run", ""],
  ["Verdict", ""],
  ["Best value", "numeric"],
  ["Best step", "numeric"],
  ["Last value", "numeric"],
  ["Lost since best", "numeric"],
  ["Noise", "numeric"],
  ["Worse than the best run", "numeric"],
  ["More than noise?", ""],
]);

/**
 * @param {Comparison} comparison
 * @param {{place: (run: string) => number, link: (run: string, text: string) => HTMLElement, drop: (run: string) => void}} on
 */
export function comparedTable(comparison, { place, link, drop }) {
  const [best] = comparison.runs;
  const said = commonEnd(comparison.comparisons.map(({ reason }) => reason ?? ""));
  const rows = comparison.runs.map((run) => rowOf(comparison, run, best.run, { place, link, drop, said }));
  const heads = HEADS.map(([name, kind]) => h("th", { scope: "col", class: kind }, name));
  return h(
    "div",
    { class: "sideways", tabindex: 0, role: "region", "aria-label": "Compared runs" },
    h(
      "table",
      { class: "compared" },
      h("caption", { class: "unseen" }, "The compared runs, the best first"),
      h("thead", {}, h("tr", {}, ...heads, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Leave out")))),
      h("tbody", {}, ...rows),
    ),
    said ? h("p", { class: "quiet" }, sentence(said)) : null,
  );
}

/**
 * What several reasons end with, so that it need be said only once; empty where too few do.
 * @param {string[]} reasons
 */
function commonEnd(reasons) {
  const ends = reasons.flatMap((reason) => (reason.includes("; ") ? [reason.slice(reason.indexOf("; ") + 2)] : []));
  const often = (/** @type {string} */ end) => ends.filter((other) => other === end).length;
  return ends.find((end) => often(end) > MOST_SAID) ?? "";
}

/**
 * @param {string} reason
 * @param {string} end
 */
const without = (reason, end) => (end && reason.endsWith(`; ${end}`) ? reason.slice(0, -end.length - 2) : reason);

/**
 * @param {Comparison} comparison
 * @param {ComparedRun} run
 * @param {string} best
 * @param {{
 *   place: (run: string) => number, link: (run: string, text: string) => HTMLElement, drop: (run: string) => void, said: string,
 * }} on `said` is the end of a reason that need not stand in each row.
 */
function rowOf(comparison, run, best, { place, link, drop, said }) {
  const first = run.run === best;
  const pair = first ? null : between(comparison, best, run.run);
  const name = runName(run.run);
  const button = h(
    "button",
    { type: "button", class: "bare", "aria-label": `Leave out ${name}`, title: "Leave out", click: () => drop(run.run) },
    sign("close"),
  );
  const told = first ? h("b", { class: "ink-best" }, "Best of these") : certainty(pair);
  const cells = [
    h("td", {}, badge(run.verdict)),
    ...[number(run.best_value), step(run.best_step), number(run.last_value), percent(run.loss_lost)].map(numeric),
    numeric(run.noise === null ? NONE : `±${percent(run.noise)}`),
    numeric(first ? NONE : pair?.difference == null ? NONE : amount(pair)),
    h("td", { class: "told" }, told, pair?.reason ? h("small", { class: "quiet" }, sentence(without(pair.reason, said))) : null),
    h("td", { class: "end" }, button),
  ];
  return h("tr", { "data-run": run.run }, h("th", { scope: "row" }, h("span", { class: "named" }, swatch(place(run.run)), link(run.run, name))), ...cells);
}

/** @param {string} text */
const numeric = (text) => h("td", { class: "numeric" }, text);

/** @param {number} place */
export function swatch(place) {
  const mark = h("i", { class: "run-swatch", "aria-hidden": "true" });
  const dash = dashOf(place);
  const ink = `var(${inkOf(place)})`;
  const period = dash?.reduce((sum, length) => sum + length, 0);
  let at = 0;
  const stops = dash?.map((length, i) => {
    const colour = i % 2 ? "transparent" : ink;
    const stop = `${colour} ${at}px ${at + length}px`;
    at += length;
    return stop;
  });
  mark.style.background = stops && period ? `repeating-linear-gradient(90deg, ${stops.join(", ")})` : ink;
  return mark;
}

/** @param {ComparedRun[]} runs */
export function changesTable(runs) {
  const rows = runs.flatMap((run) =>
    changesOf(run).map(({ step: at, what, before, after, change }) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, runName(run.run)),
        h("td", {}, what),
        numeric(at === null ? "the start" : step(at)),
        numeric(before ? `${number(before.value)} at ${step(before.step)}` : NONE),
        numeric(after ? `${number(after.value)} at ${step(after.step)}` : NONE),
        h("td", {}, turned(change, run.noise)),
      ),
    ),
  );
  if (!rows.length) return null;
  const heads = ["Run", "Change", "After step", "Best before", "Best after", "Since then"].map((name, i) =>
    h("th", { scope: "col", class: i > 1 && i < 5 ? "numeric" : "" }, name),
  );
  return section(
    "Before and after what was applied",
    h(
      "div",
      { class: "sideways", tabindex: 0, role: "region", "aria-label": "Applied changes" },
      h("table", { class: "compared changes" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)),
    ),
    h("p", { class: "quiet" }, "What came after might have come without the change too: only training again without it would tell."),
  );
}

/**
 * @param {number | null} change Of the best value, as a share; below 0 is better.
 * @param {number | null} noise
 */
function turned(change, noise) {
  if (change === null) return "Nothing to compare with";
  const size = `${percent(Math.abs(change))} ${change < 0 ? "better" : "worse"}`;
  if (noise === null) return size;
  // The noise of one evaluation, which each of the two values has.
  return Math.abs(change) > 2 * Math.SQRT2 * noise ? `${size}, beyond the noise of the curve` : `${size}, within the noise of the curve`;
}
