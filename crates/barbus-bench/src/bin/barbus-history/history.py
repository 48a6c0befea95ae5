"""Answer questions over the day files of an archive with polars, DuckDB and pyarrow datasets.

Reads one command a line from standard input and prints one answer a line, seconds and rows:

    open FOLDER        use the day files of a folder
    ask SYSTEM WHAT    answer a question

WHAT is `symbol NAME DAYS`, `day`, `five` or `last`; days are the newest ones.
"""

import glob
import sys
import time

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

files = []
FIVE = 5 * 60 * 1000


def use(folder):
    global files
    files = sorted(glob.glob(folder + "/*.parquet"))
    return len(files)


def polars(what, *arguments):
    if what == "symbol":
        name, days = arguments
        return pl.scan_parquet(files[-int(days):]).filter(pl.col("symbol") == name).collect().height
    if what == "day":
        return pl.scan_parquet(files[-1]).collect().height
    if what == "five":
        end = ((pl.col("frame").dt.epoch("ms") + FIVE - 1) // FIVE * FIVE).alias("end")
        bars = pl.scan_parquet(files[-1]).group_by("symbol", end, maintain_order=True)
        return bars.agg(
            pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
            pl.col("volume").sum(), pl.col("money").sum(), pl.col("factor").last(), pl.len(),
        ).collect().height
    return pl.scan_parquet(files[-2:]).group_by("symbol").last().collect().height


def duck(what, *arguments):
    if what == "symbol":
        name, days = arguments
        query = f"select * from read_parquet({files[-int(days):]}) where symbol = '{name}'"
    elif what == "day":
        query = f"select * from read_parquet('{files[-1]}')"
    elif what == "five":
        query = f"""select symbol, (epoch_ms(frame) + {FIVE - 1}) // {FIVE} * {FIVE} as e, arg_min(open, frame), max(high), min(low),
                    arg_max(close, frame), sum(volume), sum(money), arg_max(factor, frame), count(*)
                    from read_parquet('{files[-1]}') group by all"""
    else:
        query = f"select symbol, max(frame), arg_max(close, frame) from read_parquet({files[-2:]}) group by symbol"
    return duckdb.sql(query).to_arrow_table().num_rows


def pyarrow(what, *arguments):
    if what == "symbol":
        name, days = arguments
        return ds.dataset(files[-int(days):]).to_table(filter=ds.field("symbol") == name).num_rows
    table = ds.dataset(files[-1] if what != "last" else files[-2:]).to_table()
    if what == "day":
        return table.num_rows
    if what == "five":
        frames = table["frame"].cast(pa.int64()).to_numpy()
        table = table.append_column("end", pa.array((frames + FIVE - 1) // FIVE * FIVE))
        made = table.group_by(["symbol", "end"], use_threads=False)
        return made.aggregate([
            ("open", "first"), ("high", "max"), ("low", "min"), ("close", "last"), ("volume", "sum"),
            ("money", "sum"), ("factor", "last"), ("close", "count"),
        ]).num_rows
    return table.group_by("symbol", use_threads=False).aggregate([("frame", "last"), ("close", "last")]).num_rows


def ask(system, *what):
    begun = time.perf_counter()
    rows = {"polars": polars, "duckdb": duck, "pyarrow": pyarrow}[system](*what)
    return f"{time.perf_counter() - begun} {rows}"


COMMANDS = {"open": use, "ask": ask}

print(f"pyarrow {pa.__version__}, polars {pl.__version__}, DuckDB {duckdb.__version__}", flush=True)
for line in sys.stdin:
    command, *arguments = line.rstrip("\n").split("\t")
    print(COMMANDS[command](*arguments), flush=True)
