//! Every screen at three sizes, and what keys lead to.

use super::message::{Link, Update};
use super::testing::{Driver, filled};
use crate::screens::QUEUE;
use lightbox_scheduler::protocol::{JobState, JobView, Status};
use lightbox_store::{GroupId, RunId};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The frame of a screen after some keys, at each size.
fn at_all_sizes(name: &str, keys: &str) {
    for (columns, rows) in SIZES {
        let mut driver = Driver::new(filled(), columns, rows);
        driver.press(keys);
        insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), driver.frame());
    }
}

#[test]
fn studies() {
    at_all_sizes("studies", "");
}

#[test]
fn queue_without_a_daemon() {
    at_all_sizes("queue", "2");
}

#[test]
fn results() {
    at_all_sizes("results", "3");
}

#[test]
fn behind_a_result() {
    at_all_sizes("behind", "3 j enter");
}

#[test]
fn results_of_methods() {
    at_all_sizes("methods", "3 ] enter");
}

#[test]
fn figures_of_images() {
    at_all_sizes("images", "3 ] i");
}

#[test]
fn plugins() {
    at_all_sizes("plugins", "5");
}

#[test]
fn data() {
    at_all_sizes("data", "6");
}

#[test]
fn viewer() {
    at_all_sizes("viewer", "4");
}

#[test]
fn viewer_of_methods() {
    at_all_sizes("viewer_methods", "4 v v");
}

#[test]
fn help() {
    at_all_sizes("help", "2 ?");
}

#[test]
fn palette() {
    let mut driver = Driver::new(filled(), 120, 40);
    driver.press("2 :").type_text("prio");
    insta::assert_snapshot!(driver.frame());
}

#[test]
fn welcome() {
    for (columns, rows) in SIZES {
        let mut driver = Driver::new(empty(), columns, rows);
        insta::assert_snapshot!(format!("welcome_{columns}x{rows}"), driver.frame());
    }
}

#[test]
fn a_terminal_that_is_too_small_is_told_so() {
    for (columns, rows) in [(10, 3), (59, 30), (100, 10), (1, 1)] {
        let mut driver = Driver::new(filled(), 80, 24);
        driver.resize(columns, rows);
        let frame = driver.frame();
        let said = frame.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = if columns > 50 { "Lightbox needs 60x16; this is" } else { "Needs 60x16. q leaves." };
        assert!(columns < 10 || said.starts_with(expected), "{columns}x{rows}: {frame}");
        driver.resize(80, 24);
        assert!(driver.frame().contains("1 Studies"));
        driver.press("q");
        assert!(driver.app.ended);
    }
}

fn job(run: &str, state: JobState) -> JobView {
    JobView {
        run: RunId(run.into()),
        group: GroupId("g".into()),
        study: Some("small".into()),
        kind: "train".into(),
        label: "train skin resnet50 fold 1/3".into(),
        state,
        reason: None,
        priority: 0,
        place: Some("cpu:0".into()),
        attempt: 1,
        done: Some(0.4),
        phase: Some("epoch 2".into()),
        eta_seconds: Some(90.0),
        running_seconds: Some(60.0),
    }
}

fn status() -> Box<Status> {
    serde_json::from_value(serde_json::json!({
        "lightbox": "0.1.0", "pid": 1, "host": "node", "home": "/h", "up_seconds": 5.0, "paused": false, "executor": "local",
        "slots": [{"name": "cpu:0", "device": "cpu", "job": "a"}], "jobs": {"running": 1}, "warm": [], "remarks": []
    }))
    .unwrap()
}

#[test]
fn queue_with_a_daemon_lives() {
    let mut driver = Driver::new(filled(), 120, 40);
    driver.press("2");
    driver.app.link(Link::Up(vec![job("a", JobState::Running), job("b", JobState::Queued)], status()));
    insta::assert_snapshot!(driver.frame());
    let done = JobView { state: JobState::Finished, done: Some(1.0), ..job("a", JobState::Running) };
    driver.app.link(Link::Job(Box::new(done)));
    assert!(driver.frame().contains("✓ finished"));
    driver.app.link(Link::Down);
    driver.settle();
    assert!(driver.frame().contains("no daemon; it starts with the next job"));
    driver.app.link(Link::Trouble("the daemon speaks protocol 9".into()));
    assert!(driver.frame().contains("the daemon speaks protocol 9"));
}

