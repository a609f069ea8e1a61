//! Whether a library that a plugin needs would be found.

use std::ffi::CString;
use std::path::Path;

/// Folders where systems keep libraries; the linker's own cache is asked when a library is in none of them.
const SYSTEM_FOLDERS: [&str; 8] = [
    "/lib",
    "/usr/lib",
    "/lib64",
    "/usr/lib64",
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
];

/// Whether `library`, which `plugin` needs, would be found: loaded already, in the plugin's run path, in
/// `LD_LIBRARY_PATH`, in a folder of the system, or by the dynamic linker.
pub(super) fn is_found(library: &str, plugin: &Path, run_path: &[String]) -> bool {
    let Ok(c_name) = CString::new(library) else { return false };
    if opens(&c_name, libc::RTLD_NOLOAD) {
        return true;
    }
    if library.contains('/') {
        return Path::new(library).exists();
    }
    let origin = std::fs::canonicalize(plugin).ok().and_then(|path| path.parent().map(Path::to_owned));
    let origin = origin.as_deref().map(Path::to_string_lossy).unwrap_or_default();
    let own = run_path.iter().map(|folder| folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin));
    let from_environment = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let from_environment = from_environment.split([':', ';']).filter(|folder| !folder.is_empty()).map(str::to_owned);
    own.chain(from_environment)
        .chain(SYSTEM_FOLDERS.iter().map(|&folder| folder.to_owned()))
        .any(|folder| Path::new(&folder).join(library).exists())
        // Loading the plugin would load it too, so that nothing happens here that would not happen a moment later.
        || opens(&c_name, 0)
}

fn opens(name: &CString, flag: libc::c_int) -> bool {
    // SAFETY: the name is zero-terminated; the handle is kept, so nothing is unloaded.
    !unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL | flag) }.is_null()
}
