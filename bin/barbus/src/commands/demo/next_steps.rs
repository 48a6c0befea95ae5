//! The commands to try after the demo, in a form that the shell can run.

use std::path::Path;

/// How to call this program from here: by its name if PATH finds it, otherwise by its path.
pub(super) fn program() -> String {
    let Ok(exe) = std::env::current_exe() else { return "barbus".to_owned() };
    if let (Some(name), Some(path)) = (exe.file_name(), std::env::var_os("PATH")) {
        let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
        if found.and_then(|path| path.canonicalize().ok()).is_some_and(|path| path == exe) {
            return quoted(Path::new(name));
        }
    }
    let here = std::env::current_dir().unwrap_or_default();
    match exe.strip_prefix(here) {
        Ok(beneath) if beneath.components().count() > 1 => quoted(beneath),
        Ok(beneath) => quoted(&Path::new(".").join(beneath)),
        Err(_) => quoted(&exe),
    }
}

/// A path quoted so that a shell reads it as one word.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+:@%".contains(letter);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_if_a_shell_needs_it() {
        assert_eq!(quoted(Path::new("/tmp/barbus-demo-x1/bus")), "/tmp/barbus-demo-x1/bus");
        assert_eq!(quoted(Path::new("/tmp/my bus")), "'/tmp/my bus'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }

    #[test]
    fn the_program_can_be_called() {
        let call = program();
        assert!(Path::new(call.trim_matches('\'')).is_file(), "{call}");
    }
}
