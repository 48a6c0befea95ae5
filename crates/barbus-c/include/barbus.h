/*
 * barbus: a shared-memory bus for 1-minute bars. The C interface of libbarbus.
 *
 * Written by cbindgen from crates/barbus-c: do not edit it. docs/C.md is the guide; barbus.hpp has
 * the same for C++17.
 *
 * Functions return 0 (BARBUS_OK) or a negative BARBUS_ERROR_…; barbus_error() then has the words.
 * A struct that begins with `size` is set to zero but for `size`: later versions add fields, and 0
 * is the default of each. Flags are 0 or 1.
 *
 * Threads: a barbus_reader or barbus_publisher belongs to one thread, and every call of another one
 * fails with BARBUS_ERROR_THREAD until it is handed over. A barbus_bus, barbus_answer or
 * barbus_panel may be used by any number of threads at once; it must not be closed while another
 * thread uses what it lends. In a child after fork() every call with a handle of the parent fails
 * with BARBUS_ERROR_FORKED, and closing does nothing.
 *
 * Memory: the library never frees what a program gave to it, and copies what it keeps. What it
 * lends is valid for as long as the function says, and is never freed by the program. A closed
 * handle is an error and not a crash.
 *
 * Times are the ends of bars in milliseconds since 1970-01-01 UTC, and trading days are numbers of
 * days since 1970-01-01. No function raises a signal, calls exit, or lets a panic through.
 */

#ifndef BARBUS_H
#define BARBUS_H

#include <stddef.h>
#include <stdint.h>

/* The structs of Arrow's C Data Interface and C Stream Interface, as their specification has them. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */

/* As the length of a text: it ends with NUL. */
#define BARBUS_NUL SIZE_MAX

/* A reader of a bus, or a replay of archived days. It belongs to one thread. */
typedef struct barbus_reader barbus_reader;
/* A producer's connection to the daemon. It belongs to one thread. */
typedef struct barbus_publisher barbus_publisher;
/* A bus, for questions. Any thread may use it. */
typedef struct barbus_bus barbus_bus;
/* The answer to a question. Any thread may use it. */
typedef struct barbus_answer barbus_answer;
/* One column of many symbols side by side. Any thread may use it. */
typedef struct barbus_panel barbus_panel;


// The version of the binary interface that this header describes. It changes only if a program
// that was compiled with an older header would not work any more.
#define BARBUS_ABI_VERSION 1

// What a function returns if it did what was asked.
#define BARBUS_OK 0

// An argument cannot be used: a null pointer, a wrong size of a struct, an unknown constant, a
// text that is not UTF-8.
#define BARBUS_ERROR_ARGUMENT (-1)

// The handle was closed before.
#define BARBUS_ERROR_CLOSED (-2)

// The handle belongs to another thread, or is in use: see barbus_reader_hand_over.
#define BARBUS_ERROR_THREAD (-3)

// The handle was opened before a fork: the child opens its own.
#define BARBUS_ERROR_FORKED (-4)

// A signal handler ran while barbus_next slept: call it again, or end.
#define BARBUS_ERROR_INTERRUPTED (-5)

// The directory is not a bus.
#define BARBUS_ERROR_NOT_A_BUS (-6)

// bus.toml or a calendar table cannot be used.
#define BARBUS_ERROR_SETTINGS (-7)

// The system refused a call.
#define BARBUS_ERROR_IO (-8)

// The bus has no ring of this boot of the machine yet: its daemon was not started.
#define BARBUS_ERROR_NO_RING (-9)

// The ring was removed or moved while the daemon runs.
#define BARBUS_ERROR_RING_LOST (-10)

// The ring has another version of the format: update libbarbus, or the daemon.
#define BARBUS_ERROR_VERSION (-11)

// The ring is truncated, corrupt, or not a ring.
#define BARBUS_ERROR_RING (-12)

// A file of the archive is damaged or cannot be read.
#define BARBUS_ERROR_ARCHIVE (-13)

// A file of the bus could be changed by a user that is not trusted.
#define BARBUS_ERROR_UNTRUSTED (-14)

// The start is in the future or was not kept, or another ring has taken the place of this one.
#define BARBUS_ERROR_START (-15)

