//! Holding pieces of a file against its writer: shared locks on their bytes, and what is frozen under them.
//!
//! The locks are of the open file description (`F_OFD_SETLK`): they work on a read-only descriptor, and the kernel gives them back when the
//! last copy of the descriptor is closed, so also when the process dies, however it dies. A forked child has a copy: what its parent had
//! pinned stays pinned until the child ends as well. Locks of one description merge, therefore they are counted here.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::{ReadMap, ReaderMemory, ShmError, process};

/// Pieces of a file that lie one behind the other. Each is held or claimed by itself; many are locked by one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pieces {
    /// Where the first one begins.
    pub offset: usize,
    /// Bytes of each.
    pub len: usize,
    /// Number of them.
    pub count: usize,
}

impl Pieces {
    /// Where each of them begins.
    pub fn offsets(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |i| self.offset + i * self.len)
    }

    fn bytes(self) -> Range<usize> {
        self.offset..self.offset + self.count * self.len
    }
}

/// Is told how many pieces are held, by the thread that pins or lets go.
pub trait PinWatch: Send + Sync + std::fmt::Debug {
    /// So many more are held: a ticket for each of them, the same, which it gives back when it is let go.
    fn held(&self, pieces: usize) -> u64;
    /// The pieces that give these back are held no more.
    fn released(&self, tickets: &[u64]);
}

/// How often each piece is pinned through one open file, by the process that opened it.
///
/// A forked child shares the description, and so the locks: an unlock there would take its parent's pins away, and its pins would end with the
/// parent's. It touches neither, nor the mutex, which a thread of the parent may have held.
#[derive(Debug)]
pub(crate) struct Pins {
    pid: u32,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By where they begin.
    pieces: BTreeMap<usize, Piece>,
    watch: Option<Arc<dyn PinWatch>>,
    /// Tickets on their way back.
    freed: Vec<u64>,
}

#[derive(Debug)]
struct Piece {
    count: usize,
    ticket: Option<u64>,
}

impl Default for Pins {
    fn default() -> Self {
        Self { pid: process::id(), held: Mutex::default() }
    }
}

impl Pins {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In a forked child nothing is pinned, let go or told.
    fn is_of_parent(&self) -> bool {
        process::id() != self.pid
    }

    pub(crate) fn watch(&self, watch: Arc<dyn PinWatch>) {
        if !self.is_of_parent() {
            self.held().watch = Some(watch);
        }
    }

    /// All of them or none: false while one is claimed. No call where all are held already.
    pub(crate) fn take(&self, file: &File, pieces: Pieces) -> Result<bool, Errno> {
        if self.is_of_parent() {
            return Ok(false);
        }
        let held = &mut *self.held();
        if let (1, Some(piece)) = (pieces.count, held.pieces.get_mut(&pieces.offset)) {
            piece.count += 1;
            return Ok(true);
        }
        let new = pieces.offsets().filter(|offset| !held.pieces.contains_key(offset)).count();
        // What is locked already stays so: one call for all is no more than for the rest.
        if new > 0 && !lock(file, pieces.bytes(), libc::F_RDLCK)? {
            return Ok(false);
        }
        let ticket = held.watch.as_ref().filter(|_| new > 0).map(|watch| watch.held(new));
        for offset in pieces.offsets() {
            held.pieces.entry(offset).or_insert_with(|| Piece { count: 0, ticket }).count += 1;
        }
        Ok(true)
    }

    /// One call for those that lie together and that nobody else holds.
    pub(crate) fn give_back(&self, file: &File, pieces: Pieces) {
        if self.is_of_parent() {
            return;
        }
        let held = &mut *self.held();
        let mut free = 0..0;
        for offset in pieces.offsets() {
            let Entry::Occupied(mut piece) = held.pieces.entry(offset) else { continue };
            piece.get_mut().count -= 1;
            if piece.get().count > 0 {
                continue;
            }
            held.freed.extend(piece.remove().ticket);
            if free.end != offset {
                unlock(file, free);
                free = offset..offset;
            }
            free.end = offset + pieces.len;
        }
        unlock(file, free);
        if let Some(watch) = held.watch.as_ref().filter(|_| !held.freed.is_empty()) {
            watch.released(&held.freed);
        }
        held.freed.clear();
    }
}

/// The exclusive lock on a piece's first byte, where nobody has pinned it. A refusal for another reason is taken for a pin.
pub(crate) fn claim(file: &File, offset: usize) -> bool {
    lock(file, offset..offset + 1, libc::F_WRLCK).unwrap_or(false)
}

pub(crate) fn unclaim(file: &File, offset: usize) {
    unlock(file, offset..offset + 1);
}

