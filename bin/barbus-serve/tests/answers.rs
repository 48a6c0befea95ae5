//! Health, states and bars as JSON and Arrow, and errors.

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use arrow::ipc::reader::StreamReader;
use serde_json::json;

use crate::support::market::{DAY_BEFORE_MS, MINUTE_MS, Market, OPEN_MS};
use crate::support::server::Server;
use crate::support::until;

const SYMBOLS: [&str; 3] = ["000001.XSHE", "600000.XSHG", "688001.XSHG"];

/// A whole day in the archive, and the first half hour of the next one.
fn two_days() -> (Market, Server) {
    let mut market = Market::stocks();
    market.push_minutes(&SYMBOLS, DAY_BEFORE_MS, 1, 330);
    market.close_day();
    market.push_minutes(&SYMBOLS, OPEN_MS, 1, 30);
    let server = Server::start(&market.path());
    (market, server)
}

#[test]
fn bars_come_from_the_archive_and_the_ring() {
    let (_market, server) = two_days();
    let all = server.get("/api/bars?symbols=600000.XSHG").json();
    let data = all["data"].as_array().unwrap();
    assert_eq!(data.len(), 240 + 30);
    assert_eq!(all["columns"][0], "symbol");
    assert_eq!(data[0][1], DAY_BEFORE_MS + MINUTE_MS);
    assert_eq!(data[269][1], OPEN_MS + 30 * MINUTE_MS);
    assert_eq!(all["zone"], "Asia/Shanghai");
    assert_eq!(all["next_seq"], 3 * 270);

    let half_hours = server.get("/api/bars?symbols=600000.XSHG&interval=30m&from=2024-07-04").json();
    assert_eq!(half_hours["data"].as_array().unwrap().len(), 1);
    let last = server.get("/api/bars?last=2&columns=close&to=2024-07-04T10:00:00%2B08:00").json();
    assert_eq!(last["columns"], json!(["symbol", "frame", "close"]));
    assert_eq!(last["data"].as_array().unwrap().len(), 6);
    let latest = server.get("/api/latest?symbols=000001.XSHE,688001.XSHG").json();
    let symbols: Vec<&str> = latest["data"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(symbols, ["000001.XSHE", "688001.XSHG"]);
}

#[test]
fn the_same_bars_come_as_arrow() {
    let (_market, server) = two_days();
    let path = "/api/bars?symbols=600000.XSHG&last=40";
    let json = server.get(path).json();
    let stream = "application/vnd.apache.arrow.stream";
    let by_header = server.get_with(path, &[("Accept", stream)]);
    let by_parameter = server.get(&format!("{path}&format=arrow"));
    for answer in [by_header, by_parameter] {
        assert_eq!(answer.header("content-type"), Some(stream));
        let reader = StreamReader::try_new(answer.body.as_slice(), None).unwrap();
        assert_eq!(reader.schema().metadata()["barbus.shortfalls"], "[]");
        let mut rows = Vec::new();
        for batch in reader.map(Result::unwrap) {
            let frames = batch["frame"].as_primitive::<TimestampMillisecondType>().clone();
            let closes = batch["close"].as_primitive::<Float64Type>().clone();
            rows.extend(frames.values().iter().zip(closes.values()).map(|(frame, close)| json!([frame, close])));
        }
        let expected = json["data"].as_array().unwrap().iter().map(|row| json!([row[1], row[5]]));
        assert_eq!(rows, expected.collect::<Vec<_>>());
    }
    let stat = server.get("/api/stat?format=arrow");
    let batch = StreamReader::try_new(stat.body.as_slice(), None).unwrap().next().unwrap().unwrap();
    let names: Vec<&str> = batch["name"].as_string::<i32>().iter().flatten().collect();
    let bars = names.iter().position(|name| *name == "stat.bars").unwrap();
    assert_eq!(batch["number"].as_primitive::<Float64Type>().value(bars), 810.0);
}

#[test]
fn a_wrong_question_gets_a_reason() {
    let (_market, server) = two_days();
    for (path, status, reason) in [
        ("/api/bars?symbols=600000.XSHE", 404, "600000.XSHE"),
        ("/api/bars?bus=other", 404, "no such bus: there are bus"),
        ("/api/bars?interval=7h", 400, "1m to 240m"),
        ("/api/bars?from=yesterday", 400, "write a day as"),
        ("/api/bars?from=2024-07-05&to=2024-07-01", 400, "begins after its end"),
        ("/api/bars?last=0", 400, "ask for 1 or more"),
        ("/api/bars?last=-1", 400, "last"),
        ("/api/bars?colour=red", 400, "unknown field `colour`"),
        ("/api/bars?columns=colour", 400, "colour"),
        ("/api/bars?adjust=sideways", 400, "forward or backward"),
        ("/api/bars?format=xml", 400, "json or arrow"),
        ("/api/latest?last=5", 400, "ask /api/bars"),
        ("/api/marks", 400, "symbol"),
        ("/api/marks?symbol=600000.XSHG&from=2024-07-04&to=2024-07-33", 400, "to"),
        ("/api/nothing", 404, "no such path"),
        ("/assets/../Cargo.toml", 404, "no such"),
    ] {
        let answer = server.get(path);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, status, "{path}: {error}");
        assert!(error.contains(reason), "{path}: {error}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    }
    let posted = crate::support::http::request(server.address, "POST", "/api/bars", &[], "");
    assert_eq!(posted.status, 405);
}

#[test]
fn an_answer_has_a_limit_of_rows() {
    let (market, _) = two_days();
    let server = Server::with(&[market.path().to_str().unwrap(), "--max-rows", "100"]);
    let answer = server.get("/api/bars");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("more than 100 rows"), "{}", answer.text());
    assert_eq!(server.get("/api/bars?last=30").status, 200);
}

#[test]
fn marks_are_gaps_late_bars_and_revisions() {
    let mut market = Market::stocks();
    let at = |minute: i64| OPEN_MS + minute * MINUTE_MS;
    for minute in (1..=20).filter(|minute| ![5, 9, 10].contains(minute)) {
        market.push("600000.XSHG", at(minute), 10.0);
        market.push("000001.XSHE", at(minute), 10.0);
    }
    market.push("600000.XSHG", at(5), 10.0);
    market.push("600000.XSHG", at(7), 11.0);
    let server = Server::start(&market.path());
    let marks = server.get("/api/marks?symbol=600000.XSHG").json();
    assert_eq!(marks["late"], json!([at(5)]));
    assert_eq!(marks["revised"], json!([at(7)]));
    assert_eq!(marks["missing"][0], json!([at(9), at(10)]));
}

#[test]
fn health_is_that_of_the_writer_and_of_the_market() {
    let market = Market::with_settings("calendar = \"24x7\"\n[ring]\nsize = \"16MB\"\n");
    let server = Server::with(&[market.path().to_str().unwrap(), "--grace", "0s"]);
    // The market never closes and there is no bar: alive, and not ready.
    let alive = until("the heartbeat", || Some(server.get("/healthz")).filter(|answer| answer.status == 200));
    assert_eq!(alive.json()["ok"], true);
    let ready = server.get("/readyz");
    assert_eq!(ready.status, 503);
    let health = &ready.json()["buses"]["bus"];
    assert_eq!((&health["alive"], &health["ready"]), (&json!(true), &json!(false)));
    assert!(health["reasons"][0].as_str().unwrap().contains("no bar for"), "{health}");
    assert_eq!(server.get("/readyz?bus=other").status, 404);
    // In a grace of a day, no bar is needed yet unless the day is older.
    let patient = Server::with(&[market.path().to_str().unwrap(), "--grace", "24h"]);
    assert_eq!(patient.get("/readyz").status, 200);
}

#[test]
fn several_buses_have_names() {
    let (mut first, mut second) = (Market::stocks(), Market::stocks());
    first.push("600000.XSHG", OPEN_MS + MINUTE_MS, 10.0);
    second.push("688001.XSHG", OPEN_MS + MINUTE_MS, 20.0);
    let [first_path, second_path] = [&first, &second].map(|market| market.path().to_str().unwrap().to_owned());
    let server = Server::with(&[&format!("one={first_path}"), &format!("two={second_path}")]);
    let names: Vec<String> =
        server.get("/api/buses").json().as_array().unwrap().iter().map(|bus| bus["name"].to_string()).collect();
    assert_eq!(names, ["\"one\"", "\"two\""]);
    let symbol = |path: &str| server.get(path).json()["data"][0][0].clone();
    assert_eq!(symbol("/api/latest"), "600000.XSHG");
    assert_eq!(symbol("/api/latest?bus=two"), "688001.XSHG");
    let metrics = server.get("/metrics");
    assert!(metrics.text().contains("barbus_symbols{bus=\"one\"} 1"), "{}", metrics.text());
    assert!(metrics.text().contains("barbus_symbols{bus=\"two\"} 1"));

    let twice = crate::support::server::refused(&[&first_path, &second_path]);
    assert_eq!(twice.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("two buses are called bus"), "{twice:?}");
    let nowhere = crate::support::server::refused(&["/nowhere/bus"]);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("not a bus"), "{nowhere:?}");
}

