//! Every fence and release store of this crate has a `SYNC POINT` comment that names its partner.
//!
//! The form is fixed: ``// SYNC POINT: pairs with `file.rs`::`function`. Why.`` with paths from
//! `src/`. Several partners are separated by commas. Where the partner is another program the
//! comment says `pairs with an Arrow reader`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const MARKER: &str = "SYNC POINT";
const FORM: &str = "SYNC POINT: pairs with ";
const OTHER_PROGRAM: &str = "an Arrow reader.";
/// The calls that order memory.
const CALLS: [&str; 4] = [".fence_acquire()", ".fence_release()", ".fence_full()", ".set_release("];

/// A function: its file, from `src/`, and its name.
type Function = (String, String);

/// A `SYNC POINT` comment: the function that it is in, and the functions that it names.
struct SyncPoint {
    at: Function,
    line: usize,
    partners: Vec<Function>,
}

/// The source files of the crate without those of the model, each with its path from `src/`.
fn sources() -> Vec<(String, String)> {
    fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => collect(&path, files),
                false => files.push(path),
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut sources: Vec<_> = files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .filter(|(name, _)| name.ends_with(".rs") && !name.starts_with("loom/"))
        .collect();
    sources.sort();
    sources
}

/// The name of the function that `line` declares.
fn declared(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let words = |c: char| c.is_ascii_alphanumeric() || "()_ ".contains(c);
    if !before.chars().all(words) {
        return None;
    }
    after.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

fn comment(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("// ")
}

/// The partners in the text of a comment, which begins with [`FORM`]; `None` if it has another
/// form.
fn partners(text: &str) -> Option<Vec<Function>> {
    let mut rest = text.strip_prefix(FORM)?;
    if rest.starts_with(OTHER_PROGRAM) {
        return Some(Vec::new());
    }
    let mut partners = Vec::new();
    loop {
        let (file, after) = rest.strip_prefix('`')?.split_once("`::`")?;
        let (function, after) = after.split_once('`')?;
        partners.push((file.to_owned(), function.to_owned()));
        match after.strip_prefix(", ").filter(|next| next.starts_with('`')) {
            Some(next) => rest = next,
            None => return after.starts_with(['.', ',']).then_some(partners),
        }
    }
}

fn sync_points(sources: &[(String, String)]) -> Vec<SyncPoint> {
    let mut found = Vec::new();
    for (file, text) in sources {
        let lines: Vec<_> = text.lines().collect();
        let mut function = "";
        for (i, line) in lines.iter().enumerate() {
            function = declared(line).unwrap_or(function);
            if !line.contains(MARKER) {
                continue;
            }
            let block: Vec<_> = lines[i..].iter().map_while(|line| comment(line)).collect();
            let partners = partners(&block.join(" "));
            let partners = partners.unwrap_or_else(|| panic!("{file}:{}: not of the form {FORM}…", i + 1));
            found.push(SyncPoint { at: (file.clone(), function.to_owned()), line: i + 1, partners });
        }
    }
    found
}

#[test]
fn every_named_partner_exists_and_names_the_other() {
    let sources = sources();
    let functions: BTreeSet<Function> = sources
        .iter()
        .flat_map(|(file, text)| text.lines().filter_map(declared).map(|name| (file.clone(), name.to_owned())))
        .collect();
    let points = sync_points(&sources);
    let pairs: BTreeSet<(&Function, &Function)> =
        points.iter().flat_map(|point| point.partners.iter().map(|partner| (&point.at, partner))).collect();
    for point in &points {
        for partner in &point.partners {
            let place = format!("{}:{}: {}::{}", point.at.0, point.line, partner.0, partner.1);
            assert!(functions.contains(partner), "{place} does not exist");
            assert!(pairs.contains(&(partner, &point.at)), "{place} does not name {}", point.at.1);
        }
    }
    assert!(pairs.len() >= 30, "only {} pairs were found", pairs.len());
}

#[test]
fn every_fence_and_release_store_has_a_sync_point() {
    for (file, text) in sources() {
        let lines: Vec<_> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            if comment(line).is_some() || !CALLS.iter().any(|call| line.contains(call)) {
                continue;
            }
            // A call that rustfmt has broken has its comment some lines above.
            let above = (1..=2).find(|&above| comment(lines[i - above]).is_some()).unwrap_or(1);
            let mut block = lines[..=i - above].iter().rev().map_while(|line| comment(line));
            assert!(block.any(|text| text.contains(MARKER)), "{file}:{}: no {MARKER} comment above", i + 1);
        }
    }
}
