"""Reads a bus by pyarrow through the Arrow stream of a reader of the C library.

    c_stream.py LIBRARY BUS TIMEOUT_MS [day]

The reader begins at the oldest bar. For each line of its input the script reads up to the stream's
end, by the time limit or with `day` by the close of a trading day, and prints the bars as JSON, one
a line, or the error of the stream; then {"event": "end"}.
"""

import ctypes
import json
import sys

import pyarrow

START_OLDEST = 2


class ReaderOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("start", ctypes.c_int32), ("others", ctypes.c_byte * 84)]


class StreamOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("timeout_ms", ctypes.c_int64),
        ("until_day_closed", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


def open_stream(library, bus, timeout_ms, until_day_closed):
    def check(code):
        if code != 0:
            raise SystemExit(f"c_stream.py: {library.barbus_error().decode()}")

    library.barbus_error.restype = ctypes.c_char_p
    reader = ctypes.c_void_p()
    options = ReaderOptions(ctypes.sizeof(ReaderOptions), START_OLDEST)
    check(library.barbus_reader_open(bus.encode(), ctypes.byref(options), ctypes.byref(reader)))
    options = StreamOptions(ctypes.sizeof(StreamOptions), timeout_ms, until_day_closed)
    # The C Stream Interface has five pointers.
    raw = (ctypes.c_void_p * 5)()
    check(library.barbus_reader_stream(reader, ctypes.byref(options), ctypes.byref(raw)))
    return pyarrow.RecordBatchReader._import_from_c(ctypes.addressof(raw))


def bars(table):
    table.validate(full=True)
    frames = table["frame"].cast(pyarrow.int64()).to_pylist()
    received = table["received"].cast(pyarrow.int64()).to_pylist()
    rows = table.drop_columns(["frame", "received"]).to_pylist()
    return [{**row, "frame_ms": frame, "received_ns": at} for row, frame, at in zip(rows, frames, received)]


def say(lines):
    print("\n".join(json.dumps(line) for line in lines), flush=True)


def main():
    timeout_ms = int(sys.argv[3])
    stream = open_stream(ctypes.CDLL(sys.argv[1]), sys.argv[2], timeout_ms, int(sys.argv[4:] == ["day"]))
    say([{"event": "attached"}])
    for _ in sys.stdin:
        try:
            found = bars(stream.read_all())
        except (OSError, pyarrow.ArrowException) as error:
            found = [{"event": "error", "what": str(error)}]
        say([*found, {"event": "end"}])


main()
