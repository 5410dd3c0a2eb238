// One chart: read when it comes into view, drawn, zoomed, moved through by keys, shown as a table.
"use strict";
globalThis.holdallCharts ??= {};

(function (charts) {
  const LEAST = 120; // points that are asked for, however narrow a chart is
  const MOST = 1600;

  class Card {
    /** @param {HTMLElement} figure @param {object} panel - what all charts of the page share. */
    constructor(figure, panel) {
      this.figure = figure;
      this.panel = panel;
      this.key = figure.dataset.key;
      this.place = figure.querySelector(".chart-plot");
      this.said = figure.querySelector(".chart-said");
      this.rows = figure.querySelector(".chart-rows");
      this.box = charts.make("div", { class: "chart-box", hidden: "" });
      this.asTable = false;
      this.seen = false;
      this.asked = ""; // the look of what is known or on its way
      this.known = ""; // the look of `whole`
      this.whole = new Map(); // run -> its series
      this.part = null; // run -> its series between the ends of the zoom
      this.turn = 0;
      this.listen();
    }

    listen() {
      const on = (name, does) => this.figure.querySelector(name)?.addEventListener("click", does);
      on(".chart-table", () => this.turnTable());
      on(".chart-csv", () => this.save());
      on(".chart-wide", () => this.panel.set({ wide: this.panel.state.wide === this.key ? "" : this.key }));
      this.place.addEventListener("keydown", (event) => this.press(event));
      this.place.addEventListener("pointerenter", () => this.panel.activate(this));
      this.place.addEventListener("focus", () => this.panel.activate(this));
      this.place.addEventListener("pointerleave", () => this.panel.activate(null));
      this.place.addEventListener("blur", () => this.panel.activate(null));
    }

    /** Return how it is looked at now, but for the zoom. */
    look() {
      const { axis, log, smooth } = this.panel.state;
      const width = this.place.clientWidth || 400;
      const points = Math.min(MOST, Math.max(LEAST, Math.ceil(width / 100) * 100));
      return { axis, log, smooth, zoom: null, runs: this.panel.drawn().map((run) => run.id), points: this.fewer(points) };
    }

    /** Return fewer points where many curves are drawn: all together are no more than can be seen. */
    fewer(points) {
      return Math.max(LEAST, Math.min(points, Math.floor(12000 / Math.max(1, this.panel.drawn().length))));
    }

    /** Come into view, or leave it: a chart that nobody sees holds no canvas. */
    show(seen) {
      this.seen = seen;
      if (seen) this.update();
      else this.drop();
    }

    /** Read what is looked at, where it is not known, and draw it. */
    async update() {
      if (!this.seen) return;
      const look = this.look();
      const name = JSON.stringify([look, this.panel.state.zoom]);
      if (name === this.asked) return this.plot || this.draw();
      this.asked = name;
      const turn = (this.turn += 1);
      this.figure.dataset.state = "reading";
      try {
        if (JSON.stringify(look) !== this.known) {
          const whole = await this.panel.source.read(this.key, look);
          if (turn !== this.turn) return;
          [this.whole, this.known] = [whole, JSON.stringify(look)];
        }
        this.part = null;
        this.draw();
        await this.refine(look, turn);
        if (turn === this.turn) this.figure.dataset.state = "drawn";
      } catch (error) {
        if (turn === this.turn) this.fail(error);
      }
    }

    /** Read the points between the ends of the zoom, where some of them were left out. */
    async refine(look, turn) {
      const zoom = this.panel.state.zoom;
      if (!zoom || [...this.whole.values()].every((one) => one.shown >= one.count)) return;
      const part = await this.panel.source.read(this.key, { ...look, zoom });
      if (turn !== this.turn) return;
      this.part = part;
      this.draw();
    }

    fail(error) {
      this.drop();
      this.asked = "";
      this.figure.dataset.state = "failed";
      this.said.textContent = `cannot be read: ${error.message}`;
    }

    /** Take what is new of a run that goes on. */
    grow(whole) {
      this.whole = whole;
      if (this.seen) this.draw();
    }

    /** Return the curves: of each run what is known between the ends of the zoom, and around it. */
    curves() {
      const zoom = this.panel.state.zoom;
      const found = [];
      for (const run of this.panel.drawn()) {
        const whole = this.whole.get(run.id);
        if (!whole) continue;
        const part = zoom && this.part?.get(run.id);
        found.push({ name: run.name, at: run.at, id: run.id, series: part ? around(whole, part, zoom) : whole });
      }
      return found;
    }

    /** Return the curves as far as they are in view. */
    inside(list) {
      const zoom = this.panel.state.zoom;
      return zoom ? list.map((one) => ({ ...one, series: cut(one.series, zoom, this.part?.get(one.id)) })) : list;
    }

    draw() {
      const list = this.curves();
      const seen = this.inside(list);
      this.drop();
      this.said.textContent = charts.extent(seen, this.panel.state);
      this.place.setAttribute("aria-label", `Chart of ${this.key}: ${this.said.textContent}. Arrows move through it, plus and minus zoom.`);
      this.figure.dataset.points = String(list.reduce((all, { series }) => all + series.x.length, 0));
      if (this.asTable) this.rows.replaceChildren(charts.table(this.key, seen, this.panel.state.axis));
      if (this.asTable || !list.length) return;
      const look = { ...this.panel.state, sync: this.panel.sync };
      const hooks = { select: (from, to) => this.panel.set({ zoom: [from, to] }), reset: () => this.panel.set({ zoom: null }), cursor: (u) => this.read(u) };
      this.plot = charts.draw(this.place, list, look, hooks);
      this.list = list;
      this.plot.over.append(this.box);
    }

    drop() {
      this.plot?.destroy();
      this.plot = null;
    }

    resize() {
      if (!this.plot) return;
      const [width, height] = [this.place.clientWidth, this.place.clientHeight];
      if (width && (width !== this.plot.width || height !== this.plot.height)) this.plot.setSize({ width, height });
    }

    /** Say the values at the cursor, if this is the chart that is looked at. */
    read(u) {
      const at = u.cursor.idx;
      const active = this.panel.active === this && at !== null && at !== undefined && u.cursor.left >= 0;
      this.box.hidden = !active;
      if (!active) return;
      charts.fill(this.box, this.list, u.data[0][at], this.panel.state.axis);
      this.box.classList.toggle("is-left", u.cursor.left > u.over.clientWidth / 2);
    }

    press(event) {
      const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (move !== undefined && this.plot) this.move(event.shiftKey ? move * 10 : move);
      else if (event.key === "+" || event.key === "-") this.scale(event.key === "+" ? 0.5 : 2);
      else if (event.key === "0" || event.key === "Escape") this.panel.set({ zoom: null });
      else if (event.key === "Enter") this.figure.querySelector(".chart-wide").click();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    move(by) {
      const all = this.plot.data[0];
      const { min, max } = this.plot.scales.x;
      const [first, last] = [all.findIndex((x) => x >= min), all.findLastIndex((x) => x <= max)];
      const from = this.plot.cursor.left >= 0 ? this.plot.cursor.idx ?? first : by > 0 ? first - 1 : last + 1;
      const at = Math.min(last, Math.max(first, from + by));
      this.plot.setCursor({ left: this.plot.valToPos(all[at], "x"), top: this.plot.over.clientHeight / 2 });
    }

    scale(by) {
      if (!this.plot) return;
      const { min, max } = this.plot.scales.x;
      const middle = this.plot.cursor.left >= 0 ? this.plot.posToVal(this.plot.cursor.left, "x") : (min + max) / 2;
      const half = Math.max(1, ((max - min) * by) / 2);
      this.panel.set({ zoom: [Math.floor(middle - half), Math.ceil(middle + half)] });
    }

    turnTable() {
      this.asTable = !this.asTable;
      this.figure.querySelector(".chart-table").setAttribute("aria-pressed", String(this.asTable));
      [this.rows.hidden, this.place.hidden] = [!this.asTable, this.asTable];
      this.seen = true;
      this.asked && this.draw();
    }

    save() {
      const name = this.key.replace(/[^\w.-]+/g, "_") + ".csv";
      if (this.panel.source.link) charts.save(name, this.panel.source.link([this.key], { ...this.look(), zoom: this.panel.state.zoom }, { format: "csv" }));
      else charts.save(name, URL.createObjectURL(new Blob([charts.csv(this.key, this.inside(this.curves()))], { type: "text/csv" })));
    }
  }

  /** Return a series with the points of a part of it instead of those that it has there. */
  function around(whole, part, [from, to]) {
    const before = whole.x.findIndex((x) => x >= from);
    const head = before < 0 ? whole.x.length : before;
    const after = whole.x.findIndex((x) => x > to);
    const found = { ...whole, marks: [...whole.marks.filter(({ x }) => x < from || x > to), ...part.marks] };
    for (const name of ["x", "values", "smoothed", "steps"]) {
      if (whole[name]) found[name] = [...whole[name].slice(0, head), ...part[name], ...(after < 0 ? [] : whole[name].slice(after))];
    }
    return found;
  }

  /** Return the part of a series between two ends, with how many points it has there. */
  function cut(series, [from, to], part) {
    const keep = series.x.map((x) => x >= from && x <= to);
    const found = { ...series, marks: series.marks.filter(({ x }) => x >= from && x <= to) };
    for (const name of ["x", "values", "smoothed", "steps"]) if (series[name]) found[name] = series[name].filter((_, n) => keep[n]);
    const whole = series.shown >= series.count;
    return { ...found, count: part ? part.count : whole ? found.x.length : series.count, hidden: part ? part.hidden : series.hidden };
  }

  Object.assign(charts, { Card });
})(globalThis.holdallCharts);
