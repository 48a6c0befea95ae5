//! Buses: their columns.

use std::mem::MaybeUninit;

use barbus::Bus;

use crate::answer::BusState;
use crate::failure::{Failure, call, given};
use crate::raw::{CText, Shared, barbus_bus};
use crate::types::*;

/// Opens the bus in the directory `path`, for questions. It reads bus.toml and the calendar tables.
///
/// Any number of threads may use the handle at once.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_bus_open(path: CText<'_>, bus: Option<&mut MaybeUninit<Option<&'static barbus_bus>>>) -> i32 {
    call(|| {
        let out = given("bus", bus)?.write(None);
        let opened = Bus::open(path.required("path")?)?;
        *out = Some(barbus_bus::of(Shared::open(BusState(opened))));
        Ok(())
    })
}

/// Closes a bus. Null is not an error. Answers and panels of the bus stay.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_bus_close(bus: Option<&'static barbus_bus>) -> i32 {
    call(|| bus.map_or(Ok(()), |bus| bus.slot().close()))
}

/// The place of the optional column `name` in barbus_bar.optional: 0 to 5.
///
/// BARBUS_ERROR_QUESTION if the bus has no such column.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_bus_optional(
    bus: Option<&barbus_bus>,
    name: CText<'_>,
    place: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    call(|| {
        let bus = given("bus", bus)?.slot().get()?;
        given("place", place)?.write(optional_place(&bus.0, name.required("name")?)?);
        Ok(())
    })
}

/// The name of the optional column at `place`, valid until the bus is closed.
///
/// BARBUS_ERROR_QUESTION if the bus has fewer columns.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_bus_optional_name(
    bus: Option<&barbus_bus>,
    place: usize,
    name: Option<&mut MaybeUninit<barbus_text>>,
) -> i32 {
    call(|| {
        let bus = given("bus", bus)?.slot().get()?;
        let names = bus.0.settings().schema.optional();
        let none = || {
            Failure::new(BARBUS_ERROR_QUESTION, format!("{}: {} optional columns", bus.0.path().display(), names.len()))
        };
        given("name", name)?.write(barbus_text::of(names.get(place).ok_or_else(none)?));
        Ok(())
    })
}

/// The zone of the bus, such as "Asia/Shanghai", valid until the bus is closed.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_bus_zone(bus: Option<&barbus_bus>, zone: Option<&mut MaybeUninit<barbus_text>>) -> i32 {
    call(|| {
        let bus = given("bus", bus)?.slot().get()?;
        given("zone", zone)?.write(barbus_text::of(bus.0.settings().schema.zone()));
        Ok(())
    })
}

/// The place of an optional column of a bus.
pub(super) fn optional_place(bus: &Bus, name: &str) -> Result<usize, Failure> {
    let names = bus.settings().schema.optional();
    names.iter().position(|column| column == name).ok_or_else(|| {
        let what = format!("{}: no optional column {name:?}: it has {}", bus.path().display(), names.join(", "));
        Failure::new(BARBUS_ERROR_QUESTION, what)
    })
}
