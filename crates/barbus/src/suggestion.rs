//! Suggestions for misspelled words in error messages.

/// The known word that is most similar to `word`; `None` if none is similar enough.
pub(crate) fn most_similar<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let lower = word.to_lowercase();
    let distances = known.map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate));
    let (distance, candidate) = distances.min()?;
    (distance <= 1 + word.chars().count() / 3).then(|| candidate.to_owned())
}

/// What an error message adds for a suggestion: `: did you mean "size"?`, or nothing.
pub(crate) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or(String::new(), |suggestion| format!(": did you mean {suggestion:?}?"))
}
