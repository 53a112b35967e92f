/**
 * The bridge to TensorBoard's own page around this frame: theme, reload, address.
 *
 * TensorBoard publishes no package for this. The frame is of the same origin, so theme and
 * address are read from the parent; reloads come as messages on a port. Where there is no
 * such parent (a report, or the frame opened by itself) everything falls back to this very window.
 */

const RELOADED = "experimental.DataReloaded";

/** Where a report holds its JSON. */
export const REPORT_DATA = "overfit-monitor-data";

/** Whether this page is a report, which has all its data within it. */
export const inReport = () => document.getElementById(REPORT_DATA) !== null;

/**
 * TensorBoard's window, or this one. A report stays by itself, whatever it is shown within.
 * @type {Window & typeof globalThis}
 */
export const outer = (() => {
  try {
    const parent = /** @type {Window & typeof globalThis} */ (window.parent);
    return !inReport() && parent.document.body ? parent : window;
  } catch {
    return window;
  }
})();

/**
 * Calls back whenever TensorBoard has reloaded its data.
 * @param {() => void} callback
 */
export function onReload(callback) {
  if (outer === window) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.isReply) return;
    // The host waits for an answer from every frame.
    port1.postMessage(JSON.stringify({ ...message, payload: null, error: null, isReply: true }));
    if (message.type === RELOADED) callback();
  };
  outer.postMessage("experimental.bootstrap", outer.location.origin, [port2]);
}

/**
 * Sets ``data-theme`` now and whenever the user switches, and then calls back.
 * @param {() => void} callback
 */
export function followTheme(callback) {
  const preference = window.matchMedia("(prefers-color-scheme: dark)");
  const paper = window.matchMedia("print");
  const apply = () => {
    const dark = outer === window ? preference.matches : outer.document.body.classList.contains("dark-mode");
    document.documentElement.dataset.theme = dark && !paper.matches ? "dark" : "light";
    callback();
  };
  paper.addEventListener("change", apply);
  if (outer === window) preference.addEventListener("change", apply);
  else new MutationObserver(apply).observe(outer.document.body, { attributeFilter: ["class"] });
  apply();
}

/** Makes TensorBoard's own font known in this frame; without it the reader's sans-serif serves. */
export async function borrowFont() {
  if (outer === window) return;
  const rules = [...outer.document.styleSheets].flatMap((sheet) => {
    try {
      return [...sheet.cssRules].filter(
        (rule) => rule.cssText.startsWith("@font-face") && rule.cssText.includes("Roboto"),
      );
    } catch {
      return []; // a sheet of another origin
    }
  });
  // TensorBoard names these files from the server's root, which is wrong behind a path prefix.
  const folder = new URL("font-roboto/", outer.document.baseURI).href;
  const style = document.createElement("style");
  style.textContent = rules.map((rule) => rule.cssText.replace(/url\("\/font-roboto\//g, `url("${folder}`)).join("\n");
  document.head.append(style);
  await Promise.allSettled([document.fonts.load("400 13px Roboto"), document.fonts.load("500 13px Roboto")]);
}
