/**
 * The bridge to TensorBoard's own page around this frame: theme, reload, address.
 *
 * TensorBoard publishes no package for this. The frame is of the same origin, so theme and
 * address are read from the parent; reloads come as messages on a port. Where there is no
 * such parent (the frame opened by itself) everything falls back to this very window.
 */

const PLUGIN = "overfit_monitor";
const KEY = `p.${PLUGIN}.run`;
const RELOADED = "experimental.DataReloaded";

/** TensorBoard's window, or this one. */
const outer = (() => {
  try {
    return window.parent.document.body ? window.parent : window;
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
  const apply = () => {
    const dark = outer === window ? preference.matches : outer.document.body.classList.contains("dark-mode");
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    callback();
  };
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

/** The run that the address names, null for the table of all runs. */
export function addressedRun() {
  return parts().reduce((/** @type {string | null} */ found, [name, value]) => (name === KEY ? value : found), null);
}

/**
 * The address of a run, or of the table of all runs.
 * @param {string | null} run
 */
export function addressOf(run) {
  const kept = parts().filter(([name]) => name !== KEY && name !== "");
  const all = run === null ? kept : [...kept, [KEY, run]];
  const pairs = all.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  const { origin, pathname, search } = outer.location;
  return `${origin}${pathname}${search}#${[PLUGIN, ...pairs].join("&")}`;
}

/**
 * Puts a run into the address, so that back, forward and a copied link work.
 * @param {string | null} run
 */
export function setAddress(run) {
  if (run !== addressedRun()) outer.location.href = addressOf(run);
}

/**
 * Calls back when the address has changed.
 * @param {() => void} callback
 */
export function onAddress(callback) {
  outer.addEventListener("hashchange", callback);
  window.addEventListener("pagehide", () => outer.removeEventListener("hashchange", callback));
}

/** @returns {[string, string][]} Name and value of every setting in the address, the tab's own name left out. */
function parts() {
  const pieces = outer.location.hash
    .slice(1)
    .split("&")
    .filter((piece) => piece.includes("="));
  return pieces.map((piece) => {
    const cut = piece.indexOf("=");
    return [decoded(piece.slice(0, cut)), decoded(piece.slice(cut + 1))];
  });
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
