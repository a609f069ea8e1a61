//! A photo with a heat map over it, to try a terminal with: `gallery [--graphics WAY] [IMAGE...]`.
//!
//! n: next image; m: another map; o: no map; g: a grid of maps; s: scroll; p: a popup; ctrl-z: suspend; !: a panic; q: quit.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use lightbox_terminal::graphics::{Overlay, Painter, Picture, Shown};
use lightbox_terminal::input::{Incoming, Input};
use lightbox_terminal::probe::{Answers, Choice, Environment, decide, questions};
use lightbox_terminal::screen::{Screen, Signal, Signals};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Block, Clear, Paragraph};

enum Message {
    Incoming(Incoming),
    Signal(Signal),
    Wake,
    Late,
}

#[derive(Default)]
struct State {
    images: Vec<Arc<Picture>>,
    image: usize,
    map: u64,
    bare: bool,
    grid: bool,
    popup: bool,
    scroll: u16,
    last: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut choice = Choice::Auto;
    let mut images = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--graphics" {
            choice = arguments.next().unwrap_or_default().parse()?;
        } else {
            images.push(read(&argument, images.len() as u64)?);
        }
    }
    if images.is_empty() {
        images.push(Arc::new(gradient()));
    }
    run(choice, State { images, ..State::default() })
}

fn run(choice: Choice, mut state: State) -> Result<(), Box<dyn Error>> {
    let (sender, messages) = channel();
    let environment = Environment::from_process();
    let mut screen = Screen::enter(true)?;
    let mut terminal = ratatui::Terminal::new(screen.backend())?;
    let signals = sender.clone();
    let _signals = Signals::start(move |signal| drop(signals.send(Message::Signal(signal))))?;
    let keys = sender.clone();
    let start = move || {
        let keys = keys.clone();
        Input::start(move |incoming| drop(keys.send(Message::Incoming(incoming))))
    };
    let mut input = start()?;
    let mut answers = Answers::new(&environment);
    let mut painter: Option<Painter> = None;
    // Text first, then the questions.
    draw(&mut terminal, &mut screen, &mut painter, &state)?;
    std::io::Write::write_all(&mut screen.writer(), &questions(&environment))?;
    screen.present()?;
    let late = sender.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        late.send(Message::Late)
    });
    while let Some(message) = next(&messages) {
        let mut stop = false;
        let late = matches!(message, Message::Late);
        match message {
            Message::Incoming(Incoming::Event(event)) => {
                state.last = format!("{event:?}");
                match event {
                    Event::Key(KeyEvent { code: KeyCode::Char('q'), .. }) => break,
                    Event::Key(KeyEvent { code: KeyCode::Char('z'), modifiers: KeyModifiers::CONTROL, .. }) => {
                        stop = true
                    }
                    Event::Key(KeyEvent { code: KeyCode::Char(key), .. }) => state.press(key),
                    _ => {}
                }
            }
            Message::Incoming(Incoming::Reply(reply)) => answers.take(&reply),
            Message::Incoming(Incoming::Closed) | Message::Signal(Signal::Terminate(_)) => break,
            Message::Signal(Signal::Suspend) => stop = true,
            Message::Signal(Signal::Continue) => {
                screen.enter_again()?;
                terminal.clear()?;
                painter.iter_mut().for_each(Painter::forget);
            }
            _ => {}
        }
        if painter.is_none() && (answers.complete() || late) {
            let graphics = decide(choice, &environment, &answers, screen.size()?);
            let wake = sender.clone();
            painter = Some(Painter::new(graphics, Box::new(move || drop(wake.send(Message::Wake)))));
        }
        if stop {
            input.stop();
            if screen.suspend()? {
                terminal.clear()?;
                painter.iter_mut().for_each(Painter::forget);
            }
            input = start()?;
        }
        draw(&mut terminal, &mut screen, &mut painter, &state)?;
    }
    Ok(())
}

/// Wakes that wait behind another message draw nothing new.
fn next(messages: &Receiver<Message>) -> Option<Message> {
    let first = messages.recv().ok()?;
    if !matches!(first, Message::Wake) {
        return Some(first);
    }
    messages.try_iter().find(|message| !matches!(message, Message::Wake)).or(Some(first))
}

type Terminal = ratatui::Terminal<lightbox_terminal::screen::Backend>;

