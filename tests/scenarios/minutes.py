"""Plays the minutes of this folder with the real programs: each says who did what, in the words they typed, and what came of it.

A file is Markdown. Its first table says who is there; an indented line is an act:

    referent.sens: send signalement-individuel-simple.json{personnes.0.commune=89387} -> A
    secretariat: case receive A --finding recevable
    referent.sens: case list -> A state = en_cours_d_examen
    b.aubry: open A --motif evaluation -> refuse FORBIDDEN(interdit.auteur)

Who it is, then what is typed after `pli`. Capital letters stand for exchanges, `{jour}` and `{jour+10}` for days of Paris,
`{dossier}` for a folder to write into, a file of config/forms for itself, changed where braces follow it. `french` before the
verb: as a person reads it. After `->`, separated by `;`:

    A                          names the exchange that was sent; `L := key` what a line says
    A key = value ; sans A     of a line that concerns A; that none does
    key = value                of the last line; `ligne key = value, key = value` of one of them
    texte WORDS                of anything that was said
    refuse CODE ; usage CODE ; attente ; invalide CODE    how it ended

`autorite:` edits, signs and publishes the directory; `serveur: arret`, `serveur: depart` stop and start the broker.

Exits non-zero at the first act that did not go as written.
"""

import argparse
import datetime
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "end_to_end"))
from departement import SOURCE, Departement, NotAsTold, paris_today  # noqa: E402

FORMS = SOURCE / "config" / "forms"
ENDINGS = {"refuse": 1, "usage": 2, "attente": 3, "invalide": 4}
POINTS = range(1, 41)  # docs/field.md
PUBLISHED_WITHIN = 30  # seconds: what the journal shows is published a moment after the act


class Minutes:
    def __init__(self, path):
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines()
        self.title = lines[0].lstrip("# ")
        self.points = [int(number) for line in lines if line.startswith("Points :") for number in re.findall(r"\d+", line)]
        self.present = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines
                        if line.startswith("|") and not re.match(r"\|[ -]*\|", line)][1:]
        self.acts = [(number, line.strip()) for number, line in enumerate(lines, 1) if re.match(r"    \S", line)]


