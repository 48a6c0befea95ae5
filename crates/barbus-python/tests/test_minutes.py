"""Complete minutes: a batch for each, live and on a replay; the watermark of a producer."""

import asyncio
import datetime

import pytest

import barbus
from conftest import SYMBOLS, UTC, bar, table

ZONE = datetime.timezone(datetime.timedelta(hours=8))


def frame(minute, day=4):
    return datetime.datetime(2024, 7, day, 9, 30, tzinfo=ZONE) + datetime.timedelta(minutes=minute)


def row(symbol, minute, day=4):
    """A bar of a minute after 09:30 in Shanghai."""
    values = bar(symbol, minute)
    return (symbol, frame(minute, day).astimezone(UTC), *values[2:])


def shape(events):
    """Each minute as (minute, symbols, missing), other bars as their number."""
    result, bars = [], 0
    for event in events:
        match event:
            case barbus.Bars():
                bars += len(event)
            case barbus.MinuteClosed(at, symbols, missing):
                result.append((round((at - frame(0)).total_seconds() / 60), symbols, missing))
                assert bars == symbols
                bars = 0
            case other:
                result.append(other)
    return result, bars


@pytest.fixture
def stocks(make):
    """A bus with an archived day, after which the symbols are known."""
    running = make(calendar="XSHG").start()
    running.send([row(symbol, 1, day=3) for symbol in SYMBOLS])
    running.close_day()
    return running


def test_one_batch_for_each_minute_live_and_replayed(stocks):
    bus = barbus.open(stocks.path)
    follow = bus.follow(by="minute", grace=3600, timeout=0)
    stocks.send([row(SYMBOLS[0], 1), row(SYMBOLS[1], 1), row(SYMBOLS[1], 2), row(SYMBOLS[0], 4)])
    first, closed = next(follow), next(follow)
    assert [one.symbol for one in first] == sorted(SYMBOLS)
    assert (closed.frame, closed.symbols, closed.missing) == (frame(1), 2, [])
    assert closed.frame_ms == int(frame(1).timestamp() * 1000) and "symbols=2" in repr(closed)
    live, bars = shape(follow)
    assert (live, bars) == ([(2, 1, [SYMBOLS[0]]), (3, 0, sorted(SYMBOLS))], 0)
    stocks.close_day()
    rest, _ = shape(follow)
    assert rest[0] == (4, 1, [SYMBOLS[1]]) and len(rest) == 237 + 1
    assert isinstance(rest[-1], barbus.DayClosed)
    replayed, _ = shape(bus.replay("2024-07-04", by="minute"))
    assert replayed == [(1, 2, [])] + live + rest
    only = [event for event in bus.replay("2024-07-04", symbols=SYMBOLS[:1], by="minute", universe=SYMBOLS[:1])]
    assert shape(only)[0][:3] == [(1, 1, []), (2, 0, [SYMBOLS[0]]), (3, 0, [SYMBOLS[0]])]


def test_a_producer_ends_a_minute(stocks):
    bus = barbus.open(stocks.path)
    follow = bus.follow(by="minute", grace=3600, timeout=60)
    with barbus.publish(stocks.path) as publisher:
        publisher.send(table([row(SYMBOLS[0], 1)]))
        publisher.done(frame(1))
        assert len(next(follow)) == 1
        assert next(follow).missing == [SYMBOLS[1]]
        publisher.send(table([row(SYMBOLS[1], 2)]))
        publisher.done(int(frame(2).timestamp() * 1000))
        assert (len(next(follow)), next(follow).missing) == (1, [SYMBOLS[0]])
        with pytest.raises(TypeError):
            publisher.done("09:31")
        publisher.done(datetime.datetime.now(UTC) + datetime.timedelta(days=1))
        with pytest.raises(barbus.Error, match="cannot be done yet"):
            publisher.send(table([row(SYMBOLS[1], 3)]))


def test_a_late_bar_comes_alone(stocks):
    bus = barbus.open(stocks.path)
    follow = bus.follow(by="minute", universe=SYMBOLS[:1], grace=3600, timeout=0)
    stocks.send([row(SYMBOLS[0], 1), row(SYMBOLS[1], 1)])
    on_time, closed, late = follow
    assert (len(on_time), closed.symbols, [one.symbol for one in late]) == (1, 1, [SYMBOLS[1]])
    assert late[0].frame <= closed.frame


def test_async_minutes(stocks):
    bus = barbus.open(stocks.path)

    async def first_minute():
        async for event in bus.follow(by="minute", timeout=60):
            if isinstance(event, barbus.MinuteClosed):
                return event

    async def both():
        task = asyncio.create_task(first_minute())
        await asyncio.sleep(0.05)
        async with barbus.publish(stocks.path) as publisher:
            await publisher.send_async(table([row(symbol, 1) for symbol in SYMBOLS]))
        return await task

    assert asyncio.run(both()).symbols == 2


def test_arguments(stocks):
    bus = barbus.open(stocks.path)
    with pytest.raises(ValueError, match='give "minute"'):
        bus.follow(by="hour")
    with pytest.raises(ValueError, match='for by="minute" and for interval'):
        bus.follow(grace=1)
    with pytest.raises(ValueError, match="seconds, 0 or more"):
        bus.follow(by="minute", grace=-1)
    with pytest.raises(TypeError, match="give a list"):
        bus.follow(by="minute", universe="A")


def test_bars_of_an_interval_come_with_their_last_minute(stocks):
    """Live and replayed bars are the same; the last minutes are missing, so the close ends them."""
    bus = barbus.open(stocks.path)
    follow = bus.follow(interval="2m", universe=SYMBOLS, grace=3600, timeout=0)
    stocks.send([row(symbol, minute) for minute in (1, 2, 3) for symbol in SYMBOLS])
    first = next(follow)
    assert isinstance(first, barbus.Bars)
    assert [(one.symbol, one.frame, one.volume) for one in first] == [
        (symbol, frame(2), row(symbol, 1)[6] + row(symbol, 2)[6]) for symbol in sorted(SYMBOLS)
    ]
    with pytest.raises(ValueError, match="write 1m to 240m"):
        bus.follow(interval="7h")
    with pytest.raises(ValueError, match="not both"):
        bus.follow(interval="5m", by="minute")
