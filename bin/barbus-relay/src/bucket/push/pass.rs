//! One pass over the days: the place gets what the archive has, and loses what retention removes.

use std::collections::BTreeMap;

use barbus::Date;
use jiff::Timestamp;

use super::session::{Plan, PushedDay, Session};
use crate::bucket::failure::Failure;
use crate::bucket::local::{self, Stamp};
use crate::bucket::manifest::{Manifest, day_object};
use crate::bucket::state::FailedAt;
use crate::bucket::versions::{append, remove, remove_old};

/// What a pass did.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct PassReport {
    /// The version of the manifest.
    pub(super) manifest: u64,
    /// Days in the place, and their size.
    pub(super) days: u64,
    pub(super) bytes: u64,
    pub(super) pushed: Vec<PushedDay>,
    /// Days that are in the archive and not, or not in the same form, in the place.
    pub(super) waiting: u64,
    /// Days that retention removed.
    pub(super) removed: Vec<Date>,
    /// Old days that stay because the archive has not the same.
    pub(super) last_copies: Vec<Date>,
    /// What is to be done by a person, a sentence each.
    pub(super) problems: Vec<String>,
}

impl Session {
    /// Makes a pass, and notes its outcome for operators.
    pub(super) async fn pass(&mut self) -> Result<PassReport, Failure> {
        let report = self.make_pass().await;
        let status = &mut self.state.status;
        let now = Timestamp::now();
        match &report {
            Ok(report) => {
                (status.manifest, status.days, status.bytes) = (report.manifest, report.days, report.bytes);
                status.problems.clone_from(&report.problems);
                status.waiting = report.waiting;
                status.failure = None;
                if report.waiting == 0 {
                    status.complete_at = Some(now);
                }
            }
            Err(failure) => {
                let since = status.failure.as_ref().map_or(now, |failure| failure.since);
                status.failure = Some(FailedAt { since, message: failure.to_string() });
            }
        }
        self.state.store_status()?;
        report
    }

    async fn make_pass(&mut self) -> Result<PassReport, Failure> {
        let mut manifest = self.claim().await?;
        let claimed = manifest.number;
        let sizes = self.finish_interrupted(&manifest).await?;
        let local = local::days(&self.bus)?;
        let Plan { push: days, problems } = self.plan(&manifest, &local, &sizes)?;
        self.state.status.waiting = (days.len() + problems.len()) as u64;
        self.state.store_status()?;
        let files = local::small_files(&self.bus)?;
        if files != manifest.files {
            let mut next = Manifest { files, ..manifest.next() };
            append(&self.place, &mut next).await?;
            manifest = next;
        }
        let waiting = self.state.status.waiting;
        let pushed = match self.wishes.prune_only {
            true => Vec::new(),
            false => self.push(&mut manifest, &days).await?,
        };
        let (removed, last_copies) = self.remove_old_days(&mut manifest, &local).await?;
        if manifest.number != claimed {
            remove_old(&self.place, manifest.number).await?;
        }
        Ok(PassReport {
            manifest: manifest.number,
            days: manifest.days.len() as u64,
            bytes: manifest.bytes(),
            waiting: waiting - pushed.len() as u64,
            pushed,
            removed,
            last_copies,
            problems,
        })
    }

    /// The old days that retention removes, and those that stay because the archive has not the
    /// same.
    pub(super) fn old_days(&self, manifest: &Manifest, local: &BTreeMap<Date, Stamp>) -> (Vec<Date>, Vec<Date>) {
        let newest = local.keys().chain(manifest.days.keys()).max();
        let Some(first) = self.first_kept(newest) else { return (Vec::new(), Vec::new()) };
        let is_kept_here = |date: &Date| {
            let known = local.get(date).and_then(|stamp| self.state.known(*date, *stamp));
            known.is_some_and(|known| manifest.days[date].has(&known.content()))
        };
        let old = manifest.days.range(..first).map(|(date, _)| *date);
        old.partition(|date| self.wishes.last_copies || is_kept_here(date))
    }

    /// Removes old days: first from the manifest, then their objects.
    async fn remove_old_days(
        &self,
        manifest: &mut Manifest,
        local: &BTreeMap<Date, Stamp>,
    ) -> Result<(Vec<Date>, Vec<Date>), Failure> {
        let (removed, last_copies) = self.old_days(manifest, local);
        if removed.is_empty() {
            return Ok((removed, last_copies));
        }
        let mut next = manifest.next();
        next.days.retain(|date, _| !removed.contains(date));
        next.removing.clone_from(&removed);
        let newest = local.keys().chain(manifest.days.keys()).max();
        next.pruned_before = next.pruned_before.max(self.first_kept(newest));
        append(&self.place, &mut next).await?;
        *manifest = next;
        for date in &removed {
            remove(&self.place, &day_object(*date)).await?;
        }
        Ok((removed, last_copies))
    }
}
