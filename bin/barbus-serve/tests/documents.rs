//! The documents, rules and dashboards name metrics and paths that exist.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::market::{Market, OPEN_MS};
use crate::support::server::Server;

fn document(name: &str) -> String {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every word of a text that begins as the metrics do. Names of alerts and files have other forms.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("barbus_") && !word.starts_with("barbus_token")).map(str::to_owned).collect()
}

/// The metrics of the table in docs/MONITORING.md: a line for each.
fn documented() -> BTreeSet<String> {
    let text = document("MONITORING.md");
    text.lines()
        .filter(|line| line.starts_with("| `barbus_"))
        .flat_map(|line| metrics_in(line.split('|').nth(1).unwrap()))
        .collect()
}

#[test]
fn rules_and_dashboard_use_documented_metrics() {
    let known = documented();
    for name in ["monitoring/barbus.rules.yml", "monitoring/barbus.rules.test.yml", "monitoring/barbus.dashboard.json"]
    {
        let used = metrics_in(&document(name));
        assert!(used.len() > 5, "{name} uses {used:?}");
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

/// The unit test of `metrics` compares the table with every metric that there can be; this compares
/// it with a scrape.
#[test]
fn a_scrape_has_documented_metrics_only() {
    let mut market = Market::stocks();
    market.push_minutes(&["600000.XSHG"], OPEN_MS, 1, 5);
    let server = Server::start(&market.path());
    let scrape = server.get("/metrics");
    let found: BTreeSet<String> = scrape
        .text()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| metrics_in(line).pop_first().unwrap())
        .collect();
    let known = documented();
    let unknown: Vec<_> = found.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(found.len() > 30, "{found:?}");
}

#[test]
fn the_dashboard_has_panels_with_questions() {
    let dashboard: Value = serde_json::from_str(&document("monitoring/barbus.dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 10);
    let mut ids = BTreeSet::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "two panels have one id: {panel}");
        assert!(panel["title"].is_string() && panel["gridPos"]["w"].is_number(), "{panel}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(targets.iter().all(|target| target["expr"].as_str().is_some_and(|expr| expr.contains("barbus_"))));
    }
}

#[test]
fn every_path_of_the_document_is_answered() {
    let market = Market::stocks();
    let server = Server::start(&market.path());
    let text = document("MONITORING.md");
    let paths = [
        "/metrics",
        "/healthz",
        "/readyz",
        "/api/bars",
        "/api/latest",
        "/api/stat",
        "/api/buses",
        "/api/marks",
        "/api/watch",
    ];
    for path in paths {
        assert!(text.contains(&format!("`{path}`")), "{path} is not documented");
        assert_ne!(server.get(path).status, 404, "{path}");
    }
}
