#!/usr/bin/env bash
# Puts scry on the PATH of the job's later steps: the one that is there, a released package, or a
# build of the source that this action came with.
#
#   install.sh which    for the cache: writes key=, and folder= unless there is nothing to install
#   install.sh install  into that folder, if what it holds is not this very version
#
# Folder and key name all that the program depends on. On a self-hosted runner the folder outlives
# the job, and a program of last month's source must not answer for this one.
set -euo pipefail

SCRY_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../.." && pwd -P)
cache=${SCRY_CACHE:-$HOME/.cache/scry-action}
asked=${SCRY_VERSION:-}
asked=${asked#v}

say() { printf '%s\n' "$*"; }
fail() {
  printf '::error title=scry::%s\n' "$*"
  exit 1
}

if [ -n "$asked" ] && ! [[ $asked =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]; then
  # It is printed: a line end in it would begin a workflow command.
  fail "'${asked//[^0-9A-Za-z.+-]/?}' is no version; for example 1.2.3"
fi

source_version() {
  sed -n 's/^project(scry VERSION \([0-9.]*\).*/\1/p' "$SCRY_ROOT/CMakeLists.txt"
}

# Of all that a build reads. The source of an action is no git repository, so there is no commit.
source_hash() {
  local all
  all=$(cd "$SCRY_ROOT" &&
    find CMakeLists.txt cmake lib apps examples scripts -type f -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum | sha256sum)
  printf '%s\n' "${all:0:16}"
}

# A program built on one release of a distribution does not run on another.
system_name() {
  # shellcheck source=/dev/null
  (. /etc/os-release 2>/dev/null && printf '%s-%s' "${ID:-linux}" "${VERSION_ID:-}") || uname -s
}

version_of() { "$1" --version 2>/dev/null | sed -n 's/^scry //p'; }

wanted=${asked:-$(source_version)}

# Whether the machine's own scry will do.
is_here() {
  command -v scry >/dev/null 2>&1 || return 1
  [ -z "$asked" ] || [ "$(version_of scry)" = "$asked" ]
}

key() {
  local what
  if [ -n "$asked" ]; then what=v$asked; else what=source-$(source_hash); fi
  printf 'scry-%s-%s-%s\n' "$(system_name)" "$(uname -m)" "$what"
}

usable() { [ -x "$1/bin/scry" ] && [ "$(version_of "$1/bin/scry")" = "$wanted" ]; }

download() { # FOLDER
  local folder=$1 name url file
  url="${GITHUB_SERVER_URL:-https://github.com}/${SCRY_REPOSITORY}/releases/download/v$asked"
  file="scry-$asked-$(uname -s)-$(uname -m).tar.gz"
  for name in "$file" "$file.sha256"; do
    curl --fail --silent --show-error --location --retry 3 -o "$folder/$name" "$url/$name" ||
      fail "no $name at $url"
  done
  (cd "$folder" && sha256sum --check --quiet "$file.sha256") || fail "$file is not what its sum says"
  tar -xzf "$folder/$file" -C "$folder" --strip-components=1
  rm "$folder/$file" "$folder/$file.sha256"
}

build() { # FOLDER
  # shellcheck source=../../../scripts/build.sh
  source "$SCRY_ROOT/scripts/build.sh"
  build_scry "$SCRY_ROOT/build/release" scry -DCMAKE_BUILD_TYPE=Release -DSCRY_TESTS=OFF
  mkdir -p "$1/bin"
  install -m 0755 "$SCRY_ROOT/build/release/scry" "$1/bin/scry"
}

install_scry() {
  local folder made
  folder=$cache/$(key)
  # The servers of the forks. What was built here needs the libraries it was built with as well, also
  # when it comes from a cache; a released one brings its own.
  if [ -n "$asked" ]; then install_packages runtime; else install_packages build runtime; fi
  if ! usable "$folder"; then
    # Two jobs of one machine may be here at once: what lies in place is always whole.
    mkdir -p "$cache"
    made=$(mktemp -d "$cache/new-XXXXXX")
    # shellcheck disable=SC2064  # Now, as it is a local name.
    trap "rm -rf '$made'" EXIT
    if [ -n "$asked" ]; then download "$made"; else build "$made"; fi
    usable "$made" || fail "what was made calls itself '$(version_of "$made/bin/scry")', not $wanted"
    rm -rf "$folder"
    # Where another job was faster, its folder is as good.
    mv -T "$made" "$folder" 2>/dev/null || usable "$folder" || fail "cannot put scry into $folder"
  fi
  # What no job has asked for in a month goes; runners of one's own are not emptied by anybody else.
  touch "$folder"
  find "$cache" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + || true
  printf '%s\n' "$folder/bin" >>"$GITHUB_PATH"
  say "scry $wanted is in $folder"
}

# shellcheck source=../../../scripts/packages.sh
source "$SCRY_ROOT/scripts/packages.sh"

case "${1:-}" in
  which)
    printf 'key=%s\n' "$(key)" >>"$GITHUB_OUTPUT"
    if ! is_here; then printf 'folder=%s\n' "$cache/$(key)" >>"$GITHUB_OUTPUT"; fi
    ;;
  install)
    if is_here; then
      say "scry is here: $(command -v scry), $(version_of scry)"
      if [ "$(version_of scry)" != "$wanted" ]; then
        say "::warning title=scry::the scry on the PATH is not the version that this action came with, $wanted"
      fi
    else
      install_scry
    fi
    ;;
  *)
    say "usage: install.sh which|install" >&2
    exit 64
    ;;
esac
