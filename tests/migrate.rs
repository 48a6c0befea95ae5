//! A bus whose columns change: its old days are read with the present columns, late bars included,
//! and `barbus migrate` writes them again (promises 7 and 14).

use crate::support::bus::Bus;
use crate::support::python;

fn publish(bus: &Bus, header: &str, rows: &[String]) {
    let text = format!("{header}\n{}\n", rows.join("\n"));
    let file = bus.write("bars.csv", text);
    bus.publish(&file, &["--trust"]);
}

fn rows(day: &str, more: &str) -> Vec<String> {
    (31..=40).map(|minute| format!("600000.XSHG,{day} 09:{minute},10.1,10.1,10.1,10.1,100{more}")).collect()
}

fn closes(bus: &Bus) -> Vec<(String, String, String)> {
    let csv = bus.barbus("bars", ["--format", "csv", "--columns", "day,close,vwap"]).ok();
    let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    csv.lines().skip(1).map(fields).map(|line| (line[2].clone(), line[3].clone(), line[4].clone())).collect()
}

#[test]
fn old_days_have_the_present_columns() {
    let mut bus = Bus::running("XSHG");
    publish(&bus, "symbol,frame,open,high,low,close,volume,money,factor", &rows("2024-07-04", ",1010,1.5"));
    bus.close_day();
    bus.wait_archived();
    bus.stop();
    // A column is added, one is given up, prices and the zone are of another type.
    bus.configure("# optional = [\"money\", \"factor\"]", "optional = [\"money\", \"vwap\"]");
    bus.configure("# price = \"float64\"", "price = \"float32\"");
    bus.start();
    publish(&bus, "symbol,frame,open,high,low,close,volume,money,vwap", &rows("2024-07-05", ",1010,10.05"));
    let expected: Vec<_> = [("2024-07-04", ""), ("2024-07-05", "10.05")]
        .iter()
        .flat_map(|(day, vwap)| vec![((*day).to_owned(), "10.1".to_owned(), (*vwap).to_owned()); 10])
        .collect();
    assert_eq!(closes(&bus), expected);
    // A late bar, and a bar that the old day has already.
    let mut late = rows("2024-07-04", ",1010,");
    late.truncate(1);
    late.push("600000.XSHG,2024-07-04 09:41,10.1,10.1,10.1,10.1,100,,".to_owned());
    publish(&bus, "symbol,frame,open,high,low,close,volume,money,vwap", &late);
    bus.close_day();
    bus.wait_archived();
    let old = bus.archive().parent().unwrap().join("replaced/2024-07-04-1.parquet");
    assert!(old.exists(), "the column that was given up is in the file of before");
    assert_eq!(closes(&bus).len(), 21);
    bus.barbus("verify", [] as [&str; 0]).ok();
    bus.barbus("migrate", [] as [&str; 0]).fails(1, &["has a writer already"]);
    bus.stop();
    let done = bus.barbus("migrate", [] as [&str; 0]).ok();
    assert!(done.contains("0 days written again, 2 had the columns already"), "{done}");
}

#[test]
fn migrate_writes_days_again_and_keeps_what_is_given_up() {
    let mut bus = Bus::running("XSHG");
    publish(&bus, "symbol,frame,open,high,low,close,volume,money,factor", &rows("2024-07-04", ",1010,1.5"));
    bus.close_day();
    bus.wait_archived();
    bus.stop();
    bus.configure("# optional = [\"money\", \"factor\"]", "optional = [\"vwap\"]");
    let before = closes(&bus);
    assert_eq!(before.len(), 10);
    let done = bus.barbus("migrate", [] as [&str; 0]).ok();
    assert!(done.starts_with("2024-07-04: 10 bars written again; the file of before is "), "{done}");
    assert_eq!(closes(&bus), before);
    let script = "
import sys, pyarrow.parquet as pq
names = pq.read_schema(f'{sys.argv[1]}/1m/2024-07-04.parquet').names
assert names == ['symbol', 'frame', 'open', 'high', 'low', 'close', 'volume', 'vwap'], names
kept = pq.read_table(f'{sys.argv[1]}/replaced/2024-07-04-1.parquet')
assert kept['factor'].to_pylist() == [1.5] * 10, kept
";
    let mut command = std::process::Command::new(python::interpreter());
    command.args(["-c", script]).arg(bus.archive().parent().unwrap());
    crate::support::command::finish(&mut command, None).ok();
    bus.start();
    bus.barbus("verify", [] as [&str; 0]).ok();
}
