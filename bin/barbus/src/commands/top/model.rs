//! What is shown: the parts that the workers fill, each with its own lock.

use std::sync::{Arc, Mutex};

use barbus::Bus;
use barbus_bars::PriceType;
use jiff::tz::TimeZone;

use super::daemon::DaemonWatch;
use super::files::FileFigures;
use super::market::Market;

/// The facts of a bus that do not change while it is shown.
#[derive(Debug, Clone)]
pub(super) struct BusFacts {
    pub(super) path: String,
    pub(super) calendar: String,
    /// Whether rising prices are red, as in China, Japan, Korea and Taiwan.
    pub(super) rises_are_red: bool,
    /// The zone of the bars.
    pub(super) zone: TimeZone,
    pub(super) price: PriceType,
}

impl BusFacts {
    /// The facts of `bus`.
    pub(super) fn of(bus: &Bus) -> BusFacts {
        const RED_RISES: [&str; 4] = ["Asia/Shanghai", "Asia/Taipei", "Asia/Tokyo", "Asia/Seoul"];
        let settings = bus.settings();
        BusFacts {
            path: bus.path().display().to_string(),
            calendar: settings.calendar.name().to_owned(),
            rises_are_red: RED_RISES.contains(&settings.calendar.zone_name()),
            // Reading the settings has checked the zone.
            zone: TimeZone::get(settings.schema.zone()).unwrap_or(TimeZone::UTC),
            price: settings.schema.price(),
        }
    }
}

/// What the workers have found.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) market: Market,
    /// Why bars cannot be read, until they can.
    pub(super) bars_error: Option<String>,
    /// Why the closes before the day are not known.
    pub(super) closes_error: Option<String>,
    /// `None` until the files were read for the first time.
    pub(super) files: Option<FileFigures>,
    pub(super) daemon: DaemonWatch,
}

/// The model, for the workers and the screen.
pub(super) type Shared = Arc<Mutex<Model>>;

impl Model {
    /// A model without any finding.
    pub(super) fn new(bus: &Bus) -> Model {
        Model {
            market: Market::new(bus.settings().calendar.clone()),
            bars_error: None,
            closes_error: None,
            files: None,
            daemon: DaemonWatch::new(),
        }
    }
}
