// The charts of a page: what they share, which of them are in view, and how that stands in the address.
"use strict";
globalThis.holdallCharts ??= {};

(function (charts) {
  const EVERY = 5000; // ms between two looks at what is new
  const NEAR = "200px"; // around what is in view
  const PAUSE = 250; // ms that a slider rests before it counts

  class Panel {
    /** @param {HTMLElement} section */
    constructor(section) {
      this.section = section;
      this.runs = JSON.parse(section.querySelector(".chart-facts").textContent).runs;
      this.sync = `charts-${section.id}`;
      const { axis, log, smooth, zoom } = section.dataset;
      const wide = section.querySelector(".chart.is-wide")?.dataset.key || "";
      this.state = { axis, log: log === "1", smooth: Number(smooth), zoom: zoom ? zoom.split(":").map(Number) : null, wide };
      this.chosen = false;
      this.active = null;
      this.cards = new Map(); // element -> card
      this.source = this.opened();
      this.eye = new IntersectionObserver((seen) => seen.forEach((one) => this.cards.get(one.target)?.show(one.isIntersecting)), { rootMargin: NEAR });
      this.ruler = new ResizeObserver((sized) => sized.forEach((one) => this.cards.get(one.target.closest(".chart"))?.resize()));
      this.take();
      this.listen();
      this.follow();
    }

    opened() {
      if (this.section.dataset.series) return new charts.Source(this.section.dataset.series);
      const addresses = [...this.section.querySelectorAll(".chart")].map((one) => [one.dataset.key, one.dataset.file]);
      return new charts.Files(new Map(addresses), new Map(this.runs.map((run) => [run.id, run.start])));
    }

    /** Take the charts that are in the page now; those that left it are forgotten. */
    take() {
      for (const [figure, card] of this.cards) {
        if (figure.isConnected) continue;
        card.show(false);
        this.eye.unobserve(figure);
        this.cards.delete(figure);
      }
      for (const figure of this.section.querySelectorAll(".chart")) {
        if (this.cards.has(figure)) continue;
        this.cards.set(figure, new charts.Card(figure, this));
        this.eye.observe(figure);
        this.ruler.observe(figure.querySelector(".chart-plot"));
      }
    }

    /** Return the runs that are drawn. */
    drawn() {
      return this.runs.filter((run) => run.drawn);
    }

    listen() {
      const on = (name, event, does) => this.section.querySelector(name)?.addEventListener(event, does);
      on(".chart-axis", "change", (event) => this.set({ axis: event.target.value, zoom: null }));
      on(".chart-log", "change", (event) => this.set({ log: event.target.checked }));
      on(".chart-reset", "click", () => this.set({ zoom: null }));
      on(".chart-runs", "change", () => this.choose());
      on(".chart-smooth", "input", (event) => {
        this.section.querySelector(".chart-smoothing output").textContent = Number(event.target.value).toFixed(2);
        clearTimeout(this.resting);
        this.resting = setTimeout(() => this.set({ smooth: Number(event.target.value) }), PAUSE);
      });
      document.addEventListener("holdall:theme", () => this.redraw());
      document.addEventListener("htmx:afterSettle", () => this.take());
    }

    choose() {
      const ticked = new Set([...this.section.querySelectorAll(".chart-runs input:checked")].map((box) => box.value));
      for (const run of this.runs) run.drawn = ticked.has(run.id);
      this.chosen = true;
      this.set({});
    }

    /** Change how the charts are looked at; the address says it from now on. */
    set(changes) {
      Object.assign(this.state, changes);
      this.section.querySelector(".chart-reset").disabled = !this.state.zoom;
      for (const [figure, card] of this.cards) {
        const wide = card.key === this.state.wide;
        figure.classList.toggle("is-wide", wide);
        figure.querySelector(".chart-wide").setAttribute("aria-pressed", String(wide));
        card.update();
      }
      this.tell();
    }

    redraw() {
      for (const card of this.cards.values()) if (card.plot) card.draw();
    }

    activate(card) {
      const before = this.active;
      this.active = card;
      if (before && before !== card) before.box.hidden = true;
    }

    /** Write what is looked at into the address, and into the links and forms that keep it. */
    tell() {
      const { axis, log, smooth, zoom, wide } = this.state;
      const said = { axis: axis === "step" ? "" : axis, log: log ? "1" : "", smooth: smooth || "", zoom: zoom ? zoom.join(":") : "", wide };
      const draw = this.chosen ? this.drawn().map((run) => run.id) : null;
      const put = (address) => {
        const url = new URL(address, location.href);
        for (const [name, value] of Object.entries(said)) value === "" ? url.searchParams.delete(name) : url.searchParams.set(name, value);
        if (draw) url.searchParams.delete("draw");
        for (const run of draw || []) url.searchParams.append("draw", run);
        return url;
      };
      history.replaceState(history.state, "", put(location.href));
      for (const link of this.section.querySelectorAll("#chart-list a")) link.href = put(link.getAttribute("href"));
      this.tellForm(said, draw);
    }

    tellForm(said, draw) {
      const form = this.section.querySelector(".chart-find");
      if (!form) return;
      const names = [...Object.keys(said), ...(draw ? ["draw"] : [])];
      for (const input of form.querySelectorAll("input[type=hidden]")) if (names.includes(input.name)) input.remove();
      const pairs = [...Object.entries(said).filter(([, value]) => value !== ""), ...(draw || []).map((run) => ["draw", run])];
      form.prepend(...pairs.map(([name, value]) => charts.make("input", { type: "hidden", name, value })));
    }

    /** While runs go on, and somebody looks, ask for what is new. */
    follow() {
      if (!this.runs.some((run) => run.running) || !this.section.isConnected) return;
      setTimeout(async () => {
        if (!document.hidden) await this.look();
        this.follow();
      }, EVERY);
    }

    /** Ask for what is new of the charts in view. */
    async look() {
      const going = this.section.querySelector(".chart-live");
      const seen = [...this.cards.values()].filter((card) => card.seen && card.whole.size);
      const keys = new Set(seen.map((card) => card.key));
      try {
        if (seen.length) await this.source.follow(keys, seen[0].look(), (key, whole) => seen.forEach((card) => card.key === key && card.grow(whole)));
        going.textContent = "live";
      } catch (error) {
        going.textContent = `not live: ${error.message}`;
      }
    }
  }

  Object.assign(charts, { Panel });
  for (const section of document.querySelectorAll(".charts")) charts.panel = new Panel(section);
})(globalThis.holdallCharts);
