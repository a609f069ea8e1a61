//! Asks the terminal and waits for the answers: for commands that print and end.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr};

use super::{Answers, Environment, questions};
use crate::input::{Decoder, Incoming};
use crate::tty;

/// How long to wait for replies that tmux may hand on, after it has answered itself; where it is known to hand them on,
/// they are waited for like any.
const AFTER_FENCE: Duration = Duration::from_secs(1);

/// Asks the terminal, for at most `timeout`. `None` where there is no terminal to ask, or where it belongs to another
/// program at the moment; what has come by then where it does not answer in time. Keys typed meanwhile are lost.
pub fn ask(timeout: Duration) -> Option<Answers> {
    let environment = Environment::from_process();
    if environment.is_dumb() {
        return None;
    }
    let terminal = tty::controlling().ok()?;
    // A process in the background would be stopped when it changes the terminal's mode.
    if tcgetpgrp(&terminal).ok()? != rustix::process::getpgrp() {
        return None;
    }
    let raw = Raw::enter(terminal).ok()?;
    Some(collect(&raw.terminal, &environment, timeout))
}

/// The terminal in raw mode, until this is dropped.
struct Raw {
    terminal: OwnedFd,
    before: Termios,
}

impl Raw {
    fn enter(terminal: OwnedFd) -> io::Result<Raw> {
        let before = tcgetattr(&terminal)?;
        let mut mode = before.clone();
        mode.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &mode)?;
        Ok(Raw { terminal, before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Answers that come after all are not for the shell.
        let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        // Nothing is left to be done for a terminal that does not take its mode back.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Sends the questions and reads until all answers are in or the time is over.
pub(super) fn collect(terminal: &OwnedFd, environment: &Environment, timeout: Duration) -> Answers {
    let mut answers = Answers::new(environment);
    let mut end = Instant::now() + timeout;
    let mut decoder = Decoder::new();
    if tty::write_in_time(terminal, &questions(environment), timeout).is_err() {
        return answers;
    }
    let mut buffer = [0_u8; 1024];
    while tty::wait(terminal, PollFlags::IN, end) {
        let Ok(read @ 1..) = rustix::io::read(terminal, &mut buffer) else { break };
        let fenced = answers.fenced();
        for incoming in decoder.feed(&buffer[..read]) {
            if let Incoming::Reply(reply) = incoming {
                answers.take(&reply);
            }
        }
        if answers.complete() {
            break;
        }
        if answers.fenced() && !fenced && environment.tmux_client.is_none() {
            end = end.min(Instant::now() + AFTER_FENCE);
        }
    }
    answers
}
