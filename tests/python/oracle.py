"""Compare a bus's archive with the published CSV files, by an independent rule for trading days.

This script uses no barbus code: gzip and csv read the input, zoneinfo gives the trading day, and
pyarrow reads the archive. It implements the rules again, so that a shared mistake cannot hide:

* a frame labelled `start` is moved to the end of its minute, +60 s;
* a bar belongs to the civil date of its end in the market's zone; a bar that ends at exactly 00:00
  belongs to the day before;
* rows are read in feed order (stable by frame); of several rows of one (symbol, frame) the last one
  counts: the same values again are a duplicate, other values are a revision;
* a row is quarantined if a required number is missing, a number is NaN or infinite, the volume is
  negative, the frame is not on the minute, or high < max(open, close) or low > min(open, close).

    oracle.py ARCHIVE --market XNYS --label start --files FILE...   compares; exits 1 with the first ten differences
    oracle.py --market XNYS --label start --files FILE...           only describes the input

Both print a JSON object at the end: the counts that publishing must have reported, and those of
each file.
"""

import argparse
import collections
import csv
import datetime as dt
import gzip
import json
import math
import pathlib
import struct
import sys
import zoneinfo

ZONES = {
    "XSHG": "Asia/Shanghai",
    "XSHE": "Asia/Shanghai",
    "XNYS": "America/New_York",
    "24x7": "UTC",
}
MINUTE = dt.timedelta(minutes=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
PRICES = ("open", "high", "low", "close")
REQUIRED = (*PRICES, "volume")
OPTIONAL = ("money", "factor")
VALUES = REQUIRED + OPTIONAL
COLUMNS = ("symbol", "frame", *VALUES)


def epoch_ms(instant):
    """Whole milliseconds since 1970, computed without a float."""
    return (instant - EPOCH) // dt.timedelta(milliseconds=1)


def bits(value):
    return None if value is None else struct.pack("<d", value)


def to_float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def number(text):
    return float(text) if text != "" else None


def fault(row, frame):
    """The code with which this row must be quarantined, or None."""
    values = {}
    for name in VALUES:
        try:
            values[name] = number(row[name])
        except ValueError:
            return "unparseable"
    if not row["symbol"]:
        return "empty-symbol"
    if len(row["symbol"].encode()) > 64:
        return "long-symbol"
    if frame.second or frame.microsecond:
        return "off-interval"
    for name in REQUIRED:
        if values[name] is None:
            return "missing-value"
    if not all(math.isfinite(value) for value in values.values() if value is not None):
        return "not-finite"
    if values["volume"] < 0:
        return "negative-volume"
    if values["high"] < max(values["open"], values["close"]) or values["low"] > min(values["open"], values["close"]):
        return "high-low"
    return None


def trading_day(end, zone):
    """The civil date of a bar's end; midnight itself still belongs to the day that ended."""
    local = end.astimezone(zone)
    if (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0):
        return local.date() - dt.timedelta(days=1)
    return local.date()


class Expected:
    """The bars that the archive must have after all files were published, and the counts."""

    def __init__(self, zone, price):
        self.zone = zone
        self.price = price
        self.bars = {}  # (symbol, end in ms) -> the eight-byte values, in VALUES order
        self.days = collections.defaultdict(set)  # date -> {(symbol, end in ms)}
        self.files = []

    def add_file(self, path, label):
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", newline="", encoding="utf-8") as source:
            rows = list(csv.DictReader(source))
        frames = [dt.datetime.fromisoformat(row["frame"].replace("Z", "+00:00")) for row in rows]
        if label == "start":
            frames = [frame + MINUTE for frame in frames]
        order = sorted(range(len(rows)), key=lambda index: frames[index])  # sorted() is stable
        counts = collections.Counter(rows=len(rows), accepted=0, duplicate=0, revised=0, quarantined=0)
        reasons = collections.Counter()
        steps_back = sum(1 for a, b in zip(order, order[1:]) if a > b)
        null_money = zero_volume = negative_price = 0
        for index in order:
            row, end = rows[index], frames[index]
            why = fault(row, end)
            if why:
                counts["quarantined"] += 1
                reasons[why] += 1
                continue
            values = tuple(number(row[name]) for name in VALUES)
            if self.price == "float":
                values = (*map(to_float32, values[:4]), *values[4:])
            null_money += values[VALUES.index("money")] is None
            zero_volume += values[VALUES.index("volume")] == 0
            negative_price += any(value < 0 for value in values[:4])
            key = (row["symbol"], epoch_ms(end))
            packed = tuple(bits(value) for value in values)
            before = self.bars.get(key)
            if before == packed:
                counts["duplicate"] += 1
                continue
            counts["revised" if before is not None else "accepted"] += 1
            self.bars[key] = packed
            self.days[trading_day(end, self.zone)].add(key)
        self.files.append(
            {
                "file": path.name,
                **counts,
                "reasons": dict(reasons),
                "symbols": len({row["symbol"] for row in rows}),
                "days": len({trading_day(end, self.zone) for end in frames}),
                "steps_back_in_file_order": steps_back,
                "null_money": null_money,
                "zero_volume": zero_volume,
                "negative_price": negative_price,
                "first": min(frames).isoformat(),
                "last": max(frames).isoformat(),
            }
        )

    def totals(self):
        names = ("rows", "accepted", "duplicate", "revised", "quarantined")
        return {name: sum(file[name] for file in self.files) for name in names}


def check_metadata(file, date, market):
    """Yield the wrong values in the file's key-value metadata."""
    found = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
    wanted = {"barbus.day": date.isoformat(), "barbus.calendar": market, "barbus.rows": str(file.metadata.num_rows)}
    for key, value in wanted.items():
        if found.get(key) != value:
            yield f"metadata {key} is {found.get(key)!r}, not {value!r}"


def compare_day(path, date, keys, expected, market, differences):
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = path.name
    file = pq.ParquetFile(path, page_checksum_verification=True)
    table = file.read()
    if tuple(table.column_names) != COLUMNS:
        differences.append(f"{name}: columns {table.column_names}")
        return 0
    wanted = pa.timestamp("ms", tz=expected.zone.key)
    if table.schema.field("frame").type != wanted:
        differences.append(f"{name}: frame is {table.schema.field('frame').type}, not {wanted}")
        return 0
    differences.extend(f"{name}: {wrong}" for wrong in check_metadata(file, date, market))

    symbols = table.column("symbol").cast(pa.string()).to_pylist()
    frames = table.column("frame").cast(pa.int64()).to_pylist()
    found = list(zip(symbols, frames))
    for before, after in zip(found, found[1:]):
        # Python compares str by code point, which is the order of the UTF-8 bytes.
        if not before < after:
            differences.append(f"{name}: {after} follows {before}: not sorted, or twice")
            break
    columns = [table.column(value).to_pylist() for value in VALUES]
    for row, key in enumerate(found):
        if key not in keys:
            differences.append(f"{name}: {key} is not in the input of this day")
            continue
        packed = tuple(bits(column[row]) for column in columns)
        if packed != expected.bars[key]:
            wrong = [
                f"{value} {column[row]!r} for {source and struct.unpack('<d', source)[0]!r}"
                for value, column, source in zip(VALUES, columns, expected.bars[key])
                if bits(column[row]) != source
            ]
            differences.append(f"{name}: {key}: " + ", ".join(wrong))
    missing = keys - set(found)
    for key in sorted(missing)[:10]:
        differences.append(f"{name}: {key} is missing")
    return len(found)


def compare(archive, expected, market):
    differences = []
    present = {path.name for path in archive.iterdir() if not path.name.startswith(".")} if archive.is_dir() else set()
    wanted = {f"{date.isoformat()}.parquet": date for date in expected.days}
    for name in sorted(set(wanted) - present):
        differences.append(f"{name}: no such file; {len(expected.days[wanted[name]])} bars are missing")
    for name in sorted(present - set(wanted)):
        differences.append(f"{name}: a file for a day without bars")
    rows = 0
    for name in sorted(set(wanted) & present):
        date = wanted[name]
        rows += compare_day(archive / name, date, expected.days[date], expected, market, differences)
    return rows, differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", nargs="?", type=pathlib.Path, help="the folder with YYYY-MM-DD.parquet")
    parser.add_argument("--files", nargs="+", type=pathlib.Path, required=True, help="CSV files in the order published")
    parser.add_argument("--market", required=True, choices=sorted(ZONES))
    parser.add_argument("--label", required=True, choices=("start", "end"))
    parser.add_argument("--price", default="double", choices=("double", "float"), help="the type of the bus's prices")
    arguments = parser.parse_args()

    expected = Expected(zoneinfo.ZoneInfo(ZONES[arguments.market]), arguments.price)
    for path in arguments.files:
        expected.add_file(path, arguments.label)
    summary = {**expected.totals(), "bars": len(expected.bars), "days": len(expected.days), "files": expected.files}
    if arguments.archive is None:
        print(json.dumps(summary, indent=1))
        return 0
    rows, differences = compare(arguments.archive, expected, arguments.market)
    summary["archived"] = rows
    summary["differences"] = len(differences)
    for difference in differences[:10]:
        print(f"difference: {difference}")
    if len(differences) > 10:
        print(f"and {len(differences) - 10} more differences")
    print(json.dumps(summary))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
