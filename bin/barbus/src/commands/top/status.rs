//! The state of the bus that is shown: the daemon's, or that of the files while it is silent, and
//! what needs attention.

use std::time::Duration;

use barbus::ReaderStat;
use barbus::protocol::Stat;

use super::daemon::DaemonAnswer;
use super::model::Model;

/// Longer than a question to the daemon and a reading of the files take.
pub(super) const LONGEST: Duration = Duration::from_secs(3);

/// Whether the bus is written, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WriterState {
    /// It is not known yet.
    Unknown,
    /// The daemon answers.
    Daemon(u32),
    /// A program that embeds the writer.
    Program,
    /// Neither.
    Absent,
    /// The daemon has not answered for this time.
    Silent(Duration),
    /// The daemon cannot be asked.
    Refused,
}

/// The state at one moment.
#[derive(Debug, Clone)]
pub(super) struct Status {
    pub(super) writer: WriterState,
    /// `None` without a ring, and before the first answer.
    pub(super) stat: Option<Stat>,
    pub(super) readers: Vec<ReaderStat>,
    /// What needs attention, a phrase each.
    pub(super) warnings: Vec<String>,
}

impl Status {
    /// The state that `model` shows. The present question to the daemon has taken `asking`, and the
    /// present reading of the files `reading`.
    pub(super) fn of(model: &Model, asking: Duration, reading: Duration) -> Status {
        let files = model.files.clone().unwrap_or_default();
        let silent_for = model.daemon.answered_at.elapsed();
        let mut warnings = Vec::new();
        // While the daemon is silent, the figures of the files are shown.
        let silent = |why: String, stat: Option<Stat>, warnings: &mut Vec<String>| {
            if stat.is_none() {
                warnings.push(why.clone());
            }
            (WriterState::Silent(silent_for), stat.map(|stat| Stat { daemon_silent: Some(why), ..stat }))
        };
        let (writer, stat) = match &model.daemon.answer {
            _ if asking >= LONGEST => {
                let why = format!("the daemon has not answered for {} s", silent_for.as_secs());
                silent(why, files.stat, &mut warnings)
            }
            None => (WriterState::Unknown, files.stat),
            Some(DaemonAnswer::Runs(stat)) => {
                let pid = stat.pid_here.or(stat.pid);
                (pid.map_or(WriterState::Unknown, WriterState::Daemon), Some((**stat).clone()))
            }
            Some(DaemonAnswer::Absent) => match &files.stat {
                None if model.files.is_none() => (WriterState::Unknown, None),
                Some(stat) if stat.writer_alive => (WriterState::Program, files.stat),
                _ => (WriterState::Absent, files.stat),
            },
            Some(DaemonAnswer::Silent(why)) => silent(why.clone(), files.stat, &mut warnings),
            Some(DaemonAnswer::Refused(why)) => {
                warnings.push(why.clone());
                (WriterState::Refused, files.stat)
            }
        };
        warnings.extend(stat.iter().flat_map(Stat::alarms));
        if reading >= LONGEST {
            warnings.push(format!("the files have not been readable for {} s: is a disk hung?", reading.as_secs()));
        }
        let reasons = [&model.bars_error, &files.error, &model.closes_error];
        warnings.extend(reasons.into_iter().flatten().cloned());
        if model.market.missed > 0 {
            warnings.push(format!("{} bars of the day are lost: its figures lack them", model.market.missed));
        }
        let mut seen = Vec::new();
        warnings.retain(|warning| {
            let is_new = !seen.contains(warning);
            seen.push(warning.clone());
            is_new
        });
        Status { writer, stat, readers: files.readers, warnings }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use barbus::{Bus, InitOptions};

    use super::super::files::FileFigures;
    use super::*;

    fn model(folder: &Path) -> Model {
        let options = InitOptions { calendar: "24x7".into(), ..InitOptions::default() };
        Model::new(&Bus::init(&folder.join("bus"), &options).unwrap())
    }

    fn files(writer_alive: bool) -> Option<FileFigures> {
        let stat = Stat { bars: 7, writer_alive, ..Stat::default() };
        Some(FileFigures { stat: Some(stat), ..FileFigures::default() })
    }

    #[test]
    fn the_figures_of_the_files_are_shown_while_the_daemon_is_silent() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = model(folder.path());
        let shown = |model: &Model, asking| Status::of(model, Duration::from_secs(asking), Duration::ZERO);
        assert_eq!(shown(&model, 0).writer, WriterState::Unknown);
        model.files = files(true);
        let of_daemon = Stat { pid: Some(9), bars: 8, writer_alive: true, ..Stat::default() };
        model.daemon.note(DaemonAnswer::Runs(Box::new(of_daemon)));
        let status = shown(&model, 0);
        assert_eq!((status.writer, status.stat.unwrap().bars), (WriterState::Daemon(9), 8));
        let status = shown(&model, 3);
        assert!(matches!(status.writer, WriterState::Silent(_)) && status.stat.unwrap().bars == 7);
        assert!(status.warnings[0].contains("has not answered"), "{:?}", status.warnings);
        model.daemon.note(DaemonAnswer::Silent("it is stopped".into()));
        let status = shown(&model, 0);
        assert!(matches!(status.writer, WriterState::Silent(_)));
        assert_eq!(status.warnings, ["it is stopped"]);
    }

    #[test]
    fn a_program_may_write_the_bus_instead_of_a_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = model(folder.path());
        let shown = |model: &Model| Status::of(model, Duration::ZERO, Duration::ZERO);
        model.daemon.note(DaemonAnswer::Absent);
        assert_eq!(shown(&model).writer, WriterState::Unknown, "the files are not read yet");
        model.files = files(true);
        assert_eq!(shown(&model).writer, WriterState::Program);
        model.files = files(false);
        let status = shown(&model);
        assert_eq!(status.writer, WriterState::Absent);
        assert_eq!(status.warnings, ["no writer: its heartbeat is missing"]);
    }

    #[test]
    fn one_reason_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = model(folder.path());
        model.bars_error = Some("no ring".into());
        model.files = Some(FileFigures { error: Some("no ring".into()), ..FileFigures::default() });
        model.daemon.note(DaemonAnswer::Absent);
        let status = Status::of(&model, Duration::ZERO, Duration::from_secs(3));
        assert_eq!(status.writer, WriterState::Absent);
        assert_eq!(status.warnings.len(), 2, "{:?}", status.warnings);
        assert!(status.warnings[0].contains("disk hung"));
    }
}
