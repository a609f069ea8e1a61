//! The pictures that the terminal holds, so that they can be deleted from wherever the screen is left.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::probe::through_tmux;

/// Picture numbers, and whether they were sent through tmux.
static HELD: Mutex<BTreeMap<u32, bool>> = Mutex::new(BTreeMap::new());

fn held() -> MutexGuard<'static, BTreeMap<u32, bool>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The terminal was sent this picture.
pub fn sent(id: u32, tmux: bool) {
    held().insert(id, tmux);
}

/// The terminal was told to delete it.
pub fn deleted(id: u32) {
    held().remove(&id);
}

/// What deletes a picture and its data.
pub fn deletion(id: u32, tmux: bool) -> Vec<u8> {
    let bytes = format!("\x1b_Ga=d,d=I,i={id},q=2\x1b\\").into_bytes();
    if tmux { through_tmux(&bytes) } else { bytes }
}

/// What deletes all pictures that are left.
pub fn farewell() -> Vec<u8> {
    let all = std::mem::take(&mut *held());
    all.into_iter().flat_map(|(id, tmux)| deletion(id, tmux)).collect()
}
