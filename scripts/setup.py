#!/usr/bin/env python3
"""Sets up what building and testing Lightbox needs. Each command is quick when its work is done already.

    setup.py just        prints the path of `just`, installing a pinned one into .tools/ when there is none
    setup.py libtorch    finds or installs libtorch 2.11 and records it in .cargo/config.toml
    setup.py oracles     prints a Python that has the packages the tests compare against, made on first use
    setup.py tools       installs cargo-deny into .tools/ (for the lints)

What is installed outside the project goes to the user's cache folder, is shared by all clones, and is made whole or not
at all: two clones may set it up at the same time.
"""
import contextlib
import fcntl
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lightbox"

JUST = "1.59.0"
CARGO_DENY = "0.20.2"
TORCH = "2.11.0"
# Without an NVIDIA driver these two are all that libtorch's CPU part needs of the CUDA wheels.
TORCH_CPU = [f"torch=={TORCH}", "nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"]
NEED_GB = {"cpu": 3, "cuda": 14, "oracles": 2}


class Trouble(Exception):
    """One clear sentence for the user."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, what):
    """Runs a command quietly; its last words become part of the sentence when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode == 0:
        return done.stdout
    tail = [line for line in done.stdout.splitlines() if line.strip() and "notice" not in line]
    said = done.stdout
    if "No space left" in said:
        raise Trouble(f"{what} failed: the disk is full; free some space or set XDG_CACHE_HOME to a larger disk")
    if re.search(r"resolution|Network is unreachable|Connection refused|Max retries|No matching distribution|timed out", said):
        raise Trouble(f"{what} failed: the package index cannot be reached (no network?); last words: {tail[-1] if tail else ''}")
    raise Trouble(f"{what} failed: {tail[-1] if tail else done.returncode}")


def pip():
    """A pip command: this Python's, or uv's."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--quiet", "--python", sys.executable]
    raise Trouble("neither pip nor uv is there to install Python packages with; install python3-pip (Debian: apt install "
                  "python3-pip), or set LIBTORCH to the `torch` folder of a torch 2.11")


@contextlib.contextmanager
def only_one(name):
    """One set-up of `name` at a time, whichever clone it comes from."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def enough_space(kind):
    free = shutil.disk_usage(CACHE).free / 1e9
    if free < NEED_GB[kind]:
        raise Trouble(f"{CACHE} has {free:.1f} GB free and {NEED_GB[kind]} GB are needed; free some space or set "
                      "XDG_CACHE_HOME to a larger disk")


def install_into(folder, requirements, what, flags=()):
    """Installs Python packages into `folder`, which appears only when all of them are there."""
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=CACHE))
    try:
        for batch in requirements:
            run([*pip(), *flags, "--target", str(building), *batch], what)
        if folder.exists():
            shutil.rmtree(folder)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


# ------------------------------------------------------------------------------------------------------------ just

def just():
    found = shutil.which("just")
    if found:
        return found
    program = TOOLS / "just" / "bin" / "just"
    if program.exists():
        return program
    say(f"just is not installed: installing just {JUST} into .tools/")
    TOOLS.mkdir(exist_ok=True)
    try:
        run([*pip(), "--no-deps", "--target", str(TOOLS / "just"), f"rust-just=={JUST}"], "installing just")
    except Trouble as trouble:
        say(f"{trouble}; trying cargo")
        run(["cargo", "install", "--quiet", "--locked", "--root", str(TOOLS / "just"), f"just@{JUST}"], "installing just")
    if not program.exists():
        raise Trouble(f"just {JUST} was installed but {program} is not there; install just by hand")
    return program


# -------------------------------------------------------------------------------------------------------- libtorch

def has_driver():
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def torch_version(folder):
    """Version of the libtorch in `folder` by its header, or None."""
    header = folder / "include/torch/headeronly/version.h"
    if not header.exists():
        header = folder / "include/torch/version.h"
    for path, pattern in ((header, r'define TORCH_VERSION "?([0-9.]+)'), (folder / "version.py", r"__version__ = '([0-9.]+)"),
                          (folder / "build-version", r"([0-9.]+)")):
        with contextlib.suppress(OSError):
            match = re.search(pattern, path.read_text())
            if match:
                return match.group(1)
    return None


def check_libtorch(folder, whence):
    """Refuses a libtorch that tch 0.24 cannot be built with."""
    if not folder.is_dir():
        raise Trouble(f"{whence} is {folder}, which is not a folder; set it to the folder that holds libtorch's lib/ and include/")
    for part in ("lib/libtorch_cpu.so", "lib/libc10.so", "include/torch/csrc/api/include/torch/torch.h"):
        if not (folder / part).exists():
            raise Trouble(f"{whence} is {folder}, which has no {part}; set it to the folder that holds libtorch's lib/ and "
                          "include/ (for a Python torch: its site-packages/torch)")
    version = torch_version(folder)
    if version is None or not version.startswith("2.11."):
        raise Trouble(f"{whence} is {folder}, which is libtorch {version or 'of unknown version'}; 2.11 is needed")