def absent_points():
    """Those that the README says no minutes tell, each with its reason."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    return [int(number) for number in re.findall(r"(?m)^- (\d+) :", text)]


def all_minutes():
    return [Minutes(path) for path in sorted(HERE.glob("*.md")) if path.name != "README.md"]


def check_points():
    """Each point is told in some minutes, or the README says why not; never both."""
    told = {point for minutes in all_minutes() for point in minutes.points}
    absent = absent_points()
    wrong = [f"point {point} is told nowhere" for point in POINTS if point not in told and point not in absent]
    wrong += [f"point {point} is told, and the README says that it is not" for point in absent if point in told]
    wrong += [f"there is no point {point}" for point in sorted(told | set(absent)) if point not in POINTS]
    wrong += [f"{minutes.path.name} has no acts" for minutes in all_minutes() if not minutes.acts]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def changed(form, path, value):
    """Sets one place of a form, `personnes.0.commune` like."""
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        form = form[step]
    form[last] = json.loads(value) if value[:1] in "[{" else value


class Sitting:
    def __init__(self, department):
        self.department = department
        self.named = {}
        self.forms = 0

    def day(self, found):
        return str(paris_today() + datetime.timedelta(days=int(found.group(1) or 0)))

    def days(self, text):
        return re.sub(r"\{jour([+-]\d+)?\}", self.day, text)

    def form(self, word):
        name, _, changes = word.partition("{")
        if not (FORMS / name).exists():
            return word
        if not changes:
            return str(FORMS / name)
        form = json.loads((FORMS / name).read_text(encoding="utf-8"))
        for each in changes.rstrip("}").split(","):
            path, _, value = each.partition("=")
            changed(form, path, value)
        self.forms += 1
        file = self.department.folder / f"formulaire-{self.forms}.json"
        file.write_text(json.dumps(form, ensure_ascii=False), encoding="utf-8")
        return str(file)

    def words(self, typed):
        typed = self.days(typed).replace("{dossier}", str(self.department.folder))
        typed = re.sub(r"\b[A-Z]\b", lambda found: self.named.get(found.group(0), found.group(0)), typed)
        quoted = re.findall(r'"([^"]*)"|((?:[^\s{"]|\{[^}]*\})+)', typed)
        return [self.form(bare) if bare else text for text, bare in quoted]

    def act(self, line):
        told, _, outcome = line.partition(" -> ")
        who, _, typed = told.partition(": ")
        expected = [self.days(each.strip()) for each in outcome.split(";") if each.strip()]
        if who == "serveur":
            {"arret": self.department.stop_broker, "depart": self.department.start_broker}[typed]()
            return
        ending = next((each for each in expected if each.split()[0] in ENDINGS), None)
        code = ENDINGS[ending.split()[0]] if ending else 0
        words = self.words(typed)
        deadline = time.monotonic() + PUBLISHED_WITHIN
        while True:
            try:
                self.compare(who, words, code, expected)
                return
            except NotAsTold:
                # What is published comes a moment after the act; nothing else is tried again.
                if words[0] not in ("audit", "contract") or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def compare(self, who, words, code, expected):
        if who == "autorite":
            done = self.department.run([self.department.programs / "pli", "--passphrase-file", self.department.passphrase, "--json",
                                        "directory", *words, "--authority", self.department.authority], expect=code)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
            if code == 0:
                self.department.sign_version()
                self.department.pli(self.carrier, "directory", "publish", "--authority", self.department.authority)
        elif words[0] == "french":  # as a person reads it
            done = self.department.run([self.department.programs / "pli", "--home", self.department.home(who), "--passphrase-file",
                                        self.department.passphrase, *words[1:]], expect=code)
            lines = []
        else:
            lines, done = self.department.pli(who, *words, expect=code)
        for each in expected:
            self.hold(each, lines, done)

    def concerns(self, line, exchange):
        return exchange in (line.get("case"), line.get("exchange"))

    def hold(self, expected, lines, done):
        last = lines[-1] if lines else {}
        word, _, rest = expected.partition(" ")
        if word in ENDINGS:
            holds = last.get("error", "").startswith(rest)
        elif word == "texte":
            holds = rest in done.stdout + done.stderr
        elif rest.startswith(":= "):
            found = [said(line, rest[3:]) for line in lines if said(line, rest[3:]) != "null"]
            holds = bool(found)
            self.named[word] = found[0] if found else ""
        elif word == "ligne":
            pairs = [pair.split(" = ") for pair in rest.split(", ")]
            holds = any(all(said(line, key) == value for key, value in pairs) for line in lines)
        elif word == "sans" and rest in self.named:
            holds = not any(self.concerns(line, self.named[rest]) for line in lines)
        elif re.fullmatch(r"[A-Z]", expected):
            self.named[expected] = last["exchange"]
            holds = True
        else:
            letter, _, of_line = expected.partition(" ")
            of_one = letter in self.named
            key, _, value = (of_line if of_one else expected).partition(" = ")
            candidates = [line for line in lines if self.concerns(line, self.named[letter])] if of_one else [last]
            holds = any(said(line, key) == value for line in candidates)
        if not holds:
            raise NotAsTold(f"« {expected} », and it was said:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def said(line, path):
    """The value at `form.code`, as it is written in minutes."""
    for step in path.split("."):
        if isinstance(line, list):
            line = line[int(step)] if int(step) < len(line) else None
        elif isinstance(line, dict):
            line = line.get(step)
    return line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)


def play(minutes, department):
    sitting = Sitting(department)
    department.make_contract(1, 1)
    for who, roles, organisation, territory, *more in minutes.present:
        department.enrol(who, roles.split(), organisation, territory, who.split(".")[0].capitalize(), *" ".join(more).split())
    sitting.carrier = minutes.present[0][0]
    department.init_broker()
    department.start_broker()
    for number, line in minutes.acts:
        try:
            sitting.act(line)
        except (NotAsTold, KeyError, IndexError, json.JSONDecodeError, subprocess.TimeoutExpired) as surprise:
            raise NotAsTold(f"{minutes.path.name}:{number}: {line}\n{type(surprise).__name__}: {surprise}") from surprise
        print(f"ok  {line}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", nargs="?", help="one of this folder; none: whether each point of the field is told")
    parser.add_argument("--bin", help="folder of the programs")
    arguments = parser.parse_args()
    if not arguments.minutes:
        return check_points()
    minutes = Minutes(HERE / arguments.minutes)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pli-test-")).resolve()
    (folder / "membres").mkdir()
    department = Departement(folder, pathlib.Path(arguments.bin).resolve())
    try:
        play(minutes, department)
    except NotAsTold as surprise:
        print(f"not as written: {surprise}\n  everything is left in {folder}", file=sys.stderr)
        return 1
    finally:
        department.end()
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
