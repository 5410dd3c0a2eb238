// What a chart says in words: the values at the cursor, its points as a table and as CSV.
"use strict";
globalThis.holdallCharts ??= {};

(function (charts) {
  const ROWS = 300; // of a table; the others are in the CSV
  const BOX = 14; // runs in the box at the cursor

  /** Return an element. `parts`: texts and elements in it. */
  function make(name, facts, ...parts) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(facts || {})) made.setAttribute(key, value);
    made.append(...parts);
    return made;
  }

  /** Return a piece of the line of the n-th run. */
  function swatch(n) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    for (const [key, value] of [["class", `swatch c${n % 10} d${n % 4}`], ["viewBox", "0 0 24 8"], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
    path.setAttribute("d", "M0 4H24");
    svg.append(path);
    return svg;
  }

  /** Return a value as a chart says it; one that is not finite by its name. */
  function worded(series, n) {
    const value = series.values[n];
    if (value !== null && value !== undefined) return charts.short(value);
    return series.marks.find((mark) => mark.x === series.x[n])?.value || "NaN";
  }

  /** Return of each curve the point that is nearest to x, the greatest value first. */
  function readings(list, x) {
    const found = list.filter(({ series }) => series.x.length).map((one) => ({ one, n: closest(one.series.x, x) }));
    const value = ({ one, n }) => (one.series.smoothed || one.series.values)[n] ?? -Infinity;
    return found.sort((a, b) => value(b) - value(a));
  }

  function closest(list, x) {
    let [low, high] = [0, list.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] < x) low = middle + 1;
      else high = middle;
    }
    return low && x - list[low - 1] <= list[low] - x ? low - 1 : low;
  }

  /** Fill a box with the values at x. */
  function fill(box, list, x, axis) {
    const all = readings(list, x);
    const smooth = all.some(({ one }) => one.series.smoothed);
    const rows = all.slice(0, BOX).map(({ one, n }) => {
      const cells = [make("td", {}, swatch(one.at)), make("th", { scope: "row" }, one.name)];
      if (smooth) cells.push(make("td", { class: "num" }, charts.short(one.series.smoothed?.[n])));
      cells.push(make("td", { class: smooth ? "num muted" : "num" }, worded(one.series, n)), make("td", { class: "num muted" }, charts.place(one.series.x[n], axis)));
      return make("tr", {}, ...cells);
    });
    const parts = [make("table", {}, make("tbody", {}, ...rows))];
    if (all.length > BOX) parts.push(make("p", { class: "muted" }, `and ${all.length - BOX} lower`));
    box.replaceChildren(...parts);
  }

  /** Return the points of curves as rows, by x, then by run. */
  function rowsOf(list) {
    const rows = list.flatMap((one) => one.series.x.map((x, n) => ({ x, n, one })));
    return rows.sort((a, b) => a.x - b.x || a.one.at - b.one.at || a.n - b.n);
  }

  /** Return the points of curves as a table, as many as can be read. */
  function table(key, list, axis) {
    const rows = rowsOf(list);
    const several = list.length > 1;
    const smooth = list.some(({ series }) => series.smoothed);
    const titles = [axis === "step" ? "Step" : "Time", ...(several ? ["Run"] : []), "Value", ...(smooth ? ["Smoothed"] : [])];
    const head = make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title)));
    const body = rows.slice(0, ROWS).map(({ x, n, one }) => make("tr", {}, make("td", { class: "num" }, charts.place(x, axis)),
      ...(several ? [make("td", {}, one.name)] : []), make("td", { class: "num" }, worded(one.series, n)),
      ...(smooth ? [make("td", { class: "num" }, charts.short(one.series.smoothed?.[n]))] : [])));
    const caption = rows.length > ROWS ? `${key}: the first ${ROWS} of ${rows.length} points that are drawn; all are in the CSV` : key;
    return make("table", { class: "rows" }, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...body));
  }

  /** Return how many of the points of curves are drawn, and what cannot be. */
  function extent(list, look) {
    const sum = (name) => list.reduce((all, { series }) => all + series[name], 0);
    const number = (n) => n.toLocaleString("en");
    const [shown, count] = [list.reduce((all, { series }) => all + series.x.length, 0), sum("count")];
    const said = [shown < count ? `${number(shown)} of ${number(count)} points` : `${number(count)} point${count === 1 ? "" : "s"}`];
    const marked = list.reduce((all, { series }) => all + series.marks.length, 0);
    if (marked) said.push(`${number(marked)} not finite`);
    if (look.log && sum("hidden")) said.push(`${number(sum("hidden"))} of 0 or less cannot be shown on a log scale`);
    return said.join(" · ");
  }

  /** Return the points of curves as CSV. */
  function csv(key, list) {
    const quoted = (text) => `"${String(text).replace(/"/g, '""').replace(/^([=+\-@\t\r])/, "'$1")}"`;
    const rows = rowsOf(list).map(({ x, n, one }) => {
      const value = one.series.values[n] ?? worded(one.series, n);
      return [quoted(one.series.run_id), quoted(key), x, value].join(",");
    });
    return ["run_id,key,x,value", ...rows].join("\r\n") + "\r\n";
  }

  /** Have the browser keep a file. */
  function save(name, href) {
    const link = make("a", { href, download: name });
    document.body.append(link);
    link.click();
    link.remove();
  }

  Object.assign(charts, { make, swatch, fill, readings, table, extent, csv, save, worded });
})(globalThis.holdallCharts);
