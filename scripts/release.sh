#!/usr/bin/env bash
# Makes a release of this checkout: versions, changelog, gate, advisories, a commit and a tag. Publishes nothing: it says how.
# usage: scripts/release.sh VERSION   (on a clean checkout; needs cargo-deny: cargo install --locked cargo-deny)
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "release: $*" >&2; exit 1; }
version=${1:-}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "usage: scripts/release.sh MAJOR.MINOR.PATCH"
[ -z "$(git status --porcelain)" ] || fail "the checkout is not clean"
git rev-parse -q --verify "refs/tags/v$version" >/dev/null && fail "v$version is there already"
old=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
[ "$old" != "$version" ] || fail "Cargo.toml says $version already"
awk '/^## Unreleased/ { on = 1; next } /^## / { on = 0 } on && /^- / { found = 1 } END { exit !found }' CHANGELOG.md \
  || fail "CHANGELOG.md has nothing under Unreleased"
command -v cargo-deny >/dev/null || [ "${RELEASE_CHECKS:-yes}" = no ] || fail "no cargo-deny: cargo install --locked cargo-deny"

# the version of every crate here, and where one of them names another
for manifest in Cargo.toml crates/*/Cargo.toml; do
  sed -i -e "s/^version = \"$old\"\$/version = \"$version\"/" -e "/path = /s/version = \"$old\"/version = \"$version\"/" "$manifest"
  ! grep -n "\"$old\"" "$manifest" | grep -q 'path = \|:version = ' || fail "$manifest still names $old"
done
cargo update --workspace --offline --quiet
sed -i "s/^## Unreleased\$/## Unreleased\n\n## $version, $(date -u +%F)/" CHANGELOG.md

if [ "${RELEASE_CHECKS:-yes}" != no ]; then
  .ci/run
  cargo deny check
fi
git commit -qam "Release $version"
git tag -a "v$version" -m "groklab $version"
echo "v$version is committed and tagged. To publish: git push --follow-tags && cargo publish --workspace"
