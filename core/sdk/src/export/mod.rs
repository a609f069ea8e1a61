//! What [`export_plugin!`](crate::export_plugin) is made of: the C side of a plugin. Authors need not look here.

mod attribution;
mod guard;
mod table;

pub use attribution::{AttributionExport, AttributionFactory};
pub use guard::{fail, guard, guard_pointer, guard_silent, last_error};
pub use lightbox_abi as abi;
pub use table::{leak_table, leak_text, read_values};

use std::ffi::{CStr, c_char};

use crate::Error;

/// Version of this SDK.
pub const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A text as a zero-terminated constant of the size that [`abi::LIBTORCH_SYMBOL`] and [`abi::SDK_SYMBOL`] have.
pub const fn constant_text(text: &str) -> [u8; abi::LIBTORCH_CAPACITY] {
    let bytes = text.as_bytes();
    assert!(bytes.len() < abi::LIBTORCH_CAPACITY, "the text is too long");
    let mut constant = [0; abi::LIBTORCH_CAPACITY];
    let mut index = 0;
    while index < bytes.len() {
        constant[index] = bytes[index];
        index += 1;
    }
    constant
}

/// The plugin's id or version as C text. Fails to compile when it contains a zero byte.
pub const fn c_text(text: &'static str) -> *const c_char {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text.as_ptr(),
        Err(_) => panic!("the id and the version of a plugin contain no zero byte"),
    }
}

/// Checks the host, then runs the plugin's own initialisation.
///
/// # Safety
///
/// `host` is null or points to a host table.
pub unsafe fn init(host: *const abi::Host, own: impl FnOnce() -> Result<(), Error>) -> abi::Status {
    guard(|| {
        // SAFETY: the caller promises a host table or null.
        let host = unsafe { host.as_ref() }.ok_or_else(|| Error::new("the host is null"))?;
        if host.abi_major != abi::ABI_MAJOR {
            return Err(Error::unsupported(format!(
                "the host speaks ABI {}, this plugin ABI {}",
                host.abi_major,
                abi::ABI_MAJOR
            )));
        }
        own()
    })
}

/// Whether the host asks for the factory `id`.
///
/// # Safety
///
/// `asked` is null or zero-terminated text.
pub unsafe fn is_id(asked: *const c_char, id: &str) -> bool {
    // SAFETY: the caller promises zero-terminated text, and it is not null.
    !asked.is_null() && unsafe { CStr::from_ptr(asked) }.to_bytes() == id.as_bytes()
}

/// Makes a dynamic library a plugin.
///
/// ```ignore
/// export_plugin! {
///     id: "org.example.my-cams",
///     version: env!("CARGO_PKG_VERSION"),
///     attributions: [GradCam, LayerCam],
/// }
/// ```
///
/// `init: function,` after the version names a `fn() -> Result<(), Error>` that runs once, before anything else. A program or
/// library links at most one plugin crate, since each defines the same symbol.
#[macro_export]
macro_rules! export_plugin {
    (
        id: $id:expr,
        version: $version:expr,
        $(init: $init:path,)?
        attributions: [$($method:ty),* $(,)?] $(,)?
    ) => {
        const _: () = {
            static LIGHTBOX_METHODS: &[$crate::export::AttributionExport] =
                &[$($crate::export::AttributionExport::of::<$method>()),*];
            static LIGHTBOX_METHOD_FACTORY: $crate::export::AttributionFactory =
                $crate::export::AttributionFactory::new(LIGHTBOX_METHODS);
            $crate::export_plugin! {
                @entry $id, $version, [$($init)?], [($crate::abi::ATTRIBUTION_ID, LIGHTBOX_METHOD_FACTORY)]
            }
        };
    };
    (@entry $id:expr, $version:expr, [$($init:path)?], [$(($factory_id:expr, $factory:ident)),*]) => {
        unsafe extern "C" fn lightbox_init(host: *const $crate::abi::Host) -> $crate::abi::Status {
            // SAFETY: the host passes its table.
            unsafe {
                $crate::export::init(host, || {
                    $($init()?;)?
                    Ok(())
                })
            }
        }

        unsafe extern "C" fn lightbox_deinit() {}

        unsafe extern "C" fn lightbox_get_factory(id: *const ::core::ffi::c_char) -> *const ::core::ffi::c_void {
            $(
                // SAFETY: the host passes zero-terminated text.
                if unsafe { $crate::export::is_id(id, $factory_id) } {
                    return (&raw const $factory).cast();
                }
            )*
            ::core::ptr::null()
        }

        /// What this plugin is.
        #[unsafe(no_mangle)]
        #[allow(non_upper_case_globals)]
        pub static lightbox_plugin_entry: $crate::abi::Entry = $crate::abi::Entry {
            abi_major: $crate::abi::ABI_MAJOR,
            abi_minor: $crate::abi::ABI_MINOR,
            struct_size: ::core::mem::size_of::<$crate::abi::Entry>() as u64,
            plugin_id: $crate::export::c_text(::core::concat!($id, "\0")),
            plugin_version: $crate::export::c_text(::core::concat!($version, "\0")),
            init: Some(lightbox_init),
            deinit: Some(lightbox_deinit),
            last_error: Some($crate::export::last_error),
            get_factory: Some(lightbox_get_factory),
        };

        /// The SDK that this plugin was built with.
        #[unsafe(no_mangle)]
        #[allow(non_upper_case_globals)]
        pub static lightbox_plugin_sdk: [u8; $crate::abi::LIBTORCH_CAPACITY] =
            $crate::export::constant_text($crate::export::SDK_VERSION);
    };
}
