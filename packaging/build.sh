#!/usr/bin/env bash
# Makes the .deb and the .rpm of the program that `cargo build --release --locked` has built.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly program=target/release/beacon_candidates
readonly assets=target/assets staged=target/packaging
# The same sources make the same packages.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

cargo install --locked cargo-deb@3.8.0 cargo-generate-rpm@0.21.1

rm -rf "$assets" "$staged" target/debian target/generate-rpm
"$program" assets --out "$assets"
gzip -9n "$assets"/*.1
packaging/third_party_notices.sh | gzip -9n >"$assets/third-party-notices.gz"

# The documents lie in the package as they lie here, so that their links to each other hold.
mkdir -p "$staged/doc/packaging"
cp -R README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md docs "$staged/doc/"
cp -R packaging/{README.md,clickhouse,fleet,live-discover,osquery} "$staged/doc/packaging/"

# Debian wants a changelog of the package. That of the program is CHANGELOG.md.
package=$(cargo metadata --locked --no-deps --format-version 1 | jq '.packages[0]')
cat >"$staged/changelog" <<END
beacon-candidates ($(jq -r .version <<<"$package")-1) unstable; urgency=medium

  * What is new is listed in changelog.gz beside this file.

 -- $(jq -r .metadata.deb.maintainer <<<"$package")  $(date --utc --rfc-email --date "@$SOURCE_DATE_EPOCH")
END

strip "$program"
cargo deb --locked --no-build
cargo generate-rpm --auto-req builtin
