"""Runs examples of docs/PYTHON.md as they are written.

The bus has archived days and an open one.
"""

import datetime
import re
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow
import pytest

import barbus
from conftest import SYMBOLS, bar, minutes

GUIDE = (Path(__file__).parent / "../../../docs/PYTHON.md").resolve()


def blocks(section):
    text = GUIDE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert found, section
    return found


@pytest.fixture
def names(make):
    running = make(calendar="XSHG").start()
    for day in (1, 2, 3, 4, 5):
        running.send(minutes(91, 120, day=day))
        if day == 4:
            running.close_day()
    bus = barbus.open(running.path)
    live = next(bus.follow(start="today"))
    packages = dict(datetime=datetime, duckdb=duckdb, pandas=pandas, polars=polars, pyarrow=pyarrow, barbus=barbus)
    frame = live[:0].to_polars()
    return dict(packages, bus=bus, bars=bus.bars(), live=live, day="2024-07-04", frame=frame, path=running.path)


def run(names, code):
    # A reader would wait for the next bar for ever.
    code = code.replace(".follow(start", ".follow(timeout=0, start").replace('"BUS"', repr(str(names["path"])))
    exec(compile(code, GUIDE.name, "exec"), names)


@pytest.mark.parametrize("section", ["Follow", "Ask", "SQL", "Market time", "Replay", "Convert", "Test a strategy", "Publish"])
def test_a_section(names, section, capsys):
    for block in blocks(section):
        if section == "Replay":
            block = block.replace("60x", "max")
        run(names, block)
    match section:
        case "Follow":
            assert "600000.XSHG" in capsys.readouterr().out
        case "Ask":
            assert names["bars"].next_seq == 1200 and len(names["frame"]) == 3 * 240 + len(names["live"])
        case "SQL":
            assert len(names["daily"]) == 10
        case "Test a strategy":
            assert names["bars"][0].close == 8.1 and names["events"][1].missed == 3
        case "Publish":
            assert names["ack"].rows == 0
