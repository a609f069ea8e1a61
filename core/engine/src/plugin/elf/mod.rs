//! Reads a library as a file, before it is loaded: a mismatch would otherwise end inside `dlopen` with a mangled symbol, or
//! in a crash.

mod needed;

use std::fs::File;
use std::path::Path;

use lightbox_abi as abi;
use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, ET_DYN, FileHeader64, PT_LOAD, SHT_DYNSYM};
use object::read::elf::{FileHeader, ProgramHeader, Sym};
use object::{Endianness, ReadCache, ReadRef};

use super::{HostFacts, PluginError, Result};

/// What the file of a library says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElfFacts {
    /// Machine number (`e_machine`).
    pub machine: u16,
    /// Whether it has 64-bit addresses.
    pub is_64: bool,
    /// Whether it is little-endian.
    pub little_endian: bool,
    /// Whether it is a shared object. The fields below are read only from one for 64-bit little-endian machines.
    pub is_shared: bool,
    /// Libraries that it needs.
    pub needed: Vec<String>,
    /// Folders that it looks for them in, first.
    pub run_path: Vec<String>,
    /// The newest version of GLIBC that it needs.
    pub glibc: Option<(u32, u32)>,
    /// The entry's versions and size, when it exports one.
    pub entry: Option<EntryFacts>,
    /// The libtorch that it says it needs, such as `=2.11.0`.
    pub libtorch: Option<String>,
    /// The version of the SDK that it says it was built with.
    pub sdk: Option<String>,
}

/// The part of an entry that holds no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryFacts {
    /// Major version of the ABI.
    pub abi_major: u32,
    /// Minor version of the ABI.
    pub abi_minor: u32,
    /// Size of the entry in bytes.
    pub struct_size: u64,
}

impl EntryFacts {
    fn at_most(self, size: u64) -> Self {
        EntryFacts { struct_size: self.struct_size.min(size), ..self }
    }
}

/// Bytes of an entry that are read from the file: two 32-bit versions and a 64-bit size.
const ENTRY_HEAD: u64 = 16;

/// Reads the file of a library.
///
/// # Errors
///
/// It cannot be read, or it is no ELF file.
pub fn read_file(file: &Path) -> Result<ElfFacts> {
    let unreadable =
        |error: std::io::Error| PluginError::refused(file, format!("cannot be read: {error}"), "check the path");
    // Opening a pipe or a device could block or have effects.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(PluginError::refused(file, "is not a file", "give the plugin's library, a .so file"));
    }
    let cache = ReadCache::new(File::open(file).map_err(unreadable)?);
    read(&cache).map_err(|why| {
        PluginError::refused(file, format!("is not a library ({why})"), "give the plugin's library, a .so file")
    })
}

/// Reads the bytes of a library. Any bytes are safe to pass.
///
/// # Errors
///
/// Why it is no ELF file, or a damaged one.
pub fn read<'data, R: ReadRef<'data>>(data: R) -> Result<ElfFacts, String> {
    let head = data.read_bytes_at(0, 20).map_err(|()| "it is shorter than an ELF header".to_owned())?;
    let (&[m0, m1, m2, m3, class, order, ..], &[.., e0, e1]) = (head, head) else {
        return Err("it is shorter than an ELF header".to_owned());
    };
    if [m0, m1, m2, m3] != *b"\x7fELF" {
        return Err("it does not begin as an ELF file".to_owned());
    }
    let (is_64, little_endian) = (class == 2, order == 1);
    let number = |bytes| if little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
    let facts = ElfFacts { machine: number([e0, e1]), is_64, little_endian, ..ElfFacts::default() };
    if !(is_64 && little_endian) {
        return Ok(facts);
    }
    read_64(data, facts).map_err(|error| format!("it is damaged: {error}"))
}

