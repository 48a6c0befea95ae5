//! Parts of the tests: buses with archived days, an S3 server, slow networks, and pushes.

pub(crate) mod bus;
#[path = "../../support/certificates.rs"]
pub(crate) mod certificates;
#[path = "../../support/daemon.rs"]
pub(crate) mod daemon;
#[path = "../../../../../tests/support/fake_clock.rs"]
pub(crate) mod fake_clock;
#[allow(dead_code, reason = "the tests of the relay use more of it")]
#[path = "../../support/process.rs"]
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod seaweed;
#[path = "../../../../../tests/support/venv.rs"]
pub(crate) mod venv;
#[path = "../../../../../tests/support/wait.rs"]
pub(crate) mod wait;
