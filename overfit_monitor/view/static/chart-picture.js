/** A chart as a picture: with its title, its legend and the names of the marks drawn on. */

import { KINDS, lineStep, placeOf, rowsOf } from "./markers.js";
import { END_LABEL, FONT } from "./panel-paint.js";
import { verdictLabel } from "./verdict.js";

const EDGE = 16;
const ROW = 18;
const LONGEST = 80;

/**
 * @param {import("./panel.js").Panel} panel
 * @param {{run: string, verdict: string, look: import("./chart-controls.js").Look}} what
 * @returns {Promise<Blob | null>}
 */
export function pictureOf(panel, { run, verdict, look }) {
  const { chart, plot } = panel;
  if (!chart) return Promise.resolve(null);
  const palette = panel.palette();
  const source = /** @type {HTMLCanvasElement} */ (chart.ctx.canvas);
  const ratio = source.width / chart.width;
  const canvas = document.createElement("canvas");
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  ctx.font = `500 12px ${FONT}`;
  const labels = labelsOf(chart, look, ctx);
  const rows = rowsOf(labels);
  const top = EDGE + 24 + 22 + (Math.max(-1, ...rows) + 1) * ROW + 4;
  canvas.width = (chart.width + 2 * EDGE) * ratio;
  canvas.height = (top + chart.height + EDGE) * ratio;
  ctx.scale(ratio, ratio);
  ctx.fillStyle = palette["--paper"];
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.textBaseline = "middle";
  ctx.fillStyle = palette["--ink"];
  ctx.font = `500 15px ${FONT}`;
  const name = run.length > LONGEST ? `${run.slice(0, LONGEST - 1)}…` : run;
  ctx.fillText(`${name}: ${verdictLabel(verdict)}`, EDGE, EDGE + 10, chart.width);
  drawLegend(ctx, plot, look, palette);
  ctx.drawImage(source, EDGE, top, chart.width, chart.height);
  ctx.font = `500 12px ${FONT}`;
  labels.forEach((label, i) => {
    const y = EDGE + 24 + 22 + rows[i] * ROW + 9;
    ctx.fillStyle = palette[`--${label.kind}`];
    ctx.fillText(label.text, EDGE + label.start, y);
    ctx.fillRect(EDGE + label.x - 0.75, y + 8, 1.5, top - y + 2);
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/**
 * @param {any} chart
 * @param {import("./chart-controls.js").Look} look
 * @param {CanvasRenderingContext2D} ctx
 */
function labelsOf(chart, look, ctx) {
  const [left, width] = [chart.bbox.left / devicePixelRatio, chart.bbox.width / devicePixelRatio];
  const groups = Map.groupBy(
    look.marked.marks.filter((mark) => KINDS[mark.kind].main),
    (mark) => lineStep(mark, look.marked),
  );
  return [...groups]
    .map(([at, marks]) => {
      const text = `${[...new Set(marks.map((mark) => KINDS[mark.kind].label))].join(", ")} ${placeOf(marks[0], look.marked)}`;
      const x = left + chart.valToPos(look.axis.place(at), "x");
      const wide = ctx.measureText(text).width;
      return { text, kind: marks[0].kind, x, start: Math.min(x, left + width + END_LABEL - wide), width: wide };
    })
    .filter(({ x }) => x >= left - 1 && x <= left + width + 1)
    .sort((a, b) => a.x - b.x);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {import("./chart-data.js").Plot} plot
 * @param {import("./chart-controls.js").Look} look
 * @param {Record<string, string>} palette
 */
function drawLegend(ctx, plot, look, palette) {
  const y = EDGE + 24 + 10;
  ctx.font = `500 12px ${FONT}`;
  ctx.fillStyle = palette["--quiet"];
  ctx.fillText(plot.title, EDGE, y);
  let x = EDGE + ctx.measureText(plot.title).width + 20;
  ctx.font = `12px ${FONT}`;
  for (const curve of plot.curves) {
    if (look.hidden.has(curve.id)) continue;
    ctx.strokeStyle = palette[curve.ink];
    ctx.lineWidth = 2;
    ctx.setLineDash(curve.dash ?? []);
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x + 20, y);
    ctx.stroke();
    ctx.fillStyle = palette["--ink"];
    ctx.fillText(curve.label, x + 26, y);
    x += 26 + ctx.measureText(curve.label).width + 20;
  }
  ctx.setLineDash([]);
}
