//! Files that are not valid rings: a reader must fail, and print no bar.

use std::path::Path;

use super::golden::{make_bus, valid_ring};
use super::{Case, Outcome, ReaderCommand};

/// A case for each check of the section "Attach" of docs/FORMAT.md.
pub(super) fn cases() -> anyhow::Result<Vec<Case>> {
    let good = valid_ring()?;
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let files = [
        ("an empty file", Vec::new()),
        ("the first 8,000 bytes of a ring", good[..8_000].to_vec()),
        ("a ring without its last byte", good[..good.len() - 1].to_vec()),
        ("a file of zeros", vec![0; good.len()]),
        ("a ring without its magic", with(0, b'B')),
        ("a ring that was not finished", with(4_104, 0)),
        ("a ring of version 2", with(4_104, 2)),
        ("a ring with another number of slots", with(4_144, 6)),
        ("a ring with another schema", with(100, !good[100])),
    ];
    let cases = files.into_iter().map(|(name, bytes)| {
        let run = move |reader: &ReaderCommand, folder: &Path| refuses(reader, folder, &bytes);
        Case { name: format!("refuses {name}"), run: Box::new(run) }
    });
    Ok(cases.collect())
}

fn refuses(reader: &ReaderCommand, folder: &Path, bytes: &[u8]) -> anyhow::Result<Outcome> {
    let ring = make_bus(folder, bytes, "")?;
    let printed = reader.run(&ring, &["--from", "oldest", "--once"])?;
    Ok(match printed.lines {
        Err(wrong) => Err(wrong),
        Ok(_) if printed.succeeded => Err("it ended as if the ring were valid: end with another exit code".to_owned()),
        Ok(lines) if !lines.is_empty() => Err(format!("it printed {}", lines[0])),
        Ok(_) if printed.end.starts_with("signal") => Err(format!("it crashed: {}", printed.end)),
        Ok(_) => Ok(printed.end),
    })
}
