//! libtorch_cuda, loaded at run time: one build serves machines with and without a GPU.

use std::error::Error;
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// The driver's library, which only a machine with an NVIDIA driver has.
const DRIVER: &str = "libcuda.so.1";
/// libtorch's CUDA half, beside `libtorch_cpu.so`.
const CUDA_HALF: &str = "libtorch_cuda.so";

/// What came of loading libtorch_cuda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CudaLibrary {
    /// There is no NVIDIA driver.
    NoDriver {
        /// The dynamic loader's sentence.
        why: String,
    },
    /// The library could not be loaded.
    Failed {
        /// The library.
        path: PathBuf,
        /// The dynamic loader's sentence.
        why: String,
    },
    /// It is loaded and has registered itself with libtorch.
    Loaded,
}

/// Loads libtorch_cuda from the folder of the libtorch of this process, when a driver is present.
pub fn load_cuda_library() -> CudaLibrary {
    if let Err(why) = open(Path::new(DRIVER)) {
        return CudaLibrary::NoDriver { why };
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    // Without /proc the loader's own search is what remains.
    let path = libtorch_folder(&maps).map_or_else(|| PathBuf::from(CUDA_HALF), |folder| folder.join(CUDA_HALF));
    match open(&path) {
        Ok(()) => CudaLibrary::Loaded,
        Err(why) => CudaLibrary::Failed { path, why },
    }
}

/// Loads a library for good.
fn open(path: &Path) -> Result<(), String> {
    // SAFETY: loading runs the library's initialisers: those of NVIDIA's driver and of the CUDA half of the libtorch that
    // this process runs already. It is never unloaded, since libtorch keeps pointers into it.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    let library = library.map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))?;
    std::mem::forget(library);
    Ok(())
}

/// The folder of `libtorch_cpu.so` among a process's mappings.
fn libtorch_folder(maps: &str) -> Option<PathBuf> {
    let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    // address, permissions, offset, device, inode, path; only the path may hold blanks.
    let path = &line[line.find('/')?..];
    Path::new(path).parent().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_found_in_the_mappings() {
        let maps = "7f00-7f01 r-xp 00000000 08:01 42   /usr/lib/libc.so.6\n\
                    7f02-7f03 r-xp 00000000 08:01 43   /opt/my torch/lib/libtorch_cpu.so\n";
        assert_eq!(libtorch_folder(maps), Some(PathBuf::from("/opt/my torch/lib")));
        assert_eq!(libtorch_folder("7f00-7f01 r-xp 0 08:01 42\n"), None);
        let own = std::fs::read_to_string("/proc/self/maps").unwrap();
        // Any call into libtorch, so that the linker keeps it.
        assert!(tch::get_num_threads() > 0);
        assert!(libtorch_folder(&own).unwrap().join("libtorch_cpu.so").exists());
    }
}