// A question contradicts itself, or names an unknown column.
#define BARBUS_ERROR_QUESTION (-16)

// The bus changed too fast while a question was answered: ask again.
#define BARBUS_ERROR_CHANGING (-17)

// The symbol never occurred on the bus.
#define BARBUS_ERROR_UNKNOWN_SYMBOL (-18)

// No daemon listens on the socket of the bus.
#define BARBUS_ERROR_NO_DAEMON (-19)

// The connection to the daemon broke, or the daemon is silent.
#define BARBUS_ERROR_CONNECTION (-20)

// The daemon rejected the bars or the request.
#define BARBUS_ERROR_REFUSED (-21)

// Columns of an Arrow batch are not bars, or cannot be cast.
#define BARBUS_ERROR_COLUMNS (-22)

// Another process is the writer of the bus.
#define BARBUS_ERROR_BUSY (-23)

// Another error: barbus_error has its text.
#define BARBUS_ERROR_OTHER (-98)

// A fault in barbus itself. The handle is not usable any more; the process is.
#define BARBUS_ERROR_PANIC (-99)



// No trading day.
#define BARBUS_NO_DAY INT32_MIN

// Most optional columns of a bus.
#define BARBUS_OPTIONAL 6

// No event: there is none yet, or the time is over.
#define BARBUS_EVENT_NONE 0

// New bars, in the order of their sequence numbers: `bars`, `count`.
#define BARBUS_EVENT_BARS 1

// The trading day `day` has closed: all of its bars up to here were delivered.
#define BARBUS_EVENT_DAY_CLOSED 2

// The reader was too slow: exactly `missed` bars were overwritten before they were read.
#define BARBUS_EVENT_LAPPED 3

// An operator has withdrawn bars of `day`: they are not bars of the bus any more. `names` has
// their symbols, none for all; barbus_event_covers tells of each bar.
#define BARBUS_EVENT_WITHDRAWN 4

// The minute that ends at `frame_ms` is complete. `symbols` have a bar of it, and `names` are the
// expected ones that have none. Only for a reader that was opened with `minutes`.
#define BARBUS_EVENT_MINUTE_CLOSED 5

// After the newest bar: only future bars are delivered.
#define BARBUS_START_LIVE 0

// At the first bar of the newest trading day.
#define BARBUS_START_TODAY 1

// At the oldest bar in the ring.
#define BARBUS_START_OLDEST 2

// At the first bar of the trading day `start_day`, or of the first later day in the ring.
#define BARBUS_START_DAY 3

// At the sequence number `start_seq`. If that bar was overwritten, the first event is
// BARBUS_EVENT_LAPPED.
#define BARBUS_START_SEQ 4

// What the ring has lost of the day comes from the archive, before the bars of the ring.
#define BARBUS_ON_GAP_FILL 0

// What the ring has lost of the day is counted by BARBUS_EVENT_LAPPED.
#define BARBUS_ON_GAP_LAPPED 1

// Opening fails if the ring has lost bars of the day.
#define BARBUS_ON_GAP_ERROR 2

// barbus_next sleeps in the kernel until the writer commits.
#define BARBUS_WAIT_FUTEX 0

// barbus_next polls without a pause and without a system call: the lowest latency, a whole core.
#define BARBUS_WAIT_SPIN 1

// barbus_next polls some thousand times, then yields its core between polls.
#define BARBUS_WAIT_SPIN_THEN_YIELD 2

// What bus.toml says.
#define BARBUS_ACK_DEFAULT 0

// Bars are acknowledged after the commit to the ring: they survive a crash of the daemon.
#define BARBUS_ACK_COMMIT 1

// Bars are acknowledged after the sync to disk: they survive a loss of power.
#define BARBUS_ACK_DURABLE 2

// Prices and volumes as they were traded.
#define BARBUS_ADJUST_NONE 0

// Prices are adjusted by the column factor so that the newest ones are as traded.
#define BARBUS_ADJUST_FORWARD 1

// Prices are adjusted by the column factor so that the oldest ones are as traded.
#define BARBUS_ADJUST_BACKWARD 2

