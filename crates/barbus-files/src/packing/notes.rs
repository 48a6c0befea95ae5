//! Files that lie beside bars in downloads: checksums, descriptions, reports of a provider.

use crate::layout::pattern::without_packed_ending;

/// Endings of files that hold no bars.
const ENDINGS: [&str; 9] = ["md", "pdf", "html", "htm", "md5", "sha256", "checksum", "png", "doc"];
/// Names of files that hold none: those of Databento's downloads.
const NAMES: [&str; 4] = ["metadata.json", "manifest.json", "condition.json", "symbology.json"];

/// Whether a file in a folder or an archive is no file of bars by its name.
pub(crate) fn is_note(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let begins = ["readme", "license"].iter().any(|word| without_packed_ending(&name).starts_with(word));
    begins || NAMES.contains(&name.as_str()) || ENDINGS.contains(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_told_from_bars_by_their_names() {
        for note in ["a/AAA-1m.zip.CHECKSUM", "metadata.json", "README.txt", "LICENSE", "a.md"] {
            assert!(is_note(note), "{note}");
        }
        for bars in ["a.csv", "metadata.csv", "a/bars.json", "md", "x.dbn.zst"] {
            assert!(!is_note(bars), "{bars}");
        }
    }
}
