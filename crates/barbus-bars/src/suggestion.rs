//! Suggestions for a misspelled name: the most similar known name.

/// The form in which names are compared: lower case, without surrounding blanks, angle brackets or
/// a byte order mark, with underscores for blanks and hyphens.
pub fn normalize(name: &str) -> String {
    let name = name.trim_start_matches('\u{feff}').trim();
    let name = name.strip_prefix('<').and_then(|name| name.strip_suffix('>')).unwrap_or(name);
    name.to_lowercase().replace([' ', '-'], "_")
}

/// The similarity of two names, from 0 to 1; `word` is in normal form.
pub(crate) fn likeness(word: &str, candidate: &str) -> f64 {
    strsim::jaro_winkler(word, &normalize(candidate))
}

/// The candidate with the highest score, if that is at least `threshold`.
pub(crate) fn best<'a>(
    candidates: impl IntoIterator<Item = &'a str>,
    score: impl Fn(&str) -> f64,
    threshold: f64,
) -> Option<String> {
    let scored = candidates.into_iter().map(|candidate| (score(candidate), candidate));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= threshold).then(|| best.1.to_owned())
}

/// The candidate that is most similar to `word`; `None` if none is similar enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word = normalize(word);
    best(candidates, |candidate| likeness(&word, candidate), 0.75)
}

/// The end of a message that suggests `nearest`; empty without one.
pub(crate) fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(": did you mean {name:?}?"))
}
