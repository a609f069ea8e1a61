//! Decisions for terminals of many kinds.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::environment::client;
use super::*;
use crate::input::{Decoder, Incoming, Reply};
use crate::testing::{Script, ScriptedTerminal};

const WINDOW: WindowSize = WindowSize { columns: 100, rows: 40, px_w: 1000, px_h: 800 };

fn answered(script: Script, environment: &Environment) -> Answers {
    let mut terminal = ScriptedTerminal::new(script, 100, 40, (10, 20));
    terminal.feed(&questions(environment));
    let mut answers = Answers::new(environment);
    for incoming in Decoder::new().feed(&terminal.replies()) {
        match incoming {
            Incoming::Reply(reply) => answers.take(&reply),
            other => panic!("a reply became {other:?}"),
        }
    }
    answers
}

fn in_tmux(version: &str, features: &str, passthrough: bool) -> Environment {
    let mut environment = Environment::of([("TERM", "tmux-256color"), ("TMUX", "/tmp/tmux-0/default,1,0")]);
    let client = TmuxClient { term: "x".into(), version: version.into(), features: features.into(), passthrough };
    environment.tmux_client = Some(client);
    environment
}

fn auto(environment: &Environment, answers: &Answers) -> Graphics {
    decide(Choice::Auto, environment, answers, WINDOW)
}

#[test]
fn terminals_are_told_apart_by_their_answers() {
    let plain = Environment::of([("TERM", "xterm-256color")]);
    let cases = [
        (Script::Kitty, Protocol::KittyLayered),
        (Script::Sixel, Protocol::Sixel),
        (Script::Iterm2, Protocol::Iterm2),
        (Script::Plain, Protocol::HalfBlocks),
        (Script::Silent, Protocol::HalfBlocks),
        (Script::Garbage, Protocol::HalfBlocks),
    ];
    for (script, expected) in cases {
        let answers = answered(script, &plain);
        assert_eq!(answers.complete(), script != Script::Silent, "{script:?}");
        let graphics = auto(&plain, &answers);
        assert_eq!(graphics.protocol, expected, "{script:?}: {:?}", graphics.reasons);
        assert_eq!(graphics.cell, (10, 20), "{script:?}");
        assert!(!graphics.reasons.is_empty(), "{script:?}");
    }
}

#[test]
fn tmux_is_complete_when_the_terminal_around_it_has_answered() {
    let environment = in_tmux("", "", true);
    let answers = answered(Script::KittyInTmux, &environment);
    assert!(answers.complete());
    assert_eq!(auto(&environment, &answers).protocol, Protocol::KittyPlaceholders);

    let mut early = Answers::new(&environment);
    early.take(&Reply::Version("tmux 3.5a".into()));
    early.take(&Reply::DeviceAttributes { sixel: false, attributes: vec![1, 2] });
    assert!(!early.complete(), "only tmux itself has answered");
    early.take(&Reply::Ready);
    assert!(early.complete());
}

#[test]
fn tmux_that_passes_nothing_through_is_not_waited_for() {
    let environment = in_tmux("kitty(0.41.1)", "", false);
    assert!(!questions(&environment).windows(5).any(|window| window == b"Ptmux"));
    let mut answers = Answers::new(&environment);
    answers.take(&Reply::Version("tmux 3.5a".into()));
    answers.take(&Reply::DeviceAttributes { sixel: true, attributes: vec![1, 2, 4] });
    assert!(answers.complete());
    let graphics = auto(&environment, &answers);
    assert_eq!(graphics.protocol, Protocol::HalfBlocks);
    assert!(graphics.reasons.iter().any(|reason| reason.contains("allow-passthrough")), "{:?}", graphics.reasons);
}

#[test]
fn placeholders_need_a_terminal_that_knows_them() {
    for (version, expected) in [
        ("kitty(0.28.0)", Protocol::KittyPlaceholders),
        ("kitty(1.2)", Protocol::KittyPlaceholders),
        ("ghostty 1.1.3", Protocol::KittyPlaceholders),
        ("kitty(0.26.5)", Protocol::HalfBlocks),
        ("WezTerm 20240203", Protocol::HalfBlocks),
        ("kitty", Protocol::HalfBlocks),
        ("", Protocol::HalfBlocks),
    ] {
        let environment = in_tmux(version, "RGB", true);
        let mut answers = Answers::new(&environment);
        answers.take(&Reply::Version("tmux 3.4".into()));
        answers.take(&Reply::Kitty { id: 31, ok: true, text: "OK".into() });
        assert_eq!(auto(&environment, &answers).protocol, expected, "{version}");
    }
}

#[test]
fn tmux_draws_sixel_only_on_a_terminal_that_does() {
    for (features, expected) in [("256,RGB,sixel", Protocol::Sixel), ("256,RGB", Protocol::HalfBlocks)] {
        let environment = in_tmux("XTerm(379)", features, true);
        let mut answers = Answers::new(&environment);
        answers.take(&Reply::DeviceAttributes { sixel: true, attributes: vec![1, 2, 4] });
        assert_eq!(auto(&environment, &answers).protocol, expected, "{features}");
    }
}

