/** What is pointed at in a comparison: the run nearest to the cursor, and the values of those around it. */

import { MOST_NAMED } from "./compare-data.js";
import { swatch } from "./compare-table.js";
import { h } from "./dom.js";
import { number, runName } from "./format.js";

/**
 * @typedef {import("./panel.js").Panel} Panel
 * @typedef {{run: string, values: (number | null | undefined)[], far: number}} Told `far` is how many pixels the curve is
 *   from the cursor, infinite where it has no value there.
 */

const REACH = 40;
const MOST_TOLD = 8;
const NAMES = /** @type {Record<string, string>} */ ({ val: "validation", train: "train", gap: "gap" });

/**
 * The values of every run under the cursor.
 * @param {Panel} panel
 * @param {string[]} runs
 * @param {string[]} splits
 * @returns {Told[]} Those with a value, in the order of the runs.
 */
export function toldAt(panel, runs, splits) {
  const { chart, plot } = panel;
  const values = panel.valuesAt(chart.cursor.idxs);
  const told = new Map(plot.curves.map((curve, i) => [curve.id, values[i]]));
  const away = (/** @type {number | null | undefined} */ value) =>
    typeof value === "number" ? Math.abs(chart.valToPos(value, "y") - chart.cursor.top) : Infinity;
  return runs.flatMap((run) => {
    const own = splits.map((split) => told.get(`${split} ${run}`));
    if (own.every((value) => value === undefined)) return [];
    return [{ run, values: own, far: Math.min(...own.map(away)) }];
  });
}

/**
 * The run that the cursor points at, null where it is far from all of them.
 * @param {Told[]} told
 */
export function pointedAt(told) {
  const nearest = told.reduce((/** @type {Told | null} */ best, one) => (best && best.far <= one.far ? best : one), null);
  return nearest && nearest.far <= REACH ? nearest.run : null;
}

/**
 * Of many runs those around the cursor, from the highest to the lowest.
 * @param {Told[]} told
 * @param {string[]} splits
 * @param {{place: (run: string) => number, pointed: string | null}} on
 */
export function readout(told, splits, { place, pointed }) {
  const many = told.length > MOST_NAMED;
  const near = many ? [...told].sort((a, b) => a.far - b.far).slice(0, MOST_TOLD) : told;
  if (many) near.sort((a, b) => Number(b.values[0] ?? -Infinity) - Number(a.values[0] ?? -Infinity));
  const cell = (/** @type {number | null | undefined} */ value) => h("td", {}, value === undefined ? "" : value === null ? "NaN" : number(value));
  const rows = near.map(({ run, values }) =>
    h("tr", { class: run === pointed ? "pointed" : "" }, h("th", {}, swatch(place(run)), runName(run)), ...values.map(cell)),
  );
  const names = splits.map((split) => h("th", {}, NAMES[split]));
  const head = h("thead", {}, h("tr", {}, h("th", {}, many ? `${near.length} nearest of ${told.length}` : ""), ...names));
  return h("table", { class: "compare-card" }, head, h("tbody", {}, ...rows));
}
