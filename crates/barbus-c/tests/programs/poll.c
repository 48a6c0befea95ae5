/* Polls a bus between two marks that strace shows: all of its bars, and then without a new one. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <barbus.h>

static int mark(const char *text) { return write(2, text, strlen(text)) < 0; }

int main(int count, char **arguments) {
    barbus_reader_options options = {0};
    barbus_event event = {0};
    barbus_reader *reader = NULL;
    size_t bars = 0;
    options.size = sizeof options;
    options.start = BARBUS_START_OLDEST;
    event.size = sizeof event;
    /* The first pass allocates memory for a batch of bars; the second one needs none. */
    for (int pass = 0; pass < 2; ++pass) {
        uint64_t position = 0;
        if (count != 2 || barbus_reader_open(arguments[1], &options, &reader) != BARBUS_OK) break;
        /* The first poll lists the reader. */
        if (barbus_poll(reader, &event) != BARBUS_OK) break;
        if (pass == 1 && mark("polling begins\n")) break;
        for (int i = 0; i < 100000; ++i) {
            barbus_text name;
            if (barbus_poll(reader, &event) != BARBUS_OK) return 1;
            if (event.kind != BARBUS_EVENT_BARS) continue;
            bars += event.count;
            if (barbus_symbol_name(reader, event.bars[0].symbol, &name) != BARBUS_OK) return 1;
        }
        if (barbus_position(reader, &position) != BARBUS_OK || position != 800) return 1;
        if (pass == 1) {
            (void)mark("polling ends\n");
            return bars == 0;
        }
        if (barbus_reader_close(reader) != BARBUS_OK) break;
    }
    fprintf(stderr, "poll: %s\n", barbus_error());
    return 1;
}
