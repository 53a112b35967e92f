/** A block of code with a button that copies it. */

import { h } from "./dom.js";

/** @param {string} code */
export function codeBlock(code) {
  const text = h("code", {}, code);
  const button = h("button", { type: "button", class: "copy", click: copy }, "Copy");

  async function copy() {
    const done = await toClipboard(code, text);
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
  const bar = h("div", { class: "code-bar quiet" }, "Code", button);
  return h("div", { class: "code" }, bar, h("pre", { tabindex: 0 }, text));
}

/**
 * The clipboard is closed to pages that are not served securely, which a TensorBoard on
 * another machine is not; there the code is selected and copied as by hand.
 * @param {string} code
 * @param {HTMLElement} text
 */
async function toClipboard(code, text) {
  try {
    await navigator.clipboard.writeText(code);
    return true;
  } catch {
    getSelection()?.selectAllChildren(text);
    return document.execCommand("copy");
  }
}
