//! A folder as the place: every command without a service.

use std::path::Path;

use barbus::{Bus, Date, InitOptions};

use crate::support::bus::{TestBus, day, files};
use crate::support::program::{push_to_folder, run};

fn verify(place: &Path, options: &[&str]) -> crate::support::program::Finished {
    let mut arguments = vec!["verify", place.to_str().expect("UTF-8")];
    arguments.extend(options);
    run(arguments)
}

#[test]
fn a_folder_gets_each_day_once_and_again_after_late_bars() {
    let mut bus = TestBus::with_days(3);
    let place = bus.beside("place");
    let report = push_to_folder(bus.path(), &place, &["--format", "json"]).json();
    assert_eq!((report["pushed"].as_array().unwrap().len(), report["days"].as_u64()), (3, Some(3)));
    assert_eq!(files(&place.join("1m")), bus.files(), "the files are the archive's, byte for byte");
    assert_eq!(files(&place.join("1m.upload")).len(), 0);

    let again = push_to_folder(bus.path(), &place, &["--format", "json"]).json();
    assert_eq!((&again["pushed"], &again["manifest"]), (&serde_json::json!([]), &report["manifest"]));

    bus.revise(1, 10, 99.0);
    let late = push_to_folder(bus.path(), &place, &["--format", "json"]).json();
    let pushed = late["pushed"].as_array().unwrap();
    assert_eq!((pushed.len(), &pushed[0]["day"], &pushed[0]["version"]), (1, &day(1).to_string().into(), &2.into()));
    assert_eq!(files(&place.join("1m")), bus.files());
    let compared = ["--bus", bus.path().to_str().unwrap()];
    assert!(verify(&place, &compared).ok().contains("3 days"), "every day is good");
    let list = run(["list", place.to_str().unwrap()]).ok();
    assert!(list.contains(&day(2).to_string()) && list.contains(bus.path().to_str().unwrap()), "{list}");
    let status = run(["status", bus.path().to_str().unwrap()]).ok();
    assert!(status.contains("3 days") && status.contains("complete"), "{status}");
}

/// What a push leaves that was killed at any moment: an upload that no manifest names, or one that
/// the manifest names and that has not its place yet.
#[test]
fn an_interrupted_push_is_invisible_or_completed_by_the_next_one() {
    let mut bus = TestBus::with_days(2);
    let place = bus.beside("place");
    push_to_folder(bus.path(), &place, &[]).ok();
    let before = bus.files();
    bus.revise(0, 5, 55.0);
    let stray = place.join("1m.upload").join(format!("{}-0123456789abcdef.parquet", day(0)));
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, "half of a file").unwrap();
    assert_eq!(files(&place.join("1m")), before);
    assert!(verify(&place, &[]).ok().contains("1 upload of an interrupted push"));

    push_to_folder(bus.path(), &place, &[]).ok();
    assert!(!stray.exists());
    let after = bus.files();
    assert_eq!(files(&place.join("1m")), after);

    // The same moment after the manifest: the object of the day is still that of before.
    let list = run(["list", place.to_str().unwrap(), "--format", "json"]).json();
    let sha256 = list["days"][day(0).to_string()]["sha256"].as_str().unwrap().to_owned();
    let name = format!("{}.parquet", day(0));
    let upload = place.join("1m.upload").join(format!("{}-{}.parquet", day(0), &sha256[..16]));
    std::fs::rename(place.join("1m").join(&name), &upload).unwrap();
    std::fs::write(place.join("1m").join(&name), &before[&name]).unwrap();
    let folder = bus.beside("pulled");
    run([Path::new("pull"), &place, &folder]).ok();
    assert_eq!(files(&folder), after, "a reader that goes by the manifest gets the new day");
    push_to_folder(bus.path(), &place, &[]).ok();
    assert_eq!(files(&place.join("1m")), after);
    assert!(!upload.exists());
}

#[test]
fn what_another_program_has_changed_is_found_and_put_right() {
    let bus = TestBus::with_days(3);
    let place = bus.beside("place");
    push_to_folder(bus.path(), &place, &[]).ok();
    let object = |number| place.join("1m").join(format!("{}.parquet", day(number)));
    std::fs::remove_file(object(0)).unwrap();
    let mut bytes = std::fs::read(object(1)).unwrap();
    bytes[200] ^= 1;
    std::fs::write(object(1), &bytes).unwrap();
    std::fs::write(place.join("1m/more.parquet"), "x").unwrap();
    verify(&place, &["--quick"]).fails(1, &["it is missing", "more.parquet", "2 problems"]);
    let words = ["another program has changed it", &format!("--replace {}", day(1)), "remove it"];
    verify(&place, &[]).fails(1, &words);
    run([Path::new("pull"), &place, &bus.beside("pulled")]).fails(1, &["another program has changed it"]);
    assert_eq!(files(&bus.beside("pulled")).len(), 1, "the good days are pulled");

    std::fs::remove_file(place.join("1m/more.parquet")).unwrap();
    push_to_folder(bus.path(), &place, &["--replace", &day(1).to_string()]).ok();
    verify(&place, &[]).ok();
    assert_eq!(files(&place.join("1m")), bus.files());
}

