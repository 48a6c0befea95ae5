//! `barbus top` in a real terminal: keys, sizes, signals, a daemon that is stopped or dies, no
//! colour; and one screen as text.

use std::collections::HashMap;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::bus::Bus;
use crate::support::command;
use crate::support::market::{self, Bar};
use crate::support::tmux::Terminal;
use crate::support::wait;

const SYMBOLS: [&str; 5] = ["600000.XSHG", "600009.XSHG", "600519.XSHG", "688001.XSHG", "000001.XSHE"];

/// A bus with a whole day and 72 minutes of the next one.
fn bus_with_two_days() -> Bus {
    let bus = Bus::running("XSHG");
    let before = bus.write("before.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-04")));
    bus.publish(&before, &[]);
    let today = bus.write("today.csv", market::csv(&minutes_of_today(72)));
    bus.publish(&today, &[]);
    bus.wait_archived();
    bus
}

fn minutes_of_today(count: i64) -> Vec<Bar> {
    market::minutes(&SYMBOLS, "2024-03-05T01:31:00Z", count)
}

/// The change of each symbol after 72 minutes, in per cent, the highest first.
fn changes() -> Vec<(&'static str, f64)> {
    let last =
        |bars: Vec<Bar>| -> HashMap<String, f64> { bars.into_iter().map(|bar| (bar.symbol, bar.close)).collect() };
    let (before, now) = (last(market::xshg_day(&SYMBOLS, "2024-03-04")), last(minutes_of_today(72)));
    let mut changes: Vec<_> =
        SYMBOLS.iter().map(|symbol| (*symbol, (now[*symbol] / before[*symbol] - 1.0) * 100.0)).collect();
    changes.sort_by(|a, b| b.1.total_cmp(&a.1));
    changes
}

fn line_of<'a>(screen: &'a str, word: &str) -> &'a str {
    screen.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word:?} in\n{screen}"))
}

/// `barbus top BUS` as a line for the shell, with its end announced.
fn top(bus: &Bus) -> String {
    format!("{} top {} --interval 0.5; echo ended $?", env!("CARGO_BIN_EXE_barbus"), bus.path().display())
}

#[test]
fn keys_sizes_and_a_daemon_that_dies() {
    let Some(terminal) = Terminal::start(80, 24) else { return };
    let mut bus = bus_with_two_days();
    terminal.enter(&top(&bus));
    let has_changes = |screen: &str| screen.contains("72/120") && screen.contains('%');
    let screen = terminal.wait_for("the day", has_changes);
    assert!(screen.lines().nth(1).is_some_and(|line| line.starts_with("daemon running")), "{screen}");
    assert!(line_of(&screen, "2024-03-05").contains("morning ██"), "{screen}");
    line_of(&screen, "q quit");

    terminal.press("c");
    let expected = changes();
    let screen = terminal.wait_for("the order", |screen| screen.contains("CHANGE▼"));
    let shown: Vec<&str> = screen.lines().skip_while(|line| !line.contains("CHANGE▼")).skip(1).take(5).collect();
    for (line, (symbol, change)) in shown.iter().zip(&expected) {
        assert!(line.starts_with(symbol) && line.contains(&format!("{change:+.2}%")), "{change} in {line}\n{screen}");
    }
    terminal.press("/");
    terminal.enter("688");
    terminal.wait_for("the filter", |screen| screen.contains("688001") && !screen.contains("600519"));
    terminal.press("Escape");
    terminal.wait_for("all symbols", |screen| screen.contains("600519"));

    let more = bus.write("more.csv", market::csv(&minutes_of_today(82)));
    bus.publish(&more, &[]);
    terminal.wait_for("ten more minutes", |screen| screen.contains("82/120"));

    terminal.resize(120, 40);
    let is_wide = |screen: &str| screen.contains("TIME") && screen.lines().count() >= 40;
    let screen = terminal.wait_for("the wide screen", is_wide);
    assert!(line_of(&screen, "688001").contains("10:52"), "{screen}");
    terminal.resize(30, 8);
    terminal.wait_for("a word about the size", |screen| screen.contains("needs 40 x 10"));
    terminal.resize(80, 24);
    terminal.wait_for("the screen again", |screen| screen.contains("82/120") && !screen.contains("TIME"));

    bus.signal(Signal::SIGSTOP);
    let screen = terminal.wait_for("a silent daemon", |screen| screen.contains("daemon silent for"));
    assert!(screen.contains("82/120") && screen.contains("600519"), "{screen}");
    bus.signal(Signal::SIGCONT);
    terminal.wait_for("the daemon", |screen| screen.contains("daemon running"));
    bus.kill();
    let screen = terminal.wait_for("a dead daemon", |screen| screen.contains("daemon not running"));
    assert!(screen.contains("! no writer") && screen.contains("82/120"), "{screen}");
    terminal.press("v");
    terminal.wait_for("a key", |screen| screen.contains("VOLUME▼"));
    bus.start();
    terminal.wait_for("the new daemon", |screen| screen.contains("daemon running") && !screen.contains("! no writer"));

    terminal.press("q");
    let screen = terminal.wait_for("its end", |screen| screen.contains("ended 0"));
    assert!(!screen.contains("82/120"), "the shell's screen is back: {screen}");
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    let Some(terminal) = Terminal::start(80, 24) else { return };
    let bus = bus_with_two_days();
    let modes = bus.beside("modes");
    let settings = || {
        terminal.run(&format!("stty -g > {}", modes.display()));
        std::fs::read_to_string(&modes).expect("stty wrote it")
    };
    let before = settings();
    let shows = |what: &str| terminal.wait_for(what, |screen| screen.contains("72/120"));
    terminal.enter(&top(&bus));
    shows("the screen");

    terminal.press("C-z");
    terminal.wait_for("the shell", |screen| screen.contains("Stopped"));
    assert_eq!(settings(), before);
    terminal.enter("fg");
    shows("the screen after fg");
    // Another process stops it, and it goes on.
    kill(pid_of_top(&bus), Signal::SIGTSTP).expect("ours");
    terminal.wait_for("the shell", |screen| screen.contains("Stopped"));
    assert_eq!(settings(), before);
    terminal.enter("fg; echo ended $?");
    shows("the screen after another fg");
    terminal.press("C-c");
    terminal.wait_for("its end", |screen| screen.contains("ended 0"));
    assert_eq!(settings(), before);

    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        terminal.enter(&top(&bus));
        shows("the screen");
        kill(pid_of_top(&bus), signal).expect("ours");
        terminal.wait_for("its end", |screen| screen.contains(&format!("ended {code}")));
        assert_eq!(settings(), before, "after {signal}");
    }
    // The terminal goes away, as with a lost connection.
    terminal.enter(&top(&bus));
    shows("the screen");
    drop(terminal);
    wait::until("its end", || find_top(&bus).is_none().then_some(()));
}

