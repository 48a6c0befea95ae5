//! The three reader processes while they run: what they say, and the bars on the terminal that show how far they are.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use barbus::Bus;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::market::Scale;
use super::processes::{ReaderProcess, Said};
use super::reader::{Findings, Role, Word};

/// For how long a reader is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

const ROW: &str = "{prefix:>11}  {wide_bar:.cyan/dim} {human_pos:>9} bars";

/// The readers of the demo.
pub(super) struct Audience {
    bus: PathBuf,
    folder: PathBuf,
    scale: Scale,
    readers: Vec<Seat>,
    tell: Sender<Said>,
    told: Receiver<Said>,
    progress: MultiProgress,
    published: ProgressBar,
}

struct Seat {
    role: Role,
    process: ReaderProcess,
    bar: ProgressBar,
    ready: bool,
    findings: Option<Findings>,
}

/// What a reader that has ended found, and the file with what it saw.
pub(super) struct Witness {
    pub(super) role: Role,
    pub(super) findings: Findings,
    pub(super) seen: PathBuf,
}

/// What the demo calls a reader.
pub(super) fn name(role: Role) -> &'static str {
    match role {
        Role::Strategy => "strategy",
        Role::Late => "late joiner",
        Role::Counter => "counter",
    }
}

impl Audience {
    /// Nobody yet. What readers see is written to files in `folder`.
    pub(super) fn new(bus: &Bus, folder: &Path, scale: Scale) -> Audience {
        let (tell, told) = channel();
        let progress = MultiProgress::new();
        let published = progress.add(row("published", scale));
        published.tick();
        Audience {
            bus: bus.path().to_owned(),
            folder: folder.to_owned(),
            scale,
            readers: Vec::new(),
            tell,
            told,
            progress,
            published,
        }
    }

    /// Starts a reader process, and waits until it is attached to the bus.
    pub(super) fn seat(&mut self, role: Role) -> anyhow::Result<()> {
        let seen = self.folder.join(format!("{}.txt", name(role).replace(' ', "-")));
        let process = ReaderProcess::start(role, &self.bus, self.scale, seen, self.tell.clone())?;
        let bar = self.progress.add(row(name(role), self.scale));
        bar.tick();
        self.readers.push(Seat { role, process, bar, ready: false, findings: None });
        self.listen_until(|readers| readers.iter().all(|seat| seat.ready), name(role), "does not attach to the bus")
    }

    /// So many bars were published. Takes in what the readers have said meanwhile.
    pub(super) fn published(&mut self, bars: u64) -> anyhow::Result<()> {
        self.published.set_position(bars);
        while let Ok((role, word)) = self.told.try_recv() {
            self.hear(role, word)?;
        }
        Ok(())
    }

    /// Waits until every reader has ended, and gives what they found.
    pub(super) fn leave(mut self) -> anyhow::Result<Vec<Witness>> {
        self.listen_until(
            |readers| readers.iter().all(|seat| seat.findings.is_some()),
            "a reader",
            "does not see that the day is closed",
        )?;
        let mut witnesses = Vec::new();
        for mut seat in self.readers.drain(..) {
            seat.process.finish()?;
            let findings = seat.findings.unwrap_or_default();
            witnesses.push(Witness { role: seat.role, findings, seen: seat.process.seen });
        }
        Ok(witnesses)
    }

    fn listen_until(&mut self, done: impl Fn(&[Seat]) -> bool, who: &str, otherwise: &str) -> anyhow::Result<()> {
        let start = Instant::now();
        while !done(&self.readers) {
            let left = PATIENCE.saturating_sub(start.elapsed());
            match self.told.recv_timeout(left) {
                Ok((role, word)) => self.hear(role, word)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => bail!("{who} {otherwise}"),
            }
        }
        Ok(())
    }

    fn hear(&mut self, role: Role, word: Option<Word>) -> anyhow::Result<()> {
        let Some(seat) = self.readers.iter_mut().find(|seat| seat.role == role) else { return Ok(()) };
        match word {
            Some(Word::Ready) => seat.ready = true,
            Some(Word::Bars(bars)) => seat.bar.set_position(bars),
            Some(Word::Done(findings)) => {
                seat.bar.set_position(findings.bars);
                seat.findings = Some(findings);
            }
            None => ensure!(seat.findings.is_some(), "the {} ended before the day was closed", name(role)),
        }
        Ok(())
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        // A message that follows must not stand between the bars.
        let _ = self.progress.clear();
    }
}

fn row(name: &'static str, scale: Scale) -> ProgressBar {
    let style = ProgressStyle::with_template(ROW).expect("a template of this file");
    ProgressBar::new(u64::from(scale.symbols) * u64::from(scale.minutes)).with_style(style).with_prefix(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_can_be_read() {
        let scale = Scale { seed: 1, symbols: 2, minutes: 3 };
        assert_eq!(row("published", scale).length(), Some(6));
    }
}
