//! Where the events of a run go that leave memory.

use crate::cold_file::ColdFolder;
use crate::config::Settings;
use crate::connect;
use crate::engine::Observer;
use crate::failure::Failure;
use std::path::PathBuf;

/// Has events leave memory as `settings` say, before the job of `observer` is run; the folder that they go to.
///
/// # Errors
/// When no files can be made there.
pub(super) fn keep(settings: &Settings, observer: &Observer) -> Result<Option<PathBuf>, Failure> {
    let state = &settings.state;
    let Some((hot_window, path)) = state.hot_window.zip(state.cold_folder()) else {
        return Ok(None);
    };
    let folder = ColdFolder::open(&path, state.keys.is_some()).map_err(Failure::failed)?;
    observer.keep_cold(connect::millis(hot_window), move |metrics| folder.worker(metrics));
    Ok(Some(path))
}