/// The process that shows `bus`, if there is one.
fn find_top(bus: &Bus) -> Option<Pid> {
    let wanted = format!("top\0{}\0", bus.path().display());
    let mut processes = std::fs::read_dir("/proc").expect("Linux").filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        // A process that has ended and was not waited for has an empty line.
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        line.contains(&wanted).then(|| Pid::from_raw(pid))
    });
    processes.next()
}

fn pid_of_top(bus: &Bus) -> Pid {
    find_top(bus).expect("barbus top runs")
}

#[test]
fn colours_and_terminals_without_them() {
    let Some(terminal) = Terminal::start(80, 24) else { return };
    let bus = bus_with_two_days();
    let has_colour = |screen: &str| screen.contains("38;5;");
    for (prefix, options, expected) in [("", "", true), ("NO_COLOR=1 ", "", false), ("", " --no-color", false)] {
        terminal.enter(&format!("{prefix}{}", top(&bus).replace(" --interval", &format!("{options} --interval"))));
        terminal.wait_for("the screen", |screen| screen.contains("daemon running") && screen.contains('%'));
        let screen = terminal.coloured_screen();
        assert_eq!(has_colour(&screen), expected, "{prefix}{options}\n{screen}");
        terminal.press("q");
        terminal.wait_for("its end", |screen| screen.contains("ended 0"));
        terminal.run("clear");
    }
    terminal.enter(&format!("TERM=dumb {}", top(&bus)));
    let screen = terminal.wait_for("a refusal", |screen| screen.contains("ended 1"));
    assert!(screen.contains("barbus: TERM=dumb") && screen.contains("--once"), "{screen}");
}

#[test]
fn one_screen_as_text() {
    let mut bus = bus_with_two_days();
    // Standard output is a pipe.
    let text = bus.barbus("top", [] as [&str; 0]).ok();
    assert_eq!(text.lines().count(), 40);
    assert!(text.lines().all(|line| line.chars().count() <= 120) && !text.contains('\u{1b}'), "{text}");
    for (symbol, change) in changes() {
        assert!(line_of(&text, symbol).contains(&format!("{change:+.2}%")), "{symbol} {change}\n{text}");
    }
    for part in ["72/120", "READERS 0", "PRODUCERS", "ARCHIVE 1 day", "RING", "QUARANTINE 0 rows"] {
        line_of(&text, part);
    }
    let text = bus.barbus("top", ["--once", "--size", "80x24"]).ok();
    assert_eq!(text.lines().count(), 24);
    bus.barbus("top", ["--size", "8x2"]).fails(2, &["40x10"]);
    bus.barbus("top", ["--interval", "0.1"]).fails(2, &["0.5"]);

    bus.signal(Signal::SIGSTOP);
    wait::until_stopped(bus.pid());
    let text = bus.barbus("top", ["--once"]).ok();
    assert!(text.contains("daemon silent") && text.contains("72/120") && text.contains("600519"), "{text}");
    bus.signal(Signal::SIGCONT);
    bus.kill();
    // The sign of life that a daemon wrote last counts for a moment.
    let text = wait::until("the end of the daemon to be seen", || {
        let text = bus.barbus("top", ["--once"]).ok();
        text.contains("daemon not running").then_some(text)
    });
    assert!(text.contains("72/120"), "{text}");

    Bus::init("XSHG").barbus("top", ["--once"]).fails(1, &["barbusd"]);
    command::run(["top", "/nonexistent"]).fails(1, &["no such directory"]);
}