// How a reader is opened. A struct of zeros with its size has the default of each field.
typedef struct barbus_reader_options {
    // Set it to sizeof(barbus_reader_options).
    size_t size;
    // One of BARBUS_START_….
    int32_t start;
    // For BARBUS_START_DAY: days since 1970-01-01, see barbus_day_parse.
    int32_t start_day;
    // For BARBUS_START_SEQ.
    uint64_t start_seq;
    // One of BARBUS_ON_GAP_…, for BARBUS_START_TODAY and BARBUS_START_DAY.
    int32_t on_gap;
    // One of BARBUS_WAIT_….
    int32_t wait;
    // The name in `barbus readers`, at most 64 bytes; null: the name of the process.
    const char *name;
    // Not 0: the reader is not listed, and the daemon does not warn when it falls behind.
    int32_t anonymous;
    // Not 0: bars come by complete minutes, each followed by BARBUS_EVENT_MINUTE_CLOSED.
    int32_t minutes;
    // Only bars of these symbols are delivered; null: of all. The array is copied.
    const char *const *symbols;
    // Number of symbols.
    size_t symbol_count;
    // Bars of this length, such as "5m" or "1d", each when its last minute is complete; null: as
    // they were published. It contradicts `minutes`.
    const char *interval;
    // With `minutes` or `interval`, the symbols that a minute waits for; null: those of the last
    // trading day and of the present one. The array is copied.
    const char *const *universe;
    // Number of symbols of the universe.
    size_t universe_count;
    // With `minutes` or `interval`, milliseconds that a minute waits for its missing symbols; 0:
    // 2,000; negative: none.
    int64_t grace_ms;
} barbus_reader_options;

// Which archived days are replayed, and how. A struct of zeros with its size and the days has the
// default of each other field.
typedef struct barbus_replay_options {
    // Set it to sizeof(barbus_replay_options).
    size_t size;
    // The first day, days since 1970-01-01, see barbus_day_parse.
    int32_t from_day;
    // The last day. Days that are not archived are skipped.
    int32_t to_day;
    // How many times faster than the market; 0: as fast as the program takes the bars.
    double speed;
    // As in barbus_reader_options.
    const char *const *symbols;
    // Number of symbols.
    size_t symbol_count;
    // As in barbus_reader_options.
    const char *interval;
    // As in barbus_reader_options.
    const char *const *universe;
    // Number of symbols of the universe.
    size_t universe_count;
    // As in barbus_reader_options.
    int32_t minutes;
    // Unused: 0.
    int32_t reserved;
} barbus_replay_options;

// One bar of one symbol.
typedef struct barbus_bar {
    // Sequence number of the bar on its bus; 0 for bars of the archive.
    uint64_t seq;
    // The end of the bar, milliseconds since 1970-01-01 UTC.
    int64_t frame_ms;
    // First price.
    double open;
    // Highest price.
    double high;
    // Lowest price.
    double low;
    // Last price.
    double close;
    // Volume, in the unit of its source.
    double volume;
    // When the bus received the bar, nanoseconds since 1970-01-01 UTC; 0 for bars of the archive.
    int64_t received_ns;
    // The optional columns in the order of bus.toml; 0 where `present` says that there is no
    // value.
    double optional[BARBUS_OPTIONAL];
    // The id of the symbol, see barbus_symbol_name.
    uint32_t symbol;
    // Bit i: the optional column i has a value.
    uint8_t present;
    // 0 for a first bar, n for its n-th correction; 255 for the 255th and later ones.
    uint8_t revision;
} barbus_bar;

// A text in the memory of the library: UTF-8, without a NUL at its end.
typedef struct barbus_text {
    // Its first byte; never null.
    const char *data;
    // Its bytes.
    size_t length;
} barbus_text;

// What a reader delivers. A call sets `kind` and the fields that its kind names; the others keep
// what they had.
typedef struct barbus_event {
    // Set it to sizeof(barbus_event).
    size_t size;
    // One of BARBUS_EVENT_….
    int32_t kind;
    // The trading day, days since 1970-01-01.
    int32_t day;
    // The bars. They are valid until the next call with the same reader.
    const struct barbus_bar *bars;
    // Number of bars.
    size_t count;
    // Number of missed bars.
    uint64_t missed;
    // The end of the minute, milliseconds since 1970-01-01 UTC.
    int64_t frame_ms;
    // Number of symbols that have a bar of the minute.
    size_t symbols;
    // Symbols. They are valid until the next call with the same reader.
    const struct barbus_text *names;
    // Number of names.
    size_t name_count;
} barbus_event;

