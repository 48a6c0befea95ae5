//! The contents of a day's file: merging, revisions, parts, lineages, types, damage.
//!
//! Promise 7 (every bar exactly once, with the values that were received) and promise 8 (the last
//! revision of a bar is kept).

mod support;

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{fs, io};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, TimeUnit};
use barbus_archive::files::{DiskFiles, Files, NewFile};
use barbus_archive::{Archive, ArchiveError, Corruption, FileKind, Misuse};
use barbus_bars::{BarSchema, PriceType};
use bytes::Bytes;
use proptest::prelude::*;
use support::{Bar, CALENDAR, DAY, bar, contents, expected, read, rows, rows_with_dictionary, schema};

/// A folder for the days and the work directory beside them.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::create_dir(folder.days()).unwrap();
        folder
    }

    fn days(&self) -> PathBuf {
        self.0.path().join("1m")
    }

    fn work(&self) -> PathBuf {
        self.0.path().join("1m.work")
    }
}

fn open(dir: impl AsRef<Path>) -> Archive {
    Archive::open(dir, schema(), CALENDAR).unwrap()
}

fn names(dir: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_day_without_rows_has_no_file() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let written = archive.write(DAY, &rows(&[]), 1, 100).unwrap();
    assert_eq!((written.rows, written.changed), (0, false));
    assert_eq!(archive.spill(DAY, &rows(&[]), 1, 100).unwrap().path, None);
    assert!(archive.read(DAY).unwrap().is_none());
    assert!(archive.meta(DAY).unwrap().is_none());
    assert_eq!(archive.days().unwrap(), []);
    assert_eq!(names(dir.days()), [""; 0]);
}

/// The real file system, whose parts are merged right after the first directory was listed.
#[derive(Debug, Default)]
struct MergedMeanwhile {
    /// The archive that merges them, once.
    archive: Mutex<Option<Archive>>,
}

impl Files for MergedMeanwhile {
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let names = DiskFiles.list(dir);
        if let Some(archive) = self.archive.lock().unwrap().take() {
            archive.write(DAY, &rows(&[]), 1, 1).unwrap();
        }
        names
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        DiskFiles.create_dir(path, mode)
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        DiskFiles.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        DiskFiles.create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(dir)
    }
}

/// Promise 14: a day is known at every moment while its parts are merged: it has them or the file.
#[test]
fn a_day_whose_parts_are_merged_is_never_unknown() {
    let dir = Folder::new();
    let writing = open(dir.days());
    writing.spill(DAY, &rows(&[bar("A", 1, 2.0, 0)]), 1, 1).unwrap();
    let files = Arc::new(MergedMeanwhile::default());
    let archive = Archive::with_files(dir.days(), schema(), CALENDAR, files.clone()).unwrap();
    *files.archive.lock().unwrap() = Some(writing);
    assert_eq!(archive.days_with_bars().unwrap(), [DAY].into());
    assert_eq!(names(dir.work()), [""; 0], "merged meanwhile");
    assert_eq!(archive.days_with_bars().unwrap(), [DAY].into());
}

#[test]
fn unfinished_files_are_in_the_work_directory() {
    let dir = Folder::new();
    let archive = open(dir.days());
    assert_eq!(fs::metadata(dir.work()).unwrap().permissions().mode() & 0o777, 0o750);
    archive.spill(DAY, &rows(&[bar("A", 1, 2.0, 0)]), 1, 1).unwrap();
    assert_eq!(names(dir.days()), [""; 0]);
    assert_eq!(names(dir.work()), ["2024-02-29.1.parquet"]);
    archive.write(DAY, &rows(&[bar("A", 2, 2.0, 1)]), 1, 2).unwrap();
    assert_eq!(names(dir.days()), ["2024-02-29.parquet"]);
    assert_eq!(names(dir.work()), [""; 0]);
    // A person may remove the empty directory.
    fs::remove_dir(dir.work()).unwrap();
    assert_eq!(archive.write(DAY, &rows(&[bar("A", 3, 2.0, 2)]), 1, 3).unwrap().rows, 3);
    assert_eq!(names(dir.days()), ["2024-02-29.parquet"]);
}

