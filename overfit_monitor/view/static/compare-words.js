/** What is said of several runs: which is best, and whether that is more than noise. */

import { number, percent, runName, sentence, step, words } from "./format.js";

/**
 * @typedef {import("./contract.js").Comparison} Comparison
 * @typedef {import("./contract.js").ComparedRun} ComparedRun
 * @typedef {import("./contract.js").Pairing} Pairing
 */

const MOST_LISTED = 5;
const MOST_PERCENT = 10;
const MANY = 5;

/**
 * The comparison of two runs, turned so that `base` comes first.
 * @param {Comparison} comparison
 * @param {string} base
 * @param {string} other
 * @returns {Pairing | null}
 */
export function between({ comparisons }, base, other) {
  const found = comparisons.find((pair) => pair.base === base && pair.other === other);
  if (found) return found;
  const turned = comparisons.find((pair) => pair.base === other && pair.other === base);
  if (!turned) return null;
  const { difference } = turned;
  return { ...turned, base, other, difference: difference === null ? null : -difference, relative: null };
}

/**
 * One sentence or two on which run generalizes better.
 * @param {Comparison} comparison
 * @returns {{headline: string, rest: string}}
 */
export function summary(comparison) {
  const [best, ...others] = comparison.runs;
  const pairs = others.map(({ run }) => ({ run, pair: between(comparison, best.run, run) }));
  const unknown = pairs.filter(({ pair }) => pair?.difference === null || pair?.difference === undefined);
  if (unknown.length === pairs.length)
    return { headline: "These runs cannot be compared.", rest: sentence(unknown[0]?.pair?.reason ?? "") };
  const open = pairs.filter(({ pair }) => pair?.difference != null && pair.sure !== true);
  const sure = pairs.filter(({ pair }) => pair?.sure === true);
  const name = runName(best.run);
  const at = `its best validation value is ${number(best.best_value)} at step ${step(best.best_step)}`;
  const left = unknown.length ? ` ${listed(unknown.map(({ run }) => run))} cannot be compared with it.` : "";
  if (!open.length) {
    const worse = some(sure.map(({ run, pair }) => `${runName(run)} is ${amount(pair)} worse`), ", ");
    return { headline: `${name} generalizes best, by more than noise.`, rest: `${sentence(at)}; ${worse}.${left}${each(others)}` };
  }
  const close = listed(open.map(({ run }) => run));
  const clear = sure.length ? ` It is better than ${listed(sure.map(({ run }) => run))} by more than noise.` : "";
  return {
    headline: `${name} is ahead, but not by more than noise.`,
    rest: `${sentence(at)}. ${close} ${open.length > 1 ? "are" : "is"} not told apart from it.${clear}${left}${each(others)}`,
  };
}

/**
 * The difference, in the metric's units and as a share.
 * @param {Pairing | null} pair
 */
export function amount(pair) {
  if (pair?.difference === null || pair?.difference === undefined) return "unknown";
  const size = number(Math.abs(pair.difference));
  const share = pair.relative === null ? null : Math.abs(pair.relative);
  if (share === null) return size;
  return `${size} (${share < MOST_PERCENT ? percent(share) : `${number(Math.round(share))} times the best`})`;
}

/**
 * Whether the difference is more than noise, in a few words.
 * @param {Pairing | null} pair
 */
export function certainty(pair) {
  if (!pair || pair.difference === null) return "Cannot be compared";
  if (pair.sure === null) return "Noise is not known";
  return pair.sure ? "More than noise" : "Within noise";
}

/** @param {string[]} runs */
function listed(runs) {
  return some(runs.map(runName), " and ");
}

/**
 * A few by name and the rest by number.
 * @param {string[]} texts
 * @param {string} last What stands before the last one.
 */
function some(texts, last) {
  if (texts.length > MOST_LISTED) return `${texts.slice(0, MOST_LISTED - 1).join(", ")} and ${texts.length - MOST_LISTED + 1} others`;
  return texts.length > 1 ? `${texts.slice(0, -1).join(", ")}${last}${texts.at(-1)}` : texts[0];
}

/** @param {ComparedRun[]} others What is not said of one pair, and has to be of many. */
const each = (others) =>
  others.length < MANY ? "" : " Every run is held against the best by itself: of 20 that are as good, one is called worse all the same.";

/**
 * What was changed in each run while it trained, and its best values before and after.
 * @param {ComparedRun} run
 * @returns {{step: number | null, what: string, before: Best | null, after: Best | null, change: number | null}[]}
 */
export function changesOf(run) {
  return (run.applied ?? []).map((change) => {
    const start = change.step;
    const [before, after] = [
      bestOf(run, (at) => start !== null && at <= start),
      bestOf(run, (at) => (start === null || at > start) && (change.undone_step === null || at <= change.undone_step)),
    ];
    const sign = run.metrics.mode === "max" ? -1 : 1;
    const difference = before && after ? (sign * (after.value - before.value)) / Math.abs(before.value || 1) : null;
    const values = Object.entries(change.after).map(([name, value]) => `${name} ${plain(change.before[name])} → ${plain(value)}`);
    const undone = change.undone_step === null ? "" : `, undone after step ${step(change.undone_step)}`;
    return { step: start, what: `${words(change.id)}: ${values.join(", ")}${undone}`, before, after, change: difference };
  });
}

/** @typedef {{step: number, value: number}} Best */

/**
 * @param {ComparedRun} run
 * @param {(step: number) => boolean} counts
 * @returns {Best | null}
 */
function bestOf({ series: { val }, metrics }, counts) {
  /** @type {Best | null} */
  let best = null;
  val.values.forEach((value, i) => {
    if (value === null || !counts(val.steps[i])) return;
    const known = /** @type {Best | null} */ (best);
    if (!known || (metrics.mode === "max" ? value > known.value : value < known.value)) best = { step: val.steps[i], value };
  });
  return best;
}

/** @param {unknown} value */
const plain = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : number(value ?? null));
