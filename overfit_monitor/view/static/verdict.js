/** Verdicts and severities: how bad, in which word, in which shape. Never by colour alone. */

import { h, svg } from "./dom.js";

/**
 * The worst first. The path is drawn in a 16 by 16 box.
 * @type {Record<string, {rank: number, label: string, path: string}>}
 */
const VERDICTS = {
  // A bolt, a curve that bends up, one that stays up high, a question mark, a tick.
  diverging: { rank: 0, label: "Diverging", path: "M9 1.5 4 9h4l-1 5.5L12 7H8z" },
  overfitting: { rank: 1, label: "Overfitting", path: "M2 3c1.5 6.5 5 10 12 10M5.5 7.5C8 9.5 11 8 13.5 3" },
  underfitting: { rank: 2, label: "Underfitting", path: "M2 3.5c3 1.5 7 2 12 2M2 12.5h12" },
  inconclusive: {
    rank: 3,
    label: "Inconclusive",
    path: "M5.5 5.5a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1 1-1.1 1.9M8 12.4v.2",
  },
  healthy: { rank: 4, label: "Healthy", path: "m3 8.5 3.5 3.5L13 4.5" },
};
const SEVERITIES = ["info", "warning", "error"];

/** The verdicts, the worst first. */
export const VERDICT_NAMES = Object.keys(VERDICTS);

/** What stands where the verdict is still to come. */
export const PENDING = "pending";

/** @param {string | null} verdict */
export const verdictRank = (verdict) => (verdict === null ? 5 : (VERDICTS[verdict]?.rank ?? 3));

/** @param {string | null} verdict */
export const verdictLabel = (verdict) => (verdict === null ? "Pending" : (VERDICTS[verdict]?.label ?? verdict));

/**
 * 3 for an error, 0 for nothing at all.
 * @param {string | null} severity
 */
export const severityRank = (severity) => SEVERITIES.indexOf(severity ?? "") + 1;

/**
 * @param {string | null} verdict
 * @param {string} [size] ``large`` for a heading.
 */
export function badge(verdict, size = "") {
  const known = verdict ?? PENDING;
  return h("span", { class: `badge ${size}`, "data-verdict": known }, icon(known), verdictLabel(verdict));
}

/** @param {string} verdict */
export function icon(verdict) {
  const path = verdict === PENDING ? "M8 4v4l2.5 2M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z" : (VERDICTS[verdict] ?? VERDICTS.inconclusive).path;
  return svg("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" }, svg("path", { d: path }));
}

/**
 * Three bars, one to three of them filled, and the word.
 * @param {string | null} severity
 */
export function severityMark(severity) {
  const level = severityRank(severity);
  if (!level) return h("span", { class: "quiet" }, "none");
  const bars = [0, 1, 2].map((i) =>
    svg("rect", { x: 1 + i * 4.5, y: 8 - i * 3, width: 3, height: 5 + i * 3, rx: 1, class: i < level ? "full" : "" }),
  );
  const mark = svg("svg", { viewBox: "0 0 15 14", class: "bars", "aria-hidden": "true" }, ...bars);
  return h("span", { class: "severity", "data-severity": severity }, mark, severity);
}
