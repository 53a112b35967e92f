/** Which classes and examples are behind the validation value, and whether losses tell train from validation. */

import { h } from "./dom.js";
import { NONE, number, step } from "./format.js";

/**
 * @param {import("./contract.js").RunDetail} detail
 * @returns {(HTMLElement | null)[]}
 */
export function exampleTables({ examples, membership }) {
  const { best_step: best, step: at } = examples ?? {};
  const since = best === null || best === undefined ? "" : `since step ${step(best)}`;
  const rows = (/** @type {string} */ name) => examples?.[name] ?? [];
  return [
    block("membership", "Can training examples be told by their loss?", "", membership ? [meter(membership)] : []),
    block(
      "classes",
      "Classes",
      since && `change ${since}`,
      rows("classes").length ? [classTable(rows("classes"))] : [],
    ),
    block("risen", "Examples whose loss rose most", since, table(rows("risen"))),
    block(
      "worst",
      "Examples with the highest loss",
      at === null || at === undefined ? "" : `at step ${step(at)}`,
      table(rows("worst")),
    ),
    block(
      "mislabelled",
      "Examples that look mislabelled",
      "their loss was far out when the model was best",
      table(rows("mislabelled")),
    ),
  ];
}

/**
 * @param {string} key
 * @param {string} title
 * @param {string} note
 * @param {Node[]} content
 */
function block(key, title, note, content) {
  if (!content.length) return null;
  return h(
    "details",
    { class: "table-block", "data-key": key, open: key === "classes" || key === "membership" },
    h("summary", {}, h("h2", {}, title), note && h("span", { class: "quiet" }, note)),
    ...content,
  );
}

/** @param {any} membership */
function meter({ auc, low, high, tpr }) {
  const place = (/** @type {number} */ share) => `${(100 * Math.min(Math.max((share - 0.5) / 0.5, 0), 1)).toFixed(1)}%`;
  const span = h("i", { class: "meter-span" });
  span.style.left = place(low);
  span.style.right = `calc(100% - ${place(high)})`;
  const dot = h("i", { class: "meter-dot" });
  dot.style.left = place(auc);
  return h(
    "div",
    { class: "membership" },
    h("div", { class: "meter", "aria-hidden": "true" }, span, dot),
    h(
      "div",
      { class: "meter-ends quiet", "aria-hidden": "true" },
      h("span", {}, "0.5 not at all"),
      h("span", {}, "1 always"),
    ),
    h(
      "p",
      {},
      h("strong", {}, `AUC ${auc.toFixed(3)} `),
      `(95 %: ${low.toFixed(3)} to ${high.toFixed(3)}): how often a training example has a lower loss than a validation example. ${Number((100 * tpr).toPrecision(2))} % of the training examples have a lower loss than all but 1 % of the validation examples.`,
    ),
  );
}

/** @param {any[]} rows */
function classTable(rows) {
  const largest = Math.max(...rows.map(({ change }) => Math.abs(change ?? 0)), 1e-12);
  const body = rows.map(({ label, n, loss, change, change_error: error }) => {
    const bar = h("i", { class: `bar ${change > 0 ? "worse" : "better"}`, "aria-hidden": "true" });
    bar.style.width = `${(46 * Math.abs(change ?? 0)) / largest}px`;
    const told =
      change === null
        ? NONE
        : `${change > 0 ? "+" : ""}${number(change)}${error === null ? "" : ` ± ${number(Number(error.toPrecision(2)))}`}`;
    return [
      h("th", { scope: "row" }, label),
      cell(n),
      cell(number(loss)),
      h("td", { class: "numeric" }, told),
      h("td", { class: "bar-cell" }, change === null ? "" : bar),
    ];
  });
  return grid(["Class", "Examples", "Mean loss", "Change", ""], body);
}

/** @param {any[]} rows */
function table(rows) {
  if (!rows.length) return [];
  const labelled = rows.some(({ label }) => label !== null);
  const body = rows.map(({ split, index, name, label, loss, best_loss: best }) => [
    h("th", { scope: "row", class: "example-name" }, name ?? `#${index}`),
    h("td", {}, split === "val" ? "validation" : "train"),
    labelled && cell(label ?? NONE),
    cell(number(loss)),
    cell(best === null ? NONE : number(best)),
  ]);
  return [grid(["Example", "Split", labelled && "Class", "Loss", "Loss at the best"], body)];
}

/** @param {string | number} content */
const cell = (content) => h("td", { class: "numeric" }, content);

/**
 * @param {(string | false)[]} names
 * @param {(Node | false)[][]} rows
 */
function grid(names, rows) {
  const kept = names.filter((name) => name !== false);
  const textual = ["Example", "Split", "Class", ""];
  const head = kept.map((name, i) =>
    name === ""
      ? h("td", {})
      : h(
          "th",
          { scope: "col", class: textual.includes(name) && (i === 0 || name === "Split") ? "" : "numeric" },
          name,
        ),
  );
  const scroll = h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table" },
    h(
      "table",
      { class: "examples" },
      h("thead", {}, h("tr", {}, ...head)),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row))),
    ),
  );
  return scroll;
}
