//! Libraries that misbehave, each with the exact sentence that a user sees.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod zoo_support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lightbox_engine::plugin::probe::{self, ProbeLimits};
use lightbox_engine::plugin::{
    AttributionHandle, AttributionLayer, AttributionMap, AttributionRequest, Library, PluginError, Registry, Result,
    SearchPath,
};
use tch::{Device, Kind, Tensor};
use zoo_support::{NoServices, compile, example, zoo};

const AUTHOR: &str = "report it to the plugin's author";

/// What loading and describing a library in this process says, without the folder.
fn refusal(file: &Path) -> String {
    let error = Library::load(file).and_then(|library| library.metadata().cloned()).unwrap_err();
    without_folder(&error, file)
}

fn without_folder(error: &PluginError, file: &Path) -> String {
    error.to_string().replace(&format!("{}/", file.parent().unwrap().display()), "")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The sentence for a variant of the zoo.
fn refused(arguments: &[&str]) -> String {
    let folder = folder();
    refusal(&zoo(folder.path(), "zoo.so", arguments))
}

#[test]
fn a_well_behaved_library_loads_and_says_what_it_offers() {
    let folder = folder();
    let metadata = Registry::read_here(&zoo(folder.path(), "zoo.so", &[])).unwrap();
    assert_eq!((metadata.id.as_str(), metadata.version.as_str(), metadata.abi), ("org.example.zoo", "1.0.0", [1, 0]));
    assert_eq!(metadata.attributions[0].id, "zoo");
    assert_eq!(metadata.unsupported, []);
}

#[test]
fn what_is_no_library() {
    let folder = folder();
    let file = folder.path().join("notes.so");
    assert_eq!(refusal(&file), "notes.so: cannot be read: No such file or directory (os error 2); check the path");
    std::fs::write(&file, "These are the notes of a radiologist.").unwrap();
    assert_eq!(
        refusal(&file),
        "notes.so: is not a library (it does not begin as an ELF file); give the plugin's library, a .so file"
    );
    std::fs::write(&file, "").unwrap();
    assert_eq!(
        refusal(&file),
        "notes.so: is not a library (it is shorter than an ELF header); give the plugin's library, a .so file"
    );
    let directory = folder.path().join("folder.so");
    std::fs::create_dir(&directory).unwrap();
    assert_eq!(refusal(&directory), "folder.so: is not a file; give the plugin's library, a .so file");
    let cut = zoo(folder.path(), "cut.so", &[]);
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let sentence = refusal(&cut);
    assert!(sentence.starts_with("cut.so: is not a library (it is damaged: "), "{sentence}");
    assert!(sentence.ends_with("); give the plugin's library, a .so file"), "{sentence}");
}

#[test]
fn another_architecture() {
    let folder = folder();
    let file = zoo(folder.path(), "zoo.so", &[]);
    let mut bytes = std::fs::read(&file).unwrap();
    // `e_machine`: aarch64 here, and x86-64 on a machine that is itself aarch64.
    let (foreign, found, here) =
        if cfg!(target_arch = "x86_64") { (183_u16, "aarch64", "x86-64") } else { (62, "x86-64", "aarch64") };
    bytes[18..20].copy_from_slice(&foreign.to_le_bytes());
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(
        refusal(&file),
        format!("zoo.so: is built for {found}, this machine is {here}; get or build it for {here}")
    );
}

#[test]
fn a_newer_glibc() {
    let folder = folder();
    let (source, versions) = (folder.path().join("future.c"), folder.path().join("future.map"));
    std::fs::write(&source, "int from_the_future(void) { return 0; }").unwrap();
    std::fs::write(&versions, "GLIBC_2.99 { global: from_the_future; };").unwrap();
    let script = format!("-Wl,--version-script={},-soname,libc.so.6", versions.display());
    let future = compile(&source, folder.path(), "libfuture.so", &[&script]);
    let file = zoo(folder.path(), "zoo.so", &["-DFROM_THE_FUTURE", future.to_str().unwrap()]);
    let host = lightbox_engine::plugin::HostFacts::current().glibc.unwrap();
    assert_eq!(
        refusal(&file),
        format!(
            "zoo.so: needs GLIBC 2.99, this system has {}.{}; build it on an older system, or use a newer one",
            host.0, host.1
        )
    );
}

#[test]
fn a_missing_needed_library_and_one_beside_it() {
    let folder = folder();
    let source = folder.path().join("nowhere.c");
    std::fs::write(&source, "int nowhere(void) { return 0; }").unwrap();
    let nowhere = compile(&source, folder.path(), "libnowhere.so.1", &["-Wl,-soname,libnowhere.so.1"]);
    let needs = ["-DNEEDS_NOWHERE", nowhere.to_str().unwrap()];
    let beside = zoo(folder.path(), "beside.so", &[needs[0], needs[1], "-Wl,-rpath,$ORIGIN"]);
    assert!(Library::load(&beside).is_ok(), "it is found through the run path");
    let moved = tempfile::tempdir().unwrap();
    let alone = zoo(moved.path(), "alone.so", &needs);
    let missing = "libnowhere.so.2";
    let bytes = std::fs::read(&alone).unwrap();
    let place = bytes.windows(15).position(|window| window == b"libnowhere.so.1").unwrap();
    let mut bytes = bytes;
    bytes[place..place + 15].copy_from_slice(missing.as_bytes());
    std::fs::write(&alone, bytes).unwrap();
    assert_eq!(
        refusal(&alone),
        "alone.so: needs the library libnowhere.so.2, which is not found; install libnowhere.so.2, or build the plugin \
         with its folder in the run path"
    );
}

#[test]
fn an_undefined_symbol_is_refused_by_the_linker_in_one_sentence() {
    let folder = folder();
    assert_eq!(
        refusal(&zoo(folder.path(), "zoo.so", &["-DNEEDS_NOWHERE"])),
        "zoo.so: cannot be loaded: undefined symbol: nowhere; rebuild it on this machine, or install what it needs"
    );
}

#[test]
fn no_entry_and_other_versions() {
    assert_eq!(
        refused(&["-DNO_ENTRY"]),
        "zoo.so: is a library but no plugin: it does not export the constant `lightbox_plugin_entry`; give a library \
         that was built with a Lightbox SDK"
    );
    assert_eq!(
        refused(&["-DMAJOR=0"]),
        "zoo.so: is built for plugin ABI 0, this Lightbox speaks ABI 1; rebuild it with the current SDK"
    );
    assert_eq!(
        refused(&["-DMAJOR=2"]),
        "zoo.so: is built for plugin ABI 2, this Lightbox speaks ABI 1; update Lightbox, or get a build of the plugin \
         for ABI 1"
    );
    assert_eq!(refused(&["-DSHORT_ENTRY"]), format!("zoo.so: its entry is 32 bytes long, not 64; {AUTHOR}"));
}

#[test]
fn another_libtorch() {
    let running = lightbox_engine::plugin::HostFacts::current().libtorch.unwrap();
    let running = format!("{}.{}.{}", running.0, running.1, running.2);
    assert_eq!(
        refused(&["-DLIBTORCH=\"=2.9.1\""]),
        format!(
            "zoo.so: is built for libtorch 2.9.1, this Lightbox runs {running}; rebuild it against libtorch {running}"
        )
    );
    assert_eq!(
        refused(&["-DLIBTORCH=\">=3.0.0\""]),
        format!(
            "zoo.so: needs libtorch 3.0.0 or later, this Lightbox runs {running}; update Lightbox, or get a build of \
             the plugin for an older libtorch"
        )
    );
    let folder = folder();
    let source = folder.path().join("torch.c");
    std::fs::write(&source, "int nowhere(void) { return 0; }").unwrap();
    let torch = compile(&source, folder.path(), "libtorch_cpu.so", &["-Wl,-soname,libtorch_cpu.so"]);
    assert_eq!(
        refusal(&zoo(folder.path(), "zoo.so", &["-DNEEDS_NOWHERE", torch.to_str().unwrap()])),
        "zoo.so: links libtorch but does not say which version: it does not export `lightbox_plugin_libtorch`; build it \
         with lightbox-plugin-torch, or export the constant"
    );
}

#[test]
fn null_functions_and_failing_initialisation() {
    assert_eq!(refused(&["-DNULL_SLOT"]), format!("zoo.so: its function `get_factory` is null; {AUTHOR}"));
    assert_eq!(refused(&["-DINIT_FAILS"]), "zoo.so: `init` failed: the licence has expired");
    assert_eq!(
        refused(&["-DINIT_FAILS_WITHOUT_TEXT"]),
        format!("zoo.so: `init` failed: it returned status 1 and no text; {AUTHOR}")
    );
}

#[test]
fn a_failed_library_is_not_initialised_again() {
    let folder = folder();
    let file = zoo(folder.path(), "zoo.so", &["-DINIT_FAILS"]);
    let first = Library::load(&file).unwrap_err();
    assert_eq!(Library::load(&file).unwrap_err(), first);
}

#[test]
fn broken_and_unknown_descriptors() {
    assert_eq!(
        refused(&["-DNO_DESCRIPTOR"]),
        format!("zoo.so: describing method 0 failed: it gave no descriptor and no text; {AUTHOR}")
    );
    assert_eq!(
        refused(&["-DSHORT_DESCRIPTOR"]),
        format!("zoo.so: the descriptor of a method is shorter than its ABI says; {AUTHOR}")
    );
    assert_eq!(
        refused(&["-DMETHOD_ID=\"Grad CAM\""]),
        format!(
            "zoo.so: the id `Grad CAM` of a method is not made of lower-case letters, digits, `-`, `_` and `+`; {AUTHOR}"
        )
    );
    // An unknown kind of data leaves out the method, not the library.
    let folder = folder();
    let file = zoo(folder.path(), "zoo.so", &["-DLAYOUT=77"]);
    let registry = Registry::load_all(&SearchPath::default().folder(folder.path()));
    assert_eq!(registry.problems(), []);
    assert_eq!(
        without_folder(&registry.find_attribution("zoo").unwrap_err(), &file),
        "there is no method `zoo` that can be used; zoo.so: it works on layout 77 of 4 dimensions, not on images; a newer \
         Lightbox may know it"
    );
}

/// Runs the only method of a variant of the zoo on two images.
fn run(folder: &Path, arguments: &[&str]) -> (PathBuf, AttributionHandle, Result<Vec<AttributionMap>>) {
    let file = zoo(folder, "zoo.so", arguments);
    let registry = Registry::load_all(&SearchPath::default().folder(folder));
    let mut method = registry.attribution("zoo", &Vec::new()).unwrap();
    let outcome = attribute(&mut method);
    (file, method, outcome)
}

fn attribute(method: &mut AttributionHandle) -> Result<Vec<AttributionMap>> {
    let activations = Tensor::ones([2, 3, 4, 5], (Kind::Float, Device::Cpu));
    let request = AttributionRequest {
        targets: &[0, 1],
        classes: 2,
        input_shape: (3, 32, 40),
        input: None,
        scores: None,
        layers: vec![AttributionLayer {
            name: "layer4",
            size: (4, 5),
            activations: Some(&activations),
            gradients: None,
        }],
        device: Device::Cpu,
        seed: 0,
        image_seeds: &[0, 1],
    };
    method.attribute(&request, &mut NoServices)
}

#[test]
fn failures_while_it_runs() {
    let sentence = |arguments: &[&str]| {
        let folder = folder();
        let (file, _, outcome) = run(folder.path(), arguments);
        without_folder(&outcome.unwrap_err(), &file)
    };
    assert_eq!(sentence(&["-DNO_TEXT"]), format!("zoo.so: `zoo` failed: it returned status 1 and no text; {AUTHOR}"));
    assert_eq!(sentence(&["-DUNKNOWN_STATUS"]), "zoo.so: `zoo` failed: the moon is full");
    assert_eq!(
        sentence(&["-DNOT_WRITTEN"]),
        format!("zoo.so: the method `zoo` left its map of layer `layer4` unwritten; {AUTHOR}")
    );
}

#[test]
fn a_null_function_of_an_instance() {
    let folder = folder();
    let file = zoo(folder.path(), "zoo.so", &["-DNULL_ATTRIBUTE"]);
    let registry = Registry::load_all(&SearchPath::default().folder(folder.path()));
    let error = registry.attribution("zoo", &Vec::new()).unwrap_err();
    assert_eq!(without_folder(&error, &file), format!("zoo.so: its function `attribute` is null; {AUTHOR}"));
}

#[test]
fn a_write_outside_a_map_is_found_and_ends_the_instance() {
    for wrong in ["-DOVERRUN", "-DUNDERRUN"] {
        let folder = folder();
        let (file, mut method, outcome) = run(folder.path(), &[wrong]);
        assert_eq!(
            without_folder(&outcome.unwrap_err(), &file),
            format!("zoo.so: the method `zoo` wrote outside the memory of its map of layer `layer4`; {AUTHOR}")
        );
        assert_eq!(
            without_folder(&attribute(&mut method).unwrap_err(), &file),
            format!("zoo.so: the method `zoo` failed so badly earlier that it is not used again; {AUTHOR}")
        );
    }
}

#[test]
fn nan_is_an_outcome_of_an_image_and_no_failure() {
    let folder = folder();
    let (_, _, outcome) = run(folder.path(), &["-DWRITES_NAN"]);
    let maps = outcome.unwrap();
    assert_eq!(maps[0].not_finite(), [1], "only the second image has NaN");
    let folder = tempfile::tempdir().unwrap();
    let (_, _, outcome) = run(folder.path(), &[]);
    assert_eq!(outcome.unwrap()[0].not_finite(), [0_usize; 0]);
}

#[test]
fn two_plugins_with_one_id() {
    let folder = folder();
    let a = zoo(folder.path(), "a.so", &[]);
    let registry = Registry::load_all(&SearchPath::default().folder(folder.path()));
    assert_eq!(registry.problems(), []);
    // The same file twice is one plugin.
    std::fs::copy(&a, folder.path().join("copy.so")).unwrap();
    let registry = Registry::load_all(&SearchPath::default().folder(folder.path()));
    assert_eq!(registry.problems(), []);
    assert_eq!(registry.libraries().len(), 1);
    std::fs::remove_file(folder.path().join("copy.so")).unwrap();

    let b = zoo(folder.path(), "b.so", &["-DINIT_FAILS_NOT", "-DMETHOD_ID=\"other\""]);
    let registry = Registry::load_all(&SearchPath::default().folder(folder.path()));
    let problems: Vec<_> = registry.problems().iter().map(|problem| without_folder(problem, &b)).collect();
    assert_eq!(problems, ["two plugins have the plugin id `org.example.zoo`: a.so and b.so; remove one of them"]);
    // Their methods have ids of their own and can be used.
    assert!(registry.attribution("other", &Vec::new()).is_ok());
    std::fs::remove_file(&b).unwrap();

    let c = zoo(folder.path(), "c.so", &["-DPLUGIN_ID=\"org.example.c\""]);
    let registry = Registry::load_all(&SearchPath::default().folder(folder.path()));
    let sentence = "two plugins have the method id `zoo`: a.so and c.so; remove one of them";
    assert_eq!(registry.problems().iter().map(|problem| without_folder(problem, &c)).collect::<Vec<_>>(), [sentence]);
    assert_eq!(without_folder(&registry.attribution("zoo", &Vec::new()).unwrap_err(), &c), sentence);
}

#[test]
fn unknown_ids_and_parameters_are_answered_with_the_nearest() {
    let folder = folder();
    zoo(folder.path(), "zoo.so", &["-DMETHOD_ID=\"gradcam\""]);
    let registry = Registry::load_all(&SearchPath::default().folder(folder.path()));
    let unknown = |id: &str| registry.attribution(id, &Vec::new()).unwrap_err().to_string();
    assert_eq!(unknown("gradcma"), "there is no method `gradcma`; did you mean `gradcam`?");
    assert_eq!(unknown("fullgrad"), "there is no method `fullgrad`; there is gradcam");
    let none = Registry::default();
    assert_eq!(
        none.find_model("resnet50").unwrap_err().to_string(),
        "there is no model `resnet50`; no plugin offers any, see `lightbox plugins list`"
    );
    let value = lightbox_engine::plugin::ParameterValue::Float(1.0);
    assert_eq!(
        registry.attribution("gradcam", &vec![("eps".to_owned(), value)]).unwrap_err().to_string(),
        "`gradcam`: there is no parameter `eps`; this takes none"
    );
}

/// What asking a library in a throw-away process says, without the folder.
fn probed(file: &Path, limits: ProbeLimits, environment: Option<&str>) -> Result<String, String> {
    let mut command = Command::new(example("zoo_worker"));
    command.arg("probe").arg(file);
    if let Some(value) = environment {
        command.env("LIGHTBOX_ZOO", value);
    }
    probe::ask(command, file, limits).map(|metadata| metadata.id).map_err(|error| without_folder(&error, file))
}

fn harmed(arguments: &[&str], limits: ProbeLimits) -> Result<String, String> {
    let folder = folder();
    probed(&zoo(folder.path(), "zoo.so", arguments), limits, None)
}

#[test]
fn a_throw_away_process_answers_as_this_one_does() {
    let plain = ProbeLimits::default();
    assert_eq!(harmed(&[], plain), Ok("org.example.zoo".to_owned()));
    assert_eq!(harmed(&["-DINIT_FAILS"], plain), Err("zoo.so: `init` failed: the licence has expired".to_owned()));
    // What a plugin prints does not get into the answer.
    assert_eq!(harmed(&["-DHARM_ON_LOAD", "-DCHATTER"], plain), Ok("org.example.zoo".to_owned()));
    let error = probe::in_worker(Path::new("/nowhere/worker"), Path::new("zoo.so"), plain).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/worker cannot be started: No such file or directory (os error 2)");
}

#[test]
fn a_library_that_ends_the_process_costs_only_that_process() {
    let plain = ProbeLimits::default();
    for place in ["-DHARM_ON_LOAD", "-DHARM_IN_INIT", "-DHARM_IN_DESCRIBE"] {
        assert_eq!(
            harmed(&[place, "-DSEGFAULT"], plain),
            Err(format!("zoo.so: crashed (segmentation fault) while it was described; {AUTHOR}"))
        );
        assert_eq!(
            harmed(&[place, "-DABORT"], plain),
            Err(format!("zoo.so: crashed (abort) while it was described; {AUTHOR}"))
        );
        assert_eq!(
            harmed(&[place, "-DEXIT"], plain),
            Err(format!("zoo.so: ended the process with exit code 0 while it was described; {AUTHOR}"))
        );
    }
}

#[test]
fn a_library_that_loops_or_eats_memory_is_stopped() {
    let short = ProbeLimits { time: Duration::from_secs(3), ..ProbeLimits::default() };
    assert_eq!(
        harmed(&["-DHARM_IN_INIT", "-DLOOP"], short),
        Err(format!("zoo.so: did not answer within 3 s and was stopped while it was described; {AUTHOR}"))
    );
    let small = ProbeLimits { memory: 1 << 30, time: Duration::from_secs(120) };
    assert_eq!(
        harmed(&["-DHARM_IN_DESCRIBE", "-DEAT"], small),
        Err(format!("zoo.so: took more than 1024 MiB of memory and was stopped while it was described; {AUTHOR}"))
    );
}

#[test]
fn a_panic_is_an_error_with_its_text() {
    let file = example("libzoo_method.so");
    let plain = ProbeLimits::default();
    assert_eq!(probed(&file, plain, None), Ok("org.example.zoo-method".to_owned()));
    assert_eq!(
        probed(&file, plain, Some("init")),
        Err(format!("libzoo_method.so: `init` failed: panicked: harm in init; {AUTHOR}"))
    );
    assert_eq!(
        probed(&file, plain, Some("describe")),
        Err(format!("libzoo_method.so: describing method 2 failed: panicked: harm in describe; {AUTHOR}"))
    );
}
