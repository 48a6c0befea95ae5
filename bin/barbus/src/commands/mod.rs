//! The commands of the command line, one module each.
//!
//! A command succeeds or returns an error, which is printed as `barbus: what: why`.
//! Two errors print nothing: a closed pipe on standard output, which is no failure, and
//! [`AlreadyPrinted`].

mod archive;
mod backup;
mod bars;
mod calendar;
mod close_day;
mod completions;
mod conformance;
mod convert;
mod daemon;
mod demo;
mod gaps;
mod health;
mod init;
mod keep;
mod latest;
mod layouts;
mod manuals;
mod migrate;
mod publish;
mod readers;
mod relay;
mod replay;
mod serve;
mod shared;
mod sql;
mod stat;
mod tail;
mod top;
mod verify;
mod window;
mod withdraw;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use shared::errors::{AlreadyPrinted, EXIT_CODES, in_one_line, print_error};
use shared::stdout;

/// A shared-memory bus for 1-minute bars: one writer, any number of readers, a Parquet file for
/// each trading day.
#[derive(Debug, Parser)]
#[command(
    name = "barbus",
    version = barbus_version::short(),
    long_version = barbus_version::long(),
    max_term_width = 100,
    arg_required_else_help = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Daemon(daemon::DaemonArgs),
    Publish(publish::PublishArgs),
    Convert(convert::ConvertArgs),
    Layouts(layouts::LayoutsArgs),
    Replay(replay::ReplayArgs),
    Tail(tail::TailArgs),
    Bars(bars::BarsArgs),
    Sql(sql::SqlArgs),
    Serve(serve::ServeArgs),
    Relay(relay::RelayArgs),
    Latest(latest::LatestArgs),
    Window(window::WindowArgs),
    Stat(stat::StatArgs),
    Health(health::HealthArgs),
    Readers(readers::ReadersArgs),
    Top(top::TopArgs),
    CloseDay(close_day::CloseDayArgs),
    Withdraw(withdraw::WithdrawArgs),
    Verify(verify::VerifyArgs),
    Migrate(migrate::MigrateArgs),
    Keep(keep::KeepArgs),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Archive(archive::ArchiveArgs),
    Calendar(calendar::CalendarArgs),
    Gaps(gaps::GapsArgs),
    Conformance(conformance::ConformanceArgs),
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
    Manuals(manuals::ManualsArgs),
    #[command(hide = true)]
    DemoReader(demo::DemoReaderArgs),
}

impl Command {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Init(args) => args.run(),
            Command::Daemon(args) => args.run(),
            Command::Publish(args) => args.run(),
            Command::Convert(args) => args.run(),
            Command::Layouts(args) => args.run(),
            Command::Replay(args) => args.run(),
            Command::Tail(args) => args.run(),
            Command::Bars(args) => args.run(),
            Command::Sql(args) => args.run(),
            Command::Serve(args) => args.run(),
            Command::Relay(args) => args.run(),
            Command::Latest(args) => args.run(),
            Command::Window(args) => args.run(),
            Command::Stat(args) => args.run(),
            Command::Health(args) => args.run(),
            Command::Readers(args) => args.run(),
            Command::Top(args) => args.run(),
            Command::CloseDay(args) => args.run(),
            Command::Withdraw(args) => args.run(),
            Command::Verify(args) => args.run(),
            Command::Migrate(args) => args.run(),
            Command::Keep(args) => args.run(),
            Command::Backup(args) => args.run(),
            Command::Restore(args) => args.run(),
            Command::Archive(args) => args.run(),
            Command::Calendar(args) => args.run(),
            Command::Gaps(args) => args.run(),
            Command::Conformance(args) => args.run(),
            Command::Demo(args) => args.run(),
            Command::Completions(args) => args.run(),
            Command::Manuals(args) => args.run(),
            Command::DemoReader(args) => args.run(),
        }
    }
}

/// The command line as clap describes it.
fn parser() -> clap::Command {
    let parser = CommandLine::command().after_help(EXIT_CODES);
    parser.mut_subcommands(|command| command.after_help(EXIT_CODES))
}

/// Runs the command that the arguments name. The first argument is the name of the program.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match CommandLine::from_arg_matches(&parser().get_matches_from(arguments)) {
        Ok(line) => line.command,
        Err(error) => error.exit(),
    };
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if stdout::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<AlreadyPrinted>() {
                print_error(in_one_line(&error));
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_refused_before_anything_is_done() {
        let refused = |line: &str| CommandLine::try_parse_from(line.split(' ')).unwrap_err().to_string();
        assert!(refused("barbus window b X 0").contains("0"));
        assert!(refused("barbus tail b --from yesterday").contains("live, oldest, today"));
        assert!(refused("barbus publish b - --speed fast").contains("give max, 1x or 60x"));
        assert!(refused("barbus replay b --from 2024-03-04 --to 2024-03-05").contains("--into"));
        assert!(refused("barbus replay b --from 2024-02-30 --to 2024-03-05 --into c").contains("2024-02-30"));
        assert!(refused("barbus publish b - --zone Mars/Phobos").contains("Mars/Phobos"));
        assert!(refused("barbus publish b - --map frame").contains("column=name"));
        assert!(refused("barbus close-day b 2024-02-30").contains("2024-02-30"));
    }
}