// How an Arrow stream of a reader ends. A struct of zeros with its size has the default of each
// field.
typedef struct barbus_stream_options {
    // Set it to sizeof(barbus_stream_options).
    size_t size;
    // Milliseconds that `get_next` waits for bars, after which the stream ends; 0: it ends at the
    // newest bar; negative: it waits without a limit.
    int64_t timeout_ms;
    // Not 0: the stream ends when a trading day has closed, after its last bar.
    int32_t until_day_closed;
    // Unused: 0.
    int32_t reserved;
} barbus_stream_options;

// Which bars are wanted. A struct of zeros with its size asks for all bars.
typedef struct barbus_question {
    // Set it to sizeof(barbus_question).
    size_t size;
    // Only bars of these symbols; null: of all.
    const char *const *symbols;
    // Number of symbols.
    size_t symbol_count;
    // Only bars from this trading day on, days since 1970-01-01; 0: from the first one.
    int32_t from_day;
    // Only bars up to this trading day; 0: up to the newest one.
    int32_t to_day;
    // Only bars that end at this time or later, milliseconds since 1970-01-01 UTC; 0: no bound. It
    // contradicts `from_day`.
    int64_t from_ms;
    // Only bars that end at this time or earlier; 0: no bound. It contradicts `to_day`.
    int64_t to_ms;
    // Only the last bars of each symbol, this many; 0: all.
    uint64_t last;
    // The length of the bars, such as "5m", "1h", "1d", "1w" or "1M"; null: a minute.
    const char *interval;
    // One of BARBUS_ADJUST_….
    int32_t adjust;
    // Not 0: a day with a damaged file is left out, which a shortfall says; otherwise it is an
    // error.
    int32_t skip_damaged;
    // Only these columns, after symbol and frame; null: all.
    const char *const *columns;
    // Number of columns.
    size_t column_count;
} barbus_question;

// What an answer has.
typedef struct barbus_answer_info {
    // Set it to sizeof(barbus_answer_info).
    size_t size;
    // Number of bars.
    size_t bars;
    // Number of symbols, whose ids are below it: see barbus_answer_symbol.
    size_t symbols;
    // A reader that starts at this sequence number continues without a gap or an overlap.
    uint64_t next_seq;
    // 0 if the bus has no ring: then `next_seq` means nothing.
    int32_t has_next_seq;
    // 0 if something that was asked for is missing: see barbus_answer_shortfall.
    int32_t complete;
    // Number of shortfalls.
    size_t shortfalls;
} barbus_answer_info;

// One column of the last minutes, for many symbols side by side. The arrays are valid until the
// panel is closed.
typedef struct barbus_panel_data {
    // Set it to sizeof(barbus_panel_data).
    size_t size;
    // The ends of the minutes, milliseconds since 1970-01-01 UTC, ascending.
    const int64_t *frames_ms;
    // Number of minutes.
    size_t minutes;
    // The symbols, ascending.
    const struct barbus_text *symbols;
    // Number of symbols.
    size_t symbol_count;
    // values[minute * symbol_count + symbol]; NaN where there is no bar or no value.
    const double *values;
    // Number of shortfalls: see barbus_panel_shortfall.
    size_t shortfalls;
} barbus_panel_data;

// How a publisher is opened. A struct of zeros with its size has the default of each field.
typedef struct barbus_publisher_options {
    // Set it to sizeof(barbus_publisher_options).
    size_t size;
    // The name of the source, which the quarantine keeps with each invalid row; null: none.
    const char *source;
    // One of BARBUS_ACK_….
    int32_t ack;
    // If the connection breaks, milliseconds for which it is tried again; 0: not at all. Bars that
    // were not acknowledged are then sent again.
    int32_t reconnect_ms;
} barbus_publisher_options;

