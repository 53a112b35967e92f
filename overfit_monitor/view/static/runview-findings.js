/** What was found in a run, with what speaks for it and against it; and what was not judged, and why. */

import { h, section } from "./dom.js";
import { logOne } from "./empty.js";
import { number, sentence, step, words } from "./format.js";
import { severityMark } from "./verdict.js";

/**
 * @typedef {import("./contract.js").RunDetail} RunDetail
 * @typedef {import("./contract.js").Finding} Finding
 */

const PERCENT = /_relative$|^false_alarm_rate$/;

/** @param {RunDetail} detail */
export function findings({ diagnosis, tags }) {
  const { findings: found } = diagnosis;
  return section(
    "Findings",
    ...(found.length ? found.map(finding) : [h("p", {}, nothingFound(diagnosis))]),
    !tags.val && h("p", {}, ...logOne()),
  );
}

/** @param {import("./contract.js").Diagnosis} diagnosis */
function nothingFound(diagnosis) {
  if (diagnosis.verdict !== "inconclusive") return "Nothing was found. Validation follows train within its own noise.";
  const why = diagnosis.not_judged.find((item) => item.id === "overfitting")?.reason;
  return why ? `Cannot judge, because ${why}.` : "Nothing can be said yet.";
}

/**
 * @param {Finding} found
 * @param {number} place
 */
function finding(found, place) {
  const { speaks_for: pro = [], speaks_against: con = [], experiment = "" } = found;
  const evidence = Object.entries(found.evidence ?? {}).filter(([, value]) => value !== null);
  const rows = evidence.flatMap(([name, value]) => [
    h("dt", {}, words(name).toLowerCase()),
    h("dd", {}, figure(name, value)),
  ]);
  return h(
    "div",
    { class: "finding card", "data-finding": found.id, "data-severity": found.severity },
    h("div", { class: "card-head" }, h("h3", {}, words(found.id)), severityMark(found.severity)),
    h("p", {}, sentence(found.message)),
    when(found),
    reasons("Speaks for it", "for", pro),
    reasons("Speaks against it", "against", con),
    experiment && h("p", { class: "experiment" }, h("strong", {}, "Would decide: "), experiment),
    rows.length > 0 && folded(`evidence-${place}-${found.id}`, "Figures", h("dl", { class: "evidence" }, ...rows)),
  );
}

/** @param {Finding} found */
function when({ onset_step: onset, onset_range: range, alarm_step: alarm }) {
  const known = (/** @type {any} */ value) => value !== null && value !== undefined;
  const between = range && range[1] > range[0] ? `, between ${step(range[0])} and ${step(range[1])}` : "";
  const said = [
    known(onset) ? `began at step ${step(onset)}${between}` : "",
    known(alarm) ? `could be told at step ${step(alarm)}` : "",
  ].filter(Boolean);
  return said.length ? h("p", { class: "quiet when" }, sentence(said.join(" · "))) : null;
}

/**
 * @param {string} title
 * @param {"for" | "against"} side
 * @param {string[]} said
 */
function reasons(title, side, said) {
  if (!said.length) return null;
  return h(
    "div",
    { class: `reasons ${side}` },
    h("h4", {}, title),
    h("ul", {}, ...said.map((one) => h("li", {}, sentence(one)))),
  );
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function figure(name, value) {
  return typeof value === "number" && PERCENT.test(name)
    ? `${Number((100 * value).toPrecision(3))}\u00a0%`
    : number(value);
}

/** @param {RunDetail} detail */
export function alertsRaised({ alerts, alerts_recorded: recorded }) {
  const items = recorded && alerts.length > 0 && h("ol", { class: "alerts" }, ...alerts.map(alert));
  return section("Alerts raised live", items);
}

/** @param {import("./contract.js").Alert} raised */
function alert(raised) {
  return h(
    "li",
    { "data-alert": raised.id },
    h("span", { class: "alert-step" }, `Step ${step(raised.step ?? raised.alarm_step)}`),
    h("div", {}, h("b", {}, words(raised.id)), h("p", {}, sentence(raised.message))),
  );
}

/** @param {RunDetail} detail */
export function notes({ diagnosis, source }) {
  const lines = diagnosis.notes.map((note) => h("p", {}, note));
  return section(
    "Notes",
    ...lines,
    source && lines.length > 0 && h("p", { class: "quiet source" }, `Read from ${source}`),
  );
}

/** @param {RunDetail} detail */
export function notJudged({ diagnosis }) {
  const { not_judged: left } = diagnosis;
  if (!left.length) return null;
  const rows = left.flatMap(({ id, reason }) => [h("dt", {}, words(id)), h("dd", {}, sentence(reason))]);
  return folded(
    "not-judged",
    `What was not judged, and why (${left.length})`,
    h("dl", { class: "not-judged" }, ...rows),
  );
}

/**
 * @param {string} key Keeps the block open when the data is reloaded.
 * @param {string} title
 * @param {Node} content
 */
function folded(key, title, content) {
  return h("details", { class: "folded", "data-key": key }, h("summary", {}, title), content);
}
