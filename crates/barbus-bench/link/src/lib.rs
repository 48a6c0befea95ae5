//! Measures between two processes, each on a core of its own: the trait of what is measured, and the drivers that measure it.
//!
//! A system is added by an implementation of [`Peer`]: how a sender and a receiver of [`Bar`]s are opened, in which settings, and what it can do.
//! Everything else is the same for all: [`measure`] starts the two processes (the program itself, with the subcommand that ends in [`side`]),
//! which drive the peer and check every bar that arrives.
#![forbid(unsafe_code)]

mod bar;
mod control;
mod cores;
mod drive;
mod job;
mod launch;
mod peer;
mod scratch;

pub use bar::{Bar, SYMBOLS};
pub use control::prepare;
pub use cores::{pin, unpin};
pub use job::{About, Figures, Job, Role, Times, about, side};
pub use launch::measure;
pub use peer::{AnyPeer, Measure, Peer, Receiver, Scale, Sender, Wait, until};
pub use scratch::{beside, remove, scratch, scratch_place, sweep};
