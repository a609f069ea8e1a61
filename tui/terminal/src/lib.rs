//! The program's whole contact with the terminal device.
//!
//! * [`input`]: the bytes that the terminal sends become events (keys, mouse, paste) and replies, and never change places;
//! * [`probe`]: what the terminal is asked, and what follows from its answers;
//! * [`screen`]: the alternate screen, left as it was found whatever happens;
//! * [`graphics`]: pictures with an overlay, drawn by the best means that the terminal offers.

#![forbid(unsafe_code)]

pub mod graphics;
pub mod input;
pub mod probe;
pub mod screen;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tty;
