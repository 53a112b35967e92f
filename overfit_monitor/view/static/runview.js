/** Everything about one run: what was found, the curves that show it, what to change. */

import { createCharts } from "./chart.js";
import { codeBlock } from "./code.js";
import { h, section } from "./dom.js";
import { logOne } from "./empty.js";
import { curveName, number, sentence, step, words } from "./format.js";
import { pairingForm } from "./pairing.js";
import { badge, severityMark } from "./verdict.js";

/**
 * @typedef {import("./contract.js").RunDetail} RunDetail
 * @typedef {import("./contract.js").Finding} Finding
 * @typedef {import("./contract.js").Recommendation} Recommendation
 */

/**
 * @param {import("./shell.js").Context & {run: string, detail: RunDetail}} context
 * @returns {import("./shell.js").Page}
 */
export function createRunView({ run, detail, router }) {
  const back = () => router.change({ run: null });
  const choose = (/** @type {{train: string | null, val: string} | null} */ pair) =>
    router.change({ val: pair?.val ?? null, train: pair?.train ?? null });
  const charts = createCharts(detail);
  const title = h("h1", { tabindex: -1, title: run }, run === "." || run === "" ? "(log folder itself)" : run);
  const goBack = (/** @type {Event} */ event) => {
    const mouse = /** @type {MouseEvent} */ (event);
    if (mouse.ctrlKey || mouse.metaKey || mouse.shiftKey) return;
    event.preventDefault();
    back();
  };
  const link = h("a", { class: "back", href: router.addressOf({ run: null }), target: "_top", click: goBack }, "← All runs");
  const summary = h("div", { class: "summary" });
  const side = h("div", { class: "side" });
  const main = h("div", { class: "main" }, charts.element);
  const element = h(
    "article",
    { class: "run-view" },
    h("div", { class: "crumb" }, link, title),
    summary,
    h("div", { class: "columns" }, main, side),
  );

  /** @param {RunDetail} latest */
  function fill(latest) {
    const open = new Set(
      [...side.querySelectorAll("details")].filter((part) => part.open).map((part) => part.dataset.key),
    );
    const first = !side.hasChildNodes();
    summary.replaceChildren(...headline(latest));
    side.replaceChildren(...explanation(latest), pairingForm(latest, choose));
    if (!first) for (const part of side.querySelectorAll("details")) part.open = open.has(part.dataset.key);
  }

  fill(detail);
  return {
    element,
    update(latest) {
      fill(latest);
      charts.update(latest);
    },
    redraw: charts.redraw,
    close: charts.close,
    focus: () => title.focus(),
  };
}

