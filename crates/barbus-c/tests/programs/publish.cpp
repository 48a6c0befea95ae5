// Publishes a few bars by barbus.hpp and checks what is acknowledged: publish BUS
#include <cstdio>
#include <cstdlib>

#include <barbus.hpp>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
            std::exit(1);                                                             \
        }                                                                             \
    } while (0)

namespace {

constexpr std::int64_t midnight_ms = 1709510400000; // 2024-03-04 00:00 UTC

barbus_new_bar minute(const char *symbol, int number, double close) {
    barbus_new_bar bar{};
    bar.symbol = symbol;
    bar.frame_ms = midnight_ms + number * 60000LL;
    bar.open = bar.high = bar.low = bar.close = close;
    bar.volume = 100;
    bar.optional[1] = 1;
    bar.present = 2;
    return bar;
}

void run(const std::string &path) {
    barbus::publisher publisher(path, {"publish.cpp", BARBUS_ACK_COMMIT, std::chrono::seconds(10)});
    std::vector<barbus_new_bar> bars;
    for (int number = 1; number <= 100; ++number) bars.push_back(minute("C", number, number));
    barbus_ack ack = publisher.send(bars);
    CHECK(ack.rows == 100 && ack.accepted == 100 && ack.has_seq == 1 && ack.seq == 99);

    // The same bars again, one of them with another value, and an invalid one.
    bars[9].volume = 200;
    bars.push_back(minute("C", 101, -1));
    bars.back().high = -2;
    ack = publisher.send(bars);
    CHECK(ack.rows == 101 && ack.duplicate == 99 && ack.revised == 1 && ack.quarantined == 1);

    // What a reader has read, as an Arrow batch.
    barbus::reader reader(path);
    barbus::arrow_batch batch = reader.to_arrow(reader.window("C", 50));
    ack = publisher.send(batch.array, batch.schema);
    CHECK(ack.rows == 50 && ack.duplicate == 50 && batch.array.release == nullptr);
    // A released array, columns that are no bars, and a column that the bus does not have.
    const auto fails = [&](std::int32_t code, auto call) {
        try {
            call();
        } catch (const barbus::error &error) {
            CHECK(error.code() == code && error.what()[0] != '\0');
            return;
        }
        CHECK(!"it failed");
    };
    fails(BARBUS_ERROR_ARGUMENT, [&] { publisher.send(batch.array, batch.schema); });
    bars[0].present = 4;
    fails(BARBUS_ERROR_ARGUMENT, [&] { publisher.send(bars); });
    bars[0].present = 2;
    bars[0].symbol = "\xff";
    fails(BARBUS_ERROR_ARGUMENT, [&] { publisher.send(bars); });
    bars[0].symbol = "C";
    fails(BARBUS_ERROR_ARGUMENT, [&] { publisher.send(barbus::view<barbus_new_bar>{nullptr, 3}); });

    const std::vector<barbus_new_bar> last = {minute("C", 102, 102)};
    publisher.queue({last.data(), last.size()});
    publisher.done(midnight_ms + 102 * 60000LL);
    ack = publisher.finish();
    CHECK(ack.rows == 252 && ack.accepted == 101);
    fails(BARBUS_ERROR_CLOSED, [&] { publisher.finish(); });
    CHECK(reader.latest("C")->close == 102);
    std::printf("%llu bars\n", static_cast<unsigned long long>(ack.rows));
}

} // namespace

int main(int count, char **arguments) {
    if (count != 2) return 2;
    try {
        run(arguments[1]);
    } catch (const barbus::error &error) {
        std::fprintf(stderr, "publish: %s\n", error.what());
        return 1;
    }
    return 0;
}
