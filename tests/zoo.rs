//! Plugins that misbehave, as a user meets them: the exact sentence of the command line, and the same one on the screen.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;

use lightbox_tests::home::Home;
use lightbox_tests::pty::{Kind, Terminal};
use lightbox_tests::{lightbox, project_root, said};

const SIZE: (u16, u16) = (160, 44);
const AUTHOR: &str = "report it to the plugin's author";

/// Compiles a C file as a library, with further arguments for the compiler.
fn compile(source: &Path, library: &Path, arguments: &[&str]) {
    let include = project_root().join("core/abi/include");
    let mut command = Command::new("cc");
    command.args(["-std=gnu99", "-O1", "-shared", "-fPIC", "-I"]).arg(include).arg("-o").args([library, source]);
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// A variant of `tests/zoo/zoo.c`: the names that are defined.
fn variant(home: &Home, name: &str, defined: &[&str]) -> PathBuf {
    let library = home.folder.path().join(name);
    compile(&project_root().join("tests/zoo/zoo.c"), &library, defined);
    library
}

fn run(home: &Home, arguments: &[&str]) -> (i32, String) {
    let output = lightbox(&home.path(), arguments);
    (output.status.code().unwrap_or(-1), said(&output))
}

fn ok(home: &Home, arguments: &[&str]) -> String {
    let (code, text) = run(home, arguments);
    assert_eq!(code, 0, "{arguments:?}: {text}");
    text
}

/// Installing is refused with this sentence about the file, and nothing is installed.
fn refused(home: &Home, library: &Path, sentence: &str) {
    let file = library.display().to_string();
    let (code, text) = run(home, &["plugins", "install", &file]);
    assert!(text.contains(&format!("error: {file}: {sentence}\n")), "{text}");
    assert_eq!(code, 2, "{text}");
    assert!(!ok(home, &["plugins", "list"]).contains("org.example"), "{file} was installed");
}

#[test]
fn what_cannot_be_a_plugin_is_not_installed() {
    let home = Home::trained();
    let zoo = |defined: &[&str]| variant(&home, "zoo.so", defined);
    let notes = home.folder.path().join("notes.so");
    std::fs::write(&notes, "These are the notes of a radiologist.").unwrap();
    refused(
        &home,
        &notes,
        "is not a library (it does not begin as an ELF file); give the plugin's library, a .so file",
    );

    let foreign = zoo(&[]);
    let mut bytes = std::fs::read(&foreign).unwrap();
    let (machine, there, here) =
        if cfg!(target_arch = "x86_64") { (183_u16, "aarch64", "x86-64") } else { (62, "x86-64", "aarch64") };
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    std::fs::write(&foreign, bytes).unwrap();
    refused(&home, &foreign, &format!("is built for {there}, this machine is {here}; get or build it for {here}"));

    refused(
        &home,
        &zoo(&["-DNO_ENTRY"]),
        "is a library but no plugin: it does not export the constant `lightbox_plugin_entry`; give a library that was built \
         with a Lightbox SDK",
    );
    refused(
        &home,
        &zoo(&["-DMAJOR=0"]),
        "is built for plugin ABI 0, this Lightbox speaks ABI 1; rebuild it with the current SDK",
    );
    refused(
        &home,
        &zoo(&["-DMAJOR=2"]),
        "is built for plugin ABI 2, this Lightbox speaks ABI 1; update Lightbox, or get a build of the plugin for ABI 1",
    );
    refused(
        &home,
        &zoo(&["-DCAPABILITY=\"lightbox.attribution.draft/1\""]),
        "offers neither `lightbox.attribution/1` nor `lightbox.model/1`, which is all that this Lightbox knows; rebuild it with \
         the current SDK, or update Lightbox",
    );
    refused(&home, &zoo(&["-DNULL_SLOT"]), &format!("its function `get_factory` is null; {AUTHOR}"));
    refused(&home, &zoo(&["-DINIT_FAILS"]), "`init` failed: the licence has expired");
    refused(
        &home,
        &zoo(&["-DINIT_FAILS_WITHOUT_TEXT"]),
        &format!("`init` failed: it returned status 1 and no text; {AUTHOR}"),
    );
    refused(
        &home,
        &zoo(&["-DNEEDS_NOWHERE"]),
        "cannot be loaded: undefined symbol: nowhere; rebuild it on this machine, or install what it needs",
    );
}

#[test]
fn what_needs_something_that_is_not_here_says_what() {
    let home = Home::trained();
    let source = |name: &str, text: &str| {
        let path = home.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let at = |name: &str| home.folder.path().join(name).display().to_string();
    let versions = source("future.map", "GLIBC_2.99 { global: from_the_future; };");
    let script = format!("-Wl,--version-script={},-soname,libc.so.6", versions.display());
    let future = source("future.c", "int from_the_future(void) { return 0; }");
    compile(&future, Path::new(&at("libfuture.so")), &[&script]);
    let newer = variant(&home, "newer.so", &["-DFROM_THE_FUTURE", &at("libfuture.so")]);
    let (code, text) = run(&home, &["plugins", "install", &newer.display().to_string()]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("newer.so: needs GLIBC 2.99, this system has 2."), "{text}");
    assert!(text.contains("; build it on an older system, or use a newer one\n"), "{text}");

    let nowhere = source("nowhere.c", "int nowhere(void) { return 0; }");
    compile(&nowhere, Path::new(&at("libnowhere.so.1")), &["-Wl,-soname,libnowhere.so.1"]);
    let needy = variant(&home, "needy.so", &["-DNEEDS_NOWHERE", &at("libnowhere.so.1")]);
    refused(
        &home,
        &needy,
        "needs the library libnowhere.so.1, which is not found; install libnowhere.so.1, or build the plugin with its folder \
         in the run path",
    );

    let old = variant(&home, "old.so", &["-DLIBTORCH=\"=2.9.1\""]);
    let (code, text) = run(&home, &["plugins", "install", &old.display().to_string()]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("old.so: is built for libtorch 2.9.1, this Lightbox runs 2."), "{text}");
}

#[test]
fn what_harms_the_process_while_it_is_described_costs_only_that_process() {
    let home = Home::trained();
    for (harm, sentence) in [
        ("-DSEGFAULT", format!("crashed (segmentation fault) while it was described; {AUTHOR}")),
        ("-DABORT", format!("crashed (abort) while it was described; {AUTHOR}")),
        ("-DEXIT", format!("ended the process with exit code 0 while it was described; {AUTHOR}")),
    ] {
        refused(&home, &variant(&home, "zoo.so", &["-DHARM_IN_INIT", harm]), &sentence);
    }
    let loops = variant(&home, "loops.so", &["-DHARM_IN_DESCRIBE", "-DLOOP"]);
    let (code, text) = run(&home, &["plugins", "install", &loops.display().to_string()]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("loops.so: did not answer within "), "{text}");
    assert!(text.contains(&format!(" and was stopped while it was described; {AUTHOR}\n")), "{text}");
    let eats = variant(&home, "eats.so", &["-DHARM_IN_DESCRIBE", "-DEAT"]);
    let (code, text) = run(&home, &["plugins", "install", &eats.display().to_string()]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("eats.so: took more than "), "{text}");
    assert!(text.contains(&format!(" of memory and was stopped while it was described; {AUTHOR}\n")), "{text}");
}

/// The interface with the viewer on the first image, asked for the zoo's method.
fn viewer_with_zoo(home: &Home) -> Terminal {
    let mut terminal = home.open(Kind::Plain, SIZE, &[]);
    terminal.wait_for("1 Studies");
    terminal.send("4");
    terminal.wait_for("raw peak");
    terminal.send("m");
    terminal.wait_for("Enter choose");
    terminal.send("zoo\r");
    terminal
}

/// The right panel of the viewer as one line of words.
fn panel(terminal: &Terminal) -> String {
    let screen = terminal.screen();
    let lines: Vec<Vec<char>> = screen.lines().map(|line| line.chars().collect()).collect();
    let Some(left) = lines.iter().find_map(|line| {
        let text: String = line.iter().collect();
        text.find("images/skin").map(|at| text[..at].chars().count())
    }) else {
        return String::new();
    };
    let words = lines.iter().map(|line| line.iter().skip(left).take_while(|c| **c != '│').collect::<String>());
    words.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first image that the network was tested on.
fn first_image(home: &Home) -> (String, String) {
    let runs = std::fs::read_dir(home.path().join("runs")).unwrap().flatten().map(|entry| entry.path());
    let run = runs.filter(|path| path.to_string_lossy().contains("-f0-")).max().unwrap();
    let predictions = std::fs::read_to_string(run.join("predictions.csv")).unwrap();
    let line = predictions.lines().find(|line| line.contains(",test,")).unwrap();
    let image = home.images().join(line.split(',').next().unwrap());
    (run.file_name().unwrap().to_string_lossy().into_owned(), image.display().to_string())
}

/// A method that fails while it runs: its sentence after the file's name, on the command line and in the viewer, where the
/// next method works again.
fn fails_in_use(defined: &[&str], sentence: &dyn Fn(&Home) -> String) {
    let home = Home::trained();
    let library = variant(&home, "zoo.so", defined);
    ok(&home, &["plugins", "install", &library.display().to_string()]);
    let (network, image) = first_image(&home);
    let installed = home.path().canonicalize().unwrap().join("plugins/zoo.so").display().to_string();
    let sentence = format!("{installed}: {}", sentence(&home));
    let out = home.folder.path().join("out").display().to_string();
    let explain = ["explain", &image, "--run", &network, "--method", "gradcam,zoo", "--out", &out];
    let (code, text) = run(&home, &explain);
    assert!(text.contains(&format!("error: {sentence}\n")), "{text}");
    assert!(code == 1 || code == 2, "{code}");

    let mut terminal = viewer_with_zoo(&home);
    terminal.wait_for("zoo.so");
    terminal.rest(0);
    let shown = panel(&terminal);
    assert!(shown.contains(&sentence), "{shown}\n{sentence}");
    terminal.send("mgradcam\r");
    terminal.wait_for("raw peak");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
}

fn crash(home: &Home, how: &str) -> String {
    let log = home.path().canonicalize().unwrap().join("logs/warm.log");
    format!("the method `zoo` crashed the worker: {how}; {AUTHOR}, with the end of {}", log.display())
}

#[test]
fn a_segmentation_fault_in_use() {
    let how = "signal 11 (SIGSEGV, a memory error inside a plugin or a library)";
    fails_in_use(&["-DHARM_IN_RUN", "-DSEGFAULT"], &|home| crash(home, how));
}

#[test]
fn a_crash_in_a_queued_job_names_the_method() {
    let home = Home::trained();
    let library = variant(&home, "zoo.so", &["-DHARM_IN_RUN", "-DSEGFAULT"]);
    ok(&home, &["plugins", "install", &library.display().to_string()]);
    let (network, _) = first_image(&home);
    let explain = "--wait --methods gradcam,zoo --metrics energy --limit 2";
    let arguments = ["explain-eval", &network].into_iter().chain(explain.split(' ')).collect::<Vec<_>>();
    let (code, text) = run(&home, &arguments);
    let installed = home.path().canonicalize().unwrap().join("plugins/zoo.so").display().to_string();
    let sentence = format!("{installed}: the method `zoo` crashed the worker: signal 11 (SIGSEGV, ");
    assert!(code != 0 && text.contains(&sentence) && text.contains(AUTHOR), "{code}: {text}");
}

#[test]
fn an_abort_in_use() {
    let how = "signal 6 (SIGABRT, an abort inside a plugin or a library)";
    fails_in_use(&["-DHARM_IN_RUN", "-DABORT"], &|home| crash(home, how));
}

#[test]
fn an_exit_in_use() {
    fails_in_use(&["-DHARM_IN_RUN", "-DEXIT"], &|home| crash(home, "it ended the process with exit code 0"));
}

#[test]
fn a_failure_without_text() {
    fails_in_use(&["-DNO_TEXT"], &|_| format!("`zoo` failed: it returned status 1 and no text; {AUTHOR}"));
}

#[test]
fn a_map_that_was_not_written() {
    let sentence = format!("the method `zoo` left its map of layer `features.3` unwritten; {AUTHOR}");
    fails_in_use(&["-DNOT_WRITTEN"], &|_| sentence.clone());
}

#[test]
fn a_map_that_was_overrun() {
    let sentence = format!("the method `zoo` wrote outside the memory of its map of layer `features.3`; {AUTHOR}");
    fails_in_use(&["-DOVERRUN"], &|_| sentence.clone());
}

#[test]
fn an_instance_with_a_null_function() {
    fails_in_use(&["-DNULL_ATTRIBUTE"], &|_| format!("its function `attribute` is null; {AUTHOR}"));
}

#[test]
fn nan_is_shown_as_an_outcome_of_the_image() {
    let home = Home::trained();
    let library = variant(&home, "zoo.so", &["-DWRITES_NAN"]);
    ok(&home, &["plugins", "install", &library.display().to_string()]);
    let (network, image) = first_image(&home);
    let out = home.folder.path().join("out").display().to_string();
    let text = ok(&home, &["explain", &image, "--run", &network, "--method", "zoo", "--out", &out]);
    assert!(text.contains("nan-map"), "{text}");
    let mut terminal = viewer_with_zoo(&home);
    terminal.wait_for("the map is not a number everywhere: there is nothing to show");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_method_that_never_ends_is_left_by_going_on() {
    let home = Home::trained();
    let library = variant(&home, "zoo.so", &["-DHARM_IN_RUN", "-DLOOP"]);
    ok(&home, &["plugins", "install", &library.display().to_string()]);
    let mut terminal = viewer_with_zoo(&home);
    terminal.wait_until_gone("raw peak");
    terminal.rest(0);
    // The worker is ended with it, and another one answers.
    terminal.send("mgradcam++\r");
    terminal.wait_for("raw peak");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn two_plugins_with_one_id_and_a_changed_file_are_said_everywhere() {
    let home = Home::trained();
    let first = variant(&home, "first.so", &[]);
    ok(&home, &["plugins", "install", &first.display().to_string()]);
    let second = variant(&home, "second.so", &["-DPLUGIN_ID=\"org.example.second\""]);
    let (code, text) = run(&home, &["plugins", "install", &second.display().to_string()]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("second.so: the method id `zoo` is taken by "), "{text}");
    assert!(text.contains("/plugins/first.so; choose another id, or remove that plugin\n"), "{text}");
    // Who can write the folder changes the file.
    let installed = home.path().canonicalize().unwrap().join("plugins/first.so");
    std::fs::copy(&second, &installed).unwrap();
    let text = ok(&home, &["plugins", "list"]);
    let sentence = text.lines().find_map(|line| line.strip_prefix("warning: ")).unwrap_or_else(|| panic!("{text}"));
    assert!(
        sentence.starts_with(&installed.display().to_string()) && sentence.contains("install it again"),
        "{sentence}"
    );
    let mut terminal = home.open(Kind::Plain, SIZE, &[]);
    terminal.wait_for("1 Studies");
    terminal.send("5");
    terminal.wait_for("broken");
    terminal.send("/broken\r");
    terminal.wait_for("problem");
    let screen = terminal.screen();
    let words = screen.replace(['│', '\n'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(sentence), "{screen}\n{sentence}");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
}
