//! Screens of every size, drawn through ratatui's test backend.

use std::collections::BTreeMap;
use std::time::Duration;

use barbus::protocol::{SourceStat, Stat};
use barbus::{Bus, InitOptions, Row, SymbolId};
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::super::daemon::DaemonAnswer;
use super::super::files::FileFigures;
use super::super::once::text_of;
use super::super::view::Column;
use super::*;

/// 2024-07-04, 09:30 in Shanghai.
const OPEN_MS: i64 = 1_720_056_600_000;
const NOW_MS: i64 = OPEN_MS + 72 * 60_000 + 5_000;

struct Shown {
    facts: BusFacts,
    model: Model,
    _folder: tempfile::TempDir,
}

impl Shown {
    /// A bus with `symbols` symbols, 72 minutes after the open.
    fn new(symbols: u32) -> Shown {
        let folder = tempfile::tempdir().unwrap();
        let options = InitOptions { calendar: "XSHG".into(), ..InitOptions::default() };
        let bus = Bus::init(&folder.path().join("bus"), &options).unwrap();
        let mut model = Model::new(&bus);
        for minute in (1..=72).filter(|minute| *minute != 30) {
            let frame_ms = OPEN_MS + minute * 60_000;
            for id in 0..symbols {
                let close = 10.0 + f64::from(id) + minute as f64 / 100.0;
                let received_ns = (frame_ms + 1_000) * 1_000_000;
                let row = Row { symbol: SymbolId(id), frame_ms, close, volume: 1_000.0, received_ns, ..Row::default() };
                model.market.take(&format!("{}.XSHG", 600_000 + id), &row);
            }
        }
        let (day, asked) = model.market.wanted_closes().unwrap_or_default();
        let closes = asked.iter().enumerate().map(|(id, name)| (name.clone(), 10.5 + id as f64)).collect();
        model.market.set_closes(day, &asked, &closes);
        model.market.note_caught_up(std::time::Instant::now());
        Shown { facts: BusFacts::of(&bus), model, _folder: folder }
    }

    fn daemon(mut self, change: impl FnOnce(&mut Stat)) -> Shown {
        let mut stat = Stat {
            pid: Some(4711),
            writer_alive: true,
            blocks: 180,
            blocks_used: 12,
            blocks_persisted: 10,
            days_archived: 812,
            producers: Some(2),
            ..Stat::default()
        };
        change(&mut stat);
        self.model.daemon.note(DaemonAnswer::Runs(Box::new(stat)));
        self
    }

    fn readers(mut self, readers: serde_json::Value) -> Shown {
        let readers = serde_json::from_value(readers).unwrap();
        self.model.files = Some(FileFigures { readers, ..FileFigures::default() });
        self
    }

    fn draw(&self, width: u16, height: u16, view: &mut View, has_colour: bool) -> Buffer {
        let status = Status::of(&self.model, Duration::ZERO, Duration::ZERO);
        let theme = Theme::new(has_colour, self.facts.rises_are_red);
        let scene = Scene { facts: &self.facts, model: &self.model, status: &status, theme, now_ms: NOW_MS };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(&scene, view, frame.buffer_mut())).unwrap();
        terminal.backend().buffer().clone()
    }

    fn lines(&self, width: u16, height: u16) -> Vec<String> {
        text_of(&self.draw(width, height, &mut View::default(), false))
    }
}

fn reader(name: &str, state: &str, lag_bars: u64, ring_used: f64) -> serde_json::Value {
    serde_json::json!({
        "id": name, "name": name, "pid": 1, "uid": 0, "started": null, "state": state, "position": 0,
        "lag_bars": lag_bars, "lag_s": null, "ring_used": ring_used, "pins": 0, "pins_since": null,
    })
}

/// The line with `word`.
#[track_caller]
fn line<'a>(lines: &'a [String], word: &str) -> &'a str {
    lines.iter().find(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word:?} in\n{}", lines.join("\n")))
}

