#!/usr/bin/env bash
# Instructions of fixed questions, counted by callgrind: fails if one takes over 10 % more than the
# committed figure. The count does not depend on what else the machine does, but on its processor
# and its libraries; --update writes the figures of this one.
set -euo pipefail
cd "$(dirname "$0")/../.."

figures=benches/instructions/figures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --locked --quiet
program=target/release/beacon_candidates
"$program" simulate --connections 200000 --destinations 1000 --without-bytes --output "$work/j.ndjson"
"$program" import --cache "$work/c.sqlite" "$work/j.ndjson" 2>/dev/null

count() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null \
    "$program" query --cache "$work/c.sqlite" --now latest --csv "$1" 2>&1 >/dev/null |
    sed -n 's/.*Collected : \([0-9]*\)$/\1/p'
}

declare -A questions=(
  [default]="SELECT * FROM beacon_candidates"
  [every_group]="SELECT sum(median_interval), sum(stddev_interval) FROM beacon_candidates
                 WHERE include_all = 1 AND row_limit = 1000000"
)
counts=""
failed=0
for name in default every_group; do
  counted=$(count "${questions[$name]}")
  counts+="$name $counted"$'\n'
  [ "${1-}" = --update ] && continue
  committed=$(sed -n "s/^$name //p" "$figures")
  echo "$name: $counted instructions, committed $committed"
  if [ "$((counted * 10))" -gt "$((committed * 11))" ]; then
    echo "$name takes over 10 % more than the committed figure"
    failed=1
  fi
done
if [ "${1-}" = --update ]; then
  printf '%s' "$counts" > "$figures"
fi
exit "$failed"
