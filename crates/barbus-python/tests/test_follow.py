import asyncio
import datetime
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest

import barbus
from conftest import BARBUS, TIMEOUT, SMALL, SYMBOLS, bar, drain, minutes, table, wait_until, values


def test_every_bar_from_the_oldest_has_its_values(running):
    rows = minutes(1, 600)
    running.send(rows)
    bus = barbus.open(running.path)
    events, bars = drain(bus)
    assert bars == rows
    assert any(event.pinned for event in events), "many waiting bars are pinned, not copied"
    seqs = [bar.seq for event in events for bar in event]
    assert seqs == list(range(len(rows)))


def test_starts(running):
    rows = minutes(1, 5, day=3) + minutes(1, 5, day=4)
    running.send(rows)
    bus = barbus.open(running.path)
    assert drain(bus, 7)[1] == rows[7:]
    assert drain(bus, "today")[1] == rows[10:]
    assert drain(bus, "2024-07-03")[1] == rows
    assert drain(bus, datetime.date(2024, 7, 4))[1] == rows[10:]
    assert drain(bus, "live") == ([], [])
    assert bus.follow(start=3).position == 3
    for wrong in ["yesterday", "2024-07-3", datetime.datetime(2024, 7, 4)]:
        with pytest.raises(ValueError, match="2024-07-03"):
            bus.follow(start=wrong)
    with pytest.raises(TypeError):
        bus.follow(start=1.5)
    with pytest.raises(barbus.Error, match="the ring holds no bar of 2024-07-05 or a later day"):
        bus.follow(start="2024-07-05")


def test_a_day_closes_between_its_last_bar_and_the_next_bar(running):
    running.send(minutes(1, 3, day=3) + minutes(1, 3, day=4))
    events, _ = drain(barbus.open(running.path))
    kinds = [event if isinstance(event, barbus.DayClosed) else len(event) for event in events]
    assert [kind for kind in kinds if not isinstance(kind, int)] == [kinds[1]] and kinds[0] == kinds[2] == 6
    match kinds[1]:
        case barbus.DayClosed(day):
            assert day == datetime.date(2024, 7, 3)


