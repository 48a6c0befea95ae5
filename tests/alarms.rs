//! The page of alarms is complete: it has every line of the log that needs a person, and every
//! alarm of the state of a bus.

use std::path::{Path, PathBuf};

/// Shorter pieces of a message identify nothing.
const SHORTEST_KEY: usize = 10;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The text up to the parenthesis that closes the one before it.
fn arguments(text: &str) -> &str {
    let (mut depth, mut in_text, mut escaped) = (1, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '(' if !in_text => depth += 1,
            ')' if !in_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// The text literals in a piece of code, their line breaks removed.
fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code.chars().peekable();
    while rest.by_ref().any(|letter| letter == '"') {
        let mut literal = String::new();
        while let Some(letter) = rest.next().filter(|letter| *letter != '"') {
            match (letter, rest.peek()) {
                ('\\', Some('\n')) => while rest.next_if(|next| next.is_whitespace()).is_some() {},
                ('\\', Some(_)) => literal.extend(rest.next()),
                _ => literal.push(letter),
            }
        }
        found.push(literal);
    }
    found
}

/// What an operator searches for: the first clause of the first piece without a value in it.
fn key(message: &str) -> Option<String> {
    let pieces = message.split('{').map(|piece| piece.rsplit('}').next().unwrap_or_default());
    let mut pieces = pieces.map(|piece| piece.trim_matches([' ', ':', ';', ',', '.']));
    let piece = pieces.find(|piece| piece.len() >= SHORTEST_KEY)?;
    let clause = piece.split(": ").next().filter(|clause| clause.len() >= SHORTEST_KEY);
    Some(clause.unwrap_or(piece).to_owned())
}

/// The keys of the messages that `opening` begins in a source; of several literals the last is the
/// message, or the first with `first`.
fn keys(source: &str, opening: &str, first: bool) -> Vec<String> {
    let calls = source.match_indices(opening).map(|(at, _)| arguments(&source[at + opening.len()..]));
    let messages = calls.filter_map(|call| {
        let mut literals = literals(call).into_iter();
        if first { literals.next() } else { literals.next_back() }
    });
    messages.filter_map(|message| key(&message)).collect()
}

#[test]
fn every_warning_of_the_daemon_is_on_the_page() {
    let page = std::fs::read_to_string(root().join("docs/ALARMS.md")).expect("the page");
    let mut files = Vec::new();
    for folder in ["crates/barbus/src", "crates/barbus-writer/src", "crates/barbus-archive/src", "bin/barbusd/src"] {
        sources(&root().join(folder), &mut files);
    }
    let (mut found, mut missing) = (0, Vec::new());
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a source");
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let openings = [
            ("tracing::warn!(", false),
            ("tracing::error!(", false),
            ("set_failure(", false),
            ("FailureLog::new(", true),
        ];
        for key in openings.into_iter().flat_map(|(opening, first)| keys(source, opening, first)) {
            found += 1;
            if !page.contains(&key) {
                missing.push(format!("{}: {key}", file.display()));
            }
        }
    }
    assert!(found >= 40, "only {found} messages are found: the test reads the sources wrongly");
    assert!(missing.is_empty(), "docs/ALARMS.md lacks:\n{}", missing.join("\n"));
    // A panic is logged with the words of the standard library.
    assert!(page.contains("`panicked at`"));
}

#[test]
fn every_alarm_of_the_state_is_on_the_page() {
    let page = std::fs::read_to_string(root().join("docs/ALARMS.md")).expect("the page");
    let source = std::fs::read_to_string(root().join("crates/barbus/src/stat/alarms.rs")).expect("the source");
    let body = source.split("pub fn alarms(&self)").nth(1).expect("the function");
    // "archive" stands for `archive: …`, and a text for what is before its first value.
    let phrases = literals(body).into_iter().filter(|text| !text.starts_with('{'));
    let phrases: Vec<String> =
        phrases.map(|text| text.split('{').next().unwrap_or_default().trim().to_owned()).collect();
    assert!(phrases.len() >= 11, "{phrases:?}");
    for phrase in &phrases {
        assert!(page.contains(&format!("| `{phrase}")), "docs/ALARMS.md lacks {phrase:?}");
    }
}

#[test]
fn a_message_is_searched_for_by_its_first_clause() {
    let source = r#"tracing::warn!(day = %f("x)"), "the disk (of {}) is \
        full: make room", path());"#;
    assert_eq!(keys(source, "tracing::warn!(", false), ["the disk (of"]);
    assert_eq!(key("{day} is in the future, so wait: {why}").as_deref(), Some("is in the future, so wait"));
    assert_eq!(key("{}"), None);
}
