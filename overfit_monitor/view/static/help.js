/** The window with the keys, and the one with the command that writes a report. */

import { codeBlock } from "./code.js";
import { h } from "./dom.js";

/**
 * @param {string} title
 * @param {...(import("./dom.js").Child)} content
 */
function openDialog(title, ...content) {
  const close = h("button", { type: "button", class: "plain", click: () => dialog.close() }, "Close");
  const head = h("h2", { id: "dialog-title" }, title);
  const dialog = /** @type {HTMLDialogElement} */ (
    h("dialog", { "aria-labelledby": "dialog-title" }, head, ...content, h("div", { class: "dialog-end" }, close))
  );
  dialog.addEventListener("close", () => dialog.remove());
  // A click beside the window closes it.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

/** @typedef {{keys: string[], does: string, run: () => void}} Key */

/** @type {Record<string, string>} */
const NAMES = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };

/** @param {Key[]} keys */
export function openKeys(keys) {
  const rows = keys.flatMap(({ keys: names, does }) => [
    h("dt", {}, ...names.map((name) => h("kbd", {}, NAMES[name] ?? name))),
    h("dd", {}, does),
  ]);
  openDialog("Keys", h("dl", { class: "keys" }, ...rows));
}

/**
 * @param {string | null} folder What TensorBoard was started with, null where it is not known.
 */
export function openReport(folder) {
  const path = folder && /^[\w./~@%+=:-]+$/.test(folder) ? folder : folder ? `'${folder.replace(/'/g, `'\\''`)}'` : "LOGDIR";
  openDialog(
    "HTML report",
    h("p", {}, "One file with these pages and all their data, to keep or to send. It needs no server. Where the logs are, run:"),
    codeBlock(`overfit-monitor report ${path} --output overfit-report.html`),
  );
}
