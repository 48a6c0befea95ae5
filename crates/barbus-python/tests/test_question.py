"""One question over live and archived bars: arguments, schema, and a reader that goes on."""

import datetime
import subprocess
import zoneinfo

import numpy
import pandas
import polars
import pyarrow
import pytest

import barbus
from conftest import BARBUS, SMALL, SYMBOLS, bar, by_symbol, drain, minutes, table, values


@pytest.fixture
def history(running):
    """Two archived days and an open one."""
    rows = {day: minutes(1, 120, day=day) for day in (2, 3, 4)}
    for day in (2, 3):
        running.send(rows[day])
    running.close_day()
    running.send(rows[4])
    running.rows = rows
    return running


def sorted_days(*days):
    return [row for rows in days for row in by_symbol(rows)]


def test_live_and_archived_bars_are_one_sequence(history):
    bus, rows = barbus.open(history.path), history.rows
    bars = bus.bars()
    assert [values(found) for found in bars] == sorted_days(rows[2], rows[3], rows[4])
    assert bars.complete and bars.shortfalls == [] and bars.next_seq == 720
    assert bars.column_names == [
        *("symbol", "frame", "open", "high", "low", "close", "volume", "money", "factor", "day")
    ]
    assert bars["day"].tolist() == [datetime.date(2024, 7, day) for day in (2, 3, 4) for _ in range(240)]
    one = bus.bars(SYMBOLS[1], count=130)
    assert [values(found) for found in one] == (minutes(1, 120, 3, SYMBOLS[1:]) + minutes(1, 120, 4, SYMBOLS[1:]))[-130:]
    # A correction and a late bar, wherever they are.
    corrected = (*rows[3][0][:6], 5.0, None)
    late = bar(SYMBOLS[0], 121, day=2)
    history.send([corrected, late])
    expected = [corrected if row == rows[3][0] else row for row in sorted_days(rows[2] + [late], rows[3], rows[4])]
    assert [values(found) for found in bus.bars()] == expected
    history.close_day()
    assert [values(found) for found in bus.bars()] == expected, "a close changes nothing"


def test_a_reader_goes_on_where_an_answer_ends(history):
    bus = barbus.open(history.path)
    bars = bus.bars(start="2024-07-03")
    more = minutes(121, 10)
    history.send(more)
    assert drain(bus, bars.next_seq)[1] == more
    assert len(bus.bars(start="2024-07-03")) == len(bars) + len(more)


def test_bounds(history):
    bus, rows = barbus.open(history.path), history.rows
    utc = datetime.timezone.utc
    third, fourth = sorted_days(rows[3]), sorted_days(rows[4])
    at = lambda hour, minute=0, zone=utc: datetime.datetime(2024, 7, 4, hour, minute, tzinfo=zone)
    from_1 = [row for row in fourth if row[1] >= at(1)]
    for start, expected in [
        ("2024-07-04", fourth),
        (datetime.date(2024, 7, 4), fourth),
        ("today", fourth),
        ("2024-07-03", third + fourth),
        ("2024-07-04 01:00", from_1),
        ("2024-07-04T01:00", from_1),
        ("2024-07-04T01:00:00Z", from_1),
        ("2024-07-04T09:00:00+08:00", from_1),
        (at(1), from_1),
        (at(9, zone=zoneinfo.ZoneInfo("Asia/Shanghai")), from_1),
        (at(1, zone=None), from_1),
        (pandas.Timestamp("2024-07-04 01:00"), from_1),
    ]:
        assert [values(found) for found in bus.bars(start=start)] == expected, start
    assert [values(found) for found in bus.bars(start="2024-07-03", end="2024-07-03")] == third
    assert [values(found) for found in bus.bars(SYMBOLS[:1], "2024-07-04 00:10", "2024-07-04 00:11")] == minutes(
        10, 2, symbols=SYMBOLS[:1]
    )


