//! The loop: one thread owns the state and the terminal; input, the daemon's connection, work and signals send into one
//! channel. The first frame is text and comes before the terminal is asked anything.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use lightbox_store::Home;
use lightbox_terminal::graphics::Painter;
use lightbox_terminal::input::{Incoming, Input};
use lightbox_terminal::probe::{Answers, Choice, Colours, Environment, Graphics, decide, questions};
use lightbox_terminal::screen::{Backend, Screen, Signal, Signals};
use ratatui::Terminal;
use ratatui::crossterm::event::Event;

use super::message::Message;
use super::shared::Shared;
use super::tasks::Tasks;
use super::{App, Outside, gauges, link};
use crate::failure::{Failure, Result};
use crate::theme::{Depth, Theme, ThemeChoice};

/// How long the terminal may take to say what it can draw; a link across the world needs half a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// SIGHUP, which the system may send before or after the terminal is found closed.
const HANGUP: i32 = 1;

/// Longest text that is put into the clipboard: more than that, many terminals throw away.
const LONGEST_COPY: usize = 74_000;

/// How the interface is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The home.
    pub home: Home,
    /// Nothing outside the program is changed.
    pub readonly: bool,
    /// The look.
    pub theme: ThemeChoice,
    /// How pictures are drawn.
    pub graphics: Choice,
    /// Whether the mouse is listened to.
    pub mouse: bool,
    /// The home for whose newcomer the demo is to be run in this one.
    pub demo_of: Option<Home>,
}

/// Opens the interface and returns when the user leaves it.
pub fn run(mut options: Options) -> Result<()> {
    let gone = |e: std::io::Error| Failure::failed(format!("the interface needs a terminal: {e}"));
    let mut screen = Screen::enter(options.mouse).map_err(gone)?;
    loop {
        let next =
            Session::open(&options, &mut screen).and_then(|mut session| session.serve(&mut screen)).map_err(gone)?;
        match next {
            Next::Home(home, parent) => {
                options.home = home;
                options.demo_of = Some(parent);
            }
            Next::End(None) => return Ok(()),
            Next::End(Some(signal)) => return Err(Failure::Ended(signal)),
        }
    }
}

/// What comes after a session.
enum Next {
    /// Another home, and the one that it was opened from.
    Home(Home, Home),
    /// Nothing; with the signal that ended it.
    End(Option<i32>),
}

/// The interface over one home.
struct Session {
    app: App,
    terminal: Terminal<Backend>,
    painter: Option<Painter>,
    input: Option<Input>,
    send: Sender<Message>,
    messages: Receiver<Message>,
    probe: Probe,
    /// The signal that ended it.
    ended_by: Option<i32>,
    _signals: Signals,
}

/// What is known of the terminal while it answers.
struct Probe {
    choice: Choice,
    theme: ThemeChoice,
    environment: Environment,
    answers: Answers,
    asked: Instant,
    done: bool,
}

