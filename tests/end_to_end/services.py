#!/usr/bin/env python3
"""Broker, backup and witness do their work under the system calls and address families that their units leave them.

Exits with 77, which the test takes for skipped, only where systemd-analyze is not installed.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from departement import SOURCE, Departement, NotAsTold

UNITS = SOURCE / "config" / "systemd"
FILTER = [sys.executable, SOURCE / "tests" / "config" / "under_filter.py"]
# The leak checker of a sanitized build traces itself, which no unit allows.
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"


def under(unit, *words):
    return [str(word) for word in [*FILTER, UNITS / f"{unit}.service.in", *words]]


def started(words, err):
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=err, text=True)
    line = process.stdout.readline()
    if "ready" not in line:
        process.kill()
        raise NotAsTold(f"{words[3]}: not ready: {line}")
    return process


def ended(process):
    process.send_signal(signal.SIGTERM)
    if process.wait(timeout=30) != 0:
        raise NotAsTold(f"ended with {process.returncode}")


def story(department):
    department.make_contract(1, 1, ("temoin.inspection",))
    department.init_broker()
    config = ["--config", department.server / "broker.toml"]
    programs = department.programs
    with open(department.folder / "services.err", "ab") as err:
        port = department.witnesses["temoin.inspection"]["port"]
        witness = started(under("pli-witness", programs / "pli-witness", "run", "--folder",
                                department.folder / "temoin.inspection", "--listen", f"127.0.0.1:{port}"), err)
        broker = started(under("pli-broker", programs / "pli-broker", "run", *config), err)
        try:
            health = json.loads(department.run([programs / "pli-broker", "health", "--json", *config]).stdout)
            if not health["serving"]:
                raise NotAsTold(f"not serving: {health}")
            copies = department.folder / "copies"
            copies.mkdir()
            department.run(under("pli-backup", programs / "pli-broker", "backup", *config, copies))
            if len(list(copies.iterdir())) != 1:
                raise NotAsTold("no backup")
        finally:
            ended(broker)
            ended(witness)
    told = (department.folder / "services.err").read_text()
    if "witness does not cosign" in told:
        raise NotAsTold(f"the witness was not reached:\n{told}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of the programs")
    programs = parser.parse_args().bin
    if shutil.which("systemd-analyze") is None:
        print("skipped: systemd-analyze is not installed")
        return 77
    with tempfile.TemporaryDirectory(prefix="pli-services-") as folder:
        department = Departement(pathlib.Path(folder), programs.resolve())
        story(department)
    print("broker, backup and witness run under their units' filters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