def test_wrong_questions(history):
    bus = barbus.open(history.path)
    for arguments, words in [
        (dict(start="2024-07-04", end="2024-07-03"), "begins after its end"),
        (dict(start="yesterday"), "neither a day nor a time"),
        (dict(end="10:31"), "neither a day nor a time"),
        (dict(count=0), "count: 0"),
        (dict(count=-1), "count: -1"),
        (dict(symbols=[]), "names no symbol"),
        (dict(interval="7h"), "is no interval"),
        (dict(adjust="sideways"), "is no adjustment"),
        (dict(columns=["close", "vwap"]), 'no column "vwap"'),
    ]:
        with pytest.raises(ValueError, match=words):
            bus.bars(**arguments)
    for arguments in [dict(start=5), dict(symbols=5), dict(symbols=[5]), dict(count="5"), dict(columns=7)]:
        with pytest.raises(TypeError):
            bus.bars(**arguments)
    with pytest.raises(barbus.Error, match='no symbol "600000.XSHE" on the bus: did you mean "600000.XSHG"'):
        bus.bars("600000.XSHE")
    with pytest.raises(ValueError, match="count: -1"):
        bus.window(SYMBOLS[0], -1)


def test_a_time_that_is_not_one_moment_is_refused(make):
    running = make(calendar="XNYS").start()
    running.send([bar(SYMBOLS[0], 900)])
    bus = barbus.open(running.path)
    for wrong in ["2024-11-03 01:30", datetime.datetime(2024, 11, 3, 1, 30), "2024-03-10 02:30"]:
        with pytest.raises(ValueError, match="not one moment in the zone of the bus"):
            bus.bars(start=wrong)


def test_what_is_missing_is_said(history):
    bus = barbus.open(history.path)
    bars = bus.bars(SYMBOLS[0], count=1000)
    assert not bars.complete and "not complete" in repr(bars)
    assert bars.shortfalls == [f"{SYMBOLS[0]}: 360 of 1000 bars, the bus has no earlier ones"]
    damaged = history.path / "archive/1m/2024-07-02.parquet"
    damaged.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(barbus.Error, match="2024-07-02.parquet"):
        bus.bars()
    bars = bus.bars(skip_damaged=True)
    assert len(bars) == 480 and not bars.complete and "2024-07-02 left out" in bars.shortfalls[0]


def test_intervals_and_adjusted_prices(make):
    running = make(calendar="XSHG").start()
    utc = datetime.timezone.utc
    # The morning of Shanghai, with a split between two days.
    rows = []
    for day, factor in [(3, 1.0), (4, 2.0)]:
        for minute in range(91, 211):
            frame = datetime.datetime(2024, 7, day, tzinfo=utc) + datetime.timedelta(minutes=minute)
            rows.append(("600000.XSHG", frame, *(4 * [minute / factor]), 100.0 * factor, 1e4, factor))
    columns = dict(zip(["symbol", "frame", "open", "high", "low", "close", "volume", "money", "factor"], zip(*rows)))
    data = pyarrow.table({name: list(column) for name, column in columns.items()})
    data = data.set_column(1, "frame", pyarrow.array(columns["frame"], pyarrow.timestamp("ms", "UTC")))
    with barbus.publish(running.path) as publisher:
        assert publisher.send(data).accepted == len(rows)
    bus = barbus.open(running.path)
    bars = bus.bars("600000.XSHG", interval="30m", adjust="forward")
    assert [found.frame.isoformat() for found in bars][:2] == ["2024-07-03T10:00:00+08:00", "2024-07-03T10:30:00+08:00"]
    assert [(found.open, found.close, found.volume, found.bars, found.complete) for found in bars][:1] == [
        (91 / 2, 120 / 2, 6000.0, 30, True)
    ]
    first = bars[0]
    assert first.day == datetime.date(2024, 7, 3) and "bars" in dir(first) and first._asdict()["complete"] is True
    assert pyarrow.record_batch(first).to_pylist() == bars.to_pyarrow().to_pylist()[:1]
    assert bus.bars(interval="1d", columns="close")["close"].tolist() == [210.0, 105.0]
    assert bus.panel("close", 2, interval="1d", adjust="backward").values.tolist() == [[210.0], [210.0]]


def test_only_some_columns(history):
    bars = barbus.open(history.path).bars(start="today", columns=["close", "money"])
    assert bars.column_names == ["symbol", "frame", "close", "money"]
    assert (bars[0].close, bars[0].money) == (by_symbol(history.rows[4])[0][5], 1e6 + 1)
    assert bars[0].day is None and bars.day is None
    with pytest.raises(AttributeError, match='no column "open"'):
        bars[0].open
    assert list(bars.to_polars().columns) == list(bars.to_pandas().columns) == bars.column_names