#[test]
fn the_work_directory_is_on_the_file_system_of_the_days() {
    let dir = Folder::new();
    let (link, elsewhere) = (dir.0.path().join("link"), dir.0.path().join("elsewhere/bars"));
    fs::create_dir_all(&elsewhere).unwrap();
    symlink("elsewhere/bars", &link).unwrap();
    open(&link).write(DAY, &rows(&[bar("A", 1, 2.0, 0)]), 1, 1).unwrap();
    assert_eq!(names(&elsewhere), ["2024-02-29.parquet"]);
    assert_eq!(names(dir.0.path().join("elsewhere")), ["bars", "bars.work"]);

    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    if device(other.path()) != device(&dir.days()) {
        symlink(other.path(), dir.work()).unwrap();
        let error = Archive::open(dir.days(), schema(), CALENDAR).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: cannot move files from: ", dir.work().display())), "{error}");
        assert!(error.ends_with(&format!("on another file system than {}", dir.days().display())), "{error}");
    }
}

#[test]
fn rows_in_any_order_are_sorted_and_the_highest_number_wins() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let came = vec![
        bar("B", 5, 1.0, 0),
        bar("A", 9, -0.0, 1),
        bar("B", 5, 3.0, 2),
        bar("A", -700, 0.0, 3),
        bar("é", 1, -37.63, 4),
        bar("B", 5, 2.0, 5),
    ];
    let shuffled: Vec<Bar> = [5, 1, 4, 0, 3, 2].map(|i: usize| came[i].clone()).to_vec();
    archive.write(DAY, &rows(&shuffled), 1, 6).unwrap();
    assert_eq!(read(&archive, DAY), expected(&came));
    let meta = archive.meta(DAY).unwrap().unwrap();
    assert_eq!((meta.rows, meta.first_seq, meta.through_seq), (4, 0, 6));
    assert_eq!((meta.lineage, meta.calendar.as_str()), (1, CALENDAR));
}

#[test]
fn the_file_keeps_minute_zone_and_types() {
    let dir = Folder::new();
    let archive = open(dir.days());
    archive.write(DAY, &rows(&[bar("A", 1, 2.0, 0)]), 1, 1).unwrap();
    let (_, batch) = archive.read(DAY).unwrap().unwrap();
    assert_eq!(batch.schema(), schema().archive_schema());
    let zone = Some("Asia/Shanghai".into());
    assert_eq!(batch.schema().field(1).data_type(), &DataType::Timestamp(TimeUnit::Millisecond, zone));
    assert_eq!(batch.schema().field(0).data_type(), &DataType::Utf8);
}

#[test]
fn zillionare_keeps_prices_as_float32() {
    let dir = Folder::new();
    let archive = Archive::open(dir.days(), BarSchema::zillionare(), CALENDAR).unwrap();
    archive.write(DAY, &rows(&[bar("A", 1, 2.5, 0)]), 1, 1).unwrap();
    let (_, batch) = archive.read(DAY).unwrap().unwrap();
    assert_eq!(batch.schema(), BarSchema::zillionare().archive_schema());
    assert_eq!(batch.schema().field(5).data_type(), &DataType::Float32);
}

#[test]
fn writing_again_does_not_touch_the_file() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let bars = rows(&[bar("A", 1, 2.0, 3), bar("B", 1, 2.0, 4)]);
    assert!(archive.write(DAY, &bars, 1, 5).unwrap().changed);
    let before = fs::read(archive.path(DAY)).unwrap();
    let inode = |path| fs::metadata(path).unwrap().ino();
    let file = inode(archive.path(DAY));
    for through_seq in [5, 9] {
        let again = archive.write(DAY, &bars, 1, through_seq).unwrap();
        assert_eq!((again.changed, again.rows), (false, 2));
        assert_eq!(again.bytes, before.len() as u64);
    }
    assert_eq!(inode(archive.path(DAY)), file);
    assert_eq!(fs::read(archive.path(DAY)).unwrap(), before);
}

