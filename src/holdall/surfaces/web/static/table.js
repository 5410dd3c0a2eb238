// The table of runs: what is selected stays so, in the address too; rows that change are put in place.
"use strict";
{
  const REFRESH = 5000; // ms
  const LAST = "holdall.runs"; // what was shown last, by experiment: columns, values, what is hidden
  const KEPT = ["own", "metric", "param", "stat", "hide"];
  const form = document.getElementById("view");
  const compare = document.getElementById("compare");
  const charts = document.getElementById("charts");
  const ten = charts?.href;
  const boxes = () => [...document.querySelectorAll("#rows input[name=run]")];
  const picked = new Set(new URLSearchParams(location.search).getAll("run"));
  let before = null; // the box that was clicked before

  // --- settings stay ---

  function remembered() {
    try {
      return JSON.parse(localStorage.getItem(LAST) || "{}");
    } catch {
      return {};
    }
  }

  /** Keep the columns of this address for its experiment, or give an address without any those that were kept. */
  function settle() {
    const here = new URLSearchParams(location.search);
    const all = remembered();
    const of = form.dataset.of;
    if (here.has("own") || here.has("hide")) {
      const kept = new URLSearchParams([...here].filter(([name]) => KEPT.includes(name))).toString();
      delete all[of];
      all[of] = kept;
      const few = Object.fromEntries(Object.entries(all).slice(-50));
      try {
        localStorage.setItem(LAST, JSON.stringify(few));
      } catch {
        // they hold for this page
      }
    } else if (typeof all[of] === "string" && !here.has("plain")) {
      for (const [name, value] of new URLSearchParams(all[of])) if (KEPT.includes(name)) here.append(name, value);
      location.replace(`${location.pathname}?${here}`);
    }
  }

  // --- selection ---

  function told() {
    document.getElementById("picked").textContent = picked.size ? `${picked.size} selected` : "";
    compare.disabled = picked.size < 1;
    if (charts) charts.href = picked.size ? beside("charts") : ten;
    const shown = boxes();
    const every = document.getElementById("every");
    if (every) {
      const on = shown.filter((box) => box.checked).length;
      every.checked = on > 0 && on === shown.length;
      every.indeterminate = on > 0 && on < shown.length;
    }
  }

  /** Return the address where what is selected is side by side. */
  function beside(tab) {
    const pairs = [...picked].map((id) => ["run", id]);
    return `${compare.formAction.split("?")[0]}?${new URLSearchParams(tab ? [...pairs, ["tab", tab]] : pairs)}`;
  }

  function pick(box, on) {
    box.checked = on;
    if (on) picked.add(box.value);
    else picked.delete(box.value);
  }

  /** Write the selection into the address, and into the fields that forms send for rows that are not shown. */
  function keep() {
    const here = new URLSearchParams(location.search);
    here.delete("run");
    for (const id of picked) here.append("run", id);
    history.replaceState(history.state, "", here.size ? `?${here}` : location.pathname);
    for (const field of form.querySelectorAll("input[type=hidden][name=run]")) field.remove();
    const shown = new Set(boxes().map((box) => box.value));
    for (const id of picked) if (!shown.has(id)) form.append(hidden("run", id));
    told();
  }

  function hidden(name, value) {
    return Object.assign(document.createElement("input"), { type: "hidden", name, value });
  }

  document.addEventListener("click", (event) => {
    const box = event.target;
    if (box.id === "every") {
      for (const one of boxes()) pick(one, box.checked);
    } else if (box.matches?.("#rows input[name=run]")) {
      const all = boxes();
      const from = all.findIndex((one) => one.value === before);
      const to = all.indexOf(box);
      const some = event.shiftKey && from >= 0 ? all.slice(Math.min(from, to), Math.max(from, to) + 1) : [box];
      for (const one of some) pick(one, box.checked);
      before = box.value;
    } else return;
    keep();
  });

  // --- forms: a choice holds at once ---

  form.addEventListener("submit", (event) => {
    if (event.submitter !== compare) return;
    event.preventDefault();
    location.assign(beside());
  });
  for (const choice of form.querySelectorAll("[data-at-once]")) {
    choice.addEventListener("change", () => form.requestSubmit(form.querySelector(".filter button")));
  }
  const filter = document.getElementById("filter");
  if (filter.dataset.at) {
    filter.focus();
    filter.setSelectionRange(Number(filter.dataset.at), Number(filter.dataset.at));
  }

  // --- rows that change ---

  let focused = null;
  document.addEventListener("htmx:configRequest", (event) => {
    const rows = document.getElementById("rows");
    if (event.target.id === "live" && rows) event.detail.parameters.seen = rows.dataset.seen;
  });
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target.id !== "rows") return;
    const at = document.activeElement;
    const row = at?.closest("#rows tr");
    focused = row && { row: row.id, at: [...row.querySelectorAll("a, input")].indexOf(at) };
    for (const box of event.detail.fragment.querySelectorAll("input[name=run]")) box.checked = picked.has(box.value);
  });
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id !== "rows") return;
    const row = focused && document.getElementById(focused.row);
    row?.querySelectorAll("a, input")[focused.at]?.focus({ preventScroll: true });
    focused = null;
    keep();
  });
  const live = document.getElementById("live");
  let failures = 0;
  let wait = 0;
  live?.addEventListener("htmx:afterRequest", (event) => {
    failures = event.detail.successful ? 0 : Math.min(failures + 1, 6); // a server that is away is asked less
    wait = 2 ** failures - 1;
  });
  setInterval(() => {
    if (live && !document.hidden && wait-- <= 0) htmx.trigger(live, "refresh");
  }, REFRESH);

  // --- the choice of columns, in a dialog ---

  const choose = document.getElementById("choose");
  choose.addEventListener("click", (event) => {
    event.preventDefault();
    const asked = new URLSearchParams(new FormData(form, choose));
    asked.set("part", "1");
    const dialog = document.createElement("dialog");
    dialog.className = "choice";
    dialog.setAttribute("aria-label", "Columns");
    document.body.append(dialog);
    dialog.addEventListener("keydown", (pressed) => {
      if (pressed.key === "Enter" && pressed.target.id === "find") pressed.preventDefault(); // it has been looked for
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      choose.focus();
    });
    htmx.ajax("GET", `${choose.formAction.split("?")[0]}?${asked}`, { target: dialog, swap: "innerHTML" }).then(() => {
      dialog.showModal();
      document.getElementById("find")?.focus();
    });
  });

  settle();
  for (const box of boxes()) pick(box, picked.has(box.value));
  const every = document.getElementById("every");
  if (every) every.hidden = false;
  told();
}
