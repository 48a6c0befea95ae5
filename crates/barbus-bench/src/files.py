"""Read files of bars with pandas: one command a line, `KIND PATH`; answers seconds and rows."""

import sys
import time

import pandas as pd


def headerless_times(path):
    bars = pd.read_csv(path, header=None)
    bars[0] = pd.to_datetime(bars[0], unit="ms")
    return bars


def tabs_times(path):
    bars = pd.read_csv(path, sep="\t")
    bars["time"] = pd.to_datetime(bars["<DATE>"] + " " + bars["<TIME>"], format="%Y.%m.%d %H:%M:%S")
    return bars


READ = {
    "csv": pd.read_csv,
    "csv-times": lambda path: pd.read_csv(path, parse_dates=["frame"]),
    "headerless": lambda path: pd.read_csv(path, header=None),
    "headerless-times": headerless_times,
    "tabs": lambda path: pd.read_csv(path, sep="\t"),
    "tabs-times": tabs_times,
    "lines": lambda path: pd.read_json(path, lines=True),
    "json": pd.read_json,
}

print(f"pandas {pd.__version__}", flush=True)
for line in sys.stdin:
    kind, path = line.rstrip("\n").split("\t")
    begun = time.perf_counter()
    rows = len(READ[kind](path))
    print(time.perf_counter() - begun, rows, flush=True)
