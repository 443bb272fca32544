#!/usr/bin/env python3
"""Checks that every C++ source stands as .clang-format says; `--fix` rewrites those that do not.

    format.py ROOT [CLANG_FORMAT] [--fix]
"""
import argparse
import pathlib
import subprocess
import sys

from tidy import SOURCES, Tree


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("clang_format", nargs="?", default="clang-format-14")
    parser.add_argument("--fix", action="store_true", help="rewrite the files")
    options = parser.parse_args()
    files = [str(file) for file in Tree(options.root).files() if file.suffix in SOURCES]
    if not files:
        sys.exit("format: no sources found")
    mode = ["-i"] if options.fix else ["--dry-run", "-Werror"]
    return subprocess.run([options.clang_format, "--style=file", *mode, *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
