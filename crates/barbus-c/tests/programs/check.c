/*
 * Checks of the C interface on the bus that tests/programs.rs makes:
 *
 *     check BUS
 *
 * Day 2024-03-04 is closed and in the archive, with 300 minutes of the symbols A and B; of
 * 2024-03-05 there are 100 minutes. The close of minute n is n, and of B a quarter more; money is
 * ten times the close in even minutes.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <barbus.h>

#define DAY_1 19786
#define MINUTE 60000LL
#define DAY_MS (1440 * MINUTE)

/* Programs in other languages have these numbers in their code. */
_Static_assert(sizeof(barbus_bar) == 120 && offsetof(barbus_bar, close) == 40, "barbus_bar");
_Static_assert(offsetof(barbus_bar, optional) == 64 && offsetof(barbus_bar, symbol) == 112, "barbus_bar");
_Static_assert(sizeof(barbus_event) == 72 && offsetof(barbus_event, bars) == 16, "barbus_event");
_Static_assert(offsetof(barbus_event, names) == 56, "barbus_event");
_Static_assert(sizeof(barbus_reader_options) == 96 && offsetof(barbus_reader_options, name) == 32, "options");
_Static_assert(sizeof(barbus_replay_options) == 72 && offsetof(barbus_replay_options, speed) == 16, "options");
_Static_assert(sizeof(barbus_question) == 88 && sizeof(barbus_answer_info) == 48, "questions");
_Static_assert(sizeof(barbus_panel_data) == 56 && sizeof(barbus_ack) == 80, "panel, ack");
_Static_assert(sizeof(barbus_new_bar) == 112 && sizeof(barbus_publisher_options) == 24, "publishing");
_Static_assert(sizeof(barbus_text) == 16 && sizeof(barbus_stream_options) == 24, "text, stream");

static int checks;

#define CHECK(condition)                                                                                   \
    do {                                                                                                   \
        ++checks;                                                                                          \
        if (!(condition)) {                                                                                \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, barbus_error());            \
            exit(1);                                                                                       \
        }                                                                                                  \
    } while (0)

#define OK(call) CHECK((call) == BARBUS_OK)
#define FAILS(call, code, words) CHECK((call) == (code) && strstr(barbus_error(), words) != NULL)

static const char *path;

static barbus_reader *open_at(int32_t start) {
    barbus_reader_options options = {0};
    barbus_reader *reader = NULL;
    options.size = sizeof options;
    options.start = start;
    options.name = "check";
    OK(barbus_reader_open(path, &options, &reader));
    CHECK(reader != NULL);
    return reader;
}

/* The n-th minute of a day, 0 or 1, as the program that made the bus computed it. */
static void check_bar(barbus_reader *reader, const barbus_bar *bar) {
    barbus_text name;
    const long long of_day = (bar->frame_ms - 1) % DAY_MS / MINUTE + 1;
    OK(barbus_symbol_name(reader, bar->symbol, &name));
    CHECK(name.length == 1 && (*name.data == 'A' || *name.data == 'B'));
    CHECK(bar->close == (double)of_day + (*name.data == 'B' ? 0.25 : 0));
    CHECK(bar->open == bar->close && bar->high == bar->close && bar->low == bar->close && bar->volume == 100);
    CHECK((bar->present & 1) == (of_day % 2 == 0) && (bar->present & 2) == 2);
    CHECK(bar->optional[0] == (of_day % 2 == 0 ? 10 * bar->close : 0) && bar->optional[1] == 1);
}

static void check_library(void) {
    int32_t day = 0;
    char text[11];
    CHECK(barbus_abi_version() == BARBUS_ABI_VERSION);
    CHECK(strchr(barbus_version(), '.') != NULL);
    OK(barbus_day_parse("2024-03-04", &day));
    CHECK(day == DAY_1);
    OK(barbus_day_format(day, text));
    CHECK(strcmp(text, "2024-03-04") == 0);
    FAILS(barbus_day_parse("2024-02-30", &day), BARBUS_ERROR_ARGUMENT, "2024-02-30");
    FAILS(barbus_day_parse(NULL, &day), BARBUS_ERROR_ARGUMENT, "null pointer");
    FAILS(barbus_day_parse("2024-03-04", NULL), BARBUS_ERROR_ARGUMENT, "null pointer");
}

