//! Which layout an input has, by its path and its beginning.

use barbus_bars::normalize_name;

use super::description::{Header, Layout, Recognize};
use super::pattern::{Fit, PathPattern};
use crate::sample::Sample;
use crate::values::kind::Kind;

/// The layout of an input, or the layouts between which nothing decides.
///
/// # Errors
/// The names of at least two layouts that fit equally well.
pub(crate) fn recognize<'l>(layouts: &'l [Layout], sample: &Sample) -> Result<Option<&'l Layout>, Vec<String>> {
    let fits = layouts.iter().filter_map(|layout| Some((fit(layout, sample)?, layout)));
    let fits: Vec<(usize, &Layout)> = fits.collect();
    let best = fits.iter().map(|(conditions, _)| *conditions).max();
    let best: Vec<&Layout> =
        fits.iter().filter(|(conditions, _)| Some(*conditions) == best).map(|(_, layout)| *layout).collect();
    match best[..] {
        [] => Ok(None),
        [layout] => Ok(Some(layout)),
        _ => Err(best.iter().map(|layout| layout.name.clone()).collect()),
    }
}

/// How many facts of the sample fit the layout; `None` if one does not.
fn fit(layout: &Layout, sample: &Sample) -> Option<usize> {
    let Recognize { files, header, preamble, shape, json, only_by_name } = &layout.recognize;
    let conditions = header.len() + shape.len() + files.len() + preamble.len() + json.len();
    if *only_by_name || conditions == 0 {
        return None;
    }
    let headed = match layout.text.header {
        Header::Present => true,
        Header::None => !sample.has_header || layout.columns.is_empty(),
        Header::Optional => true,
    };
    let mut facts = 0;
    let mut check = |given: bool, holds: bool, worth: usize| -> Option<()> {
        facts += if given { worth } else { 0 };
        (!given || holds).then_some(())
    };
    check(true, headed, 0)?;
    check(!files.is_empty(), files.iter().any(|pattern| fits_path(pattern, &sample.path)), 4)?;
    check(!preamble.is_empty(), preamble.iter().any(|pattern| fits_line(pattern, &sample.preamble)), 4)?;
    check(!json.is_empty(), json.iter().all(|path| has_json_path(path, sample)), 2 * json.len())?;
    let has_shape = !sample.has_header && fits_shape(shape, sample);
    match layout.text.header {
        // With a header the names decide, without one the shape of the rows.
        Header::Optional if sample.has_header => check(true, fits_header(header, sample), header.len())?,
        Header::Optional => check(true, has_shape, shape.len())?,
        _ => {
            check(!header.is_empty(), sample.has_header && fits_header(header, sample), header.len())?;
            check(!shape.is_empty(), has_shape, shape.len())?;
        }
    }
    Some(facts)
}

fn fits_path(pattern: &str, path: &str) -> bool {
    pattern.parse::<PathPattern>().is_ok_and(|pattern| pattern.fit(path) != Fit::No)
}

fn fits_line(pattern: &str, lines: &[String]) -> bool {
    glob::Pattern::new(pattern).is_ok_and(|pattern| lines.iter().any(|line| pattern.matches(line.trim())))
}

/// Whether the names of the sample have all of `header`; names that differ only in case from others
/// are compared with their case.
fn fits_header(header: &[String], sample: &Sample) -> bool {
    let has = |wanted: &String| {
        sample.names.iter().any(|name| name.trim() == wanted || normalize_name(name) == normalize_name(wanted))
    };
    header.iter().all(has)
}

fn fits_shape(shape: &[String], sample: &Sample) -> bool {
    let kinds: Vec<Kind> = shape.iter().filter_map(|kind| Kind::named(kind)).collect();
    let fits = |row: &Vec<Option<String>>| {
        let values = row.iter().map(|value| value.as_deref().unwrap_or_default());
        row.len() == kinds.len() && kinds.iter().zip(values).all(|(kind, value)| kind.fits(value))
    };
    !sample.rows.is_empty() && sample.rows.iter().all(fits)
}

/// Whether one of the paths to rows is `wanted`, in which `*` stands for any key.
fn has_json_path(wanted: &str, sample: &Sample) -> bool {
    glob::Pattern::new(wanted).is_ok_and(|pattern| sample.json_paths.iter().any(|path| pattern.matches(path)))
}
