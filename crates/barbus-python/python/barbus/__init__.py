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

>>> with barbus.publish("BUS") as publisher:
...     print(publisher.send(table))
"""

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
    Publisher,
    Session,
    Withdrawn,
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
    "Publisher",
    "Session",
    "Withdrawn",
    "calendar",
    "open",
    "publish",
    "read",
]
