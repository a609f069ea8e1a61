//! Any bytes can be read as a library; what a file says is held against the host in plain sentences.

use proptest::prelude::*;

use super::*;

fn host() -> HostFacts {
    HostFacts { machine: 62, is_64: true, little_endian: true, glibc: Some((2, 36)), libtorch: Some((2, 11, 0)) }
}

fn plugin() -> ElfFacts {
    ElfFacts {
        machine: 62,
        is_64: true,
        little_endian: true,
        is_shared: true,
        glibc: Some((2, 34)),
        entry: Some(EntryFacts { abi_major: 1, abi_minor: 0, struct_size: size_of::<abi::Entry>() as u64 }),
        ..ElfFacts::default()
    }
}

fn refusal(change: impl FnOnce(&mut ElfFacts)) -> String {
    let mut facts = plugin();
    change(&mut facts);
    check(Path::new("p.so"), &facts, &host()).unwrap_err().to_string()
}

#[test]
fn a_fitting_file_passes_and_each_mismatch_has_its_sentence() {
    assert_eq!(check(Path::new("p.so"), &plugin(), &host()), Ok(()));
    assert_eq!(
        refusal(|facts| facts.machine = 183),
        "p.so: is built for aarch64, this machine is x86-64; get or build it for x86-64"
    );
    assert_eq!(
        refusal(|facts| facts.is_shared = false),
        "p.so: is a program or an object file, not a library; give a .so file"
    );
    assert_eq!(
        refusal(|facts| facts.glibc = Some((2, 99))),
        "p.so: needs GLIBC 2.99, this system has 2.36; build it on an older system, or use a newer one"
    );
    assert_eq!(
        refusal(|facts| facts.libtorch = Some("=2.9.1".to_owned())),
        "p.so: is built for libtorch 2.9.1, this Lightbox runs 2.11.0; rebuild it against libtorch 2.11.0"
    );
    assert_eq!(
        refusal(|facts| facts.libtorch = Some(">=2.12.0".to_owned())),
        "p.so: needs libtorch 2.12.0 or later, this Lightbox runs 2.11.0; update Lightbox, or get a build of the \
         plugin for an older libtorch"
    );
    assert_eq!(
        refusal(|facts| facts.libtorch = Some("2".to_owned())),
        "p.so: its `lightbox_plugin_libtorch` is \"2\", not such as \"=2.11.0\" or \">=2.10.0\"; report it to the \
         plugin's author"
    );
    let mut older = plugin();
    older.libtorch = Some(">=2.10.0".to_owned());
    assert_eq!(check(Path::new("p.so"), &older, &host()), Ok(()));
}

#[test]
fn versions_of_glibc_are_numbers() {
    assert_eq!(glibc_version("GLIBC_2.34"), Some((2, 34)));
    assert_eq!(glibc_version("GLIBC_2.2.5"), Some((2, 2)));
    assert_eq!(glibc_version("GLIBC_PRIVATE"), None);
    assert_eq!(glibc_version("GLIBCXX_3.4"), None);
}

/// This test program: a real ELF file of a size that is quick to change.
fn sample() -> &'static [u8] {
    static SAMPLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    SAMPLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("p.c"), folder.path().join("p.so"));
        std::fs::write(
            &source,
            "struct { unsigned a, b; unsigned long c; void *d[6]; } lightbox_plugin_entry = {1, 2, 64};\n\
             const char lightbox_plugin_libtorch[32] = \"=2.11.0\";\n\
             extern int puts(const char *); int f(void) { return puts(\"x\"); }",
        )
        .unwrap();
        let status = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-Wl,-rpath,/a:$ORIGIN/b", "-o"])
            .args([&library, &source])
            .status()
            .unwrap();
        assert!(status.success());
        std::fs::read(library).unwrap()
    })
}

#[test]
fn the_file_of_a_library_is_read() {
    let facts = read(sample()).unwrap();
    assert_eq!(facts.entry, Some(EntryFacts { abi_major: 1, abi_minor: 2, struct_size: 64 }));
    assert_eq!(facts.libtorch.as_deref(), Some("=2.11.0"));
    assert_eq!(facts.run_path, ["/a", "$ORIGIN/b"]);
    assert!(facts.needed.contains(&"libc.so.6".to_owned()), "{:?}", facts.needed);
    assert!(facts.glibc.is_some());
    assert!(facts.is_shared);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_library_with_changed_bytes_never_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..32),
        in_header in any::<bool>(),
    ) {
        let mut bytes = sample().to_vec();
        // Half of the cases change only the headers, where most of the structure is.
        let span = if in_header { 1024 } else { bytes.len() };
        for (place, value) in changes {
            bytes[place.index(span)] = value;
        }
        if let Ok(facts) = read(bytes.as_slice()) {
            let _ = check_version(Path::new("p.so"), facts.entry.map_or(0, |entry| entry.abi_major), 0);
            let _ = check_libtorch(Path::new("p.so"), &facts, &host());
        }
    }

    #[test]
    fn a_cut_library_never_panics(length in any::<prop::sample::Index>()) {
        let bytes = sample();
        let _ = read(&bytes[..length.index(bytes.len())]);
    }

    #[test]
    fn any_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..4096), magic in any::<bool>()) {
        if magic && bytes.len() > 6 {
            bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        }
        let _ = read(bytes.as_slice());
    }
}
