/** What is drawn of several runs: one colour and one dash for each, validation strong and train fainter. */

import { axisOf, clockOf, hasTimes } from "./chart-axis.js";
import { runName } from "./format.js";

/**
 * @typedef {import("./contract.js").ComparedRun} ComparedRun
 * @typedef {import("./chart-data.js").Plot} Plot
 * @typedef {import("./chart-data.js").Curve} Curve
 */

// One after the other, so that two runs of like colours differ in their dashes.
const DASHES = [undefined, [9, 4], [2, 3], [9, 3, 2, 3], [5, 2]];
const LONGEST = 10; // what there is room for beside the plot
// As many as can be named in one chart, and told apart without help.
export const MOST_NAMED = 10;

/** @param {number} place Of the run among those that were chosen. */
export const inkOf = (place) => `--run-${place % 10}`;

/** @param {number} place Fifty places differ in colour or dash. */
export const dashOf = (place) => DASHES[(place + Math.floor(place / 10)) % DASHES.length];

/** @param {ComparedRun[]} runs Whether all that is drawn can be drawn over the time. */
export function allTimed(runs) {
  const drawn = runs.filter(({ series }) => series.val.steps.length + series.train.steps.length > 0);
  return drawn.length > 0 && drawn.every((run) => hasTimes(clockOf(run)));
}

/**
 * @param {ComparedRun[]} runs The best first.
 * @param {(run: string) => number} place
 * @param {boolean} withTrain
 * @param {import("./chart-axis.js").Kind} kind
 * @returns {Plot[]}
 */
export function comparedPlots(runs, place, withTrain, kind = "step") {
  const few = runs.length <= MOST_NAMED;
  const short = shortNames(runs.map(({ run }) => run));
  const drawn = runs.map((run) => {
    const { place: at } = axisOf(kind, clockOf(run));
    const over = (/** @type {import("./contract.js").Curve} */ curve) => ({ steps: curve.steps.map(at), values: curve.values });
    const ink = inkOf(place(run.run));
    const label = runName(run.run);
    const own = { smooths: true, dash: dashOf(place(run.run)), ink, short: short.get(run.run) ?? "", label };
    const { train, val, gap } = run.series;
    return {
      train: { ...own, id: `train ${run.run}`, ink: `${ink}-soft`, short: "", label: `${label}, train`, width: 1.2, columns: over(train) },
      val: { ...own, id: `val ${run.run}`, width: few ? 2 : 1.5, columns: over(val) },
      gap: { ...own, id: `gap ${run.run}`, width: few ? 1.6 : 1.2, columns: over(gap) },
    };
  });
  const curves = drawn.flatMap(({ train, val }) => (withTrain ? [train, val] : [val]));
  const gaps = drawn.map(({ gap }) => gap);
  const higher = runs.some((run) => run.metrics.mode === "max");
  const both = { band: null, fill: null };
  const first = (/** @type {string} */ split) => (few ? {} : { first: `${split} ${runs[0].run}` });
  return [
    {
      ...both,
      ...first("val"),
      id: "losses",
      title: "Validation",
      note: `${higher ? "higher" : "lower"} is better${withTrain ? "; train is thinner" : ""}`,
      curves: curves.filter(isDrawable),
      height: 340,
    },
    {
      ...both,
      ...first("gap"),
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
 * For each run the last part of its name that is not the same in all, which is what tells runs of one sweep apart.
 * @param {string[]} runs
 * @returns {Map<string, string>}
 */
function shortNames(runs) {
  const names = runs.map((run) => runName(run).split("/").filter(Boolean));
  const fewest = Math.min(...names.map((parts) => parts.length));
  let end = -1;
  while (runs.length > 1 && -end < fewest && names.every((parts) => parts.at(end) === names[0].at(end))) end -= 1;
  return new Map(runs.map((run, i) => [run, ended(names[i].at(end) ?? runName(run))]));
}

/** @param {string} name */
const ended = (name) => (name.length > LONGEST ? `…${name.slice(1 - LONGEST)}` : name);
