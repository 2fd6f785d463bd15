//! Builds by a host that only pretends, and artefacts that are real.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::time::Instant;

use polity_runtime::task;
use tokio::sync::watch;

use super::*;
use crate::process::{Control, OutputSink, Stream};

/// Builds end when the test says so, with the code it says.
#[derive(Default)]
struct Pretended {
    builds: Mutex<Vec<Begun>>,
    killed: Arc<Mutex<usize>>,
}

/// The command, and what ends it.
type Begun = (Vec<String>, watch::Sender<Option<Exit>>);

struct Kills(Arc<Mutex<usize>>);

impl Control for Kills {
    fn terminate(&self) {}
    fn kill(&self) {
        *self.0.lock().expect("unpoisoned") += 1;
    }
}

impl Host for Pretended {
    fn launch(&self, launch: Launch) -> BoxFuture<'_, Result<Process, LaunchError>> {
        launch.output.line(Stream::Stderr, "building");
        let (end, exit) = watch::channel(None);
        self.builds
            .lock()
            .expect("unpoisoned")
            .push((launch.words, end));
        let control = Arc::new(Kills(self.killed.clone()));
        Box::pin(std::future::ready(Ok(Process::new(7, exit, control))))
    }
}

impl Pretended {
    fn commands(&self) -> Vec<String> {
        let builds = self.builds.lock().expect("unpoisoned");
        builds.iter().map(|(words, _)| words.join(" ")).collect()
    }

    /// Waits until that many builds have begun; between two, real files are copied.
    async fn until_begun(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.commands().len() < count {
            assert!(Instant::now() < deadline, "{:?}", self.commands());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn end(&self, index: usize, code: i32) {
        let builds = self.builds.lock().expect("unpoisoned");
        builds[index].1.send_replace(Some(Exit::Code(code)));
    }
}

struct Nowhere;

impl OutputSink for Nowhere {
    fn line(&self, _: Stream, _: &str) {}
}

impl Logs for Nowhere {
    fn sink(&self, _: &ServiceName, _: &InstanceId) -> Arc<dyn OutputSink> {
        Arc::new(Nowhere)
    }
}

struct Ground {
    folder: tempfile::TempDir,
    host: Arc<Pretended>,
    builder: Builder,
}

type Answer = tokio::task::JoinHandle<Option<Result<Built, BuildFailure>>>;

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let host = Arc::new(Pretended::default());
        let versions = folder.path().join("versions");
        let builder = Builder::start(host.clone(), Arc::new(Nowhere), &versions);
        Self {
            folder,
            host,
            builder,
        }
    }

    fn order(&self, service: &str, build: &str, run: &str) -> BuildOrder {
        let command = |text: &str| Command {
            words: text.split(' ').map(str::to_owned).collect(),
        };
        BuildOrder {
            service: name(service),
            build: (!build.is_empty()).then(|| command(build)),
            run: command(run),
            dir: self.folder.path().to_owned(),
            environment: BTreeMap::new(),
        }
    }

    fn ask(&self, order: BuildOrder) -> Answer {
        let builder = self.builder.clone();
        task::spawn("test", async move { builder.build(&order).await })
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path
    }

