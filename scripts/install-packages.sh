#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are not there yet.
#   scripts/install-packages.sh [GROUP]...      build, check; all groups when none is named
# Asks the network only when something is missing. Needs root or sudo only then.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

for wanted in "$@"; do
  grep -q "^$wanted  " "$root/packages.txt" || { echo "install-packages: no group '$wanted' in packages.txt" >&2; exit 2; }
done

packages=()
while read -r group package; do
  case "$group" in '' | '#'*) continue ;; esac
  if [ $# -eq 0 ] || [[ " $* " == *" $group "* ]]; then packages+=("$package"); fi
done <"$root/packages.txt"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install-packages: not a Debian system; these must be there under whatever name: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | head -n 1 || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-packages: run as root, or install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
  [ -t 0 ] || as_root=(sudo -n)  # nobody there to type a password
fi
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
echo "installing ${#missing[@]} packages: ${missing[*]}"
apt update
apt install -y --no-install-recommends "${missing[@]}"
