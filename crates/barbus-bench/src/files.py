"""Read files of bars with pandas: one command a line, `KIND PATH`; answers seconds and rows."""

import sys
import time

import pandas as pd

READ = {
    "csv": pd.read_csv,
    "headerless": lambda path: pd.read_csv(path, header=None),
    "tabs": lambda path: pd.read_csv(path, sep="\t"),
    "lines": lambda path: pd.read_json(path, lines=True),
    "json": pd.read_json,
}

print(f"pandas {pd.__version__}", flush=True)
for line in sys.stdin:
    kind, path = line.rstrip("\n").split("\t")
    begun = time.perf_counter()
    rows = len(READ[kind](path))
    print(time.perf_counter() - begun, rows, flush=True)
