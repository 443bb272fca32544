#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are not there yet.
#   scripts/install-packages.sh [--from FILE] [--without-services] [GROUP]...
# GROUP is build or check; all groups when none is named. --from reads another list of the same form. Services that
# packages bring are neither started nor enabled with --without-services.
# Asks the network only when something is missing. Needs root or sudo only then.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
list=$root/packages.txt
services=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --from) list=$2; shift 2 ;;
    --without-services) services=no; shift ;;
    *) break ;;
  esac
done

for wanted in "$@"; do
  grep -q "^$wanted  " "$list" || { echo "install-packages: no group '$wanted' in ${list##*/}" >&2; exit 2; }
done

packages=()
while read -r group package; do
  case "$group" in '' | '#'*) continue ;; esac
  if [ $# -eq 0 ] || [[ " $* " == *" $group "* ]]; then packages+=("$package"); fi
done <"$list"

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
if [ $services = yes ]; then
  apt install -y --no-install-recommends "${missing[@]}"
  exit 0
fi

# Debian asks this program before it starts a service; where there is one already, it answers.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap '"${as_root[@]}" rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin $policy
fi
before=$(dpkg-query -W -f='${Package}\n' | sort)
apt install -y --no-install-recommends "${missing[@]}"
if command -v systemctl >/dev/null; then
  for package in $(comm -13 <(echo "$before") <(dpkg-query -W -f='${Package}\n' | sort)); do
    dpkg-query -L "$package" | sed -n 's|^\(/usr\)\?/lib/systemd/system/\([^/@]*\.service\)$|\2|p' |
      xargs -r "${as_root[@]}" systemctl disable --quiet || true
  done
fi
