// The reader in C++ of the command c-reader, which has the same in Rust:
//
//     reader one-way|catch-up|latest|window BUS WORDS BARS
//
// It prints the nanoseconds of an operation and a sum over the bars, as JSON.
#include <sched.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>

#include <barbus.hpp>

namespace {

constexpr std::uint64_t symbols = 1024;
constexpr std::uint64_t watched = 16;
constexpr std::uint64_t questions = 1000000;
constexpr std::uint64_t windows = 50000;
constexpr std::size_t minutes = 240;

using clock_type = std::chrono::steady_clock;

double since(clock_type::time_point begun) {
    return std::chrono::duration<double, std::nano>(clock_type::now() - begun).count();
}

void pin(int core) {
    cpu_set_t all;
    cpu_set_t one;
    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &all)) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (core-- == 0) break;
    }
    sched_setaffinity(0, sizeof one, &one);
}

// The symbols in an order that a prefetcher cannot predict, as in questions.rs.
struct shuffled {
    std::uint64_t state = 1;
    std::uint64_t next() {
        state = state * 6364136223846793005U + 1442695040888963407U;
        return (state >> 33) % watched;
    }
};

void check(bool right) {
    if (!right) throw std::runtime_error("a bar is wrong");
}

// Reads bars from `next` on, and checks each as the reader in Rust does.
double take(const barbus::view<barbus::bar> &bars, std::uint64_t next) {
    double sum = 0;
    for (const barbus::bar &bar : bars) {
        const double x = static_cast<double>(next);
        check(bar.seq == next && bar.symbol == next % symbols && bar.open == x + 0.25 && bar.high == x + 1);
        check(bar.present == 3 && bar.revision == 0);
        sum += bar.close;
        ++next;
    }
    return sum;
}

int run(const std::string &measure, const std::string &path, const char *words, std::uint64_t count) {
    pin(1);
    barbus::reader reader(path, barbus::reader_options().from_seq(0).wait(BARBUS_WAIT_SPIN).anonymous());
    barbus::event event;
    double sum = 0;
    double operations = 0;
    clock_type::time_point begun = clock_type::now();
    if (measure == "one-way") {
        const int file = open(words, O_RDWR);
        void *map = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (map == MAP_FAILED) throw std::runtime_error("no words");
        auto *read = static_cast<std::atomic<std::uint64_t> *>(map);
        reader.poll(event);
        read->store(1, std::memory_order_release);
        for (std::uint64_t next = 0; next < count;) {
            if (!reader.poll(event)) continue;
            sum += take(event.bars(), next);
            next += event.bars().size();
            read->store(next + 1, std::memory_order_release);
        }
        operations = static_cast<double>(count);
    } else if (measure == "catch-up") {
        for (std::uint64_t next = 0; next < count;) {
            if (!reader.poll(event)) continue;
            sum += take(event.bars(), next);
            next += event.bars().size();
        }
        operations = static_cast<double>(count);
    } else {
        char names[watched][16];
        for (std::uint64_t i = 0; i < watched; ++i) {
            std::snprintf(names[i], sizeof names[i], "%06d.XSHE", static_cast<int>(i));
            check(reader.window(names[i], minutes).size() == minutes);
        }
        shuffled order;
        begun = clock_type::now();
        if (measure == "latest") {
            for (std::uint64_t i = 0; i < questions; ++i) sum += reader.latest({names[order.next()], 11})->close;
            operations = questions;
        } else {
            for (std::uint64_t i = 0; i < windows; ++i) {
                const barbus::view<barbus::bar> window = reader.window({names[order.next()], 11}, minutes);
                sum += window.front().close + window.back().close;
            }
            operations = windows;
        }
    }
    std::printf("{\"ns\": %.3f, \"sum\": %.17g}\n", since(begun) / operations, sum);
    return 0;
}

} // namespace

int main(int count, char **arguments) {
    if (count != 5) return 2;
    try {
        return run(arguments[1], arguments[2], arguments[3], std::stoull(arguments[4]));
    } catch (const std::exception &error) {
        std::fprintf(stderr, "reader: %s\n", error.what());
        return 1;
    }
}
