// Keys: what each does, for the page and for its help.

import { byId, el } from "./dom.js";

/**
 * Listens for keys. `actions` are `[keys, description, action]`; without an action it is only
 * described.
 */
export function listen(actions) {
  const byKey = new Map();
  for (const [keys, , action] of actions) {
    if (action) keys.forEach((key) => byKey.set(key, action));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    const isAllowed = ["Escape", "Enter", "ArrowDown", "ArrowUp"].includes(event.key);
    if (isTyping && !isAllowed) return;
    if (event.key === "Enter" && event.target instanceof HTMLButtonElement) return;
    const action = byKey.get(event.key);
    if (action === undefined) return;
    event.preventDefault();
    action(event);
  });
  const NAMES = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "Space", Escape: "Esc" };
  byId("keys").replaceChildren(...actions.flatMap(([keys, description]) => [
    el("dt", {}, ...keys.map((key) => el("kbd", {}, NAMES[key] ?? key))),
    el("dd", {}, description),
  ]));
}
