//! The verbs of the command line, one module each.
//!
//! A verb either succeeds or returns an error, which is printed as `barbus: what: why`. Two errors print nothing: a
//! closed pipe on standard output, which is no failure, and [`Reported`], whose message is out already.

mod close_day;
mod daemon;
mod demo;
mod init;
mod latest;
mod publish;
mod readers;
mod replay;
mod shared;
mod stat;
mod tail;
mod verify;
mod window;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use shared::stdout;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 it failed (standard error says why), 2 wrong use.";

/// A shared-memory bus for 1-minute bars: one writer, any number of readers, a Parquet file for each trading day.
#[derive(Debug, Parser)]
#[command(name = "barbus", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    Daemon(daemon::Daemon),
    Publish(publish::Publish),
    Replay(replay::ReplayVerb),
    Tail(tail::Tail),
    Latest(latest::Latest),
    Window(window::Window),
    Stat(stat::StatVerb),
    Readers(readers::Readers),
    CloseDay(close_day::CloseDay),
    Verify(verify::Verify),
    Demo(demo::Demo),
    #[command(hide = true)]
    DemoReader(demo::DemoReader),
}

/// What went wrong has been said; only the exit code is left.
#[derive(Debug, thiserror::Error)]
#[error("already reported")]
pub(crate) struct Reported;

/// Runs what the arguments say.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = Cli::command().after_help(EXIT_CODES).mut_subcommands(|verb| verb.after_help(EXIT_CODES));
    let verb = match Cli::from_arg_matches(&command.get_matches_from(arguments)) {
        Ok(cli) => cli.verb,
        Err(error) => error.exit(),
    };
    let outcome = match verb {
        Verb::Init(verb) => verb.run(),
        Verb::Daemon(verb) => verb.run(),
        Verb::Publish(verb) => verb.run(),
        Verb::Replay(verb) => verb.run(),
        Verb::Tail(verb) => verb.run(),
        Verb::Latest(verb) => verb.run(),
        Verb::Window(verb) => verb.run(),
        Verb::Stat(verb) => verb.run(),
        Verb::Readers(verb) => verb.run(),
        Verb::CloseDay(verb) => verb.run(),
        Verb::Verify(verb) => verb.run(),
        Verb::Demo(verb) => verb.run(),
        Verb::DemoReader(verb) => verb.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if stdout::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<Reported>() {
                shared::complain(format_args!("{}", shared::in_one_line(&error)));
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
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_use_is_refused_before_anything_is_done() {
        let refused = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
        assert!(refused("barbus window b X 0").contains("0"));
        assert!(refused("barbus tail b --from yesterday").contains("live, oldest, today"));
        assert!(refused("barbus publish b - --speed fast").contains("say max, 1x or 60x"));
        assert!(refused("barbus replay b --from 2024-03-04 --to 2024-03-05").contains("--into"));
        assert!(refused("barbus replay b --from 2024-02-30 --to 2024-03-05 --into c").contains("2024-02-30"));
        assert!(refused("barbus publish b - --zone Mars/Phobos").contains("Mars/Phobos"));
        assert!(refused("barbus publish b - --map frame").contains("column=name"));
        assert!(refused("barbus close-day b 2024-02-30").contains("2024-02-30"));
    }
}
