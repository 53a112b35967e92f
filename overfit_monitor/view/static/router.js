/**
 * What is on the screen, kept in the address: every view, filter and zoom can be linked to, and
 * back and forward work. In TensorBoard the address is that of the page around this frame, and
 * each setting a key ``p.overfit_monitor.<name>``, which survives a change of tabs.
 *
 * `run`: the run that is open. `page=compare`: the comparison of `runs`, the runs that are chosen.
 * `q`, `verdict`, `sort`: the table's filter and order. `val`, `train`, `mode`, `exact`: what is
 * compared in the run. `axis`, `scale`, `smooth`, `curves`, `from`, `to`, `hide`: how the curves are drawn.
 *
 * @typedef {Record<string, string>} State What has no setting is as it is at first.
 * @typedef {Record<string, string | null | undefined>} Change Null takes a setting out.
 * @typedef {{
 *   state: () => State,
 *   change: (part: Change, how?: {push?: boolean}) => void,
 *   addressOf: (part: Change) => string,
 *   onChange: (callback: (state: State, before: State) => void) => () => void,
 * }} Router `change` and `addressOf` go from the state that is there; without `push` no step back is made.
 *   `onChange` returns what ends it.
 */

import { inReport, outer } from "./host.js";

const PLUGIN = "overfit_monitor";
// What is said of one run, or of one comparison, means nothing to the next.
const OF_ONE_PAGE = ["val", "train", "mode", "exact", "from", "to", "hide", "curves"];

/** @returns {Router} */
export function createRouter() {
  const prefix = inReport() || outer === window ? "" : `p.${PLUGIN}.`;
  let current = read(prefix);
  /** @type {Set<(state: State, before: State) => void>} */
  const callbacks = new Set();

  function arrived() {
    const before = current;
    current = read(prefix);
    if (!same(before, current)) for (const callback of callbacks) callback(current, before);
  }
  outer.addEventListener("hashchange", arrived);
  outer.addEventListener("popstate", arrived);
  window.addEventListener("pagehide", () => {
    outer.removeEventListener("hashchange", arrived);
    outer.removeEventListener("popstate", arrived);
  });

  return {
    state: () => current,
    addressOf: (part) => write(prefix, merged(current, part)),
    onChange(callback) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    change(part, { push = true } = {}) {
      const before = current;
      const wanted = merged(before, part);
      if (same(before, wanted)) return;
      const address = write(prefix, wanted);
      current = wanted;
      // A page inside another program may be denied an address of its own: the view changes all the same.
      try {
        if (push) outer.location.hash = new URL(address).hash;
        else outer.history.replaceState(outer.history.state, "", address);
      } catch {
        // Nothing to do: the state is kept here.
      }
      for (const callback of callbacks) callback(current, before);
    },
  };
}

/**
 * Several names as one setting.
 * @param {string[]} names
 */
export function joined(names) {
  return names.length ? names.map((name) => name.replace(/[\\,]/g, "\\$&")).join(",") : null;
}

/**
 * The names in a setting that `joined` made.
 * @param {string | undefined} text
 * @returns {string[]}
 */
export function parted(text) {
  if (text === undefined) return [];
  const names = [""];
  for (const [piece] of text.matchAll(/\\.|,|[^\\,]+|\\$/gsu)) {
    if (piece === ",") names.push("");
    else names[names.length - 1] += piece.startsWith("\\") ? piece.slice(1) : piece;
  }
  return [...new Set(names)];
}

/**
 * @param {State} state
 * @param {Change} part
 * @returns {State}
 */
function merged(state, part) {
  const moved = ["run", "page"].some((key) => key in part && (part[key] ?? undefined) !== state[key]);
  const left = moved ? Object.fromEntries(OF_ONE_PAGE.map((key) => [key, null])) : {};
  const all = Object.entries({ ...state, ...left, ...part });
  return Object.fromEntries(/** @type {[string, string][]} */ (all.filter(([, value]) => typeof value === "string")));
}

/**
 * @param {State} a
 * @param {State} b
 */
function same(a, b) {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => a[name] === b[name]);
}

/**
 * @param {string} prefix
 * @returns {State}
 */
function read(prefix) {
  const ours = pieces().filter(([name]) => name.startsWith(prefix) && name.length > prefix.length);
  return Object.fromEntries(ours.map(([name, value]) => [name.slice(prefix.length), value]));
}

/**
 * @param {string} prefix
 * @param {State} state
 */
function write(prefix, state) {
  const theirs = prefix ? pieces().filter(([name]) => !name.startsWith(prefix)) : [];
  const ours = Object.entries(state).map(([name, value]) => [prefix + name, value]);
  const pairs = [...theirs, ...ours].map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
  const [whole] = outer.location.href.split("#");
  return `${whole}#${(prefix ? [PLUGIN, ...pairs] : pairs).join("&")}`;
}

/** @returns {[string, string][]} Name and value of every setting in the address. */
function pieces() {
  const parts = outer.location.hash.slice(1).split("&");
  return parts.flatMap((part) => {
    const cut = part.indexOf("=");
    return cut > 0 ? [[decoded(part.slice(0, cut)), decoded(part.slice(cut + 1))]] : [];
  });
}

/**
 * Readable where that is safe.
 * @param {string} text
 */
function encoded(text) {
  return encodeURIComponent(text).replace(/%2F/g, "/").replace(/%2C/g, ",").replace(/%3A/g, ":");
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
