# Every action a person takes here. `./just RECIPE` installs what is missing first.

set shell := ["bash", "-euo", "pipefail", "-c"]

export QUOTH_CACHE := env("QUOTH_CACHE", home_directory() / ".cache/quoth")
python := QUOTH_CACHE / "python/bin/python"
programs := env("CARGO_TARGET_DIR", "target") / "debug"

# Where tests note which checks of captured evidence they left out.
export QUOTH_LEFT_OUT := absolute_path(programs / "left-out")

# The simulated platform is a feature that release images never enable; tests and the demo need it. Those of hardware are tested
# with scripts in its place.
everything := "--workspace --features quoth-enclave/simulated,quoth-enclave/nitro,quoth-enclave/sev-snp,quoth-verify/replay"

# List the recipes
_list:
    @just --list --unsorted

# A real model answers in a simulated enclave, the answer is proven, four forgeries are refused
demo: _build
    @model="$({{ python }} tests/demo/model.py)" && {{ programs }}/quoth-demo "$model"

# The node stays up until Ctrl-C, with lines to paste for curl and the openai Python client
serve *options: _build
    @model="$({{ python }} tests/demo/model.py)" && tests/demo/serve.sh {{ programs }}/quoth "$model" {{ options }}

# Every check: format, lints, dependencies, unit, end-to-end and documentation tests, documentation
test: lint _build
    @tests/tools/install.sh cargo-nextest
    @rm -f "$QUOTH_LEFT_OUT"
    QUOTH_VECTORS="$(tests/evidence/find.py)"; QUOTH_SDKS="$({{ python }} tests/sdk/prepare.py)"; export QUOTH_VECTORS QUOTH_SDKS; cargo nextest run {{ everything }}
    # Once more as dApps without aws-lc have it: alone, signatures by RustCrypto.
    QUOTH_VECTORS="$(tests/evidence/find.py)"; export QUOTH_VECTORS; cargo nextest run -p quoth-verifier
    # With the evidence that a clone alone has, too.
    QUOTH_VECTORS="$(tests/evidence/find.py --fetched)"; export QUOTH_VECTORS QUOTH_REQUIRE_VECTORS= QUOTH_LEFT_OUT=; cargo nextest run -p quoth-verifier --test vectors
    tests/qemu/run.sh cargo nextest run {{ everything }} --test boot --test-threads 1
    cargo test --quiet {{ everything }} --doc
    RUSTDOCFLAGS="-D warnings" cargo doc --quiet {{ everything }} --no-deps
    PATH="$({{ python }} tests/sdk/prepare.py)/bin:$PATH" contracts/test.sh
    @tests/evidence/left-out.sh "$QUOTH_LEFT_OUT"

# The official SDKs, unchanged, straight to a node and through the proxy, and the example client: `just test-sdk javascript` runs those whose name matches
test-sdk *names: _build
    @tests/tools/install.sh cargo-nextest
    export QUOTH_SDKS="$({{ python }} tests/sdk/prepare.py)"; cargo nextest run {{ everything }} --test sdk --test examples --test proxy -E 'binary(sdk) | binary(examples) | test(official_sdks)' {{ names }}

# Images boot as on Nitro, by QEMU, and measure to what was said before (builds QEMU, kernel and the image's program once)
test-boot *names: _build
    @tests/tools/install.sh cargo-nextest
    tests/qemu/run.sh cargo nextest run {{ everything }} --test boot --test-threads 1 {{ names }}

# Two builds of an image, in different folders, times and locales, are the same, bit for bit (takes half an hour)
reproduce:
    images/reproduce.sh

# What of the image's program runs how often, counted anew, for the compiler (takes a quarter of an hour)
profile:
    images/profile.sh

# Format, clippy, circles of imports, licences and sources of dependencies
lint:
    cargo fmt --all --check
    cargo fmt --manifest-path verifier/wasm/Cargo.toml --check
    cargo clippy --quiet {{ everything }} --all-targets -- -D warnings
    # The verifier for browsers has no standard library: were one linked in, it would clash with its panic handler.
    cargo clippy --quiet --locked --manifest-path verifier/wasm/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/no-std" -- -D warnings
    @tests/tools/circles.py
    # What operators install is checked by systemd's and Kubernetes' own rules.
    @images/deploy/check.sh
    @tests/tools/install.sh cargo-deny
    {{ QUOTH_CACHE }}/tools/bin/cargo-deny --workspace --log-level error check bans licenses sources
    {{ QUOTH_CACHE }}/tools/bin/cargo-deny --manifest-path verifier/wasm/Cargo.toml --config deny.toml --log-level error check bans licenses sources

# Base's half of the settlement: builds the contracts, runs their tests, compares their gas (a minute or two)
contracts:
    @PATH="$({{ python }} tests/sdk/prepare.py)/bin:$PATH" contracts/test.sh

# A real model answers 100 long chats under load, and `quoth-verify replay` runs every answer again (takes minutes)
replay: _build
    @model="$({{ python }} tests/demo/model.py)" && {{ programs }}/quoth-replay "$model"

# Do other processors, emulated by QEMU, compute the same logits? (takes minutes)
machines *probes:
    tests/exact/machines.py {{ probes }}

# The verifier for browsers: builds the module, tries it on captured evidence, prints size and time
wasm out="target/wasm":
    verifier/wasm/build.sh {{ absolute_path(out) }}

# Known advisories against the dependencies (reads the RustSec database, so it needs the network)
audit:
    @tests/tools/install.sh cargo-deny
    {{ QUOTH_CACHE }}/tools/bin/cargo-deny --workspace check advisories

# Fuzz every decoder, or one: `just fuzz 60 receipt` (needs a nightly toolchain)
fuzz seconds="60" *targets:
    tests/fuzz/run.sh {{ seconds }} {{ targets }}

# Changes to the sources that no test notices: `just mutants enclave/src/callers.rs`, or all files that matter most (takes many hours)
mutants *options:
    @tests/tools/install.sh cargo-mutants
    @tests/tools/mutants.sh {{ options }}

# What a node withstands, written to RELIABILITY.md: `just siege`, or parts of it: `just siege faults --faults 50`
siege *options: _build
    {{ programs }}/quoth-siege {{ options }}

# Ratios against llama.cpp's own benches, socat, nginx, LiteLLM, published verifiers and a build without receipts, written to BENCHMARKS.md
bench *options:
    @tests/bench/run.sh {{ options }}

# The crates for others build with the oldest compiler that they promise, and as packages
msrv:
    tests/tools/msrv.sh

# Lists in docs/api what the crates for others offer; `just api --check` only compares
api *options:
    @tests/tools/install.sh cargo-public-api
    tests/tools/api.sh {{ options }}

# The documentation of all crates
docs:
    cargo doc {{ everything }} --no-deps --open

# Format the code
fmt:
    cargo fmt --all

_build:
    cargo build --quiet {{ everything }} --bins
