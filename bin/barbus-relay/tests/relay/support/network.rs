//! The machines of a test: network namespaces on a switch, or this machine's loopback.
//!
//! Namespaces need root and a permitting system; without them a test reports that it is skipped.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sched::{CloneFlags, setns};

/// The part of a machine's network that tests see.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) address: Ipv4Addr,
    namespace: Option<String>,
}

impl Machine {
    /// This machine, by its loopback.
    pub(crate) fn local() -> Self {
        Self { address: Ipv4Addr::LOCALHOST, namespace: None }
    }

    /// A program that will run on this machine. Its process ID is that of the child.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match &self.namespace {
            None => Command::new(program),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(program);
                command
            }
        }
    }

    /// Runs `work` in a thread whose sockets are on this machine.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                if let Some(namespace) = &self.namespace {
                    let file = File::open(format!("/run/netns/{namespace}")).expect("the namespace exists");
                    setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
                }
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A port that no program uses: the listener that finds it is closed again.
    pub(crate) fn free_port(&self) -> u16 {
        let listen = || TcpListener::bind((self.address, 0)).and_then(|listener| listener.local_addr());
        self.enter(listen).expect("the machine has free ports").port()
    }
}

/// Machines in namespaces on a switch, which has an address for the test itself.
/// Dropping it removes the namespaces.
pub(crate) struct Network {
    prefix: String,
    pub(crate) machines: Vec<Machine>,
    pub(crate) switch: Machine,
}

impl Network {
    /// Connects this number of machines; `None` where the system does not permit it.
    pub(crate) fn of(machines: usize) -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("barbus-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let namespace = |name: &str| Some(format!("{prefix}-{name}"));
        let machine =
            |number: u8, name: &str| Machine { address: Ipv4Addr::new(10, 11, 0, number), namespace: namespace(name) };
        let switch = machine(254, "switch");
        let mut network = Self { prefix: prefix.clone(), machines: Vec::new(), switch };
        ip(&format!("netns add {prefix}-switch"))?;
        for line in [
            "link add switch type bridge",
            "addr add 10.11.0.254/24 dev switch",
            "link set switch up",
            "link set lo up",
        ] {
            ip(&format!("-n {prefix}-switch {line}"))?;
        }
        for number in 1..=machines {
            let name = number.to_string();
            ip(&format!("netns add {prefix}-{name}"))?;
            network.machines.push(machine(number as u8, &name));
            ip(&format!("-n {prefix}-switch link add port{name} type veth peer name net netns {prefix}-{name}"))?;
            ip(&format!("-n {prefix}-switch link set port{name} master switch up"))?;
            ip(&format!("-n {prefix}-{name} addr add 10.11.0.{name}/24 dev net"))?;
            ip(&format!("-n {prefix}-{name} link set net up"))?;
            ip(&format!("-n {prefix}-{name} link set lo up"))?;
        }
        Some(network)
    }

    /// Cuts the cable of the machine with this number, from 0 on. Neither end notices it at once.
    pub(crate) fn cut(&self, machine: usize) {
        ip(&format!("-n {}-switch link set port{} down", self.prefix, machine + 1)).expect("root may");
    }

    /// Restores a cable that was cut.
    pub(crate) fn restore(&self, machine: usize) {
        ip(&format!("-n {}-switch link set port{} up", self.prefix, machine + 1)).expect("root may");
    }

    /// Limits what a machine receives, kilobits a second.
    pub(crate) fn limit(&self, machine: usize, kilobits: u32) {
        let (prefix, port) = (&self.prefix, machine + 1);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{prefix}-switch"), "tc", "qdisc", "replace", "dev"]);
        command.arg(format!("port{port}")).args("root tbf burst 32kb latency 200ms rate".split(' '));
        let status = command.arg(format!("{kilobits}kbit")).status().expect("tc is beside ip");
        assert!(status.success(), "{command:?}: {status}");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let names = (1..=self.machines.len() + 1).map(|number| number.to_string()).chain(["switch".to_owned()]);
        for name in names {
            let _ = Command::new("ip").args(["netns", "del", &format!("{}-{name}", self.prefix)]).output();
        }
    }
}

/// Runs `ip`, or reports that the test is skipped because it fails.
fn ip(arguments: &str) -> Option<()> {
    match Command::new("ip").args(arguments.split(' ')).output() {
        Ok(output) if output.status.success() => Some(()),
        Ok(output) => {
            println!("skipped: ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            println!("skipped: ip: {error} (the package iproute2)");
            None
        }
    }
}
