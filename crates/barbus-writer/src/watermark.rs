//! The watermark: producers state that a minute is complete, and readers learn of it.

use barbus::{Error, Result};
use jiff::Timestamp;

use crate::clock::Moment;
use crate::writer::Writer;

impl Writer {
    /// Tells readers that no more bars follow of the minute that ends at `frame_ms` (milliseconds
    /// UTC) and of those before it. Bars that follow all the same are late.
    ///
    /// Readers with [`barbus::Reader::minutes`] close these minutes at once. A minute before that
    /// of an earlier call changes nothing.
    ///
    /// ```
    /// # use barbus::{Bus, InitOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let options = InitOptions { calendar: "XSHG".into(), ..Default::default() };
    /// # let bus = Bus::init(&dir.path().join("bus"), &options)?;
    /// let mut writer = barbus_writer::Writer::open(&bus)?;
    /// writer.done(1_720_056_660_000)?; // 2024-07-04 09:31 in Shanghai
    /// assert!(writer.done(i64::MAX).is_err());
    /// assert!(writer.done(1_720_056_660).is_err()); // seconds
    /// # Ok::<(), barbus::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] if no bar may end then: later than the clock and `bars.max_ahead`, the
    /// minutes up to it would be closed before they begin; before `bars.oldest`, it is no time in
    /// milliseconds.
    pub fn done(&mut self, frame_ms: i64) -> Result<()> {
        self.check_done(frame_ms)?;
        if frame_ms > self.watermark_ms {
            self.publish_staged();
            self.watermark_ms = frame_ms;
            self.ring.set_watermark_ms(frame_ms);
            if self.wakes {
                self.ring.wake();
            }
        }
        Ok(())
    }

    /// Whether [`Writer::done`] would take `frame_ms`.
    ///
    /// # Errors
    /// As [`Writer::done`].
    pub fn check_done(&self, frame_ms: i64) -> Result<()> {
        let allowed = self.ends.allowed(Moment::read());
        if allowed.contains(&frame_ms) {
            return Ok(());
        }
        let shown = Timestamp::from_millisecond(frame_ms).map_or_else(|_| frame_ms.to_string(), |at| at.to_string());
        let why = match frame_ms < *allowed.start() {
            true => "is before bars.oldest: give the end of a minute whose bars were sent, in milliseconds UTC",
            false => "cannot be done yet: give the end of a minute whose bars were sent",
        };
        let why = format!("a minute that ends at {shown} {why}");
        Err(Error::Refused { bus: self.bus.path().to_owned(), why })
    }
}