static void check_bad_input(void) {
    barbus_reader_options options = {0};
    struct {
        barbus_reader_options known;
        uint64_t unknown;
    } newer = {{0}, 0};
    const char *symbols[] = {"A", "\xff\xfe"};
    barbus_reader *reader = (barbus_reader *)&options;
    const barbus_bus *bus = NULL;
    barbus_event event = {0};
    barbus_text name;
    barbus_bar bar;
    int32_t found = 0;
    uint64_t seq = 0;

    FAILS(barbus_reader_open(NULL, NULL, &reader), BARBUS_ERROR_ARGUMENT, "path");
    CHECK(reader == NULL);
    FAILS(barbus_reader_open(path, NULL, NULL), BARBUS_ERROR_ARGUMENT, "reader");
    FAILS(barbus_reader_open("/nonexistent", NULL, &reader), BARBUS_ERROR_NOT_A_BUS, "no such directory");
    FAILS(barbus_reader_open("/\xff", NULL, &reader), BARBUS_ERROR_ARGUMENT, "UTF-8");
    FAILS(barbus_reader_open(path, &options, &reader), BARBUS_ERROR_ARGUMENT, "size is 0");
    options.size = sizeof options;
    options.start = 77;
    FAILS(barbus_reader_open(path, &options, &reader), BARBUS_ERROR_ARGUMENT, "start: 77");
    options.start = BARBUS_START_SEQ;
    options.start_seq = 1000000;
    FAILS(barbus_reader_open(path, &options, &reader), BARBUS_ERROR_START, "");
    options.start = BARBUS_START_LIVE;
    options.symbols = symbols;
    options.symbol_count = 2;
    FAILS(barbus_reader_open(path, &options, &reader), BARBUS_ERROR_ARGUMENT, "UTF-8");
    options.symbols = NULL;
    FAILS(barbus_reader_open(path, &options, &reader), BARBUS_ERROR_ARGUMENT, "null pointer");
    options.symbol_count = 0;
    options.minutes = 1;
    options.interval = "5m";
    FAILS(barbus_reader_open(path, &options, &reader), BARBUS_ERROR_ARGUMENT, "one of them");
    options.minutes = 0;
    options.interval = "5x";
    FAILS(barbus_reader_open(path, &options, &reader), BARBUS_ERROR_ARGUMENT, "interval");
    options.interval = NULL;

    /* A program of a newer header, without and with a field that this library does not know. */
    newer.known = options;
    newer.known.size = sizeof newer;
    OK(barbus_reader_open(path, &newer.known, &reader));
    OK(barbus_reader_close(reader));
    newer.unknown = 1;
    FAILS(barbus_reader_open(path, &newer.known, &reader), BARBUS_ERROR_ARGUMENT, "update");

    reader = open_at(BARBUS_START_LIVE);
    FAILS(barbus_poll(reader, NULL), BARBUS_ERROR_ARGUMENT, "event");
    FAILS(barbus_poll(reader, &event), BARBUS_ERROR_ARGUMENT, "sizeof(barbus_event)");
    FAILS(barbus_next(reader, 0, &event), BARBUS_ERROR_ARGUMENT, "sizeof(barbus_event)");
    event.size = sizeof event;
    FAILS(barbus_poll(NULL, &event), BARBUS_ERROR_ARGUMENT, "reader");
    FAILS(barbus_position(reader, NULL), BARBUS_ERROR_ARGUMENT, "seq");
    FAILS(barbus_latest(reader, "C", BARBUS_NUL, &bar, &found), BARBUS_ERROR_UNKNOWN_SYMBOL, "\"C\"");
    FAILS(barbus_latest(reader, "\xc3", BARBUS_NUL, &bar, &found), BARBUS_ERROR_ARGUMENT, "UTF-8");
    FAILS(barbus_latest(reader, NULL, 3, &bar, &found), BARBUS_ERROR_ARGUMENT, "null pointer");
    FAILS(barbus_symbol_name(reader, 1234567, &name), BARBUS_ERROR_UNKNOWN_SYMBOL, "1234567");
    FAILS(barbus_event_covers(reader, "A", 1, 0, &found), BARBUS_ERROR_ARGUMENT, "BARBUS_EVENT_WITHDRAWN");

    /* Closed handles, and handles of another kind. */
    OK(barbus_bus_open(path, &bus));
    FAILS(barbus_poll((barbus_reader *)(uintptr_t)bus, &event), BARBUS_ERROR_ARGUMENT, "another kind");
    FAILS(barbus_bus_zone((const barbus_bus *)reader, &name), BARBUS_ERROR_ARGUMENT, "another kind");
    OK(barbus_bus_close(bus));
    FAILS(barbus_bus_close(bus), BARBUS_ERROR_CLOSED, "closed");
    FAILS(barbus_bus_zone(bus, &name), BARBUS_ERROR_CLOSED, "closed");
    OK(barbus_reader_close(reader));
    FAILS(barbus_reader_close(reader), BARBUS_ERROR_CLOSED, "closed");
    FAILS(barbus_poll(reader, &event), BARBUS_ERROR_CLOSED, "closed");
    FAILS(barbus_position(reader, &seq), BARBUS_ERROR_CLOSED, "closed");
    OK(barbus_reader_close(NULL));
    OK(barbus_bus_close(NULL));
    OK(barbus_answer_close(NULL));
    OK(barbus_panel_close(NULL));
    OK(barbus_publisher_close(NULL));
}

