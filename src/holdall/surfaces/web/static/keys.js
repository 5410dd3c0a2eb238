// Keys that move over a page: nothing needs them, and none does anything while somebody types.
"use strict";
{
  const AFTER_G = 1500; // ms
  const GO = { r: "runs", e: "experiments", m: "models", s: "store" };
  const help = document.getElementById("keys");
  let g = 0; // when it was pressed

  const rows = () => [...document.querySelectorAll("main table.rows tbody tr")].filter((row) => row.querySelector("a"));

  /** Return whether what has the focus takes letters itself. */
  function types(element) {
    return element.isContentEditable || element.matches("textarea, select, input:not([type=checkbox], [type=radio])");
  }

  /** Put the focus on the row so many rows on; on the first one if none has it. */
  function move(by) {
    const all = rows();
    const at = all.indexOf(document.activeElement.closest("tr"));
    const row = all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))];
    row?.querySelector("a").focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  }

  function select() {
    document.activeElement.closest("tr")?.querySelector("input[type=checkbox]")?.click();
  }

  function go(name) {
    const link = document.querySelector(`[data-go="${name}"]`);
    if (link) location.assign(link.href);
  }

  const DOES = {
    "/": () => document.getElementById("everything")?.focus(),
    f: () => document.getElementById("filter")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    x: select,
    c: () => document.getElementById("compare")?.click(),
    "?": () => help.showModal(),
    g: () => {
      g = performance.now();
    },
  };

  function does(event) {
    if (GO[event.key] && g && performance.now() - g < AFTER_G) return () => go(GO[event.key]);
    if (document.activeElement.closest("table.rows tbody tr")) {
      if (event.key === "ArrowDown") return () => move(1);
      if (event.key === "ArrowUp") return () => move(-1);
    }
    return Object.hasOwn(DOES, event.key) ? DOES[event.key] : null;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.key === "Escape" && types(event.target)) return event.target.blur();
    if (types(event.target) || document.querySelector("dialog[open]")) return;
    const verb = does(event);
    g = 0;
    if (verb) {
      event.preventDefault();
      verb();
    }
  });
  for (const link of document.querySelectorAll("[data-help]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      help.showModal();
    });
  }
}
