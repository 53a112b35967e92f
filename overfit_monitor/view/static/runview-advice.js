/** What to change, why, what it did elsewhere, and what has been changed already. */

import { codeBlock } from "./code.js";
import { h, section } from "./dom.js";
import { number, step, words } from "./format.js";

/**
 * @typedef {import("./contract.js").RunDetail} RunDetail
 * @typedef {import("./contract.js").AppliedChange} AppliedChange
 */

/** @param {RunDetail} detail */
export function recommendations({ diagnosis, applied }) {
  const { recommendations: advised } = diagnosis;
  const titles = new Map(advised.map(({ id, title }) => [id, title]));
  const others = applied.filter(({ id }) => !titles.has(id));
  const cards = advised.map((advice, place) => {
    const done = applied.filter(({ id }) => id === advice.id);
    return recommendation(advice, place, done, titles);
  });
  return section(
    "Recommendations",
    ...cards,
    ...(others.length ? [h("div", { class: "card" }, h("h3", {}, "Applied before"), ...others.map(change))] : []),
  );
}

/**
 * @param {any} advice
 * @param {number} place
 * @param {AppliedChange[]} done
 * @param {Map<string, string>} titles
 */
function recommendation(advice, place, done, titles) {
  const settings = Object.entries(advice.change).map(([name, value]) =>
    h("code", { class: "setting" }, `${name} = ${plain(value)}`),
  );
  const holds = done.some(({ undone_step: undone }) => undone === null);
  return h(
    "details",
    {
      class: "recommendation card",
      open: place === 0,
      "data-key": `advice-${advice.id}`,
      "data-recommendation": advice.id,
    },
    h(
      "summary",
      {},
      h("span", { class: "place" }, place + 1),
      h("h3", {}, advice.title),
      done.length > 0 && h("span", { class: "tag done" }, holds ? "applied" : "undone"),
    ),
    ...done.map(change),
    h("p", {}, advice.why),
    settings.length > 0 && h("p", { class: "settings" }, ...settings),
    advice.code && codeBlock(advice.code),
    measured(advice.effect),
    tied(advice.tied_with ?? [], titles),
    advice.caution && h("p", { class: "caution" }, h("strong", {}, "Watch for: "), advice.caution),
    advice.source && h("p", { class: "quiet source" }, "Source: ", advice.source),
  );
}

/** @param {unknown} value */
const plain = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

/** @param {AppliedChange} done */
function change({ id, step: at, before, after, undone_step: undone }) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const values = names.flatMap((name) => [
    h("code", {}, `${name}: ${plain(before[name] ?? null)} → ${plain(after[name] ?? null)}`),
  ]);
  const since = at === null ? "Applied at the start" : `Applied after step ${step(at)}`;
  const until = undone === null ? "" : `, undone after step ${step(undone)}`;
  return h("p", { class: "applied", "data-applied": id }, h("b", {}, `${since}${until} `), ...values);
}

/**
 * What the change did in the benchmark, as a bar and in words.
 * @param {{runs: number, ratio: number, low: number, high: number, helps: number, harms: number} | null | undefined} effect
 */
function measured(effect) {
  if (!effect) return h("p", { class: "quiet effect" }, "Its effect was not measured in our benchmark.");
  const [helps, harms] = [effect.helps, effect.harms].map((share) => Math.round(100 * share));
  const change = 100 * (effect.ratio - 1);
  const median =
    Math.abs(change) < 0.05
      ? "unchanged"
      : `${Math.abs(Number(change.toPrecision(2)))}\u00a0% ${change < 0 ? "lower" : "higher"}`;
  const parts = [
    ["helps", helps],
    ["same", Math.max(0, 100 - helps - harms)],
    ["harms", harms],
  ].map(([name, share]) => {
    const part = h("i", { class: String(name) });
    part.style.flexGrow = String(share);
    return part;
  });
  return h(
    "div",
    { class: "effect" },
    h("div", { class: "effect-bar", "aria-hidden": "true" }, ...parts),
    h(
      "p",
      {},
      h("strong", {}, `In our benchmark of ${effect.runs} overfitting tasks: `),
      `helped ${helps}\u00a0%, harmed ${harms}\u00a0%; test loss ${median} in the median, 80\u00a0% of the tasks between ${times(effect.low)} and ${times(effect.high)} of what it was.`,
    ),
  );
}

/** @param {number} ratio */
const times = (ratio) => `${number(Number((100 * ratio).toPrecision(3)))}\u00a0%`;

/**
 * @param {string[]} ids
 * @param {Map<string, string>} titles
 */
function tied(ids, titles) {
  if (!ids.length) return null;
  const names = ids.map((id) => titles.get(id) ?? words(id));
  return h("p", { class: "quiet" }, `As measured there, it cannot be told apart from: ${names.join("; ")}.`);
}
