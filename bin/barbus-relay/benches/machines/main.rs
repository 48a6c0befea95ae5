//! Bars from one machine to another: the relay beside plain NATS and beside Redis Streams.
//!
//! `cargo bench --bench machines` prints a table. The machines are network namespaces on a switch,
//! or this machine's loopback where the system does not permit them.
//! Each system runs in every round, so ratios within a round are comparable on a noisy machine.
//! Every bar is verified where it arrives.
#![forbid(unsafe_code)]

mod market;
mod measure;
#[path = "../../tests/relay/support/network.rs"]
#[expect(dead_code, reason = "no cable is cut or slowed here")]
mod network;
mod plain_nats;
mod processes;
mod redis_streams;
mod relayed;
mod table;

use std::path::PathBuf;

use clap::Parser;

use measure::Way;
use network::{Machine, Network};
use table::Table;

/// Bars from one machine to another: the relay beside plain NATS and beside Redis Streams.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds; the medians are reported.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Single bars of a round.
    #[arg(long, default_value_t = 1_000)]
    singles: usize,
    /// Minutes of 5,000 bars of a round.
    #[arg(long, default_value_t = 60)]
    bursts: usize,
    /// Minutes of the day that is sent as fast as possible.
    #[arg(long, default_value_t = 240)]
    minutes: usize,
    /// Only systems with this word in their name.
    #[arg(long, default_value = "")]
    system: String,
    /// What cargo gives to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    /// Runs the daemon of a bus, and nothing else.
    #[arg(long, hide = true, value_name = "BUS")]
    daemon: Option<PathBuf>,
}

/// The machines of the producer, the server and the consumer.
pub(crate) struct Places {
    pub(crate) feed: Machine,
    pub(crate) server: Machine,
    pub(crate) desk: Machine,
    _network: Option<Network>,
}

impl Places {
    fn new() -> Self {
        match Network::of(3) {
            Some(network) => {
                let [feed, server, desk] = [0, 1, 2].map(|machine| network.machines[machine].clone());
                Self { feed, server, desk, _network: Some(network) }
            }
            None => {
                let [feed, server, desk] = [(); 3].map(|()| Machine::local());
                Self { feed, server, desk, _network: None }
            }
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(bus) = arguments.daemon {
        return processes::run_daemon(bus);
    }
    let places = Places::new();
    let day = market::day(arguments.minutes.max(arguments.bursts).max(1));
    let ways: Vec<Box<dyn Way>> =
        vec![Box::new(relayed::Relayed), Box::new(plain_nats::PlainNats), Box::new(redis_streams::RedisStreams)];
    let mut table = Table::default();
    for round in 1..=arguments.rounds.max(1) {
        eprintln!("round {round} of {}", arguments.rounds.max(1));
        for way in ways.iter().filter(|way| way.name().contains(&arguments.system)) {
            measure::singles(way.as_ref(), &places, &day, arguments.singles, &mut table)?;
            measure::bursts(way.as_ref(), &places, &day, arguments.bursts, &mut table)?;
            measure::whole_day(way.as_ref(), &places, &day, arguments.minutes, &mut table)?;
        }
        if "barbus relay".contains(&arguments.system) {
            relayed::catch_up(&places, &day, arguments.minutes, &mut table)?;
        }
    }
    table.print();
    Ok(())
}
