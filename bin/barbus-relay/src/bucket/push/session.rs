//! A push to one place: whose it is, and the steps that a pass over the days consists of.

use std::collections::{BTreeMap, BTreeSet};

use barbus::{Bus, Date};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::ObjectStoreExt;

use super::plan::{Decision, conflict, decide};
use crate::bucket::failure::{Failure, Kind};
use crate::bucket::keep::KeepDays;
use crate::bucket::local::{self, OpenDay, Stamp};
use crate::bucket::manifest::{DAYS, Day, Manifest, Owner, UPLOADS, day_object, day_of_object, upload_object};
use crate::bucket::place::Place;
use crate::bucket::state::{Known, PushState};
use crate::bucket::transfer::upload;
use crate::bucket::versions::{append, list_folder, newest, remove};

/// Most days that one version of the manifest adds. A push that is interrupted does at most these
/// days again.
const DAYS_AT_ONCE: usize = 16;
/// Days that are sent at once.
const UPLOADS_AT_ONCE: usize = 4;

/// What the operator wants.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    /// Days whose file takes the place of the one in the place, whatever that is.
    pub(super) replace: BTreeSet<Date>,
    /// Take the place over from another bus.
    pub(super) take_over: bool,
    /// How long days are kept in the place.
    pub(super) keep: Option<KeepDays>,
    /// Retention also removes days that the archive has not.
    pub(super) last_copies: bool,
    /// Push no day.
    pub(super) prune_only: bool,
}

/// What is to be done with the days of the archive.
pub(super) struct Plan {
    /// The days to be pushed, each with the number of its version.
    pub(super) push: Vec<(Date, u64)>,
    /// What is to be done by a person, a sentence each.
    pub(super) problems: Vec<String>,
}

/// A day that was pushed.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct PushedDay {
    pub(super) day: Date,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) version: u64,
}

/// A push of a bus to a place.
pub(super) struct Session {
    pub(super) bus: Bus,
    pub(super) place: Place,
    pub(super) owner: Owner,
    pub(super) wishes: Wishes,
    pub(super) state: PushState,
}

impl Session {
    /// The newest version of the manifest, which is that of this bus. A new place becomes its own.
    pub(super) async fn claim(&mut self) -> Result<Manifest, Failure> {
        let Some(found) = newest(&self.place).await? else {
            let objects = list_folder(&self.place, DAYS).await?;
            if let Some(object) = objects.first() {
                let place = &self.place.name;
                let what = format!(
                    "{place}: it has {} and no manifest: another program keeps files there: name another prefix",
                    object.location
                );
                return Err(Failure::new(Kind::Owned, what));
            }
            let mut manifest = Manifest::first(self.owner.clone());
            append(&self.place, &mut manifest).await?;
            return Ok(manifest);
        };
        if found.owner.is(&self.owner) {
            return Ok(found);
        }
        if !self.wishes.take_over {
            let what = format!(
                "{}: {} pushes to it: give each bus a prefix of its own; if that bus does not push any more, take the \
                 place over with --take-over",
                self.place.name, found.owner
            );
            return Err(Failure::new(Kind::Owned, what));
        }
        let mut manifest = Manifest { owner: self.owner.clone(), ..found.next() };
        append(&self.place, &mut manifest).await?;
        // A watching push that is overtaken later must not take the place back.
        self.wishes.take_over = false;
        Ok(manifest)
    }

    /// Ends what an interrupted push has begun: days that the manifest names get their places, and
    /// others are removed from the way. Returns the sizes of the days' objects.
    pub(super) async fn finish_interrupted(&self, manifest: &Manifest) -> Result<BTreeMap<Date, u64>, Failure> {
        let named: BTreeMap<_, _> =
            manifest.days.iter().map(|(date, day)| (upload_object(*date, &day.sha256), *date)).collect();
        for found in list_folder(&self.place, UPLOADS).await? {
            if let Some(date) = named.get(&found.location) {
                self.put_in_place(*date, &manifest.days[date]).await?;
            } else {
                remove(&self.place, &found.location).await?;
            }
        }
        let mut sizes = BTreeMap::new();
        for found in list_folder(&self.place, DAYS).await? {
            let Some(date) = day_of_object(&found.location) else { continue };
            if manifest.removing.contains(&date) && !manifest.days.contains_key(&date) {
                remove(&self.place, &found.location).await?;
            } else {
                sizes.insert(date, found.size);
            }
        }
        Ok(sizes)
    }

