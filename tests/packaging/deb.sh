#!/usr/bin/env bash
# Installs, upgrades, removes and purges a .deb in a scratch root, and checks what that leaves behind.
#
#   tests/packaging/deb.sh target/debian/beacon-candidates_*.deb
#
# It needs dpkg, and root or fakeroot. dpkg would run the maintainer scripts in a chroot, where there
# is no shell; they run outside instead and find the scratch root in DPKG_ROOT. What the system
# itself has must come out of it as it was.
set -euo pipefail
# shellcheck source=tests/packaging/links.sh
. "$(dirname "$0")/links.sh"

if [ $# -ne 1 ] || [ ! -f "$1" ]; then
  echo "usage: $0 FILE.deb" >&2
  exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
  command -v fakeroot >/dev/null || {
    echo "$0: run it as root, or install fakeroot" >&2
    exit 2
  }
  exec fakeroot -- "$0" "$@"
fi

# Users who are not root have no ldconfig in their PATH, and dpkg asks for it.
PATH=$PATH:/usr/sbin:/sbin

readonly extension=/usr/lib/osquery/extensions/beacon_candidates.ext
readonly examples=(/etc/osquery/beacon_candidates.toml.example
  /etc/osquery/beacon_candidates_suppressions.toml.example)
readonly folder=/var/lib/beacon_candidates
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
scenario=

fail() {
  echo "$scenario: $1" >&2
  exit 1
}

# --- the package, and the same one with a higher version ---

deb=$work/old.deb
upgrade=$work/new.deb
cp "$1" "$deb"
package=$(dpkg-deb --field "$deb" Package)
dpkg-deb --raw-extract "$deb" "$work/new"
sed -i 's/^Version: .*/&+scratch/' "$work/new/DEBIAN/control"
printf '\n# changed in the newer version\n' >>"$work/new/etc/osquery/beacon_candidates.toml.example"
dpkg-deb --root-owner-group -Znone --build "$work/new" "$upgrade" >/dev/null

# --- what the scenarios are made of ---

# A new scratch root, with an extensions.load of the given text if there is one.
begin() {
  scenario=$1
  root=$work/root
  rm -rf "$root"
  mkdir -p "$root"/var/lib/dpkg/{info,parts,triggers,updates} "$root"/var/log "$root"/etc
  : >"$root/var/lib/dpkg/status"
  : >"$root/var/lib/dpkg/available"
  list=$root/etc/osquery/extensions.load
  if [ $# -gt 1 ]; then
    mkdir -p "${list%/*}"
    printf '%s' "$2" >"$list"
    chown 0:7 "$list"
    chmod 0640 "$list"
  fi
}

# dpkg in the scratch root. Nothing of the system's own configuration may get in between.
scratch_dpkg() {
  local output
  output=$(dpkg --root="$root" --no-triggers --no-pager \
    --force-not-root --force-depends --force-script-chrootless --force-architecture \
    --force-confnew "$@" 2>&1 </dev/null) || {
    printf '%s\n' "$output" >&2
    fail "dpkg $1 failed"
  }
}

# A maintainer script as dpkg calls it.
script() {
  local name=$1
  shift
  DPKG_ROOT=$root "$root/var/lib/dpkg/info/$package.$name" "$@" >/dev/null ||
    fail "$name $* failed"
}

# How many lines of the list osquery would load the extension for: it trims lines.
loads() {
  if [ ! -e "$list" ]; then
    echo 0
  else
    sed 's/^[[:space:]]*//; s/[[:space:]]*$//' "$list" | grep -cxF "$extension" || true
  fi
}

expect_loads() {
  [ "$(loads)" = "$1" ] || fail "$2, extensions.load has the line $(loads) times instead of $1"
}

# The list without our line, byte for byte.
expect_rest() {
  printf '%s' "$1" >"$work/expected"
  { grep -vxF "$extension" "$list" || true; } | cmp -s "$work/expected" - ||
    fail "$2, the other lines of extensions.load are not as they were"
}

expect_mode() {
  local found
  found=$(stat --format '%a %u:%g' "$1") || fail "$1 is missing"
  [ "$found" = "$2" ] || fail "${1#"$root"} is $found instead of $2"
}

expect_absent() {
  if [ -e "$1" ] || [ -L "$1" ]; then
    fail "$2, ${1#"$root"} is still there"
  fi
}

fingerprint() {
  ls -ldn --time-style=full-iso /etc/osquery /etc/osquery/extensions.load "$folder" "$extension" 2>&1 || true
}

before=$(fingerprint)

# --- the whole life of a package, without a list ---

begin "no list"
scratch_dpkg --install "$deb"
expect_mode "$root$extension" "755 0:0"
expect_mode "$root${extension%/*}" "755 0:0"
expect_mode "$root/usr/bin/beacon_candidates" "755 0:0"
expect_mode "$root$folder" "700 0:0"
expect_mode "$list" "644 0:0"
for example in "${examples[@]}"; do
  expect_mode "$root$example" "644 0:0"
  grep -qxF " $example $(md5sum <"$root$example" | cut -d' ' -f1)" "$root/var/lib/dpkg/status" ||
    fail "$example is no conffile"
done
for file in share/man/man1/beacon_candidates.1.gz share/bash-completion/completions/beacon_candidates \
  share/zsh/vendor-completions/_beacon_candidates share/fish/vendor_completions.d/beacon_candidates.fish \
  "share/doc/$package/copyright" "share/doc/$package/changelog.Debian.gz" \
  "share/doc/$package/docs/sample-journal.ndjson.gz"; do
  expect_mode "$root/usr/$file" "644 0:0"
done
odd=$(dpkg-deb --fsys-tarfile "$deb" | tar --numeric-owner -tvf - |
  awk '$2 != "0/0" || $1 ~ /^-[rwx-]*[sS]|^.....w|^........w/')
[ -z "$odd" ] || fail "the package has files that others can write to or own: $odd"
check_links "$root/usr/share/doc/$package"
libraries=$(gzip -dc "$root/usr/share/doc/$package/third-party-notices.gz" | sed -n 's/^==== \([^ ]*\) .*/\1/p')
grep -qx rusqlite <<<"$libraries" || fail "the notices leave out what the program contains"
! grep -qx proptest <<<"$libraries" || fail "the notices name what only the tests need"
[ "$(cat "$list")" = "$extension" ] || fail "after the installation, extensions.load has something else in it"
scratch_dpkg --install "$upgrade"
expect_loads 1 "after the upgrade"
grep -q '^# changed in the newer version' "$root${examples[0]}" || fail "the upgrade kept an old example"
: >"$root$folder/cache.sqlite"
: >"$root/etc/osquery/beacon_candidates.toml"
scratch_dpkg --remove "$package"
expect_absent "$list" "after the removal"
expect_absent "$root$extension" "after the removal"
[ -e "$root$folder/cache.sqlite" ] || fail "the removal took the cache with it"
[ -e "$root${examples[0]}" ] || fail "the removal took the configuration with it"
scratch_dpkg --purge "$package"
expect_absent "$root$folder" "after the purge"
for example in "${examples[@]}"; do
  expect_absent "$root$example" "after the purge"
done
[ -e "$root/etc/osquery/beacon_candidates.toml" ] || fail "the purge took a file that the package did not make"
rest=$(cd "$root" && find . -not -type d -not -path './var/lib/dpkg/*' -not -path './var/log/*' \
  -not -path ./etc/osquery/beacon_candidates.toml)
[ -z "$rest" ] || fail "the purge left $rest"

# --- a list that others use, too ---

others="# $extension is written in by hand
/opt/other/other.ext

;  $extension
/usr/lib/osquery/extensions/beacon_candidates_ext
  $extension.old"
begin "a list without an end of line" "$others"
scratch_dpkg --install "$deb"
expect_loads 1 "after the installation"
expect_rest "$others"$'\n' "after the installation"
expect_mode "$list" "640 0:7"
inode=$(stat --format %i "$list")
scratch_dpkg --install "$upgrade"
expect_loads 1 "after the upgrade"
expect_rest "$others"$'\n' "after the upgrade"
scratch_dpkg --remove "$package"
expect_loads 0 "after the removal"
printf '%s\n' "$others" | cmp -s - "$list" || fail "after the removal, the list is not as it was"
expect_mode "$list" "640 0:7"
[ "$(stat --format %i "$list")" = "$inode" ] || fail "the list has been replaced, not changed"
scratch_dpkg --install "$deb"
expect_loads 1 "after the removal and an installation"
scratch_dpkg --purge "$package"
expect_loads 0 "after the purge"
[ -e "$list" ] || fail "the purge took the list of others"

begin "a line that was there before" $'/opt/a.ext\n\t'"$extension"$' \r\n/opt/b.ext'
scratch_dpkg --install "$deb"
expect_loads 1 "after the installation"
scratch_dpkg --remove "$package"
printf '/opt/a.ext\n/opt/b.ext' | cmp -s - "$list" || fail "the removal changed other lines"

begin "an empty list" ""
scratch_dpkg --install "$deb"
expect_loads 1 "after the installation"
scratch_dpkg --remove "$package"
if [ ! -e "$list" ] || [ -s "$list" ]; then
  fail "the list is not empty as it was"
fi

begin "a list of ours that got another line"
scratch_dpkg --install "$deb"
echo /opt/a.ext >>"$list"
scratch_dpkg --remove "$package"
[ "$(cat "$list")" = /opt/a.ext ] || fail "after the removal, the other line is not alone in the list"

# --- decisions of the administrator, and calls that dpkg repeats ---

begin "a line that was taken out by hand" $'/opt/a.ext\n'
scratch_dpkg --install "$deb"
sed -i "s|^$extension|# &|" "$list"
scratch_dpkg --install "$upgrade"
expect_loads 0 "after the upgrade"
scratch_dpkg --remove "$package"
scratch_dpkg --install "$deb"
expect_loads 1 "after the removal and an installation"

begin "a cache that is a link, and a list that is one"
mkdir -p "$root/etc/osquery" "$root/srv/cache" "$root/var/lib"
chmod 0750 "$root/srv/cache"
ln -s ../../srv/cache "$root$folder"
ln -s ../shared.load "$list"
echo /opt/a.ext >"$root/etc/shared.load"
scratch_dpkg --install "$deb"
expect_loads 1 "after the installation"
if [ ! -L "$list" ] || [ ! -L "$root$folder" ]; then
  fail "a link has been replaced"
fi
expect_mode "$root/srv/cache" "750 0:0"
scratch_dpkg --purge "$package"
[ "$(cat "$root/etc/shared.load")" = /opt/a.ext ] || fail "the file behind the link is not as it was"
expect_absent "$root$folder" "after the purge"

begin "calls that are repeated or undone"
scratch_dpkg --install "$deb"
script postinst configure ""
script postinst abort-upgrade 0
script postinst abort-deconfigure in-favour other 0
expect_loads 1 "after a second postinst"
for call in "upgrade 1" "failed-upgrade 0 1" "deconfigure in-favour other 0"; do
  # shellcheck disable=SC2086 # arguments
  script prerm $call
  expect_loads 1 "after prerm $call"
done
script prerm remove
script prerm remove
expect_loads 0 "after a second prerm"
script postinst abort-remove
expect_loads 1 "after a removal that was given up"
for call in remove "upgrade 1" "failed-upgrade 0 1" abort-install "abort-upgrade 1" "disappear other 1"; do
  # shellcheck disable=SC2086 # arguments
  script postrm $call
  [ -d "$root$folder" ] || fail "postrm $call took the cache"
done
script postrm purge
script postrm purge
expect_absent "$root$folder" "after a second postrm"

# --- the program that is in the package, where it runs ---

begin "the program"
scratch_dpkg --install "$deb"
if "$root$extension" --version >/dev/null 2>&1; then
  said=$("$root$extension" --socket "$work/no.em" --timeout 0 --config "$root${examples[0]}" 2>&1) || true
  case $said in
  *"no osquery listens on"*) ;;
  *) fail "the extension does not take the configuration: $said" ;;
  esac
  said=$(echo '{"time":1000,"pathname":"/bin/a","destination":"192.0.2.1","destinationport":443}' |
    "$root$extension" query --journal - --suppressions "$root${examples[1]}" --list \
      "SELECT count(*) > 0 AS found FROM beacon_suppressions WHERE origin LIKE '%.example'" 2>&1) || true
  [ "$said" = $'found\n1' ] || fail "the suppression rules are not taken: $said"
else
  echo "the program does not run on this system: the examples are not tried" >&2
fi

[ "$before" = "$(fingerprint)" ] || fail "the system itself has changed"
echo "$package: installed, upgraded, removed and purged as it should be"
