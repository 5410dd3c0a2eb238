// Parallel coordinates: an axis for each column, a line for each run.
"use strict";
globalThis.holdallPlots ??= {};

(function (plots) {
  const { svg } = plots;
  const AXIS = 190; // px between two axes, at least
  const LEFT = 24;
  const RIGHT = 180; // room for the labels of the last axis
  const LINE = 13;
  const LABELS = 130; // px of a line of a label
  const BAR = 22; // px around an axis that take a brush

  /** Draws runs, tells which of them are within the brushes, and which one is looked at. */
  class Parallel {
    /** @param {HTMLElement} place @param {object} view - runs, columns, brushes (name -> [from, to]), told(). */
    constructor(place, view) {
      this.place = place;
      this.view = view;
      this.draw();
    }

    draw() {
      const { columns, runs, colour } = this.view;
      const titles = columns.map((column) => plots.lines(column.name, LABELS + 30));
      this.top = Math.max(...titles.map((one) => one.length), 1) * LINE + 16;
      this.scales = columns.map((column) => plots.scale(column, false));
      this.height = Math.max(360, ...this.scales.map((scale) => this.needed(scale)));
      const gap = Math.max(AXIS, (this.place.clientWidth - LEFT - RIGHT) / Math.max(1, columns.length - 1));
      this.at = columns.map((_, n) => LEFT + n * gap);
      const [width, height] = [LEFT + RIGHT + gap * (columns.length - 1), this.top + this.height + 34];
      const shades = plots.colours(runs, colour);
      this.lines = runs.map((run, n) => this.line(run, n, shades[n]));
      this.root = svg("svg", { class: "parallel", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Parallel coordinates: arrow keys move through the runs", tabindex: 0 },
        svg("g", { class: "lines" }, ...this.lines), ...columns.map((column, n) => this.axis(column, n)));
      this.place.replaceChildren(this.root);
      this.listen();
      this.mark();
    }

    /** Return the height at which no label of an axis of words lies on another. */
    needed(scale) {
      const tallest = Math.max(1, ...scale.marks.map((mark) => plots.lines(mark.text, LABELS).length));
      return scale.words ? (scale.marks.length - 1) * (tallest * LINE + 4) : 0;
    }

    y(n, value) {
      const place = this.scales[n].place(value);
      return place === null ? this.top + this.height + 18 : this.top + (1 - place) * this.height;
    }

    line(run, n, shade) {
      const points = this.view.columns.map((column, at) => `${this.at[at]} ${this.y(at, column.values[n]).toFixed(1)}`);
      const facts = this.view.columns.map((column) => `${column.name} ${plots.said(column.values[n])}`).join(", ");
      return svg("path", { class: `run ${shade}`, d: `M${points.join("L")}`, "data-run": run.id, role: "img", "aria-label": `${run.name}: ${facts}` });
    }

    axis(column, n) {
      const x = this.at[n];
      const bottom = this.top + this.height;
      const marks = this.scales[n].marks.map((mark) => {
        const y = this.top + (1 - mark.at) * this.height;
        return svg("g", {}, svg("path", { class: "tick", d: `M${x - 4} ${y}H${x}` }), plots.label(mark.text, x + 7, y, LABELS, { class: "halo" }));
      });
      const none = column.values.includes(null) ? [plots.label("none", x + 7, bottom + 18, LABELS, { class: "halo muted" })] : [];
      const bar = svg("rect", { class: "bar", x: x - BAR / 2, y: this.top - 6, width: BAR, height: this.height + 12, "data-axis": n });
      const held = svg("rect", { class: "held", x: x - 7, width: 14, "data-axis": n, y: 0, height: 0 });
      return svg("g", { class: "axis" }, svg("path", { d: `M${x} ${this.top}V${bottom}` }), plots.label(column.name, x - 6, this.top - 12, LABELS + 30, { class: "title" }, true), ...marks, ...none, held, bar);
    }

    listen() {
      this.root.addEventListener("pointerover", (event) => this.look(event.target.dataset?.run || null));
      this.root.addEventListener("pointerleave", () => this.look(null));
      this.root.addEventListener("pointerdown", (event) => this.grip(event));
      this.root.addEventListener("keydown", (event) => this.press(event));
      this.root.addEventListener("blur", () => this.look(null));
    }

    /** Begin a brush on an axis. */
    grip(event) {
      const n = Number(event.target.dataset?.axis ?? NaN);
      if (Number.isNaN(n)) return;
      const name = this.view.columns[n].name;
      const at = (one) => Math.min(1, Math.max(0, 1 - (one.clientY - this.root.getBoundingClientRect().top - this.top) / this.height));
      const from = at(event);
      const move = (one) => {
        const span = [Math.min(from, at(one)), Math.max(from, at(one))];
        if (span[1] - span[0] < 0.01) this.view.brushes.delete(name);
        else this.view.brushes.set(name, span);
        this.mark();
      };
      const end = (one) => {
        move(one);
        this.root.removeEventListener("pointermove", move);
        this.view.told();
      };
      this.root.setPointerCapture(event.pointerId);
      this.root.addEventListener("pointermove", move);
      this.root.addEventListener("pointerup", end, { once: true });
      event.preventDefault();
    }

    press(event) {
      const move = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      const kept = this.kept();
      if (move && kept.length) {
        const at = kept.findIndex((run) => run.id === this.view.looked);
        this.look(kept[(at + move + kept.length) % kept.length].id);
      } else if (event.key === "Escape") {
        this.view.brushes.clear();
        this.mark();
        this.view.told();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    }

    /** Return the runs within all brushes. */
    kept() {
      return this.view.runs.filter((_, n) => this.view.columns.every((column, at) => {
        const span = this.view.brushes.get(column.name);
        const place = this.scales[at].place(column.values[n]);
        return !span || (place !== null && place >= span[0] && place <= span[1]);
      }));
    }

    /** Show what the brushes hold. */
    mark() {
      const kept = new Set(this.kept().map((run) => run.id));
      for (const line of this.lines) line.classList.toggle("out", !kept.has(line.dataset.run));
      for (const held of this.root.querySelectorAll(".held")) {
        const span = this.view.brushes.get(this.view.columns[Number(held.dataset.axis)].name);
        held.setAttribute("y", span ? this.top + (1 - span[1]) * this.height : 0);
        held.setAttribute("height", span ? (span[1] - span[0]) * this.height : 0);
      }
      this.view.count([...kept]);
    }

    /** Bring a run to the front. */
    look(id) {
      this.view.looked = id;
      this.root.classList.toggle("looking", Boolean(id));
      for (const line of this.lines) line.classList.toggle("on", line.dataset.run === id);
      const line = this.lines.find((one) => one.dataset.run === id);
      this.view.say(line ? line.getAttribute("aria-label") : "");
    }
  }

  Object.assign(plots, { Parallel });
})(globalThis.holdallPlots);
