//! `verify` finds a flipped bit in any value of a sealed block, and names the block.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use arrow::ipc::{root_as_footer, root_as_message};
use barbus::{Bus, Row};
use barbus_ring::Ring;
use barbus_writer::{Pushed, Writer};

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai.
const OPEN: i64 = 1_720_056_600_000;

/// Promise 9: damage is found and named. The test finds the values as an Arrow reader does.
#[test]
fn a_flipped_bit_in_a_sealed_block_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "calendar = \"XSHG\"\n[ring]\nsize = \"2MB\"\nrows_per_block = 64\n";
    std::fs::write(dir.path().join("bus.toml"), settings).unwrap();
    let bus = Bus::open(dir.path()).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    let symbol = writer.symbol("600000.XSHG").unwrap();
    let mut push = |minute: i64| {
        let close = 8.0 + minute as f64;
        let (open, high, low, volume) = (close, close + 1.0, close - 1.0, 100.0);
        let mut row =
            Row { symbol, frame_ms: OPEN + minute * MINUTE, open, high, low, close, volume, ..Row::default() };
        (row.optional[0], row.present) = (1.5 * close, 1 << (minute % 2));
        assert!(matches!(writer.push(&row).unwrap(), Pushed::Accepted(_)));
    };
    (1..=64 + 17).for_each(&mut push);
    // A full block gets its checksum before its day closes.
    let begun = Instant::now();
    while Ring::attach(&bus.ring()).unwrap().verify().checksums == 0 {
        assert!(begun.elapsed() < Duration::from_secs(240), "no checksum");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The close of the day seals the second block with 24 rows.
    (64 + 18..=64 + 24).for_each(&mut push);
    writer.close_day().unwrap();
    writer.flush().unwrap();
    drop(writer);

    let file = File::options().read(true).write(true).open(bus.ring()).unwrap();
    let ring = Ring::attach(&bus.ring()).unwrap();
    let report = ring.verify();
    assert_eq!((report.blocks, report.checksums, report.problems), (2, 2, vec![]));
    for (block, rows) in [(0, 64), (1, 24)] {
        let mut bytes = 0;
        for (start, length) in buffers(&file, block) {
            // The rows fill their part of each buffer; of a bitmap they fill whole bytes here.
            for at in start..start + length * rows / 64 {
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at).unwrap();
                let problems = ring.verify().problems;
                let named = format!("block {} ", block + 1);
                assert!(problems.iter().any(|problem| problem.starts_with(&named)), "byte {at}: {problems:?}");
                file.write_all_at(&byte, at).unwrap();
                bytes += 1;
            }
        }
        // Symbol, 9 columns of 64 bits, and revision; the bitmaps of two columns are not counted.
        assert!(bytes >= rows * (4 + 9 * 8 + 1), "{bytes} bytes of {rows} rows");
    }
    assert_eq!(ring.verify().problems, [] as [String; 0]);
    assert!(barbus::verify(&bus).unwrap().archive.iter().all(|file| file.outcome.is_ok()));
}

/// Offset and length in the file of each buffer of a record batch of 64 rows, by the footer.
fn buffers(file: &File, batch: usize) -> Vec<(u64, u64)> {
    let read = |at: u64, length: u64| {
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, at).unwrap();
        bytes
    };
    let end = file.metadata().unwrap().len();
    let length = i32::from_le_bytes(read(end - 10, 4).try_into().unwrap()) as u64;
    let footer = read(end - 10 - length, length);
    let footer = root_as_footer(&footer).unwrap();
    let place = *footer.recordBatches().unwrap().get(batch);
    let (at, metadata) = (place.offset() as u64, place.metaDataLength() as u64);
    let message = read(at + 8, metadata - 8);
    let message = root_as_message(&message).unwrap();
    let buffers = message.header_as_record_batch().unwrap().buffers().unwrap();
    buffers.iter().map(|buffer| (at + metadata + buffer.offset() as u64, buffer.length() as u64)).collect()
}
