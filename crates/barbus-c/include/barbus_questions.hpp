// The part of barbus.hpp for questions over live and archived bars, and for producers.
#ifndef BARBUS_QUESTIONS_HPP
#define BARBUS_QUESTIONS_HPP

#include "barbus.hpp"

namespace barbus {

// Which bars are wanted; each call returns the question, so that calls can be chained.
class question {
public:
    question() noexcept { raw_.size = sizeof raw_; }
    template <class Range> question &symbols(const Range &texts) { return symbols_.set(texts), *this; }
    question &symbols(std::initializer_list<std::string_view> texts) { return symbols_.set(texts), *this; }
    template <class Range> question &columns(const Range &texts) { return columns_.set(texts), *this; }
    question &columns(std::initializer_list<std::string_view> texts) { return columns_.set(texts), *this; }
    question &from(day first) { return raw_.from_day = first.number, *this; }
    question &to(day last) { return raw_.to_day = last.number, *this; }
    question &from_ms(std::int64_t time) { return raw_.from_ms = time, *this; }
    question &to_ms(std::int64_t time) { return raw_.to_ms = time, *this; }
    question &last(std::uint64_t count) { return raw_.last = count, *this; }
    question &interval(std::string text) { return interval_.set(std::move(text)), *this; }
    // One of BARBUS_ADJUST_….
    question &adjust(std::int32_t how) { return raw_.adjust = how, *this; }
    question &skip_damaged() { return raw_.skip_damaged = 1, *this; }

    // For barbus.h; it points into this object.
    barbus_question raw() const noexcept {
        barbus_question raw = raw_;
        symbols_.lend(raw.symbols, raw.symbol_count);
        columns_.lend(raw.columns, raw.column_count);
        raw.interval = interval_.c_str();
        return raw;
    }

private:
    barbus_question raw_{};
    detail::optional_text interval_;
    detail::texts symbols_;
    detail::texts columns_;
};

// The answer to a question. Any number of threads may use it.
class answer {
public:
    view<bar> bars() const {
        const bar *bars = nullptr;
        std::size_t count = 0;
        check(barbus_answer_bars(handle_.get(), &bars, &count));
        return {bars, count};
    }
    std::string_view symbol(std::uint32_t id) const {
        barbus_text name;
        check(barbus_answer_symbol(handle_.get(), id, &name));
        return text(name);
    }
    // Where a reader continues; none if the bus has no ring.
    std::optional<std::uint64_t> next_seq() const {
        const barbus_answer_info info = get();
        return info.has_next_seq != 0 ? std::optional<std::uint64_t>{info.next_seq} : std::nullopt;
    }
    bool complete() const { return get().complete != 0; }
    // What was asked for and is missing, in words.
    std::vector<std::string> shortfalls() const {
        std::vector<std::string> all(get().shortfalls);
        std::array<char, 1024> words{};
        for (std::size_t i = 0; i < all.size(); ++i) {
            check(barbus_answer_shortfall(handle_.get(), i, words.data(), words.size()));
            all[i] = words.data();
        }
        return all;
    }
    arrow_stream to_arrow() const {
        arrow_stream stream;
        check(barbus_answer_stream(handle_.get(), &stream.raw));
        return stream;
    }

private:
    barbus_answer_info get() const {
        barbus_answer_info info{};
        info.size = sizeof info;
        check(barbus_answer_get(handle_.get(), &info));
        return info;
    }

