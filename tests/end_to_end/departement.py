"""A département for the end-to-end tests and the demo: its folder, its people, and the real programs they run."""

import argparse
import csv
import datetime
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zoneinfo

SOURCE = pathlib.Path(__file__).resolve().parents[2]
WORK_FACTOR = "10"  # 18 in life; lower here so that sixty unlockings do not take minutes
PASSPHRASE = "sept-lampes-eteintes-au-port"


class NotAsTold(Exception):
    pass


def paris_today():
    """The journal's days are those of Paris, whatever the machine's zone."""
    return datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Paris")).date()


def must(condition, what):
    if not condition:
        raise NotAsTold(what)
    print(f"ok  {what}", flush=True)


def play(description, story):
    """Runs `story(department)` in a folder of its own, which stays when something was not as it must be. Exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--bin", required=True, help="folder of the programs")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pli-test-")).resolve()
    (folder / "membres").mkdir()
    department = Departement(folder, pathlib.Path(arguments.bin).resolve())
    try:
        story(department)
    except (NotAsTold, KeyError, IndexError, json.JSONDecodeError, subprocess.TimeoutExpired) as surprise:
        print(f"not as it must be: {type(surprise).__name__}: {surprise}\n  everything is left in {folder}", file=sys.stderr)
        return 1
    finally:
        department.end()
    shutil.rmtree(folder)
    return 0


class Departement:
    def __init__(self, folder, programs):
        self.folder = folder
        self.programs = programs
        self.broker = None
        self.witnesses = {}
        self.passphrase = folder / "phrase.txt"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.passphrase.chmod(0o600)
        self.authority = folder / "contrat" / "authority"
        self.server = folder / "contrat" / "broker"

    def home(self, who):
        return self.folder / "membres" / who

    def run(self, words, stdin=None, expect=0):
        done = subprocess.run([str(w) for w in words], input=stdin, capture_output=True, text=True, timeout=120)
        allowed = expect if isinstance(expect, tuple) else (expect,)
        if done.returncode not in allowed:
            raise NotAsTold(f"{' '.join(map(str, words))}\n   exit code {done.returncode}, {allowed} was told\n"
                            f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def pli(self, who, *words, expect=0, stdin=None):
        """One command of one person; JSON lines back."""
        done = self.run([self.programs / "pli", "--home", self.home(who), "--passphrase-file", self.passphrase, "--json",
                         *words], stdin=stdin, expect=expect)
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()], done

    def hostile(self, who, *words):
        done = self.run([self.programs / "pli-hostile", self.home(who), self.passphrase, *words])
        return json.loads(done.stdout)

    def authority_does(self, *words):
        return self.run([self.programs / "pli", "--passphrase-file", self.passphrase, "--json", "directory", *words])

    def enrol(self, who, roles, organisation, territory, label, *more):
        self.pli(who, "identity", "new", "--work-factor", WORK_FACTOR)
        card = self.folder / f"{who}.card"
        card.write_text(self.pli(who, "identity", "card")[0][0]["card"])
        invitation = self.folder / f"{who}.invitation"
        words = ["enrol", card, "--authority", self.authority, "--id", who, "--organisation", organisation, "--territory",
                 territory, "--label", label, "--invitation", invitation, "--yes"]
        for role in roles:
            words += ["--role", role]
        self.authority_does(*words, *more)
        self.pli(who, "identity", "accept", invitation, "--yes")
        card.unlink()

    def refused_under(self, rule, who):
        """Whether the auditor reads a refusal under this rule, once what is newest is published."""
        for _ in range(60):
            lines, _ = self.pli("auditrice", "audit", "list", "--person", who, "--act", "refus")
            if any(line["field_rule"] == rule for line in lines):
                return True
            time.sleep(0.5)
        return False

    def make_contract(self, authorities, threshold, witnesses=()):
        """`pli init` from the example contract, on a free port; the log is to be cosigned by all these witnesses."""
        contract = self.folder / "contrat.toml"
        example = (SOURCE / "config" / "examples" / "contrat.example.toml").read_text(encoding="utf-8")
        contract.write_text(example.replace("tcp://127.0.0.1:7410", f"tcp://127.0.0.1:{free_port()}"), encoding="utf-8")
        words = ["init", self.folder / "contrat", "--contract", contract, "--authorities", authorities, "--threshold", threshold,
                 "--work-factor", WORK_FACTOR]
        if witnesses:
            words += ["--witness-policy", self.make_witnesses(witnesses)]
        done = self.run([self.programs / "pli", "--passphrase-file", self.passphrase, "--json", *words])
        made = json.loads(done.stdout.splitlines()[-1])
        self.health_port = free_port()
        config = self.server / "broker.toml"
        page = f'health_listen = "127.0.0.1:{self.health_port}"'
        text, known = re.subn(r"(?m)^health_listen = .*$", page, config.read_text(encoding="utf-8"))
        if known != 1:
            raise RuntimeError("pli init writes health_listen once")
        # Nobody waits for the evening here.
        config.write_text("retour_hour = 24\n" + text, encoding="utf-8")
        for name in witnesses:
            self.run([self.programs / "pli-witness", "add-log", "--folder", self.folder / name, "--log-name", made["log"],
                      "--log-key", made["log_key"]])

    def make_witnesses(self, names):
        """A key and a port of its own for each; the policy that demands them all."""
        lines = []
        for name in names:
            done = self.run([self.programs / "pli-witness", "init", "--folder", self.folder / name, "--name",
                             f"{name}.exemple.fr/1", "--json"])
            self.witnesses[name] = {"port": free_port(), "process": None}
            vkey = json.loads(done.stdout.splitlines()[-1])["vkey"]
            lines.append(f"witness {name} {vkey} http://127.0.0.1:{self.witnesses[name]['port']}")
        lines += [f"group temoins all {' '.join(names)}", "quorum temoins", ""]
        policy = self.folder / "temoins.policy"
        policy.write_text("\n".join(lines), encoding="utf-8")
        return policy

    def start_witness(self, name):
        witness = self.witnesses[name]
        witness["process"] = subprocess.Popen([self.programs / "pli-witness", "run", "--folder", self.folder / name, "--listen",
                                               f"127.0.0.1:{witness['port']}"],
                                              stdout=subprocess.PIPE, stderr=open(self.folder / f"{name}.err", "ab"), text=True)
        line = witness["process"].stdout.readline()
        if not line:
            raise NotAsTold(f"{name} did not start: " + (self.folder / f"{name}.err").read_text()[-2000:])
        return line.strip()

    def stop_witness(self, name):
        process = self.witnesses[name]["process"]
        process.terminate()
        code = process.wait(timeout=30)
        self.witnesses[name]["process"] = None
        if code != 0:
            raise NotAsTold(f"{name} stopped with exit code {code}")

    def end(self):
        """Whatever still runs."""
        running = [self.broker] + [witness["process"] for witness in self.witnesses.values()]
        for process in running:
            if process is not None:
                process.terminate()
                process.wait(timeout=30)

    def sign_version(self):
        done = self.authority_does("sign", "--authority", self.authority, "--yes")
        return json.loads(done.stdout.splitlines()[-1])

    def init_broker(self):
        """Signs and carries the first version by hand, as there is no broker to publish it to yet."""
        self.sign_version()
        first = json.loads(self.authority_does("publish", "--authority", self.authority, "--offline").stdout)
        self.run([self.programs / "pli-broker", "init", "--config", self.server / "broker.toml", "--directory",
                  first["note"], "--bundle", first["bundle"]])
        return first

    def start_broker(self, *more):
        self.broker = subprocess.Popen([self.programs / "pli-broker", "run", "--config", self.server / "broker.toml", *more],
                                       stdout=subprocess.PIPE, stderr=open(self.folder / "broker.err", "ab"), text=True)
        line = self.broker.stdout.readline()
        if not line:
            raise NotAsTold("the broker did not start: " + (self.folder / "broker.err").read_text()[-2000:])
        return line.strip()

    def stop_broker(self):
        if self.broker is None:
            return
        self.broker.send_signal(signal.SIGTERM)
        code = self.broker.wait(timeout=30)
        self.broker = None
        if code != 0:
            raise NotAsTold(f"the broker stopped with exit code {code}")


def communes():
    with open(SOURCE / "config" / "communes.tsv", encoding="utf-8") as table:
        rows = [row for row in csv.reader(table, delimiter="\t") if len(row) >= 4]
    return {row[0]: row for row in rows}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