static void check_events(void) {
    barbus_reader *reader = open_at(BARBUS_START_OLDEST);
    barbus_event event = {0};
    uint64_t next = 0, position = 0, lineage = 0;
    int closed = 0;
    int32_t day = 0, flag = -1;
    int64_t age = 0;
    size_t count = 0, place = 9;
    uint32_t id = 9;
    barbus_text name;
    event.size = sizeof event;
    for (;;) {
        OK(barbus_poll(reader, &event));
        if (event.kind == BARBUS_EVENT_NONE) break;
        if (event.kind == BARBUS_EVENT_DAY_CLOSED) {
            CHECK(event.day == DAY_1 && next == 600);
            ++closed;
            continue;
        }
        CHECK(event.kind == BARBUS_EVENT_BARS && event.count > 0);
        for (size_t i = 0; i < event.count; ++i) {
            CHECK(event.bars[i].seq == next++ && event.bars[i].received_ns > 0 && event.bars[i].revision == 0);
            check_bar(reader, &event.bars[i]);
        }
    }
    CHECK(next == 800 && closed == 1);
    OK(barbus_position(reader, &position));
    OK(barbus_lineage(reader, &lineage));
    CHECK(position == 800 && lineage != 0);
    OK(barbus_day(reader, &day));
    CHECK(day == DAY_1 + 1);
    OK(barbus_writer_alive(reader, &flag));
    CHECK(flag == 0 || flag == 1);
    OK(barbus_newest_age(reader, &age));
    CHECK(age > 0);
    OK(barbus_ended(reader, &flag));
    CHECK(flag == 0);
    OK(barbus_symbol_count(reader, &count));
    CHECK(count == 2);
    OK(barbus_symbol_id(reader, "B and more", 1, &id));
    OK(barbus_symbol_name(reader, id, &name));
    CHECK(name.length == 1 && *name.data == 'B');
    FAILS(barbus_symbol_id(reader, "C", BARBUS_NUL, &id), BARBUS_ERROR_UNKNOWN_SYMBOL, "\"C\"");
    OK(barbus_reader_optional(reader, "factor", &place));
    CHECK(place == 1);
    FAILS(barbus_reader_optional(reader, "vwap", &place), BARBUS_ERROR_QUESTION, "money, factor");
    /* Nothing comes: the call ends after its time. */
    OK(barbus_next(reader, 20, &event));
    CHECK(event.kind == BARBUS_EVENT_NONE);
    OK(barbus_reader_close(reader));
}

static void check_windows(void) {
    barbus_reader *reader = open_at(BARBUS_START_LIVE);
    barbus_bar bar;
    const barbus_bar *window = NULL;
    int32_t found = 0;
    size_t count = 0;
    OK(barbus_latest(reader, "A", BARBUS_NUL, &bar, &found));
    CHECK(found == 1 && bar.close == 100 && bar.seq == 798);
    check_bar(reader, &bar);
    OK(barbus_window(reader, "B", 1, 240, &window, &count));
    CHECK(count == 240);
    for (size_t i = 0; i < count; ++i) {
        check_bar(reader, &window[i]);
        CHECK(i == 0 || window[i].frame_ms > window[i - 1].frame_ms);
    }
    OK(barbus_window(reader, "B", 1, 0, &window, &count));
    CHECK(count == 0);
    OK(barbus_reader_close(reader));
}

