/** A chart under the keyboard and the wheel: the arrows walk along its points, plus and minus zoom. */

/**
 * @typedef {import("./panel.js").Panel} Panel
 * @typedef {{
 *   select: (from: number, to: number) => void, reset: () => void, arrived: (place: number) => void,
 * }} Acts `arrived` is told the place on the axis that a key has moved the cursor to.
 */

const STRETCH = 1.6;
const FAR_SHARE = 20;

/**
 * @param {Panel} panel
 * @param {Acts} acts
 */
export function handle(panel, acts) {
  panel.canvas.addEventListener("keydown", (event) => pressed(panel, event, acts));
  panel.canvas.addEventListener("wheel", (event) => wheeled(panel, event, acts), { passive: false });
}

/**
 * @param {Panel} panel
 * @param {KeyboardEvent} event
 * @param {Acts} acts
 */
function pressed(panel, event, acts) {
  const { chart } = panel;
  if (!chart || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "+" || event.key === "-") {
    const middle = chart.cursor.left >= 0 ? chart.cursor.left : chart.over.clientWidth / 2;
    zoom(panel, middle, event.key === "+" ? 1 / STRETCH : STRETCH, acts);
  } else {
    const place = placeAfter(chart, event.key);
    if (place === null) return;
    chart.setCursor({ left: chart.valToPos(place, "x"), top: 10 });
    acts.arrived(place);
  }
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Where a key leads from the point under the cursor, among the points that are shown; null for another key.
 * @param {any} chart
 * @param {string} key
 * @returns {number | null}
 */
function placeAfter(chart, key) {
  const [places] = chart.data;
  const [first, last] = chart.series[0].idxs;
  if (first === null || first > last) return null;
  const { idx } = chart.cursor;
  const now = idx === null || idx < first || idx > last ? null : idx;
  const far = Math.max(1, Math.round((last - first) / FAR_SHARE));
  const wanted = {
    ArrowRight: now === null ? first : now + 1,
    ArrowLeft: now === null ? last : now - 1,
    PageDown: now === null ? first : now + far,
    PageUp: now === null ? last : now - far,
    Home: first,
    End: last,
  }[key];
  return wanted === undefined ? null : places[Math.min(Math.max(wanted, first), last)];
}

/**
 * With Ctrl, as a pinch is told too; without it, the page is scrolled.
 * @param {Panel} panel
 * @param {WheelEvent} event
 * @param {Acts} acts
 */
function wheeled(panel, event, acts) {
  if (!event.ctrlKey || !panel.chart) return;
  event.preventDefault();
  const at = event.clientX - panel.chart.over.getBoundingClientRect().left;
  zoom(panel, at, event.deltaY < 0 ? 1 / STRETCH : STRETCH, acts);
}

/**
 * @param {Panel} panel
 * @param {number} at Pixel that stays where it is.
 * @param {number} factor
 * @param {Acts} acts
 */
function zoom({ chart }, at, factor, { select, reset }) {
  const { min, max } = chart.scales.x;
  const [places] = chart.data;
  const [first, last] = [places[0], places[places.length - 1]];
  const fixed = chart.posToVal(at, "x");
  const [from, to] = [fixed - (fixed - min) * factor, fixed + (max - fixed) * factor];
  if (from <= first && to >= last) reset();
  else select(Math.max(from, first), Math.min(to, last));
}
