// A strategy: prints when the short moving average of a symbol crosses the long one.
//
//     mcs Strategy.cs && mono Strategy.exe BUS [FROM TO]        or a project of dotnet
//
// With FROM and TO it reads archived days, otherwise live ones. Every struct is laid out as in
// barbus.h, which C# calls without an adapter.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

static class Barbus
{
    public const int Ok = 0, Interrupted = -5;
    public const int StartToday = 1;
    public const int Bars = 1, DayClosed = 2, Lapped = 3;

    [StructLayout(LayoutKind.Sequential)]
    public struct ReaderOptions
    {
        public UIntPtr Size;
        public int Start, StartDay;
        public ulong StartSeq;
        public int OnGap, Wait;
        public IntPtr Name;
        public int Anonymous, Minutes;
        public IntPtr Symbols;
        public UIntPtr SymbolCount;
        public IntPtr Interval, Universe;
        public UIntPtr UniverseCount;
        public long GraceMs;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ReplayOptions
    {
        public UIntPtr Size;
        public int FromDay, ToDay;
        public double Speed;
        public IntPtr Symbols;
        public UIntPtr SymbolCount;
        public IntPtr Interval, Universe;
        public UIntPtr UniverseCount;
        public int Minutes, Reserved;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Text
    {
        public IntPtr Data;
        public UIntPtr Length;

        public override string ToString()
        {
            var bytes = new byte[(int)Length];
            Marshal.Copy(Data, bytes, 0, bytes.Length);
            return Encoding.UTF8.GetString(bytes);
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Event
    {
        public UIntPtr Size;
        public int Kind, Day;
        public IntPtr BarsAt;
        public UIntPtr Count;
        public ulong Missed;
        public long FrameMs;
        public UIntPtr Symbols;
        public IntPtr Names;
        public UIntPtr NameCount;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Bar
    {
        public ulong Seq;
        public long FrameMs;
        public double Open, High, Low, Close, Volume;
        public long ReceivedNs;
        public double Optional0, Optional1, Optional2, Optional3, Optional4, Optional5;
        public uint Symbol;
        public byte Present, Revision;
    }

    [DllImport("barbus")] static extern IntPtr barbus_error();
    [DllImport("barbus")] public static extern int barbus_day_parse(byte[] text, out int day);
    [DllImport("barbus")] public static extern int barbus_day_format(int day, byte[] text);
    [DllImport("barbus")] public static extern int barbus_reader_open(byte[] path, ref ReaderOptions options, out IntPtr reader);
    [DllImport("barbus")] public static extern int barbus_replay_open(byte[] path, ref ReplayOptions options, out IntPtr reader);
    [DllImport("barbus")] public static extern int barbus_reader_close(IntPtr reader);
    [DllImport("barbus")] public static extern int barbus_next(IntPtr reader, long timeoutMs, ref Event into);
    [DllImport("barbus")] public static extern int barbus_ended(IntPtr reader, out int ended);
    [DllImport("barbus")] public static extern int barbus_symbol_name(IntPtr reader, uint id, out Text name);

    // A text with NUL at its end.
    public static byte[] Utf8(string text)
    {
        return Encoding.UTF8.GetBytes(text + "\0");
    }

    public static void Check(int code)
    {
        if (code == Ok) return;
        Console.Error.WriteLine("strategy: " + Marshal.PtrToStringAnsi(barbus_error()));
        Environment.Exit(1);
    }
}

// The last closes of a symbol, the newest last.
sealed class Averages
{
    const int Short = 5, Long = 20;
    readonly List<double> closes = new List<double>();
    bool known;

    public bool Above { get; private set; }

    // Adds a close; true if the averages have crossed.
    public bool Add(double close)
    {
        closes.Add(close);
        if (closes.Count > Long) closes.RemoveAt(0);
        if (closes.Count < Long) return false;
        bool above = Mean(Short) > Mean(Long), crossed = known && Above != above;
        known = true;
        Above = above;
        return crossed;
    }

    double Mean(int count)
    {
        double sum = 0;
        for (int i = 1; i <= count; ++i) sum += closes[closes.Count - i];
        return sum / count;
    }
}

static class Strategy
{
    static IntPtr Open(string[] arguments)
    {
        IntPtr reader;
        if (arguments.Length == 1)
        {
            var live = new Barbus.ReaderOptions { Start = Barbus.StartToday };
            live.Size = (UIntPtr)(ulong)Marshal.SizeOf(live);
            Barbus.Check(Barbus.barbus_reader_open(Barbus.Utf8(arguments[0]), ref live, out reader));
            return reader;
        }
        var options = new Barbus.ReplayOptions();
        options.Size = (UIntPtr)(ulong)Marshal.SizeOf(options);
        Barbus.Check(Barbus.barbus_day_parse(Barbus.Utf8(arguments[1]), out options.FromDay));
        Barbus.Check(Barbus.barbus_day_parse(Barbus.Utf8(arguments[2]), out options.ToDay));
        Barbus.Check(Barbus.barbus_replay_open(Barbus.Utf8(arguments[0]), ref options, out reader));
        return reader;
    }

    static int Main(string[] arguments)
    {
        if (arguments.Length != 1 && arguments.Length != 3)
        {
            Console.Error.WriteLine("usage: strategy BUS [FROM TO]");
            return 2;
        }
        IntPtr reader = Open(arguments);
        var symbols = new Dictionary<uint, Averages>();
        var next = new Barbus.Event();
        next.Size = (UIntPtr)(ulong)Marshal.SizeOf(next);
        int barBytes = Marshal.SizeOf(typeof(Barbus.Bar)), ended = 0;
        while (ended == 0)
        {
            int code = Barbus.barbus_next(reader, 1000, ref next);
            // The runtime sends signals to its threads.
            if (code == Barbus.Interrupted) continue;
            Barbus.Check(code);
            switch (next.Kind)
            {
            case Barbus.Bars:
                for (int i = 0; i < (int)next.Count; ++i)
                {
                    var bar = (Barbus.Bar)Marshal.PtrToStructure(next.BarsAt + i * barBytes, typeof(Barbus.Bar));
                    Averages averages;
                    if (!symbols.TryGetValue(bar.Symbol, out averages)) symbols[bar.Symbol] = averages = new Averages();
                    if (!averages.Add(bar.Close)) continue;
                    Barbus.Text name;
                    Barbus.Check(Barbus.barbus_symbol_name(reader, bar.Symbol, out name));
                    Console.WriteLine("{0} {1} {2}", bar.FrameMs, name, averages.Above ? "above" : "below");
                }
                break;
            case Barbus.DayClosed:
                var day = new byte[11];
                Barbus.Check(Barbus.barbus_day_format(next.Day, day));
                Console.WriteLine("{0} closed", Encoding.ASCII.GetString(day, 0, 10));
                symbols.Clear();
                break;
            case Barbus.Lapped:
                // Averages over a gap would be wrong.
                Console.Error.WriteLine("too slow: {0} bars missed", next.Missed);
                symbols.Clear();
                break;
            }
            Barbus.Check(Barbus.barbus_ended(reader, out ended));
        }
        Barbus.Check(Barbus.barbus_reader_close(reader));
        return 0;
    }
}
