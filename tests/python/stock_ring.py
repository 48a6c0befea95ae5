"""Read a ring file with stock pyarrow and polars, without barbus, while the daemon writes to it.

    stock_ring.py RING [--until-rows N] [--expect FILE.csv] [--seen FILE] [--deadline SECONDS]

Reads it in turn as an Arrow file (pyarrow over a memory map, polars) and as an Arrow stream from
offset 8, until each way has read N rows (once each without N). Every reading must have only
committed rows: sequence numbers without a gap from the first, every symbol in the dictionary, no
zeroed frame or price, and never fewer rows than the reading before. With --seen, the script writes
the number of rows that every way has read to FILE. At the end every way must return the same rows.
With --expect, these must be the rows of FILE.csv in its order; its frames mark the end of the bar.

A reading is retried, up to a limit, for two reasons that the format documents: a row count is
updated in several fields, and a reader between two of them refuses the batch; and blocks are read
in turn, so a later block may have grown past an earlier one.
"""

import argparse
import csv
import datetime as dt
import json
import struct
import time
from pathlib import Path

import polars as pl
import pyarrow as pa

ATTEMPTS = 200
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
MILLISECOND = dt.timedelta(milliseconds=1)
STREAM_OFFSET = 8
VALUES = ("open", "high", "low", "close", "volume", "money", "factor")


class Retry(Exception):
    """The reading raced with the writer in one of the two documented ways."""


def pyarrow_file(path):
    with pa.memory_map(path) as source:
        reader = pa.ipc.open_file(source)
        yield from checked(reader.get_batch(index) for index in range(reader.num_record_batches))


def pyarrow_stream(path):
    with pa.memory_map(path) as source:
        source.seek(STREAM_OFFSET)
        yield from checked(pa.ipc.open_stream(source))


def checked(batches):
    for batch in batches:
        batch.validate(full=True)
        yield batch


def polars_file(path):
    frame = pl.read_ipc(path)
    for batch in frame.with_columns(pl.col("symbol").cast(pl.String)).to_arrow().to_batches():
        yield batch


WAYS = {"pyarrow file": pyarrow_file, "pyarrow stream": pyarrow_stream, "polars file": polars_file}


def columns_of(batch):
    """The columns of one batch as Python lists, frames in milliseconds."""
    symbols = batch.column("symbol")
    found = {"symbol": symbols.to_pylist(), "frame": batch.column("frame").cast(pa.int64()).to_pylist()}
    for name in (*VALUES, "seq"):
        if name in batch.schema.names:
            found[name] = batch.column(name).to_pylist()
    return found


def runs(columns):
    """Cut a batch into runs of consecutive sequence numbers: polars may return several blocks as one."""
    seqs = columns["seq"]
    cuts = [0] + [row for row in range(1, len(seqs)) if seqs[row] != seqs[row - 1] + 1] + [len(seqs)]
    return [(a, b) for a, b in zip(cuts, cuts[1:]) if b > a]


def reading(way, path):
    """All columns with the rows in order of `seq`; raises Retry after a documented race."""
    try:
        batches = [columns_of(batch) for batch in WAYS[way](path)]
    except (pa.ArrowInvalid, pl.exceptions.ComputeError, OSError) as error:
        raise Retry(f"{way}: {error}") from error
    pieces = [
        {name: values[start:end] for name, values in columns.items()}
        for columns in batches
        for start, end in runs(columns)
    ]
    rows = {}
    for piece in sorted(pieces, key=lambda piece: piece["seq"][0]):
        first = piece["seq"][0]
        assert all(piece["symbol"]), f"{way}: an empty symbol at seq {first}"
        assert all(frame > 0 and frame % 60_000 == 0 for frame in piece["frame"]), f"{way}: a frame was not written yet"
        assert all(piece["close"]), f"{way}: a zero price: the row was not written yet"
        if rows and first != rows["seq"][-1] + 1:
            raise Retry(f"{way}: seq {first} follows {rows['seq'][-1]}")
        for name, values in piece.items():
            rows.setdefault(name, []).extend(values)
    return rows


def persist(way, path, retries):
    for attempt in range(ATTEMPTS):
        try:
            return reading(way, path)
        except Retry as race:
            retries[way] = retries.get(way, 0) + 1
            last = race
            time.sleep(0.001 * min(attempt, 20))
    raise AssertionError(f"still inconsistent after {ATTEMPTS} attempts: {last}")


def bits(value):
    return None if value is None else struct.pack("<d", value)


def expect(rows, path):
    with open(path, newline="", encoding="utf-8") as source:
        wanted = list(csv.DictReader(source))
    assert len(rows["seq"]) == len(wanted), f"{len(rows['seq'])} rows in the ring, {len(wanted)} published"
    for index, row in enumerate(wanted):
        frame = (dt.datetime.fromisoformat(row["frame"].replace("Z", "+00:00")) - EPOCH) // MILLISECOND
        assert (rows["symbol"][index], rows["frame"][index]) == (row["symbol"], frame), f"row {index} is not the published bar"
        for name in VALUES:
            value = float(row[name]) if row[name] else None
            assert bits(rows[name][index]) == bits(value), f"row {index}: {name} {rows[name][index]!r} for {value!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ring")
    parser.add_argument("--until-rows", type=int, default=0)
    parser.add_argument("--expect")
    parser.add_argument("--seen", type=Path)
    parser.add_argument("--deadline", type=float, default=120)
    arguments = parser.parse_args()

    end = time.monotonic() + arguments.deadline
    seen, readings, retries, growing = {}, 0, {}, 0
    while True:
        for way in WAYS:
            rows = persist(way, arguments.ring, retries)
            count = len(rows.get("seq", []))
            assert count >= seen.get(way, 0), f"{way}: {count} rows after {seen[way]}"
            growing += 0 < seen.get(way, 0) < count
            seen[way] = count
            readings += 1
        if arguments.seen and len(seen) == len(WAYS):
            new = arguments.seen.with_suffix(".new")
            new.write_text(str(min(seen.values())))
            new.rename(arguments.seen)
        if all(count >= arguments.until_rows for count in seen.values()):
            break
        assert time.monotonic() < end, f"only {seen} rows after {arguments.deadline} s"

    first = None
    for way in WAYS:
        rows = persist(way, arguments.ring, retries)
        assert first is None or rows == first, f"{way} returned other rows than pyarrow file"
        first = rows
    if arguments.expect:
        expect(first, arguments.expect)
    summary = {"rows": len(first.get("seq", [])), "readings": readings, "grew": growing, "retries": sum(retries.values())}
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
