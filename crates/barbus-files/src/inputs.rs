//! The files that paths name: folders with all files in them, and patterns with stars.

use std::path::Path;

use crate::error::InputError;
use crate::packing::notes::is_note;

/// Most files of one call.
const MAX_FILES: usize = 1_000_000;
/// Deepest folder that is searched.
const MAX_DEPTH: usize = 16;

/// The inputs that `paths` name, each folder as the files in it, in the order of their names.
///
/// `-` is standard input. A path with `*`, `?` or `[` that names no file is a pattern.
/// Hidden files are left out, and files that lie beside bars in downloads, such as checksums.
///
/// # Errors
/// [`InputError`] for a folder or a pattern without files.
pub fn expand_inputs<P: AsRef<str>>(paths: &[P]) -> Vec<Result<String, InputError>> {
    let mut inputs = Vec::new();
    for path in paths {
        let path = path.as_ref();
        if path == "-" {
            inputs.push(Ok(path.to_owned()));
        } else if Path::new(path).is_dir() {
            let mut found = Vec::new();
            let searched = search(Path::new(path), 0, &mut found);
            found.sort();
            match searched {
                Err(source) => inputs.push(Err(InputError::Open { input: path.to_owned(), source })),
                Ok(()) if found.is_empty() => inputs.push(Err(InputError::format(path, "the folder has no files"))),
                Ok(()) => inputs.extend(found.into_iter().map(Ok)),
            }
        } else if path.contains(['*', '?', '[']) && !Path::new(path).exists() {
            inputs.extend(by_pattern(path));
        } else {
            inputs.push(Ok(path.to_owned()));
        }
    }
    inputs
}

fn by_pattern(pattern: &str) -> Vec<Result<String, InputError>> {
    let found = match glob::glob(pattern) {
        Ok(found) => found,
        Err(error) => return vec![Err(InputError::format(pattern, &format!("is no pattern of files: {error}")))],
    };
    let files = found.flatten().filter(|path| path.is_file()).take(MAX_FILES);
    let files: Vec<_> = files.filter_map(|path| path.to_str().map(|path| Ok(path.to_owned()))).collect();
    if files.is_empty() {
        return vec![Err(InputError::format(pattern, "no file fits this pattern"))];
    }
    files
}

fn search(folder: &Path, depth: usize, found: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let hidden = name.is_empty() || name.starts_with(['.', '_']) || (is_note(name) && path.is_file());
        if hidden || found.len() >= MAX_FILES {
            continue;
        }
        if path.is_dir() && depth < MAX_DEPTH {
            search(&path, depth + 1, found)?;
        } else if path.is_file()
            && let Some(path) = path.to_str()
        {
            found.push(path.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_are_expanded() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        std::fs::create_dir_all(folder.path().join("symbol=A")).unwrap();
        for name in ["b.csv", "a.csv", ".hidden", "_SUCCESS", "b.csv.CHECKSUM", "symbol=A/c.parquet"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let names = |paths: &[&str]| -> Vec<String> {
            let all = expand_inputs(paths).into_iter();
            all.map(|path| path.map_or_else(|e| e.to_string(), |p| p.replace(&format!("{root}/"), ""))).collect()
        };
        assert_eq!(names(&[root]), ["a.csv", "b.csv", "symbol=A/c.parquet"]);
        assert_eq!(names(&[&format!("{root}/*.csv"), "-"]), ["a.csv", "b.csv", "-"]);
        assert!(names(&[&format!("{root}/*.json")])[0].ends_with("no file fits this pattern"));
        assert_eq!(names(&["missing.csv"]), ["missing.csv"]);
    }
}
