import asyncio
import concurrent.futures
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas
import polars
import pyarrow
import pytest

import barbus
from conftest import BARBUS, COLUMNS, SYMBOLS, TIMEOUT, bar, drain, minutes, table, wait_until, values

EXAMPLES = Path(__file__).parent.parent / "examples"


def counts(ack):
    return (ack.rows, ack.accepted, ack.duplicate, ack.revised, ack.quarantined)


def test_acknowledgements(running):
    with barbus.publish(running.path) as publisher:
        rows = minutes(1, 3)
        ack = publisher.send(table(rows))
        assert counts(ack) == (6, 6, 0, 0, 0) and ack.seq == 5
        assert "accepted=6" in repr(ack)
        assert counts(publisher.send(table(rows))) == (6, 0, 6, 0, 0)
        wrong = list(bar(SYMBOLS[0], 3))
        wrong[5] += 0.125
        fresh, faulty = bar(SYMBOLS[0], 4), list(bar(SYMBOLS[1], 4))
        faulty[3] = faulty[4] - 1
        ack = publisher.send(table([rows[0], wrong, fresh, faulty]))
        assert counts(ack) == (4, 1, 1, 1, 1)
        assert ack.seq == 7
    bus = barbus.open(running.path)
    last = [found for event in drain(bus)[0] for found in event][-2]
    assert (last.revision, last.close) == (1, wrong[5])
    assert [found.close for found in bus.window(SYMBOLS[0], 2)] == [wrong[5], fresh[5]]


def test_a_priority_of_sources(make):
    """The value of the higher source stands, and the other one is told."""
    bus = make(priority=("[]", '["feed-a", "feed-b"]')).start()
    mine = list(bar(SYMBOLS[0], 1))
    other = [*mine]
    other[5] += 0.125
    with barbus.publish(bus.path, source="feed-a") as a, barbus.publish(bus.path, source="feed-b") as b:
        assert b.send(table([other])).accepted == 1
        assert a.send(table([mine])).revised == 1
        for _ in range(3):
            ack = b.send(table([other]), strict=True)
            assert (ack.rows, ack.conflict, ack.revised) == (1, 1, 0) and "conflict=1" in repr(ack)
            assert a.send(table([mine])).duplicate == 1
    opened = barbus.open(bus.path)
    assert opened.latest(SYMBOLS[0]).close == mine[5]
    assert opened.stat()["conflicts"] == 3


def frames(rows):
    """The same bars as a table of each library."""
    data = table(rows)
    yield data
    yield data.to_batches()[0]
    yield pyarrow.concat_tables([data.slice(0, 5), data.slice(5)])
    yield pyarrow.RecordBatchReader.from_batches(data.schema, data.to_batches(max_chunksize=3))
    yield polars.from_arrow(data)
    yield data.to_pandas()


def test_tables_of_every_library(running):
    rows = minutes(1, 10)
    with barbus.publish(running.path) as publisher:
        accepted = 0
        for data in frames(rows):
            ack = publisher.send(data)
            assert ack.rows == len(rows)
            accepted += ack.accepted
            assert ack.accepted + ack.duplicate == len(rows), type(data)
        assert accepted == len(rows)
        assert counts(publisher.send(table(rows).slice(0, 0))) == (0, 0, 0, 0, 0)
    assert drain(barbus.open(running.path))[1] == rows


def test_from_bus_to_bus(make, tmp_path):
    """Bars that were read can be sent unchanged, pinned or not."""
    running = make().start()
    rows = minutes(1, 600)
    running.send(rows)
    (tmp_path / "other").mkdir()
    from conftest import RunningBus

    other = RunningBus(tmp_path / "other")
    try:
        other.start()
        with barbus.publish(other.path) as publisher:
            bus = barbus.open(running.path)
            assert publisher.send(next(bus.follow(start="oldest"))).accepted == len(rows)
            assert publisher.send(bus.day()).duplicate == len(rows)
            assert publisher.send(bus.latest(SYMBOLS[0])).duplicate == 1
        assert drain(barbus.open(other.path))[1] == rows
    finally:
        other.kill()


