// A strategy: prints when the short moving average of a symbol crosses the long one.
//
//     c++ -std=c++17 strategy.cpp $(pkg-config --cflags --libs barbus) -o strategy
//     ./strategy BUS                           live, from the first bar of the trading day
//     ./strategy BUS 2024-07-01 2024-07-05     archived days
#include <cstdio>
#include <deque>
#include <optional>
#include <unordered_map>

#include <barbus.hpp>

namespace {

constexpr std::size_t short_count = 5;
constexpr std::size_t long_count = 20;

// The last closes of a symbol, the newest first.
class averages {
public:
    // Adds a close; the new side if the averages have crossed.
    std::optional<bool> add(double close) {
        closes_.push_front(close);
        if (closes_.size() > long_count) closes_.pop_back();
        if (closes_.size() < long_count) return std::nullopt;
        const bool above = mean(short_count) > mean(long_count);
        const bool crossed = above_ && *above_ != above;
        above_ = above;
        return crossed ? above_ : std::nullopt;
    }

private:
    double mean(std::size_t count) const {
        double sum = 0;
        for (std::size_t i = 0; i < count; ++i) sum += closes_[i];
        return sum / static_cast<double>(count);
    }

    std::deque<double> closes_;
    std::optional<bool> above_;
};

void run(barbus::reader &reader) {
    std::unordered_map<std::uint32_t, averages> symbols;
    barbus::event event;
    while (!reader.ended()) {
        reader.next(event, std::chrono::seconds(1));
        for (const barbus::bar &bar : event.bars()) {
            if (const std::optional<bool> above = symbols[bar.symbol].add(bar.close)) {
                const std::string symbol(reader.symbol(bar.symbol));
                std::printf("%lld %s %s\n", static_cast<long long>(bar.frame_ms), symbol.c_str(),
                            *above ? "above" : "below");
            }
        }
        if (event.kind() == barbus::event_kind::day_closed) {
            std::printf("%s closed\n", event.day().str().c_str());
            symbols.clear();
        } else if (event.kind() == barbus::event_kind::lapped) {
            // Averages over a gap would be wrong.
            std::fprintf(stderr, "too slow: %llu bars missed\n", static_cast<unsigned long long>(event.missed()));
            symbols.clear();
        }
    }
}

} // namespace

int main(int count, char **arguments) {
    try {
        if (count == 2) {
            barbus::reader reader(arguments[1], barbus::reader_options().today().name("strategy"));
            run(reader);
        } else if (count == 4) {
            barbus::reader replay = barbus::reader::replay(arguments[1], barbus::day(arguments[2]), barbus::day(arguments[3]));
            run(replay);
        } else {
            std::fprintf(stderr, "usage: strategy BUS [FROM TO]\n");
            return 2;
        }
    } catch (const barbus::error &error) {
        std::fprintf(stderr, "strategy: %s\n", error.what());
        return 1;
    }
    return 0;
}