#[test]
fn rows_of_another_lineage_are_never_skipped_and_win() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let old = [bar("A", 1, 2.0, 50), bar("B", 1, 2.0, 51)];
    let new = [bar("A", 1, 7.0, 0), bar("C", 1, 2.0, 1)];
    archive.write(DAY, &rows(&old), 1, 52).unwrap();
    archive.write(DAY, &rows(&new), 2, 2).unwrap();
    let all = expected(&[old, new].concat());
    assert_eq!(read(&archive, DAY), all);
    let meta = archive.meta(DAY).unwrap().unwrap();
    assert_eq!((meta.lineage, meta.first_seq, meta.through_seq), (2, 0, 2));
    // The numbers of the new lineage count from here on.
    let skipped = archive.write(DAY, &rows(&[bar("A", 1, 9.0, 1)]), 2, 2).unwrap();
    assert!(!skipped.changed);
    assert_eq!(read(&archive, DAY), all);
}

#[test]
fn parts_are_read_with_the_day_merged_once_and_removed() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let morning = [bar("A", 1, 2.0, 0), bar("B", 1, 2.0, 1)];
    let noon = [bar("A", 1, 3.0, 2), bar("A", 2, 3.0, 3)];
    let evening = [bar("B", 1, 4.0, 4)];
    archive.spill(DAY, &rows(&morning), 1, 2).unwrap();
    // Rows that are in a part already are not spilled again.
    let both = [&morning[..], &noon].concat();
    assert_eq!(archive.spill(DAY, &rows(&both), 1, 4).unwrap().rows, 2);
    assert_eq!(archive.spill(DAY, &rows(&both), 1, 4).unwrap().path, None);
    assert_eq!(read(&archive, DAY), expected(&both));
    assert_eq!(archive.days().unwrap(), []);
    assert_eq!(archive.spilled_days().unwrap(), [DAY]);
    let metas = archive.part_metas(DAY).unwrap();
    assert_eq!(metas.iter().map(|meta| meta.part).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((metas[1].first_seq, metas[1].through_seq), (2, 4));

    archive.write(DAY, &rows(&evening), 1, 5).unwrap();
    let all = [&both[..], &evening].concat();
    assert_eq!(read(&archive, DAY), expected(&all));
    assert_eq!(archive.spilled_days().unwrap(), []);
    let meta = archive.meta(DAY).unwrap().unwrap();
    assert_eq!((meta.first_seq, meta.through_seq), (0, 5));
    // The next part does not take a merged part's number.
    archive.spill(DAY, &rows(&[bar("A", 3, 1.0, 5)]), 1, 6).unwrap();
    assert_eq!(archive.part_metas(DAY).unwrap()[0].part, 3);
}

#[test]
fn a_part_the_file_covers_is_ignored_and_removed() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let first = [bar("A", 1, 2.0, 0)];
    let spilled = archive.spill(DAY, &rows(&first), 1, 1).unwrap();
    let part = spilled.path.unwrap();
    let copy = fs::read(&part).unwrap();
    let revised = [bar("A", 1, 5.0, 0)];
    // Another lineage writes the file; then the part appears again, as if its removal had been
    // lost.
    archive.write(DAY, &rows(&revised), 2, 1).unwrap();
    fs::write(&part, copy).unwrap();
    assert_eq!(read(&archive, DAY), expected(&revised));
    assert!(!archive.write(DAY, &rows(&revised), 2, 1).unwrap().changed);
    assert!(!part.exists());
    assert_eq!(read(&archive, DAY), expected(&revised));
}

#[test]
fn a_part_whose_rows_the_file_has_is_ignored_whatever_its_number() {
    let (dir, other) = (Folder::new(), Folder::new());
    let archive = open(dir.days());
    let bars = [bar("A", 1, 2.0, 0), bar("A", 1, 3.0, 1)];
    archive.write(DAY, &rows(&bars), 1, 2).unwrap();
    // A part of the same lineage, from before the revision, which the file never merged.
    let stale = open(other.days()).spill(DAY, &rows(&bars[..1]), 1, 1).unwrap();
    let part = dir.work().join("2024-02-29.1.parquet");
    fs::copy(stale.path.unwrap(), &part).unwrap();
    assert_eq!(read(&archive, DAY), expected(&bars));
    assert!(!archive.write(DAY, &rows(&bars), 1, 2).unwrap().changed);
    assert!(!part.exists());
}

