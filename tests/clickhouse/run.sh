#!/usr/bin/env bash
# Runs prevalence.py on ClickHouse's own engine, which is set up under target/.
#
#   tests/clickhouse/run.sh
#
# It needs Python 3 with venv and, the first time, the Python package registry.
set -euo pipefail
cd "$(dirname "$0")/../.."

# ClickHouse as a module, a download of 180 MB. It imports pandas only for what is not used here.
engine=chdb-core==26.9.0
folder=target/tmp/clickhouse

cargo build --locked
if ! "$folder/bin/pip" freeze 2>/dev/null | grep -qx "$engine"; then
  python3 -m venv --clear "$folder"
  timeout 15m "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps "$engine" || {
    echo "$0: cannot install $engine from the Python package registry (it may take 15 minutes)" >&2
    exit 1
  }
fi
"$folder/bin/python3" tests/clickhouse/prevalence.py target/debug/beacon_candidates
