//! The relays of the bus, which carry its bars to and from other machines.

use barbus::RelayStat;
use jiff::Timestamp;

use super::sheet::Sheet;

/// Adds the figures of the relays of the bus `name`.
pub(super) fn describe(sheet: &mut Sheet, name: &str, relays: &[RelayStat], now: Timestamp) {
    for relay in relays {
        describe_relay(sheet, name, relay, now);
    }
}

fn describe_relay(sheet: &mut Sheet, bus: &str, relay: &RelayStat, now: Timestamp) {
    let direction = relay.direction.as_str();
    let labels = [("bus", bus), ("relay", &*relay.name), ("direction", direction), ("stream", &*relay.stream)];
    let flag = |value: bool| f64::from(u8::from(value));
    let mut gauge = |name, help, value: Option<f64>| sheet.gauge(name, help, &labels, value);
    let help = "Whether the relay runs, as far as its report shows: 1 or 0.";
    gauge("barbus_relay_alive", help, Some(flag(relay.is_alive(now))));
    let help = "Whether the relay is connected to its message server: 1 or 0.";
    gauge("barbus_relay_connected", help, Some(flag(relay.is_alive(now) && relay.connected)));
    let help = "Messages that the relay has yet to carry, or whose acknowledgement is missing.";
    gauge("barbus_relay_lag_messages", help, relay.lag_messages.map(|messages| messages as f64));
    gauge("barbus_relay_lag_seconds", "Age of the oldest of these messages.", relay.lag_s);
    let failed = relay.last_error_at.map(|at| at.as_millisecond() as f64 / 1000.0);
    gauge("barbus_relay_last_failure_timestamp_seconds", "When the relay failed last.", failed);
    let mut counter = |name, help, value: u64| sheet.counter(name, help, &labels, value);
    counter("barbus_relay_messages", "Messages that the relay has carried since it started.", relay.messages);
    counter("barbus_relay_bars", "Bars in these messages.", relay.bars);
    counter("barbus_relay_bytes", "Size of these messages.", relay.bytes);
    let help = "Bars that the bus had already, of a relay that brings bars.";
    counter("barbus_relay_duplicates", help, relay.duplicates);
    let help = "Bars with other values than a source of a higher priority gave.";
    counter("barbus_relay_conflicts", help, relay.conflicts);
    let help = "Bars that the bus has quarantined or refused, of a relay that brings bars.";
    counter("barbus_relay_rejected", help, relay.rejected);
    let help = "Bars that the stream had dropped before the relay read them.";
    counter("barbus_relay_missed", help, relay.missed);
    let help = "Messages that were delivered to the relay again.";
    counter("barbus_relay_redelivered", help, relay.redelivered);
    let help = "Messages on the stream that no relay has written.";
    counter("barbus_relay_foreign", help, relay.foreign);
    let help = "How often the relay began again after a failure.";
    counter("barbus_relay_reconnects", help, relay.reconnects);
}
