// Checks of barbus.hpp on the bus that tests/support.rs makes: check BUS
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <barbus.hpp>

using namespace std::chrono_literals;

static int checks = 0;

#define CHECK(condition)                                                              \
    do {                                                                              \
        ++checks;                                                                     \
        if (!(condition)) {                                                           \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
            std::exit(1);                                                             \
        }                                                                             \
    } while (0)

#ifndef BARBUS_NO_EXCEPTIONS
template <class Call> static void fails(std::int32_t code, const char *words, Call call) {
    try {
        call();
    } catch (const barbus::error &error) {
        CHECK(error.code() == code && std::string(error.what()).find(words) != std::string::npos);
        return;
    }
    CHECK(!"it failed");
}

static void check_errors(const std::string &path) {
    fails(BARBUS_ERROR_NOT_A_BUS, "no such directory", [] { barbus::reader reader("/nonexistent"); });
    fails(BARBUS_ERROR_ARGUMENT, "interval", [&] { barbus::reader reader(path, barbus::reader_options().interval("x")); });
    fails(BARBUS_ERROR_ARGUMENT, "not a day", [] { barbus::day day("today"); });
    barbus::reader reader(path);
    fails(BARBUS_ERROR_UNKNOWN_SYMBOL, "\"C\"", [&] { (void)reader.latest("C"); });
    fails(BARBUS_ERROR_NO_DAEMON, "barbusd", [&] { barbus::publisher publisher(path); });
    // A reader that was moved from is no reader.
    barbus::reader moved = std::move(reader);
    barbus::event event;
    fails(BARBUS_ERROR_ARGUMENT, "null", [&] { reader.poll(event); }); // NOLINT: what is checked here
    CHECK(moved.position() == 800);
    // Another thread, before and after the reader is handed over.
    std::int32_t code = 0;
    std::thread([&] { code = moved.try_poll(event); }).join();
    CHECK(code == BARBUS_ERROR_THREAD);
    moved.hand_over();
    std::thread([&] { barbus::reader own = std::move(moved); code = own.try_poll(event); }).join();
    CHECK(code == BARBUS_OK);
}
#endif

static void check_events(const std::string &path) {
    barbus::reader reader(path, barbus::reader_options().oldest().name("check").symbols({"B"}));
    const std::size_t money = reader.optional_column("money");
    double minute = 0;
    int days = 0;
    for (const barbus::event &event : reader.events(0ms)) {
        if (event.kind() == barbus::event_kind::day_closed) {
            CHECK(event.day().str() == "2024-03-04" && event.day() == barbus::day("2024-03-04"));
            CHECK(minute == 300);
            minute = 0;
            ++days;
        }
        for (const barbus::bar &bar : event.bars()) {
            minute += 1;
            CHECK(reader.symbol(bar.symbol) == "B" && bar.close == minute + 0.25);
            const std::optional<double> value = barbus::optional_value(bar, money);
            CHECK(value.has_value() == (bar.seq / 2 % 2 == 1) && value.value_or(10 * bar.close) == 10 * bar.close);
        }
#ifdef __cpp_lib_span
        const std::span<const barbus::bar> span = event.bars();
        CHECK(span.size() == event.bars().size());
#endif
    }
    CHECK(days == 1 && minute == 100 && reader.position() == 800 && reader.lineage() != 0);
    CHECK(reader.day() == barbus::day("2024-03-05") && !reader.ended() && reader.newest_age().has_value());
    CHECK(reader.id("B").has_value() && !reader.id("C").has_value());
    barbus::event event;
    CHECK(!reader.next(event, 5ms) && !event);

    CHECK(reader.latest("A")->close == 100);
    const barbus::view<barbus::bar> window = reader.window("A", 240);
    CHECK(window.size() == 240 && window.back().close == 100 && window.front().frame_ms < window.back().frame_ms);
    const barbus::arrow_batch copied = reader.to_arrow(window);
    CHECK(copied.array.length == 240 && copied.schema.n_children == 12);

    barbus::reader pinning(path, barbus::reader_options().oldest());
    std::vector<barbus::arrow_batch> kept;
    while (std::optional<barbus::arrow_batch> batch = pinning.pin()) kept.push_back(std::move(*batch));
    CHECK(kept.size() == 1 && kept[0].count == 600 && kept[0].pinned);

    barbus::arrow_stream stream = barbus::reader(path, barbus::reader_options().oldest()).into_stream(-1ms, true);
    std::size_t streamed = 0;
    while (const std::optional<barbus::arrow_batch> batch = stream.next()) streamed += batch->count;
    CHECK(streamed == 600);
    stream = std::move(pinning).into_stream();
    const std::optional<barbus::arrow_batch> rest = stream.next();
    CHECK(rest && rest->count == 200 && rest->schema.n_children == 12 && !stream.next());
}

static void check_questions(const std::string &path) {
    const barbus::bus bus(path);
    CHECK(bus.zone() == "UTC" && bus.optional_columns().size() == 2 && bus.optional_column("factor") == 1);
    const barbus::answer answer = bus.ask(barbus::question().symbols({"A"}).from(barbus::day("2024-03-05")));
    CHECK(answer.bars().size() == 100 && answer.complete() && answer.next_seq() == 800 && answer.shortfalls().empty());
    CHECK(answer.symbol(answer.bars()[0].symbol) == "A");
    const barbus::answer less = bus.ask(barbus::question().last(1000));
    CHECK(!less.complete() && less.shortfalls().size() == 2 && less.shortfalls()[0].find("1000") != std::string::npos);
    barbus::arrow_stream stream = bus.stream(barbus::question().interval("1d").columns({"close"}));
    ArrowSchema schema{};
    CHECK(stream.raw.get_schema(&stream.raw, &schema) == 0 && schema.n_children == 3);
    schema.release(&schema);
    const barbus::arrow_stream whole = answer.to_arrow();
    const barbus::panel panel = bus.panel(barbus::question().last(2), "close");
    CHECK(panel.frames_ms().size() == 2 && panel.symbol_count() == 2 && panel.symbol(1) == "B");
    CHECK(panel.value(1, 1) == 100.25);
}

static void check_replay(const std::string &path) {
    const barbus::day day("2024-03-04");
    barbus::reader replay = barbus::reader::replay(path, day, day, barbus::reader_options().minutes());
    std::size_t bars = 0;
    std::size_t minutes = 0;
    for (const barbus::event &event : replay.events()) {
        bars += event.bars().size();
        minutes += event.kind() == barbus::event_kind::minute_closed;
        CHECK(event.names().size() <= 2);
    }
    CHECK(replay.ended() && bars == 600 && minutes >= 300);
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    const std::string path = arguments[1];
#ifndef BARBUS_NO_EXCEPTIONS
    check_errors(path);
#endif
    barbus::reader opened;
    CHECK(barbus::reader::open("/nonexistent", {}, opened) == BARBUS_ERROR_NOT_A_BUS);
    CHECK(barbus::reader::open(path.c_str(), {}, opened) == BARBUS_OK && opened.position() == 800);
    check_events(path);
    check_questions(path);
    check_replay(path);
    std::printf("%d checks\n", checks);
    return 0;
}
