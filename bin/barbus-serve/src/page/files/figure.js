// Figures for the chart library: candles and volume of one symbol, or several symbols in per cent.

import { placesOf } from "./format.js";

const FONT = "system-ui, sans-serif";

/** What all figures have. `view` is the first and the last slot in view. */
function layout(axis, view, palette, anchor) {
  const ticks = axis.ticks(view[0], view[1]);
  const breaks = axis.breaks.filter((slot) => slot >= view[0] - 1 && slot <= view[1] + 1);
  return {
    margin: { l: 8, r: 64, t: 6, b: 34 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: FONT, size: 11, color: palette.faint },
    showlegend: false,
    dragmode: "pan",
    hovermode: "x",
    bargap: 0.2,
    uirevision: "kept",
    xaxis: {
      range: view.slice(),
      anchor,
      tickvals: ticks.values,
      ticktext: ticks.texts,
      showgrid: false,
      zeroline: false,
      rangeslider: { visible: false },
      showspikes: true,
      spikemode: "across",
      spikesnap: "hovered data",
      spikethickness: 1,
      spikedash: "dot",
      spikecolor: palette.faint,
    },
    shapes: breaks.length > 200 ? [] : breaks.map((slot) => ({
      type: "line",
      layer: "below",
      xref: "x",
      yref: "paper",
      x0: slot - 0.5,
      x1: slot - 0.5,
      y0: 0,
      y1: 1,
      line: { color: palette.line, width: 1, dash: "dot" },
    })),
  };
}

function priceAxis(range, domain, palette, more) {
  return {
    range,
    domain,
    side: "right",
    fixedrange: true,
    gridcolor: palette.line,
    zeroline: false,
    nticks: 8,
    ...more,
  };
}

/** The range of `values` with some room; for no values from 0 to 1. */
function rangeOf(lows, highs, below = 0.06) {
  let [low, high] = [Infinity, -Infinity];
  lows.forEach((value) => { if (value < low) low = value; });
  highs.forEach((value) => { if (value > high) high = value; });
  if (!(low <= high)) return [0, 1];
  const room = (high - low || Math.abs(high) * 0.01 || 1);
  return [low - room * below, high + room * 0.06];
}

/** Candles and volume, with what is missing, late and revised. */
export function candles(axis, bars, marks, view, palette) {
  const x = bars.map((bar) => axis.slot(bar.frame));
  const inView = bars.filter((_, at) => x[at] >= view[0] - 1 && x[at] <= view[1] + 1);
  const price = rangeOf(inView.map((bar) => bar.low), inView.map((bar) => bar.high));
  const volume = [0, Math.max(...inView.map((bar) => bar.volume), 0) * 1.05 || 1];
  const isUp = (bar) => bar.close >= bar.open;
  const colourOf = (bar) => (isUp(bar) ? palette.up : palette.down);
  const places = Math.max(2, ...inView.slice(-50).map((bar) => placesOf(bar.close)));
  const byFrame = new Map(bars.map((bar) => [bar.frame, bar]));
  const marked = (frames, name, colour, symbol) => {
    const known = frames.filter((frame) => byFrame.has(frame));
    const lift = (price[1] - price[0]) * 0.025;
    return {
      type: "scatter",
      mode: "markers",
      name,
      x: known.map((frame) => axis.slot(frame)),
      y: known.map((frame) => byFrame.get(frame).low - lift),
      marker: { symbol, size: 8, color: colour },
      hoverinfo: "skip",
    };
  };
  const data = [
    {
      type: "bar",
      name: "missing",
      x: marks.missing.map((frame) => axis.slot(frame)),
      y: marks.missing.map(() => 1),
      yaxis: "y3",
      width: 1,
      marker: { color: palette.gap, line: { width: 0 } },
      hoverinfo: "skip",
    },
    {
      type: "bar",
      name: "volume",
      x,
      y: bars.map((bar) => bar.volume),
      yaxis: "y2",
      marker: { color: bars.map(colourOf), opacity: 0.5, line: { width: 0 } },
      hoverinfo: "skip",
    },
    {
      type: "candlestick",
      name: "bars",
      x,
      open: bars.map((bar) => bar.open),
      high: bars.map((bar) => bar.high),
      low: bars.map((bar) => bar.low),
      close: bars.map((bar) => bar.close),
      increasing: { line: { color: palette.up, width: 1 }, fillcolor: palette.up },
      decreasing: { line: { color: palette.down, width: 1 }, fillcolor: palette.down },
      hoverinfo: "none",
    },
    marked(marks.late, "late", palette.late, "triangle-up"),
    marked(marks.revised, "revised", palette.revised, "diamond"),
  ];
  const base = layout(axis, view, palette, "y2");
  const newest = bars[bars.length - 1];
  if (newest !== undefined) {
    base.shapes.push({
      type: "line",
      xref: "paper",
      x0: 0,
      x1: 1,
      y0: newest.close,
      y1: newest.close,
      line: { color: colourOf(newest), width: 1, dash: "dot" },
    });
    base.annotations = [{
      xref: "paper",
      x: 1,
      xanchor: "left",
      y: newest.close,
      text: newest.close.toFixed(places),
      showarrow: false,
      bgcolor: colourOf(newest),
      borderpad: 2,
      font: { color: "#fff", size: 11 },
    }];
  }
  base.yaxis = priceAxis(price, [0.22, 1], palette, { tickformat: `.${places}f`, showspikes: true, spikemode: "across", spikesnap: "cursor",
    spikethickness: 1, spikedash: "dot", spikecolor: palette.faint });
  base.yaxis2 = priceAxis(volume, [0, 0.18], palette, { nticks: 3, showgrid: false, tickformat: ".2s" });
  base.yaxis3 = { range: [0, 1], domain: [0, 1], overlaying: "y", visible: false, fixedrange: true };
  return { data, layout: base };
}

/** Several symbols in per cent since the first slot in view. `series` are `{symbol, bars, colour}`. */
export function comparison(axis, series, view, palette) {
  const first = axis.frames[Math.max(0, Math.ceil(view[0]))];
  const last = axis.frames[Math.min(axis.length - 1, Math.floor(view[1]))];
  const [lows, highs] = [[], []];
  const data = series.map(({ symbol, bars, colour }) => {
    const start = bars.find((bar) => bar.frame >= first);
    const base = start?.close;
    const parts = bars.map((bar) => bar.close / base - 1);
    bars.forEach((bar, at) => {
      if (bar.frame >= first && bar.frame <= last) {
        lows.push(parts[at]);
        highs.push(parts[at]);
      }
    });
    return {
      type: "scatter",
      mode: "lines",
      name: "",
      meta: symbol,
      x: bars.map((bar) => axis.slot(bar.frame)),
      y: parts,
      line: { color: colour, width: 1.75 },
      connectgaps: true,
      hoverinfo: "none",
    };
  });
  const base = layout(axis, view, palette, "y");
  base.yaxis = priceAxis(rangeOf(lows, highs), [0, 1], palette, { tickformat: "+.2%", zeroline: true,
    zerolinecolor: palette.faint });
  return { data, layout: base };
}
