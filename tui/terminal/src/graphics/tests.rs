//! Each driver against the scripted terminal: what is seen, how many bytes it takes, and what is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::backend::Backend as _;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Widget};

use super::*;
use crate::screen::{Backend, Writer};
use crate::testing::{Script, ScriptedTerminal};

const CELL: (u16, u16) = (8, 16);
const SIZE: (u16, u16) = (100, 40);

/// A program of one painter on a scripted terminal.
struct Program {
    painter: Painter,
    backend: Backend,
    writer: Writer,
    before: Buffer,
    terminal: ScriptedTerminal,
}

impl Program {
    fn new(script: Script, protocol: Protocol) -> Program {
        let tmux = script == Script::KittyInTmux;
        let graphics =
            Graphics { protocol, cell: CELL, tmux, colours: Colours::TrueColour, dark: None, reasons: Vec::new() };
        let writer = Writer::default();
        Program {
            painter: Painter::new(graphics, Box::new(|| {})),
            backend: Backend::new(writer.clone(), Arc::default()),
            writer,
            before: Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1)),
            terminal: ScriptedTerminal::new(script, SIZE.0, SIZE.1, CELL),
        }
    }

    /// One frame, as ratatui draws it; the bytes that it took.
    fn frame(&mut self, shown: &[Shown], popup: Option<Rect>) -> usize {
        let mut buffer = Buffer::empty(self.before.area);
        self.painter.draw(shown, &mut buffer);
        if let Some(popup) = popup {
            Paragraph::new("a popup").render(popup, &mut buffer);
        }
        self.backend.draw(self.before.diff(&buffer).into_iter()).unwrap();
        self.before = buffer;
        self.painter.flush(&mut self.writer).unwrap();
        let bytes = self.writer.take_frame();
        self.terminal.feed(&bytes);
        bytes.len()
    }

    /// Frames until everything is seen; the bytes that they took.
    fn settle(&mut self, shown: &[Shown]) -> usize {
        let end = Instant::now() + Duration::from_secs(20);
        let mut bytes = 0;
        loop {
            bytes += self.frame(shown, None);
            if self.painter.is_settled() {
                return bytes;
            }
            assert!(Instant::now() < end, "the picture never came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn clear(&mut self) {
        self.backend.clear().unwrap();
        self.before = Buffer::empty(self.before.area);
        self.painter.forget();
    }
}

/// The drivers, each with a terminal that draws what it sends.
fn all() -> [(Script, Protocol); 4] {
    [
        (Script::Kitty, Protocol::KittyLayered),
        (Script::KittyInTmux, Protocol::KittyPlaceholders),
        (Script::Sixel, Protocol::Sixel),
        (Script::Iterm2, Protocol::Iterm2),
    ]
}

/// A smooth grey picture.
fn grey(id: u64) -> Arc<Picture> {
    let value = |at: u32| 60 + ((at % 448) / 8 + (at / 448) / 8) as u8;
    let rgb = (0..448_u32 * 448).flat_map(|at| [value(at) + id as u8; 3]).collect();
    Arc::new(Picture { id, width: 448, height: 448, rgb })
}

/// A map that is warm in one quarter: 0 is upper left, 3 lower right.
fn warm(quarter: u32) -> Arc<Overlay> {
    let point = |at: u32| {
        let (x, y) = (at % 56, at / 56);
        let (u, v) = (x as f32 - 14.0 - 28.0 * (quarter % 2) as f32, y as f32 - 14.0 - 28.0 * (quarter / 2) as f32);
        let level = ((-(u * u + v * v) / 60.0).exp() * 255.0) as u8;
        [255, level / 2, 0, level]
    };
    Arc::new(Overlay {
        id: 100 + u64::from(quarter),
        width: 56,
        height: 56,
        rgba: (0..56 * 56).flat_map(point).collect(),
    })
}

fn shown(area: Rect, base: u64, quarter: Option<u32>) -> Shown {
    Shown { area, base: grey(base), overlay: quarter.map(warm) }
}

const AREA: Rect = Rect::new(10, 4, 56, 28);

fn is_warm(pixel: crate::testing::Pixel) -> bool {
    pixel.is_some_and(|[r, _, b]| r > 180 && b < 80)
}

fn is_grey(pixel: crate::testing::Pixel) -> bool {
    pixel.is_some_and(|[r, g, b]| r.abs_diff(g) < 12 && g.abs_diff(b) < 12 && (50..190).contains(&r))
}

#[test]
fn overlays_are_where_they_should_be() {
    for (script, protocol) in all() {
        let mut program = Program::new(script, protocol);
        for quarter in 0..4 {
            program.settle(&[shown(AREA, 1, Some(quarter))]);
            let (l, t, r, b) =
                program.terminal.picture_cells().unwrap_or_else(|| panic!("{protocol:?}: nothing is seen"));
            assert_eq!((l, t, r, b), (AREA.x, AREA.y, AREA.right(), AREA.bottom()), "{protocol:?}");
            for other in 0..4_u16 {
                let at = (10.0 + 14.0 + 28.0 * f32::from(other % 2), 4.0 + 7.0 + 14.0 * f32::from(other / 2));
                let seen = program.terminal.pixel(at.0, at.1);
                let right = if u32::from(other) == quarter { is_warm(seen) } else { is_grey(seen) };
                assert!(right, "{protocol:?}: map {quarter}, quarter {other}: {seen:?}");
            }
        }
    }
}

#[test]
fn an_unchanged_frame_sends_nothing() {
    for (script, protocol) in all() {
        let mut program = Program::new(script, protocol);
        let pictures = [shown(AREA, 1, Some(0))];
        program.settle(&pictures);
        for _ in 0..3 {
            assert_eq!(program.frame(&pictures, None), 0, "{protocol:?}");
        }
    }
}

#[test]
fn what_goes_leaves_nothing() {
    for (script, protocol) in all() {
        let mut program = Program::new(script, protocol);
        program.settle(&[shown(AREA, 1, Some(0))]);
        program.settle(&[]);
        assert_eq!(program.terminal.picture_cells(), None, "{protocol:?}: gone");
        // Scrolled by less than its height, and into a smaller area.
        program.settle(&[shown(AREA, 1, Some(0))]);
        let moved = Rect::new(14, 9, 30, 15);
        program.settle(&[shown(moved, 1, Some(0))]);
        assert_eq!(program.terminal.picture_cells(), Some((14, 9, 44, 24)), "{protocol:?}: moved");
        // Another picture of another shape in the same area.
        let wide = Arc::new(Picture { id: 9, width: 200, height: 50, rgb: vec![99; 30_000].into() });
        let rect = program.painter.fitted(AREA, 200, 50);
        program.settle(&[Shown { area: AREA, base: wide, overlay: None }]);
        assert_eq!(
            program.terminal.picture_cells(),
            Some((rect.x, rect.y, rect.right(), rect.bottom())),
            "{protocol:?}: other"
        );
        program.painter.clear(&mut program.writer).unwrap();
        program.terminal.feed(&program.writer.take_frame());
        // Characters that stand for a picture are ratatui's to take away.
        program.frame(&[], None);
        assert_eq!(program.terminal.picture_cells(), None, "{protocol:?}: cleared");
        assert_eq!(program.terminal.pictures_kept(), 0, "{protocol:?}: kept");
    }
}

#[test]
fn a_popup_hides_pictures_and_gives_them_back() {
    for (script, protocol) in all() {
        let mut program = Program::new(script, protocol);
        let pictures = [shown(AREA, 1, Some(0))];
        let first = program.settle(&pictures);
        program.frame(&[], Some(Rect::new(20, 10, 20, 3)));
        assert_eq!(program.terminal.picture_cells(), None, "{protocol:?}");
        assert!(program.terminal.row(10).contains("a popup"), "{protocol:?}");
        let again = program.settle(&pictures);
        assert_eq!(program.terminal.picture_cells(), Some((10, 4, 66, 32)), "{protocol:?}");
        if matches!(protocol, Protocol::KittyLayered | Protocol::KittyPlaceholders) {
            assert!(again < first / 2, "{protocol:?}: {again} of {first} bytes although the terminal kept the picture");
        }
    }
}

#[test]
fn everything_is_sent_again_after_the_screen_was_cleared() {
    for (script, protocol) in all() {
        let mut program = Program::new(script, protocol);
        let pictures = [shown(AREA, 1, Some(2))];
        program.settle(&pictures);
        program.clear();
        let bytes = program.settle(&pictures);
        assert!(bytes > 2000, "{protocol:?}: {bytes} bytes");
        assert!(is_warm(program.terminal.pixel(24.0, 25.0)), "{protocol:?}");
        program.settle(&[]);
        assert_eq!(program.terminal.picture_cells(), None, "{protocol:?}");
    }
}

#[test]
fn another_map_never_shows_on_another_picture() {
    for (script, protocol) in all() {
        let mut program = Program::new(script, protocol);
        program.settle(&[shown(AREA, 1, Some(0))]);
        // The first frame of another picture, before it can have been encoded and sent.
        let mut frames = 0;
        loop {
            program.frame(&[shown(AREA, 80, Some(3))], None);
            if program.painter.is_settled() {
                break;
            }
            let seen = program.terminal.pixel(12.0, 30.0);
            assert!(
                seen.is_none() || seen.is_some_and(|[r, ..]| r >= 140),
                "{protocol:?}: the picture before: {seen:?}"
            );
            frames += 1;
            assert!(frames < 4000, "{protocol:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(is_warm(program.terminal.pixel(10.0 + 42.0, 4.0 + 21.0)), "{protocol:?}");
    }
}

#[test]
fn kitty_sends_a_base_once_and_small_maps() {
    let mut program = Program::new(Script::Kitty, Protocol::KittyLayered);
    program.settle(&[shown(AREA, 1, Some(0))]);
    for quarter in 1..4 {
        let bytes = program.settle(&[shown(AREA, 1, Some(quarter))]);
        assert!(bytes <= 8 << 10, "another map took {bytes} bytes");
    }
    // A map that was seen before, and a grid of all of them on the same base.
    assert!(program.settle(&[shown(AREA, 1, Some(0))]) < 400);
    let grid: Vec<Shown> = (0..4).map(|n| shown(Rect::new(20 * n, 4, 20, 28), 1, Some(u32::from(n)))).collect();
    assert!(program.settle(&grid) < 2000);
    assert_eq!(program.terminal.pictures_kept(), 5);
}

#[test]
fn noisy_maps_stay_small_too() {
    // Like gradients of single pixels: any of 256 colours at each point.
    let mut state = 1_u32;
    let point = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let level = (state >> 24) as u8;
        [level, 255 - level, level / 3, level]
    };
    let overlay = Arc::new(Overlay { id: 5, width: 56, height: 56, rgba: (0..56 * 56).flat_map(point).collect() });
    let mut program = Program::new(Script::Kitty, Protocol::KittyLayered);
    program.settle(&[shown(AREA, 1, None)]);
    let bytes = program.settle(&[Shown { overlay: Some(overlay), ..shown(AREA, 1, None) }]);
    assert!(bytes <= 8 << 10, "{bytes} bytes");
}

#[test]
fn kitty_frees_what_was_not_shown_for_long() {
    let mut program = Program::new(Script::Kitty, Protocol::KittyLayered);
    let small = |id: u64| Arc::new(Picture { id, width: 8, height: 8, rgb: vec![id as u8; 192].into() });
    let one = |id| Shown { area: AREA, base: small(id), overlay: None };
    for id in 0..200 {
        program.settle(&[one(id)]);
        assert!(program.terminal.pictures_kept() <= 65);
    }
    // One that was freed comes back all the same.
    program.settle(&[one(3)]);
    assert_eq!(program.terminal.pixel(40.0, 16.0), Some([3; 3]));
}

#[test]
fn sixel_stays_within_its_bytes_and_colours() {
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noisy: Vec<u8> = (0..448 * 448)
        .flat_map(|at: u32| [(at % 448 / 2) as u8 / 2 + noise() / 4, noise() / 2, (at / 900) as u8])
        .collect();
    for rgb in [grey(1).rgb.to_vec(), noisy] {
        let pixels = compose::Pixels { width: 448, height: 444, rgb: rgb[..448 * 444 * 3].to_vec() };
        let bytes = sixel::encode(&pixels);
        assert!(bytes.len() <= 130_000, "{} bytes", bytes.len());
        let colours = bytes.windows(3).filter(|window| window == b";2;").count();
        assert!(colours <= 64 && colours > 0, "{colours} colours");
    }
}

#[test]
fn sixel_never_reaches_the_last_line_of_pixels() {
    // The scripted terminal fails where the screen would scroll.
    let mut program = Program::new(Script::Sixel, Protocol::Sixel);
    program.settle(&[shown(Rect::new(0, 0, SIZE.0, SIZE.1), 1, None)]);
    assert!(program.terminal.pictures_drawn() > 0);
}

#[test]
fn half_blocks_are_the_means_of_their_areas() {
    let mut program = Program::new(Script::Plain, Protocol::HalfBlocks);
    let rgb = [[200, 0, 0, 0, 200, 0].repeat(2), [0, 0, 200, 90, 90, 90].repeat(2)].concat();
    let base = Arc::new(Picture { id: 1, width: 4, height: 2, rgb: [&rgb[..12], &rgb[12..]].concat().into() });
    program.settle(&[Shown { area: Rect::new(0, 0, 4, 1), base, overlay: None }]);
    let cell = &program.before[(0, 0)];
    assert_eq!(
        (cell.symbol(), cell.fg, cell.bg),
        ("▀", ratatui::style::Color::Rgb(200, 0, 0), ratatui::style::Color::Rgb(0, 0, 200))
    );
    assert!(program.frame(&[], None) > 0, "drawn away");
    assert_eq!(program.frame(&[], None), 0);
}

#[test]
fn malformed_pictures_are_left_out() {
    for (script, protocol) in
        all().into_iter().chain([(Script::Plain, Protocol::HalfBlocks), (Script::Plain, Protocol::None)])
    {
        let mut program = Program::new(script, protocol);
        for (width, height, bytes) in [(0, 0, 0), (4, 4, 47), (u32::MAX, u32::MAX, 12)] {
            let base = Arc::new(Picture { id: 1, width, height, rgb: vec![0; bytes].into() });
            program.settle(&[Shown { area: AREA, base, overlay: None }]);
        }
        let overlay = Arc::new(Overlay { id: 1, width: 9, height: 9, rgba: vec![0; 3].into() });
        program.settle(&[Shown { area: AREA, base: grey(1), overlay: Some(overlay) }]);
        program.settle(&[shown(Rect::new(90, 35, 500, 500), 1, None), shown(Rect::new(300, 300, 5, 5), 1, None)]);
    }
}
