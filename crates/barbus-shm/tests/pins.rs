//! Pins between a writer and readers of one file, and their fate after a fork or a kill.

use std::sync::{Arc, Mutex};

use barbus_shm::{
    ByteRanges, Memory, Pin, PinRefusal, PinWatch, PinnedBytes, ReadMap, ReaderMemory, Store, WriteMap, WriterMemory,
    allocate,
};

fn maps() -> (tempfile::TempDir, WriteMap, ReadMap) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("map");
    allocate(&path, 8192).unwrap();
    (dir, WriteMap::open(&path).unwrap(), ReadMap::open(&path).unwrap())
}

fn ranges(offset: usize, count: usize) -> ByteRanges {
    ByteRanges { offset, len: 1024, count }
}

/// First and last byte of each lock that the kernel has for the file of `map`.
fn locks(map: &ReadMap) -> Vec<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", map.file().metadata().unwrap().ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let mut found: Vec<_> = locks
        .lines()
        .filter(|line| line.contains("OFDLCK") && line.contains(&inode))
        .map(|line| {
            let mut words = line.split_whitespace().rev();
            let last = words.next().unwrap().parse().unwrap();
            (words.next().unwrap().parse().unwrap(), last)
        })
        .collect();
    found.sort_unstable();
    found
}

/// Promise 3: each range of a run stays pinned exactly until its last pin is dropped,
/// for any combination of pins.
#[test]
fn a_run_is_locked_by_one_call_and_each_of_its_ranges_is_counted() {
    let (_dir, writer, reader) = maps();
    let claimable = || {
        let free = ranges(0, 8).offsets().filter(|&offset| writer.claim(offset)).collect::<Vec<_>>();
        free.iter().for_each(|&offset| writer.unclaim(offset));
        free.into_iter().map(|offset| offset / 1024).collect::<Vec<_>>()
    };
    let run = Pin::take(&reader, ranges(1024, 5)).unwrap().unwrap();
    assert_eq!((claimable(), locks(&reader)), (vec![0, 6, 7], vec![(1024, 6 * 1024 - 1)]));
    let inside = Pin::take(&reader, ranges(3 * 1024, 1)).unwrap().unwrap();
    let across = Pin::take(&reader, ranges(5 * 1024, 2)).unwrap().unwrap();
    assert_eq!((claimable(), locks(&reader)), (vec![0, 7], vec![(1024, 7 * 1024 - 1)]));
    drop(run);
    assert_eq!(claimable(), [0, 1, 2, 4, 7]);
    assert_eq!(locks(&reader), [(3 * 1024, 4 * 1024 - 1), (5 * 1024, 7 * 1024 - 1)]);
    // While one range is claimed, the whole run cannot be pinned, and no lock of it stays.
    assert!(writer.claim(4 * 1024));
    assert!(Pin::take(&reader, ranges(2 * 1024, 6)).unwrap().is_err());
    writer.unclaim(4 * 1024);
    assert_eq!(claimable(), [0, 1, 2, 4, 7]);
    drop((inside, across));
    assert_eq!((claimable().len(), locks(&reader)), (8, vec![]));
}

#[derive(Debug, Default)]
struct Watch(Mutex<Vec<u64>>);

impl PinWatch for Watch {
    fn held(&self, count: usize) -> u64 {
        let mut counts = self.0.lock().unwrap();
        counts.push(count as u64);
        counts.len() as u64 - 1
    }
    fn released(&self, tickets: &[u64]) {
        let mut counts = self.0.lock().unwrap();
        tickets.iter().for_each(|&ticket| counts[ticket as usize] -= 1);
    }
}

#[test]
fn a_watch_learns_of_each_range_once() {
    let (_dir, _writer, reader) = maps();
    let watch = Arc::new(Watch::default());
    reader.watch_pins(Arc::clone(&watch) as _);
    let held = || watch.0.lock().unwrap().clone();
    let one = Pin::take(&reader, ranges(1024, 1)).unwrap().unwrap();
    let run = Pin::take(&reader, ranges(0, 4)).unwrap().unwrap();
    let again = Pin::take(&reader, ranges(2 * 1024, 1)).unwrap().unwrap();
    assert_eq!(held(), [1, 3]);
    drop(run);
    assert_eq!(held(), [1, 1]);
    drop((one, again));
    assert_eq!(held(), [0, 0]);
}

