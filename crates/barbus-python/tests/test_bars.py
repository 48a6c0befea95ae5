import datetime
import os
import threading
import zoneinfo

import duckdb
import numpy
import pandas
import polars
import pyarrow
import pytest

import barbus
from conftest import PINNABLE, SMALL, SYMBOLS, TIMEOUT, bar, by_symbol, drain, minutes, today, values


def test_latest_and_window(running):
    rows = minutes(1, 300)
    running.send(rows)
    bus = barbus.open(running.path)
    last = bus.latest(SYMBOLS[0])
    assert values(last) == bar(SYMBOLS[0], 300)
    assert (last.seq, last.revision) == (598, 0)
    window = bus.window(SYMBOLS[1], 240)
    assert [values(found) for found in window] == minutes(61, 240, symbols=SYMBOLS[1:])
    assert values(window[-1]) == values(window[239]) == bar(SYMBOLS[1], 300)
    with pytest.raises(IndexError):
        window[240]
    running.send([bar(SYMBOLS[0], 301)])
    assert values(bus.latest(SYMBOLS[0])) == bar(SYMBOLS[0], 301)
    assert len(bus.window(SYMBOLS[1], 1000)) == 300
    assert bus.symbols() == SYMBOLS


def test_readers_continue_when_the_ring_is_replaced(make):
    """When every block of a ring is pinned, a new file replaces it, and readers continue there."""
    running = make(**PINNABLE).start()
    bus = barbus.open(running.path)
    follow = bus.follow(start="oldest", timeout=TIMEOUT)
    number = os.stat(running.path / "bars.ring").st_ino
    held, sent, got, missed = [], [], [], 0
    for day in range(1, 26):
        rows = minutes(1, 700, day=day)
        assert running.send(rows).accepted == len(rows)
        sent += rows
        events = today(bus)
        held.append((events, [values(found) for bars in events for found in bars]))
        assert set(held[-1][1]) <= set(rows)
        while missed + len(got) < len(sent):
            match next(follow):
                case barbus.Bars() as bars:
                    got += [values(found) for found in bars]
                # With few free blocks the writer reuses them sooner than this reader reads.
                case barbus.Lapped(count):
                    missed += count
        assert got[-1] == sent[-1] and values(bus.latest(SYMBOLS[0])) == sent[-2]
        if os.stat(running.path / "bars.ring").st_ino != number:
            break
    else:
        raise AssertionError("the ring was not replaced")
    assert missed + len(got) == len(sent)
    assert bus.symbols() == SYMBOLS
    for events, before in held:
        assert [values(found) for bars in events for found in bars] == before


def test_copies_hold_nothing_of_the_ring(make):
    """Promise 3: a copy has the same bars, and neither it nor a frame of it keeps the writer from a block."""
    running = make(**PINNABLE).start()
    rows = minutes(1, 128)
    running.send(rows)
    bus = barbus.open(running.path)
    [bars] = today(bus)
    assert bars.pinned and bars.to_polars()["close"].to_list() == [row[5] for row in rows]
    copy, frame = bars.copy(), bars.to_polars(copy=True)
    assert not copy.pinned and len(copy) == len(rows)
    again = copy.copy()

    def oldest():
        return values(next(bus.follow(start="oldest", timeout=0))[0])

    del bars
    for day in range(5, 13):
        running.send(minutes(1, 1400, day=day))
    assert oldest() != rows[0]
    for found in (copy, again):
        assert [values(found_bar) for found_bar in found] == rows
        assert found.to_pyarrow()["symbol"].to_pylist() == [row[0] for row in rows]
    assert frame["close"].to_list() == [row[5] for row in rows]
    assert frame["money"].to_list() == [row[7] for row in rows]


