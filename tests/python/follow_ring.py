"""Follow a barbus ring in plain Python, without barbus: an example written only from docs/FORMAT.md.

    follow_ring.py RING [--from live|oldest|today|SEQ] [--until-close N] [--bars N] [--once]

Prints one JSON object per line. A bar has its columns, with `frame_ms` in milliseconds and
`received_ns` in nanoseconds since 1970; an optional column without a value is null.
All other lines have an `event`:

    {"event": "attached", "next_seq": 1000}         the first line: where reading begins
    {"event": "day_closed", "day": "2024-03-04"}
    {"event": "lapped", "missed": 100}              the writer overtook the reader: exactly this many bars were missed
    {"event": "replaced"}                           another file replaced the ring; reading continues there

Ends after N day closes, after N bars, or (--once) at the newest bar; otherwise it does not end.
The script only reads the ring: it cannot delay the daemon.
"""

import argparse
import datetime as dt
import json
import mmap
import os
import struct
import sys
import time
from pathlib import Path

import pyarrow as pa

# "Constants" of the format.
MAGIC = 0x0A0D535542524142
VERSION = 1
PAGE = 4096
SCHEMA_FLATBUFFER = 16
SUPERBLOCK_PAGES_END = 8192
DIRECTORY = 8192
SB_FIXED, SB_FIXED_END = 4112, 4608
COLUMN_TABLE, COLUMN_ENTRY_BYTES, MAX_OPTIONAL = 4256, 16, 6
SLOT_BODY = 4096
RECYCLING = 0xFFFF_FFFF_FFFF_FFFF
NO_DAY = -(1 << 63)
STATE_SEALED, STATE_LAST_OF_DAY, STATE_ROWS = 1 << 63, 1 << 62, 0xFFFF_FFFF
TIP_ROW = 128

# What the superblock says of the file once and for all: name -> (offset, bytes).
FIXED = {
    "file_bytes": (4112, 8),
    "lineage": (4120, 8),
    "first_seq": (4128, 8),
    "schema_crc": (4136, 4),
    "schema_bytes": (4140, 4),
    "slots": (4144, 4),
    "rows_per_block": (4148, 4),
    "slots_offset": (4152, 8),
    "slot_bytes": (4160, 8),
    "symbols": (4168, 4),
    "symbol_bytes": (4172, 4),
    "dictionary_offset": (4176, 8),
    "dictionary_offsets": (4184, 8),
    "dictionary_text": (4192, 8),
    "directory_offset": (4200, 8),
    "tip_offset": (4208, 8),
    "tip_rows": (4216, 4),
    "interval_ms": (4220, 4),
    "price_bytes": (4224, 4),
    "optional": (4228, 4),
    "columns": (4232, 4),
}
LIMITS = {
    "slots": range(2, 65_536 + 1),
    "rows_per_block": range(64, 1_048_576 + 1, 64),
    "symbols": range(1, 1_048_576 + 1),
    "symbol_bytes": range(1, 268_435_456 + 1),
    "tip_rows": [1 << power for power in range(6, 21)],
    "interval_ms": range(1, 1 << 32),
    "price_bytes": (4, 8),
    "optional": range(0, MAX_OPTIONAL + 1),
}
# Offsets of the words that change, in the superblock and in a slot.
CURSOR, WRITER_EPOCH, BOOT_ID, SYMBOL_COUNT, SUPERSEDED, TIP_CLAIMED = 4608, 4736, 4752, 4864, 5120, 5248
BLOCK, FIRST_SEQ, DAY, STATE = 2048, 2056, 2064, 2176

PRICES = ("open", "high", "low", "close")
ATTEMPTS = 1_000
POLL_SECONDS = 0.001


class Refused(Exception):
    """The file is no ring that this program can read, or the ring lacks the requested bar."""


def require(condition, message):
    if not condition:
        raise Refused(message)