fn draw(
    terminal: &mut Terminal,
    screen: &mut Screen,
    painter: &mut Option<Painter>,
    state: &State,
) -> Result<(), Box<dyn Error>> {
    let sent = screen.bytes_written();
    terminal.draw(|frame| state.draw(frame, painter.as_mut(), sent))?;
    if let Some(painter) = painter {
        painter.flush(&mut screen.writer())?;
    }
    Ok(screen.present()?)
}

impl State {
    fn press(&mut self, key: char) {
        match key {
            'n' => self.image = (self.image + 1) % self.images.len(),
            'm' => self.map = (self.map + 1) % 5,
            'o' => self.bare = !self.bare,
            'g' => self.grid = !self.grid,
            'p' => self.popup = !self.popup,
            's' => self.scroll = (self.scroll + 3) % 12,
            '!' => panic!("as a defect would"),
            _ => {}
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, painter: Option<&mut Painter>, sent: u64) {
        let [top, middle, bottom] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
        let way = painter.as_ref().map_or("asking".to_owned(), |painter| {
            let graphics = painter.graphics();
            format!("{}, cell {:?}, {:?}, dark {:?}", graphics.protocol, graphics.cell, graphics.colours, graphics.dark)
        });
        frame.render_widget(Paragraph::new(way), top);
        let status = format!("{sent} bytes  n image  m map  o bare  g grid  s scroll  p popup  q quit  {}", self.last);
        frame.render_widget(Paragraph::new(status), bottom);
        let middle = Rect { y: middle.y + self.scroll, height: middle.height.saturating_sub(self.scroll), ..middle };
        let block = Block::bordered().title("a picture and its map");
        let inner = block.inner(middle);
        frame.render_widget(block, middle);
        let mut shown = self.shown(inner);
        let popup = Rect::new(20, 8, 30, 5).intersection(frame.area());
        if self.popup {
            shown.retain(|shown| !shown.area.intersects(popup));
        }
        if let Some(painter) = painter {
            painter.draw(&shown, frame.buffer_mut());
        }
        if self.popup {
            frame.render_widget(Clear, popup);
            frame.render_widget(Paragraph::new("a popup").block(Block::bordered()), popup);
        }
    }

    fn shown(&self, area: Rect) -> Vec<Shown> {
        let Some(base) = self.images.get(self.image) else { return Vec::new() };
        let one =
            |area, map| Shown { area, base: Arc::clone(base), overlay: (!self.bare).then(|| Arc::new(heat(map))) };
        if !self.grid {
            return vec![one(area, self.map)];
        }
        let rows = Layout::vertical([Constraint::Fill(1); 2]).spacing(1).split(area);
        let cells =
            rows.iter().flat_map(|row| Layout::horizontal([Constraint::Fill(1); 3]).spacing(1).split(*row).to_vec());
        cells.zip(self.map..).map(|(area, map)| one(area, map % 5)).collect()
    }
}

fn read(path: &str, id: u64) -> Result<Arc<Picture>, Box<dyn Error>> {
    let image = image::open(path)?.to_rgb8();
    let (width, height) = image.dimensions();
    Ok(Arc::new(Picture { id, width, height, rgb: image.into_raw().into() }))
}

fn gradient() -> Picture {
    let rgb = (0..448_u32 * 448).flat_map(|at| [(at % 448 / 2) as u8, (at / 448 / 2) as u8, 96]).collect();
    Picture { id: 0, width: 448, height: 448, rgb }
}

/// A map of two warm places, which move with its number.
fn heat(number: u64) -> Overlay {
    let bump = |x: f32, y: f32, at: (f32, f32)| (-((x - at.0).powi(2) + (y - at.1).powi(2)) / 90.0).exp();
    let first = (12.0 + 8.0 * number as f32, 20.0);
    let second = (44.0, 44.0 - 7.0 * number as f32);
    let mut rgba = Vec::new();
    for at in 0..56 * 56 {
        let (x, y) = ((at % 56) as f32, (at / 56) as f32);
        let value = (bump(x, y, first) + 0.7 * bump(x, y, second)).min(1.0);
        let level = (value * 255.0) as u8;
        rgba.extend([level, 90, 255 - level, (f32::from(level) * 0.6) as u8]);
    }
    Overlay { id: 1000 + number, width: 56, height: 56, rgba: rgba.into() }
}
