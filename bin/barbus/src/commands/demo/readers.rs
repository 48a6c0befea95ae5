//! The three reader processes of the demo: starts them, and shows their progress on the terminal.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use barbus::Bus;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::market::Scale;
use super::processes::{ReaderMessage, ReaderProcess};
use super::reader::{Findings, Report, Role};

/// Longest wait for a reader to attach or to end.
const TIMEOUT: Duration = Duration::from_secs(30);

const TEMPLATE: &str = "{prefix:>11}  {wide_bar:.cyan/dim} {human_pos:>9} bars";

/// The running readers.
pub(super) struct DemoReaders {
    bus: PathBuf,
    folder: PathBuf,
    scale: Scale,
    readers: Vec<RunningReader>,
    sender: Sender<ReaderMessage>,
    messages: Receiver<ReaderMessage>,
    progress: MultiProgress,
    published: ProgressBar,
}

struct RunningReader {
    role: Role,
    process: ReaderProcess,
    bar: ProgressBar,
    attached: bool,
    findings: Option<Findings>,
}

/// The outcome of a reader that has ended.
pub(super) struct ReaderResult {
    pub(super) role: Role,
    pub(super) findings: Findings,
    /// The file with the log of its bars.
    pub(super) log: PathBuf,
}

/// The name of a reader in the output of the demo.
pub(super) fn name(role: Role) -> &'static str {
    match role {
        Role::Strategy => "strategy",
        Role::Late => "late joiner",
        Role::Counter => "counter",
    }
}

impl DemoReaders {
    /// No readers yet. Their logs are written to `folder`.
    pub(super) fn new(bus: &Bus, folder: &Path, scale: Scale) -> DemoReaders {
        let (sender, messages) = channel();
        let progress = MultiProgress::new();
        let published = progress.add(progress_bar("published", scale));
        published.tick();
        DemoReaders {
            bus: bus.path().to_owned(),
            folder: folder.to_owned(),
            scale,
            readers: Vec::new(),
            sender,
            messages,
            progress,
            published,
        }
    }

    /// Starts a reader process and waits until it is attached to the bus.
    pub(super) fn start(&mut self, role: Role) -> anyhow::Result<()> {
        let log = self.folder.join(format!("{}.txt", name(role).replace(' ', "-")));
        let process = ReaderProcess::start(role, &self.bus, self.scale, log, self.sender.clone())?;
        let bar = self.progress.add(progress_bar(name(role), self.scale));
        bar.tick();
        self.readers.push(RunningReader { role, process, bar, attached: false, findings: None });
        self.receive_until(
            |readers| readers.iter().all(|reader| reader.attached),
            name(role),
            "does not attach to the bus",
        )
    }

    /// Shows the number of published bars, and receives the messages of the readers.
    pub(super) fn published(&mut self, bars: u64) -> anyhow::Result<()> {
        self.published.set_position(bars);
        while let Ok((role, report)) = self.messages.try_recv() {
            self.receive(role, report)?;
        }
        Ok(())
    }

    /// Waits until every reader has ended, and returns the results.
    pub(super) fn wait(mut self) -> anyhow::Result<Vec<ReaderResult>> {
        self.receive_until(
            |readers| readers.iter().all(|reader| reader.findings.is_some()),
            "a reader",
            "does not see that the day is closed",
        )?;
        let mut results = Vec::new();
        for mut reader in self.readers.drain(..) {
            reader.process.wait()?;
            let findings = reader.findings.unwrap_or_default();
            results.push(ReaderResult { role: reader.role, findings, log: reader.process.log });
        }
        Ok(results)
    }

    fn receive_until(
        &mut self,
        done: impl Fn(&[RunningReader]) -> bool,
        who: &str,
        problem: &str,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        while !done(&self.readers) {
            let left = TIMEOUT.saturating_sub(start.elapsed());
            match self.messages.recv_timeout(left) {
                Ok((role, report)) => self.receive(role, report)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => bail!("{who} {problem}"),
            }
        }
        Ok(())
    }

    fn receive(&mut self, role: Role, report: Option<Report>) -> anyhow::Result<()> {
        let Some(reader) = self.readers.iter_mut().find(|reader| reader.role == role) else { return Ok(()) };
        match report {
            Some(Report::Attached) => reader.attached = true,
            Some(Report::Bars(bars)) => reader.bar.set_position(bars),
            Some(Report::Done(findings)) => {
                reader.bar.set_position(findings.bars);
                reader.findings = Some(findings);
            }
            None => ensure!(reader.findings.is_some(), "the {} ended before the day was closed", name(role)),
        }
        Ok(())
    }
}

impl Drop for DemoReaders {
    fn drop(&mut self) {
        // Otherwise the next message would be printed between the bars.
        let _ = self.progress.clear();
    }
}

fn progress_bar(name: &'static str, scale: Scale) -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is valid");
    ProgressBar::new(u64::from(scale.symbols) * u64::from(scale.minutes)).with_style(style).with_prefix(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid() {
        let scale = Scale { seed: 1, symbols: 2, minutes: 3 };
        assert_eq!(progress_bar("published", scale).length(), Some(6));
    }
}
