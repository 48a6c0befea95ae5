//! A ring on tmpfs, which a reboot deletes: the bars of the open day that the archive keeps, and
//! how the day continues (promises 6 and 7).
//!
//! The tests simulate a reboot: they kill the daemon and remove the ring.

mod support;

use barbus::protocol::Ack;
use barbus_archive::Archive;
use nix::sys::signal::Signal;

use support::*;

const DAY: &str = "2024-03-04";
const NEXT_DAY: &str = "2024-03-05";
const SYMBOLS: [&str; 3] = ["600000.XSHG", "600001.XSHG", "600002.XSHG"];

struct Memory {
    bus: Bus,
    ring: MemoryFile,
}

impl Memory {
    /// A running bus with this spill interval and grace period; `None` where the test is skipped.
    fn running(name: &str, spill: &str, grace: &str) -> Option<Self> {
        let ring = MemoryFile::new(name)?;
        let path = ring.path().to_str().unwrap();
        let settings = format!(
            "calendar = \"XSHG\"\n[days]\ngrace = {grace:?}\n[archive]\nspill = {spill:?}\n{SMALL}path = {path:?}\n"
        );
        let mut bus = Bus::new(&settings);
        bus.start(&[]);
        Some(Self { bus, ring })
    }

    /// Simulates a crash of the machine and starts the daemon again.
    fn reboot(&mut self) {
        self.bus.end(Signal::SIGKILL);
        std::fs::remove_file(self.ring.path()).unwrap();
        self.bus.start(&[]);
    }

    /// Rows in the parts of [`DAY`].
    fn spilled(&self) -> u64 {
        let bus = barbus::Bus::open(self.bus.path()).unwrap();
        let archive = Archive::open_existing(bus.archive(), bus.settings().schema.clone(), "XSHG");
        archive.part_metas(DAY.parse().unwrap()).unwrap().iter().map(|part| part.rows).sum()
    }

    fn until_spilled(&self, rows: u64) {
        until("the spill", || (self.spilled() == rows).then_some(()));
    }
}

/// Promise 6: a reboot loses at most the rows after the last spill. Sending the day again restores
/// them.
#[test]
fn a_reboot_loses_at_most_the_rows_after_the_last_spill() {
    let Some(mut memory) = Memory::running("loss", "700ms", "5m") else { return };
    let day = bars(DAY, &SYMBOLS, 240);
    for (from, rows) in [(0, 100), (100, 150)] {
        publish(&memory.bus, &[day.slice(from, rows)]);
        memory.until_spilled((from + rows) as u64);
    }
    publish(&memory.bus, &[day.slice(250, 300)]);
    memory.reboot();
    let kept = memory.spilled();
    assert!((250..=550).contains(&kept), "{kept}");

    // The rows in the parts are duplicates.
    assert_eq!(memory.bus.stat().day, Some(DAY.parse().unwrap()));
    let ack = publish(&memory.bus, std::slice::from_ref(&day));
    let (rows, accepted) = (720, 720 - kept);
    assert_eq!(ack, Ack { rows, accepted, duplicate: kept, seq: ack.seq, ..Ack::default() });
    memory.bus.close_day();
    memory.bus.assert_archived(DAY, &day);
    assert_eq!(memory.spilled(), 0);
}

/// Promise 7: a day of which only parts are left gets its file, for every way to close it and after
/// any number of restarts.
#[test]
fn a_day_of_parts_alone_gets_its_file_at_the_close() {
    let by_command: Close = |memory| {
        let close = memory.bus.request(r#"{"close_day":{}}"#);
        assert_eq!((&close["closed"], &close["archived"]), (&DAY.into(), &true.into()), "{close}");
    };
    let by_the_next_day: Close = |memory| {
        publish(&memory.bus, &[bars(NEXT_DAY, &SYMBOLS, 1)]);
        until("the archive", || (memory.bus.stat().days_archived == 1).then_some(()));
        assert_eq!(memory.bus.stat().day, Some(NEXT_DAY.parse().unwrap()));
    };
    let by_the_clock: Close = |memory| until("the archive", || (memory.bus.stat().days_archived == 1).then_some(()));
    for (name, grace, close) in
        [("command", "5m", by_command), ("next", "5m", by_the_next_day), ("clock", "2s", by_the_clock)]
    {
        // Side by side: each daemon waits for a minute before the clock closes a day.
        std::thread::scope(|scope| {
            for reboots in 0..=2 {
                scope.spawn(move || a_day_is_archived(name, grace, close, reboots));
            }
        });
    }
}

/// How a day is closed.
type Close = fn(&Memory);

fn a_day_is_archived(name: &str, grace: &str, close: Close, reboots: u32) {
    let Some(mut memory) = Memory::running(&format!("{name}-{reboots}"), "50ms", grace) else { return };
    let day = bars(DAY, &SYMBOLS, 240);
    publish(&memory.bus, std::slice::from_ref(&day));
    // The clock may close the day before the spill is complete.
    until("all of it on disk", || (memory.spilled() == 720 || memory.bus.stat().days_archived == 1).then_some(()));
    for _ in 0..reboots {
        memory.reboot();
    }
    close(&memory);
    memory.bus.assert_archived(DAY, &day);
    until("the parts to be removed", || (memory.spilled() == 0).then_some(()));
    until("nothing to wait for", || memory.bus.stat().days_waiting.is_empty().then_some(()));
    assert_eq!(publish(&memory.bus, &[day]).duplicate, 720, "{name}, {reboots} reboots");
}

/// Promise 7, over a reboot: revisions of bars that only a part has, and bars that no part has.
#[test]
fn the_last_revision_wins_over_a_reboot() {
    let Some(mut memory) = Memory::running("revision", "50ms", "5m") else { return };
    let day = bars(DAY, &SYMBOLS, 240);
    let other = with_column(&day, "volume", day.column_by_name("close").cloned());
    publish(&memory.bus, &[other.slice(0, 500)]);
    memory.until_spilled(500);
    memory.reboot();
    let ack = publish(&memory.bus, std::slice::from_ref(&day));
    assert_eq!((ack.revised, ack.accepted), (500, 220));
    memory.reboot_after_shutdown();
    memory.bus.close_day();
    memory.bus.assert_archived(DAY, &day);
}

impl Memory {
    /// Simulates an orderly reboot: the daemon spills every row before it ends.
    fn reboot_after_shutdown(&mut self) {
        assert_eq!(self.bus.end(Signal::SIGTERM).code(), Some(0));
        std::fs::remove_file(self.ring.path()).unwrap();
        self.bus.start(&[]);
    }
}

/// The daemon often ends because the machine does, so an orderly shutdown spills.
#[test]
fn an_orderly_shutdown_spills() {
    let Some(mut memory) = Memory::running("end", "1h", "5m") else { return };
    let day = bars(DAY, &SYMBOLS, 240);
    publish(&memory.bus, &[day.slice(0, 600)]);
    assert_eq!(memory.spilled(), 0);
    memory.reboot_after_shutdown();
    assert_eq!(memory.spilled(), 600);
    let ack = publish(&memory.bus, std::slice::from_ref(&day));
    assert_eq!((ack.accepted, ack.duplicate), (120, 600));
    memory.bus.close_day();
    memory.bus.assert_archived(DAY, &day);
}
