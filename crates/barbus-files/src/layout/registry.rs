//! The layouts that barbus brings, and those in files of users.

use std::path::Path;
use std::sync::OnceLock;

use barbus_bars::nearest;

use super::description::{Layout, LayoutError};

include!(concat!(env!("OUT_DIR"), "/layouts.rs"));

/// Largest file of a layout, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The names of the built-in layouts, in their order.
pub fn layout_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The text of a built-in layout.
pub fn layout_text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, text)| *text)
}

/// Every built-in layout.
///
/// # Errors
/// [`LayoutError`] for a layout that cannot be used; a test parses all of them.
pub fn built_in() -> Result<&'static [Layout], LayoutError> {
    static BUILT_IN: OnceLock<Result<Vec<Layout>, LayoutError>> = OnceLock::new();
    let parse = || FILES.iter().map(|(name, text)| Layout::parse(name, text)).collect();
    BUILT_IN.get_or_init(parse).as_deref().map_err(LayoutError::clone)
}

/// The layout of a built-in name, or of a file whose path ends in `.toml`.
///
/// # Errors
/// [`LayoutError`] for an unknown name, and for a file that is no layout.
pub fn find_layout(name: &str) -> Result<Layout, LayoutError> {
    if let Some(text) = layout_text(name) {
        return Layout::parse(&name.to_lowercase(), text);
    }
    let error = |reason: String| LayoutError { name: name.to_owned(), reason };
    if !name.ends_with(".toml") {
        let hint = nearest(name, layout_names()).map_or_else(String::new, |known| format!(": did you mean {known}?"));
        return Err(error(format!(
            "there is no such layout{hint}; barbus layouts lists them, and a layout of your own is a file NAME.toml"
        )));
    }
    let size = std::fs::metadata(name).map_err(|e| error(e.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(error("the file is too large to be a layout".to_owned()));
    }
    let text = std::fs::read_to_string(name).map_err(|e| error(e.to_string()))?;
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
    Layout::parse(stem, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_sound_and_has_a_source_and_an_example() {
        for layout in built_in().unwrap() {
            let text = layout_text(&layout.name).unwrap();
            assert!(text.contains("# Source: "), "{} names no source", layout.name);
            assert!(!layout.example.is_empty(), "{} has no example", layout.name);
        }
    }

    #[test]
    fn an_unknown_layout_is_refused_with_the_nearest_name() {
        let error = find_layout("binnance").unwrap_err().to_string();
        assert!(error.contains("did you mean binance?"), "{error}");
        assert!(find_layout("/nowhere/a.toml").unwrap_err().to_string().contains("No such file"));
    }
}