def test_a_label_and_a_zone_are_sent(running):
    naive = pyarrow.timestamp("ms")
    data = table([bar(SYMBOLS[0], 1)])
    data = data.set_column(1, "frame", pyarrow.array(["2024-07-04 09:30:00"]).cast(pyarrow.timestamp("s")).cast(naive))
    with barbus.publish(running.path, label="start", zone="Asia/Shanghai", source="a feed") as publisher:
        assert publisher.send(data).accepted == 1
    found = barbus.open(running.path).latest(SYMBOLS[0])
    assert found.frame.isoformat() == "2024-07-04T01:31:00+00:00"


def test_async_sends(running):
    async def main():
        async with barbus.publish(running.path, ack="durable") as publisher:
            tables = [table(minutes(1 + 5 * at, 5)) for at in range(8)]
            return await asyncio.gather(*(publisher.send_async(data) for data in tables))

    assert sum(ack.accepted for ack in asyncio.run(main())) == 80


def command(*arguments):
    """The error that the command line prints."""
    run = subprocess.run([BARBUS, *arguments], capture_output=True, text=True)
    assert run.returncode != 0
    return run.stderr.strip()


def test_a_strict_send_raises_with_the_first_reason(running):
    good, bad = bar(SYMBOLS[0], 1), list(bar(SYMBOLS[1], 1))
    bad[3] = bad[4] - 1
    with barbus.publish(running.path, source="a feed") as publisher:
        words = raised(lambda: publisher.send(table([good, bad]), strict=True))
        assert re.search(r"^1 of 2 rows are invalid, 1 are on the bus; the first: a feed \(pid \d+.*, row 2: high ", words)
        assert counts(publisher.send(table([good]), strict=True)) == (1, 0, 1, 0, 0)
        bad[3] = float("nan")
        words = raised(lambda: asyncio.run(publisher.send_async(table([bad]), strict=True)))
        assert "1 of 1 rows are invalid, 0 are on the bus" in words and "high is not a finite number" in words
        assert counts(publisher.send(table([bad]))) == (1, 0, 0, 0, 1)


def test_waiting_for_a_bus_that_is_starting(make):
    """A strategy and a producer may be started before the daemon, and before the bus."""
    bus = make()
    hidden = bus.path.with_name("hidden")
    bus.path.rename(hidden)
    for opening in [barbus.open, barbus.publish]:
        assert "there is no such directory" in raised(lambda: opening(bus.path, wait=0.2))
        with pytest.raises(ValueError, match="wait"):
            opening(bus.path, wait=-1)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        opened = threads.submit(barbus.open, bus.path, wait=TIMEOUT)
        publisher = threads.submit(barbus.publish, bus.path, wait=TIMEOUT)
        hidden.rename(bus.path)
        bus.start()
        assert publisher.result().send(table([bar(SYMBOLS[0], 1)])).accepted == 1
        assert values(opened.result().latest(SYMBOLS[0])) == bar(SYMBOLS[0], 1)


def raised(act):
    with pytest.raises(barbus.Error) as error:
        act()
    return str(error.value)


def test_errors_have_the_message_of_the_command_line(make, tmp_path):
    gone = tmp_path / "gone"
    assert raised(lambda: barbus.open(gone)) in command("latest", gone, "X")
    bus = make()
    assert raised(lambda: barbus.open(bus.path).symbols()) in command("latest", bus.path, "X")
    csv = tmp_path / "bars.csv"
    csv.write_text("symbol,frame,open,high,low,close,volume\nX,2024-07-04T00:01:00Z,1,1,1,1,1\n")
    words = raised(lambda: barbus.publish(bus.path, wait=0))
    assert "no daemon is running" in words and words in command("publish", "--wait", "0", bus.path, csv)
    bus.start()
    bus.send([bar(SYMBOLS[0], 1)])
    words = raised(lambda: barbus.open(bus.path).window("600000.XSHE", 5))
    assert 'did you mean "600000.XSHG"' in words and words in command("latest", bus.path, "600000.XSHE")


