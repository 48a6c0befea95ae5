//! The writer's clocks: the wall clock, which can be set, beside the clock of this boot, which
//! cannot.
//!
//! The two agree as long as nobody sets the wall clock. A step of it must not close a day, and it
//! must not make an age wrong.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use barbus_shm::{boot_ns, now_ns};

/// How long the clocks must have agreed before the wall clock may close a day.
const SETTLE_NS: i64 = 60_000_000_000;
/// The clocks agree while their difference changes by this at most.
const TOLERANCE_NS: i64 = 1_000_000_000;
/// Steps that are logged until the clocks have agreed for [`SETTLE_NS`] again.
const LOGGED_STEPS: u32 = 10;
/// The settled difference before there is one.
const NEVER: i64 = i64::MIN;

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Nanoseconds since 1970-01-01 UTC.
    pub(crate) wall_ns: i64,
    /// Nanoseconds since the boot.
    pub(crate) boot_ns: i64,
}

impl Moment {
    /// Reads both clocks.
    pub(crate) fn read() -> Self {
        Self { wall_ns: now_ns(), boot_ns: boot_ns() }
    }

    fn offset_ns(&self) -> i64 {
        self.wall_ns - self.boot_ns
    }
}

/// The clocks of one writer. The heartbeat observes them ten times a second.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Wall clock minus clock of the boot, when they were observed last.
    offset_ns: AtomicI64,
    /// That difference when the clocks last had agreed for [`SETTLE_NS`]; [`NEVER`] before.
    settled_ns: AtomicI64,
    agreement: Mutex<Agreement>,
}

/// Since when the clocks agree, and on which difference.
#[derive(Debug, PartialEq, Eq)]
struct Agreement {
    offset_ns: i64,
    /// Clock of the boot.
    since_ns: i64,
    /// Steps since the clocks were settled.
    steps: u32,
}

impl Agreement {
    /// Takes the clocks at `now`. Returns the step of the wall clock, if there was one.
    fn observe(&mut self, now: Moment) -> Option<i64> {
        let step = now.offset_ns() - self.offset_ns;
        if step.abs() > TOLERANCE_NS {
            (self.offset_ns, self.since_ns) = (now.offset_ns(), now.boot_ns);
            self.steps = self.steps.saturating_add(1);
            return Some(step);
        }
        if self.is_settled(now) {
            self.steps = 0;
        }
        None
    }

    fn is_settled(&self, now: Moment) -> bool {
        now.boot_ns - self.since_ns >= SETTLE_NS
    }
}

impl Clock {
    /// Clocks that begin to agree now.
    pub(crate) fn start() -> Self {
        let now = Moment::read();
        let agreement = Agreement { offset_ns: now.offset_ns(), since_ns: now.boot_ns, steps: 0 };
        Self(Arc::new(Shared {
            offset_ns: AtomicI64::new(now.offset_ns()),
            settled_ns: AtomicI64::new(NEVER),
            agreement: Mutex::new(agreement),
        }))
    }

    /// The present moment by one read: the wall clock follows from the last observed difference.
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        let boot_ns = boot_ns();
        Moment { wall_ns: boot_ns + self.0.offset_ns.load(Ordering::Relaxed), boot_ns }
    }

    /// Compares the clocks, and logs a step of the wall clock. Returns the moment, and whether the
    /// clocks have agreed for long enough.
    pub(crate) fn observe(&self) -> (Moment, bool) {
        let now = Moment::read();
        self.0.offset_ns.store(now.offset_ns(), Ordering::Relaxed);
        let mut agreement = self.0.agreement.lock().unwrap_or_else(PoisonError::into_inner);
        let step = agreement.observe(now);
        let (settled, steps) = (agreement.is_settled(now), agreement.steps);
        if settled {
            self.0.settled_ns.store(agreement.offset_ns, Ordering::Relaxed);
        }
        drop(agreement);
        if let Some(step_ns) = step.filter(|_| steps <= LOGGED_STEPS) {
            tracing::warn!(
                seconds = step_ns as f64 / 1e9,
                more = (steps == LOGGED_STEPS).then_some("further steps are not logged"),
                "the clock was set: no day closes by the clock before it has run undisturbed for a minute: if it happens \
                 again, look after the machine's time service"
            );
        }
        (now, settled)
    }

    /// The latest time that `now` may be, milliseconds UTC.
    ///
    /// After the wall clock was set back, it is the time that would be without that step, until the
    /// clocks have settled: the bars of a market must not become bars of the future meanwhile.
    #[inline]
    pub(crate) fn latest_ms(&self, now: Moment) -> i64 {
        let settled_ns = self.0.settled_ns.load(Ordering::Relaxed);
        let latest_ns = if settled_ns == NEVER { now.wall_ns } else { now.wall_ns.max(now.boot_ns + settled_ns) };
        latest_ns / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn moment(boot_s: i64, ahead_s: i64) -> Moment {
        Moment { wall_ns: (1_000_000 + boot_s + ahead_s) * SECOND, boot_ns: boot_s * SECOND }
    }

    /// Guards the close by the clock: after each step the clocks must agree for a whole minute.
    #[test]
    fn a_step_of_the_clock_unsettles_it_for_a_minute() {
        let start = moment(0, 0);
        let mut agreement = Agreement { offset_ns: start.offset_ns(), since_ns: start.boot_ns, steps: 0 };
        let mut at = |boot_s, ahead_s| {
            let now = moment(boot_s, ahead_s);
            (agreement.observe(now).map(|step| step / SECOND), agreement.is_settled(now))
        };
        assert_eq!(at(59, 0), (None, false));
        assert_eq!(at(60, 0), (None, true));
        // A day ahead for three seconds, and back.
        assert_eq!(at(61, 86_400), (Some(86_400), false));
        assert_eq!(at(64, 0), (Some(-86_400), false));
        assert_eq!(at(123, 0), (None, false));
        assert_eq!(at(124, 1), (None, true));
        // A clock that runs twice as fast never settles.
        assert_eq!((2..100).filter(|s| at(200 + s, *s).1).count(), 0);
    }

    /// A clock that is set back an hour must not turn the market's bars into bars of the future.
    #[test]
    fn the_latest_time_survives_a_step_back() {
        let clock = Clock::start();
        let now = moment(100, -3600);
        assert_eq!(clock.latest_ms(now), now.wall_ns / 1_000_000);
        clock.0.settled_ns.store(moment(0, 0).offset_ns(), Ordering::Relaxed);
        assert_eq!(clock.latest_ms(now), moment(100, 0).wall_ns / 1_000_000);
        assert_eq!(clock.latest_ms(moment(100, 60)), moment(100, 60).wall_ns / 1_000_000);
    }
}
