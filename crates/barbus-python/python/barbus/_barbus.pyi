from collections.abc import Awaitable, Iterable
from datetime import date, datetime
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, final

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow

class Error(Exception):
    """Why an operation on a bus failed, with the message of the command line."""

@final
class DayClosed:
    """A trading day is closed: the reader has received all of its bars."""

    __match_args__ = ("day",)
    @property
    def day(self) -> date: ...

@final
class Lapped:
    """The reader fell behind by more than the ring holds; ``missed`` is the exact number of bars lost."""

    __match_args__ = ("missed",)
    @property
    def missed(self) -> int: ...

@final
class Withdrawn:
    """An operator has withdrawn bars: they are not bars of the bus any more."""

    __match_args__ = ("day", "symbols")
    @property
    def day(self) -> date: ...
    @property
    def symbols(self) -> list[str]:
        """The symbols of the bars; empty: all symbols."""
    def covers(self, symbol: str, frame_ms: int) -> bool: ...

@final
class Bar:
    """One bar: a copy of its values. The optional columns of the bus are attributes too."""

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
    def seq(self) -> int | None:
        """Sequence number on the bus; None for a bar of the archive."""
    @property
    def received(self) -> datetime | None:
        """When the bus received the bar, in UTC; None for a bar of the archive."""
    @property
    def revision(self) -> int | None:
        """0 for the first bar of its symbol and frame, n for its n-th revision; None for a bar of the archive."""
    def __getattr__(self, name: str) -> float | None: ...
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
    def num_rows(self) -> int: ...
    @property
    def column_names(self) -> list[str]: ...
    @property
    def zone(self) -> str: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Bar: ...
    def __iter__(self) -> BarsIterator: ...
    def copy(self) -> Bars:
        """The same bars in memory of this process: they hold nothing of the ring."""
    def to_pyarrow(self) -> pyarrow.Table: ...
    def to_polars(self, *, copy: bool = False) -> polars.DataFrame: ...
    def to_pandas(self) -> pandas.DataFrame: ...
    def to_numpy(self) -> dict[str, numpy.ndarray[Any, Any]]: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

@final
class Follow:
    """The events of a bus, for ``for`` and for ``async for``."""

    @property
    def position(self) -> int:
        """Sequence number of the next bar."""
    def __iter__(self) -> Follow: ...
    def __next__(self) -> Bars | DayClosed | Lapped | Withdrawn: ...
    def __aiter__(self) -> Follow: ...
    def __anext__(self) -> Awaitable[Bars | DayClosed | Lapped | Withdrawn]: ...

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
    ) -> Follow: ...
    def replay(
        self,
        first: date | str,
        last: date | str | None = None,
        symbols: Iterable[str] | None = None,
        speed: Literal["max"] | str | float | None = None,
    ) -> Follow: ...
    def latest(self, symbol: str) -> Bar | None: ...
    def window(self, symbol: str, count: int) -> Bars: ...
    def day(self, date: date | str | None = None) -> Bars: ...
    def days(self) -> list[date]: ...
    def symbols(self) -> list[str]: ...
    def writer_alive(self) -> bool: ...
    def newest_age(self) -> float | None:
        """Seconds since the bus received the newest bar; None without a bar."""
    def stat(self) -> dict[str, Any]: ...

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

    def send(self, data: object) -> Ack: ...
    def send_async(self, data: object) -> Awaitable[Ack]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Publisher: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    async def __aenter__(self) -> Publisher: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

def open(path: str | PathLike[str]) -> Bus:
    """Opens the bus at a path for reading."""

def publish(
    path: str | PathLike[str],
    *,
    label: Literal["start", "end"] | None = None,
    zone: str | None = None,
    source: str | None = None,
    ack: Literal["commit", "durable"] | None = None,
    reconnect: float = 0.0,
) -> Publisher:
    """Connects to the daemon of the bus at a path."""
