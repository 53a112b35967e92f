/**
 * A long table of which only the rows that can be seen are made, so that a thousand runs scroll
 * like ten. Empty rows as tall as what is left out hold the place.
 */

import { h } from "./dom.js";

// Rows above and below the screen, which a quick scroll meets before the next frame.
const SPARE = 12;

/**
 * @template {{run: string}} Row
 * @param {HTMLElement} body The table's body, on a page that scrolls as a whole.
 * @param {{height: number, make: (row: Row) => HTMLElement}} options `height` of a row in pixels.
 * @returns {{show: (rows: Row[]) => void, refresh: () => void, reveal: (index: number) => HTMLElement | null, close: () => void}}
 */
export function createRows(body, { height, make }) {
  /** @type {Row[]} */
  let rows = [];
  /** @type {Map<string, {row: Row, element: HTMLElement}>} */
  let made = new Map();
  let printing = false;
  let frame = 0;

  const soon = () => (frame ||= requestAnimationFrame(draw));
  const print = () => ((printing = true), draw());
  const printed = () => ((printing = false), draw());
  const listeners = /** @type {const} */ ([
    ["scroll", soon],
    ["resize", soon],
    ["beforeprint", print],
    ["afterprint", printed],
  ]);
  for (const [name, listener] of listeners) window.addEventListener(name, listener, { passive: true });

  /** @returns {[number, number]} The first row that can be seen, and the one behind the last. */
  function span() {
    if (printing) return [0, rows.length];
    const top = body.isConnected ? body.getBoundingClientRect().top : 0;
    const first = Math.floor(-top / height) - SPARE;
    const end = Math.ceil((window.innerHeight - top) / height) + SPARE;
    return [Math.min(Math.max(0, first), rows.length), Math.max(0, Math.min(rows.length, end))];
  }

  function draw() {
    cancelAnimationFrame(frame);
    frame = 0;
    const [first, end] = span();
    const focused = body.contains(document.activeElement) ? document.activeElement?.closest("tr") : null;
    const kept = focused ? rows.findIndex((row) => row.run === focused.dataset.run) : -1;
    const shown = [];
    if (kept >= 0 && kept < first) shown.push(kept);
    for (let i = first; i < end; i++) shown.push(i);
    if (kept >= end) shown.push(kept);
    /** @type {typeof made} */
    const latest = new Map();
    /** @type {HTMLElement[]} */
    const nodes = [];
    let next = 0;
    for (const i of shown) {
      if (i > next) nodes.push(space(i - next));
      const element = elementOf(rows[i]);
      latest.set(rows[i].run, { row: rows[i], element });
      element.setAttribute("aria-rowindex", String(i + 2));
      nodes.push(element);
      next = i + 1;
    }
    if (next < rows.length) nodes.push(space(rows.length - next));
    made = latest;
    place(nodes);
  }

  /** @param {Row} row */
  function elementOf(row) {
    const known = made.get(row.run);
    if (known?.row === row) return known.element;
    const element = make(row);
    element.dataset.run = row.run;
    return element;
  }

  /** @param {number} count */
  function space(count) {
    const cell = h("td", {}); // one that spanned all columns would bring back those that are hidden
    cell.style.height = `${count * height}px`;
    return h("tr", { class: "space", "aria-hidden": "true" }, cell);
  }

  /**
   * Leaves what stays where it is, since an element that is moved loses the focus.
   * @param {HTMLElement[]} nodes
   */
  function place(nodes) {
    const active = document.activeElement;
    const held = body.contains(active) ? { run: active?.closest("tr")?.dataset.run, part: partOf(active) } : null;
    const wanted = new Set(nodes);
    for (const child of [...body.children]) if (!wanted.has(/** @type {HTMLElement} */ (child))) child.remove();
    nodes.forEach((node, i) => body.children[i] !== node && body.insertBefore(node, body.children[i] ?? null));
    if (held && document.activeElement !== active) focusOn(made.get(held.run ?? "")?.element, held.part);
  }

  return {
    show(latest) {
      rows = latest;
      draw();
    },
    refresh: draw,
    reveal(index) {
      const row = rows[index];
      if (!row) return null;
      const top = body.getBoundingClientRect().top + index * height;
      const [above, below] = [top - 2 * height, top + 2 * height - window.innerHeight];
      if (above < 0) window.scrollBy(0, above);
      else if (below > 0) window.scrollBy(0, below);
      draw();
      return made.get(row.run)?.element ?? null;
    },
    close() {
      cancelAnimationFrame(frame);
      for (const [name, listener] of listeners) window.removeEventListener(name, listener);
    },
  };
}

/** @param {Element | null} element */
const partOf = (element) => (element instanceof HTMLInputElement ? "input" : "a");

/**
 * @param {HTMLElement | undefined} row
 * @param {string} part
 */
function focusOn(row, part) {
  const found = row?.querySelector(part);
  if (found instanceof HTMLElement) found.focus({ preventScroll: true });
}
