//! The drivers of the two processes: the first has core 0 and the clock, the second core 1.

use std::time::{Duration, Instant};

use anyhow::ensure;
use hdrhistogram::Histogram;

use crate::control::Control;
use crate::{Figures, Job, Measure, Peer, Receiver, Sender, Times, Wait, pin};

/// Bars of a batch.
const BATCH: u64 = 128;
/// Bars between two reports of the reader's progress, or an eighth of the window.
const STRIDE: u64 = 4_096;
/// Spin-loop iterations of a throughput reader after an empty poll, about a microsecond.
const PAUSES: u32 = 32;

/// Round trips, and the part of them that is not counted.
fn round_trips<P: Peer>(peer: &P, wait: Wait) -> (u64, u64) {
    let counted = match wait {
        Wait::Spin => peer.scale().spinning,
        Wait::Sleep => peer.scale().asleep,
    };
    (counted + counted / 10, counted / 10)
}

/// Time after which a waiting process sleeps, even if it spins for a while first.
fn nap(wait: Wait) -> Duration {
    match wait {
        Wait::Spin => Duration::ZERO,
        Wait::Sleep => Duration::from_micros(300),
    }
}

/// Spins for this time without yielding the core.
#[inline(always)]
fn until_asleep(wait: Wait) {
    if wait == Wait::Sleep {
        let begun = Instant::now();
        while begun.elapsed() < nap(wait) {
            std::hint::spin_loop();
        }
    }
}

#[inline(always)]
fn receive_one(receiver: &mut impl Receiver, n: u64) -> anyhow::Result<()> {
    loop {
        match receiver.receive(n)? {
            0 => std::hint::spin_loop(),
            count => {
                ensure!(count == 1, "{count} bars instead of one");
                return Ok(());
            }
        }
    }
}

pub(crate) fn ping<P: Peer>(peer: &P, job: &Job, wait: Wait, control: &Control) -> anyhow::Result<Figures> {
    pin(0);
    let mut sender = peer.sender(&job.directory, "out", wait)?;
    let mut receiver = peer.receiver(&job.directory, "back", wait)?;
    control.meet(0)?;
    let mut histogram = Histogram::<u64>::new(3)?;
    let (all, warm) = round_trips(peer, wait);
    for n in 0..all {
        until_asleep(wait);
        let start = Instant::now();
        sender.send(n)?;
        receive_one(&mut receiver, n)?;
        let there_and_back = start.elapsed().saturating_sub(nap(wait));
        if n >= warm {
            histogram.record(there_and_back.as_nanos() as u64 / 2)?;
        }
    }
    control.finish();
    let ns = |quantile| histogram.value_at_quantile(quantile) as f64;
    Ok(Figures::OneWay(Times { p50: ns(0.5), p99: ns(0.99), p999: ns(0.999), max: histogram.max() as f64 }))
}

/// Answers every bar with the same bar.
pub(crate) fn echo<P: Peer>(peer: &P, job: &Job, wait: Wait, control: &Control) -> anyhow::Result<()> {
    pin(1);
    let mut sender = peer.sender(&job.directory, "back", wait)?;
    let mut receiver = peer.receiver(&job.directory, "out", wait)?;
    control.meet(1)?;
    for n in 0..round_trips(peer, wait).0 {
        receive_one(&mut receiver, n)?;
        until_asleep(wait);
        sender.send(n)?;
    }
    control.wait_until_finished()
}

/// Counted bars, and warm-up bars: as many as the peer holds, so that all its memory is touched.
fn stream<P: Peer>(peer: &P, job: &Job) -> (u64, u64) {
    let counted = match job.measure {
        Measure::Batches => peer.scale().batched,
        _ => peer.scale().one_by_one,
    };
    (counted, peer.capacity().unwrap_or(counted / 10).next_multiple_of(BATCH))
}

fn window<P: Peer>(peer: &P) -> u64 {
    peer.capacity().map_or(u64::MAX, |capacity| capacity / 2)
}

pub(crate) fn write<P: Peer>(peer: &P, job: &Job, control: &Control) -> anyhow::Result<Figures> {
    pin(0);
    let mut sender = peer.sender(&job.directory, "out", Wait::Spin)?;
    control.meet(0)?;
    let (counted, warm) = stream(peer, job);
    let step = if job.measure == Measure::Batches { BATCH } else { 1 };
    let window = window(peer);
    let mut limit = window;
    let mut send = |from: u64, to: u64| -> anyhow::Result<()> {
        let mut n = from;
        while n < to {
            let next = (n + step).min(to);
            if next > limit {
                limit = control.wait_for(next - window)?.saturating_add(window);
            }
            if step == 1 {
                sender.send(n)?;
            } else {
                sender.send_batch(n, next - n)?;
            }
            n = next;
        }
        Ok(())
    };
    send(0, warm)?;
    control.wait_for(warm)?;
    let start = Instant::now();
    send(warm, warm + counted)?;
    control.wait_for(warm + counted)?;
    let seconds = start.elapsed().as_secs_f64();
    control.finish();
    Ok(Figures::Rate { bars: counted, per_second: counted as f64 / seconds })
}

pub(crate) fn read<P: Peer>(peer: &P, job: &Job, control: &Control) -> anyhow::Result<()> {
    pin(1);
    let mut receiver = peer.receiver(&job.directory, "out", Wait::Spin)?;
    control.meet(1)?;
    let (counted, warm) = stream(peer, job);
    let stride = STRIDE.min(window(peer) / 8).max(1);
    let (mut next, mut reported) = (0, 0);
    while next < warm + counted {
        match receiver.receive(next)? {
            // Polling each line while it is written slows every peer down, some tenfold.
            0 => (0..PAUSES).for_each(|_| std::hint::spin_loop()),
            count => {
                next += count;
                if next - reported >= stride || next == warm || next == warm + counted {
                    control.set_position(next);
                    reported = next;
                }
            }
        }
    }
    ensure!(next == warm + counted, "{next} bars of {} sent", warm + counted);
    control.wait_until_finished()
}

/// Sends and then receives, in one process.
pub(crate) fn both<P: Peer>(peer: &P, job: &Job, bars: u64, reads: bool) -> anyhow::Result<()> {
    let mut sender = peer.sender(&job.directory, "out", Wait::Spin)?;
    let mut receiver = peer.receiver(&job.directory, "out", Wait::Spin)?;
    match job.measure {
        Measure::Batches => {
            (0..bars).step_by(BATCH as usize).try_for_each(|n| sender.send_batch(n, BATCH.min(bars - n)))?
        }
        _ => (0..bars).try_for_each(|n| sender.send(n))?,
    }
    let mut next = 0;
    while reads && next < bars {
        let count = receiver.receive(next)?;
        ensure!(count > 0, "{next} bars of {bars} sent");
        next += count;
    }
    Ok(())
}