def test_a_reader_that_keeps_everything_pins_its_share(make):
    """Promises 2 and 3: beyond the share bars are copies, which is said once, and none of them changes."""
    # Fewer bars than a block of this ring has are copied sooner than pinned.
    running = make(**SMALL | {"rows_per_block": ("16384", "256")}).start()
    bus = barbus.open(running.path)
    blocks = bus.stat()["blocks"]
    kept, rows, said = [], [], []
    follow = bus.follow(start="oldest", timeout=0, name="keeper")
    for day in range(1, 1 + 3 * blocks * 256 // 2800 + 1):
        rows += (sent := minutes(1, 1400, day=day))
        running.send(sent)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kept += [event for event in follow if isinstance(event, barbus.Bars)]
        said += [str(warning.message) for warning in caught]
    assert sum(event.pinned for event in kept) == blocks // 4
    assert [values(bar) for event in kept for bar in event] == rows
    assert len(said) == 1 and "max_pins" in said[0] and "copy" in said[0]
    stat = bus.stat()
    assert (stat["rings_replaced"], stat["rings_held"]) == (0, 0)


def test_some_symbols(running):
    running.send(minutes(1, 600))
    bus = barbus.open(running.path)
    events, bars = drain(bus, symbols=[SYMBOLS[1]])
    assert bars == minutes(1, 600, symbols=SYMBOLS[1:])
    assert not any(event.pinned for event in events), "selected bars are copied"
    assert drain(bus, symbols=iter(["nobody"])) == ([], [])
    with pytest.raises(TypeError):
        bus.follow(symbols="600000.XSHG")


def test_live_bars_arrive_as_they_were_sent(running):
    bus = barbus.open(running.path)
    rows = minutes(1, 50)
    follow = bus.follow(timeout=TIMEOUT)

    def produce():
        with barbus.publish(running.path) as publisher:
            for at in range(0, len(rows), 2):
                publisher.send(table(rows[at : at + 2]))

    producer = threading.Thread(target=produce)
    producer.start()
    got = []
    while len(got) < len(rows):
        got += [values(bar) for bar in next(follow)]
    producer.join()
    assert got == rows


def test_a_slow_reader_gets_the_number_of_missed_bars(make):
    """Promise 4: an exact count."""
    running = make(**SMALL).start()
    bus = barbus.open(running.path)
    capacity = bus.stat()["blocks"] * 64
    follow = bus.follow(start="oldest", timeout=0)
    rows = minutes(1, 1400)
    days = -(-3 * capacity // len(rows))
    assert days < 25, "the ring is too long for this test"
    sent = []
    for day in range(1, days + 1):
        rows = minutes(1, 1400, day=day)
        assert running.send(rows).accepted == len(rows)
        sent += rows
    missed, got = 0, []
    for event in follow:
        match event:
            case barbus.Lapped(count):
                missed += count
            case barbus.Bars():
                got += [values(bar) for bar in event]
    assert missed > 0
    assert missed + len(got) == len(sent)
    assert got == sent[missed:]


def test_the_beginning_that_the_ring_has_lost(make):
    running = make(**SMALL).start()
    bus = barbus.open(running.path)
    sent = []
    while drain(bus)[1][:1] == sent[:1]:
        day = 1 + len(sent) // 2800
        assert day < 26, "the ring is too long for this test"
        sent += (rows := minutes(1, 1400, day=day))
        running.send(rows)
    key = lambda row: (row[1].date(), row[1], row[0])
    assert sorted(drain(bus, "2024-07-01")[1], key=key) == sorted(sent, key=key)
    events, bars = drain(bus, "2024-07-01", on_gap="lapped")
    assert isinstance(events[0], barbus.Lapped) and events[0].missed + len(bars) == len(sent)
    with pytest.raises(barbus.Error, match="2024-07-01"):
        bus.follow(start="2024-07-01", on_gap="error")
    with pytest.raises(ValueError, match="on_gap"):
        bus.follow(start="2024-07-01", on_gap="stop")


def test_a_reader_continues_when_the_daemon_restarts(running):
    follow = barbus.open(running.path).follow(timeout=TIMEOUT)
    running.send([bar(SYMBOLS[0], 1)])
    assert next(follow)[0].close == bar(SYMBOLS[0], 1)[5]
    running.stop()
    running.start()
    running.send([bar(SYMBOLS[0], 2)])
    assert next(follow)[0].close == bar(SYMBOLS[0], 2)[5]


def test_barbus_readers_shows_the_name(running):
    follow = barbus.open(running.path).follow(timeout=TIMEOUT, name="my strategy")
    running.send([bar(SYMBOLS[0], 1)])
    next(follow)
    run = subprocess.run([BARBUS, "readers", running.path], capture_output=True, text=True, check=True)
    assert "my strategy" in run.stdout and str(os.getpid()) in run.stdout


def test_stale_data_is_detectable(running):
    bus = barbus.open(running.path)
    assert bus.newest_age() is None and bus.writer_alive()
    running.send([bar(SYMBOLS[0], 1)])
    assert 0 <= bus.newest_age() < TIMEOUT
    running.kill()
    wait_until("the reader to notice the dead writer", lambda: not bus.writer_alive())


def rises(events):
    """A strategy: how often each symbol closes above its last close, for each day."""
    last, count, days = {}, {}, []
    for event in events:
        match event:
            case barbus.Bars():
                for found in event:
                    before = last.get(found.symbol, found.close)
                    count[found.symbol] = count.get(found.symbol, 0) + (found.close > before)
                    last[found.symbol] = found.close
            case barbus.DayClosed(day):
                days.append((day, count))
                last, count = {}, {}
    return days


def test_a_strategy_gets_the_same_events_from_a_replay_as_live(running):
    for day in (2, 3):
        running.send(minutes(1, 700, day=day))
    running.close_day()
    bus = barbus.open(running.path)
    live = rises(bus.follow(start="oldest", timeout=0))
    assert [day.isoformat() for day, _ in live] == ["2024-07-02", "2024-07-03"]
    assert live[0][1] == {SYMBOLS[0]: 699, SYMBOLS[1]: 699}
    assert rises(bus.replay("2024-07-02", datetime.date(2024, 7, 3))) == live
    assert rises(bus.replay("2024-07-03")) == live[1:]
    assert rises(bus.replay("2024-07-03", symbols=SYMBOLS[:1])) == [(live[1][0], {SYMBOLS[0]: 699})]

    async def gather():
        return [event async for event in bus.replay("2024-07-02", "2024-07-03", speed="6000000x")]

    assert rises(asyncio.run(gather())) == live
    with pytest.raises(barbus.Error, match="nothing to replay"):
        bus.replay("2024-07-03", "2024-07-02")
    with pytest.raises(ValueError, match="speed"):
        bus.replay("2024-07-03", speed="slowly")


def test_another_task_runs_while_an_async_reader_waits(running):
    rows = minutes(1, 40)

    async def strategy(got):
        async for bars in barbus.open(running.path).follow(timeout=TIMEOUT):
            got += [values(bar) for bar in bars]
            if len(got) == len(rows):
                return

    async def main():
        got, ticks = [], 0
        task = asyncio.create_task(strategy(got))
        # The reader waits for bars that this task sends only after many turns of its own.
        while ticks < 200:
            await asyncio.sleep(0.001)
            ticks += 1
        assert not task.done()
        publisher = barbus.publish(running.path)
        async with publisher:
            for at in range(0, len(rows), 8):
                ack = await publisher.send_async(table(rows[at : at + 8]))
                assert ack.accepted == 8
        await asyncio.wait_for(task, TIMEOUT)
        return got

    assert asyncio.run(main()) == rows


def test_other_tasks_run_while_an_async_reader_catches_up(running):
    running.send(minutes(1, 1000))

    async def main():
        turns, done = 0, False

        async def other():
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        batches = 0
        async for _ in barbus.open(running.path).follow(start="oldest", timeout=0):
            batches += 1
            assert turns >= batches - 1
        done = True
        await task
        return batches

    assert asyncio.run(main()) >= 1


def test_a_cancelled_wait_loses_no_event(running):
    async def main():
        follow = barbus.open(running.path).follow()
        for minute in range(1, 6):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(follow), 0.01)
            await asyncio.to_thread(running.send, [bar(SYMBOLS[0], minute)])
            bars = await asyncio.wait_for(anext(follow), TIMEOUT)
            assert [values(found) for found in bars] == [bar(SYMBOLS[0], minute)]

    asyncio.run(main())


def test_many_async_readers_do_not_wait_for_each_other(running):
    count = 40

    async def main():
        bus = barbus.open(running.path)
        readers = [asyncio.create_task(anext(bus.follow(timeout=TIMEOUT))) for _ in range(count)]
        await asyncio.sleep(0)
        await asyncio.to_thread(running.send, [bar(SYMBOLS[0], 1)])
        return await asyncio.gather(*readers)

    assert [len(bars) for bars in asyncio.run(main())] == [1] * count


@pytest.mark.parametrize("loop", ["for", "async"])
def test_ctrl_c_ends_a_wait_at_once(running, loop):
    body = {
        "for": "for _ in follow: pass",
        "async": "import asyncio\nasync def main():\n  async for _ in follow: pass\nasyncio.run(main())",
    }[loop]
    script = f"import barbus\nfollow = barbus.open({str(running.path)!r}).follow()\nprint('waiting', flush=True)\n{body}"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "waiting\n"
    # The reader must be in the wait: its main thread or its helper thread sleeps on a futex.
    wait_until("the reader to wait", lambda: "futex" in wchan(child.pid))
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=TIMEOUT)
    assert "KeyboardInterrupt" in errors
    assert child.returncode in (-signal.SIGINT, 130, 1)


