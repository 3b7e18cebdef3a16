#!/usr/bin/env bash
# Puts scry on the PATH of the job's later steps: the one that is there, a released package, or a
# build of the source that this action came with.
set -euo pipefail

version=${SCRY_VERSION:-}
cache=${SCRY_CACHE:-$HOME/.cache/scry-action}
say() { printf '%s\n' "$*"; }

if [ -z "$version" ] && command -v scry >/dev/null 2>&1; then
  say "scry is here: $(scry --version)"
  exit 0
fi

SCRY_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../.." && pwd -P)
# shellcheck source=../../../scripts/packages.sh
source "$SCRY_ROOT/scripts/packages.sh"

mkdir -p "$cache/bin"
if [ ! -x "$cache/bin/scry" ]; then
  if [ -n "$version" ]; then
    if ! [[ $version =~ ^v?[0-9]+\.[0-9]+\.[0-9]+$ ]]; then
      say "::error title=scry::'$version' is no version; for example 1.2.3"
      exit 1
    fi
    url="${GITHUB_SERVER_URL:-https://github.com}/${SCRY_REPOSITORY}/releases/download/v${version#v}"
    file="scry-${version#v}-$(uname -s)-$(uname -m).tar.gz"
    download=$(mktemp -d)
    trap 'rm -rf "$download"' EXIT
    for name in "$file" "$file.sha256"; do
      if ! curl --fail --silent --show-error --location --retry 3 -o "$download/$name" "$url/$name"; then
        say "::error title=scry::no $name at $url"
        exit 1
      fi
    done
    (cd "$download" && sha256sum --check --quiet "$file.sha256")
    tar -xzf "$download/$file" -C "$cache" --strip-components=1
  else
    # shellcheck source=../../../scripts/build.sh
    source "$SCRY_ROOT/scripts/build.sh"
    install_packages build
    build_scry "$SCRY_ROOT/build/release" scry -DCMAKE_BUILD_TYPE=Release -DSCRY_TESTS=OFF
    install -m 0755 "$SCRY_ROOT/build/release/scry" "$cache/bin/scry"
  fi
fi
# The servers of the forks, and the libraries that a build from the cache needs.
install_packages build runtime
printf '%s\n' "$cache/bin" >>"$GITHUB_PATH"
"$cache/bin/scry" --version
