//! Watching a real folder.

use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

/// Generous: the kernel tells of changes at once.
const PATIENCE: Duration = Duration::from_secs(10);

struct Tree {
    top: TempDir,
    files: Files,
}

impl Tree {
    fn new() -> Self {
        let top = tempfile::tempdir().expect("a folder");
        for folder in ["src/deep", "target", "node_modules/x", ".git", "data"] {
            fs::create_dir_all(top.path().join(folder)).expect("a folder");
        }
        let data = top.path().join("data");
        let files = Files::open(
            vec![top.path().to_owned()],
            vec![data, top.path().join("app")],
        )
        .expect("watched");
        Self { top, files }
    }

    fn write(&self, path: &str) {
        fs::write(self.top.path().join(path), b"x").expect("written");
    }

    async fn told(&mut self) -> bool {
        timeout(PATIENCE, self.files.next())
            .await
            .is_ok_and(|told| told.is_some())
    }

    /// Whether a change was told of; what was done before is in the kernel's queue already.
    fn is_told(&mut self) -> bool {
        let mut told = false;
        while let Ok(changed) = self.files.read() {
            told |= changed;
        }
        told
    }
}

#[tokio::test]
async fn a_change_anywhere_below_is_told() {
    let mut tree = Tree::new();
    tree.write("src/deep/main.rs");
    assert!(tree.told().await);
    while tree.is_told() {}
    fs::remove_file(tree.top.path().join("src/deep/main.rs")).expect("removed");
    assert!(tree.told().await);
}

#[tokio::test]
async fn what_is_made_from_the_sources_is_not_told() {
    let mut tree = Tree::new();
    for path in [
        "app",
        "target/a",
        "node_modules/x/a",
        ".git/index",
        "data/b",
        "src/a.rs~",
        "src/.a.swp",
    ] {
        tree.write(path);
    }
    assert!(!tree.is_told());
    fs::create_dir(tree.top.path().join("src/target")).expect("made");
    assert!(!tree.is_told());
}

#[tokio::test]
async fn two_files_of_one_folder_are_both_watched() {
    let top = tempfile::tempdir().expect("a folder");
    let paths = ["one", "two"].map(|name| top.path().join(name));
    for path in &paths {
        fs::write(path, "before").expect("written");
    }
    let files = Files::open(paths.to_vec(), Vec::new()).expect("watched");
    let mut tree = Tree { top, files };
    for name in ["one", "two"] {
        tree.write(name);
        assert!(tree.told().await, "{name}");
        while tree.is_told() {}
    }
}

#[tokio::test]
async fn what_a_full_buffer_left_over_is_told_without_a_new_event() {
    let mut tree = Tree::new();
    for number in 0..600 {
        tree.write(&format!("src/{number}"));
    }
    fs::create_dir(tree.top.path().join("src/new")).expect("made");
    // Each call reads one buffer: together they must come to the new folder and watch it.
    while timeout(Duration::from_millis(200), tree.files.next())
        .await
        .is_ok()
    {}
    tree.write("src/new/file");
    assert!(tree.told().await);
}

#[tokio::test]
async fn a_new_folder_is_watched_as_well() {
    let mut tree = Tree::new();
    fs::create_dir(tree.top.path().join("src/new")).expect("made");
    assert!(tree.told().await);
    while tree.is_told() {}
    tree.write("src/new/lib.rs");
    assert!(tree.told().await);
}

#[tokio::test]
async fn a_single_file_is_told_also_when_it_is_replaced() {
    let top = tempfile::tempdir().expect("a folder");
    let path = top.path().join("config.json");
    fs::write(&path, b"1").expect("written");
    let files = Files::open(vec![path.clone()], Vec::new()).expect("watched");
    let mut tree = Tree { top, files };
    tree.write("other.json");
    assert!(!tree.is_told());
    tree.write("aside");
    fs::rename(tree.top.path().join("aside"), &path).expect("renamed");
    assert!(tree.is_told());
}

#[tokio::test]
async fn a_path_that_is_not_there_is_an_error_that_names_it() {
    let opened = Files::open(vec![PathBuf::from("/no/such/folder")], Vec::new());
    let error = opened.err().expect("it is not there");
    assert!(
        error.to_string().starts_with("/no/such/folder: "),
        "{error}"
    );
}