def test_a_rejected_batch_does_not_block_the_next_one(running):
    with barbus.publish(running.path) as publisher:
        wrong = table([bar(SYMBOLS[0], 1)]).replace_schema_metadata({"barbus.ack": "whenever"})
        words = raised(lambda: publisher.send(wrong))
        assert "the daemon refused: schema metadata barbus.ack" in words
        assert publisher.send(table([bar(SYMBOLS[0], 1)])).accepted == 1
        with pytest.raises(TypeError, match="PyCapsule"):
            publisher.send([1, 2, 3])
    assert "closed" in raised(lambda: publisher.send(table([bar(SYMBOLS[0], 1)])))
    with pytest.raises(ValueError, match="ack"):
        barbus.publish(running.path, ack="whenever")


def test_a_daemon_that_is_killed(running):
    publisher = barbus.publish(running.path)
    running.kill()
    raised(lambda: publisher.send(table([bar(SYMBOLS[0], 1)])))
    running.start()
    assert publisher.send(table([bar(SYMBOLS[0], 1)])).rows == 1


def test_stat(running):
    running.send(minutes(1, 3))
    stat = barbus.open(running.path).stat()
    assert stat["pid"] == running.daemon.pid and stat["bars"] == 6 and stat["symbols"] == 2
    assert stat["last_age_s"] >= 0


def test_a_stopped_daemon_hangs_nobody(running):
    """The process and its state are named, and the files still answer."""
    running.send(minutes(1, 3))
    bus = barbus.open(running.path)
    with barbus.publish(running.path, timeout=0.5) as publisher:
        running.daemon.send_signal(signal.SIGSTOP)
        stopped = f"process {running.daemon.pid}, is stopped"
        wait_until("the daemon to stop", lambda: stopped in (bus.stat(timeout=0.5)["daemon_silent"] or ""))
        stat = bus.stat(timeout=0.5)
        assert stat["bars"] == 6 and stat["pid"] is None and stopped in stat["daemon_silent"]
        assert stopped in raised(lambda: publisher.send(table([bar(SYMBOLS[0], 4)])))
        running.daemon.send_signal(signal.SIGCONT)
        assert publisher.send(table([bar(SYMBOLS[0], 4)])).rows == 1
    assert bus.stat()["daemon_silent"] is None
    with pytest.raises(ValueError, match="timeout"):
        bus.stat(timeout=-1)


def test_the_example(make):
    """The example publishes bars under asyncio, and the daemon writes the day's file."""
    running = make().start()
    run = subprocess.run(
        [sys.executable, EXAMPLES / "fetch_and_publish.py", running.path], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    running.close_day()
    bus = barbus.open(running.path)
    assert len(bus.day(bus.days()[0])) == len(pandas.read_parquet(next((running.path / "archive/1m").glob("*.parquet"))))
    assert len(bus.symbols()) > 1


def test_the_stubs_list_the_public_names():
    import ast

    stub = Path(barbus.__file__).with_name("_barbus.pyi")
    assert stub.with_name("py.typed").exists()
    tree = ast.parse(stub.read_text())
    named = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert set(barbus.__all__) <= set(named)
    # Those that a bar has if its bus or its interval has them.
    optional = {"money", "factor", "bars", "complete"}
    for name in barbus.__all__:
        thing = getattr(barbus, name)
        assert thing.__doc__, name
        if isinstance(thing, type) and thing is not barbus.Error:
            public = {member for member in vars(thing) if not member.startswith("_")}
            stubbed = {node.name for node in named[name].body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
            if thing is barbus.Bar:
                stubbed -= optional
            assert all(getattr(thing, member).__doc__ for member in public), name
            assert public == {member for member in stubbed if not member.startswith("_")}, name


def test_other_packages_are_imported_only_when_used():
    """Importing barbus imports neither pyarrow, polars, pandas nor numpy."""
    script = "import barbus, sys; print([name for name in ('numpy', 'pandas', 'polars', 'pyarrow') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
