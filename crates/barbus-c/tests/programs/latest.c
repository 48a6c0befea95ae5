/* The newest close of a symbol: latest BUS SYMBOL */
#include <stdio.h>

#include <barbus.h>

int main(int count, char **arguments) {
    barbus_reader *reader = NULL;
    barbus_bar bar;
    int32_t found = 0;
    if (count == 3 && barbus_reader_open(arguments[1], NULL, &reader) == BARBUS_OK &&
        barbus_latest(reader, arguments[2], BARBUS_NUL, &bar, &found) == BARBUS_OK) {
        printf("%s %g\n", arguments[2], found ? bar.close : -1);
        return barbus_reader_close(reader) != BARBUS_OK;
    }
    fprintf(stderr, "latest: %s\n", barbus_error());
    return 1;
}
