/** The signs on buttons; each has a word beside it or in its label. */

import { svg } from "./dom.js";

/** Drawn in a 16 by 16 box. */
const PATHS = {
  bell: "M4 11.5V7.2a4 4 0 0 1 8 0v4.3l1 1H3zM6.7 14.2h2.6M8 3.2V2",
  download: "M8 2v8.2M4.8 7.2 8 10.4l3.2-3.2M2.5 13.5h11",
  help: "M6 6a2 2 0 1 1 2.9 1.8c-.6.3-.9.8-.9 1.5M8 11.6v.1M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z",
  compare: "M2 3.5c2 6 5 8 12 8M2 12.5c4-1 6-7 12-9",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3 14 14",
  close: "M4 4l8 8M12 4l-8 8",
};

/** @param {keyof typeof PATHS} name */
export function sign(name) {
  return svg("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
}