fn read_64<'data, R: ReadRef<'data>>(data: R, mut facts: ElfFacts) -> object::Result<ElfFacts> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    facts.is_shared = header.e_type(endian) == ET_DYN;
    if !facts.is_shared {
        return Ok(facts);
    }
    let sections = header.sections(endian, data)?;
    let dynamic = sections.dynamic_table(endian, data)?;
    for entry in dynamic.iter() {
        let list = match entry.tag {
            DT_NEEDED => &mut facts.needed,
            DT_RPATH | DT_RUNPATH => &mut facts.run_path,
            _ => continue,
        };
        let text = String::from_utf8_lossy(dynamic.string(entry)?).into_owned();
        match entry.tag {
            DT_NEEDED => list.push(text),
            _ => list.extend(text.split(':').filter(|folder| !folder.is_empty()).map(str::to_owned)),
        }
    }
    if let Some((mut files, link)) = sections.gnu_verneed(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((_, mut versions)) = files.next()? {
            while let Some(version) = versions.next()? {
                let name = String::from_utf8_lossy(version.name(endian, strings)?);
                facts.glibc = facts.glibc.max(glibc_version(&name));
            }
        }
    }
    let symbols = sections.symbols(endian, data, SHT_DYNSYM)?;
    for symbol in symbols.iter() {
        if symbol.is_undefined(endian) {
            continue;
        }
        let name = symbol.name(endian, symbols.strings())?;
        let size = symbol.st_size(endian);
        let bytes = |least: u64| {
            (size >= least).then(|| bytes_at(header, endian, data, symbol.st_value(endian), least)).flatten()
        };
        if name == abi::ENTRY_SYMBOL.as_bytes() {
            // An entry that is longer than the data behind its name would be read past its end.
            facts.entry = bytes(ENTRY_HEAD).and_then(entry_head).map(|head| head.at_most(size));
        } else if name == abi::LIBTORCH_SYMBOL.as_bytes() {
            facts.libtorch = bytes(size.min(abi::LIBTORCH_CAPACITY as u64)).map(constant_text);
        } else if name == abi::SDK_SYMBOL.as_bytes() {
            facts.sdk = bytes(size.min(abi::LIBTORCH_CAPACITY as u64)).map(constant_text);
        }
    }
    Ok(facts)
}

/// The bytes that will be at an address once the file is loaded.
fn bytes_at<'data, R: ReadRef<'data>>(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    data: R,
    address: u64,
    length: u64,
) -> Option<&'data [u8]> {
    for segment in header.program_headers(endian, data).ok()? {
        if segment.p_type(endian) != PT_LOAD {
            continue;
        }
        let Some(offset) = address.checked_sub(segment.p_vaddr(endian)) else { continue };
        if offset.checked_add(length)? <= segment.p_filesz(endian) {
            return data.read_bytes_at(segment.p_offset(endian).checked_add(offset)?, length).ok();
        }
    }
    None
}

fn entry_head(bytes: &[u8]) -> Option<EntryFacts> {
    Some(EntryFacts {
        abi_major: u32::from_le_bytes(bytes.get(0..4)?.try_into().ok()?),
        abi_minor: u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?),
        struct_size: u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?),
    })
}

