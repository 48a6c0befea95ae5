"""Open archive files with pyarrow, polars and DuckDB, and assert equal columns, types and values.

    open_everywhere.py FILE... --zone Asia/Shanghai [--price double|float] [--columns symbol,frame,open,...]

A frame must be read as an instant with its zone and its minute: every reader also opens a `date64`
column, but loses the minute. Prints one line for each file; an assertion names the reader, the row
and the values that differ.
"""

import argparse
import struct

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = "symbol,frame,open,high,low,close,volume,money,factor"
PRICES = ("open", "high", "low", "close")
MINUTE_MS = 60_000


def exact(values):
    """Floats as their eight bytes, so that -0.0, NaN and the last bit are compared."""
    return [struct.pack("<d", value) if isinstance(value, float) else value for value in values]


def with_pyarrow(path, columns, zone, price):
    table = pq.read_table(path)
    price_type = {"double": pa.float64(), "float": pa.float32()}[price]
    for field, name in zip(table.schema, columns, strict=True):
        wanted = {"symbol": pa.string(), "frame": pa.timestamp("ms", tz=zone)}.get(name)
        wanted = wanted or (price_type if name in PRICES else pa.float64())
        assert (field.name, field.type) == (name, wanted), f"pyarrow: {field}, wanted {name}: {wanted}"
    table.validate(full=True)
    frames = table.column("frame").cast(pa.int64())
    return {**table.to_pydict(), "frame": frames.to_pylist()}


def with_polars(path, columns, zone, price):
    frame = pl.read_parquet(path)
    assert frame.columns == columns, f"polars: columns {frame.columns}"
    price_type = {"double": pl.Float64, "float": pl.Float32}[price]
    for name, found in frame.schema.items():
        wanted = {"symbol": pl.String, "frame": pl.Datetime("ms", zone)}.get(name)
        wanted = wanted or (price_type if name in PRICES else pl.Float64)
        assert found == wanted, f"polars: {name} is {found}, wanted {wanted}"
    return frame.with_columns(pl.col("frame").dt.timestamp("ms")).to_dict(as_series=False)


def with_duckdb(path, columns, price):
    connection = duckdb.connect()
    types = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    price_type = {"double": "DOUBLE", "float": "FLOAT"}[price]
    for (name, found, *_), column in zip(types, columns, strict=True):
        wanted = {"symbol": "VARCHAR", "frame": "TIMESTAMP WITH TIME ZONE"}.get(column)
        wanted = wanted or (price_type if column in PRICES else "DOUBLE")
        assert (name, found) == (column, wanted), f"duckdb: {name} is {found}, wanted {column}: {wanted}"
    query = "SELECT * REPLACE (epoch_ms(frame) AS frame) FROM read_parquet(?, file_row_number = true)"
    query += " ORDER BY file_row_number"
    rows = connection.execute(query, [str(path)]).fetchall()
    return {name: [row[index] for row in rows] for index, name in enumerate(columns)}


def check(path, columns, zone, price):
    reference = with_pyarrow(path, columns, zone, price)
    rows = len(reference["symbol"])
    others = {"polars": with_polars(path, columns, zone, price), "duckdb": with_duckdb(path, columns, price)}
    for reader, found in others.items():
        for name in columns:
            assert len(found[name]) == rows, f"{path}: {reader} has {len(found[name])} rows, pyarrow {rows}"
            for row, (ours, theirs) in enumerate(zip(exact(reference[name]), exact(found[name]))):
                assert ours == theirs, (
                    f"{path}: row {row}, {name}: pyarrow {reference[name][row]!r}, {reader} {found[name][row]!r}"
                )
    frames = reference["frame"]
    assert all(frame % MINUTE_MS == 0 for frame in frames), f"{path}: a frame off the minute"
    keys = list(zip(reference["symbol"], frames))
    assert all(a < b for a, b in zip(keys, keys[1:])), f"{path}: not sorted by (symbol, frame), or a bar twice"
    minutes = len(set(frames))
    print(f"{path}: {rows} rows, {minutes} minutes, the same in pyarrow, polars and duckdb")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--zone", required=True)
    parser.add_argument("--price", default="double", choices=("double", "float"))
    parser.add_argument("--columns", default=COLUMNS, help="in the order they must have")
    arguments = parser.parse_args()
    for path in arguments.files:
        check(path, arguments.columns.split(","), arguments.zone, arguments.price)


if __name__ == "__main__":
    main()