#[test]
fn the_queue_opens_on_the_job_that_runs_and_says_who_waits_without_a_daemon() {
    let mut driver = Driver::new(filled(), 120, 40);
    driver.press("2");
    let finished = |run: &str| JobView { done: Some(1.0), ..job(run, JobState::Finished) };
    let jobs = vec![job("b", JobState::Running), job("c", JobState::Queued), finished("a")];
    driver.app.link(Link::Up(jobs.clone(), status()));
    let marked = |frame: &str| frame.lines().find(|line| line.contains('▸')).map(str::to_owned).unwrap_or_default();
    assert!(marked(&driver.frame()).contains("running"), "{}", driver.frame());
    // Where the user put it, it stays.
    driver.press("j");
    driver.app.link(Link::Up(jobs, status()));
    assert!(marked(&driver.frame()).contains("queued"), "{}", driver.frame());
}

#[test]
fn q_goes_back_to_where_a_screen_was_opened_from() {
    let mut driver = Driver::new(filled(), 160, 50);
    driver.press("3 j d");
    assert!(driver.frame().contains("disagree"));
    assert!(driver.frame().contains("q back"), "{}", driver.frame());
    driver.press("q");
    assert!(driver.frame().contains("vgg16") && driver.frame().contains("q leave"), "{}", driver.frame());
}

#[test]
fn a_destructive_key_asks_and_a_disabled_one_says_why() {
    let mut driver = Driver::new(filled(), 120, 40);
    driver.press("2");
    driver.app.link(Link::Up(vec![job("a", JobState::Running)], status()));
    driver.press("t");
    assert!(driver.frame().contains("retry: it is running"), "{}", driver.frame());
    driver.press("c");
    assert!(driver.frame().contains("Sure?"));
    driver.press("n");
    assert!(!driver.frame().contains("Sure?"));
}

#[test]
fn readonly_changes_nothing() {
    let mut driver = Driver::with(filled(), 120, 40, |shared| shared.readonly = true);
    for keys in ["1 n", "1 d", "6 a", "2 P"] {
        driver.press(keys);
        assert!(driver.frame().contains("started with --readonly"), "{keys}: {}", driver.frame());
    }
}

#[test]
fn every_key_of_every_screen_is_in_its_help_once() {
    for screen in ["1", "2", "3", "3 enter", "3 ] i", "4", "5", "6"] {
        let mut driver = Driver::new(filled(), 120, 60);
        driver.press(screen);
        let entries = driver.app.entries();
        let mut seen = std::collections::BTreeSet::new();
        for entry in &entries {
            assert!(entry.help.ends_with('.'), "{}: {}", entry.name, entry.help);
            for key in entry.keys {
                assert!(seen.insert(*key), "screen {screen}: {key} does two things");
            }
        }
    }
}

#[test]
fn a_moved_baseline_tests_against_it_and_says_so() {
    let mut driver = Driver::new(filled(), 160, 50);
    driver.press("3 j b");
    let frame = driver.frame();
    assert!(frame.contains("vgg16 (baseline)") && frame.contains("post hoc"), "{frame}");
}

#[test]
fn a_marker_leads_to_the_images_on_which_models_disagree() {
    let mut driver = Driver::new(filled(), 160, 50);
    driver.press("3 j d");
    let frame = driver.frame();
    assert!(frame.contains("vgg16 and resnet50 disagree"), "{frame}");
}

