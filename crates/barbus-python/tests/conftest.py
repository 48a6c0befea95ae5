"""A bus with a real daemon for each test, and invented bars that are the same in every run."""

import datetime
import os
import signal
import subprocess
import time

import pyarrow
import pytest

import barbus

BARBUS = os.environ["BARBUS"]
TIMEOUT = 60.0
SYMBOLS = ["600000.XSHG", "000001.XSHE"]
UTC = datetime.timezone.utc
COLUMNS = ["symbol", "frame", "open", "high", "low", "close", "volume", "money"]


def wait_until(what, condition):
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"timed out waiting for {what}")


class RunningBus:
    """A bus in a temporary directory, and its daemon once it is started."""

    def __init__(self, root, calendar="24x7", **settings):
        self.path = root / "bus"
        self.root = root
        self.daemon = None
        subprocess.run([BARBUS, "init", self.path, "--calendar", calendar], check=True, capture_output=True)
        toml = self.path / "bus.toml"
        text = toml.read_text()
        for key, (default, value) in settings.items():
            line = f"# {key} = {default}"
            assert line in text, f"no {line!r} in bus.toml"
            text = text.replace(line, f"{key} = {value}", 1)
        toml.write_text(text)

    def start(self):
        with open(self.root / "daemon.log", "ab") as log:
            command = [BARBUS, "daemon", self.path]
            self.daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def answers():
            assert self.daemon.poll() is None, (self.root / "daemon.log").read_text()
            try:
                return barbus.publish(self.path, wait=0)
            except barbus.Error:
                return None

        wait_until("the daemon", answers).close()
        return self

    def stop(self):
        if self.daemon:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(TIMEOUT)
            self.daemon = None

    def send(self, rows):
        with barbus.publish(self.path) as publisher:
            return publisher.send(table(rows))

    def close_day(self):
        subprocess.run([BARBUS, "close-day", self.path], check=True, capture_output=True)
        wait_until("the archive", lambda: not barbus.open(self.path).stat()["days_waiting"])

    def kill(self):
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()


@pytest.fixture
def make(tmp_path):
    made = []

    def make(**options):
        made.append(RunningBus(tmp_path, **options))
        return made[-1]

    yield make
    for bus in made:
        bus.kill()


@pytest.fixture
def running(make):
    return make().start()


# A ring with many blocks that is short enough to wrap around.
SMALL = {
    "size": ('"256MB"', '"1MB"'),
    "rows_per_block": ("16384", "64"),
    "symbols": ("8192", "256"),
    "tip_rows": ("8192", "64"),
}

# As SMALL, with blocks that hold as many rows as a reader pins at least.
PINNABLE = SMALL | {"rows_per_block": ("16384", "256")}


def today(bus):
    """The bars of the newest day in the ring as they came, pinned as far as possible."""
    return [event for event in bus.follow(start="today", timeout=0) if isinstance(event, barbus.Bars)]


def by_symbol(rows):
    """Rows in the order of an answer."""
    return sorted(rows, key=lambda row: row[:2])


def bar(symbol, minute, day=4, money=True):
    """The bar that ends `minute` minutes after midnight, as a tuple of COLUMNS; its prices identify it."""
    frame = datetime.datetime(2024, 7, day, tzinfo=UTC) + datetime.timedelta(minutes=minute)
    price = 10.0 + SYMBOLS.index(symbol) + minute / 64
    value = 1e6 + minute if money and minute % 5 else None
    return (symbol, frame, price, price + 0.5, price - 0.5, price + 0.25, 100.0 * minute, value)


def minutes(first, count, day=4, symbols=SYMBOLS):
    return [bar(symbol, minute, day) for minute in range(first, first + count) for symbol in symbols]


def table(rows):
    columns = dict(zip(COLUMNS, zip(*rows)))
    columns["frame"] = pyarrow.array(columns["frame"], pyarrow.timestamp("ms", "UTC"))
    columns["money"] = pyarrow.array(columns["money"], pyarrow.float64())
    return pyarrow.table({name: column if isinstance(column, pyarrow.Array) else list(column) for name, column in columns.items()})


def values(bar):
    """A bar that was read, as the tuple that was sent."""
    return (bar.symbol, bar.frame, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.money)


def drain(bus, start="oldest", **options):
    """All events that are ready, and the values of their bars."""
    events = list(bus.follow(start=start, timeout=0, **options))
    return events, [values(bar) for event in events if isinstance(event, barbus.Bars) for bar in event]
