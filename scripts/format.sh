#!/usr/bin/env bash
# Formats C++ with clang-format 14: scripts/format.sh [check|fix]. Other majors lay out code differently,
# so there it does nothing and says so.
set -euo pipefail

action=${1:-check}
case "$action" in
  check) arguments=(--dry-run --Werror) ;;
  fix) arguments=(-i) ;;
  *)
    echo "usage: scripts/format.sh [check|fix]" >&2
    exit 64
    ;;
esac

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
formatter=$(command -v clang-format-14 || command -v clang-format || true)
version=
if [ -n "$formatter" ]; then version=$("$formatter" --version); fi
if [[ ! $version =~ version\ 14\. ]]; then
  echo "scry: formatting is judged by clang-format 14 only, and it is not here: skipped" >&2
  exit 0
fi

cd -- "$root"
find apps lib tests -type f \( -name '*.h' -o -name '*.cc' \) -print0 | sort -z |
  xargs -0 -r "$formatter" "${arguments[@]}"
