/** What is said where there is nothing to show: what is missing, and what to do. */

import { codeBlock } from "./code.js";
import { h } from "./dom.js";

const WATCH = `import overfit_monitor as om

monitor = om.Monitor(run_dir="runs/first")
for epoch in range(epochs):
    ...
    monitor.log(step=epoch, train={"loss": train_loss}, val={"loss": val_loss})
monitor.close()`;
const NAMES = ["val_loss", "val/loss", "eval/loss", "Loss/test", "validation/epoch_loss"];

/** There are no runs at all. */
export function noRuns() {
  return h(
    "div",
    { class: "empty" },
    h("h2", {}, "No runs yet"),
    h(
      "p",
      {},
      "TensorBoard has found no scalars in its log folder. Runs appear here by themselves as soon as a train and a validation metric are logged. A monitor writes both:",
    ),
    codeBlock(WATCH),
    h(
      "p",
      { class: "quiet" },
      "If a run is under way: has it logged a first epoch, and was TensorBoard started with the folder above it?",
    ),
  );
}

/**
 * A notice where not one run could be judged for want of a validation metric, null otherwise.
 * @param {import("./contract.js").RunRow[]} runs
 */
export function noneJudged(runs) {
  if (runs.some((run) => run.val_tag)) return null;
  const why = h("strong", {}, "Cannot judge, because no run here has a validation metric. ");
  return h("div", { class: "notice" }, why, ...logOne());
}

/** What to do where there is no validation metric. */
export function logOne() {
  const names = NAMES.flatMap((name, i) => [[", ", " or "][Number(i === NAMES.length - 1)], h("code", {}, name)]).slice(
    1,
  );
  return ["Log one beside the train metric, under a name such as ", ...names, "."];
}

/**
 * The filter leaves nothing.
 * @param {string} query
 * @param {() => void} clear
 */
export function noMatch(query, clear) {
  return h(
    "div",
    { class: "empty" },
    h("p", {}, query ? `No run matches “${query}”.` : "No run has this verdict."),
    h("button", { type: "button", class: "plain", click: clear }, "Show all runs"),
  );
}
