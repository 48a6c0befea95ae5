//! The moving-average strategy in C, C++, Go, C# and Java on real bars: each decides as the one in
//! Rust.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use barbus::{Event, SymbolId};

use crate::support::bus::Bus;
use crate::support::command::{self, Finished};
use crate::support::{c_library, data, venv};

const SHORT: usize = 5;
const LONG: usize = 20;

/// The strategy in Rust: what every other one prints.
fn expected(path: &Path, from: &str, to: &str) -> String {
    let bus = barbus::Bus::open(path).expect("a bus");
    let mut replay = bus.replay(from.parse().expect("a day"), to.parse().expect("a day")).expect("archived days");
    let mut symbols: HashMap<SymbolId, (Vec<f64>, Option<bool>)> = HashMap::new();
    let mut printed = String::new();
    while !replay.ended() {
        match replay.next(Duration::from_secs(1)).expect("days that can be read") {
            Some(Event::Bars(bars)) => {
                for bar in bars {
                    let (closes, side) = symbols.entry((*bar).symbol).or_default();
                    closes.push(bar.close);
                    let mean = |n: usize| closes.iter().rev().take(n).sum::<f64>() / n as f64;
                    if closes.len() < LONG {
                        continue;
                    }
                    let above = mean(SHORT) > mean(LONG);
                    if side.replace(above).is_some_and(|before| before != above) {
                        let side = if above { "above" } else { "below" };
                        printed += &format!("{} {} {side}\n", bar.frame_ms, bar.symbol);
                    }
                }
            }
            Some(Event::DayClosed(day)) => {
                printed += &format!("{day} closed\n");
                symbols.clear();
            }
            _ => {}
        }
    }
    printed
}

fn source(name: &str) -> PathBuf {
    c_library::crate_folder().join("examples").join(name)
}

/// Builds the strategy in Go.
fn go(folder: &Path) -> Option<Command> {
    let program = folder.join("strategy-go");
    c_library::has("go").then(|| {
        let mut go = Command::new("go");
        go.current_dir(source("go")).args(["build", "-o"]).arg(&program);
        go.env("PKG_CONFIG_PATH", c_library::prefix().join("lib/pkgconfig")).env("GOFLAGS", "-mod=mod -buildvcs=false");
        c_library::ok(go.env("GOCACHE", venv::target().join("go-cache")).env("GOPROXY", "off"));
        c_library::command(&program)
    })
}

/// Builds the strategy in C#.
fn c_sharp(folder: &Path) -> Option<Command> {
    let program = folder.join("Strategy.exe");
    (c_library::has("mcs") && c_library::has("mono")).then(|| {
        c_library::ok(Command::new("mcs").arg(format!("-out:{}", program.display())).arg(source("Strategy.cs")));
        let mut command = c_library::command(Path::new("mono"));
        command.arg(program);
        command
    })
}

/// The first Java version with the final interface to C.
const JAVA: u32 = 22;

/// The major version of a Java; `None` if it cannot be run.
fn java_version(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}

/// Runs the strategy in Java from its source, by the newest Java of the machine: `java`, that of
/// `JAVA_HOME`, or one in the folder of the system, where the default may be an older one.
fn java() -> Option<Command> {
    let system = fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten().map(|entry| entry.path());
    let homes = std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().chain(system);
    let all = homes.map(|home| home.join("bin/java")).chain([PathBuf::from("java")]);
    let newest = all.filter_map(|java| Some((java_version(&java)?, java))).max();
    let Some((version, java)) = newest.filter(|(version, _)| *version >= JAVA) else {
        println!("skipped: Java {JAVA} or newer is not installed");
        return None;
    };
    println!("Java {version}: {}", java.display());
    let mut command = c_library::command(&java);
    command.args(["--enable-native-access=ALL-UNNAMED"]).arg(source("Strategy.java"));
    Some(command)
}

#[test]
fn the_strategy_decides_the_same_in_every_language() {
    let Some(files) = data::folder() else { return };
    let bus = Bus::running(data::XSHG.calendar);
    for source in data::XSHG.sources {
        bus.publish(&files.join(source.name), &["--label", source.label]);
    }
    bus.close_day();
    let days = bus.archived_days();
    let (from, to) = (days[0].as_str(), days[days.len() - 1].as_str());
    let expected = expected(&bus.path(), from, to);
    assert!(expected.lines().count() > 100, "few crossings: {expected}");

    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut programs: Vec<(&str, Command)> = Vec::new();
    for (compiler, flag, name) in [("gcc", "-std=c11", "strategy.c"), ("g++", "-std=c++17", "strategy.cpp")] {
        if c_library::has(compiler) {
            let program = folder.path().join(compiler);
            c_library::compile(compiler, &[flag, "-O2"], &format!("examples/{name}"), &program);
            programs.push((name, c_library::command(&program)));
        }
    }
    programs.extend(go(folder.path()).map(|command| ("Go", command)));
    programs.extend(c_sharp(folder.path()).map(|command| ("C#", command)));
    programs.extend(java().map(|command| ("Java", command)));
    for (language, mut command) in programs {
        let printed: Finished = command::finish(command.arg(bus.path()).args([from, to]), None);
        let printed = printed.ok();
        let differs = printed.lines().zip(expected.lines()).position(|(printed, expected)| printed != expected);
        assert!(printed == expected, "{language}: different from line {differs:?} on");
        println!("{language}: {} lines as in Rust", printed.lines().count());
    }
}
