//! A stand-in for Polity: starts the guardian, launches what its arguments say and waits to be killed.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use polity_supervisor::guardian::{self, Guardian, GuardianCommand};
use polity_supervisor::process::{Host, Launch, OutputSink, Stream};

struct Discard;

impl OutputSink for Discard {
    fn line(&self, _: Stream, _: &str) {}
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("guardian") => guardian::main(),
        Some("polity") => polity(arguments.collect()),
        _ => ExitCode::from(2),
    }
}

/// Each argument is a shell script to run as a service. Prints the guardian's process id once all run.
fn polity(scripts: Vec<String>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let guardian = Guardian::start(GuardianCommand {
            holds: None,
            program: "/proc/self/exe".into(),
            args: vec!["guardian".into(), guardian::WITHOUT_CONTROL_GROUPS.into()],
        })
        .expect("a guardian");
        for script in scripts {
            let launch = Launch {
                words: vec!["sh".to_owned(), "-c".to_owned(), script],
                dir: "/".into(),
                env: std::env::vars().collect::<BTreeMap<_, _>>(),
                output: Arc::new(Discard),
            };
            guardian.launch(launch).await.expect("it starts");
        }
        let pid = guardian.pid().await;
        let _ = writeln!(std::io::stdout(), "{pid}");
        std::future::pending::<ExitCode>().await
    })
}
