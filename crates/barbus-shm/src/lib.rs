//! Shared memory for barbus: fully allocated files, mapped for one writer and many readers, and
//! accessed as atomic words.
//!
//! This is the only crate of the workspace with `unsafe` code, and it knows nothing about bars. The
//! crates above use the [`Memory`] trait (words at offsets), so that the same protocol code runs
//! over a mapped file and over a model.
//!
//! What can go wrong, and what happens then:
//! - An offset outside the map panics. The crate above checks every offset that it reads from a
//!   file when it attaches.
//! - If another program truncates a file while it is mapped, the next access to the missing pages
//!   raises `SIGBUS`. barbus never shrinks a file and installs no handler.
//! - A full disk is an error at creation ([`allocate`]), not at the first write to a page: the file
//!   owns its blocks, also on a file system with copy-on-write, or it is refused.
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
mod fork_guard;
mod free_space;
mod futex;
mod huge_pages;
mod map;
mod mark_file;
mod memory;
mod open_file;
mod own_blocks;
mod pin;
mod pinned_bytes;
mod pins;
mod prefetch;
mod range_lock;
mod time_slice;
mod word;
mod writer_lock;

pub use boot::boot_id;
pub use clock::{boot_ns, now_ns};
pub use error::ShmError;
pub use file::{allocate, is_on_tmpfs, remove_abandoned, rename_new, sync};
pub use fork_guard::{fork_generation, is_generation};
pub use free_space::free_bytes;
pub use map::{ReadMap, WriteMap};
pub use mark_file::{MarkFile, Snapshot, read_if_alive};
pub use memory::{Memory, ReaderMemory, WriterMemory};
pub use pin::Pin;
pub use pinned_bytes::PinnedBytes;
pub use pins::{PinRefusal, PinWatch};
pub use range_lock::ByteRanges;
pub use time_slice::set_time_slice;
pub use word::{Load, ReadOnly, Store};
pub use writer_lock::WriterLock;
