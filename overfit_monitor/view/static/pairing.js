/** Lets the reader say which two curves are train and validation. */

import { h } from "./dom.js";

/**
 * @param {import("./contract.js").RunDetail} detail
 * @param {(pair: import("./contract.js").Pair | null) => void} choose Null goes back to what the names say.
 */
export function pairingForm({ tags, choices }, choose) {
  if (!choices.length) return "";
  const val = select("Validation", choices, tags.val, false);
  const train = select("Train", choices, tags.train, true);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    choose({ val: val.value, train: train.value || null });
  };
  const again = () => choose(null);
  return h(
    "details",
    { class: "folded", "data-key": "pairing" },
    h("summary", {}, "Compare other curves"),
    h(
      "form",
      { class: "pairing", submit },
      h("label", {}, "Validation", val),
      h("label", {}, "Train", train),
      h(
        "span",
        { class: "row" },
        h("button", { type: "submit", class: "plain" }, "Compare"),
        h("button", { type: "button", class: "plain", click: again }, "As named"),
      ),
    ),
  );
}

/**
 * @param {string} name
 * @param {string[]} choices
 * @param {string | null} chosen
 * @param {boolean} optional
 */
function select(name, choices, chosen, optional) {
  const options = choices.map((tag) => h("option", { value: tag, selected: tag === chosen }, tag));
  if (optional) options.unshift(h("option", { value: "", selected: chosen === null }, "none"));
  return /** @type {HTMLSelectElement} */ (
    h("select", { "aria-label": `${name} curve`, required: !optional }, ...options)
  );
}