#[test]
fn a_choice_overrides_answers() {
    let environment = Environment::of([("TERM", "xterm-256color")]);
    let cases = [
        ("kitty", Protocol::KittyLayered),
        ("sixel", Protocol::Sixel),
        ("iterm2", Protocol::Iterm2),
        ("blocks", Protocol::HalfBlocks),
        ("off", Protocol::None),
    ];
    for (word, expected) in cases {
        let choice: Choice = word.parse().unwrap();
        assert_eq!(decide(choice, &environment, &Answers::default(), WINDOW).protocol, expected, "{word}");
    }
    assert!(Choice::WORDS.iter().all(|word| word.parse::<Choice>().is_ok()));
    assert!("tektronix".parse::<Choice>().unwrap_err().to_string().contains("tektronix"));
    assert_eq!(
        decide(Choice::Kitty, &in_tmux("", "", true), &Answers::default(), WINDOW).protocol,
        Protocol::KittyPlaceholders
    );
}

#[test]
fn colours_of_terminals() {
    let of = |variables: &[(&'static str, &'static str)], version: Option<&str>| {
        let mut answers = Answers::default();
        version.into_iter().for_each(|version| answers.take(&Reply::Version(version.into())));
        auto(&Environment::of(variables.iter().copied()), &answers).colours
    };
    assert_eq!(of(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], None), Colours::TrueColour);
    assert_eq!(of(&[("TERM", "xterm-256color")], None), Colours::Indexed256);
    // Over SSH COLORTERM is lost, but the terminal says who it is.
    assert_eq!(of(&[("TERM", "xterm-256color")], Some("XTerm(379)")), Colours::TrueColour);
    assert_eq!(of(&[("TERM", "xterm-kitty")], None), Colours::TrueColour);
    assert_eq!(of(&[("TERM", "linux")], None), Colours::Sixteen);
    assert_eq!(of(&[("TERM", "dumb")], None), Colours::NoColour);
    assert_eq!(of(&[("TERM", "xterm-kitty"), ("NO_COLOR", "1")], None), Colours::NoColour);
    assert_eq!(of(&[("TERM", "xterm-kitty"), ("NO_COLOR", "")], None), Colours::TrueColour);
    assert_eq!(auto(&in_tmux("", "256,RGB,title", true), &Answers::default()).colours, Colours::TrueColour);
}

#[test]
fn consoles_are_asked_little_and_screen_no_graphics() {
    assert_eq!(questions(&Environment::of([("TERM", "linux")])), b"\x1b[c");
    let screen = questions(&Environment::of([("TERM", "screen-256color"), ("STY", "1.pts")]));
    assert!(!screen.windows(3).any(|window| window == b"\x1b_G"));
    assert!(screen.ends_with(b"\x1b[c"));
}

#[test]
fn cells_and_background() {
    let environment = Environment::of([("TERM", "xterm"), ("COLORFGBG", "0;15")]);
    let mut answers = Answers::default();
    let unknown = WindowSize { columns: 100, rows: 40, px_w: 0, px_h: 0 };
    assert_eq!(decide(Choice::Auto, &environment, &answers, unknown).cell, (10, 20));
    assert_eq!(decide(Choice::Auto, &environment, &answers, unknown).dark, Some(false));
    answers.take(&Reply::WindowPixels { w: 900, h: 720 });
    assert_eq!(decide(Choice::Auto, &environment, &answers, unknown).cell, (9, 18));
    answers.take(&Reply::CellSize { w: 7, h: 15 });
    answers.take(&Reply::Background(16, 18, 22));
    let graphics = decide(Choice::Auto, &environment, &answers, unknown);
    assert_eq!((graphics.cell, graphics.dark), ((7, 15), Some(true)));
    // A window that would have cells of no sensible size is not believed, nor one of no columns.
    let odd = WindowSize { columns: 0, rows: 0, px_w: 65535, px_h: 65535 };
    assert_eq!(decide(Choice::Auto, &environment, &Answers::default(), odd).cell, (10, 20));
}

#[test]
fn what_tmux_says_of_its_terminal() {
    let parsed = client("xterm-kitty\tkitty(0.41.1)\t256,RGB\ton\n").unwrap();
    assert_eq!((parsed.version.as_str(), parsed.passthrough), ("kitty(0.41.1)", true));
    assert!(!client("xterm\t\t\t\n").unwrap().passthrough);
    assert_eq!(client("no server running"), None);
}

/// A terminal of two pipes: what is asked can be read from the one, answers are written to the other.
fn pair() -> (OwnedFd, std::os::unix::net::UnixStream) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    (ours.into(), theirs)
}

#[test]
fn asking_ends_with_the_fence_or_with_the_time() {
    let environment = Environment::of([("TERM", "xterm-256color")]);
    let (terminal, mut other) = pair();
    std::io::Write::write_all(&mut other, b"j\x1b_Gi=31;OK\x1b\\k\x1b[?62;4c").unwrap();
    let answers = ask::collect(&terminal, &environment, Duration::from_secs(20));
    assert!(answers.complete() && answers.sixel && answers.kitty == Some(true));

    let start = Instant::now();
    let (silent, _other) = pair();
    assert!(!ask::collect(&silent, &environment, Duration::from_millis(60)).complete());
    assert!(start.elapsed() < Duration::from_secs(2));

    let (gone, other) = pair();
    drop(other);
    assert!(!ask::collect(&gone, &environment, Duration::from_secs(20)).complete());
}
