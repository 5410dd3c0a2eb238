// Points of charts: asked for together, a few metrics at a time, and brought up to date by what is new.
"use strict";
globalThis.holdallCharts ??= {};

(function (charts) {
  const TOGETHER = 240000; // points of an answer: as the server bounds it
  const KEYS = 4; // metrics of an answer
  const WAIT = 30; // ms in which charts that come into view together ask together

  /**
   * A series as a chart draws it. `x` rises; a value that is null is not finite, and `marks` say what it is.
   * @typedef {{run_id: string, key: string, count: number, shown: number, hidden: number, x: number[],
   *   values: (number|null)[], smoothed: ?(number|null)[], steps: ?number[], times: ?number[],
   *   marks: {x: number, value: string}[]}} Series
   * @typedef {{axis: string, log: boolean, smooth: number, zoom: ?number[], runs: string[], points: number}} Look
   */

  /** Asks a server for points. */
  class Source {
    /** @param {string} address - where points are. */
    constructor(address) {
      this.address = address;
      this.waiting = new Map(); // what is asked, as text -> [{key, look, found, failed}]
      this.batches = new Set(); // answers that may be followed
      this.asked = 0;
    }

    /** Return the series of a metric, by run. @returns {Promise<Map<string, Series>>} */
    read(key, look) {
      return new Promise((found, failed) => {
        const name = JSON.stringify(look);
        if (!this.waiting.size) setTimeout(() => this.send(), WAIT);
        if (!this.waiting.has(name)) this.waiting.set(name, []);
        this.waiting.get(name).push({ key, look, found, failed });
      });
    }

    send() {
      const groups = [...this.waiting.values()];
      this.waiting.clear();
      for (const group of groups) {
        const look = group[0].look;
        const room = Math.floor(TOGETHER / (look.runs.length * look.points || 1));
        const size = Math.max(1, Math.min(KEYS, room));
        for (let at = 0; at < group.length; at += size) this.sendSome(group.slice(at, at + size), look);
      }
    }

    async sendSome(some, look) {
      const batch = { keys: [...new Set(some.map((one) => one.key))], look, cursor: "", known: new Map() };
      try {
        await this.refresh(batch);
        if (!look.zoom) this.batches.add(batch);
        for (const one of some) one.found(batch.known.get(one.key) || new Map());
      } catch (error) {
        for (const one of some) one.failed(error);
      }
    }

    /** Bring a batch up to date. @returns {Promise<boolean>} whether anything is new. */
    async refresh(batch) {
      const answer = await asked(this.link(batch.keys, batch.look, { since: batch.cursor }));
      this.asked += 1;
      const before = batch.cursor;
      batch.cursor = answer.cursor;
      batch.unreadable = answer.unreadable;
      if (before && before === answer.cursor) return false;
      for (const one of answer.histories) {
        if (!batch.known.has(one.key)) batch.known.set(one.key, new Map());
        const runs = batch.known.get(one.key);
        runs.set(one.run_id, continued(runs.get(one.run_id), one));
      }
      return true;
    }

    /** Return the address of the points of some metrics. */
    link(keys, look, more) {
      const pairs = [...look.runs.map((run) => ["run", run]), ...keys.map((key) => ["key", key])];
      pairs.push(["points", look.points]);
      if (look.axis !== "step") pairs.push(["axis", look.axis]);
      if (look.log) pairs.push(["log", 1]);
      if (look.smooth) pairs.push(["smooth", look.smooth]);
      if (look.zoom) pairs.push(["zoom", look.zoom.join(":")]);
      for (const [name, value] of Object.entries(more || {})) if (value) pairs.push([name, value]);
      return this.address + "?" + new URLSearchParams(pairs);
    }

    /** Ask for what is new of the batches that some metrics are in; tell of each that has changed. */
    async follow(keys, look, tell) {
      const name = shape(look);
      for (const batch of [...this.batches]) {
        if (shape(batch.look) !== name) this.batches.delete(batch);
        else if (batch.keys.some((key) => keys.has(key)) && (await this.refresh(batch))) {
          for (const key of batch.keys) tell(key, batch.known.get(key) || new Map());
        }
      }
    }
  }

  /** Reads points from files of a static site, and does there what else the server does. */
  class Files {
    constructor(addresses, starts) {
      this.addresses = addresses; // metric -> where its points are
      this.starts = starts; // run -> when it began
      this.known = new Map();
    }

    async read(key, look) {
      if (!this.known.has(key)) this.known.set(key, asked(this.addresses.get(key)));
      const found = new Map();
      for (const one of (await this.known.get(key)).histories) {
        if (look.runs.includes(one.run_id)) found.set(one.run_id, looked(one, look, this.starts.get(one.run_id)));
      }
      return found;
    }

    async follow() {}
  }

  /** Return a series as another axis, scale and smoothing show it. */
  function looked(one, look, start) {
    const steps = one.x;
    const at = { step: one.x, time: one.times, relative: one.times.map((time) => time - start) }[look.axis];
    const order = at.map((_, n) => n).sort((a, b) => at[a] - at[b] || a - b);
    const curve = look.smooth ? smoothed(one.values, look.smooth) : null;
    const named = new Map(one.marks.map((mark) => [mark.x, mark.value]));
    const marks = order.filter((n) => one.values[n] === null).map((n) => ({ x: at[n], value: named.get(steps[n]) || "NaN" }));
    const hidden = look.log ? one.values.filter((value) => value !== null && value <= 0).length : 0;
    return { ...one, x: pick(at, order), values: pick(one.values, order), smoothed: curve && pick(curve, order), steps: pick(steps, order), marks, hidden };
  }

  /** Return what of a look makes its points other points, however many there are. */
  const shape = (look) => JSON.stringify({ ...look, points: 0, zoom: null });

  const pick = (list, order) => order.map((n) => list[n]);

  /** Return the moving average without bias at its beginning; the server's rule, over the points that are here. */
  function smoothed(values, weight) {
    let [average, left] = [0, 1];
    return values.map((value) => {
      if (value === null) return null;
      average = weight * average + (1 - weight) * value;
      left *= weight;
      return average / (1 - left);
    });
  }

  function continued(before, one) {
    const whole = { ...one };
    for (const name of ["x", "values", "smoothed", "steps", "times"]) {
      if (one[name]) whole[name] = [...(before && before[name] ? before[name].slice(0, one.keep) : []), ...one[name]];
    }
    return whole;
  }

  /** Return the JSON at an address. Raises an Error with what the server said. */
  async function asked(address) {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    if (answer.ok) return answer.json();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    throw new Error(page.querySelector(".said")?.textContent || `the server answered ${answer.status}`);
  }

  Object.assign(charts, { Source, Files, smoothed });
})(globalThis.holdallCharts);