/* The value of a column of an array of structs, by name. */
static double value(const struct ArrowArray *array, const struct ArrowSchema *schema, const char *name, int64_t row) {
    for (int64_t i = 0; i < schema->n_children; ++i) {
        if (strcmp(schema->children[i]->name, name) == 0) {
            const struct ArrowArray *column = array->children[i];
            CHECK(strcmp(schema->children[i]->format, "g") == 0);
            return ((const double *)column->buffers[1])[column->offset + row];
        }
    }
    CHECK(!"the column");
    return 0;
}

static void check_arrow(void) {
    barbus_reader *reader = open_at(BARBUS_START_OLDEST);
    struct ArrowArray kept = {0}, array = {0};
    struct ArrowSchema kept_schema = {0}, schema = {0};
    barbus_event event = {0};
    const barbus_bar *window = NULL;
    size_t count = 0, found = 0, pins = 0;
    int32_t pinned = 0;
    event.size = sizeof event;
    for (size_t rows = 0; rows < 800;) {
        OK(barbus_pin(reader, &array, &schema, &count, &pinned));
        if (count == 0) {
            OK(barbus_poll(reader, &event));
            CHECK(event.kind == BARBUS_EVENT_DAY_CLOSED);
            continue;
        }
        CHECK(array.length == (int64_t)count && strcmp(schema.format, "+s") == 0);
        CHECK(value(&array, &schema, "close", 0) == floor(value(&array, &schema, "close", 0) * 4) / 4);
        rows += count;
        pins += pinned != 0;
        if (kept.release == NULL) {
            kept = array;
            kept_schema = schema;
        } else {
            array.release(&array);
            schema.release(&schema);
        }
    }
    CHECK(pins > 0);
    OK(barbus_window(reader, "A", 1, 3, &window, &found));
    OK(barbus_bars_arrow(reader, window, found, &array, &schema));
    CHECK(array.length == 3 && value(&array, &schema, "close", 2) == 100 && value(&array, &schema, "close", 0) == 98);
    array.release(&array);
    schema.release(&schema);
    CHECK(array.release == NULL && schema.release == NULL);
    /* An array outlives its reader. */
    OK(barbus_reader_close(reader));
    CHECK(value(&kept, &kept_schema, "close", 0) == 1);
    kept.release(&kept);
    kept_schema.release(&kept_schema);
}

/* The rows of a stream up to its end, whose first column's name is `symbol`. */
static int64_t rows_of(struct ArrowArrayStream *stream) {
    struct ArrowSchema schema;
    struct ArrowArray array;
    int64_t rows = 0;
    CHECK(stream->get_schema(stream, &schema) == 0 && strcmp(schema.children[0]->name, "symbol") == 0);
    for (;;) {
        CHECK(stream->get_next(stream, &array) == 0);
        if (array.release == NULL) break;
        CHECK(array.length > 0 && array.n_children == schema.n_children);
        CHECK(value(&array, &schema, "close", 0) >= 1);
        rows += array.length;
        array.release(&array);
    }
    schema.release(&schema);
    return rows;
}

static void *count_elsewhere(void *stream) { return (void *)(intptr_t)rows_of(stream); }

