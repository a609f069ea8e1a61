//! The C ABI between Lightbox and its plugins: layouts, ids and status codes, and nothing that runs.
//!
//! A plugin is a dynamic library that exports one constant, [`Entry`], under the name [`ENTRY_SYMBOL`]. Everything
//! else is reached from it. The ABI is written down twice, in `core/abi/include/lightbox_plugin.h` for C and in the crate
//! `lightbox-abi` for Rust; a test compiles the one and compares every size, offset and constant with the other.
//!
//! # Rules
//!
//! * **Growth.** [`Entry`] never changes. Every other struct begins with `struct_size`, which its maker sets; a reader
//!   touches a field only when `struct_size` covers it. Fields are only ever added at the end. Arrays of structs are
//!   arrays of pointers, so that the struct can grow.
//! * **Capabilities** are found by string id, on the plugin's side ([`Entry::get_factory`]) and on the host's
//!   ([`Host::get_extension`], [`Run::get_extension`]). The meaning of an id never changes. Third parties use ids that
//!   begin with a domain of their own. An id with `.draft` before its number is tried out, and may go again.
//! * **Status.** Every call that can fail returns a [`Status`]. The text comes from [`Entry::last_error`] or, for a
//!   host service, [`Services::last_error`].
//! * **Unwinding.** No panic, exception or `longjmp` crosses the boundary in either direction.
//! * **Ownership.** An argument is borrowed for the call unless its comment says otherwise. What one side allocates,
//!   the same side frees, through the function named next to it.
//! * **Threads.** `[main]` functions are called by one thread at a time, not always the same. `[instance]` functions may be called
//!   on any thread, but for one instance never two at a time. `[any]` functions may be called on any thread at any time.
//!   `[run]` functions of the host may be called only during a call to [`Attribution::attribute`], on the thread it
//!   was called on.
//! * **Re-entry.** Unless its comment says otherwise a function may not be called from inside itself, and a plugin calls no
//!   plugin function from inside a host service.
//! * **Text** is UTF-8 and ends with a zero byte.

mod attribution;
mod dlpack;
mod entry;
mod hvp;
mod keep;
mod model;
mod parameter;
mod services;
mod taps;

#[cfg(feature = "metadata")]
pub mod metadata;

pub use attribution::*;
pub use dlpack::*;
pub use entry::*;
pub use hvp::*;
pub use keep::*;
pub use model::*;
pub use parameter::*;
pub use services::*;
pub use taps::*;

/// Major version of the ABI: a plugin of another major version is refused.
pub const ABI_MAJOR: u32 = 1;
/// Minor version of the ABI: a plugin of a newer minor version is accepted.
pub const ABI_MINOR: u32 = 0;

/// What every fallible call returns: one of the `STATUS_` constants. An unknown value counts as [`STATUS_FAILED`].
pub type Status = i32;
/// The call did what it says.
pub const STATUS_OK: Status = 0;
/// The call failed; the last error says why.
pub const STATUS_FAILED: Status = 1;
/// An argument is not one the function takes.
pub const STATUS_INVALID_ARGUMENT: Status = 2;
/// The request is well formed, but this side cannot serve it.
pub const STATUS_UNSUPPORTED: Status = 3;
/// The user asked to stop; a plugin that is told so returns the same.
pub const STATUS_CANCELLED: Status = 4;
/// The code behind the call panicked or threw; the instance must not be used again, only destroyed.
pub const STATUS_PANICKED: Status = 5;
/// There was not enough memory, on the host or on the device.
pub const STATUS_OUT_OF_MEMORY: Status = 6;
