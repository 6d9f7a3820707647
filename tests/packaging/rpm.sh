#!/usr/bin/env bash
# Installs, upgrades and removes an .rpm in a scratch root, and checks what that leaves behind. Its
# scripts are those of the .deb, and deb.sh has them meet more.
#
#   tests/packaging/rpm.sh target/generate-rpm/beacon-candidates-*.rpm
#
# It needs root, rpm, cargo-generate-rpm (for a later release of the same package), and busybox,
# linked statically: rpm runs the scripts in the scratch root, where nothing else is.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/packaging/links.sh
. tests/packaging/links.sh

if [ $# -ne 1 ] || [ ! -f "$1" ]; then
  echo "usage: $0 FILE.rpm" >&2
  exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "$0: run it as root: rpm changes into the scratch root" >&2
  exit 2
fi

readonly extension=/usr/lib/osquery/extensions/beacon_candidates.ext
readonly example=/etc/osquery/beacon_candidates.toml.example
readonly folder=/var/lib/beacon_candidates
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
list=$root/etc/osquery/extensions.load

fail() {
  echo "$1" >&2
  exit 1
}

# rpm in the scratch root, which knows no glibc and no osquery. Debian's rpm wants to be told that
# it is meant.
scratch_rpm() {
  local options=(--root "$root" --dbpath /var/lib/rpm)
  [[ $(rpm --help) != *--force-debian* ]] || options+=(--force-debian)
  rpm "${options[@]}" "$@"
}

# --- the package, and a later release of it ---

rpm=$work/old.rpm
upgrade=$work/new.rpm
cp "$1" "$rpm"
package=$(rpm -qp --queryformat '%{NAME}' "$rpm")
cargo generate-rpm --auto-req disabled --set-metadata 'release = "2"' --output "$upgrade"

rpm --checksig --nosignature "$rpm" >/dev/null || fail "the package's digests are not right"
odd=$(rpm -qp --requires "$rpm" |
  grep -vE '^(/bin/sh|lib(c|m|gcc_s)\.so\.[0-9]+\(.*|rtld\(GNU_HASH\)|rpmlib\(.*|config\(.*|ld-linux.*)' || true)
[ -z "$odd" ] || fail "the package needs more than libc: $odd"
odd=$(rpm -qp --queryformat '[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]' "$rpm" |
  awk '$2 != "root" || $3 != "root" || $1 ~ /^.....w|^........w/')
[ -z "$odd" ] || fail "the package has files that others can write to or own: $odd"

# --- its life ---

mkdir -p "$root"/{bin,dev,etc,var/lib/rpm,usr/bin}
: >"$root/dev/null"
cp "$(command -v busybox)" "$root/bin/busybox"
chroot "$root" /bin/busybox --install -s /bin ||
  fail "busybox does not run in the scratch root: it has to be busybox-static"

said=$(scratch_rpm --install --nodeps "$rpm" 2>&1) || fail "$said"
[ -z "$said" ] || fail "without osqueryd, the installation says: $said"
[ "$(cat "$list")" = "$extension" ] || fail "after the installation, extensions.load is not the extension's line"
[ "$(stat --format '%a %u:%g' "$root$folder")" = "700 0:0" ] || fail "$folder is not for root alone"
[ "$(stat --format '%a %u:%g' "$root$extension")" = "755 0:0" ] || fail "osquery would not load $extension"
[ "$(stat --format '%a %u:%g' "$root${extension%/*}")" = "755 0:0" ] || fail "osquery would not load from ${extension%/*}"
for file in man/man1/beacon_candidates.1.gz bash-completion/completions/beacon_candidates \
  zsh/site-functions/_beacon_candidates fish/vendor_completions.d/beacon_candidates.fish \
  "licenses/$package/LICENSE-MIT" "licenses/$package/LICENSE-APACHE" "licenses/$package/third-party-notices.gz"; do
  [ "$(stat --format '%a %u:%g' "$root/usr/share/$file")" = "644 0:0" ] || fail "/usr/share/$file is not for all to read"
done
check_links "$root/usr/share/doc/$package"
libraries=$(gzip -dc "$root/usr/share/licenses/$package/third-party-notices.gz" | sed -n 's/^==== \([^ ]*\) .*/\1/p')
grep -qx rusqlite <<<"$libraries" || fail "the notices leave out what the program contains"
odd=$(scratch_rpm --verify --nodeps "$package") || fail "what is installed is not what was packed: $odd"
if "$root$extension" --version >/dev/null 2>&1; then
  found=$("$root$extension" query --list \
    --journal "$root/usr/share/doc/$package/docs/sample-journal.ndjson.gz" \
    "SELECT count(*) > 0 FROM beacon_candidates" | tail -n 1)
  [ "$found" = 1 ] || fail "the program finds nothing in the sample journal"
else
  echo "the program does not run on this system: it is not tried" >&2
fi

# What the administrator decides stays, and osqueryd is spoken of where it is.
echo "# mine" >>"$root$example"
sed -i "s|^$extension|# &|" "$list"
: >"$root$folder/cache.sqlite"
: >"$root/usr/bin/osqueryd"
chmod 0755 "$root/usr/bin/osqueryd"
said=$(scratch_rpm --upgrade --nodeps "$upgrade" 2>&1) || fail "$said"
[ "$said" = "beacon_candidates: osqueryd takes up this version when it starts: systemctl restart osqueryd" ] ||
  fail "the upgrade says: $said"
[ "$(cat "$list")" = "# $extension" ] || fail "the upgrade has changed extensions.load"
[ "$(tail -n 1 "$root$example")" = "# mine" ] || fail "the upgrade has changed an example that was changed"

sed -i "s|^# ||" "$list"
said=$(scratch_rpm --erase "$package" 2>&1) || fail "$said"
[[ $said = *"systemctl restart osqueryd"* ]] || fail "the removal says: $said"
[ ! -e "$list" ] || fail "the removal has left an empty extensions.load"
[ -e "$root$folder/cache.sqlite" ] || fail "the removal took the cache with it"
rest=$(find "$root/usr/lib" "$root/usr/share" "$root/usr/bin" -not -type d -not -name osqueryd)
[ -z "$rest" ] || fail "the removal left $rest"

echo "$package: installed, upgraded and removed as it should be"
