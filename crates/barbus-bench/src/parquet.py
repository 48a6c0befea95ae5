"""What pyarrow, polars and DuckDB do with a day of bars: one command a line on standard input, one answer a line.

    csv IN OUT         real bars as an Arrow file, rows in the order of a feed, numbered
    load IN            the rows of an Arrow file, sorted by (symbol, frame), last bar counting, in memory
    write SYSTEM OUT   those rows as Parquet: seconds
    check FILE         the rows of a Parquet file are those in memory
    read FILE SYMBOL   one symbol of a Parquet file, checked against those in memory: seconds
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
        raise ValueError(f"{source}: other rows than were to be written")
    return len(rows)


def read(source, symbol):
    begun = time.perf_counter()
    rows = pq.read_table(source, filters=[("symbol", "=", symbol)])
    seconds = time.perf_counter() - begun
    own = table.filter(pc.equal(table["symbol"], symbol))
    if len(rows) == 0 or rows["close"].to_pylist() != own["close"].to_pylist():
        raise ValueError(f"{source}: other rows of {symbol}")
    return seconds


COMMANDS = {"csv": csv, "load": load, "write": write, "check": check, "read": read}

print(f"pyarrow {pa.__version__}, polars {polars.__version__}, DuckDB {duckdb.__version__}", flush=True)
for line in sys.stdin:
    command, *arguments = line.rstrip("\n").split("\t")
    print(COMMANDS[command](*arguments), flush=True)