def test_every_library_concatenates_live_bars_and_an_answer(history):
    bus, rows = barbus.open(history.path), history.rows
    past, live = bus.bars(end="2024-07-03"), next(bus.follow(start="today"))
    same = live.select(past.column_names)
    assert past.column_names == live.column_names[:10] and live.day == datetime.date(2024, 7, 4)
    assert pyarrow.schema(past).equals(pyarrow.schema(same), check_metadata=True)
    expected = [row[5] for row in sorted_days(rows[2], rows[3]) + rows[4]]
    both = pyarrow.concat_tables([past.to_pyarrow(), same.to_pyarrow()])
    assert both["close"].to_pylist() == expected
    assert polars.concat([past.to_polars(), same.to_polars()])["close"].to_list() == expected
    frame = pandas.concat([past.to_pandas(), same.to_pandas()])
    assert frame["close"].tolist() == expected and str(frame["frame"].dtype) == str(past.to_pandas()["frame"].dtype)
    # With all columns of the live bars, those of the answer have no sequence number.
    both = pyarrow.concat_tables([past.to_pyarrow(), live.to_pyarrow()], promote_options="default")
    assert both["seq"].to_pylist() == [None] * 480 + list(range(480, 720))
    for bars in [bus.day(), bus.day("2024-07-02"), bus.window(SYMBOLS[0], 5), bus.latest()]:
        assert pyarrow.schema(bars).equals(pyarrow.schema(past), check_metadata=True)


def test_the_last_bars_of_all_symbols(history):
    bus = barbus.open(history.path)
    last = minutes(120, 1)
    assert [values(found) for found in bus.latest()] == by_symbol(last)
    assert [values(found) for found in bus.latest(SYMBOLS[:1])] == last[:1]
    some = bus.latest([SYMBOLS[1], "nobody"])
    assert [values(found) for found in some] == last[1:] and not some.complete
    assert some.shortfalls == [f'{history.path}: no symbol "nobody" on the bus']
    assert bus.latest("nobody") is None and len(bus.latest(["nobody"])) == 0
    history.close_day()
    assert [values(found) for found in bus.latest()] == by_symbol(last)


def test_the_latest_bar_is_found_in_the_archive(make):
    running = make(**SMALL).start()
    running.send([bar(SYMBOLS[1], 1, day=1)])
    bus, day = barbus.open(running.path), 2
    while len(drain(bus, symbols=SYMBOLS[1:])[1]) > 0:
        assert day < 26, "the ring is too long for this test"
        running.send(minutes(1, 1400, day=day, symbols=SYMBOLS[:1]))
        day += 1
    found = bus.latest(SYMBOLS[1])
    assert values(found) == bar(SYMBOLS[1], 1, day=1) and found.seq is None


def test_a_panel(history):
    history.send([bar(SYMBOLS[0], 121)])
    bus = barbus.open(history.path)
    panel = bus.panel("close", count=3)
    assert panel.symbols == sorted(SYMBOLS) and panel.values.shape == (3, 2) and panel.complete
    assert panel.frames.tolist() == [datetime.datetime(2024, 7, 4, 1, 59), *(datetime.datetime(2024, 7, 4, 2, m) for m in (0, 1))]
    assert panel.frames.dtype == numpy.dtype("datetime64[ms]")
    expected = [[bar(symbol, minute)[5] for symbol in sorted(SYMBOLS)] for minute in (119, 120, 121)]
    expected[2][0] = numpy.nan
    numpy.testing.assert_array_equal(panel.values, expected)
    frame = panel.to_pandas()
    assert frame.columns.tolist() == panel.symbols and str(frame.index.tz) == "UTC"
    assert bus.panel("volume", 1, symbols=SYMBOLS[0]).values.tolist() == [[12100.0]]
    with pytest.raises(ValueError, match="has no numbers"):
        bus.panel("symbol", 5)
    with pytest.raises(ValueError, match="count: 0"):
        bus.panel("close", 0)


def test_identity(history):
    bus = barbus.open(history.path)
    run = subprocess.run([BARBUS, "--version"], capture_output=True, text=True, check=True)
    assert barbus.__version__ == run.stdout.split()[1]
    assert isinstance(bus.lineage, int) and bus.lineage == barbus.open(history.path).lineage
