"""Fetches the bars of several symbols, minute by minute, and publishes them: python fetch_and_publish.py BUS

A script without the bus keeps the day's bars in lists and writes one Parquet file in the evening: a crash
loses the day, and no other program sees a bar before then. With the bus every strategy on the machine reads
each bar at once, and the daemon writes the day's file.
"""

import asyncio
import sys

import pyarrow

import barbus

SYMBOLS = ["600000.XSHG", "000001.XSHE", "000300.XSHG"]


async def fetch(symbol, minute):
    """Returns one bar of one symbol. Call your vendor's client here; this function invents the bar."""
    await asyncio.sleep(0)
    price = 8.0 + minute / 100
    # The end of the minute, milliseconds since 1970.
    return {"symbol": symbol, "frame": 1720056600000 + minute * 60_000, "open": price, "high": price, "low": price,
            "close": price, "volume": 100.0 * minute}  # fmt: skip


async def main(bus):
    async with barbus.publish(bus, source="my vendor", reconnect=30) as publisher:
        for minute in range(1, 11):
            bars = await asyncio.gather(*(fetch(symbol, minute) for symbol in SYMBOLS))
            table = pyarrow.Table.from_pylist(bars)
            table = table.set_column(1, "frame", table["frame"].cast(pyarrow.timestamp("ms", "UTC")))
            print(await publisher.send_async(table))


asyncio.run(main(sys.argv[1]))
