"""Séances with the real programs: the authority sets an instance's days, cases are put on them, everybody of the instance reads
the agenda, and the secrétariat takes the relevé de décisions away, sealed to itself alone, to be opened by `pli unseal` or age.

Exits non-zero at the first step that is not as it must be.
"""

import datetime
import json
import subprocess
import sys

from age_files import with_terminal
from departement import PASSPHRASE, SOURCE, must, paris_today, play

FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"
REASON = "Suivi par la cellule, trois lampes au port"


def day(ahead):
    return str(paris_today() + datetime.timedelta(days=ahead))


def seances(department, *words, expect=0):
    done = department.run([department.programs / "pli", "--passphrase-file", department.passphrase, "--json", "directory",
                           "seances", *words, "--authority", department.authority], expect=expect)
    return json.loads(done.stdout.splitlines()[-1])


def publish(department):
    department.sign_version()
    department.pli("secretariat", "directory", "publish", "--authority", department.authority)


def in_french(department, who, *words, expect=0):
    return department.run([department.programs / "pli", "--home", department.home(who), "--passphrase-file",
                           department.passphrase, *words], expect=expect)


def setting(department):
    """What the authority may and may not say."""
    must("--from" in seances(department, "ged/89", "--add", day(3), expect=2)["cause"], "a calendar begins with its first day")
    must("no such queue" in seances(department, "ged/21", "--from", day(5), expect=2)["cause"], "of an instance there is")
    must("instance" in seances(department, "audit/89", "--from", day(5), expect=2)["cause"], "and of an instance alone")
    for words in (("--from", "2026-02-29"), ("--from", day(5), "--every", "367"), ("--from", day(5), "--every", "0")):
        seances(department, "ged/89", *words, expect=2)
    must(seances(department, "ged/89")["from"] is None, "nothing of that was kept")

    made = seances(department, "ged/89", "--from", day(5))
    must(made["every_days"] == 15 and made["next"][:2] == [day(5), day(20)], "a GED sits each 15 days unless told otherwise")
    must("no séance" in seances(department, "ged/89", "--cancel", day(6), expect=2)["cause"], "what is no séance is not cancelled")
    made = seances(department, "ged/89", "--cancel", day(20), "--add", day(0))
    must(made["next"][:3] == [day(0), day(5), day(35)] and made["cancelled"] == [day(20)], "a day is added, another cancelled")
    made = seances(department, "ged/89", "--add", day(20))
    must(made["cancelled"] == [] and made["added"] == [day(0)], "and taken back")
    must(seances(department, "clir/89", "--from", day(9))["every_days"] == 30, "a CLIR sits each month")


