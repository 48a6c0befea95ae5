/*
 * A strategy: prints when the short moving average of a symbol crosses the long one.
 *
 *     cc strategy.c $(pkg-config --cflags --libs barbus) -o strategy
 *     ./strategy BUS                           live, from the first bar of the trading day
 *     ./strategy BUS 2024-07-01 2024-07-05     archived days
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <barbus.h>

#define SHORT 5
#define LONG 20

/* The last closes of a symbol, the newest last, and on which side the short average was. */
struct averages {
    double closes[LONG];
    int count;
    int above; /* -1: not known yet */
};

/* By the id of the symbol. */
static struct averages *symbols;
static size_t symbol_count;

static int failed(void) {
    fprintf(stderr, "strategy: %s\n", barbus_error());
    return 1;
}

static double mean(const struct averages *of, int n) {
    double sum = 0;
    for (int i = 0; i < n; ++i) sum += of->closes[of->count - 1 - i];
    return sum / n;
}

/* Adds a close; 1 if the averages have crossed. */
static int add(struct averages *of, double close) {
    int above, crossed;
    if (of->count == LONG) memmove(of->closes, of->closes + 1, --of->count * sizeof(double));
    of->closes[of->count++] = close;
    if (of->count < LONG) return 0;
    above = mean(of, SHORT) > mean(of, LONG);
    crossed = of->above >= 0 && of->above != above;
    of->above = above;
    return crossed;
}

static int handle(barbus_reader *reader, const barbus_event *event) {
    char day[11];
    switch (event->kind) {
    case BARBUS_EVENT_BARS:
        for (size_t i = 0; i < event->count; ++i) {
            const barbus_bar *bar = &event->bars[i];
            barbus_text name;
            if (bar->symbol >= symbol_count) {
                struct averages *more = realloc(symbols, (bar->symbol + 1) * sizeof *symbols);
                if (more == NULL) return 1;
                symbols = more;
                for (; symbol_count <= bar->symbol; ++symbol_count) symbols[symbol_count] = (struct averages){{0}, 0, -1};
            }
            if (!add(&symbols[bar->symbol], bar->close)) continue;
            if (barbus_symbol_name(reader, bar->symbol, &name) != BARBUS_OK) return failed();
            printf("%lld %.*s %s\n", (long long)bar->frame_ms, (int)name.length, name.data,
                   symbols[bar->symbol].above ? "above" : "below");
        }
        break;
    case BARBUS_EVENT_DAY_CLOSED:
        if (barbus_day_format(event->day, day) != BARBUS_OK) return failed();
        printf("%s closed\n", day);
        symbol_count = 0;
        break;
    case BARBUS_EVENT_LAPPED:
        /* Averages over a gap would be wrong. */
        fprintf(stderr, "too slow: %llu bars missed\n", (unsigned long long)event->missed);
        symbol_count = 0;
        break;
    default:
        break;
    }
    return 0;
}

int main(int count, char **arguments) {
    barbus_reader *reader = NULL;
    barbus_event event = {0};
    int32_t ended = 0;
    int code;
    event.size = sizeof event;
    if (barbus_abi_version() != BARBUS_ABI_VERSION) {
        fprintf(stderr, "strategy: libbarbus has another interface: compile it again\n");
        return 1;
    }
    if (count == 4) {
        barbus_replay_options options = {0};
        options.size = sizeof options;
        if (barbus_day_parse(arguments[2], &options.from_day) != BARBUS_OK) return failed();
        if (barbus_day_parse(arguments[3], &options.to_day) != BARBUS_OK) return failed();
        code = barbus_replay_open(arguments[1], &options, &reader);
    } else if (count == 2) {
        barbus_reader_options options = {0};
        options.size = sizeof options;
        options.start = BARBUS_START_TODAY;
        options.name = "strategy";
        code = barbus_reader_open(arguments[1], &options, &reader);
    } else {
        fprintf(stderr, "usage: strategy BUS [FROM TO]\n");
        return 2;
    }
    if (code != BARBUS_OK) return failed();
    while (!ended) {
        if (barbus_next(reader, 1000, &event) != BARBUS_OK) return failed();
        if (handle(reader, &event) != 0) return 1;
        if (barbus_ended(reader, &ended) != BARBUS_OK) return failed();
    }
    free(symbols);
    return barbus_reader_close(reader) == BARBUS_OK ? 0 : failed();
}
