//! Holding bytes of a file against its writer: shared locks on single bytes, and what is frozen under them.
//!
//! The locks are of the open file description (`F_OFD_SETLK`): they work on a read-only descriptor, and the kernel gives them back when the
//! last copy of the descriptor is closed, so also when the process dies, however it dies. A forked child has a copy: what its parent had
//! pinned stays pinned until the child ends as well. Locks of one description merge, therefore they are counted here.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::{ReadMap, ReaderMemory, ShmError};

/// Is told which bytes are held, by the thread that pins or lets go.
pub trait PinWatch: Send + Sync + std::fmt::Debug {
    /// A byte is held: the ticket is given back when it is let go.
    fn held(&self) -> u64;
    /// The byte of this ticket is held no more.
    fn released(&self, ticket: u64);
}

/// How often each byte is pinned through one open file, by the process that opened it.
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
    bytes: HashMap<usize, Byte>,
    watch: Option<Arc<dyn PinWatch>>,
}

#[derive(Debug)]
struct Byte {
    count: usize,
    ticket: Option<u64>,
}

impl Default for Pins {
    fn default() -> Self {
        Self { pid: std::process::id(), held: Mutex::default() }
    }
}

impl Pins {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch(&self, watch: Arc<dyn PinWatch>) {
        self.held().watch = Some(watch);
    }

    pub(crate) fn take(&self, file: &File, offset: usize) -> Result<bool, Errno> {
        if std::process::id() != self.pid {
            return Ok(false);
        }
        let mut held = self.held();
        if let Some(byte) = held.bytes.get_mut(&offset) {
            byte.count += 1;
            return Ok(true);
        }
        if !lock(file, offset, libc::F_RDLCK)? {
            return Ok(false);
        }
        let ticket = held.watch.as_ref().map(|watch| watch.held());
        held.bytes.insert(offset, Byte { count: 1, ticket });
        Ok(true)
    }

    pub(crate) fn give_back(&self, file: &File, offset: usize) {
        if std::process::id() != self.pid {
            return;
        }
        let mut held = self.held();
        match held.bytes.get_mut(&offset) {
            Some(Byte { count: 1, .. }) => {
                let ticket = held.bytes.remove(&offset).and_then(|byte| byte.ticket);
                unlock(file, offset);
                if let (Some(watch), Some(ticket)) = (&held.watch, ticket) {
                    watch.released(ticket);
                }
            }
            Some(byte) => byte.count -= 1,
            None => {}
        }
    }
}

/// The exclusive lock on a byte, where nobody has pinned it. A refusal for another reason is taken for a pin.
pub(crate) fn claim(file: &File, offset: usize) -> bool {
    lock(file, offset, libc::F_WRLCK).unwrap_or(false)
}

pub(crate) fn unlock(file: &File, offset: usize) {
    let _ = lock(file, offset, libc::F_UNLCK);
}

fn lock(file: &File, offset: usize, kind: i32) -> Result<bool, Errno> {
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: offset as libc::off_t,
        l_len: 1,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A pin: a shared lock on one byte of a file, held while the value lives. Its writer does not reuse what the byte stands for meanwhile.
#[derive(Debug)]
pub struct Pin<M: ReaderMemory = ReadMap> {
    map: M,
    offset: usize,
}

impl<M: ReaderMemory> Pin<M> {
    /// Pins the byte at `offset`; `None` while the writer has claimed it.
    pub fn take(map: &M, offset: usize) -> Result<Option<Self>, ShmError> {
        Ok(map.pin(offset)?.then(|| Self { map: map.clone(), offset }))
    }
}

impl<M: ReaderMemory> Drop for Pin<M> {
    fn drop(&mut self) {
        self.map.unpin(self.offset);
    }
}

/// Bytes of a read-only map that do not change any more: a plain slice, for as long as it lives, whoever else is dropped.
///
/// # The file's contract
/// A `&[u8]` over shared memory is sound only while nobody stores to those bytes. Whoever makes a value of this type says so, by the rules of the
/// file's format: the bytes were written before, their writer stores to them again only when he has claimed the byte under `pin`
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

    /// Promise 3: what somebody has pinned cannot be claimed, by however many and in whatever order they let go.
    #[test]
    fn a_pinned_byte_cannot_be_claimed_until_the_last_pin_is_gone() {
        let (dir, writer, reader) = maps();
        let other = ReadMap::open(&dir.path().join("map")).unwrap();
        let pins = [&reader, &reader, &other].map(|map| Pin::take(map, 4096).unwrap().unwrap());
        for pin in pins {
            assert!(!writer.claim(4096));
            assert!(writer.claim(0), "another byte");
            writer.unclaim(0);
            drop(pin);
        }
        assert!(writer.claim(4096));
        assert!(Pin::take(&reader, 4096).unwrap().is_none(), "claimed");
        writer.unclaim(4096);
        assert!(Pin::take(&reader, 4096).unwrap().is_some());
    }

    #[test]
    fn frozen_bytes_outlive_the_map_and_keep_the_pin() {
        let (_dir, writer, reader) = maps();
        writer.words64(64, 1)[0].set(u64::from_le_bytes(*b"unmoving"));
        let pin = Arc::new(Pin::take(&reader, 0).unwrap().unwrap());
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
