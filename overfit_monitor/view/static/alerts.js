/**
 * Notifications of the browser about runs that begin to go wrong while this page is open. Off
 * until the reader asks for them, and one for each run.
 */

import { h } from "./dom.js";
import { runName, sentence, step } from "./format.js";
import { sign } from "./icons.js";
import { recall, remember } from "./memory.js";
import { severityRank, verdictLabel } from "./verdict.js";

/** @typedef {import("./contract.js").RunRow} RunRow */

const WISH = "notify";
const WARNING = severityRank("warning");
const DENIED = "This browser does not let the page notify you. Allow notifications for this address, then try again.";
const INSECURE = "Browsers notify only from https:// or localhost, and this page comes from neither.";

/**
 * @param {import("./feed.js").Feed} feed
 * @param {{open: (run: string) => void, say: (text: string) => void}} reader `say` tells what could not be done.
 * @returns {{button: HTMLElement, on: () => boolean}}
 */
export function createAlerts(feed, { open, say }) {
  /** @type {Set<string>} */
  const told = new Set();
  let wished = recall(WISH) === "on";
  const label = h("span", { class: "wide-only" }, "Notify");
  const button = h("button", { type: "button", class: "bare", click: toggle }, sign("bell"), label);

  const possible = () => "Notification" in window && window.isSecureContext;
  const on = () => wished && possible() && Notification.permission === "granted";

  async function toggle() {
    if (on()) return wish(false);
    if (!possible()) return say(INSECURE);
    const answer = await Notification.requestPermission().catch(() => "denied");
    if (answer !== "granted") {
      say(DENIED);
      return wish(false);
    }
    // What went wrong before is on the screen already.
    for (const row of feed.rows()) if (isAlarm(row)) told.add(row.run);
    wish(true);
    say("You will be notified when a run begins to go wrong, as long as this page is open.");
  }

  /** @param {boolean} value */
  function wish(value) {
    wished = value;
    remember(WISH, value ? "on" : null);
    show();
  }

  function show() {
    button.setAttribute("aria-pressed", String(on()));
    button.title = on() ? "Notifications are on" : "Notify me when a run begins to go wrong";
    button.setAttribute("aria-label", "Notify me when a run begins to go wrong");
  }

  feed.onNews((changed, before) => {
    for (const name of changed) {
      const row = feed.row(name);
      if (!row || !isAlarm(row)) {
        if (row && row.verdict !== null) told.delete(name);
      } else if (!told.has(name)) {
        told.add(name);
        const first = before.get(name);
        // A run that was there from the start and is judged only now is no news, nor is one that was as bad before.
        const old = first && (isAlarm(first) || (first.verdict === null && opening.has(name)));
        if (on() && !old) notify(row);
      }
      if (row && row.verdict !== null) opening.delete(name);
    }
  });
  /** @type {Set<string>} Runs of the first answer that were not judged yet. */
  const opening = new Set();
  feed.onFirst(() => {
    for (const row of feed.rows()) {
      if (row.verdict === null) opening.add(row.run);
      if (isAlarm(row)) told.add(row.run);
    }
  });

  /** @param {RunRow} row */
  function notify(row) {
    const since = row.onset_step === null ? "" : ` since step ${step(row.onset_step)}`;
    const body = [sentence(row.message ?? ""), row.recommendation].filter(Boolean).join("\n");
    const title = `${runName(row.run)}: ${verdictLabel(row.verdict).toLowerCase()}${since}`;
    // Of two tabs that see the same, the later takes the place of the earlier.
    const shown = new Notification(title, { body, tag: `overfit-monitor ${row.run}` });
    shown.onclick = () => {
      window.focus();
      open(row.run);
      shown.close();
    };
  }

  show();
  return { button, on };
}

/** @param {RunRow} row */
const isAlarm = (row) => row.verdict !== null && row.alarm_step !== null && severityRank(row.severity) >= WARNING;
