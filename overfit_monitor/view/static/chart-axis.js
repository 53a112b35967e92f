/** The x axis: steps, the time of day, or the time since the first point. */

import { step } from "./format.js";

/**
 * @typedef {"step" | "relative" | "wall"} Kind
 * @typedef {{
 *   kind: Kind, place: (step: number) => number, stepAt: (x: number) => number, format: (x: number) => string,
 *   increments: number[] | null, clock: {steps: number[], times: number[]},
 * }} Axis `place` turns a step into a place on the axis, `stepAt` a place into the nearest step.
 */

/** @type {Record<Kind, string>} */
export const KINDS = { step: "Step", relative: "Relative time", wall: "Wall time" };
const WHOLE_STEPS = [...Array(12).keys()].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
const DAY = 86_400;
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];
const SPANS = [0.001, 0.01, 0.1, ...SECONDS, ...[1, 2, 5, 10, 20, 50, 100].map((days) => days * DAY)];

/**
 * Step and time of every point that has one, in order; times that go back are held, since an axis cannot.
 * @param {any} detail
 * @returns {{steps: number[], times: number[]}}
 */
export function clockOf({ series }) {
  /** @type {Map<number, number>} */
  const known = new Map();
  for (const columns of Object.values(series)) {
    columns?.times?.forEach((/** @type {number | null} */ time, /** @type {number} */ i) => {
      if (time !== null) known.set(columns.steps[i], time);
    });
  }
  const steps = [...known.keys()].sort((a, b) => a - b);
  let latest = -Infinity;
  const times = steps.map((at) => (latest = Math.max(latest, /** @type {number} */ (known.get(at)))));
  return { steps, times };
}

/** @param {{times: number[]}} clock */
export const hasTimes = ({ times }) => times.length > 1 && times[times.length - 1] > times[0];

/**
 * @param {Kind} kind
 * @param {{steps: number[], times: number[]}} clock
 * @returns {Axis}
 */
export function axisOf(kind, clock) {
  if (kind === "step" || !hasTimes(clock)) {
    const plain = (/** @type {number} */ x) => x;
    return { kind: "step", place: plain, stepAt: Math.round, format: step, increments: WHOLE_STEPS, clock };
  }
  const start = kind === "relative" ? clock.times[0] : 0;
  return {
    kind,
    place: (at) => between(at, clock.steps, clock.times) - start,
    stepAt: (x) => Math.round(between(x + start, clock.times, clock.steps)),
    format: kind === "relative" ? span : wall,
    increments: kind === "relative" ? SPANS : null,
    clock,
  };
}

/**
 * An axis of places that are reckoned already, as where each run has a clock of its own.
 * @param {Kind} kind
 * @returns {Axis}
 */
export function bareAxis(kind) {
  const plain = (/** @type {number} */ x) => x;
  const format = { step, relative: span, wall }[kind];
  const increments = { step: WHOLE_STEPS, relative: SPANS, wall: null }[kind];
  return { kind, place: plain, stepAt: plain, format, increments, clock: { steps: [], times: [] } };
}

/**
 * Linear between the neighbours that are known; beyond them, as at the nearest two.
 * @param {number} x
 * @param {number[]} xs Not falling.
 * @param {number[]} ys
 */
function between(x, xs, ys) {
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  if (xs[high] === x) return ys[high];
  const wide = xs[high] - xs[low];
  return wide > 0 ? ys[low] + ((x - xs[low]) / wide) * (ys[high] - ys[low]) : ys[low];
}

/**
 * A duration in its two largest units.
 * @param {number} seconds
 */
export function span(seconds) {
  const whole = Math.abs(seconds);
  const sign = seconds < 0 ? "−" : "";
  if (whole < 60) return `${sign}${Number(whole.toPrecision(3))} s`;
  const units = /** @type {[number, string][]} */ ([
    [DAY, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ]);
  const first = units.findIndex(([size]) => whole >= size);
  const [size, name] = units[first];
  const rest = units[first + 1] ? Math.floor((whole % size) / units[first + 1][0]) : 0;
  return `${sign}${Math.floor(whole / size)} ${name}${rest ? ` ${rest} ${units[first + 1][1]}` : ""}`;
}

/**
 * The labels of an axis of wall times: as fine as their distance asks for, with the day where a new one begins.
 * @param {any} _
 * @param {number[]} splits Seconds since 1970.
 * @param {number} __
 * @param {number} ___
 * @param {number} apart Seconds between two.
 */
export function clockLabels(_, splits, __, ___, apart) {
  let before = "";
  return splits.map((seconds) => {
    const date = new Date(seconds * 1000);
    const day = date.toLocaleDateString(
      "en-GB",
      apart > 150 * DAY ? { month: "short", year: "numeric" } : { day: "numeric", month: "short" },
    );
    const time = date.toLocaleTimeString("en-GB", {
      hour: "2-digit",
      minute: "2-digit",
      ...(apart < 60 ? { second: "2-digit" } : {}),
    });
    const shown = apart >= DAY || (before && before !== day) ? day : time;
    before = day;
    return shown;
  });
}

/** @param {number} seconds Since 1970. */
function wall(seconds) {
  return new Date(seconds * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}
