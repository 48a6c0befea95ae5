"""Bars, tables and events as Python objects: slices, pickles, plots, tests of strategies."""

import collections.abc
import copy
import datetime
import json
import multiprocessing
import pickle
import subprocess
import sys
import zoneinfo

import numpy
import pandas
import polars
import pyarrow
import pytest

import barbus
from conftest import SYMBOLS, bar, by_symbol, minutes, table, values, wait_until

DAY = datetime.date(2024, 7, 4)


@pytest.fixture
def bars(running):
    running.send(minutes(1, 60))
    return barbus.open(running.path).bars()


def test_slices(bars):
    rows = by_symbol(minutes(1, 60))
    for part in [slice(10, 20), slice(None), slice(-5, None), slice(50, 70), slice(5, 5), slice(None, None, 7)]:
        assert [values(found) for found in bars[part]] == rows[part], part
    assert [values(found) for found in bars[::-1]] == rows[::-1]
    assert bars[3:][:2][1].close == rows[4][5]
    with pytest.raises(TypeError, match="float: give a number, a slice, or the name of a column"):
        bars[1.5]


def test_columns(bars):
    rows = by_symbol(minutes(1, 60))
    assert bars["close"].tolist() == [row[5] for row in rows] and bars["close"].dtype == numpy.float64
    assert bars["symbol"].tolist() == [row[0] for row in rows]
    assert bars["frame"].dtype == numpy.dtype("datetime64[ms]")
    assert numpy.isnan(bars["money"]).sum() == 24
    assert bars[:0]["close"].tolist() == []
    with pytest.raises(KeyError, match="vwap"):
        bars["vwap"]
    with pytest.raises(ValueError, match="vwap"):
        bars.select(["vwap"])


def last_close(bars):
    return bars["close"][-1], bars.next_seq


def test_pickles_and_other_processes(running, bars):
    again = pickle.loads(pickle.dumps(bars))
    assert [*again] == [*bars] and again.next_seq == bars.next_seq and again.shortfalls == bars.shortfalls
    assert pyarrow.schema(again).equals(pyarrow.schema(bars))
    assert [*copy.deepcopy(bars)] == [*bars]
    pinned = next(barbus.open(running.path).follow(start="oldest", symbols=SYMBOLS[:1]))
    for one in [bars[5], pinned[5]]:
        assert pickle.loads(pickle.dumps(one)) == one and hash(pickle.loads(pickle.dumps(one))) == hash(one)
    part = pickle.loads(pickle.dumps(pinned[3:5]))
    assert [*part] == [pinned[3], pinned[4]]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(last_close, [bars, again]) == [last_close(bars)] * 2


def test_pinned_bars_are_pickled_as_copies(running):
    running.send(minutes(1, 600))
    pinned = next(barbus.open(running.path).follow(start="oldest"))
    again = pickle.loads(pickle.dumps(pinned))
    assert pinned.pinned and not again.pinned and [*again] == [*pinned]


def test_a_bar_is_a_mapping(bars):
    first = bars[0]
    assert isinstance(first, collections.abc.Mapping)
    assert first["close"] == first.close and dict(first) == first._asdict()
    assert list(first) == list(first.keys()) == bars.column_names and len(first) == len(bars.column_names)
    assert "money" in first and "vwap" not in first
    with pytest.raises(KeyError):
        first["vwap"]
    assert {"money", "factor", "close", "day"} <= set(dir(first))
    assert first.day == DAY and first._asdict()["factor"] is None


def test_data_frames_of_bars(running, bars):
    frame = pandas.DataFrame(bars)
    assert frame.columns.tolist() == bars.column_names
    assert frame["close"].tolist() == bars["close"].tolist() and str(frame["frame"].dt.tz) == "UTC"
    live = next(barbus.open(running.path).follow(start="oldest"))
    assert pandas.DataFrame(live).columns.tolist() == live.column_names


@pytest.mark.parametrize("library", [lambda table: table, polars.from_arrow, lambda table: table.to_pandas()])
def test_bars_of_tables(library):
    """A unit test of a strategy needs no bus."""
    rows = minutes(1, 10)
    made = barbus.Bars.from_arrow(library(table(rows)))
    assert [values(found) for found in made] == rows
    assert made.column_names == ["symbol", "frame", "open", "high", "low", "close", "volume", "money"]
    assert made[0].seq is None and made.next_seq is None and made.complete and not made.pinned
    assert [*pickle.loads(pickle.dumps(made))] == [*made]


def test_tables_are_brought_into_the_schema_of_bars(bars):
    assert pyarrow.schema(barbus.Bars.from_arrow(bars)).equals(pyarrow.schema(bars))
    frame = polars.DataFrame({"close": [1, 2], "frame": [datetime.datetime(2024, 7, 4, 9, 31)] * 2, "symbol": ["A", "B"]})
    made = barbus.Bars.from_arrow(frame, zone="Asia/Shanghai")
    assert made.column_names == ["symbol", "frame", "close"] and made["close"].tolist() == [1.0, 2.0]
    for data, words in [
        (frame, "frame has no zone"),
        (frame.drop("symbol"), 'no column "symbol"'),
        (frame.with_columns(frame=pyarrow_free_text()), "frame is"),
        (table(minutes(1, 1)).append_column("note", pyarrow.array(["a", "b"])), "note is"),
    ]:
        with pytest.raises(ValueError, match=words):
            barbus.Bars.from_arrow(data)
    with pytest.raises(TypeError, match="PyCapsule"):
        barbus.Bars.from_arrow([1, 2])