def up(number, multiple):
    return -(-number // multiple) * multiple


def crc32c(data):
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
    return crc ^ 0xFFFF_FFFF


class Ring:
    """A ring file, mapped and checked: no offset computed from `self` is outside of it."""

    def __init__(self, path):
        with open(path, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            require(length >= SUPERBLOCK_PAGES_END, "too short for a ring")
            self.bytes = memoryview(mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ))
        # A word that the writer may change is loaded at once in its size, never byte by byte.
        self._words = self.bytes[: length // 8 * 8].cast("Q")
        self._halves = self.bytes[: length // 4 * 4].cast("I")

        require(bytes(self.bytes[:8]) == b"ARROW1\0\0" and self.u64(4096) == MAGIC, "not a ring")
        version = self.u32(4104)
        require(version != 0, "its creation was not finished")
        require(version == VERSION, f"version {version}; this program reads version {VERSION}")
        require(crc32c(self.bytes[SB_FIXED:SB_FIXED_END]) == self.u32(4108), "the superblock's checksum is wrong")
        for name, (offset, size) in FIXED.items():
            setattr(self, name, self.u64(offset) if size == 8 else self.u32(offset))
        require(self.file_bytes == length, f"{length} bytes long and should be {self.file_bytes}")
        for name, allowed in LIMITS.items():
            require(getattr(self, name) in allowed, f"{name} {getattr(self, name)} is out of range")
        require(self.columns == 10 + self.optional, "the number of columns is wrong")
        self._check_places()
        self.schema = self._read_schema()
        self._symbols = []

    def u64(self, offset):
        return self._words[offset // 8]

    def i64(self, offset):
        return (self.u64(offset) ^ 1 << 63) - (1 << 63)

    def u32(self, offset):
        return self._halves[offset // 4]

    def _check_places(self):
        """Compute every offset again, and refuse a file with other offsets."""
        widths = [4, 8] + [self.price_bytes] * 4 + [8] + [8] * self.optional + [8, 8, 1]
        optional = range(7, 7 + self.optional)
        self.table = []  # (values, validity or 0, width) of each column
        end = SLOT_BODY
        for column, width in enumerate(widths):
            validity = 0
            if column in optional:
                validity, end = end, up(end + self.rows_per_block // 8, 64)
            values, end = end, up(end + self.rows_per_block * width, 64)
            self.table.append((values, validity, width))
            entry = struct.unpack_from("<4I", self.bytes, COLUMN_TABLE + column * COLUMN_ENTRY_BYTES)
            require(entry == (values, validity, width, 0), f"column {column} has a wrong offset or width")

        places = {"slot_bytes": up(end, PAGE), "directory_offset": DIRECTORY}
        places["dictionary_offset"] = up(DIRECTORY + 8 * self.slots, PAGE)
        places["dictionary_offsets"] = places["dictionary_offset"] + PAGE
        places["dictionary_text"] = up(places["dictionary_offsets"] + 4 * (self.symbols + 1), 64)
        places["slots_offset"] = up(places["dictionary_text"] + self.symbol_bytes, PAGE)
        places["tip_offset"] = places["slots_offset"] + self.slots * places["slot_bytes"] + PAGE
        for name, place in places.items():
            require(getattr(self, name) == place, f"{name} is {getattr(self, name)} and should be {place}")
        require(self.tip_offset + TIP_ROW * self.tip_rows <= self.file_bytes, "the tip ends outside the file")

    def _read_schema(self):
        require(SCHEMA_FLATBUFFER + self.schema_bytes <= PAGE, "the schema is too long")
        flatbuffer = self.bytes[SCHEMA_FLATBUFFER : SCHEMA_FLATBUFFER + self.schema_bytes]
        require(crc32c(flatbuffer) == self.schema_crc, "the schema's checksum is wrong")
        schema = pa.ipc.read_schema(pa.py_buffer(bytes(self.bytes[8 : self.dictionary_offset])))
        require(len(schema) == self.columns, "the schema has other columns than the superblock")
        return schema

    @property
    def optional_names(self):
        return self.schema.names[7 : 7 + self.optional]

    def symbol(self, number):
        """The text of a symbol. The dictionary only grows, so only an unknown number reads it again."""
        if number >= len(self._symbols):
            count = min(self.u32(SYMBOL_COUNT), self.symbols)
            ends = [self.u32(self.dictionary_offsets + 4 * index) for index in range(len(self._symbols), count + 1)]
            for start, end in zip(ends, ends[1:]):
                require(start <= end <= self.symbol_bytes, "the dictionary is corrupt")
                text = self.bytes[self.dictionary_text + start : self.dictionary_text + end]
                self._symbols.append(str(text, "utf-8"))
        require(number < len(self._symbols), f"a bar has symbol {number}, which is not in the dictionary")
        return self._symbols[number]

    def cursor(self):
        """The newest block, 0 before the first, and how many of its rows are in the columns."""
        cursor = self.u64(CURSOR)
        return cursor >> 32, min(cursor & 0xFFFF_FFFF, self.rows_per_block)

    def slot_offset(self, index):
        return self.slots_offset + index * self.slot_bytes

    def slot_of(self, block):
        """The offset of the slot that holds a block, or None."""
        if block == 0:  # the number of a slot that was never used
            return None
        for index in range(self.slots):
            if self.u64(DIRECTORY + 8 * index) == block:
                slot = self.slot_offset(index)
                return slot if self.u64(slot + BLOCK) == block else None
        return None

    def header(self, slot):
        """The header of a slot as (block, first_seq, day, state), or None if the slot has none."""
        block = self.u64(slot + BLOCK)
        if block in (0, RECYCLING):
            return None
        header = (block, self.u64(slot + FIRST_SEQ), self.i64(slot + DAY), self.u64(slot + STATE))
        return header if self.u64(slot + BLOCK) == block else None

    def headers(self):
        """Every header, in the order of the blocks."""
        return sorted(filter(None, (self.header(self.slot_offset(index)) for index in range(self.slots))))

    def tip(self, seq):
        """The 128 bytes of row `seq` in the tip, None if it is not written yet, False if overwritten."""
        offset = self.tip_offset + TIP_ROW * (seq % self.tip_rows)
        stamp = self.u64(offset)
        if stamp == seq + 1:
            row = bytes(self.bytes[offset : offset + TIP_ROW])
            return row if self.u64(TIP_CLAIMED) <= seq + self.tip_rows else False
        return False if stamp > seq + 1 or self.u64(TIP_CLAIMED) > seq + self.tip_rows else None

    def copy(self, slot, start, end):
        """A copy of rows `start` to `end` of every column, None for nulls; the caller validates it."""
        columns = []
        for (values, validity, width), field in zip(self.table, self.schema):
            code = "<%d" + {"symbol": "I", "revision": "B", "seq": "Q"}.get(field.name, "q")
            if field.type in (pa.float64(), pa.float32()):
                code = "<%d" + {8: "d", 4: "f"}[width]
            column = list(struct.unpack_from(code % (end - start), self.bytes, slot + values + start * width))
            if validity:
                bitmap = bytes(self.bytes[slot + validity + start // 8 : slot + validity + up(end, 8) // 8])
                first = start // 8 * 8
                for row in range(start, end):
                    if not bitmap[(row - first) // 8] >> row % 8 & 1:
                        column[row - start] = None
            columns.append(column)
        return columns

    def superseded(self):
        return self.u64(SUPERSEDED) == 1

    def of_this_boot(self):
        """Whether the last writer ran in this boot; otherwise rows that were not synced may be damaged."""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", "")
        return self.u64(WRITER_EPOCH) == 0 or bytes.fromhex(boot) == bytes(self.bytes[BOOT_ID : BOOT_ID + 16])


class Follower:
    """A position in a ring; reads all bars and events from there on."""

    def __init__(self, ring, start):
        self.ring = ring
        self.seq, self.block, self.row = self._start(start)
        self._slot = None  # the slot of `block`, once it was found
        self._attempts = 0

    def _start(self, start):
        ring = self.ring
        for _ in range(ATTEMPTS):
            newest, rows = ring.cursor()
            if newest == 0:
                if isinstance(start, int) and start < ring.first_seq:
                    return start, 0, 0
                require(start in ("live", "oldest", "today", ring.first_seq), f"bar {start} is in the future")
                return ring.first_seq, 1, 0
            slot = ring.slot_of(newest)
            header = slot is not None and ring.header(slot)
            headers = ring.headers()
            if header and header[0] == newest and headers:
                break  # otherwise the writer has moved on: try again
        else:
            raise Refused("the newest block is not in the ring")
        next_seq = header[1] + rows

        if start == "oldest":
            block, first_seq, _, _ = headers[0]
            return first_seq, block, 0
        if start == "today":
            days = [day for _, _, day, _ in headers if day != NO_DAY]
            for block, first_seq, day, _ in headers:
                if days and day == max(days):
                    return first_seq, block, 0
            return next_seq, newest, rows
        if start == "live" and header[3] & STATE_LAST_OF_DAY:
            # A live reader does not report an earlier close. The seal counts all rows, while the
            # cursor was loaded before it.
            return header[1] + (header[3] & STATE_ROWS), newest + 1, 0
        if start in ("live", next_seq):
            return next_seq, newest, rows
        if start < next_seq:
            for block, first_seq, _, state in headers:
                count = state & STATE_ROWS if state & STATE_SEALED else rows if block == newest else 0
                if first_seq <= start < first_seq + count:
                    return start, block, start - first_seq
            return start, 0, 0  # it has left the ring: no slot has block 0, so reading first counts the missed bars
        before = ring.tip(start - 1)
        require(before, f"bar {start} is in the future: the next one is {next_seq}")
        position = struct.unpack_from("<Q", before, 8)[0]
        return start, position >> 32, (position & 0xFFFF_FFFF) + 1

    def read(self):
        """Yield all new bars and events in the form of the output."""
        while (yield from self._from_tip()):
            if not (yield from self._from_columns()):
                return

    def _from_tip(self):
        """Yield the bars in the tip. Returns True if the columns must be read next."""
        while True:
            row = self.ring.tip(self.seq)
            if row is None:  # the tip has no new row; only an ended block can have more
                if self._slot is None or self.ring.u64(self._slot + STATE) & STATE_SEALED:
                    return True
                return self.ring.u64(self._slot + BLOCK) != self.block
            if row is False:
                return True
            _, position, packed, frame, *floats, received = struct.unpack_from("<3Qq5dq", row)
            if position != self.block << 32 | self.row:
                return True
            optional = struct.unpack_from(f"<{self.ring.optional}d", row, 80)
            present = packed >> 40
            optional = [value if present >> index & 1 else None for index, value in enumerate(optional)]
            revision = packed >> 32 & 0xFF
            bar = self._bar([packed & 0xFFFF_FFFF, frame, *floats, *optional, self.seq, received, revision])
            self._next_row()
            yield bar

    def _from_columns(self):
        """Yield the bars in the columns, at most to the end of the block. Returns False without any."""
        ring = self.ring
        newest, cursor_rows = ring.cursor()
        slot = self._slot
        if slot is None or ring.u64(slot + BLOCK) != self.block:
            slot = self._slot = ring.slot_of(self.block)
        if slot is None:
            if newest == 0 or self.block > newest:
                return False
            return (yield from self._lapped())

        # The state is loaded before the number of rows: the rows of a sealed block are complete.
        state = ring.u64(slot + STATE)
        if state & STATE_SEALED:
            committed = state & STATE_ROWS
        else:
            newest2, rows2 = ring.cursor()
            if self.block == newest2:
                committed = rows2
            elif self.block < newest2:  # it was sealed meanwhile
                committed = ring.u64(slot + STATE) & STATE_ROWS
            else:  # it is being opened
                committed = 0
        committed = min(committed, ring.rows_per_block)
        start = self.row
        columns = ring.copy(slot, start, committed) if start < committed else []
        day = ring.i64(slot + DAY)
        if ring.u64(slot + BLOCK) != self.block:  # reused during the copy: discard the copies
            return (yield from self._lapped())

        if columns:
            for row in zip(*columns):
                require(row[-3] == self.seq, f"bar {row[-3]} is where {self.seq} should be")
                bar = self._bar(row)
                self._next_row()
                yield bar
        if state & STATE_SEALED and (state & STATE_LAST_OF_DAY or newest > self.block):
            self._next_block()
            if state & STATE_LAST_OF_DAY:
                yield {"event": "day_closed", "day": iso_date(day)}
            return True
        return bool(columns)

    def _lapped(self):
        """Continue at the first block in the ring that follows, and count the missed bars."""
        self._attempts += 1
        require(self._attempts < ATTEMPTS, "the ring changes too fast to find a block")
        for block, first_seq, _, _ in self.ring.headers():
            if block >= self.block and first_seq >= self.seq:
                missed = first_seq - self.seq
                self.seq, self.block, self.row, self._slot = first_seq, block, 0, None
                if missed:
                    yield {"event": "lapped", "missed": missed}
                break
        return True

    def _next_row(self):
        self.seq += 1
        self.row += 1
        self._attempts = 0

    def _next_block(self):
        self.block += 1
        self.row, self._slot = 0, None
        self._attempts = 0

    def _bar(self, values):
        symbol, frame, open_, high, low, close, volume, *optional, seq, received, revision = values
        bar = {"symbol": self.ring.symbol(symbol), "frame_ms": frame}
        bar |= {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
        bar |= zip(self.ring.optional_names, optional)
        return bar | {"seq": seq, "received_ns": received, "revision": revision}


def iso_date(day):
    return None if day == NO_DAY else (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()


def follow(path, start, once):
    """Yield every bar and event of the ring at `path`, with `once` only up to the newest bar."""
    ring = Ring(path)
    if not ring.of_this_boot():
        print("follow_ring: no daemon has run since the machine booted: the last bars may be damaged", file=sys.stderr)
    follower = Follower(ring, start)
    yield {"event": "attached", "next_seq": follower.seq}
    while True:
        superseded = follower.ring.superseded()  # loaded before the poll, so that the poll reads the old file to its end
        found = False
        for item in follower.read():
            found = True
            yield item
        if found:
            continue
        if superseded:
            ring = Ring(path)
            require(ring.lineage == follower.ring.lineage, "the file at the path belongs to another bus")
            follower = Follower(ring, follower.seq)
            yield {"event": "replaced"}
        elif once:
            return
        else:
            sys.stdout.flush()
            time.sleep(POLL_SECONDS)


def start_of(text):
    if text in ("live", "oldest", "today"):
        return text
    if text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError("neither live, oldest, today nor a sequence number")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ring")
    parser.add_argument("--from", dest="start", type=start_of, default="live", metavar="live|oldest|today|SEQ")
    parser.add_argument("--until-close", type=int, metavar="N", help="end after N day closes")
    parser.add_argument("--bars", type=int, metavar="N", help="end after N bars")
    parser.add_argument("--once", action="store_true", help="end at the newest bar")
    arguments = parser.parse_args()

    bars = closes = 0
    for item in follow(arguments.ring, arguments.start, arguments.once):
        print(json.dumps(item, ensure_ascii=False))
        bars += "event" not in item
        closes += item.get("event") == "day_closed"
        if bars == arguments.bars or closes == arguments.until_close:
            break


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError) as error:
        sys.exit(f"follow_ring: {error}")
    except KeyboardInterrupt:
        pass
