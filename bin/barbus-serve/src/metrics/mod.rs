//! `/metrics`: the figures of all buses for Prometheus, collected when they are asked for.

mod bus;
mod relays;
mod sheet;
mod tasks;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use crate::api::ApiError;
use crate::server::Server;
use sheet::Sheet;

/// The version of the text format that `promtool` and every Prometheus read.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The figures of every bus and of the server.
pub(crate) async fn scrape(State(server): State<Arc<Server>>) -> Result<Response, ApiError> {
    let mut sheet = Sheet::default();
    for bus in server.buses() {
        let situation = bus.situation(server.grace).await?;
        bus::describe(&mut sheet, bus.name(), &situation);
    }
    describe_server(&mut sheet, &server);
    let text = sheet.text().map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, FORMAT)], text).into_response())
}

fn describe_server(sheet: &mut Sheet, server: &Server) {
    let none: &[(&str, &str)] = &[];
    sheet.gauge("barbus_serve_build_info", "The version of the server.", &[("version", barbus_version::short())], 1.0);
    sheet.gauge("barbus_serve_connections", "Open connections to the server.", none, server.connections.len() as f64);
    let live: usize = server.buses().iter().map(|bus| bus.listeners()).sum();
    sheet.gauge("barbus_serve_live_pages", "Pages that receive new bars.", none, live as f64);
    sheet.counter(
        "barbus_serve_connections_closed",
        "Idle connections that were closed to make room for others.",
        none,
        server.connections.closed_for_others(),
    );
}

impl Sheet {
    /// The sheet in the text format.
    fn text(self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use barbus::protocol::{DayBars, SourceStat, Stat, TaskStat};
    use barbus::{Date, ReaderStat, RelayStat};
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::watch::{Place, Situation};

    /// A bus of which everything is known.
    fn everything() -> Situation {
        let now = Some(Timestamp::UNIX_EPOCH);
        let why = || Some("why".to_owned());
        let day = Date::constant(2024, 7, 4);
        let stat = Stat {
            version: Some("1".into()),
            symbols_max: Some(1),
            rate: Some(1.0),
            last_frame: now,
            last_received: now,
            last_age_s: Some(1.0),
            day: Some(day),
            days: vec![DayBars { day, acknowledged: 1, archived: 1 }],
            accepted: Some(1),
            most_revised: BTreeMap::from([("A".into(), 1)]),
            quarantined: BTreeMap::from([("code".into(), 1)]),
            conflicts: Some(1),
            conflicts_unkept: Some(1),
            outside_sessions: Some(1),
            producers: Some(1),
            readers_lag_bars: Some(1),
            sources: BTreeMap::from([(
                "feed".into(),
                SourceStat { last_frame: now, last_received: now, ..Default::default() },
            )]),
            flushes: Some(TaskStat::default()),
            last_flush_error: why(),
            last_flush_error_at: now,
            archive_free_bytes: Some(1),
            rings_replaced: Some(1),
            rings_held: Some(1),
            rings_held_bytes: Some(1),
            calendar_horizon: Some(day),
            calendar_days_left: Some(1),
            ..Stat::default()
        };
        let reader: ReaderStat = serde_json::from_value(json!({
            "id": "1-0", "name": "strategy", "pid": 1, "uid": 0, "started": null, "state": "live", "position": 0,
            "lag_bars": 1, "lag_s": 1.0, "ring_used": 0.5, "pins": 1, "pins_since": "2024-07-04T00:00:00Z",
        }))
        .unwrap();
        let relay: RelayStat = serde_json::from_value(json!({
            "name": "out-BARS", "direction": "out", "stream": "BARS", "lag_messages": 1, "lag_s": 1.0,
            "last_error_at": "2024-07-04T00:00:00Z",
        }))
        .unwrap();
        let until_full_s = BTreeMap::from([(Place::Archive, 1.0)]);
        Situation {
            stat,
            daemon_answers: true,
            readers: vec![reader],
            relays: vec![relay],
            until_full_s,
            ..Situation::default()
        }
    }

    #[test]
    fn the_document_has_every_metric_and_no_other() {
        let mut sheet = Sheet::default();
        bus::describe(&mut sheet, "bus", &everything());
        let names: BTreeSet<String> = sheet.names().into_iter().collect();
        let document = include_str!("../../../../docs/MONITORING.md");
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `barbus_"));
        let documented: BTreeSet<String> = rows
            .filter_map(|row| Some(format!("barbus_{}", row.split('`').next()?)))
            .filter(|name| !name.starts_with("barbus_serve_"))
            .collect();
        assert_eq!(names, documented);
    }

    #[test]
    fn conflicts_are_rows_of_the_bus_and_of_their_source() {
        let mut situation = everything();
        situation.stat.conflicts = Some(5);
        situation.stat.conflicts_unkept = Some(2);
        situation.stat.last_conflicts_error = Some("no room".into());
        situation.stat.sources.get_mut("feed").expect("it is there").conflicts = 4;
        let mut sheet = Sheet::default();
        bus::describe(&mut sheet, "bus", &situation);
        let text = sheet.text().unwrap();
        for line in [
            r#"barbus_rows_total{bus="bus",outcome="conflict"} 5.0"#,
            r#"barbus_conflicts_unkept_total{bus="bus"} 2.0"#,
            r#"barbus_failing{bus="bus",what="conflicts"} 1.0"#,
            r#"barbus_source_rows_total{bus="bus",source="feed",outcome="conflict"} 4.0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
    }

    #[test]
    fn texts_of_a_bus_cannot_break_a_line() {
        let mut sheet = Sheet::default();
        sheet.gauge("barbus_x", "Help.", &[("reader", "a\"b\\c\nd 1\n# HELP")], 1.0);
        let text = sheet.text().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[2], r#"barbus_x{reader="a\"b\\c\nd 1\n# HELP"} 1.0"#);
    }
}
