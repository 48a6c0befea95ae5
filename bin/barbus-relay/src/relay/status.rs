//! `barbus-relay status`: prints what the relays of a bus have done.

use std::io::{self, Write};

use barbus::{Bus, RelayStat, relays};
use jiff::Timestamp;

use super::options::StatusArgs;

/// Prints the reports of the relays of a bus.
pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let bus = Bus::open(&args.bus)?;
    let relays = relays(&bus)?;
    let mut text = Vec::new();
    if args.json {
        serde_json::to_writer_pretty(&mut text, &relays)?;
        text.push(b'\n');
    } else if relays.is_empty() {
        writeln!(text, "no relay has run: see barbus-relay --help")?;
    } else {
        let now = Timestamp::now();
        for relay in &relays {
            describe(&mut text, relay, now)?;
        }
    }
    match io::stdout().write_all(&text) {
        // The reader of a pipe has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

fn describe(text: &mut Vec<u8>, relay: &RelayStat, now: Timestamp) -> io::Result<()> {
    let state = match (relay.is_alive(now), relay.connected, relay.ended) {
        (true, true, _) => "runs",
        (true, false, _) => "runs, not connected",
        (false, _, true) => "has ended",
        (false, _, false) => "does not run",
    };
    writeln!(
        text,
        "{} {} {}.>: {state} (process {})",
        relay.direction.as_str(),
        relay.stream,
        relay.prefix,
        relay.pid
    )?;
    let RelayStat { messages, bars, bytes, next_seq, .. } = relay;
    writeln!(text, "  carried: {bars} bars in {messages} messages, {bytes} bytes; the next bar is {next_seq}")?;
    if let (Some(messages), Some(seconds)) = (relay.lag_messages, relay.lag_s) {
        writeln!(text, "  behind: {messages} messages, {seconds:.3} s")?;
    }
    let counts = [
        ("duplicates", relay.duplicates),
        ("conflicts", relay.conflicts),
        ("rejected", relay.rejected),
        ("missed", relay.missed),
        ("delivered again", relay.redelivered),
        ("foreign messages", relay.foreign),
        ("reconnects", relay.reconnects),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{what} {count}")).collect();
    if !counts.is_empty() {
        writeln!(text, "  {}", counts.join(", "))?;
    }
    if let (Some(error), Some(at)) = (&relay.last_error, relay.last_error_at) {
        writeln!(text, "  last failure, {}: {error}", at.strftime("%Y-%m-%dT%H:%M:%SZ"))?;
    }
    Ok(())
}
