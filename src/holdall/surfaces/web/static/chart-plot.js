// Curves on a canvas, drawn by uPlot: how series become its columns, its axes and colours.
"use strict";
globalThis.holdallCharts ??= {};

(function (charts) {
  const DASHES = [[], [8, 4], [2, 3], [9, 3, 2, 3]]; // beside colour, for those who do not tell colours apart
  const COLOURS = 10;
  const FEW = 25; // points that are each shown as a dot
  const FAINT = 0.28;
  const LOOSE = { pad: 0.06, mode: 0 }; // room above and below curves
  const MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000,
    900000, 1800000, 3600000, 7200000, 14400000, 21600000, 43200000, 86400000, 172800000, 432000000, 864000000];

  /** Return a number as an axis says it. */
  function short(value) {
    if (value === null || value === undefined) return "";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e");
    return String(+value.toPrecision(6));
  }

  /** Return milliseconds as hours, minutes and seconds. */
  function span(ms) {
    const [sign, s] = [ms < 0 ? "-" : "", Math.abs(ms) / 1000];
    const two = (n) => String(Math.floor(n)).padStart(2, "0");
    if (s < 60) return `${sign}${+s.toFixed(3)} s`;
    if (s < 3600) return `${sign}${Math.floor(s / 60)}:${two(s % 60)}`;
    const hours = `${Math.floor((s % 86400) / 3600)}:${two((s % 3600) / 60)}:${two(s % 60)}`;
    return s < 86400 ? sign + hours : `${sign}${Math.floor(s / 86400)} d ${hours}`;
  }

  /** Return where a point lies on the x axis, for people. */
  function place(x, axis) {
    if (axis === "time") return new Date(x).toLocaleString();
    return axis === "relative" ? span(x) : x.toLocaleString("en");
  }

  /**
   * Return the columns of curves: one x for all, and values where a curve has one. A curve with several points of the
   * same x keeps all of them; `undefined` is no point, and null a gap.
   */
  function columns(curves) {
    const most = new Map();
    for (const { x } of curves) {
      for (let at = 0, n = 0; at < x.length; at += 1) {
        n = at && x[at] === x[at - 1] ? n + 1 : 1;
        if (n > (most.get(x[at]) || 0)) most.set(x[at], n);
      }
    }
    const [all, first] = [[], new Map()];
    for (const x of [...most.keys()].sort((a, b) => a - b)) {
      first.set(x, all.length);
      for (let n = most.get(x); n; n -= 1) all.push(x);
    }
    const column = ({ x, y }) => {
      const found = new Array(all.length);
      for (let at = 0, n = 0; at < x.length; at += 1) {
        n = at && x[at] === x[at - 1] ? n + 1 : 0;
        found[first.get(x[at]) + n] = y[at];
      }
      return found;
    };
    return [all, ...curves.map(column)];
  }

  /** Return the indices of points with a gap on both sides, which no line shows. */
  function alone(column) {
    const [found, defined] = [[], []];
    column.forEach((value, at) => value !== undefined && defined.push(at));
    defined.forEach((at, n) => {
      const before = n && column[defined[n - 1]] !== null;
      const after = n + 1 < defined.length && column[defined[n + 1]] !== null;
      if (column[at] !== null && !before && !after) found.push(at);
    });
    return found;
  }

  /** Return the index nearest to another one at which a column has a point; null if there is none. */
  function nearest(all, column, at) {
    let [left, right] = [at, at];
    while (left >= 0 && column[left] === undefined) left -= 1;
    while (right < column.length && column[right] === undefined) right += 1;
    if (left < 0) return right < column.length ? right : null;
    if (right >= column.length) return left;
    return all[at] - all[left] <= all[right] - all[at] ? left : right;
  }

  /** Return a colour of the page's sheet. */
  function colour(element, name) {
    return getComputedStyle(element).getPropertyValue(name).trim();
  }

  /** Return how the curve of the n-th run looks. */
  function pen(element, n) {
    return { stroke: colour(element, `--s${(n % COLOURS) + 1}`), dash: DASHES[n % DASHES.length] };
  }

  function curve(element, one, faint) {
    const look = pen(element, one.at);
    const few = one.series.x.length <= FEW && !faint;
    return {
      label: one.name, scale: "y", stroke: look.stroke, dash: faint ? [] : look.dash, width: faint ? 1 : 1.5, alpha: faint ? FAINT : 1,
      points: { show: true, size: 4, width: 1, fill: look.stroke, dash: [], filter: (u, n) => (few ? null : alone(u.data[n])) },
    };
  }

  function axes(element, look) {
    const [ink, line] = [colour(element, "--faint"), colour(element, "--line")];
    const common = { stroke: ink, font: "11px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 } };
    const x = { ...common, size: 26, gap: 3, space: look.axis === "time" ? 70 : 64 };
    if (look.axis === "step") x.values = (u, found) => found.map((value) => (Number.isInteger(value) ? value.toLocaleString("en") : ""));
    if (look.axis === "relative") Object.assign(x, { values: (u, found) => found.map(span), incrs: MS, space: 96 });
    return [x, { ...common, size: 56, gap: 4, values: (u, found) => found.map(short) }];
  }

  function wide(least, most) {
    return least === most ? [least - 1, most + 1] : [least, most];
  }

  /**
   * Draw curves into an element.
   * @param {HTMLElement} element
   * @param {{name: string, at: number, series: object}[]} list - the curves, each with the place of its run.
   * @param {object} look - axis, log, smooth, zoom; `sync` names the charts whose cursors go together.
   * @param {object} hooks - select(from, to), reset(), cursor(uPlot).
   */
  function draw(element, list, look, hooks) {
    const bodies = list.map((one) => curve(element, one, Boolean(one.series.smoothed)));
    const smooth = list.filter((one) => one.series.smoothed).map((one) => curve(element, one, false));
    const options = {
      width: Math.max(120, element.clientWidth), height: Math.max(120, element.clientHeight), ms: 1, legend: { show: false },
      padding: [8, 10, 0, 0],
      scales: { x: { time: look.axis === "time", range: (u, least, most) => look.zoom || (least === null ? [0, 1] : wide(least, most)) }, y: look.log ? { distr: 3 } : { range: { min: LOOSE, max: LOOSE } } },
      axes: axes(element, look),
      series: [{}, ...bodies, ...smooth],
      cursor: {
        sync: { key: look.sync, setSeries: false }, drag: { x: true, y: false, setScale: false, dist: 4 }, y: false,
        dataIdx: (u, n, at) => (n ? nearest(u.data[0], u.data[n], at) : at),
        bind: { dblclick: () => () => hooks.reset() },
      },
      hooks: { setSelect: [(u) => selected(u, hooks)], setCursor: [(u) => hooks.cursor(u)], draw: [(u) => marks(u, element, list)] },
    };
    return new uPlot(options, values(list, look), element);
  }

  /** Return the columns of some curves: what was measured, then what is smoothed. */
  function values(list, look) {
    const shown = (found) => (look.log ? found.map((value) => (value !== null && value <= 0 ? null : value)) : found);
    const raw = list.map(({ series }) => ({ x: series.x, y: shown(series.values) }));
    const smooth = list.filter(({ series }) => series.smoothed).map(({ series }) => ({ x: series.x, y: shown(series.smoothed) }));
    return columns([...raw, ...smooth]);
  }

  function selected(u, hooks) {
    if (u.select.width < 4) return;
    const [from, to] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    hooks.select(Math.floor(from), Math.ceil(to));
  }

  /** Mark where values are not finite: at the top what is infinite, at the bottom what is less, or no number. */
  function marks(u, element, list) {
    const { ctx, bbox } = u;
    const size = 4 * devicePixelRatio;
    ctx.save();
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const { at, series } of list) {
      ctx.strokeStyle = pen(element, at).stroke;
      for (const mark of series.marks) {
        const x = u.valToPos(mark.x, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        const y = mark.value === "Infinity" ? bbox.top + size * 1.5 : bbox.top + bbox.height - size * 1.5;
        ctx.beginPath();
        if (mark.value === "NaN") ctx.rect(x - size, y - size, 2 * size, 2 * size);
        ctx.moveTo(x - size, y - size);
        ctx.lineTo(x + size, y + size);
        ctx.moveTo(x - size, y + size);
        ctx.lineTo(x + size, y - size);
        ctx.stroke();
      }
    }
    ctx.restore();
  }

  Object.assign(charts, { columns, alone, nearest, draw, values, short, place, pen });
})(globalThis.holdallCharts);
