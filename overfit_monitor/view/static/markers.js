/** The four steps that matter in a run, and their lines and labels over a chart. */

import { h, svg } from "./dom.js";
import { step } from "./format.js";

/**
 * @typedef {{id: string, label: string, meaning: string, dash: number[]}} Kind
 * @typedef {Kind & {step: number}} Marker
 * @typedef {{lines: Marker[], alerts: number[]}} Marks `alerts` are the steps at which one was raised live.
 */

/** @type {Kind[]} */
const KINDS = [
  { id: "best", label: "best", meaning: "the checkpoint to keep", dash: [] },
  { id: "onset", label: "onset", meaning: "where it began", dash: [7, 4] },
  { id: "alarm", label: "alarm", meaning: "first step at which it could be told live", dash: [2, 3] },
  { id: "stop", label: "stop", meaning: "where the stopping policy ends training", dash: [9, 3, 2, 3] },
];
const LABEL_GAP = 6;
const ROW = 20;
const BESIDE = 3;

/**
 * What is marked in a run; steps that are not known are left out.
 * @param {import("./contract.js").RunDetail} detail
 * @returns {Marks}
 */
export function marksOf({ diagnosis, alerts, alerts_recorded: recorded }) {
  const steps = {
    best: diagnosis.best_step,
    onset: diagnosis.onset_step,
    alarm: diagnosis.alarm_step,
    stop: diagnosis.stop_step,
  };
  const lines = KINDS.flatMap((kind) => {
    const at = steps[/** @type {keyof typeof steps} */ (kind.id)];
    return at === null || at === undefined ? [] : [{ ...kind, step: at }];
  });
  return { lines, alerts: recorded ? [...new Set(alerts.map((alert) => alert.step))] : [] };
}

/**
 * The legend that explains the marks.
 * @param {Marks} marks
 */
export function markerLegend({ lines, alerts }) {
  const items = lines.map((marker) => {
    const line = svg("line", { x1: 4, y1: 0, x2: 4, y2: 14, "stroke-dasharray": marker.dash.join(" ") });
    return legendItem(marker.id, marker.step, line, `${marker.label} ${step(marker.step)}`, marker.meaning);
  });
  if (alerts.length) {
    const triangle = svg("path", { d: "M4 4 8 12H0z" });
    const name = alerts.length === 1 ? `alert ${step(alerts[0])}` : `${alerts.length} alerts`;
    items.push(legendItem("alert", alerts.join(" "), triangle, name, "raised while the run was watched"));
  }
  return h("ul", { class: "legend markers", "aria-label": "Marked steps" }, ...items);
}

/**
 * @param {string} id
 * @param {number | string} at
 * @param {SVGElement} drawing
 * @param {string} name
 * @param {string} meaning
 */
function legendItem(id, at, drawing, name, meaning) {
  const mark = svg("svg", { width: 8, height: 14, "aria-hidden": "true" }, drawing);
  return h(
    "li",
    { "data-marker": id, "data-step": at },
    mark,
    h("b", {}, name),
    h("span", { class: "quiet" }, meaning),
  );
}

/**
 * Draws the lines into the plot, the stretch from the onset on as a tint, and alerts as triangles.
 * @param {any} plot The uPlot instance.
 * @param {Marks} marks
 * @param {(name: string) => string} colour
 */
export function drawMarks(plot, { lines, alerts }, colour) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const onset = lines.find((marker) => marker.id === "onset");
  if (onset) {
    const from = plot.valToPos(onset.step, "x", true);
    ctx.fillStyle = colour("--tint");
    ctx.fillRect(from, bbox.top, bbox.left + bbox.width - from, bbox.height);
  }
  ctx.lineWidth = 1.5 * devicePixelRatio;
  for (const [i, marker] of lines.entries()) {
    // Lines of one step stand side by side.
    const before = lines.slice(0, i).filter((other) => other.step === marker.step).length;
    const x = Math.round(plot.valToPos(marker.step, "x", true) + before * BESIDE * devicePixelRatio);
    ctx.strokeStyle = colour(`--${marker.id}`);
    ctx.setLineDash(marker.dash.map((length) => length * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.fillStyle = colour("--alarm");
  for (const at of alerts) triangle(ctx, plot.valToPos(at, "x", true), bbox.top + bbox.height);
  ctx.restore();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} x
 * @param {number} bottom
 */
function triangle(ctx, x, bottom) {
  const half = 5 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bottom - 2 * half);
  ctx.lineTo(x + half, bottom);
  ctx.lineTo(x - half, bottom);
  ctx.fill();
}

/**
 * Puts the labels above the plot: one for each step, in as many rows as they need.
 * @param {any} plot The uPlot instance.
 * @param {HTMLElement} strip
 * @param {Marker[]} markers
 */
export function placeLabels(plot, strip, markers) {
  /** @type {Map<number, Marker[]>} */
  const bySteps = new Map();
  for (const marker of markers) bySteps.set(marker.step, [...(bySteps.get(marker.step) ?? []), marker]);
  const left = plot.over.offsetLeft;
  const width = plot.over.clientWidth;
  const placed = [...bySteps]
    .map(([at, here]) => ({ here, at, x: left + plot.valToPos(at, "x") }))
    .filter(({ x }) => x >= left - 1 && x <= left + width + 1)
    .sort((a, b) => a.x - b.x);
  /** @type {number[]} */
  const ends = [];
  const labels = placed.map(({ here, at, x }) => {
    const names = here.map((marker) => h("b", { class: `ink-${marker.id}` }, marker.label));
    const label = h(
      "span",
      { class: "marker-label", "data-markers": here.map((m) => m.id).join(" ") },
      ...names,
      step(at),
    );
    strip.append(label);
    const start = Math.min(x - 4, strip.clientWidth - label.offsetWidth);
    let row = ends.findIndex((end) => end + LABEL_GAP <= start);
    if (row < 0) row = ends.length;
    ends[row] = start + label.offsetWidth;
    return { label, start, x, row, ink: here[0].id };
  });
  for (const { label, start, x, row, ink } of labels) {
    const up = ends.length - 1 - row;
    label.style.left = `${start}px`;
    label.style.top = `${row * ROW}px`;
    if (up)
      strip.append(
        h("i", {
          class: "stem",
          style: `left:${x - 0.75}px;top:${(row + 1) * ROW - 3}px;height:${up * ROW + 3}px;background:var(--${ink})`,
        }),
      );
  }
  strip.style.height = `${ends.length * ROW}px`;
}
