//! The protocol holds: each message of this version is written as its fixture has it, and what other versions speak is
//! named, not misunderstood. A change of a fixture's line is a change of the protocol: raise `PROTOCOL` and add a file.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use lightbox_scheduler::Client;
use lightbox_scheduler::daemon::socket_path;
use lightbox_scheduler::protocol::{
    Action, Answer, Hello, JobState, JobView, Message, News, PROTOCOL, Place, Request, SlotView, Status,
};
use lightbox_store::Home;
use lightbox_store::request::{ExplainRequest, Explained, Network};
use lightbox_store::run::{DeviceChoice, Event, EventKind, FailureCause, GroupId, RunId};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn run(name: &str) -> RunId {
    RunId(name.to_owned())
}

fn explain() -> ExplainRequest {
    ExplainRequest {
        images: vec!["/data/a.png".into()],
        network: Network::Run { path: "/home/runs/r".into() },
        methods: vec!["gradcam".into()],
        layers: Vec::new(),
        target: None,
        class_names: None,
        mean: None,
        std: None,
        image_size: Some(224),
        params: vec!["gradcam.x=1".into()],
        out: "/out".into(),
        raw: true,
        seed: 7,
        device: DeviceChoice("cuda:1".into()),
        threads: 2,
    }
}

fn actions() -> Vec<Action> {
    let jobs = || vec!["g-1".to_owned(), "study".to_owned()];
    let to = |to| Action::Move { jobs: jobs(), to };
    vec![
        Action::Status,
        Action::Enqueue { runs: vec![run("r1"), run("r2")] },
        Action::List { only: jobs() },
        Action::Pause { jobs: jobs() },
        Action::Resume { jobs: Vec::new() },
        Action::Cancel { jobs: jobs() },
        Action::Retry { jobs: jobs() },
        to(Place::First),
        to(Place::Last),
        to(Place::Before { job: "r1".into() }),
        to(Place::Priority { priority: -3 }),
        Action::Forget { runs: vec![run("r1")] },
        Action::Subscribe,
        Action::Explain { request: Box::new(explain()) },
        Action::Stop { jobs_too: true },
    ]
}

fn view() -> JobView {
    JobView {
        run: run("r1"),
        group: GroupId("g-1".into()),
        study: Some("s".into()),
        kind: "train".into(),
        label: "brain resnet50 fold 1/5".into(),
        state: JobState::Running,
        reason: None,
        priority: 2,
        place: Some("cpu:0".into()),
        attempt: 3,
        done: Some(0.25),
        phase: Some("epoch 5".into()),
        eta_seconds: Some(12.5),
        running_seconds: Some(4.0),
    }
}

fn messages() -> Vec<Message> {
    let answer = |answer| Message::Answer { id: 9, answer };
    let status = Status {
        lightbox: "0.1.0".into(),
        pid: 5,
        host: "gpu1".into(),
        home: "/home/u/lightbox".into(),
        up_seconds: 3.5,
        paused: false,
        executor: "local".into(),
        slots: vec![SlotView { name: "cpu:0".into(), device: "cpu".into(), job: Some(run("r1")) }],
        jobs: BTreeMap::from([("running".to_owned(), 1)]),
        warm: vec!["r1 on cpu".into()],
        remarks: vec!["a sentence".into()],
    };
    let explained = Explained {
        image: "/data/a.png".into(),
        method: "gradcam".into(),
        layer: "layer4".into(),
        target: "glioma".into(),
        predicted: "glioma".into(),
        probability: Some(0.5),
        raw_peak: None,
        status: "ok".into(),
        overlay: "/out/a.gradcam.png".into(),
        map: None,
        seconds: 0.125,
    };
    let event = Event {
        time: 1.5,
        attempt: 1,
        step: 10,
        kind: EventKind::Failed { error: "no memory".into(), cause: FailureCause::OutOfMemory },
    };
    vec![
        answer(Answer::Done { jobs: vec![run("r1")], remarks: vec!["r2 is finished".into()] }),
        answer(Answer::Status(Box::new(status))),
        answer(Answer::Jobs { jobs: vec![view()] }),
        answer(Answer::Refused { message: "no".into(), code: 2 }),
        Message::News(News::Job(Box::new(view()))),
        Message::News(News::Gone { run: run("r1") }),
        Message::News(News::Event { run: run("r1"), event }),
        Message::News(News::Queue { paused: true }),
        Message::News(News::Explained { id: 4, explained: Box::new(explained) }),
        Message::News(News::Remark { id: 4, text: "memory ran out".into() }),
        Message::News(News::Missed),
    ]
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}-v{PROTOCOL}.jsonl"))
}

/// Each message is written as its line says, and the line is read as the message.
fn as_written<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, messages: &[T]) {
    let path = fixture(name);
    let lines: Vec<String> = messages.iter().map(|message| serde_json::to_string(message).unwrap()).collect();
    if std::env::var_os("LIGHTBOX_WRITE_FIXTURES").is_some() {
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.lines().collect();
    assert_eq!(kept.len(), messages.len(), "{}: a kind of message came or went", path.display());
    for ((kept, line), message) in kept.iter().zip(&lines).zip(messages) {
        assert_eq!(kept, line, "{}", path.display());
        assert_eq!(&serde_json::from_str::<T>(kept).unwrap(), message);
    }
}

#[test]
fn every_message_is_as_its_fixture_has_it() {
    let requests: Vec<Request> = actions().into_iter().zip(1..).map(|(action, id)| Request { id, action }).collect();
    as_written("requests", &requests);
    as_written("messages", &messages());
    as_written("hello", &[Hello { protocol: PROTOCOL, lightbox: "0.1.0".into(), pid: 7 }]);
    let all = [
        JobState::Running,
        JobState::Stopping,
        JobState::Queued,
        JobState::Waiting,
        JobState::Paused,
        JobState::Blocked,
        JobState::Finished,
        JobState::Failed,
        JobState::Cancelled,
    ];
    assert!(all.iter().all(|state| serde_json::to_value(state).unwrap() == state.word()));
}

#[test]
fn a_field_of_a_later_version_is_passed_over() {
    let text = r#"{"id":3,"action":"pause","jobs":["a"],"gently":true}"#;
    let request: Request = serde_json::from_str(text).unwrap();
    assert_eq!(request.action, Action::Pause { jobs: vec!["a".into()] });
}

/// A daemon that speaks the lines given to it, whatever it is asked.
fn daemon_that_says(lines: &'static [&'static str]) -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let listener = UnixListener::bind(socket_path(&home)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            for line in lines {
                let _ = writeln!(stream, "{line}");
            }
            // Read on until the client closes, so that it never sees a reset.
            let _ = BufReader::new(stream).lines().count();
        }
    });
    (folder, home)
}

#[test]
fn a_daemon_of_another_version_is_named() {
    let (_folder, home) = daemon_that_says(&[r#"{"protocol":99,"lightbox":"7.0.0","pid":12,"more":1}"#]);
    let error = Client::connect(&home).unwrap_err().to_string();
    for word in ["7.0.0", "protocol 99", "pid 12", "lightbox daemon stop"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_daemon_that_speaks_nonsense_is_no_panic() {
    for lines in [&["hello"][..], &["{}"], &["[1]"], &[r#"{"protocol":1,"lightbox":"0.1.0","pid":1}"#, "nonsense"]] {
        let (_folder, home) = daemon_that_says(Box::leak(lines.to_vec().into_boxed_slice()));
        let outcome = Client::connect(&home).and_then(|client| client.unwrap().ask(Action::Status));
        assert!(!outcome.unwrap_err().to_string().is_empty());
    }
}
