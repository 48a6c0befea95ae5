// Prints what a reader of barbus.hpp delivers, one JSON object a line, as `barbus conformance` asks.
//
//     follow_bus RING [--from live|oldest|today|SEQ] [--until-close N] [--bars N] [--once]
//                     [--pin] [--keep]
//
// RING is the file bars.ring of a bus. With --pin, bars come through Arrow arrays in the ring; with
// --keep as well, they are kept, each with a line, and printed at the end. The form of the lines is
// in docs/FORMAT.md, "Conformance".
#include <chrono>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <barbus.hpp>

namespace {

std::string quoted(std::string_view from) {
    std::string text = "\"";
    for (const char one : from) {
        if (one == '"' || one == '\\') text += '\\';
        text += one;
    }
    return text + '"';
}

// The shortest decimal number that reads back as the same value.
std::string number(double value) {
    char text[40];
    for (int digits = 1; digits <= 17; ++digits) {
        std::snprintf(text, sizeof text, "%.*g", digits, value);
        if (std::strtod(text, nullptr) == value) break;
    }
    return text;
}

struct printer {
    std::vector<std::string> optional;
    std::uint64_t bars = 0;
    std::uint64_t closes = 0;
    std::vector<barbus::arrow_batch> kept;

    void keep(barbus::arrow_batch batch) {
        bars += batch.count;
        const char *pinned = batch.pinned ? "true" : "false";
        std::printf("{\"event\": \"kept\", \"bars\": %" PRIu64 ", \"pinned\": %s}\n", bars, pinned);
        std::fflush(stdout);
        kept.push_back(std::move(batch));
    }

    void bar(std::string_view symbol, const barbus::bar &bar) {
        std::string line = "{\"symbol\": " + quoted(symbol) + ", \"frame_ms\": " + std::to_string(bar.frame_ms);
        const std::pair<const char *, double> values[] = {
            {"open", bar.open}, {"high", bar.high}, {"low", bar.low}, {"close", bar.close}, {"volume", bar.volume}};
        for (const auto &[name, value] : values) line += ", \"" + std::string(name) + "\": " + number(value);
        for (std::size_t place = 0; place < optional.size(); ++place) {
            const std::optional<double> value = barbus::optional_value(bar, place);
            line += ", " + quoted(optional[place]) + ": " + (value ? number(*value) : "null");
        }
        line += ", \"seq\": " + std::to_string(bar.seq) + ", \"received_ns\": " + std::to_string(bar.received_ns) +
                ", \"revision\": " + std::to_string(bar.revision) + "}";
        std::puts(line.c_str());
        ++bars;
    }

