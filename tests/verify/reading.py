"""How much there is to read of pli-verify: every source of ours whose object its linker took, and every header those
include. Fails above what is read in an hour.

    reading.py ROOT MAP
"""
import pathlib
import re
import sys

# One line a second. Counted is what says something: no blank line, no comment, no include, no brace alone.
LINES_MAX = 3600
SAYS_NOTHING = re.compile(r"^\s*(//.*|#include .*|#pragma once|[{}();,]*|namespace [\w:]* ?\{|\} *// namespace.*)$")
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
OBJECT = re.compile(r"libpli_(\w+)\.a\((\w+)\.cpp\.o\)")


def sources(root, link_map):
    """Paths from the root."""
    waiting = {f"{room}/{name}.cpp" for room, name in OBJECT.findall(link_map)} | {"verify/main.cpp"}
    read = set()
    while waiting:
        path = waiting.pop()
        if path not in read:
            read.add(path)
            waiting |= set(INCLUDE.findall((root / path).read_text(encoding="utf-8")))
    return sorted(read)


def main():
    root = pathlib.Path(sys.argv[1])
    read = sources(root, pathlib.Path(sys.argv[2]).read_text(encoding="utf-8", errors="replace"))
    # Controls: the map was understood, and nothing of another room came in.
    for needed in ("verify/commands.cpp", "audit/tile.cpp", "crypto/base64.cpp", "base/bytes.cpp"):
        if needed not in read:
            sys.exit(f"{needed} is not among what is read: another map than pli-verify's?")
    for path in read:
        if path.split("/")[0] not in ("base", "crypto", "audit", "verify"):
            sys.exit(f"{path} is in pli-verify")
    total = 0
    for path in read:
        lines = (root / path).read_text(encoding="utf-8").splitlines()
        count = sum(1 for line in lines if not SAYS_NOTHING.match(line))
        print(f"{count:5} {path}")
        total += count
    print(f"{total:5} of {LINES_MAX}, in {len(read)} files")
    return 0 if total <= LINES_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
