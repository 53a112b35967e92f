/** What is marked in a run, and how each kind of mark is drawn: never by its colour alone. */

import { h, svg } from "./dom.js";
import { step } from "./format.js";

/**
 * @typedef {{kind: string, step: number, to_step: number | null, title: string, text: string}} Mark
 * @typedef {{label: string, meaning: string, dash: number[], main: boolean, path: string}} Kind `main` marks have a
 *   label over the plot, the others a sign whose `path` is drawn in a 12 by 12 box.
 */

/** @type {Record<string, Kind>} */
export const KINDS = {
  best: { label: "best", meaning: "the checkpoint to keep", dash: [], main: true, path: "" },
  onset: { label: "onset", meaning: "where it began", dash: [7, 4], main: true, path: "" },
  alarm: { label: "alarm", meaning: "first step at which it could be told live", dash: [2, 3], main: true, path: "" },
  stop: { label: "stop", meaning: "where the stopping policy ends training", dash: [9, 3, 2, 3], main: true, path: "" },
  alert: {
    label: "alert",
    meaning: "raised while the run was watched",
    dash: [1, 3],
    main: false,
    path: "M6 1.5 11 10.5H1z",
  },
  learning_rate: {
    label: "learning rate",
    meaning: "the learning rate changed",
    dash: [1, 5],
    main: false,
    path: "M6 1 11 6 6 11 1 6z",
  },
  restart: {
    label: "restart",
    meaning: "training went on from an earlier step",
    dash: [12, 4],
    main: false,
    path: "M10.5 6A4.5 4.5 0 1 1 8.5 2.2L7.8 4.6 11.4 3.6 10.2 0 9.3 1A6 6 0 1 0 12 6z",
  },
  applied: {
    label: "applied",
    meaning: "a recommendation was applied",
    dash: [4, 2],
    main: false,
    path: "M4.5 1h3v3.5H11v3H7.5V11h-3V7.5H1v-3h3.5z",
  },
};
const ROW_GAP = 6;
const BESIDE = 3;

/**
 * The marks that are known to these pages, in the order of their steps.
 * @param {any} detail
 * @returns {Mark[]}
 */
export function marksOf({ marks }) {
  return (marks ?? [])
    .filter((/** @type {Mark} */ mark) => mark.kind in KINDS && mark.step !== null)
    .sort((/** @type {Mark} */ a, /** @type {Mark} */ b) => a.step - b.step);
}

/**
 * The steps between which it may have begun.
 * @param {any} diagnosis
 * @param {Mark[]} marks
 * @returns {[number, number] | null}
 */
export function onsetRange(diagnosis, marks) {
  const onset = marks.find((mark) => mark.kind === "onset");
  if (!onset) return null;
  if (onset.to_step !== null && onset.to_step > onset.step) return [onset.step, onset.to_step];
  const found = diagnosis.findings.find(
    (/** @type {any} */ one) => one.onset_step === diagnosis.onset_step && one.onset_range,
  );
  return found && found.onset_range[1] > found.onset_range[0] ? found.onset_range : null;
}

/**
 * @param {Mark} mark
 * @param {{onset: number | null}} marked
 */
export const placeOf = (mark, marked) => step(lineStep(mark, marked));

/**
 * The key that says what each kind of mark means.
 * @param {{marks: Mark[], range: [number, number] | null, onset: number | null}} marked
 */
export function markerLegend(marked) {
  const { marks, range } = marked;
  const items = Object.entries(KINDS).flatMap(([kind, { label, meaning, main }]) => {
    const here = marks.filter((mark) => mark.kind === kind);
    if (!here.length) return [];
    const plural = label.endsWith("e") && kind === "learning_rate" ? "learning rates" : `${label}s`;
    const name = here.length === 1 ? `${label} ${placeOf(here[0], marked)}` : `${here.length} ${plural}`;
    const attributes = {
      "data-marker": kind,
      "data-step": here.map((mark) => lineStep(mark, marked)).join(" "),
      class: `ink-${kind}`,
    };
    const sign = main ? lineSign(kind) : glyph(kind);
    return [
      h(
        "li",
        attributes,
        sign,
        h("b", {}, name),
        h(
          "span",
          { class: "quiet" },
          kind === "onset" && range ? `${meaning}, between ${step(range[0])} and ${step(range[1])}` : meaning,
        ),
      ),
    ];
  });
  return h("ul", { class: "marker-key", "aria-label": "Marked steps" }, ...items);
}

