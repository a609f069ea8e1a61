//! Collects the bytes of one frame.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Begin and end of synchronized output: the terminal shows what is between at once.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Takes bytes of a frame; `flush` sends nothing, [`Screen::present`](super::Screen::present) does.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    frame: Arc<Mutex<Vec<u8>>>,
}

impl Writer {
    fn frame(&self) -> MutexGuard<'_, Vec<u8>> {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes so far, between the marks of synchronized output; none where nothing was written.
    pub fn take_frame(&self) -> Vec<u8> {
        let frame = std::mem::take(&mut *self.frame());
        if frame.is_empty() { frame } else { [BEGIN, &frame, END].concat() }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
