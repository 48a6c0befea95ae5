//! Shows the screen on a terminal until a key or a signal ends it.

use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use super::draw::{Scene, Theme, draw};
use super::model::BusFacts;
use super::terminal::{Screen, Waiter, Wake, end_by};
use super::view::{Reply, View};
use super::worker::lock;
use super::workers::Workers;

/// How often the screen is drawn while the day is read at the start.
const START_INTERVAL: Duration = Duration::from_millis(100);

/// Shows the bus until the user quits.
///
/// # Errors
/// The terminal cannot be used or is gone.
pub(super) fn run(facts: &BusFacts, workers: &Workers, theme: Theme, interval: Duration) -> anyhow::Result<()> {
    let mut waiter = Waiter::start().context("the terminal")?;
    let mut screen = Screen::enter()?;
    let end = show(&mut screen, &mut waiter, facts, workers, theme, interval);
    drop(screen);
    match waiter.end() {
        Some(signal) => end_by(signal),
        None => end?,
    }
    Ok(())
}

/// Shows the screen until a key or a signal ends it.
fn show(
    screen: &mut Screen,
    waiter: &mut Waiter,
    facts: &BusFacts,
    workers: &Workers,
    theme: Theme,
    interval: Duration,
) -> anyhow::Result<()> {
    let mut view = View::default();
    loop {
        workers.check()?;
        let has_started = render(screen, &mut view, facts, workers, theme)?;
        let wake = waiter.wait(if has_started { interval } else { START_INTERVAL }).context("the terminal")?;
        if waiter.end().is_some() || wake == Wake::Gone {
            return Ok(());
        }
        if waiter.take_stop() {
            screen.suspend()?;
        }
        if waiter.take_resumed() {
            screen.retake()?;
        }
        match if wake == Wake::Input { handle_events(&mut view)? } else { Reply::Stay } {
            Reply::Quit => return Ok(()),
            Reply::Suspend => screen.suspend()?,
            Reply::Redraw => screen.terminal.clear().context("the terminal")?,
            Reply::Stay => {}
        }
    }
}

/// Takes the events that have arrived, up to the first one that is not for the view.
fn handle_events(view: &mut View) -> anyhow::Result<Reply> {
    while event::poll(Duration::ZERO).context("the terminal")? {
        if let Event::Key(key) = event::read().context("the terminal")?
            && key.kind != KeyEventKind::Release
        {
            match view.press(key) {
                Reply::Stay => {}
                other => return Ok(other),
            }
        }
    }
    Ok(Reply::Stay)
}

/// Draws the present state. Returns whether the bars of the day are read.
fn render(
    screen: &mut Screen,
    view: &mut View,
    facts: &BusFacts,
    workers: &Workers,
    theme: Theme,
) -> anyhow::Result<bool> {
    let model = lock(&workers.model);
    let status = workers.status(&model);
    let now_ms = Timestamp::now().as_millisecond();
    let scene = Scene { facts, model: &model, status: &status, theme, now_ms };
    screen.terminal.draw(|frame| draw(&scene, view, frame.buffer_mut())).context("the terminal")?;
    Ok(model.market.has_caught_up || model.bars_error.is_some())
}
