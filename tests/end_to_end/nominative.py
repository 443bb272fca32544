"""Nominative information with the real programs: written by the secretariat, agreed to by a service and by the parquet, given to
the maire in person under a charter, and to nobody of his office; and the accord that a sender keeps for the passing on of a report.

Exits non-zero at the first step that is not as it must be.
"""

import datetime
import json
import sys

from departement import SOURCE, must, paris_today, play

FORMS = SOURCE / "config" / "forms"


def last(result):
    return result[0][-1]


def written(department, name, change):
    form = json.loads((FORMS / name).read_text(encoding="utf-8"))
    change(form)
    file = department.folder / name
    file.write_text(json.dumps(form), encoding="utf-8")
    return file


def report_of(department, *words):
    def at_sens(form):
        for person in form["personnes"]:
            person["commune"] = "89387"
    file = written(department, "signalement-individuel-simple.json", at_sens)
    return last(department.pli("referent.sens", "send", file, "--queue", "ged/89", *words))["exchange"]


def refused(result, code):
    """Whether one of the lines says so."""
    return any(line.get("error", "").startswith(code) for line in result[0])


def publish(department):
    department.sign_version()
    department.pli("secretariat", "directory", "publish", "--authority", department.authority)


def informed(department):
    """From the form to the maire's screen."""
    pli = department.pli
    until = str(paris_today() + datetime.timedelta(days=30))
    case = report_of(department)
    pli("secretariat", "open", case, "--motif", "evaluation")
    pli("secretariat", "case", "receive", case, "--finding", "recevable")
    seen = pli("referent.sens", "case", "list")[0], pli("maire.sens", "case", "list")[0]
    file = written(department, "information-nominative-personne.json", lambda form: form.update(valable_jusqu_au=until))
    information = last(pli("secretariat", "case", "inform", case, file))["exchange"]

    release = ("case", "release", information, "--to", "maire.sens")
    must(refused(pli("secretariat", *release, expect=1), "CHARTER_REQUIRED"), "without a charter nothing is given (1)")
    department.authority_does("charter", "charte.sens", "--authority", department.authority, "--territory", "89387", "--party",
                              "prefet", "--party", "maire", "--party", "parquet")
    publish(department)
    must(refused(pli("secretariat", *release, expect=1), "AGREEMENT_MISSING"), "nor without both agreements (1)")
    for who, opinion in (("d.service", "accord"), ("p.parquet", "refus")):
        pli(who, "inbox")
        pli(who, "open", information, "--motif", "evaluation")
        pli(who, "case", "agree", information, "--opinion", opinion)
    must(refused(pli("secretariat", *release, expect=1), "AGREEMENT_MISSING"), "a refusal stands against it (1)")
    pli("b.aubry", "inbox")
    said = last(pli("b.aubry", "case", "agree", information, "--opinion", "accord", expect=2))
    must("parquet" in said["cause"], "another member has no say (2)")
    must((pli("referent.sens", "case", "list")[0], pli("maire.sens", "case", "list")[0]) == seen and
         not any(line["queue"].startswith("person/") for line in pli("maire.sens", "inbox")[0]),
         "until then neither the maire nor his office sees that anything is there")

    pli("p.parquet", "case", "agree", information, "--opinion", "accord", "--until", until)
    said = last(pli("secretariat", "case", "release", information, "--to", "referent.sens", expect=2))
    must("maire" in said["cause"], "it goes to a maire and nobody else (2)")
    done = last(pli("secretariat", *release))
    must(done["kind"] == "acces" and done["state"] == "receipted", "both agreed: it is given to the maire in person")
    pli("secretariat", *release)
    access = next(line for line in pli("maire.sens", "inbox")[0] if line["queue"].startswith("person/"))
    read = last(pli("maire.sens", "open", access["exchange"], "--motif", "lecture_du_retour"))
    must(read["exchange"] == information and read["form"]["type"] == "information_nominative" and read["valid_until"] == until,
         "he opens it, and sees until when")
    done = department.run([department.programs / "pli", "--home", department.home("maire.sens"), "--passphrase-file",
                           department.passphrase, "open", access["exchange"], "--motif", "lecture_du_retour"])
    must("ne se transmet" in done.stdout and until in done.stdout, "with what binds him, in French")
    folder = department.folder / "extrait"
    pli("maire.sens", "open", access["exchange"], "--motif", "extraction", "--out", folder, expect=2)
    must(not folder.exists(), "and writes none of it down (2)")
    must(pli("referent.sens", "case", "list")[0] == seen[0] and
         not any(line["exchange"] in (information, access["exchange"]) for line in pli("referent.sens", "inbox")[0]),
         "his office sees nothing of it, ever")


def asked_first(department):
    """What its sender wants to be asked about."""
    pli = department.pli
    case = report_of(department, "--handling", "ask-before-transfer")
    pli("secretariat", "open", case, "--motif", "evaluation")
    words = ("case", "transfer", case, "--to", "clir/89", "--reason", "personne_et_structure")
    result = pli("secretariat", *words, expect=1)
    must(refused(result, "AGREEMENT_MISSING") and result[0][-1]["handling"] == "ask-before-transfer",
         "who wants to be asked first is asked first (1)")
    pli("secretariat", "case", "ask", case, "--what", "accord_de_transmission")
    pli("referent.sens", "inbox")
    pli("referent.sens", "case", "agree", case, "--opinion", "refus")
    pli("secretariat", *words, expect=1)
    must(True, "a refusal keeps it here (1)")
    pli("referent.sens", "case", "agree", case, "--opinion", "accord")
    result = pli("secretariat", *words)
    must(any(line.get("kind") == "acces" for line in result[0]), "with its sender's accord it goes")
    pli("c.marchand", "inbox")
    must(last(pli("c.marchand", "open", case, "--motif", "evaluation"))["sender"] == "referent.sens", "and is read there")


def story(department):
    department.make_contract(1, 1)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("maire.sens", ["maire"], "218903870", "89387", "Maire de Sens")
    department.enrol("secretariat", ["secretariat"], "prefecture.89", "89", "Secrétariat")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("d.service", ["service"], "service.d", "89", "Service", "--seat", "ged/89")
    department.enrol("p.parquet", ["parquet"], "parquet.sens", "89", "Parquet de Sens", "--seat", "ged/89")
    department.enrol("c.marchand", ["membre_clir"], "service.c", "89", "Membre de la CLIR")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.init_broker()
    department.start_broker()
    informed(department)
    asked_first(department)
    department.pli("auditrice", "audit", "verify")
    must(True, "and the log holds")


if __name__ == "__main__":
    sys.exit(play(__doc__.splitlines()[0], story))
