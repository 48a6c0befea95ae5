//! Withdrawing the bars of a trading day, and giving the day back that they took.

use barbus::{Date, Error, Result, Selection};
use barbus_bars::{TradingDay, date_from_epoch_days, epoch_days};
use jiff::Timestamp;

use crate::clock::Moment;
use crate::flusher::FlushWaiter;
use crate::withdrawals::Withdrawn;
use crate::writer::Writer;

impl Writer {
    /// Withdraws bars of a trading day.
    ///
    /// Their rows leave the day's file, whose file of before is kept in `archive/withdrawn/`. The
    /// bus forgets them: the same bars are new again. Readers get an
    /// [`Event::Withdrawn`](barbus::Event::Withdrawn), and a row stays in the ring until its slot
    /// is reused.
    ///
    /// A day after today is closed if it is open. If such a day had closed today, today is opened
    /// again.
    ///
    /// # Errors
    /// [`Error::Refused`] if the day is the open day and not in the future, and [`Error::Flush`] if
    /// the archive cannot be written. The call may be repeated.
    pub fn withdraw(&mut self, selection: &Selection) -> Result<Withdrawn> {
        let day = selection.day;
        let bus = self.bus.path().to_owned();
        let refused = |why| Error::Refused { bus, why };
        let waiter = self.begin_withdrawal(day).map_err(refused)?;
        let withdrawn = waiter.withdraw(selection);
        self.end_withdrawal(day)?;
        withdrawn
    }

    /// Begins a withdrawal: [`FlushWaiter::withdraw`] does it without the writer, and
    /// [`Writer::end_withdrawal`] ends it.
    ///
    /// # Errors
    /// The reason, if `day` is the open day and not in the future.
    pub fn begin_withdrawal(&mut self, day: Date) -> Result<FlushWaiter, String> {
        if self.day() == Some(day) {
            if day <= self.today().date {
                return Err(format!("{day} is the open day: close it first"));
            }
            self.close_day();
        }
        Ok(self.flush_waiter())
    }

    /// Ends a withdrawal of `day`, also one that failed. Returns the open day, which is today if
    /// the withdrawn day had closed it.
    ///
    /// # Errors
    /// The archive's directory cannot be listed.
    pub fn end_withdrawal(&mut self, day: Date) -> Result<Option<Date>> {
        self.staging.set_day(None);
        self.dedup.forget(epoch_days(day));
        self.ring.set_withdrawals(self.withdrawals.count());
        if self.wakes {
            self.ring.wake();
        }
        if self.ring.day().is_none() {
            let archived = self.bus.archived_days()?.last().copied().map(epoch_days);
            let blocks = self.ring.maintenance().blocks();
            let closed = self.withdrawals.last_closed(self.ring.ring().geometry().lineage, &blocks);
            self.day_state.closed_through = closed.max(archived).unwrap_or(i64::MIN + 1);
            self.open_today_again();
            self.flusher.close_only_before(self.day_state.closed_through + 1);
        }
        Ok(self.day())
    }

    /// Opens today again if it is the newest closed day and its time is not over.
    pub(crate) fn open_today_again(&mut self) {
        let today = self.today();
        let day = epoch_days(today.date);
        let grace_ms = i64::try_from(self.bus.settings().grace.as_millis()).unwrap_or(i64::MAX);
        let over_ms = today.close_ms.saturating_add(grace_ms);
        let now_ms = Timestamp::now().as_millisecond();
        if self.day_state.closed_through == day && now_ms < over_ms && self.ring.begin_day(day) {
            self.day_state.closed_through = day - 1;
            tracing::info!(day = %today.date, "trading day open again");
        }
    }

    /// Warns of a day of the future, which keeps real days from opening.
    pub(crate) fn warn_of_future_day(&self) {
        let newest = self.ring.day().unwrap_or(self.day_state.closed_through);
        let last_ms = *self.ends.allowed(Moment::read()).end();
        let latest = self.bus.settings().calendar.trading_day(last_ms).date;
        if newest > epoch_days(latest) {
            let day = date_from_epoch_days(newest);
            tracing::warn!(
                %day,
                "{day} is in the future, so the days before it are closed: withdraw its bars with: \
                 barbus withdraw {} --day {day}",
                self.bus.path().display()
            );
        }
    }

    /// The trading day of the present moment.
    fn today(&self) -> TradingDay {
        self.bus.settings().calendar.trading_day(Timestamp::now().as_millisecond())
    }
}
