/** Lets the reader say which two curves are train and validation, and which way is better. */

import { h } from "./dom.js";

const AS_NAMED = "";

/**
 * @param {import("./contract.js").RunDetail} detail
 * @param {import("./shell.js").Context} context
 */
export function pairing({ tags, choices, exact, exact_possible: possible }, { source, router }) {
  if (source.kind === "report" || !choices.length) return null;
  const state = router.state();
  const first = tags.val === null ? [/** @type {[string, string]} */ ([AS_NAMED, "choose one"])] : [];
  const val = select("Validation curve", [...first, ...choices.map(alike)], tags.val ?? AS_NAMED);
  val.required = true;
  const train = select("Train curve", [[AS_NAMED, "none"], ...choices.map(alike)], tags.train ?? AS_NAMED);
  const modes = /** @type {[string, string][]} */ ([
    [AS_NAMED, "as the name says"],
    ["min", "lower is better"],
    ["max", "higher is better"],
  ]);
  const mode = select("Better is", modes, state.mode ?? AS_NAMED);
  const all = /** @type {HTMLInputElement} */ (
    h("input", { type: "checkbox", checked: exact && state.exact !== undefined })
  );
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const named = val.value === tags.val && train.value === (tags.train ?? AS_NAMED) && state.val === undefined;
    const pair = named ? {} : { val: val.value, train: train.value || null };
    router.change({ ...pair, mode: mode.value || null, exact: all.checked ? "true" : null });
  };
  const again = () => router.change({ val: null, train: null, mode: null, exact: null });
  const changed = ["val", "train", "mode"].some((key) => state[key] !== undefined);
  return h(
    "details",
    { class: "pairing-box", "data-key": "pairing" },
    h("summary", { class: "plain small" }, "Compare other curves"),
    h(
      "form",
      { class: "pairing", submit },
      h("label", {}, h("span", {}, "Validation"), val),
      h("label", {}, h("span", {}, "Train"), train),
      h("label", {}, h("span", {}, "Direction"), mode),
      possible &&
        h("label", { class: "check" }, all, h("span", {}, "Read every point of the log, not TensorBoard's sample")),
      h(
        "span",
        { class: "row" },
        h("button", { type: "submit", class: "plain" }, "Compare"),
        h(
          "button",
          { type: "button", class: "plain", click: again, disabled: !changed && state.exact === undefined },
          "As named",
        ),
      ),
    ),
  );
}

/** @param {string} name @returns {[string, string]} */
const alike = (name) => [name, name];

/**
 * @param {string} name
 * @param {[string, string][]} options Value and text.
 * @param {string | null} chosen
 */
function select(name, options, chosen) {
  const made = options.map(([value, text]) => h("option", { value, selected: value === chosen }, text));
  return /** @type {HTMLSelectElement} */ (h("select", { "aria-label": name }, ...made));
}
