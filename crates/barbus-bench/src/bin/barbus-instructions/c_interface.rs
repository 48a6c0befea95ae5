//! The hot paths of the C library, by calls of its exported functions.

use std::mem::MaybeUninit;

use anyhow::ensure;
use barbus_bench_link::scratch;
use barbus_c::{
    BARBUS_EVENT_BARS, BARBUS_EVENT_NONE, BARBUS_OK, BARBUS_START_LIVE, BARBUS_START_OLDEST, BARBUS_WAIT_FUTEX, CText,
    barbus_bar, barbus_event, barbus_latest, barbus_poll, barbus_reader, barbus_reader_options, barbus_window,
    open_reader,
};

use crate::paths::{OPERATIONS, asked, bus, row};
use crate::valgrind::counted_work;

/// A reader of C, in this thread.
fn open(bus: &std::path::Path, start: i32) -> anyhow::Result<&'static barbus_reader> {
    let options = barbus_reader_options::starting(start, BARBUS_WAIT_FUTEX);
    let path = bus.to_str().unwrap_or_default();
    open_reader(path, &options).map_err(anyhow::Error::msg)
}

pub(crate) fn poll() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let (bus, mut writer) = bus(&directory)?;
    let reader = open(bus.path(), BARBUS_START_OLDEST)?;
    let mut event = barbus_event::default();
    ensure!(barbus_poll(Some(reader), Some(&mut event)) == BARBUS_OK);
    for i in 1..=OPERATIONS {
        writer.push(&row(i))?;
        let code = counted_work(|| barbus_poll(Some(reader), Some(&mut event)));
        ensure!((code, event.kind, event.count) == (BARBUS_OK, BARBUS_EVENT_BARS, 1), "{event:?}");
    }
    Ok(OPERATIONS)
}

pub(crate) fn poll_idle() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let (bus, _writer) = bus(&directory)?;
    let reader = open(bus.path(), BARBUS_START_LIVE)?;
    let mut event = barbus_event::default();
    ensure!(barbus_poll(Some(reader), Some(&mut event)) == BARBUS_OK);
    for _ in 0..OPERATIONS {
        let code = counted_work(|| barbus_poll(Some(reader), Some(&mut event)));
        ensure!((code, event.kind) == (BARBUS_OK, BARBUS_EVENT_NONE), "{event:?}");
    }
    Ok(OPERATIONS)
}

pub(crate) fn latest() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let (writer, _, names) = asked(&directory, 1)?;
    let reader = open(&directory.path().join("bus"), BARBUS_START_LIVE)?;
    let names: Vec<std::ffi::CString> = names.into_iter().map(std::ffi::CString::new).collect::<Result<_, _>>()?;
    let (mut bar, mut found) = (MaybeUninit::<barbus_bar>::uninit(), MaybeUninit::uninit());
    for i in 0..OPERATIONS + names.len() {
        let name = &names[i * 7 % names.len()];
        let (text, length) = (CText::from(name.as_c_str()), name.count_bytes());
        let mut ask = || barbus_latest(Some(reader), text, length, Some(&mut bar), Some(&mut found));
        // The first questions build the index.
        let code = if i < names.len() { ask() } else { counted_work(ask) };
        ensure!(code == BARBUS_OK);
    }
    drop(writer);
    Ok(OPERATIONS)
}

pub(crate) fn window() -> anyhow::Result<usize> {
    const TIMES: usize = 2_000;
    let directory = scratch()?;
    let (writer, _, names) = asked(&directory, 240)?;
    let reader = open(&directory.path().join("bus"), BARBUS_START_LIVE)?;
    let names: Vec<std::ffi::CString> = names.into_iter().map(std::ffi::CString::new).collect::<Result<_, _>>()?;
    let (mut bars, mut found) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    for i in 0..TIMES + names.len() {
        let name = &names[i % names.len()];
        let (text, length) = (CText::from(name.as_c_str()), name.count_bytes());
        let mut ask = || barbus_window(Some(reader), text, length, 240, Some(&mut bars), Some(&mut found));
        let code = if i < names.len() { ask() } else { counted_work(ask) };
        ensure!(code == BARBUS_OK);
    }
    drop(writer);
    Ok(TIMES)
}
