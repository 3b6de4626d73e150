// Draws the trend from its table; without this script the table stands open and says the same.
"use strict";

(() => {
  const charts = document.querySelector(".charts");
  if (!charts) return;
  const rows = [...document.querySelectorAll("#trend-table tbody tr")].map((row) => row.dataset);
  const numbers = (name) => rows.map((row) => (name in row ? Number(row[name]) : null));
  const days = rows.map((row) => Date.parse(row.day) / 1000);
  const percent = (value) => (value == null ? "–" : `${(100 * value).toFixed(1)} %`);
  const count = (value) => (value == null ? "–" : String(value));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let drawn = [];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function axis(more) {
    return { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, ...more };
  }

  function draw(id, series, data, range, values, more = {}) {
    const place = document.getElementById(id);
    const options = {
      width: place.clientWidth,
      height: 260,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range } },
      axes: [axis({ values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toISOString().slice(5, 10)), space: 70 }), axis({ values: (_, ticks) => ticks.map(values), size: 60 })],
      series: [{ label: "From", value: (_, day) => (day == null ? "–" : new Date(day * 1000).toISOString().slice(0, 10)) }, ...series],
      ...more,
    };
    drawn.push(new uPlot(options, [days, ...data], place));
  }

  function drawAll() {
    drawn.forEach((chart) => chart.destroy());
    drawn = [];
    const points = { show: true, size: 5 };
    const line = (label, name, dash) => ({ label, stroke: colour(name), width: 2, dash, points, value: (_, value) => count(value) });
    draw(
      "chart-cards",
      [line("accepted", "--accepted"), line("overridden", "--overridden", [8, 4]), line("no answer", "--ignored", [2, 3])],
      [numbers("accepted"), numbers("overridden"), numbers("silent")],
      (_, low, high) => [0, Math.max(5, Math.ceil(high * 1.1))],
      (value) => (Number.isInteger(value) ? String(value) : ""),
    );
    const limit = Number(charts.dataset.line);
    const share = (label, name, more) => ({ label, stroke: colour(name), width: 2, points, value: (_, value) => percent(value), ...more });
    const edge = { width: 0, points: { show: false } };
    draw(
      "chart-rate",
      [
        share("interval from", "--ignored", edge),
        share("to", "--ignored", edge),
        share("override rate", "--overridden"),
        share("review line", "--critical-edge", { dash: [6, 4], points: { show: false }, width: 1.5 }),
      ],
      [numbers("low"), numbers("high"), numbers("rate"), days.map(() => limit)],
      () => [0, 1],
      (value) => `${Math.round(100 * value)} %`,
      { bands: [{ series: [2, 1], fill: colour("--ground") }] },
    );
  }

  charts.hidden = false;
  document.querySelector(".trend-figures").open = false;
  drawAll();
  dark.addEventListener("change", drawAll);
  new ResizeObserver(() => {
    for (const chart of drawn) {
      const width = chart.root.parentElement.clientWidth;
      if (width && width !== chart.width) chart.setSize({ width, height: chart.height });
    }
  }).observe(charts);
})();