#[test]
fn the_watch_list_of_a_new_ring_has_the_bars_of_the_archive() {
    let mut market = Market::stocks();
    market.push_minutes(&SYMBOLS, DAY_BEFORE_MS, 1, 330);
    market.close_day();
    let market = market.with_new_ring();
    let server = Server::start(&market.path());
    let list =
        until("the watch list", || Some(server.get("/api/watch").json()).filter(|list| list["rows"][2].is_array()));
    assert_eq!(list["day"], "2024-07-03");
    assert_eq!(list["rows"][0][0][1], DAY_BEFORE_MS + 330 * MINUTE_MS);
}

#[test]
fn a_bus_without_a_ring_is_served() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bus")).unwrap();
    std::fs::write(folder.path().join("bus/bus.toml"), "calendar = \"XSHG\"\n").unwrap();
    let server = Server::start(&folder.path().join("bus"));
    assert_eq!(server.get("/healthz").status, 503);
    assert!(server.get("/metrics").text().contains("barbus_ring_readable{bus=\"bus\"} 0"));
    assert_eq!(server.get("/api/bars").status, 503);
    let watch = until("the reason", || Some(server.get("/api/watch").json()).filter(|list| !list["error"].is_null()));
    assert!(watch["error"].as_str().unwrap().contains("no ring yet"), "{watch}");
}
