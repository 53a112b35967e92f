/** The head of a run's view: the verdict, the steps that matter, and what was compared with what. */

import { curveLabel } from "./chart-data.js";
import { h } from "./dom.js";
import { number, step } from "./format.js";
import { pairing } from "./pairing.js";
import { badge } from "./verdict.js";

/**
 * @typedef {import("./contract.js").RunDetail} RunDetail
 * @typedef {import("./shell.js").Context} Context
 */

/**
 * @param {RunDetail} detail
 * @param {Context} context
 */
export function headline(detail, context) {
  const { diagnosis, sampled, exact } = detail;
  const { exact: asked } = context.router.state();
  return [
    h(
      "div",
      { class: "verdict-line" },
      badge(diagnosis.verdict, "large"),
      sampled && h("span", { class: "tag", title: "Judged from a sample of the points" }, "sampled"),
      exact && asked && h("span", { class: "tag", title: "Every point of the log was read" }, "every point"),
    ),
    h("dl", { class: "facts" }, ...facts(diagnosis), compared(detail)),
    pairing(detail, context),
    sampled ? sampledNotice(detail, context) : null,
    asked && exact ? exactNotice(context) : null,
  ];
}

/** @param {any} diagnosis */
function facts(diagnosis) {
  const { best_value: best, last_value: last } = diagnosis;
  return [
    ["Onset", step(diagnosis.onset_step), rangeOf(diagnosis)],
    ["Best", step(diagnosis.best_step), best === null || best === undefined ? "" : number(best)],
    ["Alarm", step(diagnosis.alarm_step), ""],
    ["Would stop at", step(diagnosis.stop_step), ""],
    ["Last", step(diagnosis.step), last === null || last === undefined ? "" : number(last)],
  ].map(([name, value, more]) => h("div", {}, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more))));
}

/** @param {any} diagnosis */
function rangeOf({ findings, onset_step: onset }) {
  const range = findings.find(
    (/** @type {any} */ found) => found.onset_step === onset && found.onset_range,
  )?.onset_range;
  return range && range[1] > range[0] ? `${step(range[0])}–${step(range[1])}` : "";
}

/** @param {RunDetail} detail */
function compared(detail) {
  const better = detail.diagnosis.metrics.mode === "max" ? "higher is better" : "lower is better";
  const names = [named("val", detail), " with ", named("train", detail), h("span", { class: "quiet" }, `, ${better}`)];
  return h("div", { class: "wide" }, h("dt", {}, "Compared"), h("dd", { class: "tags" }, ...names));
}

/**
 * @param {"train" | "val"} split
 * @param {RunDetail} detail
 */
function named(split, detail) {
  const tag = detail.tags[split];
  const missing = split === "val" ? "no validation metric" : "no train metric";
  return h(
    "span",
    { class: tag ? `ink-${split}` : "quiet", title: tag ?? "" },
    tag ? curveLabel(split, detail) : missing,
  );
}

/**
 * @param {RunDetail} detail
 * @param {Context} context
 */
function sampledNotice({ exact_possible: possible }, { source, router }) {
  const read = () => router.change({ exact: "true" });
  return h(
    "p",
    { class: "notice" },
    h("strong", {}, "Judged from a sample. "),
    "TensorBoard keeps only some of this run's points, so a spike of one step can be missing and a step can be off. ",
    ...(possible && source.kind === "tensorboard"
      ? [h("button", { type: "button", class: "plain small", click: read }, "Read every point")]
      : [
          h("code", {}, "overfit-monitor check LOGDIR"),
          " reads every point; ",
          h("code", {}, "--samples_per_plugin scalars=10000"),
          " makes TensorBoard keep more.",
        ]),
  );
}

/** @param {Context} context */
function exactNotice({ router }) {
  const back = () => router.change({ exact: null });
  return h(
    "p",
    { class: "notice plain-notice" },
    h("strong", {}, "Every point of the log was read. "),
    "This takes longer than what TensorBoard keeps in memory. ",
    h("button", { type: "button", class: "plain small", click: back }, "Use TensorBoard's sample"),
  );
}
