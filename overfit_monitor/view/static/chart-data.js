/** What is drawn of a run: which curves stand in which plot, and their columns. */

import { curveName } from "./format.js";

/**
 * @typedef {{steps: number[], values: (number | null)[], times?: (number | null)[] | null}} Columns
 * @typedef {{
 *   id: string, ink: string, short: string, label: string, width: number, dash?: number[],
 *   smooths: boolean, stepped?: boolean, columns: Columns,
 * }} Curve `ink` is the name of a custom property with its colour.
 * @typedef {{steps: number[], low: (number | null)[], high: (number | null)[]}} Band
 * @typedef {{
 *   id: string, title: string, note: string, curves: Curve[], band: Band | null, height: number, fill: string | null,
 *   first?: string,
 * }} Plot `fill` is the curve over zero whose area is tinted; `first` the one that stands out of too many to name.
 */

const LIMIT = {
  id: "limit",
  ink: "--alarm",
  short: "limit",
  label: "alarm limit",
  width: 1.25,
  dash: [3, 3],
  smooths: false,
};

/**
 * The plots of a run from top to bottom; those with nothing to draw are left out.
 * @param {any} detail
 * @returns {Plot[]}
 */
export function plotsOf(detail) {
  return [losses(detail), gap(detail), test(detail), rate(detail)].filter((plot) => plot.curves.length > 0);
}

/**
 * What a compared curve is called; two of the same name are told apart by their split.
 * @param {"train" | "val"} split
 * @param {any} detail
 */
export function curveLabel(split, { tags, diagnosis: { metrics } }) {
  const name = curveName(split, tags[split], metrics);
  const word = split === "val" ? "validation" : "train";
  return name && name === tags[split === "val" ? "train" : "val"] ? `${word} ${name}` : (name ?? word);
}

/** @param {any} detail @returns {Plot} */
function losses(detail) {
  const { series, limit, band } = detail;
  const bound = limit?.val ? { steps: limit.steps, values: limit.val } : null;
  const curves = drawable([
    {
      id: "train",
      ink: "--train",
      short: "train",
      label: curveLabel("train", detail),
      width: 1.5,
      dash: [6, 3],
      smooths: true,
      columns: series.train,
    },
    {
      id: "probe",
      ink: "--probe",
      short: "probe",
      label: "train probe",
      width: 1.5,
      dash: [2, 2],
      smooths: true,
      columns: series.probe,
    },
    {
      id: "val",
      ink: "--val",
      short: "validation",
      label: curveLabel("val", detail),
      width: 2,
      smooths: true,
      columns: series.val,
    },
  ]);
  return {
    id: "losses",
    title: "Train and validation",
    note: "",
    curves: curves.length ? curves.concat(drawable([{ ...LIMIT, columns: bound }])) : [],
    band: band?.steps.length ? band : null,
    height: 320,
    fill: null,
  };
}

/** @param {any} detail @returns {Plot} */
function gap({ series, limit, diagnosis }) {
  return {
    id: "gap",
    title: "Generalization gap",
    note: diagnosis.metrics.mode === "max" ? "train minus validation" : "validation minus train",
    curves: drawable([
      { id: "gap", ink: "--gap", short: "gap", label: "gap", width: 1.75, smooths: true, columns: series.gap },
      {
        id: "like",
        ink: "--like",
        short: "like for like",
        label: "like for like",
        width: 1.75,
        dash: [8, 3],
        smooths: true,
        columns: series.like_for_like_gap,
      },
    ]).concat(
      drawable([{ ...LIMIT, columns: limit }]).filter(
        () => isDrawable(series.gap) || isDrawable(series.like_for_like_gap),
      ),
    ),
    band: null,
    height: 170,
    fill: "gap",
  };
}

/** @param {any} detail @returns {Plot} */
function test({ test: told }) {
  const columns = told && { steps: told.steps, values: told.values };
  const limits = told && { steps: told.steps, values: told.steps.map(() => told.limit) };
  return {
    id: "test",
    title: "Test that decides",
    note: told
      ? `${told.name}, alarm above ${told.limit === null ? "its limit" : Number(told.limit.toPrecision(3))}`
      : "",
    curves: isDrawable(columns)
      ? drawable([
          {
            id: "statistic",
            ink: "--ink",
            short: "statistic",
            label: "statistic",
            width: 1.5,
            smooths: false,
            columns,
          },
          {
            id: "bound",
            ink: "--alarm",
            short: "limit",
            label: "limit",
            width: 1.25,
            dash: [3, 3],
            smooths: false,
            columns: limits,
          },
        ])
      : [],
    band: null,
    height: 120,
    fill: null,
  };
}

