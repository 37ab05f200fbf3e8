//! What stands in the directory after everything that may be done to it.

use super::*;
use crate::model::{AggTrade, Aggressor};
use crate::num::{BucketWidth, Price, Quantity};

fn archive() -> (tempfile::TempDir, Archive) {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::new(&directory.path().join("a/b"), Symbol::new("BTCFDUSD").unwrap());
    (directory, archive)
}

fn minute(trades: u64, complete: bool) -> MinuteFootprint {
    let mut footprint = MinuteFootprint::empty(Minute::from_number(29_396_534).unwrap(), complete);
    for id in 0..trades {
        let (price, quantity) = (Price::parse("100.5").unwrap(), Quantity::parse("0.1").unwrap());
        let trade = AggTrade {
            id,
            price,
            quantity,
            traded_at: 0,
            aggressor: Aggressor::Buyer,
        };
        footprint.add(&trade, BucketWidth::ONE).unwrap();
    }
    footprint
}

#[test]
fn a_minute_is_filed_once_under_its_utc_name() {
    let (_directory, archive) = archive();
    assert_eq!(archive.file(&minute(2, true)).unwrap(), Filed::Written);
    assert_eq!(archive.file(&minute(2, true)).unwrap(), Filed::AlreadyThere);
    let path = archive.path_of(minute(2, true).minute);
    assert!(path.ends_with("a/b/trades_20251122_0614.json"));
    assert!(
        fs::read_to_string(path)
            .unwrap()
            .starts_with("{\n  \"timestamp\": \"2025-11-22T06:14:00+00:00\"")
    );
    assert_eq!(
        archive.read(minute(2, true).minute).unwrap(),
        Some(minute(2, true))
    );
    assert_eq!(archive.minutes().unwrap(), [minute(2, true).minute]);
}

#[test]
fn the_complete_version_wins_whichever_comes_first() {
    let (_directory, archive) = archive();
    archive.file(&minute(1, false)).unwrap();
    assert_eq!(archive.file(&minute(2, true)).unwrap(), Filed::Completed);
    assert_eq!(archive.file(&minute(1, false)).unwrap(), Filed::AlreadyThere);
    assert_eq!(
        archive.read(minute(2, true).minute).unwrap(),
        Some(minute(2, true))
    );
}

#[test]
fn a_hole_noted_elsewhere_is_no_other_version() {
    let (_directory, archive) = archive();
    archive.file(&minute(2, true)).unwrap();
    let mut noted = minute(2, true);
    noted
        .permanent_holes
        .push(crate::model::IdRange { first: 2, last: 3 });
    assert_eq!(archive.file(&noted).unwrap(), Filed::AlreadyThere);
}

#[test]
fn minutes_that_are_not_complete_are_found_and_marked() {
    let (_directory, archive) = archive();
    let at = |offset: i64, complete: bool| {
        let mut footprint = minute(3, complete);
        footprint.minute = footprint.minute.offset(offset);
        let holes = (0..20).map(|first| crate::model::IdRange { first, last: first });
        footprint.permanent_holes = holes.collect();
        footprint
    };
    let minutes = [at(0, true), at(1, false), at(2, true), at(3, false)];
    assert_eq!(archive.file_all(&minutes).unwrap(), []);
    let found = |since: i64| -> Vec<Minute> {
        let since = minutes[0].minute.offset(since);
        archive.incomplete_since(since).unwrap().into_iter().collect()
    };
    assert_eq!(found(0), [minutes[1].minute, minutes[3].minute]);
    assert_eq!(found(2), [minutes[3].minute]);
    assert!(archive.mark_incomplete(minutes[2].minute).unwrap());
    assert!(!archive.mark_incomplete(minutes[2].minute).unwrap());
    assert!(!archive.mark_incomplete(minutes[0].minute.offset(9)).unwrap());
    assert_eq!(found(2), [minutes[2].minute, minutes[3].minute]);
    assert_eq!(archive.file(&minutes[2]).unwrap(), Filed::Completed);
    assert_eq!(found(2), [minutes[3].minute]);
}

#[test]
fn only_old_minutes_of_this_market_are_removed() {
    let (_directory, archive) = archive();
    let at = |offset: i64| {
        let mut footprint = minute(2, true);
        footprint.minute = footprint.minute.offset(offset);
        footprint
    };
    let minutes: Vec<MinuteFootprint> = (0..6).map(at).collect();
    archive.file_all(&minutes).unwrap();
    let path = |place: usize| archive.path_of(minutes[place].minute);
    // Another market's, nobody's, a link, and the file of another minute.
    let other = Archive::new(&archive.directory, Symbol::new("ETHFDUSD").unwrap());
    fs::remove_file(path(0)).unwrap();
    other.file(&minutes[0]).unwrap();
    fs::write(path(1), "somebody else's").unwrap();
    fs::remove_file(path(2)).unwrap();
    std::os::unix::fs::symlink(path(4), path(2)).unwrap();
    fs::copy(path(5), path(3)).unwrap();
    let strange = archive.directory.join("trades_notes.json");
    fs::write(&strange, "mine").unwrap();
    let before = archive.usage().unwrap();
    assert_eq!(before.files, 7);
    assert!(before.bytes > 1000, "{before:?}");
    assert_eq!(archive.expire(minutes[5].minute, 100).unwrap(), 1);
    let left: Vec<bool> = (0..6)
        .map(|place| path(place).symlink_metadata().is_ok())
        .collect();
    assert_eq!(left, [true, true, true, true, false, true]);
    assert!(strange.exists());
    assert_eq!(archive.expire(minutes[5].minute.next(), 0).unwrap(), 0);
    assert_eq!(archive.expire(minutes[5].minute.next(), 2).unwrap(), 1);
    assert_eq!(
        Archive::new(Path::new("/nowhere"), archive.symbol.clone())
            .usage()
            .unwrap(),
        Usage::default()
    );
}

// B15: a file of another origin under the same name was overwritten.
#[test]
fn foreign_content_under_the_same_name_is_kept() {
    let (_directory, archive) = archive();
    archive.prepare().unwrap();
    let path = archive.path_of(minute(1, true).minute);
    fs::write(&path, "somebody else's").unwrap();
    assert_eq!(archive.file(&minute(1, true)).unwrap(), Filed::KeptAside);
    assert_eq!(
        fs::read_to_string(path.with_extension("json.kept-1")).unwrap(),
        "somebody else's"
    );
    assert_eq!(
        archive.read(minute(1, true).minute).unwrap(),
        Some(minute(1, true))
    );
    for versions in 2..12 {
        let outcome = archive.file(&minute(versions, true));
        assert_eq!(outcome.is_err(), versions > 9, "version {versions}");
    }
}

#[test]
fn what_a_crash_left_behind_is_removed_at_the_start() {
    let (_directory, archive) = archive();
    archive.file(&minute(1, true)).unwrap();
    let leftover = archive.directory.join(".trades_20251122_0615.tmp");
    fs::write(&leftover, "{").unwrap();
    archive.prepare().unwrap();
    assert!(!leftover.exists());
    assert_eq!(archive.minutes().unwrap().len(), 1);
}

#[test]
fn a_path_that_cannot_be_a_directory_is_an_error_that_names_it() {
    let (directory, _archive) = archive();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let archive = Archive::new(&file, Symbol::new("BTCFDUSD").unwrap());
    let error = archive.file(&minute(1, true)).unwrap_err();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
}
