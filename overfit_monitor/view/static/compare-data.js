/** What is drawn of several runs: one colour and one dash for each, validation strong and train fainter. */

import { runName } from "./format.js";

/**
 * @typedef {import("./contract.js").ComparedRun} ComparedRun
 * @typedef {import("./chart-data.js").Plot} Plot
 * @typedef {import("./chart-data.js").Curve} Curve
 */

// One after the other, so that two runs of like colours differ in their dashes.
const DASHES = [undefined, [9, 4], [2, 3], [9, 3, 2, 3], [5, 2]];
const LONGEST = 12;
// From here on curves may have been thinned to their extremes, whose difference is no gap.
const MAYBE_THINNED = 1000;

/** @param {number} place Of the run among those that were chosen. */
export const inkOf = (place) => `--run-${place % 10}`;

/** @param {number} place */
export const dashOf = (place) => DASHES[place % DASHES.length];

/**
 * @param {ComparedRun[]} runs
 * @param {(run: string) => number} place
 * @param {boolean} withTrain
 * @returns {Plot[]}
 */
export function comparedPlots(runs, place, withTrain) {
  const curves = runs.flatMap((run) => {
    const own = { smooths: true, dash: dashOf(place(run.run)) };
    const [ink, label] = [inkOf(place(run.run)), runName(run.run)];
    const train = { ...own, id: `train ${run.run}`, ink: `${ink}-soft`, short: "", label: `${label}, train`, width: 1.2 };
    const val = { ...own, id: `val ${run.run}`, ink, short: shortened(label), label, width: 2 };
    return [...(withTrain ? [{ ...train, columns: run.series.train }] : []), { ...val, columns: run.series.val }];
  });
  const gaps = runs.map((run) => ({
    id: `gap ${run.run}`,
    ink: inkOf(place(run.run)),
    dash: dashOf(place(run.run)),
    short: shortened(runName(run.run)),
    label: runName(run.run),
    width: 1.6,
    smooths: true,
    columns: gapOf(run),
  }));
  const higher = runs.some((run) => run.metrics.mode === "max");
  const both = { band: null, fill: null };
  return [
    {
      ...both,
      id: "losses",
      title: "Validation",
      note: `${higher ? "higher" : "lower"} is better${withTrain ? "; train is thinner" : ""}`,
      curves: curves.filter(isDrawable),
      height: 340,
    },
    {
      ...both,
      id: "gap",
      title: "Generalization gap",
      note: higher ? "train minus validation" : "validation minus train",
      curves: gaps.filter(isDrawable),
      height: 180,
    },
  ].filter((plot) => plot.curves.length > 0);
}

/** @param {{columns: {values: (number | null)[]}}} curve */
const isDrawable = ({ columns }) => columns.values.some((value) => value !== null);

/**
 * Validation against the newest train value that was known then.
 * @param {ComparedRun} run
 */
function gapOf({ series: { train, val }, metrics }) {
  const empty = { steps: [], values: [] };
  if (!train.steps.length || Math.max(train.steps.length, val.steps.length) >= MAYBE_THINNED) return empty;
  const sign = metrics.mode === "max" ? -1 : 1;
  let i = -1;
  const values = val.steps.map((step, j) => {
    while (i + 1 < train.steps.length && train.steps[i + 1] <= step) i += 1;
    const [newest, value] = [i < 0 ? null : train.values[i], val.values[j]];
    return newest === null || value === null ? null : sign * (value - newest);
  });
  return { steps: val.steps, values };
}

/**
 * The end of a long name, which is what tells runs of one sweep apart.
 * @param {string} name
 */
function shortened(name) {
  const last = name.split("/").filter(Boolean).at(-1) ?? name;
  return last.length > LONGEST ? `…${last.slice(1 - LONGEST)}` : last;
}
