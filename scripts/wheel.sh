#!/usr/bin/env bash
# The program and its Python module as a wheel in target/wheels, tried in a fresh virtual environment.
#   scripts/wheel.sh           release; WHEEL_ZIG=1 links by zig against an older glibc (manylinux 2.17)
#   WHEEL_PROFILE=dev          of the build that `cargo test` leaves, for the gate
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
profile=${WHEEL_PROFILE:-release}

python3 -m venv "$target/wheel-tools"
tools=$target/wheel-tools/bin
"$tools/pip" install -q "maturin>=1.9,<2" ${WHEEL_ZIG:+ziglang}
options=(--profile "$profile" --out "$target/wheels" --locked)
[ "$profile" = dev ] || options+=(--strip)
[ -z "${WHEEL_ZIG:-}" ] || options+=(--zig --compatibility manylinux2014)
rm -f "$target"/wheels/groklab-*.whl
(cd python && PATH="$tools:$PATH" CARGO_TARGET_DIR=$target "$tools/maturin" build "${options[@]}")

# as a stranger has it: nothing of the checkout but the tests
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
python3 -m venv "$fresh/venv"
"$fresh/venv/bin/pip" install -q "$target"/wheels/groklab-*.whl polars pandas
cp -r python/tests "$fresh/tests"
cd "$fresh"
env -u PYTHONPATH -u GROKLAB "$fresh/venv/bin/groklab" --version
env -u PYTHONPATH -u GROKLAB "$fresh/venv/bin/python" -m unittest discover -s tests
ls -l "$target"/wheels/groklab-*.whl
