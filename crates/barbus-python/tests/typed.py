"""Uses of the package that a type checker must understand; it is checked, never run."""

import datetime

import barbus

bus = barbus.open("BUS", wait=30)
bars: barbus.Bars = bus.bars("600000.XSHG", start="today", interval="30m", adjust="forward")
last: barbus.Bar = bars[-1]
some: barbus.Bars = bars[10:20]
highest: float = bars["close"].max()
one: barbus.Bar | None = bus.latest("600000.XSHG")
every: barbus.Bars = bus.latest()
several: barbus.Bars = bus.latest(["600000.XSHG"])
panel: barbus.Panel = bus.panel("close", count=240)
shape: tuple[int, ...] = panel.values.shape
day: datetime.date | None = bars.day
events: list[object] = [barbus.DayClosed(datetime.date(2024, 7, 4)), barbus.Lapped(missed=3)]

with bus.follow(start=bars.next_seq) as follow:
    for event in follow:
        match event:
            case barbus.Bars():
                money: float | None = event[0].money
            case barbus.DayClosed(closed):
                closed.isoformat()
            case barbus.Lapped(missed):
                count: int = missed
            case barbus.Withdrawn(withdrawn, symbols):
                symbols.sort()
            case barbus.MinuteClosed(frame):
                frame.isoformat()

with barbus.publish("BUS", wait=30) as publisher:
    accepted: int = publisher.send(bars, strict=True).accepted
