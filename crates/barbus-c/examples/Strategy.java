// A strategy: prints when the short moving average of a symbol crosses the long one.
//
//     java --enable-native-access=ALL-UNNAMED Strategy.java BUS [FROM TO]
//
// With FROM and TO it reads archived days, otherwise live ones. It needs Java 22 or newer, whose
// Foreign Function and Memory API calls barbus.h without an adapter, and libbarbus.so on
// LD_LIBRARY_PATH or in the folders of the system.
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;

final class Strategy {
    static final int SHORT = 5;
    static final int LONG = 20;
    static final int INTERRUPTED = -5;
    static final int BARS = 1;
    static final int DAY_CLOSED = 2;
    static final int LAPPED = 3;

    // Offsets and sizes of barbus.h; tests of barbus check them.
    static final long READER_OPTIONS_BYTES = 96;
    static final long REPLAY_OPTIONS_BYTES = 72;
    static final long EVENT_BYTES = 72;
    static final long BAR_BYTES = 120;

    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    static final ValueLayout.OfLong LONG_INT = ValueLayout.JAVA_LONG;
    static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;

    static final Arena ARENA = Arena.global();
    /** A barbus_text. */
    static final MemorySegment TEXT = ARENA.allocate(16, 8);
    static final Linker LINKER = Linker.nativeLinker();
    static final SymbolLookup LIBRARY = SymbolLookup.libraryLookup("libbarbus.so.1", ARENA);
    static final MethodHandle NEXT = function("barbus_next", INT, ValueLayout.ADDRESS, LONG_INT, ValueLayout.ADDRESS);
    static final MethodHandle ENDED = function("barbus_ended", INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS);
    static final MethodHandle NAME = function("barbus_symbol_name", INT, ValueLayout.ADDRESS, INT, ValueLayout.ADDRESS);

    static MethodHandle function(String name, MemoryLayout result, MemoryLayout... parameters) {
        return LINKER.downcallHandle(LIBRARY.find(name).orElseThrow(), FunctionDescriptor.of(result, parameters));
    }

    static void check(int code) throws Throwable {
        if (code == 0) return;
        MethodHandle error = function("barbus_error", ValueLayout.ADDRESS);
        MemorySegment text = ((MemorySegment) error.invokeExact()).reinterpret(Long.MAX_VALUE);
        System.err.println("strategy: " + text.getString(0));
        System.exit(1);
    }

    /** The last closes of a symbol, the newest first. */
    static final class Averages {
        private final ArrayDeque<Double> closes = new ArrayDeque<>();
        private Boolean above;

        /** Adds a close; the new side if the averages have crossed, otherwise null. */
        Boolean add(double close) {
            closes.addFirst(close);
            if (closes.size() > LONG) closes.removeLast();
            if (closes.size() < LONG) return null;
            Boolean before = above;
            above = mean(SHORT) > mean(LONG);
            return before != null && !before.equals(above) ? above : null;
        }

        private double mean(int count) {
            double sum = 0;
            Iterator<Double> newest = closes.iterator();
            for (int i = 0; i < count; i++) sum += newest.next();
            return sum / count;
        }
    }

    static MemorySegment open(String[] arguments) throws Throwable {
        MemorySegment out = ARENA.allocate(ValueLayout.ADDRESS);
        MemorySegment path = ARENA.allocateFrom(arguments[0]);
        MethodHandle open;
        MemorySegment options;
        if (arguments.length == 1) {
            open = function("barbus_reader_open", INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.ADDRESS);
            options = ARENA.allocate(READER_OPTIONS_BYTES, 8);
            options.set(LONG_INT, 0, READER_OPTIONS_BYTES);
            options.set(INT, 8, 1);
        } else {
            open = function("barbus_replay_open", INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.ADDRESS);
            options = ARENA.allocate(REPLAY_OPTIONS_BYTES, 8);
            options.set(LONG_INT, 0, REPLAY_OPTIONS_BYTES);
            MethodHandle parse = function("barbus_day_parse", INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS);
            check((int) parse.invokeExact(ARENA.allocateFrom(arguments[1]), options.asSlice(8, 4)));
            check((int) parse.invokeExact(ARENA.allocateFrom(arguments[2]), options.asSlice(12, 4)));
        }
        check((int) open.invokeExact(path, options, out));
        return out.get(ValueLayout.ADDRESS, 0);
    }

    static String symbol(MemorySegment reader, int id) throws Throwable {
        check((int) NAME.invokeExact(reader, id, TEXT));
        MemorySegment bytes = TEXT.get(ValueLayout.ADDRESS, 0).reinterpret(TEXT.get(LONG_INT, 8));
        return new String(bytes.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) throws Throwable {
        if (arguments.length != 1 && arguments.length != 3) {
            System.err.println("usage: strategy BUS [FROM TO]");
            System.exit(2);
        }
        MemorySegment reader = open(arguments);
        MemorySegment event = ARENA.allocate(EVENT_BYTES, 8);
        event.set(LONG_INT, 0, EVENT_BYTES);
        MemorySegment ended = ARENA.allocate(INT);
        MemorySegment text = ARENA.allocate(11);
        MethodHandle format = function("barbus_day_format", INT, INT, ValueLayout.ADDRESS);
        Map<Integer, Averages> symbols = new HashMap<>();
        StringBuilder out = new StringBuilder();
        while (ended.get(INT, 0) == 0) {
            int code = (int) NEXT.invokeExact(reader, 1000L, event);
            // The virtual machine sends signals to its threads.
            if (code == INTERRUPTED) continue;
            check(code);
            switch (event.get(INT, 8)) {
                case BARS -> {
                    long count = event.get(LONG_INT, 24);
                    MemorySegment bars = event.get(ValueLayout.ADDRESS, 16).reinterpret(count * BAR_BYTES);
                    for (long at = 0; at < count * BAR_BYTES; at += BAR_BYTES) {
                        int id = bars.get(INT, at + 112);
                        Boolean above = symbols.computeIfAbsent(id, key -> new Averages()).add(bars.get(DOUBLE, at + 40));
                        if (above == null) continue;
                        String side = above ? "above" : "below";
                        out.append(bars.get(LONG_INT, at + 8)).append(' ').append(symbol(reader, id)).append(' ');
                        out.append(side).append('\n');
                    }
                }
                case DAY_CLOSED -> {
                    check((int) format.invokeExact(event.get(INT, 12), text));
                    out.append(text.getString(0)).append(" closed\n");
                    symbols.clear();
                }
                // Averages over a gap would be wrong.
                case LAPPED -> {
                    System.err.println("too slow: " + event.get(LONG_INT, 32) + " bars missed");
                    symbols.clear();
                }
                default -> { }
            }
            System.out.print(out);
            out.setLength(0);
            check((int) ENDED.invokeExact(reader, ended));
        }
        check((int) function("barbus_reader_close", INT, ValueLayout.ADDRESS).invokeExact(reader));
    }
}
