//! One loaded plugin library. It is checked before it is loaded, initialised once, and never unloaded.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libloading::os::unix::{Library as System, RTLD_LOCAL, RTLD_NOW};
use lightbox_abi as abi;
use lightbox_abi::metadata::PluginMetadata;

use super::{HostFacts, PluginError, Result, c_values::c_text, describe, elf};

/// A loaded plugin library.
#[derive(Debug)]
pub struct Library {
    file: PathBuf,
    entry: &'static abi::Entry,
    facts: elf::ElfFacts,
    metadata: OnceLock<Result<PluginMetadata>>,
    /// Functions marked `[main]` in the ABI are called by one thread at a time.
    main: Mutex<()>,
}

/// Outcome of every load so far, by device and inode: the same file under two names is one library.
type Loaded = HashMap<(u64, u64), Result<&'static Library>>;

fn loaded() -> MutexGuard<'static, Loaded> {
    static LOADED: OnceLock<Mutex<Loaded>> = OnceLock::new();
    // The map stays whole when a thread panics: entries are inserted in one step.
    LOADED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Library {
    /// Checks, loads and initialises the library `file`, or gives the one that was loaded before.
    ///
    /// # Errors
    ///
    /// One sentence that names the file, what was found, what was expected and what to do.
    pub fn load(file: &Path) -> Result<&'static Library> {
        let status = std::fs::metadata(file)
            .map_err(|error| PluginError::refused(file, format!("cannot be read: {error}"), "check the path"))?;
        let key = (status.dev(), status.ino());
        let mut loaded = loaded();
        if let Some(outcome) = loaded.get(&key) {
            return outcome.clone();
        }
        let facts = elf::read_file(file)?;
        elf::check(file, &facts, &HostFacts::current())?;
        let system = Library::map(file)?;
        // The file is mapped for ever, so its inode is not used again; and code of the plugin has run, so that a second
        // attempt would run it again.
        let outcome = Library::start(file, facts, system).map(|library| &*Box::leak(Box::new(library)));
        loaded.insert(key, outcome.clone());
        outcome
    }

    fn map(file: &Path) -> Result<System> {
        // `dlopen` looks for a bare file name in the system's folders.
        let path = std::path::absolute(file)
            .map_err(|error| PluginError::refused(file, format!("has no absolute path: {error}"), "check the path"))?;
        // SAFETY: loading runs the library's own initialisers; the user trusts the libraries of the search path, and jobs run
        // in a process of their own.
        unsafe { System::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| {
            PluginError::refused(
                file,
                format!("cannot be loaded: {}", without_path(&path, error)),
                "rebuild it on this machine, or install what it needs",
            )
        })
    }

    fn start(file: &Path, facts: elf::ElfFacts, system: System) -> Result<Library> {
        // SAFETY: the ELF file exports the name as data of the entry's size, which `elf::check` found.
        let entry = unsafe { system.get::<*const abi::Entry>(abi::ENTRY_SYMBOL) }
            .map(|symbol| *symbol)
            .map_err(|_| PluginError::faulty(file, format!("`{}` is not exported", abi::ENTRY_SYMBOL)));
        // Never unloaded: threads, destructors and leaked tables of a plugin outlive any handle.
        std::mem::forget(system);
        let entry = entry?;
        // SAFETY: an exported symbol of the right size lives as long as the library, that is, for ever.
        let entry = unsafe { entry.as_ref() }
            .ok_or_else(|| PluginError::faulty(file, format!("`{}` is null", abi::ENTRY_SYMBOL)))?;
        elf::check_version(file, entry.abi_major, entry.struct_size)?;
        let library = Library { file: file.to_owned(), entry, facts, metadata: OnceLock::new(), main: Mutex::new(()) };
        library.initialise()?;
        Ok(library)
    }

    fn initialise(&self) -> Result<()> {
        let init = self.entry.init.missing(self, "init")?;
        self.entry.get_factory.missing(self, "get_factory")?;
        self.entry.last_error.missing(self, "last_error")?;
        if self.entry.plugin_id.is_null() || self.entry.plugin_version.is_null() {
            return Err(PluginError::faulty(&self.file, "its entry has no id or no version"));
        }
        // SAFETY: the host table is a constant.
        let status = self.main_call(|| unsafe { init(host()) });
        self.check(status, || "`init`".to_owned())
    }

    /// The library's file, as it was given to [`Library::load`].
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What the plugin says of itself, its methods and its networks.
    ///
    /// # Errors
    ///
    /// A descriptor that cannot be given or does not keep the promises of the ABI.
    pub fn metadata(&'static self) -> Result<&'static PluginMetadata> {
        self.metadata.get_or_init(|| describe::plugin(self)).as_ref().map_err(Clone::clone)
    }

    pub(super) fn entry(&self) -> &'static abi::Entry {
        self.entry
    }

    pub(super) fn facts(&self) -> &elf::ElfFacts {
        &self.facts
    }

    /// Runs a call of a function marked `[main]`.
    pub(super) fn main_call<T>(&self, call: impl FnOnce() -> T) -> T {
        let _one_at_a_time = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        call()
    }

    /// The plugin's factory of methods, if it has one.
    pub(super) fn find_attribution_factory(&self) -> Result<Option<&'static abi::AttributionFactory>> {
        // SAFETY: the ABI gives this type for this id.
        unsafe { self.factory(abi::ATTRIBUTION_ID) }
    }

    /// The plugin's factory of networks, if it has one.
    pub(super) fn find_model_factory(&self) -> Result<Option<&'static abi::ModelFactory>> {
        // SAFETY: the ABI gives this type for this id.
        unsafe { self.factory(abi::MODEL_ID) }
    }

    pub(super) fn attribution_factory(&self) -> Result<&'static abi::AttributionFactory> {
        self.find_attribution_factory()?.ok_or_else(|| PluginError::faulty(&self.file, "it offers no methods any more"))
    }

    pub(super) fn model_factory(&self) -> Result<&'static abi::ModelFactory> {
        self.find_model_factory()?.ok_or_else(|| PluginError::faulty(&self.file, "it offers no models any more"))
    }

    /// # Safety
    ///
    /// The ABI gives a `T` for `id`, and `T` begins with its size.
    unsafe fn factory<T>(&self, id: &str) -> Result<Option<&'static T>> {
        let get_factory = self.entry.get_factory.missing(self, "get_factory")?;
        let c_id = c_text(id)?;
        // SAFETY: the id outlives the call.
        let factory = self.main_call(|| unsafe { get_factory(c_id.as_ptr()) });
        if factory.is_null() {
            return Ok(None);
        }
        // SAFETY: every table but the entry begins with its size.
        if unsafe { factory.cast::<u64>().read() } < size_of::<T>() as u64 {
            return Err(PluginError::faulty(&self.file, format!("its factory `{id}` is shorter than its ABI says")));
        }
        // SAFETY: the caller promises the type, and the size fits; the library is never unloaded.
        Ok(unsafe { factory.cast::<T>().as_ref() })
    }

    /// Turns a status into an error with the plugin's own text.
    pub(super) fn check(&self, status: abi::Status, action: impl FnOnce() -> String) -> Result<()> {
        if status == abi::STATUS_OK {
            return Ok(());
        }
        if status == abi::STATUS_CANCELLED {
            return Err(PluginError::Cancelled);
        }
        let (file, action) = (self.file.clone(), action());
        let message = match self.last_error() {
            text if text.is_empty() => {
                format!("it returned status {status} and no text; report it to the plugin's author")
            }
            text if status == abi::STATUS_PANICKED => format!("{text}; report it to the plugin's author"),
            text => text,
        };
        if status == abi::STATUS_OUT_OF_MEMORY {
            return Err(PluginError::OutOfMemory { file, action, message });
        }
        Err(PluginError::Failed { file, action, message })
    }

    pub(super) fn last_error(&self) -> String {
        // An error is a sentence; more than this is cut.
        const CAPACITY: usize = 8192;
        let Some(last_error) = self.entry.last_error else { return String::new() };
        let mut text = vec![0_u8; CAPACITY];
        // SAFETY: the buffer has room for the capacity that is passed.
        let length = unsafe { last_error(text.as_mut_ptr().cast::<c_char>(), CAPACITY as u64) };
        let length = usize::try_from(length).unwrap_or(CAPACITY).min(CAPACITY - 1);
        text.truncate(length);
        // A plugin may say more than it wrote.
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        String::from_utf8_lossy(&text[..end]).trim().to_owned()
    }
}

