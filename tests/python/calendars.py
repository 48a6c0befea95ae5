"""Compares barbus's calendars with those of exchange_calendars and pandas_market_calendars.

Usage: calendars.py BARBUS DIFFERENCES.  Days, early closes and the hours of each day, from 2000 to
the end of barbus's table. DIFFERENCES is a TOML file: each entry has a reason and the differences
that it explains. One that is not listed, and a listed one that does not occur, is a failure.
"""

import datetime
import json
import subprocess
import sys
import tomllib
import warnings

warnings.filterwarnings("ignore")

import exchange_calendars
import pandas
import pandas_market_calendars

# barbus's calendar and group, the library, its calendar.
COMPARED = [
    ("XSHG", None, "ec", "XSHG"),
    ("XSHG", None, "pmc", "SSE"),
    ("XNYS", None, "ec", "XNYS"),
    ("XNYS", None, "pmc", "NYSE"),
    ("XHKG", None, "ec", "XHKG"),
    ("XTKS", None, "ec", "XTKS"),
    ("XTKS", None, "pmc", "JPX"),
    ("XLON", None, "ec", "XLON"),
    ("XLON", None, "pmc", "LSE"),
    ("XETR", None, "ec", "XETR"),
    ("XNSE", None, "pmc", "NSE"),
    ("XNSE", None, "ec", "XBOM"),
    ("CME", None, "ec", "CMES"),
    ("CME-TRADE-DATE", None, "pmc", "CME_TradeDate"),
    ("CME", "equity", "pmc", "CME Globex Equity"),
    ("CME", "rates", "pmc", "CME Globex Interest Rate Products"),
    ("CME", "fx", "pmc", "CMEGlobex_FX"),
    ("CME", "metals-energy", "pmc", "CMEGlobex_EnergyAndMetals"),
    ("CME", "grains", "pmc", "CMEGlobex_Grains"),
    ("CME", "livestock", "pmc", "CMEGlobex_Livestock"),
]
FIRST = datetime.date(2000, 1, 1)


def barbus_days(barbus, name, group, last):
    """Each day with its first start, its pauses and its last end, as HH:MM on the market's clock."""
    command = [barbus, "calendar", name, "--from", str(FIRST), "--to", str(last), "--format", "json"]
    command += ["--group", group] if group else []
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    days = {}
    for line in map(json.loads, lines):
        if not line["sessions"]:
            continue  # the group does not trade
        times = [(s["start"][11:16], s["end"][11:16]) for s in line["sessions"]]
        days[datetime.date.fromisoformat(line["day"])] = hours(times)
    return days


def hours(sessions):
    pauses = [f"{a[1]}-{b[0]}" for a, b in zip(sessions, sessions[1:]) if a[1] != b[0]]
    return sessions[0][0], " ".join(pauses), sessions[-1][1]


def horizon(barbus, name):
    lines = subprocess.run([barbus, "calendar", "--format", "json"], check=True, capture_output=True, text=True)
    table = {entry["name"]: entry for entry in map(json.loads, lines.stdout.splitlines())}
    return datetime.date.fromisoformat(table[name]["holidays_through"])


def oracle_days(library, name, last):
    if library == "ec":
        calendar = exchange_calendars.get_calendar(name, start=str(FIRST), end=str(last))
        rows, zone = calendar.schedule, calendar.tz
        columns = ("open", "break_start", "break_end", "close")
    else:
        calendar = pandas_market_calendars.get_calendar(name)
        rows, zone = calendar.schedule(str(FIRST), str(last)), str(calendar.tz)
        columns = ("market_open", "break_start", "break_end", "market_close")
    days = {}
    for day, row in rows.iterrows():
        times = [row.get(column) for column in columns]
        text = [t.tz_convert(zone).strftime("%H:%M") if t is not None and pandas.notna(t) else None for t in times]
        # A pause without a length is none.
        paused = text[1] is not None and text[1] != text[2]
        sessions = [(text[0], text[1]), (text[2], text[3])] if paused else [(text[0], text[3])]
        days[day.date()] = hours(sessions)
    return days


def differences(ours, theirs):
    """Each difference as KIND DATE WHAT."""
    for day in sorted(ours.keys() | theirs.keys()):
        if day not in theirs:
            yield f"only-barbus {day}"
        elif day not in ours:
            yield f"only-oracle {day}"
        elif ours[day] != theirs[day]:
            yield f"hours {day} {'/'.join(ours[day])} {'/'.join(theirs[day])}"


def explains(entry, line):
    """Whether an entry of the list has the difference: by its dates and hours."""
    kind, day, *what = line.split(" ", 2)
    if entry["kind"] != kind:
        return False
    if "dates" in entry and day not in map(str, entry["dates"]):
        return False
    if not str(entry.get("from", day)) <= day <= str(entry.get("through", day)):
        return False
    return "what" not in entry or what[0] == entry["what"]


def main(barbus, listed):
    with open(listed, "rb") as file:
        entries = tomllib.load(file)["difference"]
    used = [set() for _ in entries]
    failures = []
    for name, group, library, other in COMPARED:
        last = horizon(barbus, name)
        place = f"{name} {group}" if group else name
        found = list(differences(barbus_days(barbus, name, group, last), oracle_days(library, other, last)))
        count = 0
        for line in found:
            known = [
                i for i, entry in enumerate(entries) if entry["of"] == [place, other] and explains(entry, line)
            ]
            if not known:
                failures.append(f"{place}, {library} {other}: {line}")
            for i in known:
                used[i].add(line.split(" ")[1])
            count += bool(known)
        print(f"{place}, {library} {other}: {FIRST} to {last}, {count} listed differences")
    for entry, days in zip(entries, used):
        listed_days = set(map(str, entry.get("dates", [])))
        if not days or listed_days - days:
            failures.append(f"listed, but no difference: {entry['of']} {entry['reason']} {sorted(listed_days - days)}")
    for failure in failures[:200]:
        print(failure, file=sys.stderr)
    return f"{len(failures)} failures" if failures else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
