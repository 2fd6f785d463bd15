//! Sites: folders of files that the gateway serves itself.
//!
//! What a request comes to is found in one go by [`Site::look`](look): on the data-plane thread where the system has all
//! that is needed in its memory, which it nearly always has, and by a thread that may wait for a disk where it has
//! not. What is sent is sent by the data plane ([`polity_http::file`]).

mod condition;
mod content_type;
mod listing;
mod look;
mod open;
mod path;
mod range;
mod request;
mod validators;

use std::future::Future;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use polity_core::SiteName;
use polity_http::Found;
use polity_plan::{Coding, Compression};

use crate::problem::Cause;
use open::{How, Root};
pub(crate) use request::Asked;

/// How long it may take to find a file: a disk that does not answer is not waited for any longer.
pub(crate) const TIME_TO_FIND: std::time::Duration = std::time::Duration::from_secs(30);

/// A folder that is served.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) name: SiteName,
    root: Root,
    index: String,
    listing: bool,
    fallback: Option<Vec<u8>>,
    cache: Option<String>,
    /// By what files are compressed that were not before.
    codings: Vec<Coding>,
}

impl Site {
    /// A site of a plan in `folder`.
    pub(crate) fn new(planned: &polity_plan::Site, compress: &Compression, folder: &Path) -> Self {
        let site = Self {
            name: planned.name.clone(),
            root: Root::new(folder.join(&planned.root)),
            index: planned.index.clone(),
            listing: planned.listing,
            fallback: planned
                .fallback
                .clone()
                .map(|path| path.into_os_string().into_vec()),
            cache: planned.cache.clone(),
            codings: match compress.sites {
                true => compress.codings.clone(),
                false => Vec::new(),
            },
        };
        let path = site.root.path();
        if !path.is_dir() {
            let site = planned.name.as_str();
            tracing::warn!(
                site,
                "there is no folder {}: its requests are answered with 404",
                path.display()
            );
        }
        site
    }

    /// Finds what answers a request.
    pub(crate) fn find(self: Arc<Self>, asked: Asked) -> Pin<Box<dyn Future<Output = Found>>> {
        Box::pin(async move {
            if let Some(answer) = asked.without_file() {
                return answer.into();
            }
            if let Ok(found) = self.look(&asked, How::AtOnce) {
                return found;
            }
            let found = tokio::task::spawn_blocking(move || self.look(&asked, How::Blocking));
            match found.await {
                Ok(Ok(found)) => found,
                // It waits for whatever there is, and does not panic.
                Ok(Err(_)) | Err(_) => {
                    let detail = "the file could not be looked for";
                    let reached = crate::problem::Reached::No;
                    Cause::FileUnreadable
                        .answer(reached, detail, None, None)
                        .into()
                }
            }
        })
    }
}
