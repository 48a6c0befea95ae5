"""Run the Python blocks of a documentation page, with BUS replaced by the path of a bus.

    run_page.py PAGE.md BUS [SECTION...]

It runs the named sections, by default all of them.
The blocks of a section share their variables, as for a user who types them.
For each block it prints a line of JSON with the section.
If the block left `bars` or `close`, the line has the number of rows and the sum of the prices.
For `bars` it also has the first and the last `seq`.
After the block that leaves `close` it waits for a line on standard input and sums `close` again.
It retries a block that fails, as the page advises, up to a limit.
"""

import json
import re
import sys
import time
from pathlib import Path

page, bus, sections = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
TRIES = 200
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(names):
    found = {}
    if (bars := names.pop("bars", None)) is not None:
        prices = bars["close"].to_pylist() if hasattr(bars, "num_rows") else bars["close"].to_list()
        columns = bars.column_names if hasattr(bars, "num_rows") else bars.columns
        found = {"rows": len(prices), "sum": sum(prices)}
        if "seq" in columns and prices:
            seq = bars["seq"].to_pylist() if hasattr(bars, "num_rows") else bars["seq"].to_list()
            found |= {"first": seq[0], "last": seq[-1], "sorted": all(a + 1 == b for a, b in zip(seq, seq[1:]))}
    if (close := names.get("close")) is not None:
        found = {"rows": len(close), "sum": sum(close.tolist())}
    return found


def run(code, names):
    for rest in reversed(range(TRIES)):
        try:
            return exec(code, names)
        except Exception:
            if rest == 0:
                raise
            time.sleep(0.005)


for section in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
    title, names = section.splitlines()[0], {}
    if sections and title not in sections:
        continue
    for match in BLOCK.finditer(section):
        code = match.group(1).replace('"BUS/', f'"{bus}/')
        run(compile(code, f"{page.name}: {title}", "exec"), names)
        print(json.dumps({"section": title, **shown(names)}), flush=True)
        if "close" in names:
            sys.stdin.readline()
            print(json.dumps({"section": title, "again": True, **shown(names)}), flush=True)