// The outcomes of bars that were sent. `rows` is the sum of the six outcomes.
typedef struct barbus_ack {
    // Set it to sizeof(barbus_ack).
    size_t size;
    // Bars handled.
    uint64_t rows;
    // New bars.
    uint64_t accepted;
    // Bars that the bus had already with the same values: ignored.
    uint64_t duplicate;
    // Bars that the bus had with other values: published as corrections.
    uint64_t revised;
    // Invalid bars, kept in the quarantine with the reason.
    uint64_t quarantined;
    // Invalid bars that the quarantine has no room for: they are kept nowhere.
    uint64_t refused;
    // Milliseconds that the bars waited for room in the ring.
    uint64_t waited_ms;
    // Sequence number of the last published bar.
    uint64_t seq;
    // 0 if no bar was published: then `seq` means nothing.
    int32_t has_seq;
    // Bars that the bus had with other values from a source of higher priority: not published.
    // UINT32_MAX stands for more, too.
    uint32_t conflict;
} barbus_ack;

// A bar to be published.
typedef struct barbus_new_bar {
    // The symbol, which ends with NUL.
    const char *symbol;
    // The end of the bar, milliseconds since 1970-01-01 UTC; its beginning if bus.toml says that
    // producers label bars by their start.
    int64_t frame_ms;
    // First price.
    double open;
    // Highest price.
    double high;
    // Lowest price.
    double low;
    // Last price.
    double close;
    // Volume.
    double volume;
    // The optional columns in the order of bus.toml.
    double optional[BARBUS_OPTIONAL];
    // Bit i: the optional column i has a value.
    uint8_t present;
    // Unused: 0.
    uint8_t reserved[7];
} barbus_new_bar;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the binary interface of the loaded library. A program compares it with
// BARBUS_ABI_VERSION, which it was compiled with.
uint32_t barbus_abi_version(void);

// The version of barbus, such as "0.1.0". It ends with NUL and is never freed.
const char *barbus_version(void);

// Why the last failed call of this thread failed: what, why, and the next step, as the command
// line prints it after "barbus: ". It ends with NUL, is UTF-8, and is valid until the next failed
// call of this thread. Empty if none has failed.
const char *barbus_error(void);

// The number of a trading day such as "2024-07-04": days since 1970-01-01.
int32_t barbus_day_parse(const char *text, int32_t *day);

// Writes a trading day as text such as "2024-07-04" into a buffer of 11 bytes, with NUL at its
// end.
int32_t barbus_day_format(int32_t day, char *text);

// Opens a reader of the bus in the directory `path`. Null as `options`: after the newest bar.
//
// The reader belongs to the calling thread, and no other thread may use it, see
// barbus_reader_hand_over. Each thread that reads opens its own. A reader continues after a
// restart of the daemon and in the place of the ring that follows.
//
// On failure `reader` is null.
int32_t barbus_reader_open(const char *path,
                           const struct barbus_reader_options *options,
                           barbus_reader **reader);

// Opens a replay of archived days of the bus in the directory `path`. Its events are those of a
// live reader, so a strategy runs on both; barbus_ended says when the last day is over.
//
// BARBUS_ERROR_START if none of the days is archived. On failure `reader` is null.
int32_t barbus_replay_open(const char *path,
                           const struct barbus_replay_options *options,
                           barbus_reader **reader);

// Closes a reader or a replay. Null is not an error. What it lent is not valid any more; Arrow
// arrays of it stay until they are released. In a forked child it does nothing.
int32_t barbus_reader_close(barbus_reader *reader);

// Hands a reader over: the next thread that uses it has it from then on. Only the thread that has
// the reader may call this.
int32_t barbus_reader_hand_over(barbus_reader *reader);

// The next event, or BARBUS_EVENT_NONE. It never waits, and if there is nothing new it makes no
// system call.
//
// The first call lists the reader for `barbus readers`, and the one that meets a new ring opens
// it. A reader that is behind gets up to 1,024 bars at once. What the event points to is valid
// until the next call with this reader.
//
// BARBUS_ERROR_RING if the ring is corrupt; BARBUS_ERROR_START if another ring with other sequence
// numbers has taken its place: open a new reader.
int32_t barbus_poll(barbus_reader *reader, struct barbus_event *event);

// The next event; waits for it for at most `timeout_ms` milliseconds, without a limit if that is
// negative. BARBUS_EVENT_NONE if there is none in this time, or at the end of a replay.
//
// How it waits is set when the reader is opened. BARBUS_ERROR_INTERRUPTED if a signal handler ran
// while it slept; no event is lost. Other errors as barbus_poll, and BARBUS_ERROR_RING_LOST if the
// ring was removed.
int32_t barbus_next(barbus_reader *reader, int64_t timeout_ms, struct barbus_event *event);