#[test]
fn the_head_tells_the_writer_the_rate_and_the_day() {
    let lines = Shown::new(3).daemon(|_| {}).lines(100, 30);
    assert!(lines[0].starts_with("barbus top ") && lines[0].ends_with("XSHG  2024-07-04 10:42:05 CST"), "{lines:?}");
    assert_eq!(lines[1], "daemon running (4711)  last bar 4s ago  10:42 3 of 3 symbols");
    // Minute 30 has no bar.
    assert!(lines[2].starts_with("2024-07-04 open  morning ███"), "{lines:?}");
    assert!(lines[2].contains(" 71/120 (1 missing)  afternoon ···") && lines[2].ends_with("0/120"), "{lines:?}");
}

#[test]
fn symbols_have_price_change_volume_and_age() {
    let lines = Shown::new(3).daemon(|_| {}).lines(100, 30);
    let row = line(&lines, "600002.XSHG");
    let expected = ["600002.XSHG", "12.72", "+1.76%", "71.0k", "4s"];
    assert_eq!(row.split_whitespace().take(5).collect::<Vec<_>>(), expected, "{lines:?}");
    assert_eq!(line(&lines, "SYMBOL").split_whitespace().take(5).last(), Some("AGE"));
}

#[test]
fn every_size_is_drawn_and_a_small_one_says_so() {
    let shown = Shown::new(50).daemon(|_| {}).readers(serde_json::json!([reader("a", "live", 1, 0.1)]));
    for width in 1..=160 {
        for height in [1, 2, 9, 10, 11, 14, 19, 24, 50] {
            let lines = shown.lines(width, height);
            assert_eq!(lines.len(), usize::from(height));
            let is_small = width < SMALLEST.0 || height < SMALLEST.1;
            let says_so = lines[0] == "barbus top: too small"[..usize::from(width).min(21)].trim_end();
            assert_eq!(is_small, says_so, "{width} x {height}: {lines:?}");
        }
    }
    assert_eq!(shown.lines(30, 8)[1..4], ["needs 40 x 10", "this is 30 x 8", "q quits"]);
}

#[test]
fn the_usual_terminal_has_every_part() {
    let source = SourceStat { connected: 1, rows: 1_200_000, quarantined: 3, ..SourceStat::default() };
    let quarantined = BTreeMap::from([("high-low".to_owned(), 2), ("future".to_owned(), 1)]);
    let shown = Shown::new(500)
        .daemon(|stat| {
            stat.sources = [("ctp".to_owned(), source)].into();
            stat.quarantined = quarantined;
            stat.last_flush_error = Some("disk full".into());
        })
        .readers(serde_json::json!([
            reader("recorder", "lapped", 9_000_000, 1.0),
            reader("mean-rev", "live", 1_200, 0.5)
        ]));
    let lines = shown.lines(80, 24);
    for part in
        ["! archive: disk full", "READERS 2", "PRODUCERS 2", "RING 12 of 180", "ARCHIVE 812 days", "QUARANTINE 3 rows"]
    {
        line(&lines, part);
    }
    assert!(line(&lines, "recorder").ends_with("LAPPED       9.0M"), "{lines:?}");
    assert!(line(&lines, "mean-rev").ends_with("████····     1.2k"), "{lines:?}");
    assert!(line(&lines, "ctp").ends_with("3 bad     -    1.2M"), "{lines:?}");
    assert!(line(&lines, "high-low").ends_with(" 2") && lines[23].starts_with("q quit  ? help"));
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
}