fn unlock(file: &File, bytes: Range<usize>) {
    // A length of 0 would mean: up to the file's end.
    if !bytes.is_empty() {
        let _ = lock(file, bytes, libc::F_UNLCK);
    }
}

fn lock(file: &File, bytes: Range<usize>, kind: i32) -> Result<bool, Errno> {
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: bytes.start as libc::off_t,
        l_len: bytes.len() as libc::off_t,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A pin: a shared lock on pieces of a file, held while the value lives. Their writer does not reuse what they stand for meanwhile.
#[derive(Debug)]
pub struct Pin<M: ReaderMemory = ReadMap> {
    map: M,
    pieces: Pieces,
}

impl<M: ReaderMemory> Pin<M> {
    /// Pins all of `pieces`; `None` while the writer has claimed one of them. It makes no system call where all are pinned through this map.
    pub fn take(map: &M, pieces: Pieces) -> Result<Option<Self>, ShmError> {
        Ok(map.pin(pieces)?.then(|| Self { map: map.clone(), pieces }))
    }
}

impl<M: ReaderMemory> Pin<M> {
    /// The map.
    pub fn map(&self) -> &M {
        &self.map
    }
}

impl Pin {
    /// `len` bytes from `offset` on, of those that do not change while they are pinned: as [`Frozen`], by its contract, without holding more.
    ///
    /// # Panics
    /// When they are not inside of what is pinned.
    pub fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        let (pinned, end) = (self.pieces.bytes(), offset.saturating_add(len));
        assert!(pinned.start <= offset && end <= pinned.end, "{offset}..{end} is not in {pinned:?}");
        // SAFETY: inside of the mapping by `ReadMap::bytes`; `map` keeps it mapped while `self` lives, to which the slice is bound. Nobody stores to
        // it meanwhile by the contract of `Frozen`: it is pinned by `self`.
        unsafe { &*self.map.bytes(offset, len) }
    }
}

impl<M: ReaderMemory> Drop for Pin<M> {
    fn drop(&mut self) {
        self.map.unpin(self.pieces);
    }
}

/// Bytes of a read-only map that do not change any more: a plain slice, for as long as it lives, whoever else is dropped.
///
/// # The file's contract
/// A `&[u8]` over shared memory is sound only while nobody stores to those bytes. Whoever makes a value of this type says so, by the rules of the
/// file's format: the bytes were written before, their writer stores to them again only when he has claimed the piece under `pin`
/// ([`crate::WriterMemory::claim`]), or never, where there is no pin. A file whose writer breaks that rule is outside of what Rust can prove, as
/// with every map of a file.
#[derive(Clone)]
pub struct Frozen {
    bytes: *const [u8],
    _map: ReadMap,
    _pin: Option<Arc<Pin>>,
}

// SAFETY: the bytes are not written while the value lives (the contract above), so they may be read from any thread; the map that keeps them
// mapped and the pin are `Send` and `Sync` themselves.
unsafe impl Send for Frozen {}
// SAFETY: as above.
unsafe impl Sync for Frozen {}

impl Frozen {
    /// `len` bytes of `map` from `offset` on, under `pin`, or such as are never written again.
    ///
    /// # Panics
    /// When they are not inside of the map.
    pub fn new(map: &ReadMap, pin: Option<Arc<Pin>>, offset: usize, len: usize) -> Self {
        Self { bytes: map.bytes(offset, len), _map: map.clone(), _pin: pin }
    }
}

