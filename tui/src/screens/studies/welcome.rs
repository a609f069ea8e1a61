//! What a newcomer sees: two ways to begin, one key each.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use lightbox_store::Home;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::message::Update;
use crate::app::popup::RunningCommand;
use crate::app::shared::{Shared, Wish};
use crate::app::tasks::{CommandDone, CommandRun, Purpose, command};
use crate::widgets::Canvas;

/// Draws the welcome.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
    let theme = &shared.theme;
    let key = |k: &'static str, what: &'static str| {
        Line::from(vec![Span::styled(format!("   {k}   "), theme.accent), Span::styled(what, theme.text)])
    };
    let plain = |text: String| Line::styled(text, theme.dim);
    let lines = vec![
        Line::styled("Welcome to Lightbox", theme.accent),
        Line::default(),
        Line::styled("Train networks on medical images, learn whether one is really better than another,", theme.text),
        Line::styled("and see why they decide as they do.", theme.text),
        Line::default(),
        key("d", "try it on synthetic images: data, two models, tables, heatmaps (about two minutes)"),
        key("a", "add images of your own: class folders, train and test folders, or a table"),
        key("?", "all keys of this screen"),
        key("q", "leave"),
        Line::default(),
        plain(format!("Everything is kept in {}", shared.home.root().display())),
    ];
    let width = lines.iter().map(Line::width).max().unwrap_or(0) as u16;
    let x = area.x + area.width.saturating_sub(width) / 2;
    let y = area.y + area.height.saturating_sub(lines.len() as u16) / 2;
    for (i, line) in lines.into_iter().enumerate() {
        canvas.line(line, Rect { x, y: y + i as u16, width: area.right().saturating_sub(x), height: 1 });
    }
}

/// Goes on in the demo's home, where nothing of it stands among the user's own datasets and runs.
pub fn demo(shared: &mut Shared) {
    match Home::at(&shared.home.root().join("demo")) {
        Ok(home) => shared.wishes.push(Wish::Home(home)),
        Err(error) => shared.say_bad(error.to_string()),
    }
}

/// Runs the demo of a home beside the loop, in whose own home this interface is, and shows what it says.
pub fn run_demo(shared: &mut Shared, parent: &Home) {
    let run = CommandRun {
        program: shared.program.clone(),
        home: parent.root().to_path_buf(),
        arguments: ["demo", "--quick"].map(str::to_owned).to_vec(),
        done: "the demo is done: 3 shows its tables, 4 its heatmaps".to_owned(),
        purpose: Purpose::Demo,
    };
    shared.open(RunningCommand::new(&run.as_typed()));
    shared.tasks.spawn_long(move |tell| {
        let (ok, said) = match follow(&run, &|line| tell.update(Update::CommandLine(line))) {
            Ok(outcome) => outcome,
            Err(error) => (false, format!("cannot run {}: {error}", run.program.display())),
        };
        tell.update(Update::Command(CommandDone { run, ok, said }));
    });
}

/// Runs a command and gives each line that it writes to `each`; whether it succeeded, and its last words.
fn follow(run: &CommandRun, each: &dyn Fn(String)) -> std::io::Result<(bool, String)> {
    let mut child = command(&run.program, &run.home, &run.arguments)
        .current_dir(&run.home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut last = String::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            last.clone_from(&line);
            each(line);
        }
    }
    Ok((child.wait()?.success(), last))
}