#[test]
fn days_are_listed_in_order_and_other_names_are_ignored() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let days = [DAY, DAY.yesterday().unwrap(), DAY.tomorrow().unwrap()];
    for day in days {
        archive.write(day, &rows(&[bar("A", 1, 2.0, 0)]), 1, 1).unwrap();
    }
    fs::write(dir.days().join("notes.parquet"), "mine").unwrap();
    assert_eq!(archive.days().unwrap(), [days[1], days[0], days[2]]);
    assert_eq!(archive.verify().unwrap().len(), 3);
    assert!(names(dir.days()).contains(&"notes.parquet".to_owned()));
}

#[test]
fn opening_for_writing_removes_temporary_files_and_a_reader_does_not() {
    let dir = Folder::new();
    fs::create_dir(dir.work()).unwrap();
    let temporary = dir.work().join(".2024-02-29.99-7.tmp");
    fs::write(&temporary, "half a file").unwrap();
    let reader = Archive::open_existing(dir.days(), schema(), CALENDAR);
    assert!(temporary.exists());
    let error = reader.write(DAY, &rows(&[]), 1, 0).unwrap_err();
    assert!(matches!(error, ArchiveError::Misuse(Misuse::ReadOnly)));
    let absent = dir.0.path().join("absent");
    let nothing = Archive::open_existing(&absent, schema(), CALENDAR);
    assert_eq!(nothing.days().unwrap(), []);
    assert_eq!(names(dir.0.path()), ["1m", "1m.work"]);
    open(dir.days());
    assert!(!temporary.exists());
}

#[test]
fn an_optional_column_added_later_is_null_in_older_days() {
    let dir = Folder::new();
    let none = Vec::<String>::new();
    let narrow = BarSchema::new("Asia/Shanghai", PriceType::Float64, none).unwrap();
    let archive = Archive::open(dir.days(), narrow, CALENDAR).unwrap();
    archive.write(DAY, &rows(&[bar("A", 1, 2.0, 1)]), 1, 2).unwrap();

    let archive = open(dir.days());
    archive.write(DAY, &rows(&[bar("B", 1, 2.0, 2)]), 1, 3).unwrap();
    let (_, batch) = archive.read(DAY).unwrap().unwrap();
    let money = batch.column_by_name("money").unwrap();
    assert_eq!((money.is_null(0), money.is_null(1)), (true, false));
}

/// Columns that the bus has given up, prices of another type and frames in another zone.
#[test]
fn days_with_other_columns_are_read_and_written_again() {
    let dir = Folder::new();
    open(dir.days()).write(DAY, &rows(&[bar("A", 1, 2.1, 0)]), 1, 1).unwrap();
    let schema = BarSchema::new("UTC", PriceType::Float32, ["vwap"]).unwrap();
    let archive = Archive::open(dir.days(), schema.clone(), CALENDAR).unwrap();
    let before = fs::read(archive.path(DAY)).unwrap();
    assert!(archive.is_outdated(DAY).unwrap());
    let read = |archive: &Archive| {
        let (meta, batch) = archive.read(DAY).unwrap().unwrap();
        assert_eq!(batch.schema(), schema.archive_schema());
        let open = batch.column(2).as_primitive::<arrow::datatypes::Float32Type>().values().to_vec();
        (meta.rows, open, batch.column_by_name("vwap").unwrap().null_count())
    };
    assert_eq!(read(&archive), (1, vec![1.1f32], 1));
    assert!(archive.verify().unwrap().iter().all(|report| report.outcome.is_ok()));
    let migrated = archive.migrate(DAY).unwrap().expect("it had other columns");
    assert_eq!(migrated.rows, 1);
    assert_eq!(fs::read(migrated.kept.expect("money and factor are given up")).unwrap(), before);
    assert_eq!((read(&archive), archive.migrate(DAY).unwrap()), ((1, vec![1.1f32], 1), None));
    assert!(!archive.is_outdated(DAY).unwrap());
    assert!(archive.verify().unwrap().iter().all(|report| report.outcome.is_ok()));
}

