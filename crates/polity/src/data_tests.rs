//! Tests of the data folder: found, private, and held by one.

use std::collections::BTreeMap;
use std::fs;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").mode() & 0o777
}

fn open(permissions: u32, path: &Path) {
    fs::create_dir(path).expect("new");
    fs::set_permissions(path, Permissions::from_mode(permissions)).expect("ours");
}

#[test]
fn the_folder_is_the_one_given_or_beside_the_plan() {
    let plan = Path::new("/shop");
    let data = DataFolder::locate(None, plan).expect("located");
    assert_eq!(data.path(), Path::new("/shop/.polity"));
    let data = DataFolder::locate(Some(Path::new("/var/lib/shop")), plan).expect("located");
    assert_eq!(data.path(), Path::new("/var/lib/shop"));
    let data = DataFolder::locate(Some(Path::new("data")), plan).expect("located");
    assert_eq!(
        data.path(),
        env::current_dir().expect("is there").join("data")
    );
}

#[test]
fn a_command_finds_the_nearest_plan_above_it() {
    let folder = folder();
    let deep = folder.path().join("services/orders");
    fs::create_dir_all(&deep).expect("made");
    let error = DataFolder::find_from(None, &deep)
        .expect_err("no plan")
        .to_string();
    assert!(error.starts_with("no polity.toml in "), "{error}");
    fs::write(folder.path().join("polity.toml"), "").expect("written");
    let found = DataFolder::find_from(None, &deep).expect("found");
    assert_eq!(found.path(), folder.path().join(".polity"));
    let given = DataFolder::find_from(Some(Path::new("/other")), &deep).expect("given");
    assert_eq!(given.path(), Path::new("/other"));
}

#[test]
fn one_system_holds_the_folder() {
    let folder = folder();
    let data = DataFolder::locate(None, folder.path()).expect("located");
    assert!(!data.is_held().expect("asked"), "nothing is there");
    let lock = data.open_exclusive().expect("free");
    assert!(data.is_held().expect("asked"));
    RunFile {
        pid: 4711,
        started_ms: 0,
        version: "0.1.0".to_owned(),
        plan: folder.path().join("polity.toml"),
        addresses: BTreeMap::from([("console".to_owned(), ([127, 0, 0, 1], 7070).into())]),
    }
    .write(&data)
    .expect("written");
    let error = data.open_exclusive().expect_err("taken").to_string();
    assert!(
        error.contains("(process 4711, admin API at http://127.0.0.1:7070)"),
        "{error}"
    );
    assert!(error.contains("`polity down`"), "{error}");
    drop(lock);
    assert!(!data.is_held().expect("asked"));
    data.open_exclusive().expect("free again");
}

#[test]
fn the_folder_is_closed_to_others() {
    let folder = folder();
    let check = |path: &Path, expected| {
        let data = DataFolder::locate(Some(path), folder.path()).expect("located");
        drop(data.open_exclusive().expect("free"));
        assert_eq!(mode(path), expected, "{}", path.display());
    };
    let made = folder.path().join("deep/made");
    check(&made, 0o700);
    fs::set_permissions(&made, Permissions::from_mode(0o755)).expect("ours");
    check(&made, 0o700);
    let empty = folder.path().join("empty");
    open(0o775, &empty);
    check(&empty, 0o700);
    let of_others = folder.path().join("of-others");
    open(0o755, &of_others);
    fs::write(of_others.join("thesis.tex"), "").expect("written");
    check(&of_others, 0o755);
}

#[test]
fn a_place_that_cannot_be_a_folder_is_named_with_a_remedy() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    for path in [file.clone(), file.join("below")] {
        let data = DataFolder::locate(Some(&path), folder.path()).expect("located");
        let error = data.open_exclusive().expect_err("a file").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.contains("`--data DIR`"), "{error}");
    }
}
