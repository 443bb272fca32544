#!/usr/bin/env python3
"""docs/operations.md lists every state and code that an operator may meet, and none that is nowhere said."""
import argparse
import pathlib
import re
import sys

SAID_IN = ["broker/*.cpp", "broker/vitals.hpp", "witness/*.cpp", "protocol/error_catalogue.cpp"]
WORD = re.compile(r'"([A-Z][A-Z_]{2,})[" ]')
# SQL, HTTP and the environment: words in capitals that no operator is told.
NO_STATES = {"AND", "BEGIN", "COMMIT", "CREATE", "CREDENTIALS_DIRECTORY", "CURVE", "DELETE", "GET", "HEAD", "INSERT", "JSON", "LEFT",
             "NOT", "POST", "PRAGMA", "ROLLBACK", "SELECT", "UPDATE", "VACUUM", "WHERE"}


def listed(text):
    """What stands in backticks in the first column of the tables under the two headings."""
    out = set()
    for part in re.split(r"^## ", text, flags=re.M):
        if part.startswith(("States", "Codes that clients are answered")):
            for row in re.findall(r"^\| (`.*?) \|", part, re.M):
                out |= set(re.findall(r"`([A-Z][A-Z_]{2,})`", row))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=pathlib.Path)
    root = parser.parse_args().root
    said = {}
    for pattern in SAID_IN:
        for path in sorted(root.glob(pattern)):
            for word in WORD.findall(path.read_text()):
                said.setdefault(word, path.relative_to(root))
    there = listed((root / "docs/operations.md").read_text())
    wrong = [f"{path}: {word} is not in docs/operations.md" for word, path in sorted(said.items())
             if word not in there | NO_STATES]
    wrong += [f"docs/operations.md: nobody says {word}" for word in sorted(there - set(said))]
    if len(said) < 60:
        wrong.append(f"only {len(said)} words were found: the pattern no longer fits the sources")
    print("\n".join(wrong) or f"{len(there)} states and codes, all listed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