/* A reader as an Arrow stream: in place, filtered, by minutes, and of archived days. */
static void check_reader_streams(void) {
    barbus_reader_options live = {0};
    barbus_replay_options replay = {0};
    barbus_stream_options options = {0};
    const char *symbols[] = {"B"};
    barbus_reader *reader = open_at(BARBUS_START_OLDEST);
    barbus_event event = {0};
    struct ArrowArrayStream stream = {0};
    struct ArrowArray array;
    pthread_t thread;
    void *rows = NULL;
    int status = -1;
    event.size = sizeof event;
    FAILS(barbus_reader_stream(reader, NULL, NULL), BARBUS_ERROR_ARGUMENT, "stream");
    FAILS(barbus_reader_stream(NULL, NULL, &stream), BARBUS_ERROR_ARGUMENT, "reader");
    FAILS(barbus_reader_stream(reader, &options, &stream), BARBUS_ERROR_ARGUMENT, "barbus_stream_options");
    /* After a failure the reader is what it was; a stream begins at its position. */
    OK(barbus_poll(reader, &event));
    CHECK(event.kind == BARBUS_EVENT_BARS && event.count > 0);
    const int64_t read = (int64_t)event.count;
    options.size = sizeof options;
    options.timeout_ms = 20;
    OK(barbus_reader_stream(reader, &options, &stream));
    FAILS(barbus_poll(reader, &event), BARBUS_ERROR_CLOSED, "closed");
    FAILS(barbus_reader_stream(reader, &options, &stream), BARBUS_ERROR_CLOSED, "closed");
    CHECK(rows_of(&stream) == 800 - read);
    /* The end is a pause. */
    CHECK(rows_of(&stream) == 0);
    fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(stream.get_next(&stream, &array) != 0);
        CHECK(strstr(stream.get_last_error(&stream), "before a fork") != NULL);
        stream.release(&stream);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(rows_of(&stream) == 0);
    stream.release(&stream);
    CHECK(stream.release == NULL);

    /* Up to the close of the day, and then the next one; in another thread. */
    options.timeout_ms = -1;
    options.until_day_closed = 1;
    OK(barbus_reader_stream(open_at(BARBUS_START_OLDEST), &options, &stream));
    CHECK(pthread_create(&thread, NULL, count_elsewhere, &stream) == 0);
    CHECK(pthread_join(thread, &rows) == 0);
    CHECK((int64_t)(intptr_t)rows == 600);
    CHECK(stream.get_next(&stream, &array) == 0 && array.length == 200);
    /* An array outlives its stream. */
    stream.release(&stream);
    CHECK(((const double *)array.children[5]->buffers[1])[array.children[5]->offset] == 1);
    array.release(&array);

    live.size = sizeof live;
    live.start = BARBUS_START_OLDEST;
    live.symbols = symbols;
    live.symbol_count = 1;
    OK(barbus_reader_open(path, &live, &reader));
    OK(barbus_reader_stream(reader, NULL, &stream));
    CHECK(rows_of(&stream) == 400);
    stream.release(&stream);

    replay.size = sizeof replay;
    replay.from_day = replay.to_day = DAY_1;
    replay.minutes = 1;
    OK(barbus_replay_open(path, &replay, &reader));
    OK(barbus_reader_stream(reader, NULL, &stream));
    CHECK(rows_of(&stream) == 600);
    stream.release(&stream);
}