    void event(barbus::reader &reader, const barbus::event &event) {
        switch (event.kind()) {
        case barbus::event_kind::bars:
            for (const barbus::bar &one : event.bars()) bar(reader.symbol(one.symbol), one);
            break;
        case barbus::event_kind::day_closed:
            std::printf("{\"event\": \"day_closed\", \"day\": \"%s\"}\n", event.day().str().c_str());
            ++closes;
            break;
        case barbus::event_kind::lapped:
            std::printf("{\"event\": \"lapped\", \"missed\": %" PRIu64 "}\n", event.missed());
            break;
        case barbus::event_kind::withdrawn:
            std::printf("{\"event\": \"withdrawn\", \"day\": \"%s\"}\n", event.day().str().c_str());
            break;
        case barbus::event_kind::minute_closed:
        case barbus::event_kind::none:
            break;
        }
    }
};

// The column of an Arrow array of structs.
const ArrowArray *column(const barbus::arrow_batch &batch, const char *name) {
    for (std::int64_t i = 0; i < batch.schema.n_children; ++i) {
        if (std::strcmp(batch.schema.children[i]->name, name) == 0) return batch.array.children[i];
    }
    throw std::runtime_error(std::string("no column ") + name);
}

template <class T> T value(const ArrowArray *of, std::int64_t row) {
    return static_cast<const T *>(of->buffers[1])[of->offset + row];
}

bool is_valid(const ArrowArray *of, std::int64_t row) {
    const auto *bits = static_cast<const std::uint8_t *>(of->buffers[0]);
    const std::int64_t at = of->offset + row;
    return bits == nullptr || (bits[at / 8] >> at % 8 & 1) != 0;
}

void print_batch(printer &out, const barbus::arrow_batch &batch) {
    const ArrowArray *symbol = column(batch, "symbol");
    const auto *offsets = static_cast<const std::int32_t *>(symbol->dictionary->buffers[1]);
    const auto *texts = static_cast<const char *>(symbol->dictionary->buffers[2]);
    const bool is_double = std::strcmp(batch.schema.children[2]->format, "g") == 0;
    for (std::int64_t row = 0; row < batch.array.length; ++row) {
        barbus::bar bar{};
        const std::int32_t key = value<std::int32_t>(symbol, row) + static_cast<std::int32_t>(symbol->dictionary->offset);
        const auto price = [&](const char *name) {
            const ArrowArray *of = column(batch, name);
            return is_double ? value<double>(of, row) : static_cast<double>(value<float>(of, row));
        };
        bar.frame_ms = value<std::int64_t>(column(batch, "frame"), row);
        bar.open = price("open");
        bar.high = price("high");
        bar.low = price("low");
        bar.close = price("close");
        bar.volume = value<double>(column(batch, "volume"), row);
        for (std::size_t place = 0; place < out.optional.size(); ++place) {
            const ArrowArray *of = column(batch, out.optional[place].c_str());
            if (is_valid(of, row)) {
                bar.optional[place] = value<double>(of, row);
                bar.present = static_cast<std::uint8_t>(bar.present | 1U << place);
            }
        }
        bar.seq = value<std::uint64_t>(column(batch, "seq"), row);
        bar.received_ns = value<std::int64_t>(column(batch, "received"), row);
        bar.revision = value<std::uint8_t>(column(batch, "revision"), row);
        out.bar({texts + offsets[key], static_cast<std::size_t>(offsets[key + 1] - offsets[key])}, bar);
    }
}

int run(int count, char **arguments) {
    barbus::reader_options options;
    options.name("follow_bus");
    std::uint64_t until_close = UINT64_MAX;
    std::uint64_t until_bars = UINT64_MAX;
    bool once = false;
    bool pin = false;
    bool keep = false;
    std::string ring;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        const std::string next = i + 1 < count ? arguments[i + 1] : "";
        if (argument == "--once") {
            once = true;
        } else if (argument == "--pin") {
            pin = true;
        } else if (argument == "--keep") {
            keep = true;
        } else if (argument == "--until-close") {
            until_close = std::stoull(next), ++i;
        } else if (argument == "--bars") {
            until_bars = std::stoull(next), ++i;
        } else if (argument == "--from") {
            ++i;
            if (next == "oldest") options.oldest();
            else if (next == "today") options.today();
            else if (next != "live") options.from_seq(std::stoull(next));
        } else {
            ring = argument;
        }
    }
    const std::size_t slash = ring.rfind('/');
    const std::string path = slash == std::string::npos ? "." : ring.substr(0, slash);
    printer out;
    out.optional = barbus::bus(path).optional_columns();
    barbus::reader reader(path, options);
    std::printf("{\"event\": \"attached\", \"next_seq\": %" PRIu64 "}\n", reader.position());
    std::fflush(stdout);
    barbus::event event;
    while (out.bars < until_bars && out.closes < until_close) {
        if (pin) {
            if (std::optional<barbus::arrow_batch> batch = reader.pin()) {
                if (keep) out.keep(std::move(*batch));
                else print_batch(out, *batch);
                continue;
            }
        }
        // At the newest bar, what is printed must reach the other side.
        if (!reader.poll(event)) {
            std::fflush(stdout);
            if (once) break;
            if (!reader.next(event, std::chrono::milliseconds(1000))) continue;
        }
        // With --bars, an event has more bars than are wanted.
        if (event.kind() == barbus::event_kind::bars && keep) {
            out.keep(reader.to_arrow(event.bars()));
        } else if (event.kind() == barbus::event_kind::bars) {
            for (const barbus::bar &one : event.bars()) {
                if (out.bars < until_bars) out.bar(reader.symbol(one.symbol), one);
            }
        } else {
            out.event(reader, event);
        }
    }
    for (const barbus::arrow_batch &batch : out.kept) print_batch(out, batch);
    return 0;
}

} // namespace

int main(int count, char **arguments) {
    try {
        return run(count, arguments);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "follow_bus: %s\n", error.what());
        return 1;
    }
}
