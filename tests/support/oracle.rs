//! Compares the archive with the published files by `tests/python/oracle.py`, without barbus code.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::bus::{Bus, Counts};
use super::python;

/// How the files were published.
pub(crate) struct Published<'a> {
    pub(crate) market: &'a str,
    pub(crate) label: &'a str,
    pub(crate) price: &'a str,
}

impl Published<'_> {
    /// Bars of mainland stocks labelled by their end, prices in double precision.
    pub(crate) const XSHG: Published<'static> = Published { market: "XSHG", label: "end", price: "double" };
}

/// Asserts that the archive has exactly the bars of `files`, published in this order.
/// Returns the counts that publishing them must have had.
#[track_caller]
pub(crate) fn assert_archive(bus: &Bus, how: &Published<'_>, files: &[PathBuf]) -> Counts {
    compare(&bus.archive(), how, files)
}

#[track_caller]
fn compare(archive: &Path, how: &Published<'_>, files: &[PathBuf]) -> Counts {
    let mut arguments: Vec<OsString> = vec![archive.into()];
    for (option, value) in [("--market", how.market), ("--label", how.label), ("--price", how.price)] {
        arguments.extend([option.into(), value.into()]);
    }
    arguments.push("--files".into());
    arguments.extend(files.iter().map(OsString::from));
    let text = python::run("oracle.py", arguments).ok();
    let summary: Value = text.lines().last().and_then(|line| serde_json::from_str(line).ok()).expect("a summary");
    Counts::of(&summary)
}
