/** The card that explains what is under the pointer, or under the keyboard's focus. */

import { h } from "./dom.js";

const AWAY = 14;

/**
 * @param {HTMLElement} host Positioned; the card stays within its width.
 * @returns {{element: HTMLElement, show: (x: number, y: number, ...content: (Node | string | null | false)[]) => void, hide: () => void}}
 */
export function createTooltip(host) {
  const element = h("div", { class: "tooltip", role: "tooltip", hidden: true });
  host.append(element);
  return {
    element,
    show(x, y, ...content) {
      element.replaceChildren(...content.filter((part) => part !== null && part !== false));
      element.hidden = false;
      const { offsetWidth: width, offsetHeight: height } = element;
      const right = x + AWAY + width <= host.clientWidth;
      const left = right ? x + AWAY : Math.max(0, x - AWAY - width);
      element.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(0, Math.min(y, host.clientHeight - height)))}px)`;
    },
    hide() {
      element.hidden = true;
    },
  };
}
