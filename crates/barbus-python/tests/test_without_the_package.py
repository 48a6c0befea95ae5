"""Runs the examples for stock pyarrow and polars in docs/PYTHON.md as they are written."""

import re
from pathlib import Path

import pytest

from conftest import SMALL, minutes

GUIDE = (Path(__file__).parent / "../../../docs/PYTHON.md").resolve()


def snippets():
    text = GUIDE.read_text().partition("## Without the package")[2]
    found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(found) == 3
    return found


def run(snippet, bus):
    names = {}
    exec(snippet.replace("BUS/", f"{bus.path}/"), names)
    return names


@pytest.mark.parametrize("number", [0, 1])
def test_the_live_ring(running, number):
    """Promise 1: a valid Arrow file at every moment."""
    rows = minutes(1, 300)
    running.send(rows)
    bars = run(snippets()[number], running)["bars"]
    closes = bars["close"].to_pylist() if number == 0 else bars["close"].to_list()
    assert closes == [row[5] for row in rows]


def test_a_locked_block_is_not_reused(make):
    """Promise 3: the writer does not reuse the bytes under a pin."""
    running = make(**SMALL).start()
    rows = minutes(1, 16, day=1)
    running.send(rows)
    names = run(snippets()[2], running)
    before = names["block"].to_pylist()
    assert [row["close"] for row in before] == [row[5] for row in rows]
    sent, day = 0, 2
    while sent < 3 * 64 * names["slots"]:
        sent += running.send(minutes(1, 1400, day=day)).accepted
        day += 1
    assert names["block"].to_pylist() == before
