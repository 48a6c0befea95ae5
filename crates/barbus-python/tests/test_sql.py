"""SQL over live and archived bars: each bar once, whatever is archived, in parts or in the ring."""

import datetime
import subprocess
import sys
import threading

import duckdb
import pytest

import barbus
from conftest import PINNABLE, SYMBOLS, TIMEOUT, bar, by_symbol, minutes, table

DAYS = (2, 3, 4)


@pytest.fixture
def history(running):
    """Two archived days, a late bar and a correction of them, and an open day."""
    for day in DAYS[:2]:
        running.send(minutes(1, 120, day=day))
    running.close_day()
    running.send(minutes(1, 120, day=4))
    return running


def closes(relation):
    return [row[0] for row in relation.order("day, symbol, frame").project("close").fetchall()]


def everything(bus):
    """The bars of a question and those of SQL, which must be the same."""
    return bus.bars()["close"].tolist(), closes(bus.sql("FROM bars"))


def test_each_bar_once(history):
    bus = barbus.open(history.path)
    asked, found = everything(bus)
    assert found == asked and len(found) == 720
    history.send([(*minutes(1, 1, day=2)[0][:6], 5.0, None), bar(SYMBOLS[0], 121, day=3)])
    asked, found = everything(bus)
    assert found == asked and len(found) == 721
    history.close_day()
    assert everything(bus) == (asked, asked)
    assert bus.sql("SELECT volume FROM bars WHERE day = '2024-07-02' AND symbol = '600000.XSHG' LIMIT 1").fetchall()[0] == (5.0,)


def test_columns_and_conditions(history):
    bus = barbus.open(history.path)
    assert bus.sql("FROM bars").columns == bus.bars().column_names
    counts = bus.sql("SELECT day, count(*), count(money) FROM bars GROUP BY day ORDER BY day").fetchall()
    assert counts == [(datetime.date(2024, 7, day), 240, 192) for day in DAYS]
    high = bus.sql("SELECT max(high) FROM today WHERE symbol = '000001.XSHE' AND frame <= '2024-07-04 01:00'")
    assert high.fetchall()[0] == (bar(SYMBOLS[1], 60)[3],)
    assert bus.sql("FROM today").pl()["close"].sum() == pytest.approx(sum(row[5] for row in minutes(1, 120)))
    frame = bus.sql("SELECT frame FROM bars ORDER BY frame DESC LIMIT 1").df()["frame"][0]
    assert frame == bar(SYMBOLS[0], 120)[1]
    with pytest.raises(duckdb.Error, match="nonsense"):
        bus.sql("SELECT nonsense FROM bars")


def test_times_without_a_zone_are_those_of_the_bus(make):
    running = make(calendar="XSHG").start()
    running.send(minutes(91, 5))
    found = barbus.open(running.path).sql("SELECT count(*), min(frame)::VARCHAR FROM bars WHERE frame >= '2024-07-04 09:33'")
    assert found.fetchall()[0] == (6, "2024-07-04 09:33:00+08")


def test_conditions_prune_files(history):
    """Of the files of other days only the footers are read."""
    bus = barbus.open(history.path)
    plan = bus.sql("EXPLAIN ANALYZE SELECT count(*) FROM bars WHERE day = '2024-07-03'").fetchall()[0][1]
    assert "Scanning Files: 1/2" in plan and "2024-07-02.parquet" not in plan


def test_a_day_in_parts(make):
    """A day that has outgrown the ring is in parts; some of its bars are in the ring too."""
    running = make(**PINNABLE).start()
    bus = barbus.open(running.path)
    running.send(minutes(1, 10, day=3))
    capacity = bus.stat()["blocks"] * 256
    symbols = capacity // 1400 + 2
    rows = [(f"S{at}", *row[1:]) for row in minutes(1, 1400, symbols=SYMBOLS[:1]) for at in range(symbols)]
    assert len(rows) > capacity
    running.send(rows)
    asked, found = everything(bus)
    assert found == asked and len(found) == len(rows) + 20


def test_answers_while_bars_come_and_days_close(running):
    """Never a gap, never a bar twice: each answer has the first bars that were sent."""
    days, bus, stop = range(1, 9), barbus.open(running.path), threading.Event()
    rows = [row for day in days for row in minutes(1, 200, day=day, symbols=SYMBOLS[:1])]
    expected = [row[5] for row in rows]

    def produce():
        with barbus.publish(running.path) as publisher:
            for at in range(0, len(rows), 40):
                publisher.send(table(rows[at : at + 40]))
        stop.set()

    producer = threading.Thread(target=produce)
    producer.start()
    answers = 0
    while not stop.is_set() or answers < 3:
        found = closes(bus.sql("FROM bars"))
        assert found == expected[: len(found)]
        answers += 1
    producer.join(TIMEOUT)
    assert closes(bus.sql("FROM bars")) == expected


def test_old_columns(make):
    """Days that were written before a column was added have none of its values."""
    running = make(optional=('["money", "factor"]', '["money"]')).start()
    running.send(minutes(1, 5, day=3))
    running.close_day()
    running.stop()
    toml = running.path / "bus.toml"
    toml.write_text(toml.read_text().replace('optional = ["money"]', 'optional = ["money", "vwap"]'))
    bus = barbus.open(running.path)
    assert bus.sql("SELECT count(*), count(money), count(vwap) FROM bars").fetchall()[0] == (10, 8, 0)


def test_readers_and_quarantine(history):
    bus = barbus.open(history.path)
    assert bus.sql("FROM quarantine").fetchall() == [] == bus.sql("FROM readers").fetchall()
    follow = bus.follow(start="oldest", timeout=0, name="it's mine")
    next(follow)
    assert bus.sql("SELECT name, position FROM readers").fetchall() == [("it's mine", follow.position)]
    bad = list(bar(SYMBOLS[0], 121))
    bad[3] = bad[4] - 1
    history.send([bad])
    assert bus.sql("SELECT code, row->>'symbol' FROM quarantine").fetchall() == [("high-low", SYMBOLS[0])]


def test_an_empty_bus(running):
    bus = barbus.open(running.path)
    assert bus.sql("FROM bars").fetchall() == bus.sql("FROM today").fetchall() == []


def test_without_duckdb(running):
    script = f"""
import sys
sys.modules["duckdb"] = None
import barbus
barbus.open({str(running.path)!r}).sql("FROM bars")
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ImportError: bus.sql needs DuckDB: install it with: pip install duckdb" in run.stderr
