from collections.abc import Awaitable, Iterable, Iterator
from datetime import date, datetime
from datetime import date as date_type
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, final, overload

if TYPE_CHECKING:
    import duckdb
    import matplotlib.axes
    import numpy
    import pandas
    import polars
    import pyarrow

__version__: str

class Error(Exception):
    """Why an operation on a bus failed, with the message of the command line."""

@final
class DayClosed:
    """A trading day is closed: the reader has received all of its bars."""

    __match_args__ = ("day",)
    def __new__(cls, day: date | str) -> DayClosed:
        """The event of a day, for tests of a strategy."""
    @property
    def day(self) -> date: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Lapped:
    """The reader fell behind by more than the ring holds; ``missed`` is the exact number of bars lost."""

    __match_args__ = ("missed",)
    def __new__(cls, missed: int) -> Lapped:
        """The event of a number of missed bars, for tests of a strategy."""
    @property
    def missed(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Withdrawn:
    """An operator has withdrawn bars: they are not bars of the bus any more."""

    __match_args__ = ("day", "symbols")
    def __new__(cls, day: date | str, symbols: str | Iterable[str] | None = None) -> Withdrawn:
        """The event of a day and some symbols, or all, for tests of a strategy."""
    @property
    def day(self) -> date: ...
    @property
    def symbols(self) -> list[str]:
        """The symbols of the bars; empty: all symbols."""
    def covers(self, symbol: str, frame_ms: int) -> bool:
        """Whether a bar of the day is withdrawn."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class MinuteClosed:
    """A minute is complete: bars of it that follow are late."""

    __match_args__ = ("frame", "symbols", "missing")
    def __new__(cls, frame: datetime, symbols: int = 0, missing: str | Iterable[str] | None = None) -> MinuteClosed:
        """The event of a minute, for tests of a strategy."""
    @property
    def frame(self) -> datetime:
        """The end of the minute, in the zone of the bus."""
    @property
    def frame_ms(self) -> int: ...
    @property
    def symbols(self) -> int:
        """Number of symbols that have a bar of the minute."""
    @property
    def missing(self) -> list[str]:
        """The symbols that are expected in the minute and have no bar of it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Bar:
    """One bar: a copy of its values, also a mapping.

    The optional columns of the bus are attributes too.
    """

    @property
    def symbol(self) -> str: ...
    @property
    def frame(self) -> datetime:
        """The bar's end, in the zone of the bus."""
    @property
    def frame_ms(self) -> int: ...
    @property
    def open(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def close(self) -> float: ...
    @property
    def volume(self) -> float: ...
    @property
    def money(self) -> float | None: ...
    @property
    def factor(self) -> float | None: ...
    @property
    def bars(self) -> int:
        """Of a longer interval: the number of minutes in it."""
    @property
    def complete(self) -> bool:
        """Of a longer interval: whether its period has ended and all of it was asked for."""
    @property
    def day(self) -> date | None:
        """The trading day."""
    @property
    def seq(self) -> int | None:
        """Sequence number on the bus; None for a bar of a question."""
    @property
    def received(self) -> datetime | None:
        """When the bus received the bar, in UTC; None for a bar of a question."""
    @property
    def revision(self) -> int | None:
        """0 for the first bar of its symbol and frame, n for its n-th revision.

        None for a bar of a question.
        """
    def _asdict(self) -> dict[str, Any]:
        """The columns and their values."""
    def keys(self) -> list[str]:
        """The names of the columns."""
    def __getattr__(self, name: str) -> Any: ...
    def __getitem__(self, name: str, /) -> Any: ...
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

@final
class BarsIterator:
    def __iter__(self) -> BarsIterator: ...
    def __next__(self) -> Bar: ...

@final
class Bars:
    """Bars as Arrow record batches (PyCapsule interface)."""

    @property
    def pinned(self) -> bool:
        """Whether any of the bars lie in the ring itself. The writer keeps their place while this object exists."""
    @property
    def next_seq(self) -> int | None:
        """Of an answer: where ``follow(start=…)`` goes on without a gap or an overlap."""
    @property
    def complete(self) -> bool:
        """Whether the answer has every bar that was asked for, as far as the bus can know."""
    @property
    def shortfalls(self) -> list[str]:
        """What was asked for and is not in the answer, each as a sentence."""
    @property
    def day(self) -> date | None:
        """The trading day of the bars; None if they are of several days, or of none."""
    @property
    def num_rows(self) -> int: ...
    @property
    def column_names(self) -> list[str]: ...
    @property
    def zone(self) -> str: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: int, /) -> Bar: ...
    @overload
    def __getitem__(self, key: slice, /) -> Bars: ...
    @overload
    def __getitem__(self, key: str, /) -> numpy.ndarray[Any, Any]: ...
    def __iter__(self) -> BarsIterator: ...
    def select(self, columns: str | Iterable[str]) -> Bars:
        """Only these columns after ``symbol`` and ``frame``, without a copy."""
    def copy(self) -> Bars:
        """The same bars in memory of this process: they hold nothing of the ring."""
    @staticmethod
    def from_arrow(table: object, *, zone: str | None = None) -> Bars:
        """Bars of any table with the Arrow PyCapsule interface, for example to test a strategy."""
    def to_pyarrow(self) -> pyarrow.Table: ...
    def to_polars(self, *, copy: bool = False) -> polars.DataFrame: ...
    def to_pandas(self) -> pandas.DataFrame: ...
    def to_numpy(self) -> dict[str, numpy.ndarray[Any, Any]]: ...
    def plot(self, symbol: str | None = None, *, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Candles of one symbol, side by side: no gap for a break, a night or a holiday."""
    def _repr_html_(self) -> str: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

@final
class Panel:
    """One column of the last minutes that have a bar, for many symbols side by side."""

    @property
    def values(self) -> numpy.ndarray[Any, Any]:
        """Minutes by symbols; NaN where there is no bar, or no value."""
    @property
    def frames(self) -> numpy.ndarray[Any, Any]:
        """The ends of the bars, ``datetime64[ms]`` in UTC."""
    @property
    def symbols(self) -> list[str]: ...
    @property
    def zone(self) -> str: ...
    @property
    def complete(self) -> bool: ...
    @property
    def shortfalls(self) -> list[str]: ...
    def to_pandas(self) -> pandas.DataFrame: ...

@final
class Follow:
    """The events of a bus, for ``for`` and for ``async for``."""

    @property
    def position(self) -> int:
        """Sequence number of the next bar."""
    def close(self) -> None:
        """Ends the iteration, also for a thread that waits, and lets go of the ring."""
    def __enter__(self) -> Follow: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def __iter__(self) -> Follow: ...
    def __next__(self) -> Bars | DayClosed | Lapped | Withdrawn | MinuteClosed: ...
    def __aiter__(self) -> Follow: ...
    def __anext__(self) -> Awaitable[Bars | DayClosed | Lapped | Withdrawn | MinuteClosed]: ...

@final
class Session:
    """A session of a trading day."""

    __match_args__ = ("name", "start", "end")
    @property
    def name(self) -> str: ...
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def extended(self) -> bool:
        """Whether it is outside the regular hours: no bar is expected in it."""

@final
class Calendar:
    """A market's calendar. Instants have a zone."""

    @property
    def name(self) -> str: ...
    @property
    def zone(self) -> str: ...
    @property
    def horizon(self) -> date | None:
        """The last date that the holiday table covers; None for a market without holidays."""
    @property
    def groups(self) -> list[str]: ...
    @property
    def group(self) -> str | None: ...
    def of_group(self, name: str) -> Calendar: ...
    def of_symbol(self, symbol: str) -> Calendar: ...
    def regular(self) -> Calendar: ...
    def days(self, first: date | str, last: date | str) -> list[date]: ...
    def is_trading_day(self, day: date | str) -> bool: ...
    def sessions(self, day: date | str) -> list[Session]: ...
    def minutes(self, day: date | str) -> list[datetime]:
        """The ends of the bars that are expected of a symbol that trades in every minute."""
    def closes_early(self, day: date | str) -> bool: ...
    def trading_day(self, at: datetime) -> date:
        """The trading day of a bar that ends at this instant."""
    def is_open(self, at: datetime) -> bool: ...
    def next_open(self, at: datetime) -> datetime | None: ...
    def previous_close(self, at: datetime) -> datetime | None: ...

@final
class Gaps:
    """What is missing of a symbol on a trading day."""

    @property
    def day(self) -> date: ...
    @property
    def symbol(self) -> str: ...
    @property
    def group(self) -> str | None: ...
    @property
    def expected(self) -> int: ...
    @property
    def present(self) -> int: ...
    @property
    def missing(self) -> list[tuple[datetime, datetime]]:
        """The missing minutes as ranges: the ends of the first and the last bar of each."""
    @property
    def no_symbol(self) -> int:
        """Missing minutes in which no symbol has a bar: perhaps the feed was down."""
    @property
    def sessions(self) -> list[tuple[str, int, int]]:
        """Each session as (name, expected, present)."""
    @property
    def extended(self) -> int: ...
    @property
    def outside(self) -> int: ...
    @property
    def first(self) -> datetime | None: ...
    @property
    def last(self) -> datetime | None: ...
    @property
    def source(self) -> Literal["archive", "archive+ring", "ring", "nowhere"]: ...

@final
class Bus:
    """A bus, opened for reading."""

    @property
    def path(self) -> Any: ...
    def follow(
        self,
        start: Literal["live", "oldest", "today"] | str | date | int | None = None,
        symbols: Iterable[str] | None = None,
        timeout: float | None = None,
        name: str | None = None,
        on_gap: Literal["fill", "lapped", "error"] = "fill",
        *,
        by: Literal["minute"] | None = None,
        interval: str | None = None,
        universe: Iterable[str] | None = None,
        grace: float | None = None,
    ) -> Follow: ...
    def replay(
        self,
        first: date | str,
        last: date | str | None = None,
        symbols: Iterable[str] | None = None,
        speed: Literal["max"] | str | float | None = None,
        *,
        by: Literal["minute"] | None = None,
        interval: str | None = None,
        universe: Iterable[str] | None = None,
    ) -> Follow: ...
    def bars(
        self,
        symbols: str | Iterable[str] | None = None,
        start: Literal["today"] | str | date | datetime | None = None,
        end: Literal["today"] | str | date | datetime | None = None,
        count: int | None = None,
        interval: str = "1m",
        adjust: Literal["forward", "backward", "none"] | None = None,
        columns: str | Iterable[str] | None = None,
        skip_damaged: bool = False,
    ) -> Bars:
        """Bars of the ring and of the archive as one sequence: each once, in its last revision."""
    def panel(
        self,
        column: str,
        count: int,
        symbols: str | Iterable[str] | None = None,
        end: Literal["today"] | str | date | datetime | None = None,
        interval: str = "1m",
        adjust: Literal["forward", "backward", "none"] | None = None,
    ) -> Panel:
        """One column of the last ``count`` minutes that have a bar, minutes by symbols."""
    @overload
    def latest(self, symbols: str) -> Bar | None: ...  # type: ignore[overload-overlap]
    @overload
    def latest(self, symbols: Iterable[str] | None = None) -> Bars: ...
    def window(self, symbol: str, count: int) -> Bars:
        """The last ``count`` bars of a symbol, oldest first."""
    def day(self, date: date_type | str | None = None) -> Bars:
        """The bars of a trading day; without a date, of the newest one."""
    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Asks in SQL, by DuckDB.

        The tables are ``bars``, ``today``, ``readers`` and ``quarantine``.
        """
    @property
    def lineage(self) -> int:
        """Identifies the sequence numbers: another lineage numbers its bars anew."""
    def days(self) -> list[date]: ...
    def symbols(self) -> list[str]: ...
    @property
    def calendar(self) -> Calendar: ...
    def gaps(
        self, first: date | str | None = None, last: date | str | None = None, symbol: str | None = None
    ) -> list[Gaps]: ...
    def writer_alive(self) -> bool: ...
    def newest_age(self) -> float | None:
        """Seconds since the bus received the newest bar; None without a bar."""
    def stat(self, *, timeout: float = 5.0) -> dict[str, Any]: ...

@final
class Ack:
    """The result of a send: what the daemon did with the rows."""

    @property
    def rows(self) -> int: ...
    @property
    def accepted(self) -> int: ...
    @property
    def duplicate(self) -> int: ...
    @property
    def revised(self) -> int: ...
    @property
    def conflict(self) -> int: ...
    @property
    def quarantined(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def waited_ms(self) -> int: ...
    @property
    def seq(self) -> int | None: ...

@final
class Publisher:
    """A producer's connection to the daemon of a bus."""

    def send(self, data: object, *, strict: bool = False) -> Ack: ...
    def send_async(self, data: object, *, strict: bool = False) -> Awaitable[Ack]: ...
    def done(self, frame: datetime | int) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Publisher: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    async def __aenter__(self) -> Publisher: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

def open(path: str | PathLike[str], *, wait: float | None = None) -> Bus:
    """Opens the bus at a path for reading; waits up to ``wait`` seconds for it to be there."""

def publish(
    path: str | PathLike[str],
    *,
    label: Literal["start", "end"] | None = None,
    zone: str | None = None,
    source: str | None = None,
    ack: Literal["commit", "durable"] | None = None,
    reconnect: float = 0.0,
    wait: float | None = None,
    timeout: float = 5.0,
) -> Publisher:
    """Connects to the daemon of the bus at a path; waits up to ``wait`` seconds (10) for it to start.

    A daemon that is silent for ``timeout`` seconds is stopped or hung: ``send`` raises.
    """

def read(
    path: str | PathLike[str] | list[str | PathLike[str]],
    *,
    calendar: str | None = None,
    trust: bool = False,
    label: Literal["start", "end"] | None = None,
    zone: str | None = None,
    epoch_zone: str | None = None,
    map: str | None = None,
    symbol: str | None = None,
    symbol_digits: int | None = None,
    symbol_from: str | None = None,
    layout: str | None = None,
    columns: list[str] | None = None,
    encoding: str | None = None,
    scale: float | str | None = None,
    decimal: Literal["point", "comma"] | None = None,
    date_format: str | None = None,
    ambiguous: Literal["first", "last", "infer", "refuse"] | None = None,
) -> Bars:
    """Reads bar files of any layout, without a bus."""

def calendar(name: str) -> Calendar:
    """One of the known calendars, such as ``"XNYS"``."""
