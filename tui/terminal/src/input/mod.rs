//! What the terminal sends: events, and replies to questions, told apart at any moment of the session.

mod decoder;
mod mouse;
mod reply;
pub(crate) mod split;
mod thread;

#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use reply::Reply;
pub use thread::Input;

/// One thing that arrived from the terminal.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A key, a mouse event, a paste or a change of focus.
    Event(crossterm::event::Event),
    /// An answer of the terminal to a question, however late.
    Reply(Reply),
    /// The terminal is gone; nothing more will arrive.
    Closed,
}
