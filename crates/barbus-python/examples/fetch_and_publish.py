"""Fetches the bars of every symbol, minute by minute, and publishes them: python fetch_and_publish.py BUS

The well-known script keeps a day's bars in lists and writes one Parquet file in the evening: a crash loses the day, and nobody else sees a
bar before. With the bus every strategy on the machine has each bar at once, and the file of the day is the daemon's affair.
"""

import asyncio
import sys

import pyarrow

import barbus

SYMBOLS = ["600000.XSHG", "000001.XSHE", "000300.XSHG"]


async def fetch(symbol, minute):
    """One bar of one symbol. Here goes the vendor's client; this one makes them up."""
    await asyncio.sleep(0)
    price = 8.0 + minute / 100
    # Milliseconds since 1970, the minute's end.
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
