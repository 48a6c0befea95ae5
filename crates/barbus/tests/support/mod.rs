//! A bus of one test, with the settings that the test needs.

use barbus::{Bus, InitOptions};

/// A new bus of this calendar. Each setting, a key and a value as TOML writes it, takes the place
/// of the commented default that `Bus::init` writes.
pub(crate) fn bus(calendar: &str, settings: &[(&str, &str)]) -> (tempfile::TempDir, Bus) {
    let dir = tempfile::tempdir().unwrap();
    let options = InitOptions { calendar: calendar.into(), ..InitOptions::default() };
    let bus = Bus::init(&dir.path().join("bus"), &options).unwrap();
    let file = bus.path().join("bus.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (key, value) in settings {
        let default = format!("\n# {key} = ");
        let (before, after) = text.split_once(&default).expect(key);
        let (_, after) = after.split_once('\n').expect("the line ends");
        assert!(!after.contains(&default), "{key} is in two sections");
        text = format!("{before}\n{key} = {value}\n{after}");
    }
    std::fs::write(&file, text).unwrap();
    (dir, Bus::open(bus.path()).unwrap())
}
