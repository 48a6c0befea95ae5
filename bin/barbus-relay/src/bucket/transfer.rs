//! Files to a place and from it, in pieces that one request transfers.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path as FilePath;

use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStoreExt, PutPayload, WriteMultipart};

use super::digest::{Content, Hasher};
use super::failure::{Failure, Kind};
use super::manifest::{Day, day_object, upload_object};
use super::place::Place;
use super::versions;

/// The size of a piece. Services with S3's interface want at least 5 MB for all but the last one.
const PIECE: u64 = 8 << 20;
/// Pieces of one file that are sent at once.
const PIECES_AT_ONCE: usize = 2;
/// Attempts to fetch a day that is pushed again meanwhile.
const ATTEMPTS: usize = 3;

/// Writes `file`, which is at its beginning and has `bytes`, as an object: whole or not at all.
pub(super) async fn upload(place: &Place, object: &Path, mut file: &File, bytes: u64) -> Result<(), Failure> {
    let failed = |error| Failure::of_service(&place.of(object), "write", error);
    if bytes <= PIECE {
        let piece = read_piece(&mut file, bytes, place, object)?;
        return place.store.put(object, PutPayload::from(piece)).await.map(drop).map_err(failed);
    }
    let upload = place.store.put_multipart(object).await.map_err(failed)?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE as usize);
    let mut left = bytes;
    while left > 0 {
        let sent = match upload.wait_for_capacity(PIECES_AT_ONCE).await {
            Ok(()) => read_piece(&mut file, left.min(PIECE), place, object),
            Err(error) => Err(failed(error)),
        };
        match sent {
            Ok(piece) => upload.put(piece.into()),
            Err(failure) => {
                // The pieces are not visible; the service removes them by its own rules otherwise.
                let _ = upload.abort().await;
                return Err(failure);
            }
        }
        left -= left.min(PIECE);
    }
    upload.finish().await.map(drop).map_err(failed)
}

fn read_piece(file: &mut &File, bytes: u64, place: &Place, object: &Path) -> Result<Vec<u8>, Failure> {
    let mut piece = vec![0; bytes as usize];
    let read = file.read_exact(&mut piece);
    let what = |error| format!("{}: the file to be written cannot be read: {error}", place.of(object));
    read.map(|()| piece).map_err(|error| Failure::new(Kind::Unfit, what(error)))
}

/// Reads an object into a new file at `to`; returns what it had.
pub(super) async fn download(place: &Place, object: &Path, to: &FilePath) -> Result<Content, Failure> {
    let failed = |error| Failure::of_service(&place.of(object), "read", error);
    let cannot = |error| Failure::new(Kind::Unfit, format!("{}: cannot write: {error}", to.display()));
    let mut file = File::create(to).map_err(cannot)?;
    let (mut hasher, mut at) = (Hasher::default(), 0);
    loop {
        let options = GetOptions { range: Some(GetRange::Bounded(at..at + PIECE)), ..GetOptions::default() };
        let found = place.store.get_opts(object, options).await.map_err(failed)?;
        let size = found.meta.size;
        let piece = found.bytes().await.map_err(failed)?;
        file.write_all(&piece).map_err(cannot)?;
        hasher.update(&piece);
        at += piece.len() as u64;
        if at >= size || piece.is_empty() {
            return Ok(hasher.finish());
        }
    }
}

/// Reads a day into a new file at `to`. It is as a manifest describes it, which is the given one
/// or, if the day was pushed again meanwhile, a later one. Returns how it was described.
pub(super) async fn fetch_day(
    place: &Place,
    date: barbus::Date,
    described: &Day,
    to: &FilePath,
) -> Result<Day, Failure> {
    let object = day_object(date);
    let mut day = described.clone();
    let mut problem = String::new();
    for _ in 0..ATTEMPTS {
        // A push that was interrupted after it had written the manifest has left the day here.
        for object in [&object, &upload_object(date, &day.sha256)] {
            match download(place, object, to).await {
                Ok(found) if day.has(&found) => return Ok(day),
                Ok(found) => {
                    problem = format!("{} bytes with SHA-256 {}", found.bytes, found.sha256);
                }
                Err(failure) if failure.kind == Kind::Missing => {
                    if problem.is_empty() {
                        problem = "no object".to_owned();
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        match versions::existing(place).await?.days.remove(&date) {
            Some(newer) if newer != day => day = newer,
            Some(_) => break,
            None => {
                let what = format!("{}: the day was removed meanwhile", place.of(&object));
                return Err(Failure::new(Kind::Missing, what));
            }
        }
    }
    let what = format!(
        "{}: it has {problem}, and the manifest names {} bytes with SHA-256 {}: another program has changed it: \
         push the day again with: barbus archive push BUS {} --replace {date}",
        place.of(&object),
        day.bytes,
        day.sha256,
        place.name
    );
    Err(Failure::new(Kind::Unfit, what))
}