// Whether no event will follow: 1 after the last day of a replay, 0 before, and always 0 for a
// live reader.
int32_t barbus_ended(barbus_reader *reader, int32_t *ended);

// Whether the last BARBUS_EVENT_WITHDRAWN of this reader has the bar of `symbol` that ends at
// `frame_ms`, which is one of its day. `length` is the number of bytes of `symbol`, or BARBUS_NUL.
int32_t barbus_event_covers(barbus_reader *reader,
                            const char *symbol,
                            size_t length,
                            int64_t frame_ms,
                            int32_t *covers);

// The newest bar of a symbol in its last correction, whatever the reader has read. `length` is the
// number of bytes of `symbol`, or BARBUS_NUL. `found` is 0 if the symbol has no bar.
//
// The first question reads the whole ring; later ones read the bars since then. With `minutes` or
// `interval`, too, the answer is a bar of one minute.
//
// BARBUS_ERROR_UNKNOWN_SYMBOL if the symbol never occurred on the bus.
int32_t barbus_latest(barbus_reader *reader,
                      const char *symbol,
                      size_t length,
                      struct barbus_bar *latest,
                      int32_t *found);

// The last `count` bars of a symbol, oldest first, each in its last correction; fewer if the bus
// has no more. `length` is the number of bytes of `symbol`, or BARBUS_NUL.
//
// Bars that the ring does not have any more come from the archive. The bars are valid until the
// next call with this reader.
//
// Errors as barbus_latest.
int32_t barbus_window(barbus_reader *reader,
                      const char *symbol,
                      size_t length,
                      size_t count,
                      const struct barbus_bar **window,
                      size_t *found);

// Sequence number of the next bar to be delivered: a reader that starts there goes on without a
// gap. For a replay, the number of bars so far.
int32_t barbus_position(barbus_reader *reader, uint64_t *seq);

// Identifies the continuous sequence of numbers: keep it with a position. A ring that starts anew
// has another one.
int32_t barbus_lineage(barbus_reader *reader, uint64_t *lineage);

// The trading day that was open when the last bars were written, days since 1970-01-01;
// BARBUS_NO_DAY between two days.
int32_t barbus_day(barbus_reader *reader, int32_t *day);

// Whether the writer of the bus runs: it counts as dead after a second without a heartbeat. In a
// quiet market a running writer has no new bars, see barbus_newest_age.
int32_t barbus_writer_alive(barbus_reader *reader, int32_t *alive);

// How long ago the newest bar of the bus was received, of any symbol, read or not, nanoseconds; -1
// if the ring has no bar yet.
int32_t barbus_newest_age(barbus_reader *reader, int64_t *age_ns);

// The place of the optional column `name` in barbus_bar.optional: 0 to 5.
//
// BARBUS_ERROR_QUESTION if the bus has no such column.
int32_t barbus_reader_optional(barbus_reader *reader, const char *name, size_t *place);

// The text of a symbol's id in the bars of this reader. It is valid until the next barbus_poll or
// barbus_next with this reader.
//
// An id keeps its symbol until the reader meets a new ring: keep texts, not ids, from day to day.
//
// BARBUS_ERROR_UNKNOWN_SYMBOL if there is no such id.
int32_t barbus_symbol_name(barbus_reader *reader, uint32_t id, struct barbus_text *name);

// The id of a symbol in the bars of this reader. `length` is the number of bytes of `symbol`, or
// BARBUS_NUL.
//
// BARBUS_ERROR_UNKNOWN_SYMBOL if it has not occurred yet.
int32_t barbus_symbol_id(barbus_reader *reader,
                         const char *symbol,
                         size_t length,
                         uint32_t *id);

// Number of symbols that have occurred: ids are below it, but for bars that come from the archive.
int32_t barbus_symbol_count(barbus_reader *reader, size_t *count);

