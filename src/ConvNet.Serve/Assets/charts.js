"use strict";

/** Returns an element with attributes and children; texts are texts, never HTML. */
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

/** Numbers as the page writes them; a dash stands for a missing one. */
const format = {
  none: "–",
  whole: value => value == null ? format.none : Math.round(value).toLocaleString("en-US"),
  loss: value => value == null ? format.none
    : value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 100000) ? value.toExponential(3)
    : value.toFixed(4),
  rate: value => value == null ? format.none : value !== 0 && Math.abs(value) < 0.0001 ? value.toExponential(2)
    : Number(value.toPrecision(4)).toString(),
  percent: value => value == null ? format.none : `${(100 * value).toFixed(2)}%`,
  norm: value => value == null ? format.none : Number(value.toPrecision(4)).toString(),
  megabytes: value => value == null ? format.none : `${format.whole(value / 1e6)} MB`,
  time: value => {
    if (value == null) return format.none;
    const seconds = Math.round(value), minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
    return hours > 0 ? `${hours} h ${minutes % 60} min` : minutes > 0 ? `${minutes} min ${seconds % 60} s`
      : `${seconds} s`;
  },
};

const seriesColours = 6, plotHeight = 240;

/** A number at an axis, without zeros at its end, as a percentage where the chart has percentages. */
const tick = (value, isShare) => {
  const number = isShare ? 100 * value : value;
  const text = number !== 0 && Math.abs(number) < 0.0001 ? number.toExponential()
    : number.toLocaleString("en-US", { maximumSignificantDigits: 6 });
  return isShare ? `${text}%` : text;
};

/** The colour of a series as the style sheet has it, in the light or in the dark. */
const colourOf = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A figure with curves over one axis, and the same numbers as a table. */
class LineChart {
  constructor(title, description, xName, formatY) {
    this.xName = xName;
    this.formatY = formatY;
    this.plot = null;
    this.lines = [];
    this.place = element("div", { class: "plot", role: "img", "aria-label": title });
    this.table = element("div", { class: "scroll limited", tabindex: "0", role: "region", "aria-label": title });
    this.details = element("details", {}, element("summary", {}, "The same as a table"), this.table);
    this.details.addEventListener("toggle", () => this.writeTable());
    this.description = element("span", {}, description);
    this.figure = element("figure", {},
      element("figcaption", {}, element("strong", {}, title), this.description), this.place, this.details);
    new ResizeObserver(() => this.resize()).observe(this.place);
  }

  /** Shows lines: { name, colour, dash, points, x, y } with arrays x and y. Without any numbers, nothing is shown. */
  show(all) {
    const lines = all.filter(line => line.y.some(value => value != null));
    this.figure.hidden = lines.length === 0;
    const shape = lines => JSON.stringify(lines.map(line => [line.name, line.colour, line.dash, line.points]));
    const same = this.plot !== null && shape(lines) === shape(this.lines);
    this.lines = lines;
    if (same) this.plot.setData(this.data());
    else this.draw();
    this.writeTable();
  }

  /** Draws the chart anew, as when the colours have changed. */
  draw() {
    this.plot?.destroy();
    this.plot = null;
    if (this.lines.length === 0 || this.place.clientWidth === 0) return;
    const axis = {
      stroke: colourOf("quiet"), font: "12px Arial, 'Liberation Sans', sans-serif",
      grid: { stroke: colourOf("rule"), width: 1 }, ticks: { stroke: colourOf("rule"), width: 1 },
    };
    const value = (_, number) => this.formatY(number);
    this.plot = new uPlot({
      width: this.place.clientWidth, height: plotHeight, padding: [12, 24, 0, 0],
      scales: { x: { time: false } },
      axes: [
        { ...axis, size: 32, incrs: [1, 2, 5].flatMap(step => Array.from({ length: 9 }, (_, i) => step * 10 ** i))
          .sort((a, b) => a - b) },
        { ...axis, size: 64, values: (_, ticks) => ticks.map(value => tick(value, this.formatY === format.percent)) },
      ],
      series: [{ label: this.xName, value: (_, number) => format.whole(number) }, ...this.lines.map(line => ({
        label: line.name, stroke: colourOf(line.colour), width: 2, dash: line.dash ?? [], spanGaps: true, value,
        points: { ...line.points ? { show: true } : {}, size: 6, fill: colourOf(line.colour) },
      }))],
    }, this.data(), this.place);
  }

  resize() {
    if (this.plot === null) this.draw();
    else if (this.place.clientWidth > 0) this.plot.setSize({ width: this.place.clientWidth, height: plotHeight });
  }

  data() { return uPlot.join(this.lines.map(line => [line.x, line.y])); }

  writeTable() {
    if (!this.details.open) return;
    const rows = this.lines.length === 0 ? [[]] : this.data();
    this.table.replaceChildren(tableOf([this.xName, ...this.lines.map(line => line.name)],
      Array.from(rows[0], (x, i) => [format.whole(x), ...rows.slice(1).map(values => this.formatY(values[i]))])));
  }
}

/** A table; the first columns, as many as texts says, are texts, and the others numbers. */
const tableOf = (heads, rows, texts = 0) => {
  const row = (tag, cells, more = {}) => element("tr", {},
    ...cells.map((cell, i) => element(tag, { ...more, ...i < texts ? {} : { class: "number" } }, cell)));
  return element("table", {}, element("thead", {}, row("th", heads, { scope: "col" })),
    element("tbody", {}, ...rows.map(cells => row("td", cells))));
};
