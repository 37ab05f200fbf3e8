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
        let from = archive
            .minutes()
            .unwrap()
            .into_iter()
            .filter(|minute| *minute >= since);
        let look = archive.incomplete_among(&from.collect::<Vec<_>>());
        assert_eq!(look.failures.count(), 0);
        look.incomplete.into_iter().collect()
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
    assert_eq!(archive.expire(minutes[5].minute, 100).unwrap().removed, 1);
    let left: Vec<bool> = (0..6)
        .map(|place| path(place).symlink_metadata().is_ok())
        .collect();
    assert_eq!(left, [true, true, true, true, false, true]);
    assert!(strange.exists());
    assert_eq!(archive.expire(minutes[5].minute.next(), 0).unwrap().removed, 0);
    assert_eq!(archive.expire(minutes[5].minute.next(), 2).unwrap().removed, 1);
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
fn what_is_not_from_here_stays_at_the_start() {
    let (directory, archive) = archive();
    archive.prepare().unwrap();
    let names = [
        ".trades_mine.tmp",
        ".trades_20251122_0615_old.tmp",
        ".trades_.tmp",
    ];
    for name in names {
        fs::write(archive.directory.join(name), "mine").unwrap();
    }
    let elsewhere = directory.path().join("elsewhere");
    fs::write(&elsewhere, "mine").unwrap();
    let stamp = minute(1, true).minute.file_stamp();
    let link = archive.directory.join(format!(".trades_{stamp}.tmp"));
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    archive.prepare().unwrap();
    for name in names {
        assert!(archive.directory.join(name).exists(), "{name}");
    }
    assert!(link.is_symlink());
    // Nothing is written through the link either, and the reason names it.
    let error = archive.file(&minute(1, true)).unwrap_err();
    assert!(error.to_string().contains(link.to_str().unwrap()), "{error}");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
    fs::remove_file(&link).unwrap();
    fs::write(&link, "half a minute").unwrap();
    assert_eq!(archive.file(&minute(1, true)).unwrap(), Filed::Written);
}

/// A pipe, whose opening would wait for somebody who writes.
#[expect(
    clippy::disallowed_types,
    reason = "std makes no pipe; it is a test that starts the program which does"
)]
fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Does it elsewhere, so that a test that would wait forever fails.
fn within_limit<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    outcome.recv_timeout(std::time::Duration::from_secs(30)).unwrap()
}

#[test]
fn what_is_no_file_keeps_nobody_from_the_others() {
    let (_directory, archive) = archive();
    let at = |offset: i64| {
        let mut footprint = minute(2, false);
        footprint.minute = footprint.minute.offset(offset);
        footprint
    };
    let minutes: Vec<MinuteFootprint> = (0..5).map(at).collect();
    archive.file_all(&minutes).unwrap();
    let path = |place: usize| archive.path_of(minutes[place].minute);
    for place in [0, 2] {
        fs::remove_file(path(place)).unwrap();
    }
    fs::create_dir(path(0)).unwrap();
    pipe(&path(2));
    fs::remove_file(path(4)).unwrap();
    let all: Vec<Minute> = minutes.iter().map(|footprint| footprint.minute).collect();
    let looking = archive.clone();
    let look = within_limit(move || looking.incomplete_among(&all));
    let found: Vec<Minute> = look.incomplete.into_iter().collect();
    assert_eq!(found, [minutes[1].minute, minutes[3].minute]);
    assert_eq!(look.failures.count(), 2);
    let ArchiveError::Io { path: named, .. } = &look.failures.first()[0] else {
        panic!("{:?}", look.failures);
    };
    assert_eq!(*named, path(0));
    // Neither is it removed for its age, and a minute that comes finds its place.
    let (expiring, end) = (archive.clone(), minutes[4].minute);
    let expired = within_limit(move || expiring.expire(end, 100)).unwrap();
    assert_eq!((expired.removed, expired.failures.count()), (2, 0));
    let (filing, late) = (archive.clone(), minutes[2].clone());
    let filed = within_limit(move || filing.file(&late)).unwrap();
    assert_eq!(filed, Filed::KeptAside);
    assert!(path(0).is_dir() && path(2).is_file());
    assert!(path(2).with_extension("json.kept-1").exists());
}

/// Seen through a path that is too long for a name behind it, every file of the directory fails, for root too.
#[test]
fn a_file_that_cannot_be_removed_keeps_nobody_from_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let base = fs::canonicalize(directory.path()).unwrap();
    let mut deep = base.clone();
    while deep.as_os_str().len() < 4_085 {
        let room = (4_086 - deep.as_os_str().len()).min(200);
        deep.push("d".repeat(room));
    }
    fs::create_dir_all(&deep).unwrap();
    let near = base.join("near");
    std::os::unix::fs::symlink(&deep, &near).unwrap();
    let symbol = Symbol::new("BTCFDUSD").unwrap();
    let (near, far) = (Archive::new(&near, symbol.clone()), Archive::new(&deep, symbol));
    let minutes: Vec<MinuteFootprint> = (0..7)
        .map(|offset| {
            let mut footprint = minute(1, true);
            footprint.minute = footprint.minute.offset(offset);
            footprint
        })
        .collect();
    near.file_all(&minutes).unwrap();
    let end = minutes[6].minute.next();
    let expired = far.expire(end, 100).unwrap();
    assert_eq!((expired.removed, expired.failures.count()), (0, 7));
    assert_eq!(expired.failures.first().len(), 5);
    assert_eq!(near.expire(end, 100).unwrap().removed, 7);
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
