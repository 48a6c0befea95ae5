//! `[sources]`: the order of the sources.

use std::time::Duration;

use crate::settings::values::Sources;

/// Longest name, characters: the longest that a producer can state.
const MAX_CHARS: usize = 200;

/// The shortest silence: the length of a bar.
const MIN_SILENCE: Duration = Duration::from_secs(60);

/// The values of the section.
pub(super) fn sources(priority: Vec<String>, silence: Duration) -> Result<Sources, String> {
    let wrong = |what: String| Err(format!("sources.priority: {what}"));
    if priority.len() > Sources::MAX {
        return wrong(format!("{} names: give at most {}", priority.len(), Sources::MAX));
    }
    for (at, name) in priority.iter().enumerate() {
        let bare = name.strip_prefix(Sources::USER).unwrap_or(name);
        if bare.trim().is_empty() || name.trim() != name || name.chars().count() > MAX_CHARS {
            return wrong(format!(
                "{name:?} is no name of a source: write the name that the producer states, or \"user NAME\""
            ));
        }
        if priority[..at].contains(name) {
            return wrong(format!("{name:?} is given twice: remove one of them"));
        }
    }
    // A source sends once a minute: less would call each of them silent.
    if silence < MIN_SILENCE {
        return Err(format!("sources.silence: {} s is less than a bar: give \"1m\" or more", silence.as_secs()));
    }
    Ok(Sources { priority, silence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_once_and_in_order() {
        let sources = |names: &[&str]| {
            let names = names.iter().map(|name| name.to_string()).collect();
            super::sources(names, Duration::from_secs(120)).map(|sources| sources.priority)
        };
        assert_eq!(sources(&[]), Ok(vec![]));
        assert_eq!(sources(&["a", "user a"]), Ok(vec!["a".to_owned(), "user a".to_owned()]));
        for (names, why) in [
            (&["a", "b", "a"][..], "\"a\" is given twice"),
            (&[""], "no name"),
            (&["user "], "no name"),
            (&[" a"], "no name"),
            (&["x"; Sources::MAX + 1], "at most 14"),
        ] {
            let wrong = sources(names).unwrap_err();
            assert!(wrong.starts_with("sources.priority: ") && wrong.contains(why), "{wrong}");
        }
        let wrong = super::sources(vec![], Duration::from_secs(59)).unwrap_err();
        assert_eq!(wrong, "sources.silence: 59 s is less than a bar: give \"1m\" or more");
    }
}
