//! The other systems that `barbus-bench` measures, each behind [`barbus_bench_link::Peer`].
//!
//! `list` prints the available systems as JSON; `side JOB` runs one process of a measure.
//! `burst-list` and `burst-side JOB` do the same for a minute's burst.
#![forbid(unsafe_code)]

#[cfg(feature = "aeron")]
mod aeron;
mod bcast;
mod iceoryx;
mod nats;
mod redis;
mod ringfire;
#[cfg(feature = "zeromq")]
mod zeromq;

use anyhow::bail;
use barbus_bench_link::{AnyPeer, Burst, about, burst_about, burst_side, side};

fn peers() -> Vec<Box<dyn AnyPeer>> {
    let mut peers: Vec<Box<dyn AnyPeer>> = Vec::new();
    peers.extend(ringfire::all());
    peers.extend(bcast::all());
    #[cfg(feature = "aeron")]
    peers.extend(aeron::all());
    peers.extend(iceoryx::all());
    peers.extend(redis::all());
    peers
}

fn bursts() -> Vec<Box<dyn Burst>> {
    let mut bursts: Vec<Box<dyn Burst>> = Vec::new();
    bursts.extend(nats::bursts());
    bursts.extend(redis::bursts());
    #[cfg(feature = "zeromq")]
    bursts.extend(zeromq::bursts());
    bursts
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["list"] => {
            let all: Vec<_> = peers().iter().map(|peer| about(peer.as_ref())).collect();
            println!("{}", serde_json::to_string(&all)?);
            Ok(())
        }
        ["side", job] => side(&peers(), job),
        ["burst-list"] => {
            let all: Vec<_> = bursts().iter().map(|system| burst_about(system.as_ref())).collect();
            println!("{}", serde_json::to_string(&all)?);
            Ok(())
        }
        ["burst-side", job] => burst_side(&bursts(), job),
        _ => bail!("barbus-bench runs this program"),
    }
}
