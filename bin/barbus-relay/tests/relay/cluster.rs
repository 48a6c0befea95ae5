//! A stream on three servers: its leader is killed, and the disk of one is full.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::bus::{TestBus, assert_archives};
use crate::support::client::Client;
use crate::support::market::{Bar, MONDAY_MS, minutes};
use crate::support::nats::{Release, Server, urls};
use crate::support::network::Network;
use crate::support::relay::{Relay, STREAM, start_both};
use crate::support::wait;
use crate::support::watcher::Watcher;

/// Machines of the servers; the buses are on the two after them.
const SERVERS: usize = 3;

/// A small disk in memory; dropping it unmounts it.
struct Disk(PathBuf);

impl Disk {
    /// `None` where the system does not permit it, which is reported.
    fn mount(path: &Path) -> Option<Self> {
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"]).arg(path).output();
        match output {
            Ok(output) if output.status.success() => Some(Self(path.to_owned())),
            other => {
                println!("skipped: cannot mount a tmpfs: {other:?}");
                None
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes all free space.
    fn fill(&self) {
        let error = std::fs::write(self.filler(), vec![0; 64 << 20]).expect_err("the disk is smaller");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).expect("ours");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The number of the server that leads the stream, when all have what it has.
fn leader(client: &Client) -> usize {
    wait::until("a leader and its replicas", || {
        let cluster = client.stream(STREAM)?.cluster?;
        let current = cluster.replicas.iter().filter(|peer| peer.current && !peer.offline).count();
        (current == SERVERS - 1).then_some(())?;
        cluster.leader?.strip_prefix("node")?.parse().ok()
    })
}

fn a_stream_outlives_its_servers(release: Release) {
    let Some(network) = Network::of(SERVERS + 2) else { return };
    let Some(mut servers) = Server::cluster(release, &network.machines[..SERVERS]) else { return };
    let Some(disk) = Disk::mount(&servers[0].store()) else { return };
    servers.iter_mut().for_each(Server::run);
    let url = urls(&servers);
    let client = Client::new(&network.switch, &url);
    client.until_ready();
    let (here, there) = (TestBus::start(), TestBus::start());
    let [from, to] = [(&network.machines[SERVERS], &here), (&network.machines[SERVERS + 1], &there)];
    let mut relays = start_both(&client, from, to, &url, &["--replicas", "3"]);
    let watchers = [&here, &there].map(Watcher::follow);
    let mut sent: Vec<Bar> = Vec::new();
    let mut publish = |count| {
        let bars = minutes(50, sent.last().map_or(MONDAY_MS, |bar| bar.frame_ms), count);
        here.publish(&bars);
        sent.extend(bars);
        sent.len() as u64
    };
    watchers[1].until_bars(publish(10));

    // The leader is killed, and bars are published before there is another one.
    let killed = leader(&client);
    servers[killed].kill();
    watchers[1].until_bars(publish(20));
    servers[killed].run();
    leader(&client);

    // The first server's disk is full. Debian's release may wait for the disk if that server leads
    // what is written about streams and consumers; nothing is lost meanwhile.
    disk.fill();
    for _ in 0..3 {
        let published = publish(20);
        if release == Release::Newest {
            watchers[1].until_bars(published);
        }
    }
    disk.free();
    servers[0].kill();
    servers[0].run();
    leader(&client);

    // With another server gone, the one that was full is needed.
    servers[1].kill();
    watchers[1].until_bars(publish(20));
    servers[1].run();
    leader(&client);

    here.close_day();
    watchers.iter().for_each(|watcher| watcher.until_closes(1));
    let [seen_here, seen_there] = watchers.map(Watcher::finish);
    assert!(seen_here == seen_there, "the two readers saw different things");
    assert_archives([&here, &there], &sent);
    relays.iter_mut().for_each(Relay::stop);
}

#[test]
fn a_stream_outlives_debians_servers() {
    a_stream_outlives_its_servers(Release::Debian);
}

#[test]
fn a_stream_outlives_the_newest_servers() {
    a_stream_outlives_its_servers(Release::Newest);
}
