/** Files that are made in the browser: JSON, CSV and pictures of charts. */

import { h } from "./dom.js";

/**
 * @param {string} name
 * @param {Blob} blob
 */
export function saveBlob(name, blob) {
  const address = URL.createObjectURL(blob);
  const link = /** @type {HTMLAnchorElement} */ (h("a", { href: address, download: name }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/**
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
export function saveText(name, type, text) {
  saveBlob(name, new Blob([text], { type: `${type};charset=utf-8` }));
}

/**
 * @param {string} name
 * @param {unknown} content
 */
export function saveJson(name, content) {
  saveText(name, "application/json", `${JSON.stringify(content, null, 1)}\n`);
}

/**
 * A table as CSV (RFC 4180). What a spreadsheet would take for a formula is kept a text.
 * @param {string} name
 * @param {string[]} columns
 * @param {unknown[][]} rows
 */
export function saveTable(name, columns, rows) {
  saveText(name, "text/csv", [columns, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join(""));
}

/** @param {unknown} value */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = /^[=+\-@\t\r]/.test(String(value)) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/**
 * A name that every file system takes.
 * @param {string} name
 */
export function fileName(name) {
  return name.replace(/[^\w.-]+/g, "-").replace(/^[-.]+|-+$/g, "") || "run";
}

/**
 * Charts above each other as one picture, with title, what each curve is, and the page's background.
 * @param {string} name
 * @param {{title: string, legend?: {label: string, colour: string, dash?: number[]}[], canvas: HTMLCanvasElement}[]} charts
 */
export async function savePicture(name, charts) {
  const style = getComputedStyle(document.documentElement);
  const [paper, ink] = ["--paper", "--ink"].map((colour) => style.getPropertyValue(colour).trim());
  const ratio = devicePixelRatio || 1;
  const [edge, head] = [16 * ratio, 34 * ratio];
  const width = Math.max(...charts.map(({ canvas }) => canvas.width)) + 2 * edge;
  const height = charts.reduce((sum, { canvas }) => sum + head + canvas.height, 2 * edge);
  const whole = /** @type {HTMLCanvasElement} */ (h("canvas", { width, height }));
  const ctx = /** @type {CanvasRenderingContext2D} */ (whole.getContext("2d"));
  ctx.fillStyle = paper;
  ctx.fillRect(0, 0, width, height);
  let top = edge;
  for (const { title, legend = [], canvas } of charts) {
    caption(ctx, title, legend, { left: edge, middle: top + head / 2, ratio, ink });
    ctx.drawImage(canvas, edge, top + head);
    top += head + canvas.height;
  }
  const blob = await new Promise((resolve) => whole.toBlob(resolve, "image/png"));
  if (blob) saveBlob(name, blob);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {string} title
 * @param {{label: string, colour: string, dash?: number[]}[]} legend
 * @param {{left: number, middle: number, ratio: number, ink: string}} place
 */
function caption(ctx, title, legend, { left, middle, ratio, ink }) {
  ctx.textBaseline = "middle";
  ctx.fillStyle = ink;
  ctx.font = `500 ${14 * ratio}px Roboto, Arial, sans-serif`;
  ctx.fillText(title, left, middle);
  let x = left + ctx.measureText(title).width + 24 * ratio;
  ctx.font = `${12 * ratio}px Roboto, Arial, sans-serif`;
  ctx.lineWidth = 2 * ratio;
  for (const { label, colour, dash = [] } of legend) {
    ctx.strokeStyle = colour;
    ctx.setLineDash(dash.map((length) => length * ratio));
    ctx.beginPath();
    ctx.moveTo(x, middle);
    ctx.lineTo(x + 20 * ratio, middle);
    ctx.stroke();
    x += 26 * ratio;
    ctx.fillText(label, x, middle);
    x += ctx.measureText(label).width + 18 * ratio;
  }
  ctx.setLineDash([]);
}
