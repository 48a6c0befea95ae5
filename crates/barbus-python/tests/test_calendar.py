import datetime
import zoneinfo

import pytest

import barbus

SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")


def at(text, zone=SHANGHAI):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zone)


def day(text):
    return datetime.date.fromisoformat(text)


def test_days_sessions_and_minutes(make):
    calendar = barbus.open(make(calendar="CN-FUTURES").path).calendar
    assert (calendar.name, calendar.zone, calendar.horizon) == ("CN-FUTURES", "Asia/Shanghai", day("2026-12-31"))
    assert calendar.trading_day(at("2024-07-05T21:01")) == day("2024-07-08")
    assert calendar.days("2024-07-04", day("2024-07-08")) == [day("2024-07-04"), day("2024-07-05"), day("2024-07-08")]
    gold = calendar.of_symbol("au2412")
    assert (gold.group, len(gold.minutes("2024-07-08"))) == ("night-0230", 555)
    assert calendar.of_group("day").group == "day" and "index" in calendar.groups
    night = gold.sessions("2024-07-08")[0]
    assert (night.name, night.start, night.end) == ("night", at("2024-07-05T21:00"), at("2024-07-06T02:30"))
    assert not night.extended and "night" in repr(night)
    assert gold.minutes("2024-07-08")[0] == at("2024-07-05T21:01")
    assert calendar.sessions("2024-07-06") == [] and not calendar.is_trading_day("2024-07-06")


def test_open_and_close():
    calendar = barbus.calendar("xnys")
    assert calendar.is_open(at("2026-11-27T05:00", NEW_YORK))
    regular = calendar.regular()
    assert not regular.is_open(at("2026-11-27T05:00", NEW_YORK))
    assert regular.next_open(at("2026-11-27T05:00", NEW_YORK)) == at("2026-11-27T09:30", NEW_YORK)
    assert regular.previous_close(at("2026-11-29T12:00", NEW_YORK)) == at("2026-11-27T13:00", NEW_YORK)
    assert regular.closes_early("2026-11-27") and not regular.closes_early("2026-11-25")
    # An instant in any zone.
    assert calendar.is_open(datetime.datetime(2026, 11, 27, 10, 0, tzinfo=datetime.timezone.utc))
    assert barbus.calendar("24x7").next_open(at("2026-11-27T05:00")) is None


def test_what_is_not_understood():
    with pytest.raises(KeyError, match="unknown calendar"):
        barbus.calendar("XNYSE")
    calendar = barbus.calendar("CME")
    with pytest.raises(KeyError, match="its groups are"):
        calendar.of_group("oil")
    with pytest.raises(ValueError, match="no zone"):
        calendar.is_open(datetime.datetime(2026, 11, 27))
    with pytest.raises(TypeError):
        calendar.is_open("2026-11-27")


def test_gaps(make):
    running = make(calendar="XSHG").start()
    bus = barbus.open(running.path)
    assert bus.gaps() == []
    # 09:31 to 11:30 in Shanghai, and one symbol without 10:01.
    frames = [at("2024-07-04T09:31") + datetime.timedelta(minutes=minute) for minute in range(120)]
    rows = []
    for symbol in ("600000.XSHG", "600001.XSHG"):
        for frame in frames:
            if symbol == "600001.XSHG" and frame == at("2024-07-04T10:01"):
                continue
            rows.append((symbol, frame))
    columns = {"symbol": [row[0] for row in rows], "frame": [row[1] for row in rows]}
    columns |= {name: [10.0] * len(rows) for name in ("open", "high", "low", "close", "volume")}
    import polars

    with barbus.publish(running.path) as publisher:
        assert publisher.send(polars.DataFrame(columns)).accepted == 239
    first, second = bus.gaps()
    assert first.source == "ring"
    running.close_day()
    first, second = bus.gaps("2024-07-04")
    assert (first.day, first.symbol, first.source) == (day("2024-07-04"), "600000.XSHG", "archive")
    afternoon = (at("2024-07-04T13:01"), at("2024-07-04T15:00"))
    assert (first.expected, first.present, first.missing, first.no_symbol) == (240, 120, [afternoon], 120)
    tenth = (at("2024-07-04T10:01"), at("2024-07-04T10:01"))
    assert second.missing == [tenth, afternoon] and second.no_symbol == 120
    assert second.sessions == [("morning", 120, 119), ("afternoon", 120, 0)]
    assert (second.first, second.last) == (frames[0], frames[-1])
    assert (second.outside, second.extended, second.group) == (0, 0, None)
    assert [found.symbol for found in bus.gaps("2024-07-04", symbol="000001.XSHE")] == ["000001.XSHE"]
    assert bus.gaps(first="2024-07-04", last="2024-07-05")[0].present == 120
    with pytest.raises(barbus.Error, match="no trading day"):
        bus.gaps("2024-07-06")