#[test]
fn many_readers_and_producers_leave_room_for_the_rest() {
    let readers: Vec<_> = (0..40).map(|i| reader(&format!("reader-{i:02}"), "live", 40 - i, 0.0)).collect();
    let sources = (0..20).map(|i| (format!("feed-{i:02}"), SourceStat { connected: 1, ..SourceStat::default() }));
    let shown = Shown::new(9).daemon(|stat| stat.sources = sources.collect()).readers(readers.into());
    let lines = shown.lines(80, 24);
    assert!(line(&lines, "READERS 40").contains("BARS BEHIND"));
    line(&lines, "reader-00");
    line(&lines, "more: barbus readers");
    line(&lines, "more: barbus stat");
    line(&lines, "QUARANTINE");
}

#[test]
fn a_dead_daemon_leaves_the_figures_of_the_files() {
    let mut shown = Shown::new(3);
    let stat = Stat { blocks: 180, blocks_used: 12, days_archived: 812, ..Stat::default() };
    shown.model.files = Some(FileFigures { stat: Some(stat), ..FileFigures::default() });
    shown.model.daemon.note(DaemonAnswer::Absent);
    let lines = shown.lines(80, 24);
    assert!(lines[1].starts_with("daemon not running  "), "{lines:?}");
    assert_eq!(lines[3], "! no writer: its heartbeat is missing");
    line(&lines, "RING 12 of 180");
    line(&lines, "600001.XSHG");
    assert!(!lines.iter().any(|line| line.contains("PRODUCERS")), "only the daemon knows them: {lines:?}");
}

#[test]
fn nothing_has_a_colour_without_colour() {
    let shown = Shown::new(30).daemon(|stat| stat.last_flush_error = Some("disk full".into()));
    let colours = |has_colour| {
        let buffer = shown.draw(80, 24, &mut View::default(), has_colour);
        buffer.content().iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    assert_eq!(colours(false), 0);
    assert!(colours(true) > 0);
    let buffer = shown.draw(80, 24, &mut View::default(), false);
    assert!(buffer[(0, 4)].modifier.contains(Modifier::REVERSED), "a heading is visible all the same");
}

#[test]
fn the_list_scrolls_to_its_end_and_not_beyond() {
    let shown = Shown::new(100).daemon(|_| {});
    let mut view = View { first: usize::MAX, ..View::default() };
    let lines = text_of(&shown.draw(80, 24, &mut view, false));
    line(&lines, "600099.XSHG");
    assert_eq!((view.first, view.page), (100 - 19, 19));
    let mut view = View { sort: Column::Last, is_descending: true, ..View::default() };
    let lines = text_of(&shown.draw(80, 24, &mut view, false));
    assert!(lines[3].contains("LAST▼") && lines[4].starts_with("600099.XSHG"), "{lines:?}");
    let mut view = View { filter: "zzz".into(), first: 7, ..View::default() };
    let lines = text_of(&shown.draw(80, 24, &mut view, false));
    line(&lines, "no symbol has \"zzz\"");
    line(&lines, "Esc all symbols");
}

#[test]
fn the_help_names_every_key() {
    let shown = Shown::new(3).daemon(|_| {});
    let lines = text_of(&shown.draw(80, 24, &mut View { shows_help: true, ..View::default() }, false));
    for (_, key) in Column::ALL {
        assert!(line(&lines, "sort by").split_whitespace().any(|word| word == key.to_string()), "{key}: {lines:?}");
    }
    assert!(line(&lines, "quit").contains("Ctrl-C"));
    let lines =
        text_of(&shown.draw(80, 24, &mut View { is_typing: true, filter: "60".into(), ..View::default() }, false));
    assert!(lines[23].starts_with("filter: 60_"), "{lines:?}");
}

#[test]
fn names_cannot_move_the_cursor() {
    let mut shown = Shown::new(0);
    let row = Row { frame_ms: OPEN_MS + 60_000, close: 1.0, ..Row::default() };
    shown.model.market.take("A\u{1b}[2J\n", &row);
    let lines = shown.lines(80, 24);
    line(&lines, "A\\u{1b}[2J\\n");
    assert!(Timestamp::from_millisecond(row.frame_ms).is_ok());
}
