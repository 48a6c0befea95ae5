//! What becomes of one day: whether it is pushed, and whether that would take bars away.

use barbus::Date;

use crate::bucket::manifest::Day;
use crate::bucket::state::Known;

/// What a push does with a day of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// The place has it.
    Same,
    /// It is pushed; this is the number of its version.
    Push(u64),
    /// The place has other bars, and this is why they stay.
    Conflict(String),
}

/// Decides about a day of the archive that the manifest describes as `there`, if it does. `object`
/// is the size of the object in the place, if there is one; `replace` is the operator's word.
pub(super) fn decide(local: &Known, there: Option<&Day>, object: Option<u64>, own_id: &str, replace: bool) -> Decision {
    let Some(there) = there else { return Decision::Push(1) };
    if replace {
        return Decision::Push(there.version + 1);
    }
    if there.has(&local.content()) {
        // Another program may have removed or replaced the object.
        return if object == Some(there.bytes) { Decision::Same } else { Decision::Push(there.version) };
    }
    if there.by != own_id {
        return Decision::Conflict(format!("pushed by another bus at {}", there.pushed_at));
    }
    if there.lineage == local.lineage && there.through_seq > local.through_seq {
        return Decision::Conflict(format!(
            "which has the rows below {}, and the file of the bus those below {}",
            there.through_seq, local.through_seq
        ));
    }
    Decision::Push(there.version + 1)
}

/// The problem of a day in conflict.
pub(super) fn conflict(day: Date, (file, local): (&str, &Known), (object, there): (&str, &Day), why: &str) -> String {
    format!(
        "{file} ({} rows) differs from {object} ({} rows, {why}): neither was changed: compare the two, then push with \
         --replace {day}, or move the bus's file away and pull the day",
        local.rows, there.rows
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;

    fn local(sha256: &str, through_seq: u64) -> Known {
        let stamp = json!({"inode": 1, "bytes": 10, "modified_ns": 0});
        let known = json!({"stamp": stamp, "bytes": 10, "sha256": sha256, "rows": 3, "lineage": 7,
            "through_seq": through_seq});
        serde_json::from_value(known).unwrap()
    }

    fn there(sha256: &str, by: &str) -> Day {
        Day {
            rows: 3,
            bytes: 10,
            sha256: sha256.into(),
            lineage: 7,
            through_seq: 20,
            version: 4,
            pushed_at: Timestamp::UNIX_EPOCH,
            by: by.into(),
        }
    }

    #[test]
    fn a_day_is_pushed_if_it_is_new_or_was_written_again() {
        assert_eq!(decide(&local("a", 20), None, None, "me", false), Decision::Push(1));
        let same = there("a", "me");
        assert_eq!(decide(&local("a", 20), Some(&same), Some(10), "me", false), Decision::Same);
        assert_eq!(decide(&local("b", 21), Some(&same), Some(10), "me", false), Decision::Push(5));
        assert_eq!(decide(&local("a", 20), Some(&same), Some(10), "me", true), Decision::Push(5));
    }

    #[test]
    fn an_object_that_was_lost_or_cut_is_pushed_again() {
        let same = there("a", "me");
        assert_eq!(decide(&local("a", 20), Some(&same), None, "me", false), Decision::Push(4));
        assert_eq!(decide(&local("a", 20), Some(&same), Some(9), "me", false), Decision::Push(4));
    }

    #[test]
    fn bars_of_another_bus_and_later_bars_stay_until_an_operator_says_so() {
        let conflict = |known: &Known, day: &Day, replace| decide(known, Some(day), Some(10), "me", replace);
        let (other, ahead) = (there("b", "you"), there("b", "me"));
        assert!(matches!(conflict(&local("a", 30), &other, false), Decision::Conflict(why) if why.contains("another")));
        assert!(
            matches!(conflict(&local("a", 19), &ahead, false), Decision::Conflict(why) if why.contains("below 20"))
        );
        assert_eq!(conflict(&local("a", 30), &other, true), Decision::Push(5));
        assert_eq!(conflict(&local("b", 19), &other, false), Decision::Same, "the content is what counts");
    }
}
