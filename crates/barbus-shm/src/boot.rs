//! The identity of the current boot.

/// The kernel's random id of this boot (`/proc/sys/kernel/random/boot_id`); zero if unreadable.
///
/// A store to a shared map survives the death of every process, but not the end of the boot.
pub fn boot_id() -> [u8; 16] {
    let mut id = [0; 16];
    let Ok(text) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") else {
        return id;
    };
    let digits = text.bytes().filter_map(|b| (b as char).to_digit(16));
    for (i, digit) in digits.take(32).enumerate() {
        id[i / 2] = id[i / 2] << 4 | digit as u8;
    }
    id
}

#[cfg(test)]
mod tests {
    #[test]
    fn boot_id_is_the_same_twice_and_not_zero() {
        assert_eq!(super::boot_id(), super::boot_id());
        assert_ne!(super::boot_id(), [0; 16]);
    }
}
