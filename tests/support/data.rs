//! The folder of real bars, named by `BARBUS_DATA`; it is not part of the project.

use std::path::PathBuf;

/// One file of real bars and the options to publish it.
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
}

/// The files of one market, in the order in which they are published.
pub(crate) struct Market {
    pub(crate) calendar: &'static str,
    pub(crate) sources: &'static [Source],
}

/// Mainland stocks; frames mark the end of the bar.
pub(crate) const XSHG: Market = Market {
    calendar: "XSHG",
    sources: &[
        Source { name: "ashare_688001_tdx.csv.gz", label: "end" },
        Source { name: "ashare_zillionare_202203.csv.gz", label: "end" },
    ],
};

/// US stocks with extended hours; frames mark the start of the bar.
pub(crate) const XNYS: Market = Market {
    calendar: "XNYS",
    sources: &[
        Source { name: "lean_us_equity.csv.gz", label: "start" },
        Source { name: "us_sp500_2024_a.csv.gz", label: "start" },
    ],
};

/// Crypto pairs; frames mark the start of the bar. Parts of the second file are late bars.
pub(crate) const CRYPTO: Market = Market {
    calendar: "24x7",
    sources: &[
        Source { name: "crypto_btcusdt_202412.csv.gz", label: "start" },
        Source { name: "lean_crypto.csv.gz", label: "start" },
    ],
};

/// The folder; `None` after reporting that the test is skipped.
pub(crate) fn folder() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("BARBUS_DATA") else {
        println!("skipped: BARBUS_DATA is not set");
        return None;
    };
    let folder = PathBuf::from(folder);
    assert!(folder.is_dir(), "BARBUS_DATA: {}: not a directory", folder.display());
    Some(folder)
}
