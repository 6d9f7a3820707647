#!/usr/bin/env bash
# Builds connections.bpf.o, which is committed so that building the project needs no clang. Give a folder to build
# it there instead. It needs clang-14, llvm-14 and libbpf-dev; another clang makes other bytes of the same program.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-.}
clang-14 -target bpfel -mcpu=v2 -O2 -Wall -Werror -I"/usr/include/$(uname -m)-linux-gnu" \
  -c connections.bpf.c -o "$out/connections.bpf.o"
llvm-strip-14 --strip-debug "$out/connections.bpf.o"
