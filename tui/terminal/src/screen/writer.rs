//! Collects the bytes of one frame.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Begin and end of synchronized output: the terminal shows what is between at once.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Takes bytes of a frame; `flush` sends nothing, [`Screen::present`](super::Screen::present) does.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    frame: Arc<Mutex<Frame>>,
}

#[derive(Debug, Default)]
struct Frame {
    ahead: Vec<u8>,
    shown: Vec<u8>,
}

impl Writer {
    fn frame(&self) -> MutexGuard<'_, Frame> {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what shows nothing by itself, as the data of a picture: it goes out before the frame's first mark. kitty 0.26
    /// now and then loses a long picture that it gets within synchronized output.
    pub fn write_ahead(&mut self, bytes: &[u8]) {
        self.frame().ahead.extend_from_slice(bytes);
    }

    /// The bytes so far, what shows something between the marks of synchronized output; none where nothing was written.
    pub fn take_frame(&self) -> Vec<u8> {
        let Frame { ahead, shown } = std::mem::take(&mut *self.frame());
        if shown.is_empty() { ahead } else { [&ahead, BEGIN, &shown, END].concat() }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame().shown.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