def test_a_bar(make):
    running = make(calendar="XSHG").start()
    # 09:31 in Shanghai.
    running.send([bar(SYMBOLS[0], 91)])
    found = barbus.open(running.path).latest(SYMBOLS[0])
    assert found.frame.tzinfo == zoneinfo.ZoneInfo("Asia/Shanghai")
    assert found.frame.isoformat() == "2024-07-04T09:31:00+08:00"
    assert found.frame_ms == found.frame.timestamp() * 1000
    assert abs(found.received - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(hours=1)
    assert found.money == 1e6 + 91 and found.factor is None
    with pytest.raises(AttributeError, match="no column"):
        found.nonsense
    assert "600000.XSHG" in repr(found) and "close=" in repr(found)
    batch = pyarrow.record_batch(found)
    assert batch.num_rows == 1 and batch.column("close")[0].as_py() == found.close
    assert found == barbus.open(running.path).latest(SYMBOLS[0])


def test_the_newest_day_has_all_of_its_bars_and_no_others(running):
    yesterday, newest = minutes(1, 700, day=3), minutes(1, 700, day=4)
    running.send(yesterday + newest)
    # A late bar of yesterday lies in a block of today.
    running.send([bar(SYMBOLS[0], 701, day=3)])
    bus = barbus.open(running.path)
    assert [values(found) for found in bus.day()] == by_symbol(newest)
    more = minutes(701, 5)
    running.send(more)
    assert [values(found) for found in bus.day()] == by_symbol(newest + more)


def test_an_archived_day(running):
    rows = minutes(1, 100, day=3)
    running.send(rows)
    bus = barbus.open(running.path)
    assert bus.days() == []
    expected = by_symbol(rows)
    open_day = bus.day("2024-07-03")
    assert [values(found) for found in open_day] == expected, "it is not archived yet"
    running.close_day()
    assert bus.days() == [datetime.date(2024, 7, 3)]
    for date in ["2024-07-03", datetime.date(2024, 7, 3)]:
        bars = bus.day(date)
        assert [values(found) for found in bars] == expected
        assert pyarrow.schema(bars).equals(pyarrow.schema(open_day), check_metadata=True)
        assert bars.day == datetime.date(2024, 7, 3) and bars.complete
        assert bars[0].seq is None and bars[0].received is None and bars[0].revision is None
    assert len(bars.to_pandas()) == len(bars.to_polars()) == len(rows)
    with pytest.raises(barbus.Error, match="no bars of 2024-07-09"):
        bus.day("2024-07-09")
    with pytest.raises(ValueError, match="2024-07-03"):
        bus.day("today")


def test_a_day_larger_than_the_ring_is_whole(make):
    running = make(**SMALL).start()
    bus = barbus.open(running.path)
    capacity = bus.stat()["blocks"] * 64
    # The bars of one day must exceed the ring.
    rows = minutes(1, 1400, day=4)
    if len(rows) <= capacity:
        running.send(minutes(1, 1400, day=3))
    symbols = capacity // 1400 + 2
    frames = [row for row in minutes(1, 1400, symbols=SYMBOLS[:1])]
    many = [(f"S{at}", *row[1:]) for row in frames for at in range(symbols)]
    assert len(many) > capacity
    running.send(many)
    bars = bus.day()
    assert len(bars) == len(many)
    assert {(found.symbol, found.frame) for found in bars} == {row[:2] for row in many}
    # Also once the day is closed: then it is in its file, and no parts remain.
    running.close_day()
    assert {(found.symbol, found.frame) for found in bus.day()} == {row[:2] for row in many}


def test_an_empty_bus(running):
    bus = barbus.open(running.path)
    bars = bus.day()
    assert len(bars) == 0 and list(bars) == [] and not bars.pinned
    assert pyarrow.table(bars).num_rows == pyarrow.record_batch(bars).num_rows == 0
    assert "close" in bars.to_polars().columns
    assert bus.symbols() == []
    assert bus.latest("nobody") is None
    with pytest.raises(barbus.Error, match='no symbol "nobody" on the bus'):
        bus.window("nobody", 5)


def mapping(path):
    """The address ranges at which this process maps the ring."""
    ranges = []
    for line in open("/proc/self/maps"):
        if line.rstrip().endswith(str(path)):
            begin, end = line.split()[0].split("-")
            ranges.append(range(int(begin, 16), int(end, 16)))
    return ranges


def test_zero_copy_by_address(running):
    """Data of pyarrow, polars and numpy lies in the mapping of the ring itself, also after its sources are deleted."""
    running.send(minutes(1, 600))
    bus = barbus.open(running.path)
    bars = next(bus.follow(start="oldest"))
    assert bars.pinned
    inside = lambda address: any(address in found for found in mapping(running.path / "bars.ring"))
    table = pyarrow.table(bars)
    for name in ["frame", "open", "close", "volume", "seq", "received", "revision"]:
        for chunk in table.column(name).chunks:
            assert inside(chunk.buffers()[1].address), name
    assert inside(table.column("symbol").chunk(0).indices.buffers()[1].address)
    frame = polars.DataFrame(bars)
    assert inside(frame.get_column("close").get_chunks()[0].to_arrow().buffers()[1].address)
    for chunk in bars.to_polars().get_column("close").get_chunks():
        assert inside(chunk.to_arrow().buffers()[1].address), "several blocks are not copied either"
    del chunk
    array = table.column("close").chunk(0).to_numpy(zero_copy_only=True)
    assert inside(array.__array_interface__["data"][0])
    before = array.tolist()
    part = bars[5:7]
    assert part.pinned and len(part) == 2
    assert inside(pyarrow.record_batch(part).column("close").buffers()[1].address), "nor is a slice"
    del bars, table, frame, part
    assert array.tolist() == before == [row[5] for row in minutes(1, 600)][: len(before)]
    del array
    copied = bus.window(SYMBOLS[0], 10)
    assert not copied.pinned
    assert not inside(pyarrow.record_batch(copied).column("close").buffers()[1].address)


def test_a_pinned_view_does_not_change_while_the_ring_wraps_around(make):
    """Promise 3: the writer does not reuse the bytes under a pinned view."""
    running = make(**PINNABLE).start()
    first = minutes(1, 128, day=1)
    running.send(first)
    bus = barbus.open(running.path)
    table = pyarrow.table(next(bus.follow(start="today")))
    before = table.to_pylist()
    capacity = bus.stat()["blocks"] * 256
    sent = 0
    for day in range(2, 26):
        sent += running.send(minutes(1, 1400, day=day)).accepted
        if sent > 2 * capacity:
            break
    assert sent > 2 * capacity
    assert table.to_pylist() == before
    assert [row["close"] for row in before] == [row[5] for row in first]


def test_a_day_with_a_pinned_first_block_is_whole_after_the_ring_wraps_around(make):
    """A pinned first block leaves a gap after it in the ring; the archive's parts have those bars."""
    running = make(**PINNABLE).start()
    bus = barbus.open(running.path)
    first = minutes(1, 64)
    running.send(first)
    [held] = today(bus)
    assert held.pinned
    capacity = bus.stat()["blocks"] * 256
    symbols = 3 * capacity // 1400
    later = [(f"S{at}", *row[1:]) for row in minutes(1, 1400, symbols=SYMBOLS[:1]) for at in range(symbols)]
    assert running.send(later).accepted == len(later) > 2 * capacity
    found = []
    asking = threading.Thread(target=lambda: found.append(bus.day()), daemon=True)
    asking.start()
    asking.join(TIMEOUT)
    assert not asking.is_alive(), "no answer"
    assert sorted(values(bar)[:6] for bar in found[0]) == sorted(row[:6] for row in first + later)
    assert [values(bar) for bar in held] == first


def test_every_library_accepts_bars(running):
    rows = minutes(1, 600)
    running.send(rows)
    bus = barbus.open(running.path)
    closes = [row[5] for row in rows]
    archived = [row[5] for row in by_symbol(rows)]
    for bars, expected in [
        (next(bus.follow(start="oldest")), closes),
        (bus.day(), archived),
        (bus.window(SYMBOLS[0], 600), closes[::2]),
    ]:
        assert pyarrow.record_batch(bars).column("close").to_pylist() == expected
        assert pyarrow.table(bars).column("close").to_pylist() == expected
        assert pyarrow.schema(bars).names == bars.column_names
        assert pyarrow.table(bars).schema.equals(pyarrow.schema(bars))
        assert polars.DataFrame(bars).get_column("close").to_list() == expected
        assert bars.to_polars().get_column("close").to_list() == expected
        # Here polars makes a series of structs from any object with capsules.
        assert polars.from_arrow(bars).struct.unnest().get_column("close").to_list() == expected
        assert pandas.DataFrame.from_arrow(bars)["close"].tolist() == expected
        assert duckdb.sql("SELECT sum(close), count(DISTINCT symbol) FROM bars").fetchall()[0] == (
            pytest.approx(sum(expected)),
            2 if len(bars) == len(rows) else 1,
        )
        pyarrow.table(bars).validate(full=True)


def test_conversions_keep_the_values(running):
    rows = minutes(1, 20)
    running.send(rows)
    bars = next(barbus.open(running.path).follow(start="oldest"))
    columns = bars.to_numpy()
    assert columns["close"].tolist() == [row[5] for row in rows]
    assert columns["symbol"].tolist() == [row[0] for row in rows]
    assert columns["frame"].dtype == numpy.dtype("datetime64[ms]")
    assert columns["day"].tolist() == [datetime.date(2024, 7, 4)] * len(rows)
    assert columns["received"].dtype == numpy.dtype("datetime64[ns]")
    assert columns["frame"][0] == numpy.datetime64("2024-07-04T00:01")
    assert numpy.isnan(columns["money"]).tolist() == [row[7] is None for row in rows]
    frame = bars.to_pandas()
    assert frame["frame"].dt.to_pydatetime().tolist() == [row[1] for row in rows]
    assert str(frame["frame"].dt.tz) == "UTC" and frame["symbol"].tolist() == columns["symbol"].tolist()
    assert bars.to_pyarrow().column("volume").to_pylist() == [row[6] for row in rows]
    assert bars.to_polars().get_column("money").to_list() == [row[7] for row in rows]
    assert bars.to_polars().get_column("symbol").cast(polars.String).to_list() == columns["symbol"].tolist()


def test_float32_prices(make):
    running = make(preset=('"default"', '"zillionare"')).start()
    rows = minutes(1, 300)
    running.send(rows)
    bus = barbus.open(running.path)
    assert [values(found)[:6] for found in bus.day()] == [row[:6] for row in by_symbol(rows)], "quarters and 64ths are exact as float32"
    assert pyarrow.schema(bus.window(SYMBOLS[0], 2)).field("close").type == pyarrow.float32()
    assert pyarrow.schema(bus.window(SYMBOLS[0], 2)).equals(pyarrow.schema(bus.day()))


def test_the_schema_is_the_same_pinned_or_copied(running):
    running.send(minutes(1, 600))
    bus = barbus.open(running.path)
    pinned = next(bus.follow(start="oldest"))
    copied = next(bus.follow(start="oldest", symbols=SYMBOLS[:1]))
    assert pinned.pinned and not copied.pinned
    assert pyarrow.schema(pinned).equals(pyarrow.schema(copied), check_metadata=True)
    assert pyarrow.schema(bus.latest(SYMBOLS[0])).equals(pyarrow.schema(copied), check_metadata=True)
