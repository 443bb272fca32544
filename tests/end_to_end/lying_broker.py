"""pli before a broker that lies (pli-lying-broker): each lie is met by one gesture of one member, over a real connection, and
answered with its own code and the exit status of its class. docs/conformance.md lists them all.

    lying_broker.py --bin FOLDER [LIE...]
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"
CONFORMANCE = SOURCE / "docs" / "conformance.md"
VERIFICATION_FAILED = 4
USAGE = 2  # of `no_invitation`, whose next step is the member's


class Trial:
    """One lie: its broker, and the client that meets it."""

    def __init__(self, programs, lie, folder):
        self.programs = programs
        self.broker = subprocess.Popen([programs / "pli-lying-broker", "run", lie["lie"], folder], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        self.place = json.loads(self.broker.stdout.readline())
        self.gesture = lie["gesture"]

    def lie(self):
        self.broker.stdin.write("lie\n")
        self.broker.stdin.flush()
        assert json.loads(self.broker.stdout.readline())["lying"]

    def end(self):
        self.broker.stdin.close()
        if self.broker.wait(timeout=30) != 0:
            sys.exit("the lying broker did not end well")

    def pli(self, *words):
        command = [self.programs / "pli", "--home", self.place["profile"], "--passphrase-file", self.place["passphrase_file"],
                   "--json", *words]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, lines

    def act(self):
        """The gesture; its exit status, and every code or finding it names."""
        if self.gesture == "open":
            status, lines = self.pli("inbox")
            received = [line["exchange"] for line in lines if "exchange" in line] or self.received
            self.received = received
            status, lines = self.pli("open", received[0], "--motif", "evaluation")
        elif self.gesture == "send":
            status, lines = self.pli("send", FORM, "--queue", "ged/89")
        elif self.gesture == "audit":
            status, lines = self.pli("audit", "verify")
        else:
            status, lines = self.pli("inbox")
        return status, {line[key] for line in lines for key in ("error", "problem", "alarm") if line.get(key)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("lies", nargs="*")
    options = parser.parse_args()
    listed = subprocess.run([options.bin / "pli-lying-broker", "list", "--json"], capture_output=True, text=True, check=True).stdout
    lies = [json.loads(line) for line in listed.splitlines()]
    failed = 0
    document = CONFORMANCE.read_text()
    for lie in lies:
        row = f"| `{lie['lie']}` | {lie['what']} | {lie['promise']} | `{lie['gesture']}` by `{lie['member']}` | `{lie['answer']}` |"
        if row not in document:
            print("docs/conformance.md lacks", row)
            failed += 1
    for lie in lies:
        if options.lies and lie["lie"] not in options.lies:
            continue
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(options.bin.resolve(), lie, pathlib.Path(folder) / "trial")
            honest = trial.act()
            trial.lie()
            answer = trial.act()
            trial.end()
        status = USAGE if lie["answer"] == "no_invitation" else VERIFICATION_FAILED
        good = honest == (0, set()) and answer[0] == status and lie["answer"] in answer[1]
        print(f"{'ok  ' if good else 'FAIL'} {lie['lie']:20} {lie['answer']}", "" if good else f"{honest} {answer}", flush=True)
        failed += not good
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
