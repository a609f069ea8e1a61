//! What this process offers to a library: machine, GLIBC, libtorch.

use std::ffi::CStr;

/// What this process offers to a library that it loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// ELF machine number (`e_machine`).
    pub machine: u16,
    /// Whether the process has 64-bit addresses.
    pub is_64: bool,
    /// Whether the machine is little-endian.
    pub little_endian: bool,
    /// Version of the running GLIBC; none on another C library.
    pub glibc: Option<(u32, u32)>,
    /// Version of the loaded libtorch as (major, minor, patch); none when it does not say.
    pub libtorch: Option<(u32, u32, u32)>,
}

impl HostFacts {
    /// The facts of this process.
    pub fn current() -> Self {
        HostFacts {
            machine: machine(),
            is_64: cfg!(target_pointer_width = "64"),
            little_endian: cfg!(target_endian = "little"),
            glibc: running_glibc(),
            libtorch: running_libtorch(),
        }
    }
}

fn machine() -> u16 {
    use object::elf;
    if cfg!(target_arch = "x86_64") {
        elf::EM_X86_64.0
    } else if cfg!(target_arch = "aarch64") {
        elf::EM_AARCH64.0
    } else {
        elf::EM_NONE.0
    }
}

#[cfg(target_env = "gnu")]
fn running_glibc() -> Option<(u32, u32)> {
    // SAFETY: the function takes nothing and returns constant, zero-terminated text.
    let text = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) }.to_str().ok()?;
    let (major, rest) = text.split_once('.')?;
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(not(target_env = "gnu"))]
fn running_glibc() -> Option<(u32, u32)> {
    None
}

/// Asks the libtorch that is loaded, not the one that was compiled against.
fn running_libtorch() -> Option<(u32, u32, u32)> {
    const NAME: &CStr = c"aoti_torch_abi_version";
    // SAFETY: looking a name up has no precondition.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, NAME.as_ptr()) };
    if address.is_null() {
        return None;
    }
    // SAFETY: libtorch's stable C shim declares this function as `uint64_t aoti_torch_abi_version()`.
    let function: unsafe extern "C" fn() -> u64 = unsafe { std::mem::transmute(address) };
    // SAFETY: it takes nothing and has no precondition.
    let version = unsafe { function() };
    // One byte each from the top: major, minor, patch.
    let byte = |place: u32| (version >> (64 - 8 * place) & 0xff) as u32;
    Some((byte(1), byte(2), byte(3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_libraries_say_their_versions() {
        let facts = HostFacts::current();
        assert!(facts.glibc.is_some_and(|version| version >= (2, 17)));
        // Use libtorch, so that the linker keeps it.
        assert_eq!(tch::Tensor::from_slice(&[1.0_f32]).size(), [1]);
        assert_eq!(facts.libtorch.map(|version| version.0), Some(2));
    }
}
