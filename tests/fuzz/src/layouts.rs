//! Any text as the description of a layout: an error that says why, or a layout that reads any
//! file.

use std::io::Cursor;

use barbus_bars::BarSchema;
use barbus_files::{InputOptions, Layout, Opener};

/// Parses `data` up to its first zero byte as a layout, and reads the rest with it as `files` does:
/// the first line is the path of the file.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    let Ok(text) = std::str::from_utf8(&data[..end]) else { return };
    let layout = match Layout::parse("fuzz", text) {
        Ok(layout) => layout,
        Err(error) => return assert!(error.to_string().len() > "layout fuzz: ".len(), "{error}"),
    };
    let rest = data.get(end + 1..).unwrap_or_default();
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let name = String::from_utf8_lossy(&rest[..end]).into_owned();
    let content = rest.get(end + 1..).unwrap_or_default().to_vec();
    let options = InputOptions {
        symbol: Some("X".to_owned()),
        layout: Some(layout),
        ..InputOptions::new(BarSchema::zillionare())
    };
    let opener = Opener::new(options).expect("a layout that was parsed can be used");
    super::files::read(&opener, &name, Box::new(Cursor::new(content)));
}
