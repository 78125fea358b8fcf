#!/usr/bin/env python3
"""Holds every dependency to deny.toml without the network: its licence is one of those allowed, it comes from crates.io or
from this repository, and it promises to build with the Rust that Cargo.toml promises. Part of the gate; `cargo deny check` says
the same and looks at advisories besides.

usage: scripts/dependencies.py [METADATA.json]   (by default what `cargo metadata --locked --all-features` prints)
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def allowed():
    text = (ROOT / "deny.toml").read_text()
    section = re.search(r"^\[licenses\]$(.*?)(?=^\[)", text, re.M | re.S).group(1)
    section = re.sub(r"#.*", "", section)
    return set(re.findall(r'"([^"]+)"', re.search(r"allow = \[(.*?)\]", section, re.S).group(1)))


def holds(expression, may):
    """Whether an SPDX expression (a slash is an old way to write OR) can be met with the licences in `may`."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    place = 0

    def peek():
        return tokens[place] if place < len(tokens) else None

    def take():
        nonlocal place
        place += 1
        return tokens[place - 1]

    def one():
        if peek() == "(":
            take()
            value = either()
            if take() != ")":
                raise ValueError(expression)
            return value
        name = take()
        if peek() == "WITH":
            name = f"{name} {take()} {take()}"
        return name in may

    def both():
        value = one()
        while peek() == "AND":
            take()
            value = one() and value
        return value

    def either():
        value = both()
        while peek() == "OR":
            take()
            value = both() or value
        return value

    value = either()
    if peek() is not None:
        raise ValueError(f"{expression}: not understood from {peek()}")
    return value


def version(text):
    return tuple(int(part) for part in text.split(".")[:2])


def problems(packages, may):
    ours = [package for package in packages if package["source"] is None]
    promised = {package["rust_version"] for package in ours}
    if len(promised) != 1 or None in promised:
        yield f"the crates here promise different versions of Rust: {sorted(map(str, promised))}"
        return
    promised = promised.pop()
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not package["license"]:
            yield f"{name} says no licence"
        elif not holds(package["license"], may):
            yield f"{name} is under {package['license']}, which deny.toml does not allow"
        if package["source"] not in (None, CRATES_IO):
            yield f"{name} comes from {package['source']}, not from crates.io"
        if package["rust_version"] and version(package["rust_version"]) > version(promised):
            yield f"{name} needs Rust {package['rust_version']}, Cargo.toml promises {promised}"


def main():
    if len(sys.argv) > 1:
        metadata = pathlib.Path(sys.argv[1]).read_text()
    else:
        command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
        metadata = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    packages = json.loads(metadata)["packages"]
    found = list(problems(packages, allowed()))
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{len(packages)} packages, {len(found)} problems")
    sys.exit(1 if found else 0)


# what the rule is, on made-up packages: run with every call, so that it cannot pass by seeing nothing
def made(**changes):
    return {"name": "x", "version": "1", "license": "MIT", "source": CRATES_IO, "rust_version": None} | changes


OURS = made(name="ours", source=None, rust_version="1.89")
MAY = {"MIT", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"}
for package, is_refused in [
    (made(), False),
    (made(license="GPL-3.0-only OR MIT"), False),
    (made(license="GPL-3.0-only/MIT"), False),
    (made(license="(GPL-3.0-only OR MIT) AND Unicode-3.0"), False),
    (made(license="Apache-2.0 WITH LLVM-exception"), False),
    (made(license="GPL-3.0-only AND MIT"), True),
    (made(license="MIT AND (GPL-3.0-only OR Apache-2.0)"), True),
    (made(license="Apache-2.0"), True),
    (made(license=None), True),
    (made(source="git+https://example.com/x"), True),
    (made(rust_version="1.90"), True),
    (made(rust_version="1.89.1"), False),
]:
    assert bool(list(problems([OURS, package], MAY))) == is_refused, package

if __name__ == "__main__":
    main()
