"""Conversions with other packages, each imported when it is used."""


def to_pyarrow(bars):
    import pyarrow

    return pyarrow.table(bars)


class _Stream:
    """Bars with the stream interface alone. Given both, polars takes the array, which is a copy of all blocks."""

    def __init__(self, bars):
        self.__arrow_c_stream__ = bars.__arrow_c_stream__


def to_polars(bars):
    import polars

    return polars.DataFrame(_Stream(bars))


def array(unit, column):
    """A numpy array of a column; `unit` is that of its times."""
    import numpy

    plain = numpy.asarray(column)
    return plain.view(f"datetime64[{unit}]") if unit else plain


def column(bars, name):
    return array(*bars._column(name))


def to_numpy(bars):
    return {name: array(unit, column) for name, (unit, column) in bars._columns().items()}


def to_pandas(bars):
    import pandas

    columns = to_numpy(bars)
    if "day" in columns:
        # pandas has no unit of days.
        columns["day"] = columns["day"].astype("datetime64[s]")
    frame = pandas.DataFrame(columns)
    frame["frame"] = frame["frame"].dt.tz_localize("UTC").dt.tz_convert(bars.zone)
    if "received" in columns:
        frame["received"] = frame["received"].dt.tz_localize("UTC")
    return frame


def panel_to_pandas(panel):
    import pandas

    frames = pandas.DatetimeIndex(panel.frames, name="frame").tz_localize("UTC").tz_convert(panel.zone)
    return pandas.DataFrame(panel.values, index=frames, columns=panel.symbols)


def arrow(data):
    """Returns `data`, or a conversion of it, with the PyCapsule interface."""
    if hasattr(data, "__arrow_c_array__") or hasattr(data, "__arrow_c_stream__"):
        return data
    if type(data).__module__.partition(".")[0] == "pandas":
        # pandas 2.1 and older.
        import pyarrow

        return pyarrow.Table.from_pandas(data, preserve_index=False)
    kind = type(data).__name__
    raise TypeError(f"{kind}: give a table, batch or data frame with the Arrow PyCapsule interface")