#[test]
fn a_damaged_day_is_not_pushed_and_stops_no_other() {
    let mut bus = TestBus::with_days(3);
    bus.stop();
    let place = bus.beside("place");
    let mut bytes = std::fs::read(bus.file(1)).unwrap();
    bytes[300] ^= 1;
    std::fs::write(bus.file(1), &bytes).unwrap();
    push_to_folder(bus.path(), &place, &[]).fails(1, &[&day(1).to_string(), "damaged", "it is not pushed"]);
    assert_eq!(files(&place.join("1m")).len(), 2);
}

#[test]
fn a_bus_is_restored_with_its_settings_and_its_days() {
    let mut bus = TestBus::with_days(3);
    bus.stop();
    std::fs::create_dir(bus.path().join("calendar.d")).unwrap();
    std::fs::write(bus.path().join("calendar.d/XOWN.toml"), "# a table\n").unwrap_or_default();
    std::fs::remove_file(bus.path().join("calendar.d/XOWN.toml")).unwrap();
    let place = bus.beside("place");
    push_to_folder(bus.path(), &place, &[]).ok();
    let restored = bus.beside("restored");
    let report = run([Path::new("restore"), &place, &restored]).ok();
    assert!(report.contains("3 days") && report.contains("barbusd"), "{report}");
    let text = |bus: &Path| std::fs::read_to_string(bus.join("bus.toml")).unwrap();
    assert_eq!(text(&restored), text(bus.path()));
    let opened = Bus::open(&restored).unwrap();
    assert_eq!(files(&opened.archive()), bus.files());
    // A writer goes on with it.
    let mut writer = barbus_writer::Writer::open(&opened).unwrap();
    let symbol = writer.symbol("A").unwrap();
    writer.push(&barbus::Row { symbol, frame_ms: 1_710_000_060_000, ..barbus::Row::default() }).unwrap();
    drop(writer);

    run([Path::new("restore"), &place, &restored]).fails(1, &["it is not empty"]);
    // Another bus may not push to the prefix before an operator says so.
    push_to_folder(&restored, &place, &[]).fails(1, &["pushes to it", bus.path().to_str().unwrap(), "--take-over"]);

    // A restore that fails leaves nothing.
    let object = place.join("1m").join(format!("{}.parquet", day(2)));
    std::fs::write(&object, "x").unwrap();
    let third = bus.beside("third");
    run([Path::new("restore"), &place, &third]).fails(1, &["another program has changed it"]);
    assert!(!third.exists());
}

