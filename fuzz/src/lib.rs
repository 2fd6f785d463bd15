//! The targets of `crates/polity-http/tests/fuzz` and `polity_broker::fuzzing`, as they are, for cargo-fuzz
//! to drive.

#![allow(dead_code)]

#[path = "../../crates/polity-http/tests/common/compose.rs"]
mod compose;
#[path = "../../crates/polity-http/tests/common/corpus.rs"]
mod corpus;
#[path = "../../crates/polity-http/tests/common/expected.rs"]
mod expected;
#[path = "../../crates/polity-http/tests/common/memory.rs"]
mod memory;
#[path = "../../crates/polity-http/tests/common/message.rs"]
mod message;
#[path = "../../crates/polity-http/tests/fuzz/parsers.rs"]
mod parsers;
#[path = "../../crates/polity-http/tests/common/policy.rs"]
mod policy;
#[path = "../../crates/polity-http/tests/fuzz/proxy.rs"]
mod proxy;
#[path = "../../crates/polity-http/tests/common/random.rs"]
mod random;
#[path = "../../crates/polity-http/tests/fuzz/seeds.rs"]
mod seeds;
#[path = "../../crates/polity-http/tests/common/world.rs"]
mod world;

use std::path::Path;
use std::sync::LazyLock;

use polity_broker::fuzzing;
use tempfile::TempDir;

/// The head of a request.
pub fn request_head(input: &[u8]) {
    parsers::request_head(input);
}

/// The head of an answer.
pub fn answer_head(input: &[u8]) {
    parsers::answer_head(input);
}

/// A body in chunks.
pub fn chunked(input: &[u8]) {
    parsers::chunked(input);
}

/// A life of a client's connection.
pub fn proxy(input: &[u8]) {
    proxy::proxy(input);
}

/// A request of any of the Kafka protocol's APIs.
pub fn kafka_request(input: &[u8]) {
    fuzzing::request(input);
}

/// The same, to its answer. All come to one broker, so that they also meet what others have left.
pub fn kafka_answer(input: &[u8]) {
    static BROKER: LazyLock<(TempDir, fuzzing::Live)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = fuzzing::Live::new(&folder.path().join("events"));
        (folder, broker)
    });
    BROKER.1.answer(input);
}

/// Writes what each target begins from into a folder of its own below `corpus`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_seeds(corpus: &Path) -> std::io::Result<()> {
    let messages = [
        ("request_head", corpus::parents(corpus::requests())),
        ("answer_head", corpus::parents(corpus::answers())),
        ("chunked", seeds::chunked()),
        ("proxy", seeds::proxy()),
        ("kafka_request", fuzzing::seeds()),
        ("kafka_answer", fuzzing::seeds()),
    ];
    for (target, seeds) in messages {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
