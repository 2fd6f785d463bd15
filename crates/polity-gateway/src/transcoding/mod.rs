//! JSON over HTTP for services that speak gRPC: their descriptors, and what they make of each request.

mod reflect;
mod translator;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use polity_plan::Transcode;
use polity_transcode::reflection::{self, ReflectionError};
use polity_transcode::{DescriptorPool, Transcoder};
use tokio::time::{sleep, timeout};

use crate::instance::Instance;
pub(crate) use translator::Translator;

/// How long an instance may take to tell all.
const LIMIT: Duration = Duration::from_secs(10);

/// Before it is asked again: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Bytes of a file of descriptors.
const MAX_FILE: u64 = 64 << 20;

/// What is known of a service's methods; nothing until they have been read.
#[derive(Debug, Default)]
pub(crate) struct Transcoding {
    transcoder: ArcSwapOption<Transcoder>,
}

/// Why descriptors cannot be had.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("could not be asked by reflection: {0}")]
    Ask(String),
    #[error("{0}")]
    Reflection(#[from] ReflectionError),
    #[error("could not read `{file}`: {error}")]
    File { file: String, error: io::Error },
    #[error("did not tell all within {} s", LIMIT.as_secs())]
    Late,
}

impl Transcoding {
    /// A translator for one request.
    pub(crate) fn translator(&self) -> Translator {
        Translator::new(self.transcoder.load_full())
    }

    fn put(&self, service: &str, pool: DescriptorPool) {
        let (transcoder, problems) = Transcoder::new(pool);
        for problem in &problems {
            tracing::warn!(service, "{problem}");
        }
        let (methods, rules) = transcoder.size();
        tracing::info!(
            service,
            methods,
            rules,
            "JSON is translated for the service"
        );
        self.transcoder.store(Some(Arc::new(transcoder)));
    }
}

/// Reads the descriptors of `service` anew, of which `instance` is a new one: whoever has deployed it may have
/// changed them. Asked again until it is told or the instance is gone.
pub(crate) async fn read_anew(
    transcoding: Arc<Transcoding>,
    source: Transcode,
    root: Arc<Path>,
    service: String,
    instance: Instance,
) {
    let (mut pause, longest) = PAUSES;
    while !instance.endpoint.is_retired() {
        let read = timeout(LIMIT, read(&source, &root, &instance)).await;
        match read.unwrap_or(Err(Unread::Late)) {
            Ok(pool) => return transcoding.put(&service, pool),
            Err(error) => {
                let instance = instance.id.as_str();
                tracing::warn!(
                    service,
                    instance,
                    "no JSON can be translated for now: the descriptors of the service {error}"
                );
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn read(
    source: &Transcode,
    root: &Path,
    instance: &Instance,
) -> Result<DescriptorPool, Unread> {
    match source {
        Transcode::Reflection => reflect::ask(instance).await,
        Transcode::File(file) => {
            let path = root.join(file);
            let failed = |error| Unread::File {
                file: path.display().to_string(),
                error,
            };
            let length = tokio::fs::metadata(&path).await.map_err(failed)?.len();
            if length > MAX_FILE {
                return Err(failed(io::ErrorKind::FileTooLarge.into()));
            }
            let bytes = tokio::fs::read(&path).await.map_err(failed)?;
            Ok(reflection::of_file(&bytes)?)
        }
    }
}