/** @param {any} detail @returns {Plot} */
function rate({ series }) {
  const varies = series.learning_rate && new Set(series.learning_rate.values).size > 1;
  return {
    id: "rate",
    title: "Learning rate",
    note: "",
    curves: varies
      ? drawable([
          {
            id: "rate",
            ink: "--stop",
            short: "rate",
            label: "learning rate",
            width: 1.5,
            smooths: false,
            stepped: true,
            columns: series.learning_rate,
          },
        ])
      : [],
    band: null,
    height: 96,
    fill: null,
  };
}

/** @param {any[]} curves @returns {Curve[]} */
const drawable = (curves) => curves.filter((curve) => isDrawable(curve.columns));

/** @param {Columns | null | undefined} columns */
function isDrawable(columns) {
  return Boolean(columns?.values.some((value) => value !== null));
}

/**
 * All curves over the union of their places on the x axis. Null breaks a line (no finite value there),
 * undefined does not (nothing was logged there).
 * @param {Curve[]} curves
 * @param {(step: number) => number} place
 * @param {number} weight Smoothing; above 0, the smoothed columns follow the raw ones.
 * @returns {(number | null | undefined)[][]}
 */
export function aligned(curves, place, weight) {
  const steps = [...new Set(curves.flatMap((curve) => curve.columns.steps))].sort((a, b) => a - b);
  const rows = new Map(steps.map((at, i) => [at, i]));
  const spread = (/** @type {Columns} */ { steps: at }, /** @type {(number | null)[]} */ values) => {
    /** @type {(number | null | undefined)[]} */
    const column = new Array(steps.length).fill(undefined);
    at.forEach((step, i) => (column[/** @type {number} */ (rows.get(step))] = values[i]));
    return column;
  };
  const raw = curves.map(({ columns }) => spread(columns, columns.values));
  const nothing = new Array(steps.length).fill(undefined);
  const smooth = curves.map(({ columns, smooths }) =>
    weight > 0 && smooths ? spread(columns, smoothed(columns.values, weight)) : nothing,
  );
  return [steps.map(place), ...raw, ...smooth];
}

/**
 * An exponential moving average without the pull towards the first value that a plain one has:
 * divided by the sum of its weights, as in Adam (Kingma and Ba 2015, arXiv 1412.6980, section 3).
 * Values that are not finite are passed over.
 * @param {(number | null)[]} values
 * @param {number} weight Of what was before, 0 to below 1.
 * @returns {(number | null)[]}
 */
export function smoothed(values, weight) {
  let last = 0;
  let count = 0;
  return values.map((value) => {
    if (value === null) return null;
    last = last * weight + (1 - weight) * value;
    count += 1;
    return last / (1 - weight ** count);
  });
}

/**
 * Part of the curves anew, with the finer points of a stretch in the place of the coarse ones.
 * @param {any} detail
 * @param {any} part The answer for a stretch.
 * @param {number} from
 * @param {number} to
 */
export function refined(detail, part, from, to) {
  const outside = (/** @type {number} */ step) => step < from || step > to;
  const join = (/** @type {any} */ coarse, /** @type {any} */ fine) => {
    if (!coarse || !fine) return coarse ?? fine;
    const kept = coarse.steps.map((/** @type {number} */ step) => outside(step));
    const names = Object.keys(coarse).filter((name) => Array.isArray(coarse[name]) && Array.isArray(fine[name]));
    const before = coarse.steps.findIndex((/** @type {number} */ step) => step >= from);
    const cut = before < 0 ? coarse.steps.length : before;
    const merged = names.map((name) => {
      const old = coarse[name].map((/** @type {any} */ value, /** @type {number} */ i) => (kept[i] ? [value] : []));
      const inside = fine[name].filter((/** @type {any} */ _, /** @type {number} */ i) => !outside(fine.steps[i]));
      return [name, [...old.slice(0, cut).flat(), ...inside, ...old.slice(cut).flat()]];
    });
    return { ...coarse, ...Object.fromEntries(merged) };
  };
  const names = Object.keys(detail.series);
  return {
    ...detail,
    series: Object.fromEntries(names.map((name) => [name, join(detail.series[name], part.series?.[name])])),
    band: join(detail.band, part.band),
    limit: join(detail.limit, part.limit),
    test: part.test && detail.test ? { ...join(detail.test, part.test), limit: detail.test.limit } : detail.test,
  };
}

/** From how many points on a curve may be thinned, so that a closer look is worth a question. */
const MAYBE_THINNED = 1000;

/** @param {any} detail */
export function mayBeThinned(detail) {
  return Object.values(detail.series).some((columns) => (columns?.steps.length ?? 0) >= MAYBE_THINNED);
}