/** @param {RunDetail} detail */
function headline({ diagnosis, sampled, tags }) {
  const facts = [
    ["Onset", step(diagnosis.onset_step)],
    ["Best step", step(diagnosis.best_step)],
    ["Alarm", step(diagnosis.alarm_step)],
    ["Would stop at", step(diagnosis.stop_step)],
    ["Last step", step(diagnosis.step)],
  ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  const better = diagnosis.metrics.mode === "max" ? "higher is better" : "lower is better";
  const pair = h(
    "div",
    { class: "wide" },
    h("dt", {}, "Compared"),
    h(
      "dd",
      { class: "tags" },
      named("val", tags.val, diagnosis),
      " with ",
      named("train", tags.train, diagnosis),
      h("span", { class: "quiet" }, `, ${better}`),
    ),
  );
  return [
    h(
      "div",
      { class: "verdict-line" },
      badge(diagnosis.verdict, "large"),
      sampled && h("span", { class: "tag" }, "sampled"),
    ),
    h("dl", { class: "facts" }, ...facts, pair),
    sampled && sampledNotice(),
  ].filter((part) => part !== false);
}

/**
 * @param {"train" | "val"} split
 * @param {string | null} tag
 * @param {import("./contract.js").Diagnosis} diagnosis
 */
function named(split, tag, { metrics }) {
  const missing = split === "val" ? "no validation metric" : "no train metric";
  return h(
    "span",
    { class: tag ? `ink-${split}` : "quiet", title: tag ?? "" },
    curveName(split, tag, metrics) ?? missing,
  );
}

function sampledNotice() {
  return h(
    "p",
    { class: "notice" },
    h("strong", {}, "Judged from a sample. "),
    "TensorBoard keeps only some of this run's points, so a spike of one step can be missing and a step can be off. ",
    h("code", {}, "overfit-monitor check LOGDIR"),
    " reads every point; ",
    h("code", {}, "--samples_per_plugin scalars=10000"),
    " makes TensorBoard keep more.",
  );
}

/** @param {RunDetail} detail */
function explanation({ diagnosis, alerts, alerts_recorded: recorded, tags }) {
  const { findings, recommendations, not_judged: notJudged, notes } = diagnosis;
  return [
    section(
      "Findings",
      ...(findings.length ? findings.map(finding) : [h("p", {}, nothingFound(diagnosis))]),
      !tags.val && h("p", {}, ...logOne()),
    ),
    section("Recommendations", ...recommendations.map(recommendation)),
    section("Alerts raised live", recorded && alerts.length > 0 && h("ol", { class: "alerts" }, ...alerts.map(alert))),
    section("Notes", ...notes.map((note) => h("p", {}, note))),
    notJudged.length
      ? folded(
          "not-judged",
          `Not judged (${notJudged.length})`,
          h("dl", { class: "not-judged" }, ...notJudged.flatMap(reason)),
        )
      : null,
  ].filter((part) => part !== null);
}

/** @param {import("./contract.js").Diagnosis} diagnosis */
function nothingFound(diagnosis) {
  if (diagnosis.verdict !== "inconclusive") return "Nothing was found. Validation follows train within its own noise.";
  const why = diagnosis.not_judged.find((item) => item.id === "overfitting")?.reason;
  return why ? `Cannot judge, because ${why}.` : "Nothing can be said yet.";
}

/** @param {Finding} found */
function finding(found) {
  const when = [
    found.onset_step !== null && found.onset_step !== undefined ? `since step ${step(found.onset_step)}` : "",
    found.alarm_step !== null && found.alarm_step !== undefined ? `alarm at step ${step(found.alarm_step)}` : "",
  ]
    .filter(Boolean)
    .join(" · ");
  const evidence = Object.entries(found.evidence ?? {}).filter(([, value]) => value !== null);
  const rows = evidence.flatMap(([name, value]) => [
    h("dt", {}, words(name).toLowerCase()),
    h("dd", {}, number(value)),
  ]);
  return h(
    "div",
    { class: "finding card", "data-finding": found.id, "data-severity": found.severity },
    h("div", { class: "card-head" }, h("h3", {}, words(found.id)), severityMark(found.severity)),
    h("p", {}, sentence(found.message)),
    when && h("p", { class: "quiet" }, when),
    rows.length > 0 && folded(`evidence-${found.id}`, "Evidence", h("dl", { class: "evidence" }, ...rows)),
  );
}

/**
 * @param {Recommendation} advice
 * @param {number} place
 */
function recommendation(advice, place) {
  const settings = Object.entries(advice.change).map(([name, value]) =>
    h("code", { class: "setting" }, `${name} = ${typeof value === "object" ? JSON.stringify(value) : String(value)}`),
  );
  const body = [
    h("p", {}, advice.why),
    settings.length > 0 && h("p", { class: "settings" }, ...settings),
    advice.code && codeBlock(advice.code),
    advice.caution && h("p", { class: "caution" }, h("strong", {}, "Watch for: "), advice.caution),
    advice.source && h("p", { class: "quiet source" }, "Source: ", advice.source),
  ];
  return h(
    "details",
    {
      class: "recommendation card",
      open: place === 0,
      "data-key": `advice-${advice.id}`,
      "data-recommendation": advice.id,
    },
    h("summary", {}, h("span", { class: "place" }, place + 1), h("h3", {}, advice.title)),
    ...body,
  );
}

/** @param {import("./contract.js").Alert} raised */
function alert(raised) {
  return h(
    "li",
    { "data-alert": raised.id },
    `Step ${step(raised.step)}: ${words(raised.id).toLowerCase()}`,
    h("p", {}, sentence(raised.message)),
  );
}

/** @param {{id: string, reason: string}} item */
function reason(item) {
  return [h("dt", {}, words(item.id)), h("dd", {}, item.reason)];
}

/**
 * @param {string} key Keeps the block open when the data is reloaded.
 * @param {string} title
 * @param {Node} content
 */
function folded(key, title, content) {
  return h("details", { class: "folded", "data-key": key }, h("summary", {}, title), content);
}
