"""Handle a day of bars with pyarrow, polars and DuckDB.

Reads one command a line from standard input and prints one answer a line:

    csv IN OUT         convert a CSV file to an Arrow file in feed order with row numbers: rows
    load IN            load an Arrow file, sorted by (symbol, frame), the last revision of each: rows
    write SYSTEM OUT   write the loaded rows as Parquet with this system: seconds
    check FILE         check that a Parquet file has the loaded rows: rows
    read FILE SYMBOL   read one symbol of a Parquet file and check it: seconds
"""

import sys
import time

import duckdb
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

NUMBERS = ["open", "high", "low", "close", "volume", "money", "factor"]
table = None
frame = None
database = duckdb.connect()


def csv(source, target):
    types = {"symbol": pa.string(), "frame": pa.timestamp("ms", "UTC")} | dict.fromkeys(NUMBERS, pa.float64())
    rows = pyarrow.csv.read_csv(source, convert_options=pyarrow.csv.ConvertOptions(column_types=types))
    order = pc.sort_indices(rows.append_column("row", pa.array(range(len(rows)))), [("frame", "ascending"), ("row", "ascending")])
    rows = rows.take(order).combine_chunks()
    rows = rows.set_column(0, "symbol", rows["symbol"].dictionary_encode())
    rows = rows.append_column("seq", pa.array(range(len(rows)), pa.uint64()))
    with pa.OSFile(target, "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return len(rows)


def load(source):
    global table, frame
    with pa.memory_map(source) as file:
        rows = pa.ipc.open_file(file).read_all()
    rows = rows.set_column(0, "symbol", rows["symbol"].cast(pa.string()))
    rows = rows.sort_by([("symbol", "ascending"), ("frame", "ascending"), ("seq", "ascending")]).combine_chunks()
    same = [pc.equal(rows[name].slice(1), rows[name].slice(0, len(rows) - 1)) for name in ("symbol", "frame")]
    last = pc.invert(pc.and_(*same)).combine_chunks().to_pylist() + [True]
    table = rows.filter(pa.array(last)).drop_columns(["seq"]).combine_chunks()
    frame = polars.from_arrow(table)
    database.register("bars", table)
    return len(table)


def write(system, target):
    begun = time.perf_counter()
    if system == "pyarrow":
        pq.write_table(table, target)
    elif system == "polars":
        frame.write_parquet(target)
    else:
        database.execute(f"COPY bars TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    return time.perf_counter() - begun


def check(source):
    rows = pq.read_table(source).select(table.column_names)
    fields = [pa.field(own.name, own.type) for own in table.schema]
    rows = rows.cast(pa.schema(fields)).combine_chunks()
    if not rows.equals(table.cast(pa.schema(fields))):
        raise ValueError(f"{source}: not the rows that were loaded")
    return len(rows)


def read(source, symbol):
    begun = time.perf_counter()
    rows = pq.read_table(source, filters=[("symbol", "=", symbol)])
    seconds = time.perf_counter() - begun
    own = table.filter(pc.equal(table["symbol"], symbol))
    if len(rows) == 0 or rows["close"].to_pylist() != own["close"].to_pylist():
        raise ValueError(f"{source}: not the loaded rows of {symbol}")
    return seconds


COMMANDS = {"csv": csv, "load": load, "write": write, "check": check, "read": read}

print(f"pyarrow {pa.__version__}, polars {polars.__version__}, DuckDB {duckdb.__version__}", flush=True)
for line in sys.stdin:
    command, *arguments = line.rstrip("\n").split("\t")
    print(COMMANDS[command](*arguments), flush=True)