/// A child that drops its copies of its parent's pins releases none of them, and it can pin nothing
/// through its parent's map.
#[test]
fn a_forked_child_leaves_its_parents_pins_alone() {
    let (_dir, writer, reader) = maps();
    let run = Pin::take(&reader, ranges(0, 4)).unwrap().unwrap();
    // SAFETY: the child makes only loads and system calls: it touches no mutex and frees
    // nothing. The parent only waits.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let refused = matches!(reader.pin(ranges(0, 1)), Ok(Err(PinRefusal::Claimed)));
            reader.unpin(ranges(0, 4));
            libc::_exit(i32::from(!refused));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert_eq!(status, 0);
    }
    assert!(!writer.claim(0) && !writer.claim(3 * 1024));
    drop(run);
    assert!(writer.claim(0) && writer.claim(3 * 1024));
}

/// Promise 3: a pinned range cannot be claimed, for any number of pins and any order in which they
/// are dropped.
#[test]
fn a_pinned_byte_cannot_be_claimed_until_the_last_pin_is_dropped() {
    let (dir, writer, reader) = maps();
    let other = ReadMap::open(&dir.path().join("map")).unwrap();
    let pins = [&reader, &reader, &other].map(|map| Pin::take(map, ranges(4096, 1)).unwrap().unwrap());
    for pin in pins {
        assert!(!writer.claim(4096));
        assert!(writer.claim(0), "another range");
        writer.unclaim(0);
        drop(pin);
    }
    assert!(writer.claim(4096));
    assert_eq!(Pin::take(&reader, ranges(4096, 1)).unwrap().err(), Some(PinRefusal::Claimed));
    writer.unclaim(4096);
    assert!(Pin::take(&reader, ranges(4096, 1)).unwrap().is_ok());
}

/// Promise 2: a map pins as many ranges as its limit and no more, whatever is asked of it. A range
/// that is pinned already costs nothing of the limit.
#[test]
fn a_limit_of_pins_is_kept() {
    let (_dir, writer, reader) = maps();
    reader.limit_pins(3);
    let limited = |offset, count| Pin::take(&reader, ranges(offset, count)).unwrap().err();
    let run = Pin::take(&reader, ranges(0, 2)).unwrap().unwrap();
    let third = Pin::take(&reader.clone(), ranges(4 * 1024, 1)).unwrap().unwrap();
    assert_eq!(limited(5 * 1024, 1), Some(PinRefusal::LimitReached));
    assert_eq!(limited(1024, 2), Some(PinRefusal::LimitReached), "one of the two would be a fourth");
    assert_eq!(limited(1024, 1), None);
    assert!(writer.claim(5 * 1024) && writer.claim(2 * 1024), "a refused pin locks nothing");
    [2, 5].iter().for_each(|range| writer.unclaim(range * 1024));
    drop(third);
    assert_eq!(limited(1024, 2), None);
    drop(run);
}

#[test]
fn pinned_bytes_outlive_the_map_and_keep_the_pin() {
    let (_dir, writer, reader) = maps();
    writer.words64(64, 1)[0].set(u64::from_le_bytes(*b"unmoving"));
    let pin = Arc::new(Pin::take(&reader, ranges(0, 1)).unwrap().unwrap());
    let bytes = PinnedBytes::new(&reader, Some(pin), 64, 8);
    drop(reader);
    let again = bytes.clone();
    assert_eq!(&*std::thread::spawn(move || bytes.to_vec()).join().unwrap(), b"unmoving");
    assert!(!writer.claim(0));
    assert_eq!(&*again, b"unmoving");
    drop(again);
    assert!(writer.claim(0));
}

/// The kernel releases the pins of a dead process.
#[test]
fn a_killed_process_pins_nothing() {
    let (dir, writer, _reader) = maps();
    let script = "import fcntl,struct,sys,time\nf=open(sys.argv[1],'rb')\n\
        fcntl.fcntl(f,37,struct.pack('hhqqi4x',fcntl.F_RDLCK,0,4096,1,0))\nprint(flush=True)\ntime.sleep(600)";
    let mut child = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(dir.path().join("map"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert!(!writer.claim(4096));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(writer.claim(4096));
}
