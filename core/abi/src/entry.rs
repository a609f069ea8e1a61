//! The one constant that a plugin exports, and the host that it is given.

use core::ffi::{c_char, c_void};

use crate::Status;

/// Name of the exported constant of type [`Entry`].
pub const ENTRY_SYMBOL: &str = "lightbox_plugin_entry";

/// Name of an optional exported constant: a zero-terminated text in at most [`LIBTORCH_CAPACITY`] bytes that says which
/// libtorch the plugin needs. `=2.11.0` is that version exactly (a plugin that uses libtorch's C++), `>=2.10.0` that
/// version or a later one (a plugin that uses only libtorch's stable C shim). It is read from the file, before the library
/// is loaded: the bytes must need no relocation. A plugin that links libtorch and does not export it is refused.
pub const LIBTORCH_SYMBOL: &str = "lightbox_plugin_libtorch";
/// Size in bytes of the constant named [`LIBTORCH_SYMBOL`].
pub const LIBTORCH_CAPACITY: usize = 32;

/// Name of an optional exported constant, a zero-terminated text in at most [`LIBTORCH_CAPACITY`] bytes: the version of the
/// SDK that the plugin was built with. Only shown.
pub const SDK_SYMBOL: &str = "lightbox_plugin_sdk";

/// What a plugin is: the only thing it exports. This struct never grows.
///
/// The first three fields hold no address, so the host reads them from the file before it loads the library.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// [`crate::ABI_MAJOR`] of the header the plugin was built with.
    pub abi_major: u32,
    /// [`crate::ABI_MINOR`] of the header the plugin was built with.
    pub abi_minor: u32,
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Id of the plugin as a reverse URI, such as `org.example.my-cams`. Valid for ever, never null or empty.
    pub plugin_id: *const c_char,
    /// Version of the plugin, such as `1.2.0`. Valid for ever, never null.
    pub plugin_version: *const c_char,
    /// Called once, before any other function except [`Entry::last_error`]. `[main]`
    ///
    /// `host` stays valid until `deinit` has returned and may be kept. After an error no other function is called.
    pub init: Option<unsafe extern "C" fn(host: *const Host) -> Status>,
    /// Called at most once, after every instance is destroyed. `[main]` The library is not unloaded afterwards.
    pub deinit: Option<unsafe extern "C" fn()>,
    /// Gives the text of the last call on this thread that did not return [`crate::STATUS_OK`]. `[any]`
    ///
    /// Writes at most `capacity` bytes including the final zero and returns the length of the whole text without it; a
    /// return value of `capacity` or more means that the text was cut. `buffer` may be null when `capacity` is zero.
    pub last_error: Option<unsafe extern "C" fn(buffer: *mut c_char, capacity: u64) -> u64>,
    /// Gives the factory of a capability, or null when the plugin has none of that id. `[main]`
    ///
    /// [`crate::ATTRIBUTION_ID`] gives an [`crate::AttributionFactory`], [`crate::MODEL_ID`] a
    /// [`crate::ModelFactory`]. The factory belongs to the plugin and is valid until `deinit`.
    pub get_factory: Option<unsafe extern "C" fn(factory_id: *const c_char) -> *const c_void>,
}

// SAFETY: an entry is a constant; its pointers lead to constants and functions, which every thread may read.
unsafe impl Sync for Entry {}

/// The program that loaded the plugin.
#[repr(C)]
#[derive(Debug)]
pub struct Host {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// The host's [`crate::ABI_MAJOR`].
    pub abi_major: u32,
    /// The host's [`crate::ABI_MINOR`].
    pub abi_minor: u32,
    /// Name of the host, such as `lightbox`.
    pub name: *const c_char,
    /// Version of the host.
    pub version: *const c_char,
    /// The host's own; a plugin leaves it alone.
    pub context: *mut c_void,
    /// Gives a capability of the host by id, or null. `[any]` The result is valid until `deinit`.
    pub get_extension: Option<unsafe extern "C" fn(host: *const Host, id: *const c_char) -> *const c_void>,
}

// SAFETY: a host table is written once, before the plugin sees it, and only read afterwards.
unsafe impl Sync for Host {}
