/** How the curves are drawn: the controls over the plots, and what the address says of them. */

import { axisOf, hasTimes, KINDS } from "./chart-axis.js";
import { h } from "./dom.js";
import { parted } from "./router.js";

/**
 * @typedef {import("./panel.js").Look & {from: number | null, to: number | null}} Look
 */

// A diverging run is a flat line and a corner on a linear scale.
export const WIDE_SPREAD = 50;
const MOST_SMOOTH = 0.99;

/**
 * @param {import("./router.js").State} state
 * @param {any} detail
 * @param {Look["marked"]} marked
 * @param {{steps: number[], times: number[]}} clock
 * @param {Look | null} before What it was; what has not changed stays the same object.
 * @returns {Look}
 */
export function lookOf(state, detail, marked, clock, before) {
  const kind = /** @type {import("./chart-axis.js").Kind} */ (state.axis in KINDS ? state.axis : "step");
  const axis = before?.axis.clock === clock && before.axis.kind === kind ? before.axis : axisOf(kind, clock);
  const [from, to] = [whole(state.from), whole(state.to)];
  const zoomed = from !== null && to !== null && to > from;
  const weight = Math.min(Math.max(Number(state.smooth) || 0, 0), MOST_SMOOTH);
  return {
    axis,
    log: isLog(state.scale, detail),
    weight,
    hidden: new Set(parted(state.hide)),
    range: zoomed ? [axis.place(from), axis.place(to)] : null,
    from: zoomed ? from : null,
    to: zoomed ? to : null,
    marked,
  };
}

/** @param {string | undefined} text */
function whole(text) {
  const value = Number(text ?? "");
  return text && Number.isFinite(value) ? Math.round(value) : null;
}

/**
 * @param {string | undefined} scale
 * @param {any} detail
 */
function isLog(scale, { series }) {
  const plots = [{ curves: [series.train, series.val, series.probe].filter(Boolean).map((columns) => ({ columns })) }];
  return scale === "linear" || !isPositive(plots) ? false : scale === "log" || spread(plots) > WIDE_SPREAD;
}

/** @param {{curves: {columns: {values: (number | null)[]}}[]}[]} plots Whether the first has a logarithm. */
export function isPositive([first]) {
  return (
    Boolean(first?.curves.length) &&
    first.curves.every(({ columns }) => columns.values.every((value) => value === null || value > 0))
  );
}

/**
 * The largest value over the median, 0 where a value is not positive.
 * @param {{curves: {columns: {values: (number | null)[]}}[]}[]} plots
 */
export function spread([{ curves }]) {
  const values = /** @type {number[]} */ (
    curves.flatMap(({ columns }) => columns.values.filter((value) => value !== null))
  );
  values.sort((a, b) => a - b);
  return values.length && values[0] > 0 ? values[values.length - 1] / values[values.length >> 1] : 0;
}

/**
 * @param {import("./router.js").Router} router
 * @param {{reset: () => void, live: (weight: number) => void}} on
 */
export function createControls(router, { reset, live }) {
  const set = (/** @type {import("./router.js").Change} */ part) => router.change(part, { push: false });
  const axes = choice("X axis", KINDS, (kind) => set({ axis: kind === "step" ? null : kind }));
  const scales = choice("Y axis", { linear: "Linear", log: "Log" }, (scale) => set({ scale }));
  const slider = /** @type {HTMLInputElement} */ (
    h("input", {
      type: "range",
      min: 0,
      max: MOST_SMOOTH,
      step: 0.01,
      "aria-label": "Smoothing",
      input: slid,
      change: settled,
    })
  );
  const value = h("output", { class: "smooth-value" });
  const smoothing = h(
    "label",
    { class: "smoothing", title: "Exponential moving average; the values as logged stay behind it" },
    h("span", { class: "quiet" }, "Smoothing"),
    slider,
    value,
  );
  const back = h(
    "button",
    { type: "button", class: "plain small", title: "Double click or Escape", click: reset },
    "Reset zoom",
  );
  const hint = h("span", { class: "quiet hint" }, "Drag to zoom");
  const element = h(
    "div",
    { class: "controls", role: "group", "aria-label": "How the curves are drawn" },
    axes.element,
    scales.element,
    smoothing,
    h("span", { class: "push" }),
    hint,
    back,
  );
  let waiting = 0;

  function slid() {
    value.textContent = Number(slider.value).toFixed(2);
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => live(Number(slider.value)));
  }

  function settled() {
    cancelAnimationFrame(waiting);
    set({ smooth: Number(slider.value) > 0 ? slider.value : null });
  }

  return {
    element,
    /**
     * @param {Look} look
     * @param {{steps: number[], times: number[]}} clock
     * @param {{scale: boolean, zoomed: boolean}} can
     */
    update(look, clock, can) {
      axes.show(look.axis.kind);
      axes.element.hidden = !hasTimes(clock);
      scales.show(look.log ? "log" : "linear");
      scales.element.hidden = !can.scale;
      if (document.activeElement !== slider) slider.value = String(look.weight);
      value.textContent = look.weight.toFixed(2);
      back.hidden = !can.zoomed;
      hint.hidden = can.zoomed;
    },
  };
}

/**
 * Buttons of which one is pressed.
 * @param {string} name
 * @param {Record<string, string>} options
 * @param {(option: string) => void} choose
 */
export function choice(name, options, choose) {
  const buttons = Object.entries(options).map(([option, label]) =>
    h("button", { type: "button", "data-option": option, click: () => choose(option) }, label),
  );
  const element = h("div", { class: "choice", role: "group", "aria-label": name }, ...buttons);
  return {
    element,
    /** @param {string} chosen */
    show(chosen) {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.option === chosen));
    },
  };
}
