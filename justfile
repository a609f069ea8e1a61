# What people do with this project. Run `./justw` for the list; each recipe sets up what it needs.

set positional-arguments

export RUST_BACKTRACE := env("RUST_BACKTRACE", "0")
export LIGHTBOX_ORACLE_PYTHON := env("LIGHTBOX_ORACLE_PYTHON", justfile_directory() / ".tools/oracle-python")

# The list of recipes
default:
    @just --list --justfile {{justfile()}}

# Find or install libtorch 2.11 and record it for cargo
setup:
    @python3 scripts/setup.py libtorch > /dev/null

# Build everything in release
build: setup
    cargo build --release --workspace --locked

# The whole job on synthetic images: data, two models trained and compared, explanations, tables and a picture
demo *ARGS: build
    target/release/lightbox demo "$@"

# All tests: units, journeys and comparisons with published software
test *ARGS: build oracles
    cargo test --release --workspace --locked --no-fail-fast "$@"

# Kill workers and daemons at random moments over a running queue: KILLS times, drawn from SEED (about ten minutes)
faults KILLS="200" SEED="1": build
    LIGHTBOX_FAULT_KILLS="{{KILLS}}" LIGHTBOX_FAULT_SEED="{{SEED}}" \
        cargo test --release --locked -p lightbox-tests --test faults -- --nocapture

# Run the plugin checks over every library that ships (two minutes)
check-plugins: build
    for name in cams perturbation gradients baselines models; do \
        target/release/lightbox plugins check target/release/liblightbox_$name.so || exit 1; \
    done

# Install the Python packages that the tests compare against
oracles: setup
    @python3 scripts/setup.py oracles > /dev/null

# Format, lint, document and check licences: everything that CI refuses
lint: setup
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --locked
    scripts/deny

# Install binaries and plugins under PREFIX (default ~/.local)
install PREFIX=(home_directory() / ".local"): build
    scripts/install "{{PREFIX}}"

# Measure against peers; the figures are ratios from one run (see benches/README.md)
bench NAME *ARGS: build oracles
    cargo run --release --locked -p lightbox-{{ if NAME == "interface" { "bench-interface" } else { "benches" } }} --bin "$@"