def pyarrow_free_text():
    return polars.lit("2024-07-04")


def strategy(events):
    closes = []
    for event in events:
        match event:
            case barbus.Bars():
                closes += [found.close for found in event]
            case barbus.DayClosed(day):
                closes.append(day)
            case barbus.Lapped(missed):
                closes.append(-missed)
            case barbus.Withdrawn(day, symbols):
                closes.append((day, *symbols))
    return closes


def test_events_for_tests_of_strategies():
    made = barbus.Bars.from_arrow(table(minutes(1, 1)))
    withdrawn = barbus.Withdrawn(DAY, symbols=["A"])
    events = [made, barbus.Lapped(3), withdrawn, barbus.DayClosed(DAY)]
    assert strategy(events) == [*(row[5] for row in minutes(1, 1)), -3, (DAY, "A"), DAY]
    assert barbus.DayClosed("2024-07-04") == barbus.DayClosed(DAY) != barbus.DayClosed("2024-07-05")
    assert withdrawn.covers("A", 0) and not withdrawn.covers("B", 0) and barbus.Withdrawn(DAY).covers("B", 0)
    frame = datetime.datetime(2024, 7, 4, 9, 31, tzinfo=zoneinfo.ZoneInfo("Asia/Shanghai"))
    minute = barbus.MinuteClosed(frame, symbols=2, missing=["A"])
    assert (minute.frame, minute.symbols, minute.missing) == (frame, 2, ["A"])
    assert minute != barbus.MinuteClosed(frame) and hash(minute) == hash(pickle.loads(pickle.dumps(minute)))
    events.append(minute)
    assert len({barbus.DayClosed(DAY), barbus.DayClosed(DAY), barbus.Lapped(1), barbus.Lapped(1), withdrawn}) == 3
    assert pickle.loads(pickle.dumps(events[1:])) == events[1:]
    with pytest.raises(ValueError):
        barbus.DayClosed("someday")


def test_html_of_a_notebook(bars):
    text = bars._repr_html_()
    assert text.count("<tr>") == 12 and "120 bars" in text and "<th>close</th>" in text
    odd = barbus.Bars.from_arrow(table([("<b>", *bar(SYMBOLS[0], 1)[1:])]))
    assert "&lt;b&gt;" in odd._repr_html_() and "<b>" not in odd._repr_html_()


def test_a_plot_has_no_gaps(bars, running):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    running.send(minutes(1, 5, day=7, symbols=SYMBOLS[:1]))
    both = barbus.open(running.path).bars(SYMBOLS[0])
    axes = both.plot()
    candles = axes.containers[0]
    assert len(candles) == 65 and [round(one.get_x() + one.get_width() / 2) for one in candles] == list(range(65))
    assert candles[64].get_y() == bar(SYMBOLS[0], 5, day=7)[2]
    label = axes.xaxis.get_major_formatter()
    assert label(0, 0) == "07-04 00:01" and label(64, 0) == "07-07 00:05" and label(0.5, 0) == label(70, 0) == ""
    axes.figure.canvas.draw()
    with pytest.raises(ValueError, match="bars of 2 symbols"):
        bars.plot()
    other = bars.plot(SYMBOLS[1], ax=axes)
    assert other is axes
    with pytest.raises(ValueError, match="nobody"):
        bars.plot("nobody")


def test_a_reader_can_be_closed(running):
    running.send(minutes(1, 5))
    bus = barbus.open(running.path)
    readers = lambda: [one for one in (running.path / "readers").iterdir() if one.is_file()]
    with bus.follow(start="oldest", timeout=30, name="mine") as follow:
        assert len(next(follow)) == 10
        wait_until("the position", readers)
    assert list(follow) == [] and follow.position == 10
    wait_until("the end of the position", lambda: not readers())
    follow.close()


def test_closing_ends_the_wait_of_another_thread(running):
    import threading

    follow = barbus.open(running.path).follow()
    ended = threading.Event()
    waiting = threading.Thread(target=lambda: (list(follow), ended.set()), daemon=True)
    waiting.start()
    follow.close()
    assert ended.wait(60)


def test_a_panel_and_columns_need_only_numpy(running):
    running.send(minutes(1, 5))
    script = f"""
import sys
sys.modules.update({{name: None for name in ("pandas", "pyarrow", "polars", "matplotlib", "duckdb")}})
import barbus, json, pickle
bus = barbus.open({str(running.path)!r})
bars = pickle.loads(pickle.dumps(bus.bars()))
bars._repr_html_()
print(json.dumps([bus.panel("close", 1).values.tolist(), bars["close"].tolist(), len(bars[2:4])]))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    rows = by_symbol(minutes(1, 5))
    assert json.loads(run.stdout) == [[[rows[4][5], rows[9][5]]], [row[5] for row in rows], 2]
