/** The strip over the plot: the labels of the marks, which explain themselves when hovered or focused. */

import { h } from "./dom.js";
import { glyph, KINDS, lineStep, placeOf, rowsOf } from "./markers.js";

/**
 * @typedef {import("./markers.js").Mark} Mark
 * @typedef {{element: HTMLElement, place: (u: any, look: import("./panel.js").Look) => void}} Strip
 */

const ROW = 20;
const SIGN = 18;
// Whose sign stands for several.
const URGENT = ["alert", "restart", "applied", "learning_rate"];

/**
 * @param {(marks: Mark[], label: HTMLElement | null) => void} explain Called with a label when it is pointed at,
 *   with null when it is left.
 * @returns {Strip}
 */
export function createStrip(explain) {
  const element = h("div", { class: "marker-strip" });

  /**
   * @param {Mark[]} marks
   * @param {string} kind
   * @param {import("./panel.js").Look["marked"]} marked
   * @param {...any} content
   */
  function label(marks, kind, marked, ...content) {
    const told = marks.map((mark) => `${mark.title}. ${mark.text}`).join(" ");
    const attributes = {
      type: "button",
      class: `marker-label ${kind}`,
      "data-markers": marks.map((mark) => mark.kind).join(" "),
      "data-steps": marks.map((mark) => lineStep(mark, marked)).join(" "),
      "aria-label": told,
    };
    const show = () => explain(marks, button);
    const hide = () => explain(marks, null);
    const button = h(
      "button",
      { ...attributes, mouseenter: show, mouseleave: hide, focus: show, blur: hide },
      ...content,
    );
    return button;
  }

  /**
   * Labels of the marks that have one, one for each step.
   * @param {any} u
   * @param {import("./panel.js").Look} look
   */
  function main(u, look) {
    const [left, width] = [u.over.offsetLeft, u.over.clientWidth];
    const groups = Map.groupBy(
      look.marked.marks.filter((mark) => KINDS[mark.kind].main),
      (mark) => lineStep(mark, look.marked),
    );
    const found = [...groups].map(([at, marks]) => ({ marks, x: left + u.valToPos(look.axis.place(at), "x") }));
    const inside = found.filter(({ x }) => x >= left - 1 && x <= left + width + 1).sort((a, b) => a.x - b.x);
    const labels = inside.map(({ marks, x }) => {
      const names = marks.map((mark) => h("b", { class: `ink-${mark.kind}` }, KINDS[mark.kind].label));
      const button = label(marks, "main", look.marked, ...names, placeOf(marks[0], look.marked));
      element.append(button);
      return {
        button,
        x,
        ink: marks[0].kind,
        start: Math.min(x - 4, element.clientWidth - button.offsetWidth),
        width: button.offsetWidth,
      };
    });
    const rows = rowsOf(labels);
    const count = Math.max(0, ...rows.map((row) => row + 1));
    labels.forEach(({ button, x, ink, start }, i) => {
      button.style.left = `${start}px`;
      button.style.top = `${rows[i] * ROW}px`;
      stem(x, (rows[i] + 1) * ROW - 3, ink);
    });
    return count;
  }

  /** @type {{line: HTMLElement, top: number}[]} */
  let stems = [];

  /**
   * @param {number} x
   * @param {number} top
   * @param {string} ink
   */
  function stem(x, top, ink) {
    const line = h("i", { class: `stem ink-${ink}`, "aria-hidden": "true" });
    line.style.left = `${x - 0.75}px`;
    line.style.top = `${top}px`;
    stems.push({ line, top });
    element.append(line);
  }

  /**
   * Signs of the other marks, those that would overlap together in one.
   * @param {any} u
   * @param {import("./panel.js").Look} look
   * @param {number} top
   */
  function signs(u, look, top) {
    const [left, width] = [u.over.offsetLeft, u.over.clientWidth];
    /** @type {{x: number, marks: Mark[]}[]} */
    const groups = [];
    for (const mark of look.marked.marks) {
      if (KINDS[mark.kind].main) continue;
      const x = left + u.valToPos(look.axis.place(mark.step), "x");
      if (x < left - 1 || x > left + width + 1) continue;
      const last = groups.at(-1);
      if (last && x - last.x < SIGN) last.marks.push(mark);
      else groups.push({ x, marks: [mark] });
    }
    for (const { x, marks } of groups) {
      const kind = URGENT.find((one) => marks.some((mark) => mark.kind === one)) ?? marks[0].kind;
      const many = marks.length > 1 && h("small", {}, marks.length);
      const button = label(marks, `sign ink-${kind}`, look.marked, glyph(kind), many);
      button.style.left = `${x - SIGN / 2}px`;
      button.style.top = `${top}px`;
      element.append(button);
    }
    return groups.length > 0;
  }

  return {
    element,
    place(u, look) {
      const focused = document.activeElement?.getAttribute("data-steps");
      const had = element.contains(document.activeElement);
      element.replaceChildren();
      stems = [];
      const rows = main(u, look);
      const more = signs(u, look, rows * ROW);
      const height = (rows + Number(more)) * ROW;
      element.style.height = `${height}px`;
      for (const { line, top } of stems) line.style.height = `${Math.max(height - top, 0) + 10}px`;
      if (had)
        /** @type {HTMLElement | null} */ (
          element.querySelector(`[data-steps="${CSS.escape(focused ?? "")}"]`)
        )?.focus();
    },
  };
}
