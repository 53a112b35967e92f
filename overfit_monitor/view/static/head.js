/** The bar above the pages: which there are, how fresh they are, alerts, downloads and help. */

import { h } from "./dom.js";
import { clock, counted } from "./format.js";
import { openReport } from "./help.js";
import { sign } from "./icons.js";
import { parted } from "./router.js";

/**
 * @param {import("./shell.js").Context} context
 * @param {HTMLElement | null} alerts
 * @param {() => import("./shell.js").Page | null} page
 * @param {() => void} keys Shows the list of keys.
 */
export function createHead({ source, feed, router }, alerts, page, keys) {
  const nav = h("nav", { "aria-label": "Views" });
  const time = h("span", { class: "live quiet" });
  const menu = h("div", { class: "bar-menu-items" });
  const download = h(
    "details",
    { class: "bar-menu", toggle: fill },
    h("summary", { class: "bare", title: "Download" }, sign("download"), h("span", { class: "wide-only" }, "Download")),
    menu,
  );
  const help = h("button", { type: "button", class: "bare", "aria-label": "Keys", title: "Keys (?)", click: keys }, sign("help"));
  const about = source.about;
  const title = about && h("strong", { class: "brand", title: about.written }, about.title);
  // On paper.
  const written = about && h("span", { class: "written quiet" }, `overfit-monitor, ${about.written.slice(0, 16).replace("T", " ")}`);
  const element = h("header", { class: "app-bar" }, title, written, nav, h("span", { class: "push" }), time, alerts, download, help);
  document.addEventListener("click", (event) => {
    if (!download.contains(/** @type {Node} */ (event.target))) download.removeAttribute("open");
  });
  download.addEventListener("keydown", (event) => {
    if (/** @type {KeyboardEvent} */ (event).key !== "Escape") return;
    event.stopPropagation();
    download.removeAttribute("open");
    download.querySelector("summary")?.focus();
  });

  function fill() {
    const items = [...(page()?.downloads?.() ?? [])];
    if (source.kind === "tensorboard") {
      const report = () => source.folder().catch(() => null).then(openReport);
      items.push({ label: "HTML report …", save: () => void report() });
    }
    const close = (/** @type {() => void} */ save) => () => {
      download.removeAttribute("open");
      save();
    };
    menu.replaceChildren(
      ...items.map(({ label, save }) => h("button", { type: "button", class: "bar-menu-item", click: close(save) }, label)),
    );
  }

  /**
   * @param {string} text
   * @param {import("./router.js").Change} part
   * @param {boolean} current
   */
  function link(text, part, current) {
    const go = (/** @type {Event} */ event) => {
      const mouse = /** @type {MouseEvent} */ (event);
      if (mouse.ctrlKey || mouse.metaKey || mouse.shiftKey) return;
      event.preventDefault();
      router.change(part);
    };
    return h("a", { href: router.addressOf(part), target: "_top", "aria-current": current ? "page" : null, click: go }, text);
  }

  return {
    element,
    /** @param {string} key */
    show(key) {
      // A run has its own.
      download.hidden = key.startsWith("run ");
      const chosen = parted(router.state().runs).length;
      const count = feed.rows().length;
      const items = [link(count ? counted(count, "run") : "Runs", { run: null, page: null }, key === "overview")];
      if (chosen > 1 || key === "compare")
        items.push(link(`Compare ${chosen}`, { run: null, page: "compare" }, key === "compare"));
      nav.replaceChildren(...items);
    },
    updated() {
      time.dataset.state = "live";
      time.textContent = `Updated ${clock(new Date())}`;
    },
    stale: () => void (time.dataset.state = "stale"),
  };
}
