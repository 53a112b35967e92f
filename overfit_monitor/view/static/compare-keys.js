/** The keyboard in the charts of a comparison: arrows read out the points, plus and minus zoom. */

const STRETCH = 1.6;

/**
 * @param {import("./panel.js").Panel} panel
 * @param {KeyboardEvent} event
 * @param {{read: (at: number) => void, select: (from: number, to: number) => void, reset: () => void}} on `read` is
 *   told the index of the point that the cursor was moved to.
 */
export function keyPressed(panel, event, { read, select, reset }) {
  const { chart } = panel;
  if (!chart || event.ctrlKey || event.metaKey || event.altKey) return;
  const { min, max } = chart.scales.x;
  const steps = /** @type {number[]} */ (chart.data[0]);
  const inside = [...steps.keys()].filter((i) => steps[i] >= min && steps[i] <= max);
  const now = inside.indexOf(chart.cursor.idx ?? -1);
  const last = inside.length - 1;
  const wanted = { ArrowRight: now + 1, ArrowLeft: now < 0 ? last : now - 1, Home: 0, End: last }[event.key];
  if (wanted !== undefined && last >= 0) {
    const at = inside[Math.min(Math.max(wanted, 0), last)];
    chart.setCursor({ left: chart.valToPos(steps[at], "x"), top: 10 });
    read(at);
  } else if (event.key === "+" || event.key === "-") {
    const fixed = now < 0 ? (min + max) / 2 : steps[inside[now]];
    const factor = event.key === "+" ? 1 / STRETCH : STRETCH;
    const [from, to] = [fixed - (fixed - min) * factor, fixed + (max - fixed) * factor];
    if (from <= steps[0] && to >= steps[steps.length - 1]) reset();
    else select(Math.max(from, steps[0]), Math.min(to, steps[steps.length - 1]));
  } else if (event.key === "Escape") {
    reset();
  } else {
    return;
  }
  event.preventDefault();
}
