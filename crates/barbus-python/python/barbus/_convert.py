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


def to_numpy(bars):
    import numpy

    columns = {}
    for name, (unit, column) in bars._columns().items():
        array = numpy.asarray(column)
        columns[name] = array.view(f"datetime64[{unit}]") if unit else array
    return columns


def to_pandas(bars):
    import pandas

    columns = to_numpy(bars)
    frame = pandas.DataFrame(columns)
    frame["frame"] = frame["frame"].dt.tz_localize("UTC").dt.tz_convert(bars.zone)
    if "received" in columns:
        frame["received"] = frame["received"].dt.tz_localize("UTC")
    return frame


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
