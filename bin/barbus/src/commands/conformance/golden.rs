//! Rings of every version of the format, and what they hold.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use super::lines::compare;
use super::{Case, Outcome};

/// A golden ring: its file, the list of its content, and the columns of its bus.
struct Golden {
    name: &'static str,
    ring: &'static [u8],
    content: &'static str,
    columns: &'static str,
    optional: &'static [&'static str],
}

const GOLDEN: [Golden; 2] = [
    Golden {
        name: "v1",
        ring: include_bytes!("../../../../../crates/barbus-ring/tests/golden/v1.ring.gz"),
        content: include_str!("../../../../../crates/barbus-ring/tests/golden/v1.csv"),
        columns: "optional = [\"money\", \"factor\"]",
        optional: &["money", "factor"],
    },
    Golden {
        name: "v1-float32",
        ring: include_bytes!("../../../../../crates/barbus-ring/tests/golden/v1-float32.ring.gz"),
        content: include_str!("../../../../../crates/barbus-ring/tests/golden/v1-float32.csv"),
        columns: "price = \"float32\"\noptional = [\"factor\"]",
        optional: &["factor"],
    },
];

/// Offset of the boot that the last writer ran in, as docs/FORMAT.md has it.
const BOOT_ID: usize = 4752;

/// Each ring from its first number on, from its oldest bar, and from a bar within.
pub(super) fn cases() -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for golden in &GOLDEN {
        let lines = golden.lines()?;
        let is_bar = |line: &&Value| line.get("event").is_none();
        let first = lines.iter().position(|line| is_bar(&line)).context("a golden ring has bars")?;
        let first_seq = lines[first]["seq"].as_u64().context("a number")?;
        let missed = lines.first().and_then(|line| line["missed"].as_u64()).unwrap_or(0);
        let within = lines.iter().rposition(|line| is_bar(&line)).context("a golden ring has bars")? - 1;
        for (from, skipped) in [
            ((first_seq - missed).to_string(), 0),
            ("oldest".to_owned(), first),
            (lines[within]["seq"].to_string(), within),
        ] {
            let expected = lines[skipped..].to_vec();
            let name = format!("golden ring {} from {from}", golden.name);
            let run = move |reader: &super::ReaderCommand, folder: &Path| -> anyhow::Result<Outcome> {
                let ring = golden.unpack(folder)?;
                Ok(compare(&reader.run(&ring, &["--from", &from, "--once"])?, &expected))
            };
            cases.push(Case { name, run: Box::new(run) });
        }
    }
    Ok(cases)
}

impl Golden {
    /// Makes a bus of the ring, and returns the ring's path.
    fn unpack(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(self.ring).read_to_end(&mut bytes)?;
        make_bus(folder, &bytes, self.columns)
    }

    /// What a reader prints after its first line.
    fn lines(&self) -> anyhow::Result<Vec<Value>> {
        let table: Vec<Vec<&str>> = self.content.lines().map(|line| line.split(',').collect()).collect();
        let symbols: Vec<&str> = table.iter().filter(|row| row[0] == "symbol").map(|row| row[2]).collect();
        let number = |text: &str| text.parse::<i64>().with_context(|| text.to_owned());
        let rows = table.iter().filter(|row| row[0] != "symbol");
        let lines = rows.map(|row| -> anyhow::Result<Value> {
            Ok(match *row.as_slice() {
                ["lapped", missed] => json!({"event": "lapped", "missed": number(missed)?}),
                ["day_closed", day] => {
                    let day = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(number(day)?))?;
                    json!({"event": "day_closed", "day": day.to_string()})
                }
                ["row", seq, symbol, frame, ref values @ .., received, revision] => {
                    let symbol = symbols[number(symbol)? as usize];
                    let mut bar = json!({"symbol": symbol, "frame_ms": number(frame)?, "seq": number(seq)?,
                        "received_ns": number(received)?, "revision": number(revision)?});
                    let names = ["open", "high", "low", "close", "volume"];
                    for (name, text) in names.iter().chain(self.optional).zip(values) {
                        bar[*name] = text.parse::<f64>().map_or(Value::Null, Value::from);
                    }
                    bar
                }
                _ => anyhow::bail!("{}: {row:?}", self.name),
            })
        });
        lines.collect()
    }
}

/// The bytes of the first golden ring.
pub(super) fn valid_ring() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(GOLDEN[0].ring).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a bus with this ring, as if its writer had run in the present boot.
pub(super) fn make_bus(folder: &Path, ring: &[u8], columns: &str) -> anyhow::Result<PathBuf> {
    let bus = folder.join("bus");
    std::fs::create_dir(&bus)?;
    std::fs::write(bus.join("bus.toml"), format!("calendar = \"XSHG\"\n[bars]\n{columns}\n"))?;
    let mut bytes = ring.to_vec();
    if let Some(place) = bytes.get_mut(BOOT_ID..BOOT_ID + 16) {
        place.copy_from_slice(&boot_id()?);
    }
    let path = bus.join("bars.ring");
    std::fs::write(&path, bytes)?;
    Ok(path)
}

/// The 32 digits of the boot's id, two to a byte.
fn boot_id() -> anyhow::Result<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    Ok(u128::from_str_radix(&digits, 16).context("the id of the boot")?.to_be_bytes())
}
