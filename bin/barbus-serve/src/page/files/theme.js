// Dark or light, and which colour rising prices have. The browser keeps both.

const root = document.documentElement;

function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A browser that keeps nothing shows the default the next time.
  }
}

const prefersLight = matchMedia("(prefers-color-scheme: light)").matches;
root.dataset.theme = kept("theme") ?? (prefersLight ? "light" : "dark");
root.dataset.rising = kept("rising") ?? "green";

export function toggleTheme() {
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  keep("theme", root.dataset.theme);
  palette = null;
}

/** In some markets rising prices are red. */
export function toggleRising() {
  root.dataset.rising = root.dataset.rising === "green" ? "red" : "green";
  keep("rising", root.dataset.rising);
  palette = null;
}

let palette = null;

/** The colours of the style sheet, for what is drawn. They are read once for each theme. */
export function colours() {
  palette ??= read();
  return palette;
}

function read() {
  const style = getComputedStyle(root);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("text"),
    faint: colour("faint"),
    line: colour("line"),
    panel: colour("panel"),
    up: colour("up"),
    down: colour("down"),
    accent: colour("accent"),
    gap: colour("gap"),
    late: colour("late"),
    revised: colour("revised"),
    series: ["accent", "late", "series-3", "series-4", "series-5", "series-6", "series-7", "series-8"].map(colour),
  };
}
