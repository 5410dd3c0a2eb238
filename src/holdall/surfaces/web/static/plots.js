// The page of plots of runs: which columns are chosen, and how that stands in the address.
"use strict";
globalThis.holdallPlots ??= {};

(function (plots) {
  /** Return an element of HTML. */
  function make(name, facts, ...parts) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(facts || {})) made.setAttribute(key, value);
    made.append(...parts);
    return made;
  }

  class Page {
    /** @param {HTMLElement} section */
    constructor(section) {
      this.section = section;
      const facts = JSON.parse(section.querySelector(".plot-facts").textContent);
      this.runs = facts.runs;
      this.columns = new Map(facts.columns.map((column) => [column.name, column]));
      this.find = (name) => section.querySelector(name);
      this.kind = section.dataset.kind;
      this.brushes = new Map(facts.brushes);
      this.axes = facts.axes;
      this.said = this.find(".plot-said");
      section.addEventListener("change", (event) => this.changed(event));
      document.addEventListener("holdall:theme", () => this.draw());
      new ResizeObserver(() => this.resized()).observe(this.find(".plot-place"));
      this.draw();
    }

    resized() {
      const width = this.find(".plot-place").clientWidth;
      if (this.width !== undefined && Math.abs(width - this.width) > 8) this.draw();
      this.width = width;
    }

    changed(event) {
      if (event.target.classList.contains("plot-axis")) this.axes = [...this.section.querySelectorAll(".plot-axis:checked")].map((box) => box.value);
      const missing = [...this.section.querySelectorAll("select")].some((select) => select.value && !this.columns.has(select.value));
      this.tell();
      if (missing) location.reload(); // its values are not here
      else this.draw();
    }

    column(name) {
      return this.columns.get(this.find(name)?.value);
    }

    draw() {
      const place = this.find(".plot-place");
      const colour = this.column(".plot-colour");
      const common = { runs: this.runs, colour, say: (text) => this.say(text) };
      this.find(".plot-legend").replaceChildren(...(colour ? plots.legend(colour, make) : []));
      if (this.kind === "parallel") {
        const columns = this.axes.map((name) => this.columns.get(name)).filter(Boolean);
        if (!columns.length) return place.replaceChildren(make("p", { class: "hint" }, "Choose axes: nothing differs between these runs by itself."));
        this.plot = new plots.Parallel(place, { ...common, columns, brushes: this.brushes, told: () => this.tell(), count: (kept) => this.count(kept) });
      } else {
        const [x, y] = [this.column(".plot-x"), this.column(".plot-y")];
        if (!x || !y) return place.replaceChildren(make("p", { class: "hint" }, "Choose what is across and what is up."));
        const [logx, logy] = [this.find(".plot-logx").checked && x.numeric, this.find(".plot-logy").checked && y.numeric];
        this.plot = new plots.Scatter(place, { ...common, x, y, logx, logy, missing: (count) => this.missing(count) });
      }
      return undefined;
    }

    say(text) {
      this.said.textContent = text;
    }

    missing(count) {
      this.find(".plot-count").textContent = count ? `${count} of ${this.runs.length} runs have no place here: they lack a value, or it is no number of the scale` : `${this.runs.length} runs`;
    }

    count(kept) {
      const link = this.find(".plot-these");
      this.find(".plot-count").textContent = kept.length < this.runs.length ? `${kept.length} of ${this.runs.length} runs` : `${this.runs.length} runs`;
      if (!link) return;
      link.hidden = kept.length === this.runs.length || !kept.length;
      const url = new URL(link.getAttribute("href"), location.href);
      url.searchParams.delete("run");
      for (const id of kept) url.searchParams.append("run", id);
      link.href = url;
    }

    /** Write what is chosen into the address. */
    tell() {
      const url = new URL(location.href);
      for (const [name, value] of [["x", this.find(".plot-x")?.value], ["y", this.find(".plot-y")?.value], ["colour", this.find(".plot-colour")?.value]]) {
        if (value) url.searchParams.set(name, value);
        else url.searchParams.delete(name);
      }
      for (const name of ["logx", "logy"]) this.find(`.plot-${name}`)?.checked ? url.searchParams.set(name, "1") : url.searchParams.delete(name);
      url.searchParams.delete("col");
      url.searchParams.delete("brush");
      if (this.kind === "parallel") {
        for (const name of this.axes) url.searchParams.append("col", name);
        for (const [name, span] of this.brushes) url.searchParams.append("brush", `${span.map((one) => +one.toFixed(3)).join(":")}:${name}`);
      }
      history.replaceState(history.state, "", url);
    }
  }

  for (const section of document.querySelectorAll(".plots")) plots.page = new Page(section);
})(globalThis.holdallPlots);