fn constant_text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// `GLIBC_2.34` as (2, 34); `GLIBC_PRIVATE` and other names are none.
fn glibc_version(name: &str) -> Option<(u32, u32)> {
    let (major, minor) = name.strip_prefix("GLIBC_")?.split_once('.')?;
    // GLIBC_2.2.5 has three parts.
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

/// Holds a library's file against this process.
///
/// # Errors
///
/// The first thing that does not fit: machine, entry, version of the ABI, GLIBC, libtorch, needed libraries.
pub fn check(file: &Path, facts: &ElfFacts, host: &HostFacts) -> Result<()> {
    if (facts.machine, facts.is_64, facts.little_endian) != (host.machine, host.is_64, host.little_endian) {
        let wanted = machine_name(host.machine, host.is_64);
        return Err(PluginError::refused(
            file,
            format!("is built for {}, this machine is {wanted}", machine_name(facts.machine, facts.is_64)),
            format!("get or build it for {wanted}"),
        ));
    }
    if !facts.is_shared {
        return Err(PluginError::refused(file, "is a program or an object file, not a library", "give a .so file"));
    }
    let Some(entry) = facts.entry else {
        return Err(PluginError::refused(
            file,
            format!("is a library but no plugin: it does not export the constant `{}`", abi::ENTRY_SYMBOL),
            "give a library that was built with a Lightbox SDK",
        ));
    };
    check_version(file, entry.abi_major, entry.struct_size)?;
    if let (Some(needed), Some(running)) = (facts.glibc, host.glibc)
        && needed > running
    {
        return Err(PluginError::refused(
            file,
            format!("needs GLIBC {}.{}, this system has {}.{}", needed.0, needed.1, running.0, running.1),
            "build it on an older system, or use a newer one",
        ));
    }
    check_libtorch(file, facts, host)?;
    for library in &facts.needed {
        if !needed::is_found(library, file, &facts.run_path) {
            return Err(PluginError::refused(
                file,
                format!("needs the library {library}, which is not found"),
                format!("install {library}, or build the plugin with its folder in the run path"),
            ));
        }
    }
    Ok(())
}

/// Holds the version and size of an entry against this ABI.
pub(super) fn check_version(file: &Path, major: u32, struct_size: u64) -> Result<()> {
    let found = format!("is built for plugin ABI {major}, this Lightbox speaks ABI {}", abi::ABI_MAJOR);
    match major.cmp(&abi::ABI_MAJOR) {
        std::cmp::Ordering::Less => Err(PluginError::refused(file, found, "rebuild it with the current SDK")),
        std::cmp::Ordering::Greater => Err(PluginError::refused(
            file,
            found,
            format!("update Lightbox, or get a build of the plugin for ABI {}", abi::ABI_MAJOR),
        )),
        std::cmp::Ordering::Equal if struct_size != size_of::<abi::Entry>() as u64 => Err(PluginError::faulty(
            file,
            format!("its entry is {struct_size} bytes long, not {}", size_of::<abi::Entry>()),
        )),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

fn check_libtorch(file: &Path, facts: &ElfFacts, host: &HostFacts) -> Result<()> {
    let Some(required) = &facts.libtorch else {
        if facts.needed.iter().any(|library| library.starts_with("libtorch") || library.starts_with("libc10")) {
            return Err(PluginError::refused(
                file,
                format!("links libtorch but does not say which version: it does not export `{}`", abi::LIBTORCH_SYMBOL),
                "build it with lightbox-plugin-torch, or export the constant",
            ));
        }
        return Ok(());
    };
    let Some((exact, version)) = parse_requirement(required) else {
        return Err(PluginError::faulty(
            file,
            format!("its `{}` is {required:?}, not such as \"=2.11.0\" or \">=2.10.0\"", abi::LIBTORCH_SYMBOL),
        ));
    };
    let text = |(major, minor, patch): (u32, u32, u32)| format!("{major}.{minor}.{patch}");
    let Some(running) = host.libtorch else {
        return Err(PluginError::refused(
            file,
            format!("needs libtorch {}, and the version of the running one is not known", text(version)),
            "run a Lightbox that is built with libtorch",
        ));
    };
    if exact && version != running {
        return Err(PluginError::refused(
            file,
            format!("is built for libtorch {}, this Lightbox runs {}", text(version), text(running)),
            format!("rebuild it against libtorch {}", text(running)),
        ));
    }
    if running < version {
        return Err(PluginError::refused(
            file,
            format!("needs libtorch {} or later, this Lightbox runs {}", text(version), text(running)),
            "update Lightbox, or get a build of the plugin for an older libtorch",
        ));
    }
    Ok(())
}

/// `=2.11.0` as exactly, `>=2.10.0` as at least that version.
fn parse_requirement(text: &str) -> Option<(bool, (u32, u32, u32))> {
    let (exact, version) = match text.strip_prefix(">=") {
        Some(version) => (false, version),
        None => (true, text.strip_prefix('=')?),
    };
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some((exact, version))
}

fn machine_name(machine: u16, is_64: bool) -> String {
    // Numbers of the ELF specification.
    let name = match (machine, is_64) {
        (3, _) => "x86 (32 bits)",
        (62, true) => "x86-64",
        (62, false) => "x32",
        (40, _) => "ARM (32 bits)",
        (183, _) => "aarch64",
        (243, _) => "RISC-V",
        (21, _) => "PowerPC64",
        (22, _) => "s390x",
        _ => return format!("machine {machine} ({} bits)", if is_64 { 64 } else { 32 }),
    };
    name.to_owned()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
