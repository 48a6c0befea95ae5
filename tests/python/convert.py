"""Write a CSV file of bars in the other formats that `barbus publish` reads.

    convert.py BARS.csv FOLDER

creates bars.csv.gz, bars.ndjson, bars.parquet, bars.arrow (an Arrow file) and bars.arrows (an Arrow
stream) in FOLDER. The types vary on purpose: large strings, dictionary symbols, microseconds, and
decimals for numbers that they represent exactly.
"""

import csv
import datetime as dt
import gzip
import json
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

NUMBERS = ("open", "high", "low", "close", "volume", "money", "factor")


def main():
    source, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = source.read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    with gzip.open(folder / "bars.csv.gz", "wt", encoding="utf-8", newline="") as out:
        out.write(text)

    def value(row, name):
        return float(row[name]) if row[name] else None

    with open(folder / "bars.ndjson", "w", encoding="utf-8") as out:
        for row in rows:
            bar = {"symbol": row["symbol"], "frame": row["frame"], **{name: value(row, name) for name in NUMBERS}}
            out.write(json.dumps(bar) + "\n")

    frames = [dt.datetime.fromisoformat(row["frame"].replace("Z", "+00:00")) for row in rows]
    numbers = {name: pa.array([value(row, name) for row in rows], pa.float64()) for name in NUMBERS}
    symbols = pa.array([row["symbol"] for row in rows])

    def table(symbols, frames, columns):
        return pa.table({"symbol": symbols, "frame": frames, **columns})

    shanghai = pa.array(frames, pa.timestamp("us", tz="Asia/Shanghai"))
    pq.write_table(table(symbols.cast(pa.large_string()), shanghai, numbers), folder / "bars.parquet")

    seconds = pa.array(frames, pa.timestamp("s", tz="UTC"))
    coded = table(symbols.dictionary_encode(), seconds, numbers)
    with pa.ipc.new_file(folder / "bars.arrow", coded.schema) as out:
        out.write_table(coded, max_chunksize=1_000)

    whole = {**numbers, "volume": numbers["volume"].cast(pa.decimal128(20, 0))}
    viewed = table(symbols.cast(pa.string_view()), pa.array(frames, pa.timestamp("ns", tz="UTC")), whole)
    with pa.ipc.new_stream(folder / "bars.arrows", viewed.schema) as out:
        out.write_table(viewed, max_chunksize=333)


if __name__ == "__main__":
    main()
