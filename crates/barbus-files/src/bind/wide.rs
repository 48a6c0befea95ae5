//! Several instruments side by side: the names of the columns hold the symbol.
//!
//! `SHFE.zz2310.open` and `('Open', 'ZZQ')` are the open of one instrument each.

use barbus_bars::{CLOSE, HIGH, LOW, MONEY, OPEN, VOLUME, aliases_of, normalize_name};

/// Words that are no symbols: `bid_open` is another price of the same instrument.
const NO_SYMBOLS: [&str; 12] =
    ["bid", "ask", "mid", "adj", "pre", "prev", "last", "price", "avg", "the", "day", "adjusted"];

/// The columns of one instrument: each with the column of a bar that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WideGroup {
    pub(crate) symbol: String,
    pub(crate) columns: Vec<(&'static str, usize)>,
}

/// The instruments in `names`, in their order; none if no instrument has all four prices.
pub(crate) fn groups(names: &[String]) -> Vec<WideGroup> {
    for split in [split_last, split_first] {
        let mut groups: Vec<WideGroup> = Vec::new();
        for (column, name) in names.iter().enumerate() {
            let Some((symbol, target)) = split(name) else { continue };
            match groups.iter_mut().find(|group| group.symbol == symbol) {
                Some(group) => group.columns.push((target, column)),
                None => groups.push(WideGroup { symbol, columns: vec![(target, column)] }),
            }
        }
        groups.retain(|group| {
            let has = |target: &&str| group.columns.iter().filter(|(found, _)| found == target).count() == 1;
            [OPEN, HIGH, LOW, CLOSE].iter().all(has)
        });
        if !groups.is_empty() {
            return groups;
        }
    }
    Vec::new()
}

/// `SHFE.zz2310.open`: the symbol is before the last separator.
fn split_last(name: &str) -> Option<(String, &'static str)> {
    let name = unwrapped(name);
    let at = name.rfind(['.', '|', ':', '_', ' ', '/'])?;
    named(&name[..at], &name[at + 1..])
}

/// `open_ZZQ`: the symbol is behind the first separator.
fn split_first(name: &str) -> Option<(String, &'static str)> {
    let name = unwrapped(name);
    let at = name.find(['.', '|', ':', '_', ' ', '/'])?;
    named(&name[at + 1..], &name[..at])
}

/// `('Open', 'ZZQ')` as pandas prints a name of two levels: `Open|ZZQ`.
fn unwrapped(name: &str) -> String {
    let inner = name.trim().strip_prefix('(').and_then(|name| name.strip_suffix(')'));
    match inner.and_then(|inner| inner.split_once(',')) {
        Some((first, second)) => {
            let plain = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
            format!("{}|{}", plain(first), plain(second))
        }
        None => name.trim().to_owned(),
    }
}

fn named(symbol: &str, column: &str) -> Option<(String, &'static str)> {
    let word = normalize_name(column);
    let is = |target: &&&'static str| {
        word == ***target || aliases_of(target).iter().any(|alias| alias.len() > 2 && *alias == word)
    };
    let target = [OPEN, HIGH, LOW, CLOSE, VOLUME, MONEY].iter().find(is)?;
    let usable = !symbol.is_empty() && !NO_SYMBOLS.contains(&symbol.to_lowercase().as_str());
    usable.then(|| (symbol.to_owned(), *target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        groups(&names).into_iter().map(|group| group.symbol).collect()
    }

    #[test]
    fn symbols_are_found_before_and_behind_the_column() {
        let first = ["datetime", "S.z1.open", "S.z1.high", "S.z1.low", "S.z1.close", "S.z1.volume", "S.z1.close_oi"];
        assert_eq!(symbols(&first), ["S.z1"]);
        let pandas = ["('Open', 'A')", "('High', 'A')", "('Low', 'A')", "('Close', 'A')", "('Adj Close', 'A')"];
        assert_eq!(symbols(&pandas), ["A"]);
        assert_eq!(symbols(&["open_A", "high_A", "low_A", "close_A", "open_B"]), ["A"]);
        let two = ["A.open", "A.high", "A.low", "A.close", "B.open", "B.high", "B.low", "B.close"];
        assert_eq!(symbols(&two), ["A", "B"]);
    }

    /// Promise 9: bid and ask are not instruments.
    #[test]
    fn other_prices_of_one_instrument_are_no_symbols() {
        assert!(symbols(&["bid_open", "bid_high", "bid_low", "bid_close", "ask_open", "ask_high"]).is_empty());
        assert!(symbols(&["open", "high", "low", "close", "pre_close", "adj_close"]).is_empty());
        assert!(symbols(&["open_price", "high_price", "low_price", "close_price"]).is_empty());
    }
}
