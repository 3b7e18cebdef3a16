# shellcheck shell=bash
# What scry needs from the distribution, by purpose. Sourced by the other scripts:
#
#   source scripts/packages.sh && install_packages build runtime tests
#
# Knows Debian 12 and 13 and Ubuntu 24.04. Installs what is missing and nothing else: where all is
# there, no package tool runs and no privilege is asked for.

_packages_say() { printf '%s\n' "$*" >&2; }
_packages_fail() {
  printf 'scry: %s\n' "$*" >&2
  return 1
}

_package_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

# A program from elsewhere (a newer cmake, clang as c++) is as good as the package.
_lacks_command() { ! command -v "$1" >/dev/null 2>&1; }

_lacks_server() {
  local program
  for program in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb; do
    if [ -x "$program" ]; then return 1; fi
  done
  _lacks_command initdb
}

# Prints the missing packages of one purpose, one per line; "?name": scry works without it.
_missing_packages() {
  local pair package program
  case "$1" in
    build)
      for pair in g++:g++ cmake:cmake ninja:ninja-build pkg-config:pkg-config ccache:?ccache; do
        if _lacks_command "${pair%%:*}"; then echo "${pair#*:}"; fi
      done
      for package in libpq-dev libssl-dev libpqxx-dev libfmt-dev libyaml-cpp-dev libcli11-dev libzstd-dev \
        libxxhash-dev nlohmann-json3-dev; do
        if ! _package_installed "$package"; then echo "$package"; fi
      done
      # Absent from some releases; without it patterns come from a textual fallback.
      if ! _package_installed libpg-query-dev; then echo '?libpg-query-dev'; fi
      ;;
    runtime)
      if _lacks_server; then echo postgresql; fi
      if _lacks_command psql; then echo postgresql-client; fi
      ;;
    tests)
      if ! _package_installed catch2; then echo catch2; fi
      if _lacks_command python3; then echo python3; fi
      if _lacks_command openssl; then echo openssl; fi
      if _lacks_command git; then echo '?git'; fi
      # Migration tools, which the pages under examples/ are run with. A node from elsewhere has an npm
      # with it, and Debian's npm would not go with that.
      for pair in alembic:alembic node:nodejs npm:npm; do
        if _lacks_command "${pair%%:*}"; then echo "${pair#*:}"; fi
      done
      for package in python3-django python3-psycopg2; do
        if ! _package_installed "$package"; then echo "$package"; fi
      done
      # Of Ubuntu they are snaps, which containers cannot run.
      if _lacks_command chromedriver && grep -qs '^ID=debian$' /etc/os-release; then
        echo '?chromium-driver'
      fi
      # Their completions are tested in them.
      for pair in zsh:?zsh fish:?fish; do
        if _lacks_command "${pair%%:*}"; then echo "${pair#*:}"; fi
      done
      for package in python3-psycopg python3-yaml libpostgresql-jdbc-java; do
        if ! _package_installed "$package"; then echo "?$package"; fi
      done
      # HypoPG, by which fixes are pruned.
      for program in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$program" ] || continue
        package=${program#/usr/lib/postgresql/}
        package=postgresql-${package%%/*}-hypopg
        if ! _package_installed "$package"; then echo "?$package"; fi
      done
      ;;
    clang)
      if _lacks_command clang++; then echo clang; fi
      ;;
    packages)
      # CPack asks them what a program links.
      for pair in file:file dpkg-shlibdeps:dpkg-dev; do
        if _lacks_command "${pair%%:*}"; then echo "${pair#*:}"; fi
      done
      ;;
    format)
      if _lacks_command clang-format-14; then echo clang-format-14; fi
      ;;
    *) _packages_fail "packages.sh: no purpose named '$1'" ;;
  esac
}

# Runs a command with the rights to install. Asks for a password only where someone can type one.
_as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    env "$@"
  elif [ -t 0 ]; then
    sudo env "$@"
  else
    sudo -n env "$@"
  fi
}

_may_become_root() {
  if [ "$(id -u)" -eq 0 ]; then return 0; fi
  if _lacks_command sudo; then return 1; fi
  [ -t 0 ] || sudo -n true 2>/dev/null
}

_apt_get() {
  _as_root DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 \
    -o Acquire::Retries=3 "$@" >&2
}

# Runs a command up to three times: mirrors have bad minutes.
_three_times() {
  local attempt
  for attempt in 1 2 3; do
    if "$@"; then return 0; fi
    if [ "$attempt" -lt 3 ]; then sleep $((attempt * 3)); fi
  done
  return 1
}

# Debian's server package makes and starts a cluster "main" on port 5432 unless told not to. scry
# starts private servers only, so the machine should not gain a public one; the setting is taken away
# again afterwards, as later installs are not our business.
_without_main_cluster() {
  local drop_in=/etc/postgresql-common/createcluster.d/zz-scry.conf status=0
  _as_root mkdir -p "${drop_in%/*}" || return 1
  # shellcheck disable=SC2016  # $1 is for the inner shell.
  _as_root sh -c 'echo "create_main_cluster = false" >"$1"' sh "$drop_in" || return 1
  "$@" || status=$?
  _as_root rm -f "$drop_in"
  return "$status"
}

# install_packages PURPOSE...: build, runtime, tests, packages, clang, format.
install_packages() {
  local purpose name listed wanted=() optional=() known=()
  for purpose in "$@"; do
    listed=$(_missing_packages "$purpose") || return 1
    for name in $listed; do
      case "$name" in
        \?*) optional+=("${name#\?}") ;;
        *) wanted+=("$name") ;;
      esac
    done
  done
  if [ ${#wanted[@]} -eq 0 ] && [ ${#optional[@]} -eq 0 ]; then return 0; fi

  if _lacks_command apt-get; then
    if [ ${#wanted[@]} -eq 0 ]; then return 0; fi
    _packages_fail "no apt-get here; install what corresponds to: ${wanted[*]}" || return 1
  fi
  if ! _may_become_root; then
    if [ ${#wanted[@]} -eq 0 ]; then return 0; fi
    _packages_fail "missing packages and neither root nor sudo; ask for: apt-get install ${wanted[*]}" ||
      return 1
  fi
  if [ ${#wanted[@]} -gt 0 ]; then
    # A broken third-party list fails the update though the packages wanted here may be fine.
    _three_times _apt_get update -qq ||
      _packages_say "scry: apt-get update failed; trying with the lists at hand"
  fi
  for name in ${optional[@]+"${optional[@]}"}; do
    if apt-cache show "$name" >/dev/null 2>&1; then known+=("$name"); fi
  done
  _install_missing
}

# Takes `wanted` and `known` of install_packages.
_install_missing() {
  local all=(${wanted[@]+"${wanted[@]}"} ${known[@]+"${known[@]}"})
  local install=(_apt_get install -y -qq --no-install-recommends)
  if [ ${#all[@]} -eq 0 ]; then return 0; fi
  _packages_say "scry: installing ${all[*]}"
  if _without_main_cluster _three_times "${install[@]}" "${all[@]}"; then return 0; fi
  if [ ${#wanted[@]} -eq 0 ]; then
    _packages_say "scry: going on without ${known[*]}"
    return 0
  fi
  _packages_fail "apt-get could not install: ${all[*]}; mend that, then run this again"
}