def python_torch():
    """The torch folder of the python3 on the PATH, when it is 2.11 and whole."""
    python = shutil.which("python3") or sys.executable
    code = ("import importlib.metadata as m, json; d = m.distribution('torch'); "
            "print(json.dumps([d.version, str(d.locate_file('torch'))]))")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    if done.returncode != 0:
        return None
    version, folder = json.loads(done.stdout)
    folder = Path(folder)
    with contextlib.suppress(Trouble):
        if version.startswith("2.11."):
            check_libtorch(folder, "python3's torch")
            return folder
    return None


def installed_torch():
    kind = "cuda" if has_driver() else "cpu"
    folder = CACHE / f"torch-{TORCH}-{kind}-py{sys.version_info.major}{sys.version_info.minor}"
    with only_one(folder.name):
        if not (folder / "torch/lib/libtorch_cpu.so").exists():
            enough_space(kind)
            say(f"installing libtorch {TORCH} ({kind}) into {folder}; this happens once")
            if kind == "cpu":
                install_into(folder, [TORCH_CPU], "installing libtorch", ["--no-deps"])
            else:
                install_into(folder, [[f"torch=={TORCH}"]], "installing libtorch")
    check_libtorch(folder / "torch", "the installed libtorch")
    return folder / "torch"


def libtorch():
    given = os.environ.get("LIBTORCH")
    if given:
        folder = Path(given)
        check_libtorch(folder, "LIBTORCH")
    else:
        folder = recorded() or python_torch() or installed_torch()
    if not any(shutil.which(c) for c in (os.environ.get("CXX") or "c++", "g++", "clang++")):
        raise Trouble("no C++ compiler is on the PATH; install one (Debian: apt install g++) or set CXX")
    config = ROOT / ".cargo/config.toml"
    text = ("# Written by scripts/setup.py; not part of the project.\n[env]\n"
            f"LIBTORCH = {{ value = {json.dumps(str(folder))}, force = true }}\n")
    if not config.exists() or config.read_text() != text:
        config.parent.mkdir(exist_ok=True)
        config.write_text(text)
    return folder


def recorded():
    """The libtorch of the last set-up, while it is still usable: another one would rebuild everything."""
    with contextlib.suppress(OSError, Trouble):
        match = re.search(r'value = "(.*?)"', (ROOT / ".cargo/config.toml").read_text())
        if match:
            folder = Path(match.group(1))
            check_libtorch(folder, "the recorded libtorch")
            return folder
    return None


# --------------------------------------------------------------------------------------------------------- oracles

def importable_torch():
    """A torch that Python can import: PyPI's wheels want all of CUDA's libraries for that, also where only the CPU is used."""
    folder = CACHE / f"torch-{TORCH}-python-py{sys.version_info.major}{sys.version_info.minor}"
    with only_one(folder.name):
        if not (folder / "torch/__init__.py").exists():
            enough_space("cuda")
            say(f"installing torch {TORCH} for Python into {folder}; this happens once")
            install_into(folder, [[f"torch=={TORCH}"]], "installing torch for Python")
    return folder


def oracles():
    """A folder of Python packages beside libtorch's, and a small launcher that puts both on the path."""
    torch = libtorch().parent
    wanted = (ROOT / "tests/oracles/requirements.txt").read_text()
    lines = [line.split("#")[0].strip() for line in wanted.splitlines()]
    full = [line for line in lines if line and not line.startswith("--no-deps ")]
    bare = [line.removeprefix("--no-deps ") for line in lines if line.startswith("--no-deps ")]
    import hashlib
    mark = hashlib.sha256((wanted + sys.version).encode()).hexdigest()[:12]
    folder = CACHE / f"oracles-{mark}"
    if not (torch / "torch/__init__.py").exists() or not (torch / "nvidia/cudnn").exists():
        torch = importable_torch()
    with only_one(folder.name):
        if not (folder / "numpy").exists():
            enough_space("oracles")
            say(f"installing the packages that tests compare against into {folder}; this happens once")
            install_into(folder, [full], "installing the oracles' packages")
            for requirement in bare:
                run([*pip(), "--no-deps", "--target", str(folder), "--upgrade", requirement], f"installing {requirement}")
    launcher = TOOLS / "oracle-python"
    TOOLS.mkdir(exist_ok=True)
    text = f'#!/bin/sh\nPYTHONPATH="{folder}:{torch}" exec "{sys.executable}" "$@"\n'
    if not launcher.exists() or launcher.read_text() != text:
        launcher.write_text(text)
        launcher.chmod(0o755)
    return launcher


# ----------------------------------------------------------------------------------------------------------- tools

def tools():
    program = TOOLS / "cargo" / "bin" / "cargo-deny"
    if not program.exists():
        say(f"installing cargo-deny {CARGO_DENY} into .tools/")
        run(["cargo", "install", "--quiet", "--locked", "--root", str(TOOLS / "cargo"), f"cargo-deny@{CARGO_DENY}"],
            "installing cargo-deny")
    return program


COMMANDS = {"just": just, "libtorch": libtorch, "oracles": oracles, "tools": tools}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    try:
        print(COMMANDS[sys.argv[1]]())
    except Trouble as trouble:
        sys.exit(f"error: {trouble}")
    except OSError as error:
        sys.exit(f"error: {error.strerror}: {error.filename or ''}; nothing was changed that cannot be done again")
    except KeyboardInterrupt:
        sys.exit(130)