/** @param {string} kind */
function lineSign(kind) {
  const line = svg("line", { x1: 4, y1: 0, x2: 4, y2: 14, "stroke-dasharray": KINDS[kind].dash.join(" ") });
  return svg("svg", { width: 8, height: 14, "aria-hidden": "true" }, line);
}

/** @param {string} kind */
export function glyph(kind) {
  return svg(
    "svg",
    { width: 12, height: 12, viewBox: "0 0 12 12", "aria-hidden": "true" },
    svg("path", { d: KINDS[kind].path }),
  );
}

/**
 * Draws the lines, the stretch of the onset, and the stretch from the onset on as a tint.
 * @param {any} u The uPlot instance.
 * @param {CanvasRenderingContext2D} ctx
 * @param {import("./panel-paint.js").Scene} scene
 */
export function paintMarks(u, ctx, { look, palette }) {
  const { top, height, left, width } = u.bbox;
  const x = (/** @type {number} */ at) => u.valToPos(look.axis.place(at), "x", true);
  const { marks, range } = look.marked;
  const onset = marks.find((mark) => mark.kind === "onset");
  if (onset) {
    const from = x(range ? range[1] : onset.step);
    ctx.fillStyle = palette["--tint"];
    ctx.fillRect(from, top, left + width - from, height);
  }
  if (range) {
    ctx.fillStyle = palette["--range"];
    ctx.fillRect(x(range[0]), top, Math.max(x(range[1]) - x(range[0]), 2), height);
  }
  const ratio = devicePixelRatio;
  /** @type {Map<number, number>} */
  const beside = new Map();
  for (const mark of marks) {
    const { dash, main } = KINDS[mark.kind];
    if (mark.kind === "alert") continue;
    // Lines of one step stand side by side.
    const own = lineStep(mark, look.marked);
    const before = beside.get(own) ?? 0;
    beside.set(own, before + 1);
    const at = Math.round(x(own)) + before * BESIDE * ratio;
    ctx.strokeStyle = palette[`--${mark.kind}`];
    ctx.globalAlpha = main ? 1 : 0.55;
    ctx.lineWidth = (main ? 1.5 : 1) * ratio;
    ctx.setLineDash(dash.map((length) => length * ratio));
    ctx.beginPath();
    ctx.moveTo(at, top);
    ctx.lineTo(at, top + height);
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
  ctx.setLineDash([]);
}

/**
 * Where the line of a mark stands: that of the onset at the step that is told, within its range.
 * @param {Mark} mark
 * @param {{onset: number | null}} marked
 */
export const lineStep = (mark, { onset }) => (mark.kind === "onset" && onset !== null ? onset : mark.step);

/**
 * Which row each of several labels goes into, 0 for the highest. A label that reaches over others stands above them,
 * so that no stem goes through a name.
 * @param {{start: number, width: number}[]} labels From left to right.
 * @returns {number[]}
 */
export function rowsOf(labels) {
  /** @type {number[]} */
  const up = new Array(labels.length).fill(0);
  for (let i = labels.length - 2; i >= 0; i -= 1) {
    const end = labels[i].start + labels[i].width + ROW_GAP;
    const below = labels.flatMap(({ start }, j) => (j > i && start < end ? [up[j] + 1] : []));
    up[i] = Math.max(0, ...below);
  }
  const highest = Math.max(0, ...up);
  return up.map((row) => highest - row);
}