/// A file whose values the present columns cannot have is kept, also a part. The copy is beside the
/// target of a link.
#[test]
fn files_that_lose_values_are_kept_as_they_were() {
    let dir = Folder::new();
    let (link, elsewhere) = (dir.0.path().join("link"), dir.0.path().join("elsewhere/bars"));
    fs::create_dir_all(&elsewhere).unwrap();
    symlink("elsewhere/bars", &link).unwrap();
    let part = open(&link).spill(DAY, &rows(&[bar("A", 1, 2.1, 0)]), 1, 1).unwrap().path.unwrap();
    let before = fs::read(part).unwrap();

    let narrow = || {
        let schema = BarSchema::new("Asia/Shanghai", PriceType::Float64, [] as [&str; 0]).unwrap();
        Archive::open(&link, schema, CALENDAR).unwrap()
    };
    let kept = elsewhere.with_file_name("replaced").join("2024-02-29-1.parquet");
    let written = narrow().write(DAY, &rows(&[bar("B", 1, 2.1, 1)]), 1, 2).unwrap();
    assert_eq!((written.rows, &written.kept), (2, &vec![kept.canonicalize().unwrap()]));
    assert_eq!(fs::read(&kept).unwrap(), before);
    // Nothing is given up any more.
    assert_eq!(narrow().write(DAY, &rows(&[bar("C", 1, 2.1, 2)]), 1, 3).unwrap().kept, [""; 0].map(PathBuf::from));

    open(&link).write(DAY, &rows(&[bar("D", 1, 2.1, 3)]), 1, 4).unwrap();
    let before = fs::read(elsewhere.join("2024-02-29.parquet")).unwrap();
    let withdrawn = narrow().withdraw(DAY, |symbol, _| symbol == "D").unwrap();
    assert_eq!(fs::read(withdrawn.path.unwrap()).unwrap(), before, "with all columns");
}

/// Promise 9: a bad file gives a clear error, not a crash.
#[test]
fn any_changed_byte_is_found_and_the_file_never_overwritten() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let bars = rows(&[bar("A", 1, 2.0, 0), bar("B", 1, 2.5, 1)]);
    archive.write(DAY, &bars, 1, 2).unwrap();
    let path = archive.path(DAY);
    let whole = fs::read(&path).unwrap();
    let check = |damaged: &[u8], what: &str| {
        fs::write(&path, damaged).unwrap();
        let report = archive.verify().unwrap().pop().unwrap();
        assert_eq!((report.kind, report.day), (FileKind::Day, DAY));
        assert!(matches!(report.outcome, Err(ArchiveError::Corrupt { .. })), "{what}");
        assert!(archive.read(DAY).is_err(), "{what}");
        assert!(archive.meta(DAY).is_err(), "{what}");
    };
    for i in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[i] ^= 1 << (i % 8);
        check(&damaged, &format!("byte {i}"));
    }
    for length in (0..whole.len()).step_by(97) {
        check(&whole[..length], &format!("cut to {length}"));
    }
    check(b"PAR1 random bytes, long enough to be parsed", "random");

    let more = rows(&[bar("A", 2, 2.0, 2)]);
    let error = archive.write(DAY, &more, 1, 3).unwrap_err();
    assert!(matches!(error, ArchiveError::Corrupt { what: Corruption::NoFileChecksum, .. }));
    assert!(fs::read(&path).unwrap().starts_with(b"PAR1 random"));
    fs::write(&path, &whole).unwrap();
    assert_eq!(archive.write(DAY, &more, 1, 3).unwrap().rows, 3);
    assert!(archive.verify().unwrap()[0].outcome.is_ok());
}

#[test]
fn a_file_under_another_days_name_is_found() {
    let dir = Folder::new();
    let archive = open(dir.days());
    archive.write(DAY, &rows(&[bar("A", 1, 2.0, 0)]), 1, 1).unwrap();
    let other = DAY.tomorrow().unwrap();
    fs::rename(archive.path(DAY), archive.path(other)).unwrap();
    let message = archive.read(other).unwrap_err().to_string();
    let end = "it holds the day 2024-02-29, which is not the day in its name";
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn a_path_that_cannot_be_a_directory_is_an_error() {
    let dir = Folder::new();
    let file = dir.0.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Archive::open(&file, schema(), CALENDAR).unwrap_err();
    let start = format!("{}: cannot create: ", file.display());
    assert!(error.to_string().starts_with(&start), "{error}");
}

/// More rows than a row group has, and symbols that span groups.
#[test]
fn a_long_day_spans_row_groups() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let of = |i: u64| bar(&format!("S{}", i % 7), i as i64 / 7, i as f64 / 4.0, i);
    let bars: Vec<Bar> = (0..70_000).map(of).collect();
    archive.write(DAY, &rows(&bars), 1, 70_000).unwrap();
    let (meta, batch) = archive.read(DAY).unwrap().unwrap();
    assert_eq!(meta.rows, 70_000);
    assert!(contents(&batch) == expected(&bars));
}