/// A function pointer that the ABI says is never null.
pub(super) trait Missing<T> {
    fn missing(self, library: &Library, name: &str) -> Result<T>;
}

impl<T> Missing<T> for Option<T> {
    fn missing(self, library: &Library, name: &str) -> Result<T> {
        self.ok_or_else(|| PluginError::faulty(&library.file, format!("its function `{name}` is null")))
    }
}

/// What the dynamic linker says, without the path that every sentence already begins with.
fn without_path(path: &Path, error: libloading::Error) -> String {
    // `dlerror` is the innermost error; the outer one only names the function.
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    let prefix = format!("{}: ", path.display());
    text.strip_prefix(&prefix).unwrap_or(&text).to_owned()
}

struct HostTable(abi::Host);

// SAFETY: the table is a constant.
unsafe impl Sync for HostTable {}

fn host() -> *const abi::Host {
    static HOST: HostTable = HostTable(abi::Host {
        struct_size: size_of::<abi::Host>() as u64,
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        name: c"lightbox".as_ptr(),
        version: VERSION.as_ptr(),
        context: std::ptr::null_mut(),
        get_extension: Some(no_extension),
    });
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("the version contains a zero byte"),
    };
    &HOST.0
}

/// The host offers no capability outside a run yet.
unsafe extern "C" fn no_extension(_host: *const abi::Host, _id: *const c_char) -> *const c_void {
    std::ptr::null()
}
