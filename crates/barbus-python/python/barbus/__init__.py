"""Bars from shared memory.

>>> bus = barbus.open("BUS")
>>> for event in bus.follow(start="today"):
...     match event:
...         case barbus.Bars():
...             print(event.to_polars())
...         case barbus.DayClosed(day):
...             print(day, "is over")
...         case barbus.Lapped(missed):
...             print("too slow:", missed, "bars missed")
...         case barbus.Withdrawn(day):
...             print("bars of", day, "were withdrawn")

>>> bars = bus.bars("600000.XSHG", start="2024-07-01", interval="30m", adjust="forward")
>>> for event in bus.follow(start=bars.next_seq, symbols=["600000.XSHG"]):
...     ...

>>> with barbus.publish("BUS") as publisher:
...     print(publisher.send(table))
"""

from collections.abc import Mapping as _Mapping

from ._barbus import (
    Ack,
    Bar,
    Bars,
    Bus,
    Calendar,
    DayClosed,
    Error,
    Follow,
    Gaps,
    Lapped,
    MinuteClosed,
    Panel,
    Publisher,
    Session,
    Withdrawn,
    __version__,
    calendar,
    open,
    publish,
    read,
)

__all__ = [
    "Ack",
    "Bar",
    "Bars",
    "Bus",
    "Calendar",
    "DayClosed",
    "Error",
    "Follow",
    "Gaps",
    "Lapped",
    "MinuteClosed",
    "Panel",
    "Publisher",
    "Session",
    "Withdrawn",
    "calendar",
    "open",
    "publish",
    "read",
]

# A bar has what a mapping has: among others pandas makes rows with the right columns of it.
_Mapping.register(Bar)
