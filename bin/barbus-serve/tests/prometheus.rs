//! What promtool says of the metrics, and a Prometheus that scrapes them.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::http;
use crate::support::market::{Market, OPEN_MS};
use crate::support::server::Server;
use crate::support::{has_program, until};

/// Runs promtool and returns what it says if it is not content.
fn promtool(arguments: &[&str], input: &[u8]) -> Result<(), String> {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    if output.status.success() { Ok(()) } else { Err(said) }
}

fn monitoring() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring"))
}

#[test]
fn promtool_finds_no_fault_in_the_metrics() {
    if !has_program("promtool") {
        return;
    }
    let mut market = Market::stocks();
    market.push_minutes(&["600000.XSHG"], OPEN_MS, 1, 5);
    let server = Server::start(&market.path());
    let answer = server.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    promtool(&["check", "metrics"], &answer.body).unwrap_or_else(|said| panic!("{said}"));
}

#[test]
fn the_rules_pass_their_tests() {
    if !has_program("promtool") {
        return;
    }
    let rules = monitoring().join("barbus.rules.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()], b"").unwrap_or_else(|said| panic!("{said}"));
    let tests = monitoring().join("barbus.rules.test.yml");
    promtool(&["test", "rules", tests.to_str().unwrap()], b"").unwrap_or_else(|said| panic!("{said}"));
}

#[test]
fn a_prometheus_scrapes_the_server() {
    if !has_program("prometheus") {
        return;
    }
    let mut market = Market::stocks();
    market.push_minutes(&["600000.XSHG", "000001.XSHE"], OPEN_MS, 1, 5);
    let server = Server::start(&market.path());
    let folder = tempfile::tempdir().unwrap();
    // A free port: Prometheus cannot be told to choose one.
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = format!(
        "global:\n  scrape_interval: 1s\nrule_files: [{:?}]\nscrape_configs:\n  - job_name: barbus\n    \
         static_configs: [{{targets: [{:?}]}}]\n",
        monitoring().join("barbus.rules.yml").canonicalize().unwrap(),
        server.address.to_string()
    );
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, settings).unwrap();
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ask = |query: &str| -> Option<Value> {
        std::net::TcpStream::connect(address).ok()?;
        let answer = http::get(address, &format!("/api/v1/query?query={query}"), &[]);
        // It starts to listen before it can answer.
        let answer = (answer.status == 200).then(|| answer.json())?;
        answer["data"]["result"][0]["value"][1].is_string().then(|| answer["data"]["result"][0].clone())
    };
    let bars = until("a scrape", || ask("barbus_bars_total"));
    let up = until("up", || ask("up"));
    let rules = http::get(address, "/api/v1/rules", &[]).json();
    let _ = prometheus.kill();
    let _ = prometheus.wait();
    assert_eq!((&bars["value"][1], &bars["metric"]["bus"]), (&"10".into(), &"bus".into()));
    assert_eq!(up["value"][1], "1");
    let groups = rules["data"]["groups"].as_array().unwrap();
    let loaded = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    assert!(loaded.count() > 10, "{rules}");
}
