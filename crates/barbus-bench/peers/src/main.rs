//! The other systems that `barbus-bench` measures, each behind [`barbus_bench_link::Peer`].
//!
//! `list` prints the available systems as JSON; `side JOB` runs one process of a measure.
#![forbid(unsafe_code)]

#[cfg(feature = "aeron")]
mod aeron;
mod bcast;
mod iceoryx;
mod redis;
mod ringfire;

use anyhow::bail;
use barbus_bench_link::{AnyPeer, about, side};

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

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["list"] => {
            let all: Vec<_> = peers().iter().map(|peer| about(peer.as_ref())).collect();
            println!("{}", serde_json::to_string(&all)?);
            Ok(())
        }
        ["side", job] => side(&peers(), job),
        _ => bail!("barbus-bench runs this program"),
    }
}
