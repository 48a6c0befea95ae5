//! The memory that producers may use: one budget for the messages of all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use barbus::internal::Monitor;

/// Bytes of each connection that are not counted: a live bar passes when the budget is used up.
const FREE_BYTES: u64 = 64 * 1024;
/// How long a producer waits until others release memory.
const PATIENCE: Duration = Duration::from_secs(10);

/// The budget of `ingest.memory`.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    /// For all producers.
    limit: u64,
    /// For all producers of one user.
    user_limit: u64,
    used: Monitor<Used>,
}

#[derive(Debug, Default)]
struct Used {
    total: u64,
    by_user: HashMap<u32, u64>,
}

impl MemoryBudget {
    /// A budget of `limit` bytes, of which one user may have half.
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, user_limit: limit / 2, used: Monitor::default() })
    }

    /// An empty reservation. `user` counts against the limit of that user.
    pub(crate) fn reservation(self: &Arc<Self>, user: Option<u32>) -> Reservation {
        Reservation { budget: Arc::clone(self), user, bytes: 0 }
    }
}

/// The memory of one connection; dropping it releases the memory.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    user: Option<u32>,
    bytes: u64,
}

impl Reservation {
    /// Sets how much memory the connection uses. It waits while others use too much of the budget.
    ///
    /// # Errors
    /// There is not so much memory. The text is an answer to the producer.
    pub(crate) fn set(&mut self, bytes: u64) -> Result<(), String> {
        self.set_within(bytes.saturating_sub(FREE_BYTES), PATIENCE)
    }

    fn set_within(&mut self, bytes: u64, patience: Duration) -> Result<(), String> {
        if bytes <= self.bytes {
            self.release(self.bytes - bytes);
            return Ok(());
        }
        let (more, budget) = (bytes - self.bytes, &self.budget);
        let fits = |used: &Used| {
            let of_user = self.user.map_or(0, |user| used.by_user.get(&user).copied().unwrap_or(0));
            used.total.saturating_add(more) <= budget.limit && of_user.saturating_add(more) <= self.user_limit()
        };
        let alone = bytes <= budget.limit.min(self.user_limit());
        let waited = if alone { patience } else { Duration::ZERO };
        let mut used = budget.used.wait_while_for(budget.used.lock(), waited, |used| !fits(used));
        if !fits(&used) {
            return Err(format!(
                "{bytes} bytes are more than ingest.memory has left: send smaller batches, or send again later"
            ));
        }
        used.total += more;
        if let Some(user) = self.user {
            *used.by_user.entry(user).or_default() += more;
        }
        drop(used);
        self.bytes = bytes;
        Ok(())
    }

    fn user_limit(&self) -> u64 {
        if self.user.is_some() { self.budget.user_limit } else { u64::MAX }
    }

    fn release(&mut self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let mut used = self.budget.used.lock();
        used.total -= bytes;
        if let Some(user) = self.user
            && let Some(of_user) = used.by_user.get_mut(&user)
        {
            *of_user -= bytes;
            if *of_user == 0 {
                used.by_user.remove(&user);
            }
        }
        drop(used);
        self.bytes -= bytes;
        self.budget.used.notify_all();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn one_user_gets_half_and_all_together_no_more_than_the_limit() {
        let budget = MemoryBudget::new(1_000);
        let (mut own, mut other, mut third) =
            (budget.reservation(None), budget.reservation(Some(7)), budget.reservation(Some(7)));
        other.set_within(300, NOW).unwrap();
        third.set_within(200, NOW).unwrap();
        third.set_within(201, NOW).unwrap_err();
        own.set_within(501, NOW).unwrap_err();
        own.set_within(500, NOW).unwrap();
        own.set_within(100, NOW).unwrap();
        third.set_within(201, NOW).unwrap_err();
        drop(other);
        third.set_within(500, NOW).unwrap();
        own.set_within(500, NOW).unwrap();
        drop((own, third));
        let used = budget.used.lock();
        assert_eq!((used.total, used.by_user.len()), (0, 0));
    }

    #[test]
    fn a_producer_waits_until_another_releases_memory() {
        let budget = MemoryBudget::new(1_000);
        let mut first = budget.reservation(None);
        first.set_within(900, NOW).unwrap();
        let mut second = budget.reservation(None);
        let waiting = std::thread::spawn(move || second.set_within(600, Duration::from_secs(240)));
        first.set_within(400, NOW).unwrap();
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn a_live_bar_needs_no_budget() {
        let budget = MemoryBudget::new(0);
        budget.reservation(None).set(FREE_BYTES).unwrap();
        budget.reservation(None).set(FREE_BYTES + 1).unwrap_err();
    }
}
