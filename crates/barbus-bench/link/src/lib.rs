//! Measures a system between two processes, each on its own core.
//!
//! A system implements [`Peer`]: how to open a sender and a receiver of [`Bar`]s, its settings, and
//! the measures that it supports.
//! Everything else is common to all systems.
//! [`measure`] starts the two processes, which are the program itself with a subcommand that calls
//! [`side`].
//! They drive the peer and verify every bar that arrives.
#![forbid(unsafe_code)]

mod bar;
mod burst;
mod child;
mod control;
mod cores;
mod drive;
mod job;
mod launch;
mod peer;
mod scratch;

pub use bar::{Bar, SYMBOLS};
pub use burst::{
    BURST, Burst, BurstAbout, BurstBar, BurstReceiver, BurstSender, BurstSource, STRATEGIES, StrategyMinute, Symbol,
    burst_about, burst_measure, burst_side, burst_symbols, burst_values, check_burst_values,
};
pub use control::prepare;
pub use cores::{pin, unpin};
pub use job::{About, Figures, Job, Role, Times, about, side};
pub use launch::measure;
pub use peer::{AnyPeer, Measure, Peer, Receiver, Scale, Sender, Wait, until};
pub use scratch::{beside, remove, scratch, scratch_place, sweep};
