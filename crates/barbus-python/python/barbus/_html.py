"""Bars as a table of HTML, which notebooks show."""

import html

# Bars that are shown from each end.
SHOWN = 5


def table(bars):
    names = bars.column_names
    count = len(bars)
    rows = [*range(count)] if count <= 2 * SHOWN else [*range(SHOWN), None, *range(count - SHOWN, count)]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{_cells(names, bars, row)}</tr>" for row in rows)
    notes = "".join(f"<br>{html.escape(shortfall)}" for shortfall in bars.shortfalls)
    pinned = ", pinned" if bars.pinned else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><small>{count} bars{pinned}{notes}</small>"


def _cells(names, bars, row):
    if row is None:
        return "<td>…</td>" * len(names)
    bar = bars[row]
    return "".join(f"<td>{html.escape(_text(bar[name]))}</td>" for name in names)


def _text(value):
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
