//! Whether a longer bar is among the minutes: its volume is that of all minutes of a day or hour.

use std::collections::VecDeque;

use super::Doubt;

/// Fewest minutes that a longer bar sums up.
const MIN_MINUTES: usize = 20;
/// Most minutes that are looked back on.
const MAX_MINUTES: usize = 1500;

/// The last bars of one instrument.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    /// Low, high and volume of each bar.
    bars: VecDeque<(f64, f64, f64)>,
    volume: f64,
    /// The largest bar that the following bars may sum up to, and what they summed up to so far.
    candidate: Option<Candidate>,
}

#[derive(Debug, Clone)]
struct Candidate {
    frame_ms: i64,
    low: f64,
    high: f64,
    volume: f64,
    sum: f64,
    minutes: usize,
}

impl Recent {
    /// Adds a bar in order of time; returns the end of a bar that sums up those around it.
    pub(super) fn add(&mut self, frame_ms: i64, low: f64, high: f64, volume: f64) -> Option<i64> {
        let found = self.before(low, high, volume).then_some(frame_ms).or_else(|| self.after(low, high, volume));
        let usual = self.volume / self.bars.len().max(1) as f64;
        if found.is_none() && volume > 0.0 && volume > usual * MIN_MINUTES as f64 / 2.0 && self.candidate.is_none() {
            self.candidate = Some(Candidate { frame_ms, low, high, volume, sum: 0.0, minutes: 0 });
        }
        self.bars.push_back((low, high, volume));
        self.volume += volume;
        if self.bars.len() > MAX_MINUTES
            && let Some((_, _, volume)) = self.bars.pop_front()
        {
            self.volume -= volume;
        }
        found
    }

    /// Whether the bar sums up some of the last bars.
    fn before(&self, low: f64, high: f64, volume: f64) -> bool {
        let usual = self.volume / self.bars.len().max(1) as f64;
        if self.bars.len() < MIN_MINUTES || volume < usual * MIN_MINUTES as f64 / 2.0 || volume <= 0.0 {
            return false;
        }
        let mut sum = 0.0;
        for (i, (bar_low, bar_high, bar_volume)) in self.bars.iter().rev().enumerate() {
            if *bar_low < low || *bar_high > high || sum > volume * 1.001 {
                return false;
            }
            sum += bar_volume;
            if i + 1 >= MIN_MINUTES && (sum - volume).abs() <= volume * 1e-6 {
                return true;
            }
        }
        false
    }

    /// The end of an earlier bar that sums up the bars since then.
    fn after(&mut self, low: f64, high: f64, volume: f64) -> Option<i64> {
        let candidate = self.candidate.as_mut()?;
        candidate.sum += volume;
        candidate.minutes += 1;
        let within = low >= candidate.low && high <= candidate.high && candidate.sum <= candidate.volume * 1.001;
        if !within || candidate.minutes > MAX_MINUTES {
            self.candidate = None;
            return None;
        }
        let equal = (candidate.sum - candidate.volume).abs() <= candidate.volume * 1e-6;
        if !equal || candidate.minutes < MIN_MINUTES {
            return None;
        }
        self.candidate.take().map(|candidate| candidate.frame_ms)
    }
}

/// The doubt about longer bars among the minutes.
pub(super) fn doubt(count: u64, symbol: &str, at: String) -> Doubt {
    let bars = if count == 1 { "bar sums" } else { "bars sum" };
    Doubt {
        what: format!(
            "{count} {bars} up the minutes around it, such as that of {symbol} at {at}: it is a daily or hourly row among minutes"
        ),
        way_out: "remove such rows from the file, or send them with --trust".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bars: &[(f64, f64, f64)]) -> Vec<i64> {
        let mut recent = Recent::default();
        let bars = bars.iter().enumerate();
        bars.filter_map(|(i, (low, high, volume))| recent.add(i as i64, *low, *high, *volume)).collect()
    }

    /// Promise 9: a bar of a day is not stored as a minute of it.
    #[test]
    fn a_bar_that_sums_up_the_minutes_is_found() {
        let minutes: Vec<(f64, f64, f64)> = (0..240).map(|i| (1.0, 2.0, 100.0 + f64::from(i))).collect();
        let volume: f64 = minutes.iter().map(|bar| bar.2).sum();
        let day = (0.5, 2.5, volume);
        let with = |before: Option<(f64, f64, f64)>, after: Option<(f64, f64, f64)>| {
            let bars: Vec<_> = before.into_iter().chain(minutes.iter().copied()).chain(after).collect();
            found(&bars)
        };
        assert_eq!(with(None, Some(day)), [240]);
        assert_eq!(with(Some(day), None), [0]);
        let hour: f64 = minutes[180..].iter().map(|bar| bar.2).sum();
        assert_eq!(with(None, Some((0.5, 2.5, hour))), [240]);
        assert_eq!(with(None, None), [] as [i64; 0]);
        // A large trade is no sum.
        assert_eq!(with(None, Some((0.5, 2.5, volume * 0.7))), [] as [i64; 0]);
    }
}