    friend class bus;
    detail::owner<const barbus_answer, barbus_answer_close> handle_;
};

// One column of the last minutes, minutes by symbols. Any number of threads may use it.
class panel {
public:
    view<std::int64_t> frames_ms() const noexcept { return {data_.frames_ms, data_.minutes}; }
    std::size_t symbol_count() const noexcept { return data_.symbol_count; }
    std::string_view symbol(std::size_t place) const noexcept { return text(data_.symbols[place]); }
    // NaN where there is no bar or no value.
    double value(std::size_t minute, std::size_t symbol) const noexcept {
        return data_.values[minute * data_.symbol_count + symbol];
    }

private:
    friend class bus;
    barbus_panel_data data_{};
    detail::owner<const barbus_panel, barbus_panel_close> handle_;
};

// A bus, for questions. Any number of threads may use it.
class bus {
public:
    explicit bus(const std::string &path) { check(barbus_bus_open(path.c_str(), handle_.out())); }
    answer ask(const question &asked = {}) const {
        const barbus_question raw = asked.raw();
        answer found;
        check(barbus_ask(handle_.get(), &raw, found.handle_.out()));
        return found;
    }
    // Day by day, so that memory does not grow with their number.
    arrow_stream stream(const question &asked = {}) const {
        const barbus_question raw = asked.raw();
        arrow_stream stream;
        check(barbus_ask_stream(handle_.get(), &raw, &stream.raw, nullptr));
        return stream;
    }
    barbus::panel panel(const question &asked, const char *column) const {
        const barbus_question raw = asked.raw();
        barbus::panel found;
        check(barbus_ask_panel(handle_.get(), &raw, column, found.handle_.out()));
        found.data_.size = sizeof found.data_;
        check(barbus_panel_get(found.handle_.get(), &found.data_));
        return found;
    }
    std::size_t optional_column(const char *name) const {
        std::size_t place = 0;
        check(barbus_bus_optional(handle_.get(), name, &place));
        return place;
    }
    // The names of the optional columns, by place.
    std::vector<std::string> optional_columns() const {
        std::vector<std::string> names;
        barbus_text name;
        while (barbus_bus_optional_name(handle_.get(), names.size(), &name) == BARBUS_OK) names.emplace_back(text(name));
        return names;
    }
    std::string_view zone() const {
        barbus_text zone;
        check(barbus_bus_zone(handle_.get(), &zone));
        return text(zone);
    }

private:
    detail::owner<const barbus_bus, barbus_bus_close> handle_;
};

// A producer's connection to the daemon.
class publisher {
public:
    struct options {
        std::string source;
        // One of BARBUS_ACK_….
        std::int32_t ack = BARBUS_ACK_DEFAULT;
        std::chrono::milliseconds reconnect{0};
    };

    explicit publisher(const std::string &path) : publisher(path, options{}) {}
    publisher(const std::string &path, const options &given) {
        barbus_publisher_options raw{};
        raw.size = sizeof raw;
        raw.source = given.source.empty() ? nullptr : given.source.c_str();
        raw.ack = given.ack;
        raw.reconnect_ms = static_cast<std::int32_t>(given.reconnect.count());
        check(barbus_publisher_open(path.c_str(), &raw, handle_.out()));
    }
    // Sends bars and waits for their acknowledgement.
    barbus_ack send(view<barbus_new_bar> bars) {
        barbus_ack ack = empty();
        check(barbus_publish(handle_.get(), bars.data(), bars.size(), &ack));
        return ack;
    }
    barbus_ack send(const std::vector<barbus_new_bar> &bars) { return send({bars.data(), bars.size()}); }
    // Sends bars without waiting.
    void queue(view<barbus_new_bar> bars) {
        check(barbus_publish(handle_.get(), bars.data(), bars.size(), nullptr));
    }
    // Sends a record batch, whose array is moved.
    barbus_ack send(ArrowArray &array, const ArrowSchema &schema) {
        barbus_ack ack = empty();
        check(barbus_publish_arrow(handle_.get(), &array, &schema, &ack));
        return ack;
    }
    void done(std::int64_t frame_ms) { check(barbus_done(handle_.get(), frame_ms)); }
    // Waits for all acknowledgements; nothing is sent afterwards.
    barbus_ack finish() {
        barbus_ack ack = empty();
        check(barbus_publisher_finish(handle_.get(), &ack));
        return ack;
    }
    void hand_over() { check(barbus_publisher_hand_over(handle_.get())); }

private:
    static barbus_ack empty() noexcept {
        barbus_ack ack{};
        ack.size = sizeof ack;
        return ack;
    }

    detail::owner<barbus_publisher, barbus_publisher_close> handle_;
};

} // namespace barbus

#endif // BARBUS_QUESTIONS_HPP
