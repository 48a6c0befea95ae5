//! The processor's hints to fetch a cache line.

/// Starts to fetch the cache line at `line`, for stores if `FOR_STORES`.
#[inline(always)]
pub(crate) fn prefetch<const FOR_STORES: bool>(line: *const u8) {
    // SAFETY: the instructions change nothing but caches and fault on no address. A processor that
    // lacks `prefetchw` executes it as a no-op.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        if FOR_STORES {
            std::arch::asm!("prefetchw [{}]", in(reg) line.addr(), options(nostack, preserves_flags, nomem));
        } else {
            std::arch::asm!("prefetcht0 [{}]", in(reg) line.addr(), options(nostack, preserves_flags, nomem));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