    /// Decides about every day of the archive.
    pub(super) fn plan(
        &mut self,
        manifest: &Manifest,
        local: &BTreeMap<Date, Stamp>,
        sizes: &BTreeMap<Date, u64>,
    ) -> Result<Plan, Failure> {
        let archive = self.bus.open_archive();
        let first = self.first_kept(local.keys().chain(manifest.days.keys()).max());
        let (mut push, mut problems) = (Vec::new(), Vec::new());
        for (date, stamp) in local {
            let there = manifest.days.get(date);
            let is_old = manifest.pruned_before.max(first).is_some_and(|first| *date < first);
            let replace = self.wishes.replace.contains(date);
            if is_old && there.is_none() && !replace {
                continue;
            }
            let known = match self.state.known(*date, *stamp) {
                Some(known) => known.clone(),
                None => match local::open(&archive, *date) {
                    Ok(Some(day)) => {
                        let known = Known::of(&day);
                        self.state.learn(*date, known.clone());
                        known
                    }
                    Ok(None) => continue,
                    Err(failure) => {
                        problems.push(format!("{failure}: it is not pushed"));
                        continue;
                    }
                },
            };
            match decide(&known, there, sizes.get(date).copied(), &self.owner.id, replace) {
                Decision::Same => {}
                Decision::Push(version) => push.push((*date, version)),
                Decision::Conflict(why) => {
                    let there = there.expect("there is something to be in conflict with");
                    let file = archive.path(*date).display().to_string();
                    let object = self.place.of(&day_object(*date));
                    problems.push(conflict(*date, (&file, &known), (&object, there), &why));
                }
            }
        }
        for date in self.wishes.replace.iter().filter(|date| !local.contains_key(date)) {
            problems.push(format!("{}: --replace {date}: the archive has no such day", self.bus.path().display()));
        }
        self.state.store_known(|date| local.contains_key(date))?;
        Ok(Plan { push, problems })
    }

    /// Pushes days, some at a time: each version of the manifest is written when their uploads are
    /// complete, and then they get their places.
    pub(super) async fn push(
        &mut self,
        manifest: &mut Manifest,
        days: &[(Date, u64)],
    ) -> Result<Vec<PushedDay>, Failure> {
        let mut pushed = Vec::new();
        for some in days.chunks(DAYS_AT_ONCE) {
            let (bus, place, id) = (&self.bus, &self.place, &self.owner.id);
            let uploads = some.iter().map(|(date, version)| send(bus, place, *date, *version, id));
            let sent: Vec<_> = futures::stream::iter(uploads).buffered(UPLOADS_AT_ONCE).try_collect().await?;
            let sent: Vec<(Date, Day, Known)> = sent.into_iter().flatten().collect();
            let mut next = manifest.next();
            next.removing.retain(|date| !sent.iter().any(|(sent, ..)| sent == date));
            next.days.extend(sent.iter().map(|(date, day, _)| (*date, day.clone())));
            append(&self.place, &mut next).await?;
            *manifest = next;
            for (date, day, known) in sent {
                self.put_in_place(date, &day).await?;
                self.state.learn(date, known);
                self.wishes.replace.remove(&date);
                pushed.push(PushedDay { day: date, rows: day.rows, bytes: day.bytes, version: day.version });
            }
        }
        Ok(pushed)
    }

    /// Copies a day from the folder of uploads to its place, in one step, and removes the upload.
    async fn put_in_place(&self, date: Date, day: &Day) -> Result<(), Failure> {
        let (from, to) = (upload_object(date, &day.sha256), day_object(date));
        let failed = |error| Failure::of_service(&self.place.of(&to), "put a day in its place", error);
        self.place.store.copy(&from, &to).await.map_err(failed)?;
        let found = self.place.store.head(&to).await.map_err(failed)?;
        if found.size != day.bytes {
            let what = format!(
                "{}: the service shows {} bytes after a copy of {}: it will be pushed again",
                self.place.of(&to),
                found.size,
                day.bytes
            );
            return Err(Failure::new(Kind::Passing, what));
        }
        remove(&self.place, &from).await
    }

    /// The first day that is kept, if the operator wants old ones removed.
    pub(super) fn first_kept(&self, newest: Option<&Date>) -> Option<Date> {
        Some(self.wishes.keep?.first(*newest?, &self.bus))
    }
}

/// Uploads a day under a name that nothing reads; `None` if its file is gone.
async fn send(
    bus: &Bus,
    place: &Place,
    date: Date,
    version: u64,
    by: &str,
) -> Result<Option<(Date, Day, Known)>, Failure> {
    let archive = bus.open_archive();
    let Some(open) = local::open(&archive, date)? else { return Ok(None) };
    let known = Known::of(&open);
    let OpenDay { file, meta, content, .. } = open;
    upload(place, &upload_object(date, &content.sha256), &file, content.bytes).await?;
    let day = Day {
        rows: meta.rows,
        bytes: content.bytes,
        sha256: content.sha256,
        lineage: meta.lineage,
        through_seq: meta.through_seq,
        version,
        pushed_at: Timestamp::now(),
        by: by.to_owned(),
    };
    Ok(Some((date, day, known)))
}