// The next bars as an array of structs, in the memory of the ring if possible: all committed bars
// of the reader's block. The reader's position moves behind them. For many bars at once; for the
// next one, barbus_poll is cheaper.
//
// `count` is their number. It is 0 if there is nothing new, or if the next event is not bars:
// barbus_poll has it then. Then `array` and `schema` are not set and need no release.
//
// The values do not change until `array->release` is called, in any thread. Until then the writer
// goes around the block; a reader pins at most the part `readers.max_pins` of the ring, and gets
// copies beyond it. `pinned` is 0 for a copy. The symbols of the reader do not filter these bars.
int32_t barbus_pin(barbus_reader *reader,
                   struct ArrowArray *array,
                   struct ArrowSchema *schema,
                   size_t *count,
                   int32_t *pinned);

// Copies bars of this reader, such as those of an event or of barbus_window, into an array of
// structs: symbol (a dictionary of texts), frame, open, high, low, close, volume, the optional
// columns, seq, received and revision. The program calls `release` of both.
int32_t barbus_bars_arrow(barbus_reader *reader,
                          const barbus_bar *bars,
                          size_t count,
                          struct ArrowArray *array,
                          struct ArrowSchema *schema);

// Makes an Arrow stream of a reader's bars, or of a replay's, from its position on, with the
// columns of barbus_bars_arrow. The stream has the reader then, whose handle is closed. Null as
// `options`: the stream ends at the newest bar. On failure the reader stays as it is.
//
// `get_next` gives the bars that have come, many of them in the memory of the ring as barbus_pin
// does, and waits for the next ones as the options say. With `symbols`, `minutes` or `interval` of
// the reader, bars are copies.
//
// The stream ends without an array if there is no bar in time, after a day's close if the options
// say so, and after the last day of a replay. This end is a pause: `get_next` may be called again,
// and has the bars that came since.
//
// What an array cannot say is an error of one `get_next`, EIO: that bars were missed, with their
// exact number in `get_last_error`; that an operator has withdrawn bars; that a signal handler ran
// during a wait. The next call goes on behind it. Closed days and minutes have no mark.
//
// One thread at a time uses the stream, any thread. The program calls its `release`, which closes
// the reader; arrays stay until they are released. In a forked child `get_next` fails, and
// `release` leaves the reader to the parent.
int32_t barbus_reader_stream(barbus_reader *reader,
                             const struct barbus_stream_options *options,
                             struct ArrowArrayStream *stream);

// Opens the bus in the directory `path`, for questions. It reads bus.toml and the calendar tables.
//
// Any number of threads may use the handle at once.
int32_t barbus_bus_open(const char *path, const barbus_bus **bus);

// Closes a bus. Null is not an error. Answers and panels of the bus stay.
int32_t barbus_bus_close(const barbus_bus *bus);

// The place of the optional column `name` in barbus_bar.optional: 0 to 5.
//
// BARBUS_ERROR_QUESTION if the bus has no such column.
int32_t barbus_bus_optional(const barbus_bus *bus, const char *name, size_t *place);

// The name of the optional column at `place`, valid until the bus is closed.
//
// BARBUS_ERROR_QUESTION if the bus has fewer columns.
int32_t barbus_bus_optional_name(const barbus_bus *bus, size_t place, struct barbus_text *name);

// The zone of the bus, such as "Asia/Shanghai", valid until the bus is closed.
int32_t barbus_bus_zone(const barbus_bus *bus, struct barbus_text *zone);

// Asks for bars, live and archived ones as one sequence: by trading day, and within a day by
// symbol and frame. Each comes once, in its last correction. All of them are in memory then.
//
// Null as `question`: all bars. Any number of threads may use the answer at once. On failure
// `answer` is null.
int32_t barbus_ask(const barbus_bus *bus,
                   const struct barbus_question *question,
                   const barbus_answer **answer);

// As barbus_ask, but as an Arrow stream that reads day by day: memory does not grow with the
// number of days. `next_seq` may be null; it is set to the sequence number at which a reader goes
// on, or to UINT64_MAX if the bus has no ring.
//
// The stream belongs to one thread at a time and outlives the bus. The program calls its
// `release`.
int32_t barbus_ask_stream(const barbus_bus *bus,
                          const struct barbus_question *question,
                          struct ArrowArrayStream *stream,
                          uint64_t *next_seq);

// Closes an answer. Null is not an error. Arrow streams of it stay until they are released.
int32_t barbus_answer_close(const barbus_answer *answer);