def story(department):
    pli = department.pli
    department.make_contract(1, 1)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("secretariat", ["secretariat"], "prefecture.89", "89", "Mme Inventée, secrétariat")
    department.enrol("adjoint", ["secretariat"], "prefecture.89", "89", "M. Inventé, secrétariat", "--seat", "ged/89")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("c.sens", ["membre_ged"], "218903870", "89", "Membre du GED, mairie de Sens")
    department.enrol("d.proche", ["membre_ged"], "service.d", "89", "Membre du GED, proche")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.init_broker()
    department.start_broker()

    first, second, third = (pli("referent.sens", "send", FORM)[0][-1]["exchange"] for _ in range(3))
    for case in (first, second, third):
        pli("secretariat", "inbox")
        pli("secretariat", "open", case, "--motif", "evaluation")
        pli("secretariat", "case", "receive", case, "--finding", "recevable")
    said = pli("secretariat", "case", "schedule", first, expect=2)[0][-1]["cause"]
    must("--date" in said and "pli directory seances" in said, "without a calendar a day is typed, or the calendar asked for")

    pli("b.aubry", "inbox")
    setting(department)
    # Sixteen days for a decision: what is not put on the next séance is too late at the one after it.
    department.authority_does("contract", "--authority", department.authority, "--engagement", "decision 16")
    publish(department)
    must(any(line.get("id") == "ged/89" for line in pli("b.aubry", "inbox")[0]), "members are told that the days changed")

    # Onto a séance.
    lines = pli("secretariat", "case", "schedule", first, "--date", day(0))[0]
    must(lines[0]["of_the_calendar"] and lines[-1]["state"] == "receipted", "a day of the calendar is taken as typed")
    pli("secretariat", "case", "schedule", second, "--date", day(0))
    done = in_french(department, "secretariat", "case", "schedule", second)
    text = "/".join(reversed(day(5).split("-")))
    must(text in done.stdout and "prochaine" in done.stdout, "without a day it is the next séance after today, which is said")

    def agenda(who, *words):
        lines = pli(who, "case", "agenda", *words)[0]
        return {line["case"]: line for line in lines if line["section"] == "case"}, lines

    cases, lines = agenda("b.aubry")
    must([cases[first]["seance"], cases[second]["seance"]] == [day(0), day(5)], "a member reads which case stands on which day")
    must(cases[third]["standing"] == "to_inscribe" and cases[third]["seance"] is None, "and what has to be put on the next one")
    must(lines[0]["next"] == [day(5), day(20)], "and the days to come")
    must(list(agenda("b.aubry", "--date", day(5))[0]) == [second], "or of one séance alone")
    done = in_french(department, "b.aubry", "case", "agenda")
    for words in ("ORDRE DU JOUR — ged/89", "tous les 15 jours", "À INSCRIRE", first[:8], text):
        must(words in done.stdout, f"in French: {words}")
    done = in_french(department, "secretariat", "case", "schedule", third, "--date", day(7))
    must("extraordinaire" in done.stderr, "another day is an extraordinary séance, and warned of")
    lines = pli("secretariat", "case", "schedule", third, "--date", day(8))[0]
    must(lines[0]["of_the_calendar"] is False, "programs are told as well")
    must(agenda("b.aubry")[0][third]["seance"] == day(8), "the newest inscription counts")

    # Who takes no part sees nothing of it.
    must(agenda("c.sens")[0] == {}, "a member of the author's organisation has an empty agenda")
    pli("d.proche", "inbox")
    must(first in agenda("d.proche")[0], "a member who is about to withdraw still sees the case")
    pli("d.proche", "case", "recuse", first, "--reason", "lien_personnel")
    must(set(agenda("d.proche")[0]) == {second, third}, "and no more once he has")
    must("instance" in pli("referent.sens", "case", "agenda", expect=2)[0][-1]["cause"], "a collectivité has none")
    pli("b.aubry", "case", "agenda", "--instance", "clir/89", expect=2)

    # The séance of today.
    pli("secretariat", "case", "evaluate", first, "--date", day(0))
    must(agenda("b.aubry")[0][first]["standing"] == "taken_up", "what the séance took up is marked")
    pli("secretariat", "case", "decide", first, "--outcome", "pris_en_compte", "--reason", REASON)
    must(agenda("b.aubry", "--date", day(0))[0][first]["standing"] == "decided", "and what it decided")

    # Its relevé.
    out = department.folder / "releve.age"
    def minutes(who, *words, expect=0):
        return pli(who, "case", "minutes", "--out", out, *words, expect=expect)[0][-1]
    must("rien à relever" in minutes("secretariat", "--date", day(1), "--instance", "ged/89", expect=2)["cause"],
         "of a séance without a case there is none")
    must("secrétariat" in minutes("b.aubry", "--date", day(0), expect=2)["cause"], "the secrétariat makes it")
    minutes("secretariat", "--date", "demain", expect=2)
    must(not out.exists(), "and nothing was written")
    made = minutes("secretariat", "--date", day(0))
    must((made["instance"], made["cases"], made["recipients"]) == ("ged/89", 2, 2),
         "what it decided and what it put off, for both of the secrétariat")
    must(out.stat().st_mode & 0o077 == 0 and REASON.encode() not in out.read_bytes(), "sealed, and the owner's alone")
    must("existe" in minutes("secretariat", "--date", day(0), expect=2)["cause"], "a file that is there is not replaced")
    clear = [path for path in department.folder.rglob("*") if path.is_file() and "trois lampes au port".encode() in path.read_bytes()]
    must(clear == [], f"no clear copy is left behind: {clear}")

    for who in ("secretariat", "adjoint"):
        done = department.run([department.programs / "pli", "--passphrase-file", department.passphrase, "unseal", "-i",
                               department.home(who) / "identity.age", out])
        must(REASON in done.stdout and "pris en compte" in done.stdout and "RELEVÉ DE DÉCISIONS" in done.stdout,
             f"{who} opens it")
    department.run([department.programs / "pli", "--passphrase-file", department.passphrase, "unseal", "-i",
                    department.home("b.aubry") / "identity.age", out], expect=4)
    must(True, "a member does not (4)")
    said = json.loads(done.stdout.splitlines()[-1])
    case = said["cases"][0]
    must(said["format"] == "pli-releve/1" and case["case"] == first and case["outcome"] == "decided", "its last line is for programs")
    must(case["decision"]["reason"] == REASON and case["retour"] == "due" and case["taken_up_on"] == day(0), "with what was decided")
    put_off = said["cases"][1]
    must((put_off["case"], put_off["outcome"], put_off["moved_to"]) == (second, "put_off", day(5)) and put_off["decision"] is None,
         "what was put off, and to when")
    must(case["recused"] == 1 and "proche" in case["recused_members"][0], "and who withdrew")
    person = json.loads(FORM.read_text(encoding="utf-8"))["personnes"][0]
    for name in (person.get("nom"), person.get("prenoms")):
        must(not name or name not in done.stdout, "nobody the case concerns is named")

    # age asks for the passphrase of an identity on the terminal.
    read = department.folder / "releve.txt"
    code = with_terminal(["/usr/bin/age", "-d", "-i", str(department.home("adjoint") / "identity.age"), str(out)], "/dev/null",
                         read, [(b"passphrase", PASSPHRASE)])
    must(code == 0 and read.read_text(encoding="utf-8") == done.stdout, "Debian's age opens it too, to the byte")
    read.unlink()

    # What it opened is in the journal: the mise en évaluation and the decision, for the séance.
    for _ in range(60):
        opened, _ = pli("auditrice", "audit", "list", "--notes", "--motif", "preparation_de_seance", "--member",
                        "secretariat")
        if len(opened) == 2:
            break
        subprocess.run(["sleep", "0.5"], check=True)
    must(sorted(line["field_kind"] for line in opened) == ["decision", "mise_en_evaluation"], "each opening is recorded with its motif")
    must({line["note"] for line in opened} == {"Relevé de la séance du " + "/".join(reversed(day(0).split("-")))},
         "and the auditors are told of which séance")

    # After the retour.
    pli("secretariat", "case", "return", first, "--code", "examen_termine")
    out = department.folder / "releve-2.age"
    done = in_french(department, "adjoint", "case", "minutes", "--date", day(0), "--out", out)
    must("2 dossiers, scellé pour 2 membres" in done.stdout and "pli unseal" in done.stdout, "the other one of the secrétariat makes it too")
    must(REASON not in done.stdout + done.stderr, "and shows nothing of it")
    done = department.run([department.programs / "pli", "--passphrase-file", department.passphrase, "unseal", "-i",
                           department.home("adjoint") / "identity.age", out])
    must(json.loads(done.stdout.splitlines()[-1])["cases"][0]["retour"] == "given", "which says that the retour was made")

    # The report of a period.
    def report(*words, expect=0):
        lines, _ = pli("secretariat", "contract", "report", *words, expect=expect)
        return lines
    whole = [line for line in report() if line["section"] == "duty"]
    inside = [line for line in report("--from", day(0), "--to", day(0)) if line["section"] == "duty"]
    later = [line for line in report("--from", day(1)) if line["section"] == "duty"]
    must({"decision", "retour"} <= {line["duty"] for line in inside if line["standing"] == "kept"}, "what was kept today counts today")
    must(len(inside) + len(later) == len(whole) and later, "and what is still owed on its last day")
    must(report("--from", day(0), "--to", day(0))[0]["from"] == day(0), "the report says its period")
    must("--to" in report("--from", day(1), "--to", day(0), expect=2)[-1]["cause"], "a period that ends before it begins is refused")
    must("--from" in report("--from", "hier", expect=2)[-1]["cause"], "and one that is no day")


if __name__ == "__main__":
    sys.exit(play(__doc__, story))