static void check_questions(void) {
    const barbus_bus *bus = NULL;
    const barbus_answer *answer = NULL;
    const barbus_panel *panel = NULL;
    const char *symbols[] = {"B"};
    const char *unknown[] = {"C"};
    barbus_question question = {0};
    barbus_answer_info info = {0};
    barbus_panel_data data = {0};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    struct ArrowSchema schema;
    const barbus_bar *bars = NULL;
    barbus_text name;
    char words[40];
    uint64_t next_seq = 0;
    size_t count = 0, place = 0;
    int64_t rows = 0;
    question.size = sizeof question;
    info.size = sizeof info;
    data.size = sizeof data;
    OK(barbus_bus_open(path, &bus));
    OK(barbus_bus_zone(bus, &name));
    CHECK(name.length == 3 && memcmp(name.data, "UTC", 3) == 0);
    OK(barbus_bus_optional(bus, "money", &place));
    CHECK(place == 0);
    OK(barbus_bus_optional_name(bus, 1, &name));
    CHECK(name.length == 6 && memcmp(name.data, "factor", 6) == 0);
    FAILS(barbus_bus_optional_name(bus, 2, &name), BARBUS_ERROR_QUESTION, "2 optional columns");

    OK(barbus_ask(bus, NULL, &answer));
    OK(barbus_answer_get(answer, &info));
    CHECK(info.bars == 800 && info.symbols == 2 && info.has_next_seq == 1 && info.next_seq == 800);
    CHECK(info.complete == 1 && info.shortfalls == 0);
    OK(barbus_answer_bars(answer, &bars, &count));
    CHECK(count == 800 && bars[0].close == 1 && bars[299].close == 300 && bars[300].close == 1.25);
    OK(barbus_answer_symbol(answer, bars[300].symbol, &name));
    CHECK(name.length == 1 && *name.data == 'B');
    CHECK((bars[301].present & 1) == 1 && bars[301].optional[0] == 22.5 && (bars[300].present & 1) == 0);
    OK(barbus_answer_stream(answer, &stream));
    OK(barbus_answer_close(answer));
    FAILS(barbus_answer_get(answer, &info), BARBUS_ERROR_CLOSED, "closed");
    /* A stream outlives its answer. */
    CHECK(stream.get_schema(&stream, &schema) == 0 && schema.n_children == 10);
    for (rows = 0;;) {
        CHECK(stream.get_next(&stream, &array) == 0);
        if (array.release == NULL) break;
        rows += array.length;
        array.release(&array);
    }
    CHECK(rows == 800);
    schema.release(&schema);
    stream.release(&stream);

    question.symbols = symbols;
    question.symbol_count = 1;
    question.from_day = DAY_1;
    question.to_day = DAY_1;
    question.interval = "60m";
    OK(barbus_ask_stream(bus, &question, &stream, &next_seq));
    CHECK(next_seq == 800);
    for (rows = 0;;) {
        CHECK(stream.get_next(&stream, &array) == 0);
        if (array.release == NULL) break;
        rows += array.length;
        array.release(&array);
    }
    CHECK(rows == 5);
    stream.release(&stream);

    question.from_ms = 1;
    FAILS(barbus_ask(bus, &question, &answer), BARBUS_ERROR_ARGUMENT, "twice");
    CHECK(answer == NULL);
    question = (barbus_question){0};
    question.size = sizeof question;
    question.last = 500;
    question.symbols = symbols;
    question.symbol_count = 1;
    OK(barbus_ask(bus, &question, &answer));
    OK(barbus_answer_get(answer, &info));
    CHECK(info.bars == 400 && info.complete == 0 && info.shortfalls == 1);
    OK(barbus_answer_shortfall(answer, 0, words, sizeof words));
    CHECK(strncmp(words, "B: 400 of 500 bars", 18) == 0 && strlen(words) == sizeof words - 1);
    FAILS(barbus_answer_shortfall(answer, 1, words, sizeof words), BARBUS_ERROR_ARGUMENT, "1 shortfalls");
    FAILS(barbus_answer_shortfall(answer, 0, words, 0), BARBUS_ERROR_ARGUMENT, "no room");
    OK(barbus_answer_close(answer));
    question.symbols = unknown;
    FAILS(barbus_ask(bus, &question, &answer), BARBUS_ERROR_UNKNOWN_SYMBOL, "\"C\"");

    question.symbols = NULL;
    question.symbol_count = 0;
    question.last = 3;
    OK(barbus_ask_panel(bus, &question, "close", &panel));
    OK(barbus_panel_get(panel, &data));
    CHECK(data.minutes == 3 && data.symbol_count == 2 && data.shortfalls == 0 && *data.symbols[1].data == 'B');
    CHECK(data.values[2 * 2 + 1] == 100.25 && data.frames_ms[2] - data.frames_ms[0] == 2 * MINUTE);
    OK(barbus_panel_close(panel));
    FAILS(barbus_ask_panel(bus, &question, "symbol", &panel), BARBUS_ERROR_QUESTION, "symbol");
    OK(barbus_bus_close(bus));
}

static void check_minutes_and_replay(void) {
    barbus_replay_options options = {0};
    barbus_reader *reader = NULL;
    barbus_event event = {0};
    const char *universe[] = {"A", "B", "C"};
    int minutes = 0, bars = 0, days = 0;
    int32_t ended = 0;
    uint64_t lineage = 0;
    event.size = sizeof event;
    options.size = sizeof options;
    options.from_day = DAY_1;
    options.to_day = DAY_1;
    options.minutes = 1;
    options.universe = universe;
    options.universe_count = 3;
    OK(barbus_replay_open(path, &options, &reader));
    while (!ended) {
        OK(barbus_next(reader, -1, &event));
        if (event.kind == BARBUS_EVENT_BARS) {
            CHECK(event.count == 2);
            check_bar(reader, &event.bars[0]);
            bars += (int)event.count;
        } else if (event.kind == BARBUS_EVENT_MINUTE_CLOSED) {
            if (event.symbols == 2) {
                CHECK(event.name_count == 1 && event.names[0].length == 1 && *event.names[0].data == 'C');
            }
            ++minutes;
        } else if (event.kind == BARBUS_EVENT_DAY_CLOSED) {
            ++days;
        }
        OK(barbus_ended(reader, &ended));
    }
    CHECK(bars == 600 && minutes >= 300 && days == 1);
    FAILS(barbus_lineage(reader, &lineage), BARBUS_ERROR_ARGUMENT, "replay");
    OK(barbus_reader_close(reader));

    options = (barbus_replay_options){0};
    options.size = sizeof options;
    options.from_day = DAY_1 + 5;
    options.to_day = DAY_1 + 5;
    FAILS(barbus_replay_open(path, &options, &reader), BARBUS_ERROR_START, "archived");
    options.from_day = options.to_day = DAY_1;
    options.speed = NAN;
    FAILS(barbus_replay_open(path, &options, &reader), BARBUS_ERROR_ARGUMENT, "speed");
    /* The second minute is due after a minute. */
    options.speed = 1;
    OK(barbus_replay_open(path, &options, &reader));
    OK(barbus_next(reader, 1000, &event));
    CHECK(event.kind == BARBUS_EVENT_BARS);
    OK(barbus_next(reader, 20, &event));
    CHECK(event.kind == BARBUS_EVENT_NONE);
    OK(barbus_reader_close(reader));
}

