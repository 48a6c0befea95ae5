//! A reader in C++ beside the same in Rust: one way, catching up, `latest` and `window`.
//!
//! Both read the same bus in processes of their own, one after the other in each round, and print
//! a sum over what they have read.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use barbus::{Bus, Event, InitOptions, Reader, Row, Start, WaitStrategy};
use barbus_bench_link::{Bar, SYMBOLS, pin, scratch, unpin, until};
use barbus_shm::{Load, Memory, Store, WriteMap, allocate};
use barbus_writer::Writer;
use serde::{Deserialize, Serialize};

use crate::own::{bar_of, row};
use crate::report::Report;

/// Bars of the bus that is read as a whole.
const BARS: u64 = 1_000_000;
/// Bars of a one-way measure.
const SENT: u64 = 200_000;
const WATCHED: u64 = 16;
const QUESTIONS: u64 = 1_000_000;
const WINDOWS: u64 = 50_000;
const MINUTES: usize = 240;
/// The name of the Rust reader, the reference.
const RUST: &str = "Rust";

/// What a reader does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Task {
    /// It answers each bar by a word in shared memory.
    OneWay,
    /// It reads a bus from its first bar on.
    CatchUp,
    /// It asks for the newest bar of a symbol.
    Latest,
    /// It asks for the last 240 bars of a symbol.
    Window,
}

impl Task {
    const ALL: [Self; 4] = [Self::OneWay, Self::CatchUp, Self::Latest, Self::Window];

    fn name(self) -> &'static str {
        match self {
            Self::OneWay => "one-way",
            Self::CatchUp => "catch-up",
            Self::Latest => "latest",
            Self::Window => "window",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::OneWay => "one bar there, a word back",
            Self::CatchUp => "catching up, a bar",
            Self::Latest => "latest of 16 symbols",
            Self::Window => "window(240) of 16 symbols",
        }
    }
}

/// What a reader prints.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Figure {
    ns: f64,
    sum: f64,
}

pub(crate) fn rounds(report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let directory = scratch()?;
    let cpp = build(directory.path())?;
    let (bus, _writer) = bus(&directory.path().join("whole"), BARS)?;
    for round in 0..rounds {
        for task in Task::ALL {
            let figure = |program: Command| -> anyhow::Result<Figure> {
                let folder = directory.path().join(format!("{}-{round}", task.name()));
                let found = measure(task, program, &bus, &folder)?;
                let _ = std::fs::remove_dir_all(&folder);
                Ok(found)
            };
            let rust = figure(rust_reader()?)?;
            let own = figure(Command::new(&cpp))?;
            ensure!(rust.sum == own.sum, "{}: {own:?} in C++ and {rust:?} in Rust", task.name());
            report.add(task.title(), RUST, None, "ns", rust.ns);
            report.add_beside(task.title(), "C++", rust.ns, "ns", own.ns);
        }
    }
    Ok(())
}

/// Compiles the reader in C++ against the shared library that was built with this program.
fn build(folder: &Path) -> anyhow::Result<PathBuf> {
    let library = std::env::current_exe()?.with_file_name("deps").join("libbarbus_c.so");
    ensure!(library.exists(), "{}: missing: build barbus-bench by cargo", library.display());
    for name in ["libbarbus.so", "libbarbus.so.1"] {
        std::fs::copy(&library, folder.join(name))?;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("reader");
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O2", "-I"]).arg(here.join("../barbus-c/include")).arg(here.join("cpp/reader.cpp"));
    compiler.arg("-o").arg(&program).arg("-L").arg(folder).args(["-lbarbus", "-Wl,-rpath"]).arg(folder);
    ensure!(compiler.status().context("c++")?.success(), "the reader in C++ cannot be compiled");
    Ok(program)
}

fn rust_reader() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("c-reader-role");
    Ok(command)
}

/// A bus with bars of one day, and its writer.
fn bus(path: &Path, bars: u64) -> anyhow::Result<(Bus, Writer)> {
    let bus = Bus::init(path, &InitOptions { calendar: "24x7".into(), preset: None })?;
    let mut writer = Writer::open(&bus)?;
    writer.set_wakes(false);
    for symbol in 0..SYMBOLS {
        writer.symbol(&format!("{symbol:06}.XSHE"))?;
    }
    (0..bars).try_for_each(|n| writer.push(&row(n)).map(drop))?;
    Ok((bus, writer))
}

