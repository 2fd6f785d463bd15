//! The cluster's id: made once, and kept beside the log.

use std::path::Path;

use polity_core::{Rng, SplitMix64};
use polity_log::TopicId;

use crate::StartError;
use crate::small_file;

const FILE: &str = "cluster.id";

/// The id of the cluster whose log is in `data`.
///
/// # Errors
/// When it can neither be read nor written.
pub(crate) fn open(data: &Path) -> Result<String, StartError> {
    let path = data.join(FILE);
    let failed = |source| StartError::File {
        path: path.clone(),
        source,
    };
    let kept = small_file::read(&path).map_err(failed)?;
    if let Some(id) = kept
        .map(|text| text.trim().to_owned())
        .filter(|id| !id.is_empty())
    {
        return Ok(id);
    }
    let mut rng = SplitMix64::from_system();
    let number = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
    // Kafka writes a cluster's id as it writes a topic's.
    let id = TopicId(number.to_be_bytes()).to_string();
    small_file::replace(&path, &id).map_err(failed)?;
    Ok(id)
}