// What an answer has.
int32_t barbus_answer_get(const barbus_answer *answer, struct barbus_answer_info *info);

// The bars of an answer as structs, valid until the answer is closed. Their ids are those of
// barbus_answer_symbol; `seq`, `received_ns` and `revision` are 0. Columns that were not asked for
// are 0.
int32_t barbus_answer_bars(const barbus_answer *answer,
                           const struct barbus_bar **bars,
                           size_t *count);

// The text of a symbol's id in an answer, valid until the answer is closed.
int32_t barbus_answer_symbol(const barbus_answer *answer, uint32_t id, struct barbus_text *name);

// The bars of an answer as an Arrow stream, without a copy. The stream outlives the answer. The
// program calls its `release`.
int32_t barbus_answer_stream(const barbus_answer *answer, struct ArrowArrayStream *stream);

// Writes what was asked for and is not in the answer, in words: the shortfall number `index`, with
// NUL at its end, cut to `capacity` bytes.
int32_t barbus_answer_shortfall(const barbus_answer *answer,
                                size_t index,
                                char *text,
                                size_t capacity);

// Asks for one column of the last minutes, or intervals, that have a bar: minutes by symbols. The
// question must have `last`.
//
// Any number of threads may use the panel at once. On failure `panel` is null.
int32_t barbus_ask_panel(const barbus_bus *bus,
                         const struct barbus_question *question,
                         const char *column,
                         const barbus_panel **panel);

// Closes a panel. Null is not an error.
int32_t barbus_panel_close(const barbus_panel *panel);

// The arrays of a panel.
int32_t barbus_panel_get(const barbus_panel *panel, struct barbus_panel_data *data);

// As barbus_answer_shortfall, of a panel.
int32_t barbus_panel_shortfall(const barbus_panel *panel,
                               size_t index,
                               char *text,
                               size_t capacity);

// Connects to the daemon of the bus in the directory `path`, to publish bars. Null as `options`:
// the defaults.
//
// The publisher belongs to the calling thread, see barbus_publisher_hand_over.
//
// BARBUS_ERROR_NO_DAEMON if none runs. On failure `publisher` is null.
int32_t barbus_publisher_open(const char *path,
                              const struct barbus_publisher_options *options,
                              barbus_publisher **publisher);

// Closes a publisher. Null is not an error. Bars that are not acknowledged may be lost: call
// barbus_publisher_finish before.
int32_t barbus_publisher_close(barbus_publisher *publisher);

// Hands a publisher over: the next thread that uses it has it from then on.
int32_t barbus_publisher_hand_over(barbus_publisher *publisher);

// Sends bars. With `ack` it waits until they are acknowledged, and counts their outcomes; an
// acknowledged bar is committed. With null as `ack` it waits only while eight batches are on their
// way. The bars are copied.
//
// Sending again after a failure does no harm: bars that were committed are duplicates.
//
// BARBUS_ERROR_REFUSED if the daemon rejects the bars, BARBUS_ERROR_CONNECTION if the connection
// broke and could not be restored in time.
int32_t barbus_publish(barbus_publisher *publisher,
                       const barbus_new_bar *bars,
                       size_t count,
                       struct barbus_ack *ack);

// Sends a record batch, as barbus_publish does with bars. It may have any columns that can be cast
// to bars, as docs/OPERATING.md describes.
//
// The array is moved, also on failure: its `release` is null afterwards. The schema is not.
//
// BARBUS_ERROR_COLUMNS for an array that is not valid.
int32_t barbus_publish_arrow(barbus_publisher *publisher,
                             struct ArrowArray *array,
                             const struct ArrowSchema *schema,
                             struct barbus_ack *ack);

// States that no more bars follow of the minute that ends at `frame_ms`, and of those before it:
// readers with `minutes` need not wait for the symbols that have no bar. `frame_ms` is the end of
// the minute also if producers label bars by their start.
int32_t barbus_done(barbus_publisher *publisher, int64_t frame_ms);

// Waits until all bars are acknowledged, and counts the outcomes of all bars of this publisher;
// `ack` may be null. The publisher sends nothing any more: close it.
int32_t barbus_publisher_finish(barbus_publisher *publisher, struct barbus_ack *ack);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BARBUS_H */