impl Deref for Frozen {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `bytes` is inside of the mapping, which `_map` keeps mapped while `self`, to which the slice is bound, lives; nobody stores to
        // it meanwhile by the contract of the type.
        unsafe { &*self.bytes }
    }
}

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for Frozen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frozen({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Memory, Store, WriteMap, WriterMemory, allocate};

    fn maps() -> (tempfile::TempDir, WriteMap, ReadMap) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map");
        allocate(&path, 8192).unwrap();
        (dir, WriteMap::open(&path).unwrap(), ReadMap::open(&path).unwrap())
    }

    fn pieces(offset: usize, count: usize) -> Pieces {
        Pieces { offset, len: 1024, count }
    }

    /// The locks on `map` that the kernel knows, as first and last byte.
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

    /// Promise 3: each piece of a run is held until the last pin on it is gone, whichever pins it was taken by, and not longer.
    #[test]
    fn a_run_is_locked_at_once_and_each_of_its_pieces_counted() {
        let (_dir, writer, reader) = maps();
        let claimable = || {
            let free = pieces(0, 8).offsets().filter(|&offset| writer.claim(offset)).collect::<Vec<_>>();
            free.iter().for_each(|&offset| writer.unclaim(offset));
            free.into_iter().map(|offset| offset / 1024).collect::<Vec<_>>()
        };
        let run = Pin::take(&reader, pieces(1024, 5)).unwrap().unwrap();
        assert_eq!((claimable(), locks(&reader)), (vec![0, 6, 7], vec![(1024, 6 * 1024 - 1)]));
        let inside = Pin::take(&reader, pieces(3 * 1024, 1)).unwrap().unwrap();
        let across = Pin::take(&reader, pieces(5 * 1024, 2)).unwrap().unwrap();
        assert_eq!((claimable(), locks(&reader)), (vec![0, 7], vec![(1024, 7 * 1024 - 1)]));
        drop(run);
        assert_eq!(claimable(), [0, 1, 2, 4, 7]);
        assert_eq!(locks(&reader), [(3 * 1024, 4 * 1024 - 1), (5 * 1024, 7 * 1024 - 1)]);
        // One that is claimed keeps the whole run from being taken, and nothing of it is left behind.
        assert!(writer.claim(4 * 1024));
        assert!(Pin::take(&reader, pieces(2 * 1024, 6)).unwrap().is_none());
        writer.unclaim(4 * 1024);
        assert_eq!(claimable(), [0, 1, 2, 4, 7]);
        drop((inside, across));
        assert_eq!((claimable().len(), locks(&reader)), (8, vec![]));
    }

    #[derive(Debug, Default)]
    struct Watch(Mutex<Vec<u64>>);

    impl PinWatch for Watch {
        fn held(&self, pieces: usize) -> u64 {
            let mut told = self.0.lock().unwrap();
            told.push(pieces as u64);
            told.len() as u64 - 1
        }
        fn released(&self, tickets: &[u64]) {
            let mut told = self.0.lock().unwrap();
            tickets.iter().for_each(|&ticket| told[ticket as usize] -= 1);
        }
    }

    #[test]
    fn who_watches_is_told_of_each_piece_once() {
        let (_dir, _writer, reader) = maps();
        let watch = Arc::new(Watch::default());
        reader.watch_pins(Arc::clone(&watch) as _);
        let held = || watch.0.lock().unwrap().clone();
        let one = Pin::take(&reader, pieces(1024, 1)).unwrap().unwrap();
        let run = Pin::take(&reader, pieces(0, 4)).unwrap().unwrap();
        let again = Pin::take(&reader, pieces(2 * 1024, 1)).unwrap().unwrap();
        assert_eq!(held(), [1, 3]);
        drop(run);
        assert_eq!(held(), [1, 1]);
        drop((one, again));
        assert_eq!(held(), [0, 0]);
    }

    /// A child's copies of its parent's pins take nothing from it, and it can pin nothing through its parent's map.
    #[test]
    fn a_forked_child_leaves_its_parents_pins_alone() {
        let (_dir, writer, reader) = maps();
        let run = Pin::take(&reader, pieces(0, 4)).unwrap().unwrap();
        // SAFETY: the child makes no more than loads and system calls: dropping the pin touches no lock, and frees nothing that is shared.
        // The parent only waits.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let refused = matches!(reader.pin(pieces(0, 1)), Ok(false));
                reader.unpin(pieces(0, 4));
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

    /// Promise 3: what somebody has pinned cannot be claimed, by however many and in whatever order they let go.
    #[test]
    fn a_pinned_byte_cannot_be_claimed_until_the_last_pin_is_gone() {
        let (dir, writer, reader) = maps();
        let other = ReadMap::open(&dir.path().join("map")).unwrap();
        let pins = [&reader, &reader, &other].map(|map| Pin::take(map, pieces(4096, 1)).unwrap().unwrap());
        for pin in pins {
            assert!(!writer.claim(4096));
            assert!(writer.claim(0), "another piece");
            writer.unclaim(0);
            drop(pin);
        }
        assert!(writer.claim(4096));
        assert!(Pin::take(&reader, pieces(4096, 1)).unwrap().is_none(), "claimed");
        writer.unclaim(4096);
        assert!(Pin::take(&reader, pieces(4096, 1)).unwrap().is_some());
    }

    #[test]
    fn frozen_bytes_outlive_the_map_and_keep_the_pin() {
        let (_dir, writer, reader) = maps();
        writer.words64(64, 1)[0].set(u64::from_le_bytes(*b"unmoving"));
        let pin = Arc::new(Pin::take(&reader, pieces(0, 1)).unwrap().unwrap());
        let frozen = Frozen::new(&reader, Some(pin), 64, 8);
        drop(reader);
        let again = frozen.clone();
        assert_eq!(&*std::thread::spawn(move || frozen.to_vec()).join().unwrap(), b"unmoving");
        assert!(!writer.claim(0));
        assert_eq!(&*again, b"unmoving");
        drop(again);
        assert!(writer.claim(0));
    }

    /// The kernel gives the pin of a dead process back.
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
}
