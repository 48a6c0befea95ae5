//! The versions of the manifest: the newest one, a new one, and the removal of old ones.

use futures::TryStreamExt;
use jiff::SignedDuration;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::failure::{Failure, Kind};
use super::identity::random_name;
use super::manifest::{MANIFESTS, Manifest, manifest_number, manifest_object};
use super::place::Place;

/// Versions that are kept behind the newest one.
const KEPT: u64 = 20;
/// The age behind the newest version, by the clock of the service, from which one is removed.
///
/// A push that was suspended could otherwise take a number that is free again for the next one.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Attempts to read the newest version, while others are written.
const ATTEMPTS: usize = 5;

/// The newest version; `None` if the place has none.
pub(super) async fn newest(place: &Place) -> Result<Option<Manifest>, Failure> {
    let mut attempt = 1;
    loop {
        let Some(number) = list(place).await?.iter().filter_map(|found| manifest_number(&found.location)).max() else {
            return Ok(None);
        };
        match read(place, number).await {
            Err(failure) if failure.kind == Kind::Missing && attempt < ATTEMPTS => attempt += 1,
            other => return other.map(Some),
        }
    }
}

/// The newest version; a place without one is an error.
pub(super) async fn existing(place: &Place) -> Result<Manifest, Failure> {
    newest(place).await?.ok_or_else(|| {
        let what = format!("{}: no days were pushed to it: push with: barbus archive push BUS {0}", place.name);
        Failure::new(Kind::Unfit, what)
    })
}

async fn read(place: &Place, number: u64) -> Result<Manifest, Failure> {
    let object = manifest_object(number);
    let failed = |error| Failure::of_service(&place.of(&object), "read", error);
    let text = place.store.get(&object).await.map_err(failed)?.bytes().await.map_err(failed)?;
    Manifest::parse(&place.of(&object), &text)
}

async fn list(place: &Place) -> Result<Vec<ObjectMeta>, Failure> {
    list_folder(place, MANIFESTS).await
}

/// The objects of a folder.
pub(super) async fn list_folder(place: &Place, folder: &str) -> Result<Vec<ObjectMeta>, Failure> {
    let found = place.store.list(Some(&Path::from(folder))).try_collect().await;
    found.or_else(|error| match error {
        // Some services say so for a prefix without an object.
        object_store::Error::NotFound { .. } if !error.to_string().contains("NoSuchBucket") => Ok(Vec::new()),
        error => Err(Failure::of_service(&place.name, "list", error)),
    })
}

/// Writes a new version, which holds from then on, unless there is one of its number or a later
/// one.
pub(super) async fn append(place: &Place, manifest: &mut Manifest) -> Result<(), Failure> {
    manifest.token = random_name()?;
    let object = manifest_object(manifest.number);
    let text = serde_json::to_vec_pretty(&manifest).expect("it has nothing but text and numbers");
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match place.store.put_opts(&object, PutPayload::from(text), options).await {
        Ok(_) => {}
        Err(error) => {
            let failure = Failure::of_service(&place.of(&object), "write", error);
            // The answer to an earlier attempt of this request may be lost.
            let found = if failure.kind == Kind::Exists { Some(read(place, manifest.number).await?) } else { None };
            match found {
                Some(found) if found.token == manifest.token => {}
                Some(found) => return Err(taken(place, &found)),
                None => return Err(failure),
            }
        }
    }
    match newest(place).await? {
        Some(found) if found.token == manifest.token => Ok(()),
        Some(found) => Err(taken(place, &found)),
        None => {
            Err(Failure::new(Kind::Unfit, format!("{}: it does not show what was written to it", place.of(&object))))
        }
    }
}

/// The failure of a push that another one has overtaken.
fn taken(place: &Place, by: &Manifest) -> Failure {
    let what = format!(
        "{}: {} has pushed to it meanwhile: end one of the two pushes, or give each bus a prefix of its own",
        place.name, by.owner
    );
    Failure::new(Kind::Owned, what)
}

/// Removes versions far behind the newest one.
pub(super) async fn remove_old(place: &Place, newest: u64) -> Result<(), Failure> {
    let found = list(place).await?;
    let number = |found: &ObjectMeta| manifest_number(&found.location);
    let Some(newest_at) = found.iter().find(|found| number(found) == Some(newest)).map(|found| found.last_modified)
    else {
        return Ok(());
    };
    let age = |found: &ObjectMeta| newest_at.signed_duration_since(found.last_modified).num_seconds();
    let is_old = |found: &&ObjectMeta| {
        number(found).is_some_and(|number| number + KEPT < newest) && age(found) > KEPT_FOR.as_secs()
    };
    for old in found.iter().filter(is_old) {
        remove(place, &old.location).await?;
    }
    Ok(())
}

/// Removes an object; one that is gone already is no failure.
pub(super) async fn remove(place: &Place, object: &Path) -> Result<(), Failure> {
    match place.store.delete(object).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(Failure::of_service(&place.of(object), "remove", error)),
    }
}
