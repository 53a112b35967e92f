/** Train and validation over the gap between them: two charts with one x axis and one cursor. */

import { h } from "./dom.js";
import { curveName } from "./format.js";
import { markerLegend, marksOf } from "./markers.js";
import { createPanel } from "./panel.js";

/**
 * @typedef {import("./contract.js").RunDetail} RunDetail
 * @typedef {import("./panel.js").Curve} Curve
 */

let charts = 0;

/**
 * @param {RunDetail} detail
 * @returns {{element: HTMLElement, update: (detail: RunDetail) => void, redraw: () => void, close: () => void}}
 */
export function createCharts(detail) {
  charts += 1;
  let marks = marksOf(detail);
  const shared = { sync: `overfit-${charts}`, marks: () => marks };
  const losses = createPanel({
    ...shared,
    title: "Train and validation",
    note: "",
    curves: lossCurves(detail),
    height: 300,
    main: true,
  });
  const gap = createPanel({
    ...shared,
    title: "Generalization gap",
    note: detail.diagnosis.metrics.mode === "max" ? "train minus validation" : "validation minus train",
    curves: gapCurves(detail),
    height: 150,
    main: false,
  });
  const key = h("div", {}, markerLegend(marks));
  const none = h("p", { class: "quiet" }, "There is no finite value to show.");
  hideEmpty(detail);

  /** @param {RunDetail} latest */
  function hideEmpty(latest) {
    losses.element.hidden = !lossCurves(latest).length;
    gap.element.hidden = !isDrawable(latest.series.gap);
    none.hidden = !losses.element.hidden;
    key.hidden = losses.element.hidden;
  }

  return {
    element: h("div", { class: "charts" }, none, losses.element, key, gap.element),
    update(latest) {
      marks = marksOf(latest);
      key.replaceChildren(markerLegend(marks));
      losses.update(lossCurves(latest));
      gap.update(gapCurves(latest));
      hideEmpty(latest);
    },
    redraw() {
      losses.redraw();
      gap.redraw();
    },
    close() {
      losses.close();
      gap.close();
    },
  };
}

/**
 * @param {RunDetail} detail
 * @returns {Curve[]}
 */
function lossCurves({ series, tags, diagnosis: { metrics } }) {
  /** @type {Curve[]} */
  const curves = [
    {
      name: "train",
      short: "train",
      label: curveName("train", tags.train, metrics) ?? "train",
      width: 1.5,
      dash: [6, 3],
      points: series.train,
    },
    {
      name: "val",
      short: "validation",
      label: curveName("val", tags.val, metrics) ?? "validation",
      width: 2,
      points: series.val,
    },
  ];
  return curves.filter((curve) => isDrawable(curve.points));
}

/**
 * @param {RunDetail} detail
 * @returns {Curve[]}
 */
function gapCurves({ series }) {
  return [{ name: "gap", short: "gap", label: "gap", width: 1.75, points: series.gap }];
}

/** @param {import("./contract.js").Points} points */
function isDrawable(points) {
  return points.some(([, value]) => value !== null);
}
