// Light or dark, as the reader chose it here before: set before the page is drawn, so that it does not flash.
"use strict";
{
  const KEY = "holdall.theme";
  const root = document.documentElement;

  /** Return what was chosen: "light", "dark", or null where the system's choice is followed. */
  function chosen() {
    try {
      const found = localStorage.getItem(KEY);
      return found === "light" || found === "dark" ? found : null;
    } catch {
      return null; // a browser that keeps nothing
    }
  }

  /** @param {string | null} theme Shown from now on, and remembered. */
  function choose(theme) {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch {
      // it holds for this page
    }
    show(theme);
  }

  function show(theme) {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    document.dispatchEvent(new Event("holdall:theme"));
  }

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  show(chosen());
  root.classList.add("scripted");
  addEventListener("storage", (event) => event.key === KEY && show(chosen()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(chosen()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-switch]");
    if (button) choose(isDark() ? "light" : "dark");
  });
}
