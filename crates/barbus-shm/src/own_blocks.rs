//! Files that own their disk blocks: a store to a page of them never needs another block.
//!
//! A file system that copies a block when it is written (copy-on-write) needs a free block for each
//! page that is stored to, although the file is allocated in full. On a full disk that store raises
//! `SIGBUS`. btrfs does so for every file without [`NO_COPY_ON_WRITE`]; btrfs and xfs do so for
//! blocks that a file shares with a copy (`cp --reflink`) or a snapshot.

use std::fs::File;
use std::io::{Error, Result};
use std::ops::Range;
use std::os::fd::AsRawFd;

use nix::sys::statfs::{BTRFS_SUPER_MAGIC, FsType, NILFS_SUPER_MAGIC, fstatfs};
use nix::{ioctl_read, ioctl_readwrite, ioctl_write_ptr};

/// `FS_NOCOW_FL`: blocks are written in place.
const NO_COPY_ON_WRITE: libc::c_long = 0x0080_0000;
/// `FS_COMPR_FL`: compressed blocks cannot be written in place.
const COMPRESSED: libc::c_long = 0x4;
/// File systems that copy a block when it is written: btrfs, NILFS, ZFS and bcachefs.
const COPYING: [FsType; 4] = [BTRFS_SUPER_MAGIC, NILFS_SUPER_MAGIC, FsType(0x2fc1_2fc1), FsType(0xca45_1a4e)];

/// `FIEMAP_EXTENT_LAST` and `FIEMAP_EXTENT_SHARED`.
const LAST: u32 = 0x1;
const SHARED: u32 = 0x2000;
/// Extents that one call lists.
const EXTENTS: usize = 64;

/// The kernel's `struct fiemap` with room for its extents.
#[repr(C)]
pub(crate) struct ExtentList {
    start: u64,
    len: u64,
    flags: u32,
    mapped: u32,
    capacity: u32,
    reserved: u32,
    extents: [Extent; EXTENTS],
}

/// The kernel's `struct fiemap_extent`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Extent {
    logical: u64,
    physical: u64,
    len: u64,
    reserved: [u64; 2],
    flags: u32,
    more_reserved: [u32; 3],
}

/// What the number of the request states: the size without the extents.
#[repr(C)]
pub(crate) struct ExtentListHead([u64; 4]);

ioctl_read!(get_flags, b'f', 1, libc::c_long);
ioctl_write_ptr!(set_flags, b'f', 2, libc::c_long);
ioctl_readwrite!(list_extents, b'f', 11, ExtentListHead);

/// Asks the file system to write the blocks of `file`, which is empty, in place.
///
/// # Errors
/// As [`check_in_place`].
pub(crate) fn set_in_place(file: &File) -> Result<()> {
    if let Some(flags) = flags_of(file) {
        let wanted = (flags | NO_COPY_ON_WRITE) & !COMPRESSED;
        // SAFETY: the descriptor is open, and the kernel reads one integer from the reference.
        // Most file systems refuse the flag, because they write in place anyway.
        let _ = unsafe { set_flags(file.as_raw_fd(), &wanted) };
    }
    check_in_place(file)
}

/// Checks that the file system writes the blocks of `file` in place.
///
/// # Errors
/// It copies them, with the next step.
pub(crate) fn check_in_place(file: &File) -> Result<()> {
    let copies = COPYING.contains(&fstatfs(file)?.filesystem_type());
    match copies && flags_of(file).is_none_or(|flags| flags & NO_COPY_ON_WRITE == 0) {
        false => Ok(()),
        true => Err(Error::other(
            "its file system copies each block that is written, so a full disk would end the writer: \
             use ext4, xfs, tmpfs, or btrfs without copy-on-write",
        )),
    }
}

fn flags_of(file: &File) -> Option<libc::c_long> {
    let mut flags = 0;
    // SAFETY: the descriptor is open, and the kernel writes one integer to the reference.
    unsafe { get_flags(file.as_raw_fd(), &mut flags) }.ok()?;
    Some(flags)
}

/// The ranges of `file` whose blocks belong to a copy or a snapshot as well. Empty where the file
/// system cannot list them: those systems share no blocks.
pub(crate) fn shared_ranges(file: &File) -> Result<Vec<Range<u64>>> {
    let len = file.metadata()?.len();
    let (mut shared, mut start) = (Vec::new(), 0);
    while start < len {
        let mut list = ExtentList {
            start,
            len: len - start,
            flags: 0,
            mapped: 0,
            capacity: EXTENTS as u32,
            reserved: 0,
            extents: [Extent::default(); EXTENTS],
        };
        // SAFETY: the descriptor is open. The kernel writes to the head and to at most `capacity`
        // extents behind it, all inside `list`, which is laid out as the kernel's structure.
        let listed = unsafe { list_extents(file.as_raw_fd(), (&raw mut list).cast()) };
        if listed.is_err() {
            break;
        }
        let found = &list.extents[..(list.mapped as usize).min(EXTENTS)];
        let ranges = found.iter().filter(|extent| extent.flags & SHARED != 0);
        shared.extend(ranges.map(|extent| extent.logical..(extent.logical + extent.len).min(len)));
        match found.last() {
            Some(last) if last.flags & LAST == 0 && last.len > 0 => start = last.logical + last.len,
            _ => break,
        }
    }
    Ok(shared)
}
