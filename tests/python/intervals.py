"""Compare `barbus bars --interval` with bars that pandas makes of the published CSV files.

This script uses no barbus code and no calendar library: the hours and holidays of each market are
written here by hand. It implements the rules again, so that a shared mistake cannot hide:

* minutes are counted from the beginning of each session, and no bar reaches over a break; the time
  outside all sessions is divided in the same way, from where the last session ended;
* a bar is labelled with the end of its period: of a day, a week or a month that is the end of the
  last session of its last trading day, or of its last minute if that is later;
* open is the first, high the highest, low the lowest, close and factor the last, volume and money
  the sum.

    intervals.py --market XNYS --label start --answers FOLDER --files FILE...

FOLDER has one CSV file for each interval, `5m.csv` and so on. It exits with 1 and the first
differences.
"""

import argparse
import datetime as dt
import pathlib
import sys

import pandas as pd
from pandas.tseries.holiday import (
    AbstractHolidayCalendar,
    GoodFriday,
    Holiday,
    USLaborDay,
    USMartinLutherKingJr,
    USMemorialDay,
    USPresidentsDay,
    USThanksgivingDay,
    nearest_workday,
    sunday_to_monday,
)

ZONES = {"XSHG": "Asia/Shanghai", "XNYS": "America/New_York", "24x7": "UTC"}


class NewYorkStockExchange(AbstractHolidayCalendar):
    """The exchange's holidays from 2008 on; New Year's Day on a Saturday is not moved."""

    rules = [
        Holiday("New Year's Day", month=1, day=1, observance=sunday_to_monday),
        USMartinLutherKingJr,
        USPresidentsDay,
        GoodFriday,
        USMemorialDay,
        Holiday("Juneteenth", month=6, day=19, start_date="2022-06-19", observance=nearest_workday),
        Holiday("Independence Day", month=7, day=4, observance=nearest_workday),
        USLaborDay,
        USThanksgivingDay,
        Holiday("Christmas", month=12, day=25, observance=nearest_workday),
        Holiday("Hurricane Sandy", year=2012, month=10, day=29),
        Holiday("Hurricane Sandy, second day", year=2012, month=10, day=30),
        Holiday("Day of mourning for George H. W. Bush", year=2018, month=12, day=5),
    ]


HOLIDAYS = {
    # The sets of mainland stocks lie in months without a holiday but one.
    "XSHG": {dt.date(2022, 4, 4), dt.date(2022, 4, 5)},
    "XNYS": {day.date() for day in NewYorkStockExchange().holidays("2008-01-01", "2024-12-31")},
    "24x7": set(),
}


def is_trading_day(market, day):
    return market == "24x7" or (day.weekday() < 5 and day not in HOLIDAYS[market])


def closes_early(day):
    """Whether the New York exchange closes at 13:00: by rules for the years of the sets."""
    after_thanksgiving = day.month == 11 and day.weekday() == 4 and 23 <= day.day <= 29
    christmas_eve = (day.month, day.day) == (12, 24)
    # On a Friday before a Saturday the fourth, the holiday itself is moved to it.
    before_july_4 = (day.month, day.day) == (7, 3) and day.weekday() in (0, 1, 2, 3)
    before_july_4 = before_july_4 and not (day.weekday() == 2 and day.year < 2013)
    friday_after_july_4 = (day.month, day.day) == (7, 5) and day.weekday() == 4 and day.year < 2013
    return after_thanksgiving or christmas_eve or before_july_4 or friday_after_july_4


def sessions(market, day):
    """The sessions of a day, in minutes from its midnight."""
    if not is_trading_day(market, day):
        return []
    if market == "XSHG":
        return [(570, 690), (780, 900)]
    if market == "24x7":
        return [(0, 1440)]
    if closes_early(day):
        return [(240, 570), (570, 780), (780, 1020)]
    return [(240, 570), (570, 960), (960, 1200)]


def spans(market, day):
    """The day divided at the beginnings and ends of its sessions."""
    at, found = 0, []
    for start, end in sessions(market, day):
        if at < start:
            found.append((at, start))
        found.append((start, end))
        at = end
    if at < 1440:
        found.append((at, 1440))
    return found


def close(market, day):
    found = sessions(market, day)
    return found[-1][1] if found else 1440


def last_trading_day(market, days, otherwise):
    open_days = [day for day in days if is_trading_day(market, day)]
    return max([*open_days, otherwise]) if open_days else otherwise


