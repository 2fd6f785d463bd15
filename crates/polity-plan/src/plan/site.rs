//! A folder of files that the gateway serves itself.

use std::path::PathBuf;

use polity_core::SiteName;

use crate::plan::Route;

/// `[site.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// The folder: relative to the plan's, or absolute.
    pub root: PathBuf,
    /// The public routes to it, one at least. Each replaces what it matches by `/`: what is left is looked for in
    /// the folder.
    pub routes: Vec<Route>,
    /// The name of the file that stands for the folder it is in.
    pub index: String,
    /// Whether a folder without such a file is listed.
    pub listing: bool,
    /// The file, from the root and without a slash in front, that stands for pages that are not there.
    pub fallback: Option<PathBuf>,
    /// The value of `cache-control` of files.
    pub cache: Option<String>,
}
