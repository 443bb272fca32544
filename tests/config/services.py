#!/usr/bin/env python3
"""The services are what systemd takes them for, and as shut in as they were made.

Asks Debian's systemd-analyze, offline: the exposure of each unit, that it verifies, and that the settings somebody would
loosen first are there; and that the folders a unit writes to are its user's before it first runs, for the keys are put there
and `init` writes there by hand. Exits with 77, which the test takes for skipped, only where systemd-analyze is not installed.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

EXPOSURE_MAX = {"pli-broker.service": 1.2, "pli-witness.service": 1.1, "pli-backup.service": 0.2}
SKIPPED = 77
LINES = {
    "pli-broker.service": ["Restart=on-failure", "RestartPreventExitStatus=2 4", "LimitCORE=0",
                           "LoadCredential=pli-startup:/etc/pli/startup.secret", "MemoryMax=1G"],
    "pli-witness.service": ["Restart=on-failure", "RestartPreventExitStatus=2 4", "LimitCORE=0", "MemoryMax=256M"],
    "pli-backup.service": ["Type=oneshot", "PrivateNetwork=yes", "LimitCORE=0"],
}


FOLDERS = pathlib.Path(__file__).parents[2] / "config/systemd/pli.tmpfiles"


def written(text):
    """The folders a unit may write to, its log's apart."""
    for name in re.findall(r"^StateDirectory=(.*)$", text, re.M):
        yield from (f"/var/lib/{folder}" for folder in name.split())
    for name in re.findall(r"^ReadWritePaths=-?(.*)$", text, re.M):
        yield from name.split()


def say(words):
    print(words)
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="where the units are that would be installed")
    folder = parser.parse_args().folder
    if shutil.which("systemd-analyze") is None:
        print("skipped: systemd-analyze is not installed")
        return SKIPPED
    wrong = 0
    made = {words[1]: words[3] for words in map(str.split, FOLDERS.read_text().splitlines()) if words[0] == "d"}
    for name, most in EXPOSURE_MAX.items():
        unit = folder / name
        text = unit.read_text()
        if "@" in re.sub(r"@(system-service|privileged|resources)", "", text):
            wrong += say(f"{name}: a path was left open")
        for line in LINES[name]:
            if line not in text.splitlines():
                wrong += say(f"{name}: without {line}")
        user = re.search(r"^User=(.*)$", text, re.M)[1]
        for path in written(text):
            if made.get(path) != user:
                wrong += say(f"{name}: {path} is not {user}'s before the first start: {FOLDERS.name}")
        pause = re.search(r"^RestartSec=(\d+)ms$", text, re.M)
        if "Restart=" in text and (pause is None or int(pause[1]) >= 1000):
            wrong += say(f"{name}: not back within a second")
        told = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)],
                              capture_output=True, text=True)
        score = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told.stdout)
        if score is None:
            wrong += say(f"{name}: systemd does not take it for a unit: {told.stdout}{told.stderr}")
            continue
        print(f"{name}: exposure {score[1]}, at most {most}")
        if float(score[1]) > most:
            wrong += say(f"{name}: more exposed than it was\n{told.stdout}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