impl Session {
    fn open(options: &Options, screen: &mut Screen) -> std::io::Result<Self> {
        let (send, messages) = channel();
        let environment = Environment::from_process();
        let answers = Answers::new(&environment);
        let graphics = decide(options.graphics, &environment, &answers, screen.size()?);
        let theme = theme(options.theme, &graphics);
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("lightbox"));
        let tasks = Tasks::start(send.clone());
        let mut shared = Shared::new(options.home.clone(), program, options.readonly, theme, graphics, tasks);
        shared.demo_of.clone_from(&options.demo_of);
        let app = App::new(shared);
        let terminal = Terminal::new(screen.backend())?;
        let probe = Probe {
            choice: options.graphics,
            theme: options.theme,
            environment,
            answers,
            asked: Instant::now(),
            done: false,
        };
        let signals = watch_signals(&send)?;
        let mut session = Self {
            app,
            terminal,
            painter: None,
            input: None,
            send,
            messages,
            probe,
            ended_by: None,
            _signals: signals,
        };
        session.terminal.clear()?;
        session.draw(screen)?;
        session.start_input()?;
        screen.writer().write_all(&questions(&session.probe.environment))?;
        screen.present()?;
        link::start(options.home.clone(), session.send.clone());
        gauges::start(session.send.clone());
        Ok(session)
    }

    fn start_input(&mut self) -> std::io::Result<()> {
        let send = self.send.clone();
        // A loop that has ended needs no more keys.
        self.input = Some(Input::start(move |incoming| drop(send.send(Message::Terminal(incoming))))?);
        Ok(())
    }

    /// Serves until the user leaves.
    fn serve(&mut self, screen: &mut Screen) -> std::io::Result<Next> {
        while !self.app.ended {
            self.wait()?;
            for outside in std::mem::take(&mut self.app.outside) {
                self.do_outside(outside, screen)?;
            }
            self.decide_graphics(screen)?;
            if self.app.dirty && !self.app.ended {
                self.draw(screen)?;
            }
        }
        if let Some(mut painter) = self.painter.take() {
            painter.clear(&mut screen.writer())?;
            screen.present()?;
        }
        if let Some(mut input) = self.input.take() {
            input.stop();
        }
        Ok(match self.app.next_home.take() {
            Some(next) if self.ended_by.is_none() => Next::Home(next, self.app.shared.home.clone()),
            _ => Next::End(self.ended_by),
        })
    }

    /// Waits for the next message and takes in all that came with it, so that a burst is one frame.
    fn wait(&mut self) -> std::io::Result<()> {
        let fence = (!self.probe.done).then(|| PATIENCE.saturating_sub(self.probe.asked.elapsed()));
        let first = match [self.app.next_tick(), fence].into_iter().flatten().min() {
            Some(wait) => match self.messages.recv_timeout(wait.max(Duration::from_millis(1))) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    self.app.dirty |= fence.is_none();
                    return Ok(());
                }
                Err(RecvTimeoutError::Disconnected) => return Err(std::io::ErrorKind::BrokenPipe.into()),
            },
            None => self.messages.recv().map_err(|_| std::io::ErrorKind::BrokenPipe)?,
        };
        self.take(first)?;
        while let Ok(message) = self.messages.try_recv() {
            self.take(message)?;
        }
        Ok(())
    }

    fn take(&mut self, message: Message) -> std::io::Result<()> {
        match message {
            Message::Terminal(Incoming::Event(event)) => self.app.event(&event),
            Message::Terminal(Incoming::Reply(reply)) => self.probe.answers.take(&reply),
            // The terminal is gone.
            Message::Terminal(Incoming::Closed) => self.end_by(HANGUP),
            Message::Signal(Signal::Terminate(signal)) => self.end_by(signal),
            Message::Signal(Signal::Resize) => {
                if let Some(painter) = &mut self.painter {
                    painter.resize(lightbox_terminal::tty::window_size()?);
                }
                self.app.event(&Event::Resize(0, 0));
            }
            Message::Signal(Signal::Suspend) => self.app.outside.push(Outside::Suspend),
            Message::Signal(Signal::Continue) => self.app.outside.push(Outside::Redraw),
            Message::Link(link) => self.app.link(link),
            Message::Update(update) => self.app.update(update),
            Message::Gauges(gauges) => {
                self.app.shared.gauges = gauges;
                self.app.dirty = true;
            }
            Message::Picture => self.app.dirty = true,
        }
        Ok(())
    }

    fn end_by(&mut self, signal: i32) {
        self.ended_by.get_or_insert(signal);
        self.app.ended = true;
    }

    /// Once the last answer is in, or nobody answers: how pictures are drawn.
    fn decide_graphics(&mut self, screen: &Screen) -> std::io::Result<()> {
        let answered = self.probe.answers.complete() || self.probe.asked.elapsed() >= PATIENCE;
        if self.probe.done || !answered {
            return Ok(());
        }
        self.probe.done = true;
        let graphics = decide(self.probe.choice, &self.probe.environment, &self.probe.answers, screen.size()?);
        self.app.shared.theme = theme(self.probe.theme, &graphics);
        self.app.shared.graphics = graphics.clone();
        let send = self.send.clone();
        let wake = move || drop(send.send(Message::Picture));
        self.painter = Some(Painter::new(graphics, Box::new(wake)));
        self.app.dirty = true;
        Ok(())
    }

    fn draw(&mut self, screen: &mut Screen) -> std::io::Result<()> {
        let (app, painter) = (&mut self.app, &mut self.painter);
        self.terminal.draw(|frame| {
            let pictures = app.draw(frame);
            screen.has_pictures(!pictures.is_empty());
            if let Some(painter) = painter {
                painter.draw(&pictures, frame.buffer_mut());
            }
        })?;
        if let Some(painter) = painter {
            painter.flush(&mut screen.writer())?;
        }
        screen.present()
    }

    fn do_outside(&mut self, outside: Outside, screen: &mut Screen) -> std::io::Result<()> {
        match outside {
            Outside::Copy(text) => self.copy(&text, screen)?,
            Outside::Edit(path) => self.edit(&path, screen)?,
            Outside::Suspend => self.away(screen, |screen| {
                screen.suspend().map(|done| {
                    if done { String::new() } else { "no shell would bring the program back, so it stays".to_owned() }
                })
            })?,
            Outside::Redraw => self.redraw(screen)?,
        }
        Ok(())
    }

    /// OSC 52, which also reaches the clipboard at this end of an SSH connection.
    fn copy(&mut self, text: &str, screen: &mut Screen) -> std::io::Result<()> {
        if text.len() > LONGEST_COPY {
            self.app.shared.say_bad("too long for a terminal's clipboard; e exports to a file");
            return Ok(());
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        write!(screen.writer(), "\x1b]52;c;{encoded}\x07")?;
        screen.present()
    }

    fn edit(&mut self, path: &Path, screen: &mut Screen) -> std::io::Result<()> {
        let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        let editor = editor.unwrap_or_else(|| "vi".to_owned());
        let path = path.to_path_buf();
        self.away(screen, |screen| {
            screen.leave();
            // As git does: the variable may hold arguments too.
            let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&path).status();
            screen.enter_again()?;
            Ok(match status {
                Ok(status) if status.success() => String::new(),
                Ok(_) => format!("{editor} ended with an error; EDITOR names another editor"),
                Err(error) => format!("cannot start {editor}: {error}"),
            })
        })
    }

    /// Leaves the terminal to something else, and draws everything anew afterwards.
    fn away(
        &mut self,
        screen: &mut Screen,
        act: impl FnOnce(&mut Screen) -> std::io::Result<String>,
    ) -> std::io::Result<()> {
        if let Some(mut input) = self.input.take() {
            input.stop();
        }
        if let Some(painter) = &mut self.painter {
            painter.clear(&mut screen.writer())?;
            screen.present()?;
        }
        let said = act(screen)?;
        if !said.is_empty() {
            self.app.shared.say_bad(said);
        }
        self.start_input()?;
        self.redraw(screen)
    }

    fn redraw(&mut self, screen: &mut Screen) -> std::io::Result<()> {
        if let Some(painter) = &mut self.painter {
            painter.clear(&mut screen.writer())?;
            painter.forget();
        }
        self.terminal.clear()?;
        self.app.dirty = true;
        Ok(())
    }
}

fn theme(choice: ThemeChoice, graphics: &Graphics) -> Theme {
    let depth = match graphics.colours {
        Colours::TrueColour => Depth::True,
        Colours::Indexed256 | Colours::Sixteen => Depth::Sixteen,
        Colours::NoColour => Depth::None,
    };
    Theme::pick(choice, depth, graphics.dark)
}

fn watch_signals(send: &Sender<Message>) -> std::io::Result<Signals> {
    let send = send.clone();
    Signals::start(move |signal| drop(send.send(Message::Signal(signal))))
}