def read(files, label, market):
    frames = [pd.read_csv(file) for file in files]
    bars = pd.concat(frames, ignore_index=True)
    bars["frame"] = pd.to_datetime(bars["frame"], utc=True)
    if label == "start":
        bars["frame"] += pd.Timedelta(minutes=1)
    prices = bars[["open", "high", "low", "close"]]
    sound = (prices.max(axis=1) <= bars["high"]) & (prices.min(axis=1) >= bars["low"]) & (bars["volume"] >= 0)
    bars = bars[sound & prices.notna().all(axis=1)]
    # Of several rows of one bar the last one in the order of the feed counts.
    bars = bars.drop_duplicates(["symbol", "frame"], keep="last").sort_values(["symbol", "frame"])
    local = bars["frame"].dt.tz_convert(ZONES[market]).dt.tz_localize(None)
    # A bar that ends at midnight belongs to the day that ends there.
    day = (local - pd.Timedelta(minutes=1)).dt.normalize()
    bars["day"] = day.dt.date
    bars["minute"] = ((local - day).dt.total_seconds() // 60).astype(int)
    return bars.reset_index(drop=True)


def label_minutes(bars, market, length):
    """The day and the end, in minutes from its midnight, of each bar's period of minutes."""
    ends = {}
    for day in bars["day"].unique():
        of_day = {}
        for start, end in spans(market, day):
            for minute in range(start + 1, end + 1):
                whole = start + -(-(minute - start) // length) * length
                of_day[minute] = min(whole, end)
        ends[day] = of_day
    return [ends[day][minute] for day, minute in zip(bars["day"], bars["minute"])]


def expected(bars, market, interval):
    bars = bars.copy()
    if interval[-1] in "mh":
        length = int(interval[:-1]) * (60 if interval[-1] == "h" else 1)
        bars["end_day"] = bars["day"]
        bars["end"] = label_minutes(bars, market, length)
        keys = ["symbol", "day", "end"]
    else:
        first, last = {}, {}
        for day in bars["day"].unique():
            if interval == "1d":
                first[day], last[day] = day, day
            elif interval == "1w":
                monday = day - dt.timedelta(days=day.weekday())
                first[day] = monday
                last[day] = last_trading_day(market, [monday + dt.timedelta(days=i) for i in range(7)], day)
            else:
                count = pd.Timestamp(day).days_in_month
                days = [day.replace(day=number) for number in range(1, count + 1)]
                first[day], last[day] = days[0], last_trading_day(market, days, day)
        bars["period"] = bars["day"].map(first)
        bars["end_day"] = bars["day"].map(last)
        bars["end"] = [close(market, day) for day in bars["end_day"]]
        late = (bars["day"] == bars["end_day"]) & (bars["minute"] > bars["end"])
        bars.loc[late, "end"] = bars.loc[late, "minute"]
        keys = ["symbol", "period"]
    groups = bars.groupby(keys, sort=True)
    made = groups.agg(
        symbol=("symbol", "first"),
        end_day=("end_day", "max"),
        end=("end", "max"),
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
        money=("money", lambda money: money.sum(min_count=1)),
        factor=("factor", "last"),
        bars=("close", "size"),
    )
    local = pd.to_datetime(made["end_day"]) + pd.to_timedelta(made["end"], unit="min")
    made["frame"] = local.dt.tz_localize(ZONES[market]).dt.tz_convert("UTC")
    made["day"] = made["end_day"].astype(str)
    return made.reset_index(drop=True)


def compare(made, answer, interval):
    answer = answer.copy()
    answer["frame"] = pd.to_datetime(answer["frame"], utc=True)
    both = made.merge(answer, on=["symbol", "frame"], how="outer", suffixes=("", "_answer"), indicator=True)
    wrong = both[both["_merge"] != "both"].assign(column="frame")
    differences = [wrong]
    both = both[both["_merge"] == "both"]
    for column in ["open", "high", "low", "close", "bars", "day"]:
        differences.append(both[both[column] != both[f"{column}_answer"]].assign(column=column))
    for column in ["volume", "money", "factor"]:
        mine, theirs = both[column], both[f"{column}_answer"]
        near = (mine - theirs).abs() <= 1e-9 * mine.abs()
        differences.append(both[~(near | (mine.isna() & theirs.isna()))].assign(column=column))
    found = pd.concat(differences)
    for _, row in found.head(5).iterrows():
        column = row["column"]
        print(f"{interval} {row['symbol']} {row['frame']} {column}: {row.get(column)} and not {row.get(column + '_answer')}")
    return len(found)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--market", required=True, choices=ZONES)
    arguments.add_argument("--label", required=True, choices=["start", "end"])
    arguments.add_argument("--answers", required=True, type=pathlib.Path)
    arguments.add_argument("--files", required=True, nargs="+", type=pathlib.Path)
    given = arguments.parse_args()
    bars = read(given.files, given.label, given.market)
    wrong = 0
    for file in sorted(given.answers.glob("*.csv")):
        answer = pd.read_csv(file)
        made = expected(bars, given.market, file.stem)
        differences = compare(made, answer, file.stem)
        print(f"{file.stem}: {len(made)} bars, {differences} differences")
        wrong += differences
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