#[test]
fn figures_of_images_are_sorted_filtered_and_left() {
    let mut driver = Driver::new(filled(), 160, 50);
    driver.press("3 i");
    assert!(driver.frame().contains("images: this is no table of methods"), "{}", driver.frame());
    driver.press("] i s");
    let frame = driver.frame();
    assert!(frame.contains("value ↓") && frame.contains("1 of 48"), "{frame}");
    // 0.4 + 0.1 and the most that an image adds.
    assert!(frame.lines().any(|line| line.contains('▸') && line.contains("energy") && line.contains("0.6")), "{frame}");
    driver.press("&").type_text("random road").press("enter");
    assert!(driver.frame().contains("filter: random road · 1 of 12"), "{}", driver.frame());
    driver.press("r K");
    assert!(driver.frame().contains("truth ↑"), "{}", driver.frame());
    driver.press("esc");
    assert!(driver.frame().contains("gradcam (baseline)"), "{}", driver.frame());
    driver.press("i i");
    assert!(driver.frame().contains("gradcam (baseline)"), "{}", driver.frame());
    // A table of misclassified images has figures of these alone; here there is none.
    driver.press("] ] i");
    assert!(driver.frame().contains("0 of 0"), "{}", driver.frame());
}

#[test]
fn a_figure_leads_to_its_image_and_method() {
    let mut driver = Driver::new(filled(), 160, 50);
    driver.press("3 ] i G");
    let figures = driver.frame();
    let line = figures.lines().find(|line| line.contains('▸')).unwrap();
    let image = line.split_whitespace().find(|word| word.contains(".png")).unwrap().trim_start_matches(['│', '▸']);
    assert!(line.contains("random"), "{figures}");
    driver.press("enter");
    let frame = driver.frame();
    assert!(frame.contains(&format!("skin · resnet50 fold 1 · {image}")), "{image}\n{figures}\n{frame}");
    assert!(frame.contains("method     random"), "{frame}");
    // Its scores stand beside it.
    assert!(frame.contains("energy                0.300"), "{frame}");
}

#[test]
fn figures_of_images_follow_their_tables() {
    let mut driver = Driver::new(filled(), 160, 50);
    driver.press("3 ] i s 1");
    let runs = std::sync::Arc::clone(&driver.app.shared.runs);
    driver.update(Update::Runs(Ok(runs)));
    driver.press("3");
    let frame = driver.frame();
    assert!(frame.contains("value ↓") && frame.contains("1 of 48"), "{frame}");
}

#[test]
fn the_viewer_shows_wrong_images_first_and_a_worker_that_fails_says_so() {
    let mut driver = Driver::new(filled(), 160, 50);
    driver.press("4 f").type_text("misclass").press("enter");
    let frame = driver.frame();
    assert!(frame.contains("misclassified, most confident first"), "{frame}");
    // There is no program to start a daemon with, so the sentence about it stands where the heatmap would.
    assert!(frame.contains("cannot start"), "{frame}");
    driver.press("x");
    driver.frame();
    assert_eq!(driver.pictures.len(), 1);
}

#[test]
fn a_table_is_filtered_sorted_searched_and_reset() {
    let mut driver = Driver::new(filled(), 160, 50);
    driver.press("2 &").type_text("vgg16 2/3").press("enter");
    assert!(driver.frame().contains("1 of 1"), "{}", driver.frame());
    driver.press("r");
    assert!(driver.frame().contains("1 of 8"), "{}", driver.frame());
    driver.press("/").type_text("explain").press("enter");
    assert!(driver.frame().contains("▸✓ finished"), "{}", driver.frame());
    driver.press("K");
    assert!(driver.frame().contains("job ↑"), "{}", driver.frame());
}

#[test]
fn a_home_that_changes_below_is_seen() {
    let mut driver = Driver::new(filled(), 120, 40);
    driver.press("2");
    let runs: Vec<_> = driver.app.shared.runs.iter().take(2).cloned().collect();
    driver.update(Update::Runs(Ok(std::sync::Arc::new(runs))));
    assert!(driver.frame().contains("of 2"));
    assert_eq!(driver.app.current(), QUEUE);
}