#[test]
fn a_bus_gets_the_days_that_it_lacks_and_no_other() {
    let mut bus = TestBus::with_days(4);
    let place = bus.beside("place");
    push_to_folder(bus.path(), &place, &[]).ok();
    let all = bus.files();
    run([Path::new("pull"), &place, bus.path()]).fails(1, &["the bus has a writer already", "stop it first"]);
    bus.stop();
    let lost = std::fs::read(bus.file(0)).unwrap();
    std::fs::remove_file(bus.file(0)).unwrap();
    let report = run(["pull", place.to_str().unwrap(), bus.path().to_str().unwrap(), "--format", "json"]).json();
    assert_eq!((report["pulled"].as_array().unwrap().len(), report["present"].as_u64()), (1, Some(3)));
    assert_eq!(bus.files(), all);
    assert_eq!(std::fs::read(bus.file(0)).unwrap(), lost);

    // A day that differs stays on both sides.
    std::fs::copy(bus.file(1), bus.beside("kept")).unwrap();
    bus.revise(1, 5, 77.0);
    bus.stop();
    std::fs::remove_file(bus.file(2)).unwrap();
    let words = [bus.file(1).to_str().unwrap().to_owned(), format!("--replace {}", day(1)), "neither".to_owned()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run([Path::new("pull"), &place, bus.path()]).fails(1, &words);
    assert!(bus.file(2).exists(), "the other day is pulled");
    assert_ne!(std::fs::read(bus.file(1)).unwrap(), std::fs::read(bus.beside("kept")).unwrap());

    // The days of one calendar are not those of another.
    let other = bus.beside("other");
    Bus::init(&other, &InitOptions { calendar: "XNYS".into(), preset: None }).unwrap();
    let text = std::fs::read_to_string(other.join("bus.toml")).unwrap();
    assert!(text.contains("# zone = \"\""), "{text}");
    std::fs::write(other.join("bus.toml"), text.replacen("# zone = \"\"", "zone = \"UTC\"", 1)).unwrap();
    run([Path::new("pull"), &place, &other]).fails(1, &["not pulled", "was made by the calendar 24x7", "4 problems"]);
    assert_eq!(files(&other.join("archive/1m")).len(), 0);

    // A day that archive.keep removed is left out unless it is wanted.
    let removed = format!("{{\"at\":\"2024-03-09T00:00:00Z\",\"day\":\"{}\",\"bars\":1,\"bytes\":1}}\n", day(3));
    std::fs::write(bus.path().join("removed.ndjson"), removed).unwrap();
    std::fs::remove_file(bus.file(3)).unwrap();
    let from = day(3).to_string();
    let pull = |option: &[&str]| {
        let mut arguments = vec!["pull", place.to_str().unwrap(), bus.path().to_str().unwrap(), "--from", &from];
        arguments.extend(option);
        run(arguments).ok()
    };
    assert!(pull(&[]).contains("left out 1 day"));
    assert!(!bus.file(3).exists());
    pull(&["--removed"]);
    assert_eq!(std::fs::read(bus.file(3)).unwrap(), all[&format!("{}.parquet", day(3))]);
}

#[test]
fn retention_keeps_what_only_the_bucket_has() {
    let mut bus = TestBus::with_days(6);
    bus.stop();
    let place = bus.beside("place");
    push_to_folder(bus.path(), &place, &[]).ok();
    std::fs::remove_file(bus.file(0)).unwrap();
    let prune = |options: &[&str]| {
        let mut arguments = vec!["prune", bus.path().to_str().unwrap(), place.to_str().unwrap(), "--keep", "2d"];
        arguments.extend(options);
        run(arguments)
    };
    let days = || files(&place.join("1m")).into_keys().collect::<Vec<_>>();
    let dry = prune(&["--dry-run", "--format", "json"]).json();
    assert_eq!(dry["would_remove"].as_array().unwrap().len(), 2);
    assert_eq!(dry["last_copies"], serde_json::json!([day(0).to_string()]));
    assert_eq!(days().len(), 6);
    assert!(prune(&[]).ok().contains("removed 2 days"));
    let name = |number: i64| format!("{}.parquet", day(number));
    assert_eq!(days(), [0, 3, 4, 5].map(name));
    // A push brings nothing back.
    push_to_folder(bus.path(), &place, &[]).ok();
    assert_eq!(days().len(), 4);
    verify(&place, &["--bus", bus.path().to_str().unwrap()]).ok();
    prune(&["--last-copies"]).ok();
    assert_eq!(days(), [3, 4, 5].map(name));
}

#[test]
fn wrong_usage_names_the_right_one() {
    let bus = TestBus::new();
    let path = bus.path().to_str().unwrap();
    run(["push", path, "ftp://host/x"]).fails(2, &["give s3://BUCKET/PREFIX"]);
    run(["push", path, "s3://bucket/x", "--keep", "7"]).fails(2, &["400d"]);
    run(["push", "/nonexistent", "/tmp/x"]).fails(1, &["not a bus"]);
    run(["list", bus.beside("none").to_str().unwrap()]).fails(1, &["there is no such folder"]);
    let empty = bus.beside("empty");
    std::fs::create_dir(&empty).unwrap();
    run([Path::new("list"), &empty]).fails(1, &["no days were pushed to it", "barbus archive push"]);
    std::fs::create_dir(empty.join("1m")).unwrap();
    std::fs::write(empty.join("1m").join(format!("{}.parquet", Date::constant(2024, 1, 2))), "x").unwrap();
    push_to_folder(bus.path(), &empty, &[]).fails(1, &["no manifest", "name another prefix"]);
    // A bus without a day may be pushed: its prefix is its own from then on.
    push_to_folder(bus.path(), &bus.beside("new"), &[]).ok();
    let plain = "s3://bucket/x";
    run(["list", plain, "--endpoint", "http://127.0.0.1:1"]).fails(1, &["--allow-http"]);
}
