//! Parts of the tests: machines with a network, NATS servers, buses with daemons, relays, and
//! what is published and seen.

pub(crate) mod accounts;
pub(crate) mod bus;
#[path = "../../support/certificates.rs"]
pub(crate) mod certificates;
pub(crate) mod client;
#[path = "../../support/daemon.rs"]
mod daemon;
#[path = "../../../../../tests/support/fake_clock.rs"]
pub(crate) mod fake_clock;
pub(crate) mod market;
pub(crate) mod nats;
pub(crate) mod network;
#[path = "../../support/process.rs"]
pub(crate) mod process;
#[path = "../../../../../tests/support/random.rs"]
pub(crate) mod random;
pub(crate) mod relay;
#[path = "../../../../../tests/support/venv.rs"]
mod venv;
#[path = "../../../../../tests/support/wait.rs"]
pub(crate) mod wait;
pub(crate) mod watcher;
