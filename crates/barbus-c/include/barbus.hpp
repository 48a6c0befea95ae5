// barbus: a shared-memory bus for 1-minute bars. C++17 over the C interface of libbarbus.
//
// This header has everything in it: link with -lbarbus. barbus.h describes each function, and
// docs/C.md is the guide. A failed call throws barbus::error. With BARBUS_NO_EXCEPTIONS, which a
// compiler without exceptions sets by itself, it prints the words and calls std::abort; the
// functions try_… return the code instead and never throw.
//
// Threads, forks and lifetimes are those of barbus.h: a reader and a publisher belong to one thread.
#ifndef BARBUS_HPP
#define BARBUS_HPP

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#if defined(__has_include)
#if __has_include(<version>)
#include <version>
#endif
#endif
#ifdef __cpp_lib_span
#include <span>
#endif

#include "barbus.h"

#if !defined(BARBUS_NO_EXCEPTIONS) && !defined(__cpp_exceptions)
#define BARBUS_NO_EXCEPTIONS
#endif

namespace barbus {

using bar = barbus_bar;

// A failed call: `code` is one of BARBUS_ERROR_…, and what() has the words.
class error : public std::runtime_error {
public:
    explicit error(std::int32_t failed, const char *words = barbus_error())
        : std::runtime_error(words), code_(failed) {}
    std::int32_t code() const noexcept { return code_; }

private:
    std::int32_t code_;
};

namespace detail {

[[noreturn]] inline void fail(std::int32_t code, const char *words) {
#ifdef BARBUS_NO_EXCEPTIONS
    static_cast<void>(code);
    std::fprintf(stderr, "barbus: %s\n", words);
    std::abort();
#else
    throw error(code, words);
#endif
}

} // namespace detail

// Throws if a call of barbus.h has failed.
inline void check(std::int32_t code) {
    if (code != BARBUS_OK) detail::fail(code, barbus_error());
}

inline std::string_view text(const barbus_text &from) noexcept { return {from.data, from.length}; }

// Elements that another object owns; a std::span in C++20.
template <class T> class view {
public:
    view() noexcept = default;
    view(const T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    const T *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const T *begin() const noexcept { return data_; }
    const T *end() const noexcept { return size_ == 0 ? data_ : data_ + size_; }
    const T &operator[](std::size_t place) const noexcept { return data_[place]; }
    const T &front() const noexcept { return data_[0]; }
    const T &back() const noexcept { return data_[size_ - 1]; }
#ifdef __cpp_lib_span
    operator std::span<const T>() const noexcept { return {data_, size_}; }
#endif

private:
    const T *data_ = nullptr;
    std::size_t size_ = 0;
};

// A trading day: days since 1970-01-01.
struct day {
    std::int32_t number = BARBUS_NO_DAY;

    day() noexcept = default;
    explicit day(std::int32_t days) noexcept : number(days) {}
    explicit day(const char *text) { check(barbus_day_parse(text, &number)); }
    explicit day(const std::string &text) : day(text.c_str()) {}
    bool known() const noexcept { return number != BARBUS_NO_DAY; }
    std::string str() const {
        char text[11];
        check(barbus_day_format(number, text));
        return text;
    }
    friend bool operator==(day a, day b) noexcept { return a.number == b.number; }
    friend bool operator!=(day a, day b) noexcept { return a.number != b.number; }
    friend bool operator<(day a, day b) noexcept { return a.number < b.number; }
};

// The value of the optional column at `place`, if the bar has one.
inline std::optional<double> optional_value(const bar &of, std::size_t place) noexcept {
    if (place >= BARBUS_OPTIONAL || (of.present >> place & 1) == 0) return std::nullopt;
    return of.optional[place];
}

enum class event_kind : std::int32_t {
    none = BARBUS_EVENT_NONE,
    bars = BARBUS_EVENT_BARS,
    day_closed = BARBUS_EVENT_DAY_CLOSED,
    lapped = BARBUS_EVENT_LAPPED,
    withdrawn = BARBUS_EVENT_WITHDRAWN,
    minute_closed = BARBUS_EVENT_MINUTE_CLOSED,
};

// What a reader delivers. What it points to is valid until the next call with the reader.
class event {
public:
    event() noexcept { raw.size = sizeof raw; }
    event_kind kind() const noexcept { return static_cast<event_kind>(raw.kind); }
    explicit operator bool() const noexcept { return raw.kind != BARBUS_EVENT_NONE; }
    // The bars; none for an event of another kind.
    view<bar> bars() const noexcept {
        return raw.kind == BARBUS_EVENT_BARS ? view<bar>{raw.bars, raw.count} : view<bar>{};
    }
    barbus::day day() const noexcept { return barbus::day{raw.day}; }
    std::uint64_t missed() const noexcept { return raw.missed; }
    std::int64_t frame_ms() const noexcept { return raw.frame_ms; }
    std::size_t symbols() const noexcept { return raw.symbols; }
    // The symbols of a withdrawal, or those without a bar of a minute.
    std::vector<std::string_view> names() const {
        std::vector<std::string_view> names;
        if (raw.kind == BARBUS_EVENT_WITHDRAWN || raw.kind == BARBUS_EVENT_MINUTE_CLOSED) {
            for (const barbus_text &name : view<barbus_text>{raw.names, raw.name_count}) names.push_back(text(name));
        }
        return names;
    }

    barbus_event raw{};
};

// An Arrow array of structs and its schema, released at the end of its life.
class arrow_batch {
public:
    arrow_batch() noexcept = default;
    arrow_batch(arrow_batch &&other) noexcept
        : array(other.array), schema(other.schema), count(other.count), pinned(other.pinned) {
        other.array.release = nullptr;
        other.schema.release = nullptr;
    }
    arrow_batch &operator=(arrow_batch &&other) noexcept {
        if (this != &other) {
            this->~arrow_batch();
            new (this) arrow_batch(std::move(other));
        }
        return *this;
    }
    arrow_batch(const arrow_batch &) = delete;
    arrow_batch &operator=(const arrow_batch &) = delete;
    ~arrow_batch() {
        if (array.release != nullptr) array.release(&array);
        if (schema.release != nullptr) schema.release(&schema);
    }

    ArrowArray array{};
    ArrowSchema schema{};
    // Number of bars.
    std::size_t count = 0;
    // Whether reader::pin has given bars that lie in the ring and hold their block.
    bool pinned = false;
};

// An Arrow stream, released at the end of its life.
class arrow_stream {
public:
    arrow_stream() noexcept = default;
    arrow_stream(arrow_stream &&other) noexcept : raw(other.raw) { other.raw.release = nullptr; }
    arrow_stream(const arrow_stream &) = delete;
    arrow_stream &operator=(const arrow_stream &) = delete;
    arrow_stream &operator=(arrow_stream &&other) noexcept {
        std::swap(raw, other.raw);
        return *this;
    }
    ~arrow_stream() {
        if (raw.release != nullptr) raw.release(&raw);
    }

    // The next array and its schema; none at the end. A reader's stream may be asked again.
    std::optional<arrow_batch> next() {
        arrow_batch batch;
        if (raw.get_next(&raw, &batch.array) != 0) fail();
        if (batch.array.release == nullptr) return std::nullopt;
        if (raw.get_schema(&raw, &batch.schema) != 0) fail();
        batch.count = static_cast<std::size_t>(batch.array.length);
        return std::optional<arrow_batch>{std::move(batch)};
    }

    ArrowArrayStream raw{};

private:
    [[noreturn]] void fail() {
        const char *words = raw.get_last_error(&raw);
        detail::fail(BARBUS_ERROR_OTHER, words != nullptr ? words : "the stream failed");
    }
};

namespace detail {

// Texts, and pointers to them for C.
class texts {
public:
    template <class Range> void set(const Range &from) {
        owned_.clear();
        pointers_.clear();
        for (const auto &one : from) owned_.emplace_back(one);
        for (const std::string &one : owned_) pointers_.push_back(one.c_str());
        given_ = true;
    }
    // Puts them into a struct of C; a null array if they were not set.
    void lend(const char *const *&array, std::size_t &count) const noexcept {
        static const char *const none = nullptr;
        array = !given_ ? nullptr : pointers_.empty() ? &none : pointers_.data();
        count = pointers_.size();
    }
    texts() = default;
    texts(const texts &other) { *this = other; }
    texts &operator=(const texts &other) {
        if (this != &other && other.given_) set(other.owned_);
        return *this;
    }

private:
    std::vector<std::string> owned_;
    std::vector<const char *> pointers_;
    bool given_ = false;
};

// A text, or null. Compilers warn of a std::optional here without a reason.
class optional_text {
public:
    void set(std::string text) {
        text_ = std::move(text);
        given_ = true;
    }
    const char *c_str() const noexcept { return given_ ? text_.c_str() : nullptr; }

private:
    std::string text_;
    bool given_ = false;
};

// A handle of C, closed at the end of its life.
template <class Handle, std::int32_t (*Close)(Handle *)> class owner {
public:
    owner() noexcept = default;
    explicit owner(Handle *handle) noexcept : handle_(handle) {}
    owner(owner &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    owner &operator=(owner &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    owner(const owner &) = delete;
    owner &operator=(const owner &) = delete;
    ~owner() { Close(handle_); }
    Handle *get() const noexcept { return handle_; }
    // The handle, which is not closed here any more.
    Handle *release() noexcept { return std::exchange(handle_, nullptr); }
    Handle **out() noexcept { return &handle_; }

private:
    Handle *handle_ = nullptr;
};

} // namespace detail

// How a reader or a replay is opened; each call returns the options, so that calls can be chained.
class reader_options {
public:
    reader_options() noexcept { raw_.size = sizeof raw_; }
    reader_options &live() { return start(BARBUS_START_LIVE); }
    reader_options &today() { return start(BARBUS_START_TODAY); }
    reader_options &oldest() { return start(BARBUS_START_OLDEST); }
    reader_options &from(day first) {
        raw_.start_day = first.number;
        return start(BARBUS_START_DAY);
    }
    reader_options &from_seq(std::uint64_t seq) {
        raw_.start_seq = seq;
        return start(BARBUS_START_SEQ);
    }
    // One of BARBUS_ON_GAP_….
    reader_options &on_gap(std::int32_t what) { return raw_.on_gap = what, *this; }
    // One of BARBUS_WAIT_….
    reader_options &wait(std::int32_t how) { return raw_.wait = how, *this; }
    reader_options &name(std::string text) { return name_.set(std::move(text)), *this; }
    reader_options &anonymous() { return raw_.anonymous = 1, *this; }
    reader_options &minutes() { return raw_.minutes = 1, *this; }
    reader_options &interval(std::string text) { return interval_.set(std::move(text)), *this; }
    reader_options &grace(std::chrono::milliseconds time) {
        raw_.grace_ms = time.count() == 0 ? -1 : time.count();
        return *this;
    }
    template <class Range> reader_options &symbols(const Range &texts) { return symbols_.set(texts), *this; }
    reader_options &symbols(std::initializer_list<std::string_view> texts) { return symbols_.set(texts), *this; }
    template <class Range> reader_options &universe(const Range &texts) { return universe_.set(texts), *this; }
    reader_options &universe(std::initializer_list<std::string_view> texts) { return universe_.set(texts), *this; }
    // The speed of a replay, as a multiple of the market's; 0: as fast as possible.
    reader_options &speed(double times) { return speed_ = times, *this; }

    // For barbus.h; it points into this object.
    barbus_reader_options raw() const noexcept {
        barbus_reader_options raw = raw_;
        raw.name = name_.c_str();
        raw.interval = interval_.c_str();
        symbols_.lend(raw.symbols, raw.symbol_count);
        universe_.lend(raw.universe, raw.universe_count);
        return raw;
    }
    barbus_replay_options raw_replay(day first, day last) const noexcept {
        barbus_replay_options raw{};
        raw.size = sizeof raw;
        raw.from_day = first.number;
        raw.to_day = last.number;
        raw.speed = speed_;
        raw.minutes = raw_.minutes;
        raw.interval = interval_.c_str();
        symbols_.lend(raw.symbols, raw.symbol_count);
        universe_.lend(raw.universe, raw.universe_count);
        return raw;
    }

private:
    reader_options &start(std::int32_t where) { return raw_.start = where, *this; }

    barbus_reader_options raw_{};
    detail::optional_text name_;
    detail::optional_text interval_;
    detail::texts symbols_;
    detail::texts universe_;
    double speed_ = 0;
};

class reader;

// The events of a reader as a range: it ends when no event comes in time, after a signal, or at the
// end of a replay.
class event_range {
public:
    class iterator {
    public:
        using value_type = event;
        using difference_type = std::ptrdiff_t;
        using reference = const event &;
        using pointer = const event *;
        using iterator_category = std::input_iterator_tag;
        iterator() noexcept = default;
        explicit iterator(event_range *of) : of_(of) { ++*this; }
        reference operator*() const noexcept { return of_->event_; }
        pointer operator->() const noexcept { return &of_->event_; }
        iterator &operator++();
        friend bool operator==(const iterator &a, const iterator &b) noexcept { return a.of_ == b.of_; }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept { return a.of_ != b.of_; }

    private:
        event_range *of_ = nullptr;
    };

    event_range(reader &from, std::int64_t timeout_ms) noexcept : reader_(&from), timeout_ms_(timeout_ms) {}
    iterator begin() { return iterator{this}; }
    iterator end() noexcept { return {}; }

private:
    reader *reader_;
    std::int64_t timeout_ms_;
    event event_;
};

// A reader of a bus, or a replay of archived days.
class reader {
public:
    explicit reader(const char *path, const reader_options &options = {}) { check(open(path, options, *this)); }
    explicit reader(const std::string &path, const reader_options &options = {}) : reader(path.c_str(), options) {}
    // No reader: for try_open.
    reader() noexcept = default;

    static std::int32_t open(const char *path, const reader_options &options, reader &opened) noexcept {
        const barbus_reader_options raw = options.raw();
        reader made;
        const std::int32_t code = barbus_reader_open(path, &raw, made.handle_.out());
        if (code == BARBUS_OK) opened = std::move(made);
        return code;
    }
    static reader replay(const std::string &path, day first, day last, const reader_options &options = {}) {
        const barbus_replay_options raw = options.raw_replay(first, last);
        reader made;
        check(barbus_replay_open(path.c_str(), &raw, made.handle_.out()));
        return made;
    }

    // The next event, without waiting; false if there is none.
    bool poll(event &out) {
        check(try_poll(out));
        return out.raw.kind != BARBUS_EVENT_NONE;
    }
    std::int32_t try_poll(event &out) noexcept { return barbus_poll(handle_.get(), &out.raw); }
    // The next event; false if there is none in this time, or if a signal came.
    bool next(event &out, std::chrono::milliseconds timeout) { return next(out, timeout.count()); }
    // The same without a limit.
    bool next(event &out) { return next(out, -1); }
    std::int32_t try_next(event &out, std::int64_t timeout_ms) noexcept {
        return barbus_next(handle_.get(), timeout_ms, &out.raw);
    }
    event_range events(std::chrono::milliseconds timeout) noexcept { return {*this, timeout.count()}; }
    event_range events() noexcept { return {*this, -1}; }
    bool ended() const { return flag(barbus_ended); }

    std::optional<bar> latest(std::string_view symbol) {
        // A window of one bar is lent, so that the bar is copied once.
        const view<bar> newest = window(symbol, 1);
        return newest.empty() ? std::nullopt : std::optional<bar>{newest[0]};
    }
    // Valid until the next call with this reader.
    view<bar> window(std::string_view symbol, std::size_t count) {
        const bar *bars = nullptr;
        std::size_t found = 0;
        check(barbus_window(handle_.get(), symbol.data(), symbol.size(), count, &bars, &found));
        return {bars, found};
    }
    // Valid until the next event.
    std::string_view symbol(std::uint32_t id) const {
        barbus_text name;
        check(barbus_symbol_name(handle_.get(), id, &name));
        return text(name);
    }
    std::optional<std::uint32_t> id(std::string_view symbol) const {
        std::uint32_t id = 0;
        const std::int32_t code = barbus_symbol_id(handle_.get(), symbol.data(), symbol.size(), &id);
        if (code == BARBUS_ERROR_UNKNOWN_SYMBOL) return std::nullopt;
        check(code);
        return id;
    }
    // The place of an optional column, for optional_value.
    std::size_t optional_column(const char *name) const {
        std::size_t place = 0;
        check(barbus_reader_optional(handle_.get(), name, &place));
        return place;
    }
    // Whether the last withdrawal has a bar.
    bool covers(std::string_view symbol, std::int64_t frame_ms) const {
        std::int32_t covers = 0;
        check(barbus_event_covers(handle_.get(), symbol.data(), symbol.size(), frame_ms, &covers));
        return covers != 0;
    }

    std::uint64_t position() const { return number<std::uint64_t>(barbus_position); }
    std::uint64_t lineage() const { return number<std::uint64_t>(barbus_lineage); }
    barbus::day day() const { return barbus::day{number<std::int32_t>(barbus_day)}; }
    bool writer_alive() const { return flag(barbus_writer_alive); }
    std::optional<std::chrono::nanoseconds> newest_age() const {
        const std::int64_t age = number<std::int64_t>(barbus_newest_age);
        return age < 0 ? std::nullopt : std::optional<std::chrono::nanoseconds>{age};
    }

    // The next bars in the memory of the ring; none if poll has the next event.
    std::optional<arrow_batch> pin() {
        arrow_batch batch;
        std::int32_t pinned = 0;
        check(barbus_pin(handle_.get(), &batch.array, &batch.schema, &batch.count, &pinned));
        batch.pinned = pinned != 0;
        return batch.count == 0 ? std::nullopt : std::optional<arrow_batch>{std::move(batch)};
    }
    arrow_batch to_arrow(view<bar> bars) {
        arrow_batch batch;
        check(barbus_bars_arrow(handle_.get(), bars.data(), bars.size(), &batch.array, &batch.schema));
        batch.count = bars.size();
        return batch;
    }

    // The bars from here on as an Arrow stream, which has the reader from then on. It waits for the
    // next bars for `timeout`, without a limit if that is negative, and then ends.
    arrow_stream into_stream(std::chrono::milliseconds timeout = {}, bool until_day_closed = false) && {
        barbus_stream_options options{};
        options.size = sizeof options;
        options.timeout_ms = timeout.count();
        options.until_day_closed = until_day_closed;
        arrow_stream stream;
        check(barbus_reader_stream(handle_.get(), &options, &stream.raw));
        handle_.release();
        return stream;
    }

    // Lets the next thread that uses the reader have it.
    void hand_over() { check(barbus_reader_hand_over(handle_.get())); }
    barbus_reader *raw() const noexcept { return handle_.get(); }

private:
    bool next(event &out, std::int64_t timeout_ms) {
        const std::int32_t code = try_next(out, timeout_ms);
        if (code == BARBUS_ERROR_INTERRUPTED) return false;
        check(code);
        return out.raw.kind != BARBUS_EVENT_NONE;
    }
    bool flag(std::int32_t (*of)(barbus_reader *, std::int32_t *)) const { return number<std::int32_t>(of) != 0; }
    template <class T> T number(std::int32_t (*of)(barbus_reader *, T *)) const {
        T value{};
        check(of(handle_.get(), &value));
        return value;
    }

    friend class event_range::iterator;
    detail::owner<barbus_reader, barbus_reader_close> handle_;
};

inline event_range::iterator &event_range::iterator::operator++() {
    if (!of_->reader_->next(of_->event_, of_->timeout_ms_)) of_ = nullptr;
    return *this;
}

} // namespace barbus

#include "barbus_questions.hpp"

#endif // BARBUS_HPP
