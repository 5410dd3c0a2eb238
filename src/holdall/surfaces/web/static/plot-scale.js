// Scales and words of plots drawn as SVG: where a value lies on an axis, and its labels, which are never cut.
"use strict";
globalThis.holdallPlots ??= {};

(function (plots) {
  const SVG = "http://www.w3.org/2000/svg";
  const LONGEST = 160; // characters of a label; of a longer one both ends are shown, and all of it on hover
  const SHADES = 7;
  const LETTER = 6.2; // px of one, if a browser measures none

  /** Return an element of SVG. */
  function svg(name, facts, ...parts) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(facts || {})) made.setAttribute(key, value);
    made.append(...parts);
    return made;
  }

  /** Return a number as an axis says it. */
  function said(value) {
    if (typeof value !== "number") return value === null ? "none" : value;
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e");
    return String(+value.toPrecision(6));
  }

  /** Return round numbers from least to most. */
  function ticks(least, most, count) {
    const rough = (most - least) / count || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((one) => one >= rough);
    const found = [];
    for (let at = Math.ceil(least / step); at * step <= most + step * 1e-9; at += 1) found.push(at * step);
    return found;
  }

  /** Return round numbers for a log scale: powers of ten, and what is between them where these are few. */
  function decades(least, most) {
    const parts = Math.log10(most / least) > 3 ? [1] : [1, 2, 5];
    const found = [];
    for (let power = Math.floor(Math.log10(least)); power <= Math.log10(most); power += 1) found.push(...parts.map((part) => +`${part}e${power}`));
    const inside = found.filter((value) => value >= least && value <= most);
    return inside.length > 1 ? inside : [least, most];
  }

  /**
   * Return where the values of a column lie between 0 and 1, and the labels there.
   * `room`: what stays free at both ends, as a part of the axis.
   * @returns {{place: function(*): ?number, marks: {at: number, text: string}[], words: ?string[]}}
   */
  function scale(column, log, room = 0) {
    if (!column.numeric) return wordScale(column);
    const shown = column.values.filter((value) => value !== null && (!log || value > 0));
    let [least, most] = [Math.min(...shown), Math.max(...shown)];
    if (!shown.length) return { place: () => null, marks: [], words: null };
    if (least === most) [least, most] = log ? [least / 2, most * 2] : [least - Math.abs(least) / 2 - 0.5, most + Math.abs(most) / 2 + 0.5];
    const [way, back] = log ? [Math.log, Math.exp] : [(value) => value, (value) => value];
    const free = (way(most) - way(least)) * room;
    [least, most] = [back(way(least) - free), back(way(most) + free)];
    const place = (value) => (value === null || (log && value <= 0) ? null : (way(value) - way(least)) / (way(most) - way(least)));
    const marks = (log ? decades(least, most) : ticks(least, most, 5)).map((value) => ({ at: place(value), text: said(value) }));
    return { place, marks, words: null };
  }

  function wordScale(column) {
    const words = [...new Set(column.values.filter((value) => value !== null))].sort((a, b) => compared(String(a), String(b)));
    const at = new Map(words.map((word, n) => [word, words.length === 1 ? 0.5 : n / (words.length - 1)]));
    return { place: (value) => at.get(value) ?? null, marks: words.map((word) => ({ at: at.get(word), text: String(word) })), words };
  }

  const compared = new Intl.Collator("en", { numeric: true }).compare;

  let pen = null;
  function width(text) {
    pen ??= Object.assign(document.createElement("canvas").getContext("2d"), { font: "11px system-ui, sans-serif" });
    return pen ? pen.measureText(text).width : text.length * LETTER;
  }

  /** Return text as lines that are no wider than that: broken where a word ends, or within one. */
  function lines(text, most) {
    const whole = text.length > LONGEST ? `${text.slice(0, LONGEST / 2)} … ${text.slice(-LONGEST / 2)}` : text;
    const found = [""];
    for (const piece of whole.match(/[^\s/_.:-]*[\s/_.:-]?/g)) {
      if (width(found.at(-1) + piece) <= most || !piece) found[found.length - 1] += piece;
      else for (const letter of found.at(-1) ? startLine(found, piece) : [...piece]) addLetter(found, letter, most);
    }
    return found;
  }

  function startLine(found, piece) {
    found.push("");
    return [...piece];
  }

  function addLetter(found, letter, most) {
    if (found.at(-1) && width(found.at(-1) + letter) > most) found.push("");
    found[found.length - 1] += letter;
  }

  /** Return a label of several lines. `up`: the last line stands at y, else they are centred there. */
  function label(text, x, y, most, facts, up) {
    const all = lines(text, most);
    const first = up ? y - (all.length - 1) * 13 : y - ((all.length - 1) * 13) / 2 + 4;
    const parts = all.map((line, n) => svg("tspan", { x, y: first + n * 13 }, line));
    return svg("text", facts, ...parts, svg("title", {}, text));
  }

  /** Return the class of the colour of each run: by a column, or by its place. */
  function colours(runs, column) {
    if (!column) return runs.map((run) => `c${run.at % 10}`);
    const { place, words } = scale(column, false);
    return column.values.map((value) => {
      const at = place(value);
      if (at === null) return "none";
      return words && words.length <= 10 ? `c${words.indexOf(value)}` : `q${Math.min(SHADES - 1, Math.floor(at * SHADES))}`;
    });
  }

  /** Return what the colours of a column mean, as elements. */
  function legend(column, make) {
    const { words, marks } = scale(column, false);
    const dot = (name) => svg("svg", { class: "dot", viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("circle", { class: `${name} filled`, cx: 5, cy: 5, r: 4 }));
    if (words && words.length <= 10) return words.map((word, n) => make("span", {}, dot(`c${n}`), ` ${word}`));
    const shades = Array.from({ length: SHADES }, (_, n) => dot(`q${n}`));
    const numbers = column.values.filter((value) => value !== null);
    const [low, high] = words ? [words[0], words.at(-1)] : [Math.min(...numbers), Math.max(...numbers)];
    return marks.length ? [make("span", {}, `${said(low)} `, ...shades, ` ${said(high)}`)] : [];
  }

  Object.assign(plots, { svg, said, scale, lines, label, colours, legend });
})(globalThis.holdallPlots);
