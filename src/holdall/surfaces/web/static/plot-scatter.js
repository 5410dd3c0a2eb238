// A scatter plot: a dot for each run, by two columns.
"use strict";
globalThis.holdallPlots ??= {};

(function (plots) {
  const { svg } = plots;
  const TOP = 34;
  const ROOM = 0.04; // at both ends of an axis
  const RIGHT = 20;
  const LABELS = 150; // px of a line of a label

  /** Draws runs by two columns, and tells which one is looked at. */
  class Scatter {
    /** @param {HTMLElement} place @param {object} view - runs, x, y, logx, logy, colour; say(). */
    constructor(place, view) {
      this.place = place;
      this.view = view;
      this.draw();
    }

    draw() {
      const { x, y, logx, logy, runs, colour } = this.view;
      [this.x, this.y] = [plots.scale(x, logx, ROOM), plots.scale(y, logy, ROOM)];
      const longest = (scale) => Math.max(1, ...scale.marks.map((mark) => plots.lines(mark.text, LABELS).length));
      const left = 16 + Math.min(LABELS, 8 + 6.5 * Math.max(4, ...this.y.marks.map((mark) => mark.text.length)));
      const rows = this.y.words ? this.y.marks.length * (longest(this.y) * 13 + 4) : 0;
      const gap = this.x.words ? 86 : 0;
      const width = Math.max(this.place.clientWidth, left + RIGHT + this.x.marks.length * gap);
      const bottom = 40 + (this.x.words ? Math.max(1, ...this.x.marks.map((mark) => plots.lines(mark.text, 80).length)) * 13 : 14);
      const height = Math.max(380, rows + TOP + bottom);
      this.frame = { left, top: TOP, width: width - left - RIGHT, height: height - TOP - bottom };
      const shades = plots.colours(runs, colour);
      this.dots = runs.map((run, n) => this.dot(run, n, shades[n])).filter(Boolean);
      this.root = svg("svg", { class: "scatter", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", tabindex: 0, "aria-label": `${y.name} by ${x.name}: arrow keys move through the runs` },
        ...this.axes(height), svg("g", { class: "dots" }, ...this.dots));
      this.place.replaceChildren(this.root);
      this.view.missing(runs.length - this.dots.length);
      this.listen();
    }

    left(place) {
      return this.frame.left + place * this.frame.width;
    }

    high(place) {
      return this.frame.top + (1 - place) * this.frame.height;
    }

    axes(height) {
      const { left, top, width, height: high } = this.frame;
      const xs = this.x.marks.map((mark) => svg("g", {}, svg("path", { class: "grid", d: `M${this.left(mark.at)} ${top}v${high}` }),
        plots.label(mark.text, this.left(mark.at), top + high + 16 + (plots.lines(mark.text, 80).length - 1) * 6.5, 80, { class: "middle" })));
      const ys = this.y.marks.map((mark) => svg("g", {}, svg("path", { class: "grid", d: `M${left} ${this.high(mark.at)}h${width}` }),
        plots.label(mark.text, left - 8, this.high(mark.at), LABELS, { class: "end" })));
      const names = [plots.label(this.view.x.name, left + width / 2, height - 10, width, { class: "title middle" }, true), plots.label(this.view.y.name, 2, 14, width, { class: "title" }, true)];
      return [...xs, ...ys, svg("path", { class: "frame", d: `M${left} ${top}v${high}h${width}` }), ...names];
    }

    dot(run, n, shade) {
      const { x, y, colour } = this.view;
      const [across, up] = [this.x.place(x.values[n]), this.y.place(y.values[n])];
      if (across === null || up === null) return null;
      const third = colour ? `, ${colour.name} ${plots.said(colour.values[n])}` : "";
      const said = `${run.name}: ${x.name} ${plots.said(x.values[n])}, ${y.name} ${plots.said(y.values[n])}${third}`;
      return svg("circle", { class: `${shade} filled`, cx: this.left(across).toFixed(1), cy: this.high(up).toFixed(1), r: 5, "data-run": run.id, role: "img", "aria-label": said });
    }

    listen() {
      this.root.addEventListener("pointerover", (event) => this.look(event.target.dataset?.run ? event.target : null));
      this.root.addEventListener("pointerleave", () => this.look(null));
      this.root.addEventListener("blur", () => this.look(null));
      this.root.addEventListener("keydown", (event) => {
        const move = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
        if (!move || !this.dots.length) return;
        const at = this.dots.findIndex((dot) => dot.classList.contains("on"));
        this.look(this.dots[(at + move + this.dots.length) % this.dots.length]);
        event.preventDefault();
        event.stopPropagation();
      });
    }

    look(dot) {
      this.root.classList.toggle("looking", Boolean(dot));
      for (const one of this.dots) one.classList.toggle("on", one === dot);
      this.view.say(dot ? dot.getAttribute("aria-label") : "");
    }
  }

  Object.assign(plots, { Scatter });
})(globalThis.holdallPlots);
