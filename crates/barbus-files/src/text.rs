//! Texts of inputs as messages show them.

/// Text with escaped control characters, which could otherwise move the cursor or change colours.
pub fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            plain.extend(letter.escape_default());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// At most the first `most` characters of `text`, with an ellipsis where characters are missing.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("A\u{1b}[31mB\n"), "A\\u{1b}[31mB\\n");
        assert_eq!(printable("沪深300"), "沪深300");
    }
}
