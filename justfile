# Recipes of the project. `just` alone lists them; without just, the lines below are plain shell.

# `just features=cuda grok-all` on a machine with CUDA
features := ""
groklab := env("CARGO_TARGET_DIR", "target") / "release" / "groklab"

# list the recipes
default:
    @just --list

# both studies of the paper, their tables and figures
grok-all: build && plots
    {{groklab}} sweep binary-ops
    {{groklab}} sweep add-fractions
    {{groklab}} table results/binary-ops
    {{groklab}} table results/add-fractions
    {{groklab}} claims results/binary-ops
    {{groklab}} claims results/add-fractions
    {{groklab}} report results --out results/report.html

# the main study in about an hour on two cores
grok-evening: build
    {{groklab}} sweep evening
    {{groklab}} table results/evening
    {{groklab}} claims results/evening
    {{groklab}} report results/evening --out results/evening.html
    {{groklab}} plot results/evening

# a few minutes: one operation that groks, one that only memorises
grok-quick: build
    {{groklab}} quick

# Needs Debian's package bible-kjv.
# kjv.txt for lm-text: the King James Bible, a verse a line
kjv:
    @command -v bible > /dev/null || { echo "no bible: apt-get install bible-kjv" >&2; exit 1; }
    bible -f 'ge1:1-rev22:21' < /dev/null | sed 's/^[^ ]* //' > kjv.txt
    test "$(wc -l < kjv.txt)" = 31102

# the figures of every experiment under results/
plots: build
    for dir in results/*/; do [ "$dir" = results/published/ ] || {{groklab}} plot "$dir"; done

# everything that is tested
test:
    cargo test

# the program and its Python module as a wheel in target/wheels, for machines without Rust; tried in a fresh environment
wheel:
    scripts/wheel.sh

# the step on this machine; `cargo bench` for the kernels
bench:
    cargo run --release -- bench

# a preemption, a lost node, a time limit and a cancellation on a real Slurm of one machine; as root, on Debian or Ubuntu
slurm-test:
    scripts/slurm-test.sh

# Needs Node, npm and Chromium ($CHROMIUM, or /usr/bin/chromium; Debian: apt-get install chromium).
# the report as a reader meets it, in a headless browser; screenshots in target/report-test
report-test:
    #!/bin/sh
    set -eu
    out=target/report-test
    npm install --prefix "$out/npm" --no-save --silent playwright-core@1.65.1
    for study in small small-batches; do cargo run -- sweep "tests/report/$study.toml" --out "$out/results"; done
    cargo run -- report "$out/results" --out "$out/report.html"
    NODE_PATH="$out/npm/node_modules" node tests/report/check.mjs "$out/report.html" "$out/screenshots"

# Needs what report-test needs.
# the page of `groklab watch` in a headless browser, while runs train; screenshots in target/report-test
watch-test:
    #!/bin/sh
    set -eu
    out=target/report-test
    npm install --prefix "$out/npm" --no-save --silent playwright-core@1.65.1
    cargo build -p groklab-cli
    groklab="${CARGO_TARGET_DIR:-target}/debug/groklab"
    rm -rf "$out/watched"
    "$groklab" sweep quick --jobs 1 --out "$out/watched" & sweep=$!
    trap 'kill $sweep $server' EXIT
    sleep 5
    "$groklab" watch "$out/watched" --port 8117 & server=$!
    NODE_PATH="$out/npm/node_modules" node tests/report/follow.mjs http://127.0.0.1:8117/ "$out/screenshots"

# Without a sanitizer: groklab's own code here has no unsafe, and the build takes half as long.
# every fuzz target for so many seconds; needs nightly Rust and `cargo install cargo-fuzz --locked`
fuzz seconds="60":
    #!/bin/sh
    set -eu
    for target in $(cargo +nightly fuzz list); do
        mkdir -p fuzz/corpus/$target
        case $target in task) seeds=tasks ;; experiment) seeds=experiments ;; *) seeds= ;; esac
        cargo +nightly fuzz run -s none $target fuzz/corpus/$target $seeds -- \
            -max_total_time={{seconds}} -len_control=0 -rss_limit_mb=1024 -timeout=10
    done

# formatting, lints and links of the documentation, as the gate sees them
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --lib

# licences, sources and advisories of all dependencies; needs `cargo install --locked cargo-deny`
deny:
    scripts/dependencies.py
    cargo deny check

# versions, changelog, gate, advisories, commit and tag; publishes nothing
release version:
    scripts/release.sh {{version}}

[private]
build:
    cargo build -p groklab-cli --release {{ if features == "" { "" } else { "--features " + features } }}

# the program with CUDA, built on a machine without a GPU
cuda-build *args:
    scripts/cuda-build.sh {{args}}

# what `just cuda-build` made, on a stand-in for a device: kernels, gradients, sweeps, memory
cuda-check *program:
    scripts/cuda-check.sh {{program}}
