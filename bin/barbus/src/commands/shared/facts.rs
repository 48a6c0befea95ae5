//! Prints a list of names and values for people.

use std::io::{self, Write};

use barbus_files::printable;
use unicode_width::UnicodeWidthStr;

/// Writes `facts` to `out` with aligned values. `colour` makes the names dim, and
/// values that begin with `!!` bold.
pub(in crate::commands) fn write(out: &mut impl Write, facts: &[(&str, String)], colour: bool) -> io::Result<()> {
    let widest = facts.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let (dim, bold, plain) = if colour { ("\x1b[2m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    for (name, value) in facts {
        let blank = " ".repeat(widest - name.width());
        let (start, end) = if value.starts_with("!!") { (bold, plain) } else { ("", "") };
        writeln!(out, "{dim}{name}{plain}{blank}  {start}{}{end}", printable(value))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_are_aligned() {
        let mut out = Vec::new();
        super::write(&mut out, &[("day", "2024-03-04".into()), ("symbols", "2".into())], false).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "day      2024-03-04\nsymbols  2\n");
    }
}
