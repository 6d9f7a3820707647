#!/usr/bin/env bash
# Prints the names and licenses of the libraries that the program contains, and their notices: most
# of the licenses ask for them where the program is passed on.
set -euo pipefail
cd "$(dirname "$0")/.."

# What is compiled into the program for this system; tools of the build and of the tests are not.
contained=$(cargo tree --locked --edges normal --prefix none --no-dedupe --format '{p}' \
  | awk 'NR > 1 { print $1, $2 }' | sort -u)

cargo metadata --locked --format-version 1 \
  | jq -r '.packages[] | [.name, "v" + .version, .license // "see its notices", .manifest_path] | @tsv' \
  | sort | while IFS=$'\t' read -r name version license manifest; do
    grep -qxF "$name $version" <<<"$contained" || continue
    folder=$(dirname "$manifest")
    printf '\n==== %s %s: %s\n' "$name" "$version" "$license"
    # The sources of SQLite and of zstd lie one folder below.
    find "$folder" -maxdepth 2 -type f \
      \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'copyright*' -o -iname 'notice*' -o -iname 'unlicense*' \) \
      -print0 | sort -z | while IFS= read -r -d '' file; do
      printf '\n---- %s\n\n' "${file#"$folder"/}"
      cat "$file"
    done
  done
