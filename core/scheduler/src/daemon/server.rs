//! Connections: a thread that reads and one that writes for each, so that a slow client holds up nobody.

use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::time::Duration;

use super::supervisor::Connection;
use crate::protocol::{Answer, Hello, LineReader, Message, PROTOCOL, Request, read_message, write_message};
use crate::{Result, SchedulerError};

/// Messages that may wait for a client before it counts as too slow.
const WAITING: usize = 4096;

/// Connections at once.
const CONNECTIONS: usize = 128;

/// How long a client may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// How long a client may take to read what it was sent.
const WRITE: Duration = Duration::from_secs(30);

/// What reaches the daemon's one thread.
#[derive(Debug)]
pub enum Command {
    /// A client asks.
    Ask {
        /// Which.
        connection: Connection,
        /// What.
        request: Request,
        /// Where the answer goes.
        to: SyncSender<Message>,
    },
    /// A client is gone.
    Closed {
        /// Which.
        connection: Connection,
    },
    /// SIGTERM or SIGINT.
    Signal,
}

/// Takes connections from now on, in a thread of its own.
pub fn accept(listener: UnixListener, commands: Sender<Command>) -> Result<()> {
    let open = Arc::new(AtomicUsize::new(0));
    let serve = move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Out of file descriptors, perhaps: not to be asked again at once.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            number += 1;
            if open.load(Ordering::SeqCst) >= CONNECTIONS {
                continue;
            }
            open.fetch_add(1, Ordering::SeqCst);
            let (commands, open) = (commands.clone(), Arc::clone(&open));
            spawn("connection", move || {
                converse(stream, number, &commands);
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    };
    let named = std::thread::Builder::new().name("accept".into());
    named.spawn(serve).map(drop).map_err(|e| SchedulerError::Daemon(format!("cannot start a thread: {e}")))
}

/// Starts a thread; when the system has none left, the work is not done, and the client's connection closes.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    const STACK: usize = 256 << 10;
    let _ = std::thread::Builder::new().name(name.into()).stack_size(STACK).spawn(work);
}

/// One connection from its hello to its end.
fn converse(stream: UnixStream, connection: Connection, commands: &Sender<Command>) {
    let Ok(mut lines) = greet(&stream) else { return };
    let (to, outbox) = sync_channel(WAITING);
    let Ok(writing) = stream.try_clone() else { return };
    spawn("writer", move || write_all(writing, &outbox));
    loop {
        match read_message::<Request>(&mut lines) {
            Ok(Some(request)) => {
                if commands.send(Command::Ask { connection, request, to: to.clone() }).is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                if error.kind() == std::io::ErrorKind::InvalidData {
                    let message = format!("the daemon does not understand this message: {error}");
                    let _ = to.try_send(Message::Answer { id: 0, answer: Answer::Refused { message, code: 2 } });
                }
                break;
            }
        }
    }
    let _ = commands.send(Command::Closed { connection });
}

/// Exchanges hellos.
fn greet(stream: &UnixStream) -> std::io::Result<LineReader<UnixStream>> {
    stream.set_read_timeout(Some(HELLO))?;
    stream.set_write_timeout(Some(WRITE))?;
    let mine = Hello { protocol: PROTOCOL, lightbox: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id() };
    write_message(&mut &*stream, &mine)?;
    let mut lines = LineReader::new(stream.try_clone()?);
    let theirs: Option<Hello> = read_message(&mut lines)?;
    if theirs.is_none_or(|hello| hello.protocol != PROTOCOL) {
        // It has been told which protocol is spoken here and can say so itself.
        return Err(std::io::ErrorKind::Unsupported.into());
    }
    stream.set_read_timeout(None)?;
    Ok(lines)
}

fn write_all(mut stream: UnixStream, outbox: &Receiver<Message>) {
    for message in outbox {
        if write_message(&mut stream, &message).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}
