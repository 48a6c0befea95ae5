//! Where the symbol of the rows of an input comes from.

use barbus_bars::SYMBOL;

use super::columns::Columns;
use super::number_symbols;
use super::plan::SymbolRule;
use crate::layout::description::Layout;
use crate::layout::pattern::{Fit, PathPattern, hive};
use crate::options::InputOptions;
use crate::sample::Sample;

/// Names of a column with the exchange, in normal form.
const EXCHANGES: [&str; 4] = ["exchange", "exch", "交易所", "exchange_code"];

/// How a symbol was found that the path states.
const BY_PATH: &str = "the path";

/// A symbol that is a number, with at least this many digits; `None` for other symbols.
pub(crate) fn padded(symbol: &str, digits: usize) -> Option<String> {
    let found = number_symbols::digits(symbol)?;
    Some(format!("{found:0>digits$}"))
}

/// A symbol and how it was found.
pub(crate) struct FoundSymbol {
    pub(crate) rule: SymbolRule,
    pub(crate) how: String,
    pub(crate) column: Option<String>,
    /// The symbol, where the path states it.
    pub(crate) by_path: Option<String>,
}

/// What the document around the rows says about the symbol.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DocumentSymbol {
    /// The symbol that a layout's path leads to.
    pub(crate) stated: Option<String>,
    /// Whether each record has one by its place.
    pub(crate) by_place: bool,
}

/// The origin of the symbol.
///
/// # Errors
/// The reason why there is none, with the flags that give one.
pub(crate) fn find(
    columns: &mut Columns<'_>,
    sample: &Sample,
    options: &InputOptions,
    layout: Option<&Layout>,
    document: &DocumentSymbol,
) -> Result<FoundSymbol, String> {
    let outside = outside(sample, options, layout, document)?;
    if let Some(column) = columns.of(SYMBOL).and_then(|found| found.first().copied()) {
        let mapped = columns.of(SYMBOL).and_then(|found| found.get(1).copied());
        let exchange = mapped.or_else(|| exchange(columns));
        if let Some(exchange) = exchange {
            columns.names.take(exchange);
        }
        let name = columns.names.raw(column).to_owned();
        let how = match exchange {
            Some(exchange) => format!("columns {name} and {}", columns.names.raw(exchange)),
            None => format!("column {name}"),
        };
        // What stands outside the rows is the symbol of rows that have none.
        let default = outside.map(|(symbol, _)| symbol).filter(|_| options.symbol.is_some());
        return Ok(FoundSymbol {
            rule: SymbolRule::Column { column, exchange, default },
            how,
            column: Some(name),
            by_path: None,
        });
    }
    if let Some(text) = columns.constant(SYMBOL) {
        let how = format!("--map: {text}");
        let rule = SymbolRule::Constant(text.to_owned());
        return Ok(FoundSymbol { rule, how, column: None, by_path: None });
    }
    if document.by_place && options.symbol.is_none() {
        let how = "the keys of the document".to_owned();
        return Ok(FoundSymbol { rule: SymbolRule::Record, how, column: None, by_path: None });
    }
    let Some((symbol, how)) = outside else { return Err(missing(columns, sample)) };
    let by_path = (how == BY_PATH).then(|| symbol.clone());
    let symbol = match (&by_path, options.symbol_digits) {
        (Some(_), Some(digits)) => padded(&symbol, digits).unwrap_or(symbol),
        _ => symbol,
    };
    let how = format!("{how}: {symbol}");
    Ok(FoundSymbol { rule: SymbolRule::Constant(symbol), how, column: None, by_path })
}

/// The symbol that stands outside the rows, and where.
pub(crate) fn outside(
    sample: &Sample,
    options: &InputOptions,
    layout: Option<&Layout>,
    document: &DocumentSymbol,
) -> Result<Option<(String, String)>, String> {
    if let Some(symbol) = &options.symbol {
        return Ok(Some((symbol.clone(), "--symbol".to_owned())));
    }
    let full = full_path(&sample.path);
    for (pattern, path) in options.symbol_from.iter().flat_map(|pattern| paths(&full).map(move |path| (pattern, path)))
    {
        if let Some(symbol) = fitted(pattern, path)? {
            return Ok(Some((symbol, format!("--symbol-from {pattern}"))));
        }
    }
    if let Some(pattern) = options.symbol_from.first() {
        return Err(format!("--symbol-from {pattern} does not fit this path: give the pattern of the end of the path"));
    }
    if let Some(symbol) = &document.stated {
        return Ok(Some((symbol.clone(), "the document".to_owned())));
    }
    if let Some(layout) = layout {
        for pattern in layout.symbol.files.iter().filter_map(|text| text.parse::<PathPattern>().ok()) {
            for path in paths(&full) {
                if let Some(symbol) = fitted(&pattern, path)? {
                    return Ok(Some((symbol, BY_PATH.to_owned())));
                }
            }
        }
        for line in &sample.preamble {
            // A line is fitted like a path; its slashes are no components.
            let line = line.trim().replace('/', "\u{2215}");
            for pattern in layout.symbol.preamble.iter().filter_map(|text| text.parse::<PathPattern>().ok()) {
                if let Some(symbol) = fitted(&pattern, &line)? {
                    return Ok(Some((symbol.replace('\u{2215}', "/"), "a line before the header".to_owned())));
                }
            }
        }
    }
    Ok(hive(&full).symbol.map(|symbol| (symbol, BY_PATH.to_owned())))
}

fn fitted(pattern: &PathPattern, path: &str) -> Result<Option<String>, String> {
    match pattern.fit(path) {
        Fit::No => Ok(None),
        Fit::Yes(found) => Ok(found.symbol),
        Fit::Unclear(first, second) => Err(format!(
            "the pattern {pattern} fits this path in more than one way: the symbol may be {first:?} or {second:?}: give a longer pattern"
        )),
    }
}

/// The path, and for a member of an archive also the path of the archive.
pub(crate) fn paths(full: &str) -> impl Iterator<Item = &str> {
    let archive = full.rfind(".zip/").map(|at| &full[..at + ".zip".len()]);
    [full].into_iter().chain(archive)
}

/// The path with the folders in which the command runs, which a pattern may name.
pub(crate) fn full_path(path: &str) -> String {
    match std::path::absolute(path) {
        Ok(full) if path != "-" => full.to_string_lossy().into_owned(),
        _ => path.to_owned(),
    }
}

fn exchange(columns: &Columns<'_>) -> Option<usize> {
    let mut free = columns.names.free();
    free.find(|&column| EXCHANGES.contains(&columns.names.normal(column)))
}

/// The message for rows without a symbol, with a pattern for this path.
fn missing(columns: &Columns<'_>, sample: &Sample) -> String {
    let name = sample.path.rsplit('/').next().unwrap_or_default();
    let pattern = match name.split_once(['_', '-', '.']) {
        Some((first, _)) if !first.is_empty() && sample.path != "-" => {
            format!(" or --symbol-from '{{symbol}}{}'", &name[first.len()..])
        }
        _ => String::new(),
    };
    format!("no column for \"symbol\" among {}: give --symbol NAME{pattern}", columns.listed())
}
