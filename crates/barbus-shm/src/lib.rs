//! Shared memory for barbus: files allocated in full, mapped for one writer and many readers, and reached as atomic words.
//!
//! This is the only crate of the workspace with `unsafe` code, and it knows no bars. Everything above it is written over
//! the [`Memory`] trait (words at offsets), so that the same protocol code runs over a mapped file and over a model.
//!
//! What can go wrong, and what happens then:
//! - An offset outside of the map panics: the layer above checks every offset that it reads from a file when it attaches.
//! - A file that somebody else *truncates* while it is mapped raises `SIGBUS` on the next access to the missing pages. barbus
//!   never shrinks a file; no handler is installed.
//! - A disk without room is found at creation ([`allocate`]), not at the first write to a page.
//!
//! ```
//! use barbus_shm::{allocate, Load, Memory, ReadMap, Store, WriteMap};
//! let path = tempfile::tempdir().unwrap().keep().join("words");
//! allocate(&path, 4096)?;
//! let writer = WriteMap::open(&path)?;
//! let reader = ReadMap::open(&path)?;
//! writer.words64(64, 1)[0].set(42);
//! assert_eq!(reader.words64(64, 1)[0].get(), 42);
//! # Ok::<(), barbus_shm::ShmError>(())
//! ```

mod boot;
mod clock;
mod error;
mod file;
mod futex;
mod lock;
mod map;
mod own;
mod pin;
mod process;
mod region;
mod word;

pub use boot::boot_id;
pub use clock::now_ns;
pub use error::ShmError;
pub use file::{allocate, sync};
pub use futex::{wait, wake_all};
pub use lock::WriterLock;
pub use map::{Memory, ReadMap, ReaderMemory, WriteMap, WriterMemory};
pub use own::{OwnFile, Sight, look};
pub use pin::{Frozen, Pieces, Pin, PinWatch};
pub use word::{Load, ReadOnly, Store};