fn measure(task: Task, mut program: Command, whole: &Bus, folder: &Path) -> anyhow::Result<Figure> {
    std::fs::create_dir_all(folder)?;
    let words = folder.join("words");
    allocate(&words, 4_096)?;
    program.arg(task.name()).stdin(Stdio::null()).stdout(Stdio::piped());
    if task != Task::OneWay {
        return figure(program.arg(whole.path()).arg(&words).arg(BARS.to_string()).spawn()?);
    }
    let (bus, mut writer) = bus(&folder.join("bus"), 0)?;
    let map = WriteMap::open(&words)?;
    let read = &map.words64(0, 1)[0];
    let mut child = program.arg(bus.path()).arg(&words).arg(SENT.to_string()).spawn()?;
    until(|| match (read.get(), child.try_wait()) {
        (1, _) => Ok(()),
        (_, status) => Err(anyhow::anyhow!("the reader did not start: {status:?}")),
    })?;
    pin(0);
    let begun = Instant::now();
    for n in 0..SENT {
        writer.push(&row(n))?;
        while read.get() < n + 2 {
            if begun.elapsed() > Duration::from_secs(60) {
                bail!("the reader has stopped");
            }
            std::hint::spin_loop();
        }
    }
    let ns = begun.elapsed().as_nanos() as f64 / SENT as f64;
    unpin();
    Ok(Figure { ns, ..figure(child)? })
}

fn figure(child: Child) -> anyhow::Result<Figure> {
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "a reader failed: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The reader in Rust: the same as cpp/reader.cpp.
pub(crate) fn play(task: Task, bus: &Path, words: &Path, count: u64) -> anyhow::Result<()> {
    pin(1);
    let reader = until(|| Reader::open(bus)?.start_at(Start::Seq(0)))?;
    let mut reader = reader.wait_strategy(WaitStrategy::Spin).anonymous();
    let mut begun = Instant::now();
    let mut sum = 0.0;
    let operations = match task {
        Task::OneWay => {
            let map = WriteMap::open(words)?;
            let read = &map.words64(0, 1)[0];
            reader.poll()?;
            read.set_release(1);
            let mut next = 0;
            while next < count {
                if let Some(Event::Bars(bars)) = reader.poll()? {
                    sum += take(bars.rows(), next)?;
                    next += bars.len() as u64;
                    read.set_release(next + 1);
                }
            }
            count
        }
        Task::CatchUp => {
            let mut next = 0;
            while next < count {
                if let Some(Event::Bars(bars)) = reader.poll()? {
                    sum += take(bars.rows(), next)?;
                    next += bars.len() as u64;
                }
            }
            count
        }
        Task::Latest | Task::Window => {
            let names: Vec<String> = (0..WATCHED).map(|symbol| format!("{symbol:06}.XSHE")).collect();
            let mut rows: Vec<Row> = Vec::new();
            for name in &names {
                reader.window_into(name, MINUTES, &mut rows)?;
                ensure!(rows.len() == MINUTES, "{name}: {} rows", rows.len());
            }
            let mut state = 1u64;
            let mut shuffled = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 33) % WATCHED) as usize
            };
            begun = Instant::now();
            if task == Task::Latest {
                for _ in 0..QUESTIONS {
                    sum += reader.latest(&names[shuffled()])?.context("a bar")?.close;
                }
                QUESTIONS
            } else {
                for _ in 0..WINDOWS {
                    reader.window_into(&names[shuffled()], MINUTES, &mut rows)?;
                    sum += rows[0].close + rows[MINUTES - 1].close;
                }
                WINDOWS
            }
        }
    };
    let ns = begun.elapsed().as_nanos() as f64 / operations as f64;
    println!("{}", serde_json::to_string(&Figure { ns, sum })?);
    Ok(())
}

/// Checks bars from number `next` on, and returns the sum of their closes.
fn take(rows: &[Row], next: u64) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for (found, n) in rows.iter().zip(next..) {
        let wanted = Bar::number(n);
        let bar = bar_of(found);
        ensure!(found.seq == n && bar.symbol == wanted.symbol && bar.open == wanted.open, "bar {n} is {found:?}");
        ensure!(bar.high == wanted.high && found.present == 3 && found.revision == 0, "bar {n} is {found:?}");
        sum += bar.close;
    }
    Ok(sum)
}