    fn versions(&self, service: &str) -> Vec<String> {
        let folder = self.folder.path().join("versions").join(service);
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn name(service: &str) -> ServiceName {
    ServiceName::new(service).expect("a legal name")
}

/// All tasks have done what they can do without the test.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn built(answer: Answer) -> Result<Built, BuildFailure> {
    answer.await.expect("joined").expect("no panic")
}

#[tokio::test]
async fn services_that_start_together_share_the_first_build() {
    let ground = Ground::new();
    let answers = ["a", "b", "c"].map(|service| {
        ground.ask(ground.order(service, "make all", &format!("python3 {service}")))
    });
    ground.host.until_begun(1).await;
    ground.host.end(0, 0);
    for answer in answers {
        built(answer).await.expect("built");
    }
    assert_eq!(ground.host.commands(), ["make all"]);
}

#[tokio::test]
async fn builds_run_one_at_a_time_and_the_same_once_for_all_that_wait() {
    let ground = Ground::new();
    let first = ground.ask(ground.order("a", "make all", "python3 a"));
    ground.host.until_begun(1).await;
    let others = [
        ground.ask(ground.order("b", "make b", "python3 b")),
        // The first build has begun and may not see what this one is for.
        ground.ask(ground.order("c", "make all", "python3 c")),
        ground.ask(ground.order("d", "make all", "python3 d")),
    ];
    settle().await;
    assert_eq!(ground.host.commands(), ["make all"]);
    ground.host.end(0, 0);
    built(first).await.expect("built");
    ground.host.until_begun(2).await;
    assert_eq!(ground.host.commands(), ["make all", "make b"]);
    ground.host.end(1, 0);
    ground.host.until_begun(3).await;
    assert_eq!(ground.host.commands(), ["make all", "make b", "make all"]);
    ground.host.end(2, 0);
    for other in others {
        built(other).await.expect("built");
    }
    assert_eq!(ground.host.commands().len(), 3);
}

#[tokio::test]
async fn the_same_command_in_another_folder_or_environment_is_another_build() {
    let ground = Ground::new();
    let first = ground.ask(ground.order("a", "make", "python3 a"));
    let mut order = ground.order("b", "make", "python3 b");
    order.environment.insert("DEBUG".to_owned(), "1".to_owned());
    let second = ground.ask(order);
    ground.host.until_begun(1).await;
    ground.host.end(0, 0);
    built(first).await.expect("built");
    ground.host.until_begun(2).await;
    ground.host.end(1, 0);
    built(second).await.expect("built");
}

#[tokio::test]
async fn a_failed_build_gives_its_status_and_its_last_lines_and_the_next_goes_on() {
    let ground = Ground::new();
    let failed = ground.ask(ground.order("a", "make all", "python3 a"));
    ground.host.until_begun(1).await;
    ground.host.end(0, 2);
    let failure = built(failed).await.expect_err("it failed");
    assert_eq!(failure.reason, "`make all` ended with exit code 2");
    assert_eq!(failure.lines, ["building"]);
    let next = ground.ask(ground.order("a", "make all", "python3 a"));
    ground.host.until_begun(2).await;
    ground.host.end(1, 0);
    built(next).await.expect("built");
}

#[tokio::test]
async fn a_build_ends_when_the_last_who_waits_for_it_is_gone() {
    let ground = Ground::new();
    let one = ground.ask(ground.order("a", "make", "python3 a"));
    let other = ground.ask(ground.order("b", "make", "python3 b"));
    ground.host.until_begun(1).await;
    one.abort();
    settle().await;
    assert_eq!(*ground.host.killed.lock().expect("unpoisoned"), 0);
    other.abort();
    settle().await;
    assert_eq!(*ground.host.killed.lock().expect("unpoisoned"), 1);
    let next = ground.ask(ground.order("a", "make", "python3 a"));
    ground.host.until_begun(2).await;
    ground.host.end(1, 0);
    built(next).await.expect("built");
}

async fn build_and_take(ground: &Ground, run: &str) -> Result<Built, BuildFailure> {
    let before = ground.host.commands().len();
    let answer = ground.ask(ground.order("a", "make", run));
    ground.host.until_begun(before + 1).await;
    ground.host.end(before, 0);
    built(answer).await
}

#[tokio::test]
async fn a_compiled_program_is_run_from_a_copy_that_later_builds_do_not_touch() {
    let ground = Ground::new();
    let source = ground.write("server", "\x7fELF one");
    let first = build_and_take(&ground, "./server --port {port}")
        .await
        .expect("built");
    let kept = PathBuf::from(&first.run.words[0]);
    assert_eq!(first.run.words[1..], ["--port", "{port}"]);
    assert!(kept.ends_with(format!("versions/a/{}/server", first.version)));
    assert_eq!(
        fs::metadata(&kept).expect("there").permissions().mode() & 0o777,
        0o755
    );
    fs::write(&source, "\x7fELF two").expect("written");
    let second = build_and_take(&ground, "./server").await.expect("built");
    assert_ne!(second.version, first.version);
    assert_eq!(fs::read_to_string(&kept).expect("there"), "\x7fELF one");
    fs::write(&source, "\x7fELF one").expect("written");
    let third = build_and_take(&ground, "./server").await.expect("built");
    assert_eq!(
        third.version, first.version,
        "the same program is the same version"
    );
    assert_eq!(ground.versions("a").len(), 2);
}

#[tokio::test]
async fn what_needs_its_neighbours_is_run_where_it_is() {
    let ground = Ground::new();
    ground.write("script", "#!/usr/bin/env python3\nimport neighbour\n");
    let native = ground.write("native", "\x7fELF");
    std::os::unix::fs::symlink(&native, ground.folder.path().join("link")).expect("linked");
    ground.write("launcher", "\x7fELF");
    ground.write("launcher.dll", "");
    for run in ["./script", "./link", "./launcher", "python3 x", "/bin/sh x"] {
        let one = build_and_take(&ground, run).await.expect("built");
        let other = build_and_take(&ground, run).await.expect("built");
        assert_eq!(one.run.words.join(" "), run);
        assert_ne!(one.version, other.version, "{run}");
    }
    assert!(ground.versions("a").is_empty());
}

#[tokio::test]
async fn a_build_that_does_not_make_what_is_run_has_failed() {
    let ground = Ground::new();
    let failure = build_and_take(&ground, "target/server")
        .await
        .expect_err("nothing there");
    assert_eq!(
        failure.reason,
        "the build ended well and made no `target/server`"
    );
}

#[test]
fn old_versions_are_deleted_but_for_those_in_use_and_the_last_few() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().join("versions"));
    let source = folder.path().join("server");
    let mut taken = Vec::new();
    for number in 0..8 {
        fs::write(&source, format!("\x7fELF {number}")).expect("written");
        let (version, kept) = store.take(&name("a"), &source).expect("taken");
        // File times are coarser than this test is fast.
        let time = UNIX_EPOCH + Duration::from_secs(1000 + number);
        let place = fs::File::open(kept.parent().expect("a folder")).expect("opened");
        place.set_modified(time).expect("set");
        taken.push((version, kept));
    }
    store
        .keep_only(&name("a"), &[taken[0].0.clone()])
        .expect("deleted");
    let left: Vec<_> = taken.iter().map(|(_, kept)| kept.exists()).collect();
    assert_eq!(left, [true, false, false, false, false, true, true, true]);
    store
        .keep_only(&name("never-built"), &[])
        .expect("nothing to do");
}

#[test]
fn a_copy_cut_short_by_a_crash_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().join("versions"));
    let source = folder.path().join("server");
    fs::write(&source, "\x7fELF whole").expect("written");
    let half = folder.path().join("versions/a/.new");
    fs::create_dir_all(half.parent().expect("a folder")).expect("made");
    fs::write(&half, "\x7fELF wh").expect("written");
    let (_, kept) = store.take(&name("a"), &source).expect("taken");
    assert_eq!(fs::read_to_string(kept).expect("there"), "\x7fELF whole");
    assert!(!half.exists());
}