/* Uses a reader, and hands it back. */
static void *use_elsewhere(void *reader) {
    barbus_event event = {0};
    event.size = sizeof event;
    const int32_t code = barbus_poll(reader, &event);
    if (code == BARBUS_OK) {
        OK(barbus_reader_hand_over(reader));
    } else {
        FAILS(barbus_reader_close(reader), BARBUS_ERROR_THREAD, "another thread");
    }
    return (void *)(intptr_t)code;
}

static int32_t result_elsewhere(barbus_reader *reader) {
    pthread_t thread;
    void *result = NULL;
    CHECK(pthread_create(&thread, NULL, use_elsewhere, reader) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    return (int32_t)(intptr_t)result;
}

static void check_threads_and_forks(void) {
    barbus_reader *reader = open_at(BARBUS_START_OLDEST);
    const barbus_bus *bus = NULL;
    barbus_event event = {0};
    barbus_text name;
    int status = -1;
    event.size = sizeof event;
    OK(barbus_bus_open(path, &bus));
    OK(barbus_poll(reader, &event));
    CHECK(result_elsewhere(reader) == BARBUS_ERROR_THREAD);
    OK(barbus_reader_hand_over(reader));
    CHECK(result_elsewhere(reader) == BARBUS_OK);
    OK(barbus_poll(reader, &event));
    fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        barbus_reader *own = NULL;
        FAILS(barbus_poll(reader, &event), BARBUS_ERROR_FORKED, "before a fork");
        FAILS(barbus_bus_zone(bus, &name), BARBUS_ERROR_FORKED, "before a fork");
        OK(barbus_reader_close(reader));
        OK(barbus_bus_close(bus));
        own = open_at(BARBUS_START_OLDEST);
        OK(barbus_poll(own, &event));
        CHECK(event.kind == BARBUS_EVENT_BARS);
        OK(barbus_reader_close(own));
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    OK(barbus_poll(reader, &event));
    OK(barbus_reader_close(reader));
    OK(barbus_bus_close(bus));
}

static void nothing(int signal) { (void)signal; }

static void check_signals(void) {
    barbus_reader *reader = open_at(BARBUS_START_LIVE);
    barbus_event event = {0};
    struct sigaction action;
    const struct itimerval soon = {{0, 5000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
    event.size = sizeof event;
    memset(&action, 0, sizeof action);
    action.sa_handler = nothing;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    /* Without a limit: only the signal can end it. */
    FAILS(barbus_next(reader, -1, &event), BARBUS_ERROR_INTERRUPTED, "signal");
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    OK(barbus_next(reader, 0, &event));
    OK(barbus_reader_close(reader));
}

/* Many handles: a closed one is an error for long, and memory is used again. */
static void check_many_handles(void) {
    const barbus_bus *first = NULL, *bus = NULL;
    barbus_text name;
    OK(barbus_bus_open(path, &first));
    OK(barbus_bus_close(first));
    for (int i = 0; i < 40; ++i) {
        OK(barbus_bus_open(path, &bus));
        CHECK(bus != first);
        FAILS(barbus_bus_zone(first, &name), BARBUS_ERROR_CLOSED, "closed");
        OK(barbus_bus_close(bus));
    }
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: check BUS\n");
        return 2;
    }
    path = arguments[1];
    check_library();
    check_bad_input();
    check_events();
    check_windows();
    check_arrow();
    check_reader_streams();
    check_questions();
    check_minutes_and_replay();
    check_threads_and_forks();
    check_signals();
    check_many_handles();
    printf("%d checks\n", checks);
    return 0;
}