def wchan(pid):
    words = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            words.append(open(f"/proc/{pid}/task/{task}/wchan").read())
        except OSError:
            pass
    return " ".join(words)


def test_other_threads_run_while_a_reader_waits(running):
    follow = barbus.open(running.path).follow(timeout=TIMEOUT)
    got = []
    reader = threading.Thread(target=lambda: got.append(next(follow)))
    reader.start()
    # If the waiting reader held the interpreter, this thread could never send the bar.
    running.send([bar(SYMBOLS[0], 1)])
    reader.join(TIMEOUT)
    assert len(got) == 1 and len(got[0]) == 1


def test_a_forked_child_must_open_the_bus_again(running):
    running.send(minutes(1, 300))
    bus = barbus.open(running.path)
    follow = bus.follow(start="oldest")
    publisher = barbus.publish(running.path)
    pinned = next(follow)
    assert pinned.pinned
    before = [values(bar) for bar in pinned]
    held = locks(running.path / "bars.ring")
    assert held
    inside, outside = os.pipe()
    child = os.fork()
    if child == 0:
        words = []
        for use in [lambda: next(follow), bus.symbols, bus.day, lambda: publisher.send(None)]:
            try:
                use()
                words.append("nothing was raised")
            except BaseException as error:
                words.append(f"{type(error).__name__}: {error}")
        words.append(str(len(barbus.open(running.path).symbols())))
        # A pin that the child drops stays with the parent: the two share the locks.
        del pinned, use
        os.write(outside, "\n".join(words).encode())
        os._exit(0)
    os.close(outside)
    with open(inside) as pipe:
        *words, symbols = pipe.read().splitlines()
    os.waitpid(child, 0)
    expected = f"Error: {running.path}: opened by process {os.getpid()} before a fork: open it again in this process"
    assert words == [expected] * 4
    assert symbols == "2"
    assert [values(bar) for bar in pinned] == before
    assert locks(running.path / "bars.ring") == held
    assert drain(bus)[1] == minutes(1, 300)


def locks(path):
    """The locks that readers hold on a file."""
    number = f":{os.stat(path).st_ino} "
    return sorted(line.split(":", 1)[1] for line in open("/proc/locks") if "OFDLCK" in line and number in line)