#[test]
fn symbols_may_be_text_or_a_dictionary_and_other_types_are_rejected() {
    let dir = Folder::new();
    let archive = open(dir.days());
    let bars = [bar("A", 1, 2.0, 0), bar("B", 1, 2.0, 1), bar("A", 2, 2.0, 2)];
    archive.write(DAY, &rows_with_dictionary(&bars), 1, 3).unwrap();
    assert_eq!(read(&archive, DAY), expected(&bars));

    let with = rows(&bars);
    let mut columns: Vec<ArrayRef> = with.columns().to_vec();
    columns[1] = Arc::new(StringArray::from(vec!["09:30"; 3]));
    let names = with.schema();
    let names = names.fields().iter().map(|field| field.name().clone());
    let wrong = RecordBatch::try_from_iter(names.zip(columns)).unwrap();
    let error = archive.write(DAY, &wrong, 1, 9).unwrap_err();
    assert!(matches!(error, ArchiveError::Misuse(Misuse::ColumnType { .. })), "{error}");
}

/// A part has bars that are in no other file, so its day stays.
#[test]
fn a_day_with_parts_is_not_removed() {
    let dir = Folder::new();
    let archive = open(dir.days());
    archive.write(DAY, &rows(&[bar("A", 1, 1.0, 0)]), 1, 1).unwrap();
    archive.spill(DAY, &rows(&[bar("A", 2, 2.0, 1)]), 1, 2).unwrap();
    let error = archive.remove(DAY).unwrap_err();
    assert!(matches!(error, ArchiveError::Misuse(Misuse::HasParts { day: DAY })), "{error}");
    archive.write(DAY, &rows(&[]), 1, 2).unwrap();
    assert_eq!(archive.withdraw(DAY, |_, frame_ms| frame_ms == i64::MIN).unwrap().rows, 0);
    archive.withdraw(DAY, |symbol, _| symbol == "A").unwrap();
    archive.write(DAY, &rows(&[bar("A", 3, 3.0, 2)]), 1, 3).unwrap();
    archive.remove(DAY).unwrap();
    assert_eq!(archive.days().unwrap(), []);
    let copies = archive.copies().unwrap();
    assert_eq!(copies.iter().map(|copy| copy.day).collect::<Vec<_>>(), [DAY]);
    archive.remove_copy(&copies[0]).unwrap();
    assert_eq!(archive.copies().unwrap(), []);
}

/// A step of a random history: the new bars, whether they are spilled or written, how many earlier
/// bars are handed over again with them, and whether symbols are a dictionary.
type Step = (Vec<(u8, i64, i32)>, bool, usize, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bars = prop::collection::vec((0..4u8, 0..5i64, -3..3i32), 0..12);
    prop::collection::vec((bars, any::<bool>(), 0..8usize, any::<bool>()), 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Bars are spilled, written, revised and handed over twice: the day has the last bar of each
    /// (symbol, frame), to the bit.
    #[test]
    fn any_history_ends_in_the_last_bars(steps in steps()) {
        let dir = Folder::new();
        let archive = open(dir.days());
        let mut all: Vec<Bar> = Vec::new();
        for (new, spill, again, dictionary) in steps {
            let from = all.len().saturating_sub(again);
            for (symbol, minute, close) in new {
                // -0.0 and 0.0 both occur.
                let close = f64::from(close) * if minute % 2 == 0 { -0.5 } else { 0.5 };
                all.push(bar(&format!("S{symbol}"), minute, close, all.len() as u64));
            }
            let bars = &all[from..];
            let batch = if dictionary { rows_with_dictionary(bars) } else { rows(bars) };
            let through_seq = all.len() as u64;
            if spill {
                archive.spill(DAY, &batch, 1, through_seq).unwrap();
            } else {
                archive.write(DAY, &batch, 1, through_seq).unwrap();
                prop_assert_eq!(archive.spilled_days().unwrap(), []);
            }
            prop_assert_eq!(read(&archive, DAY), expected(&all));
            for report in archive.verify().unwrap() {
                prop_assert!(report.outcome.is_ok());
            }
        }
    }
}
