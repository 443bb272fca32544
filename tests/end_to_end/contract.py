"""The contract with the real programs: the authority sets it, everybody reads it, and what it does not cover is refused with
the reason, recorded; a case open when it ends is led to its closing.

Exits non-zero at the first step that is not as it must be.
"""

import datetime
import json
import sys

from departement import SOURCE, must, paris_today, play

FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"
COMPLEMENT = SOURCE / "config" / "forms" / "complement-fait-nouveau.json"


def form_of(department, commune):
    form = json.loads(FORM.read_text(encoding="utf-8"))
    for person in form["personnes"]:
        person["commune"] = commune
    file = department.folder / f"{commune}.json"
    file.write_text(json.dumps(form), encoding="utf-8")
    return file


def change(department, *words):
    done = department.authority_does("contract", "--authority", department.authority, *words)
    department.sign_version()
    department.pli("secretariat", "directory", "publish", "--authority", department.authority)
    return json.loads(done.stdout.splitlines()[-1])


def usage(department, *words):
    done = department.run([department.programs / "pli", "--passphrase-file", department.passphrase, "--json", "directory",
                           *words, "--authority", department.authority], expect=2)
    return json.loads(done.stdout.splitlines()[-1])["cause"]


def enrolling(department):
    """A place INSEE does not know and an organisation that has signed nothing."""
    department.pli("inconnu", "identity", "new", "--work-factor", "10")
    card = department.folder / "inconnu.card"
    card.write_text(department.pli("inconnu", "identity", "card")[0][0]["card"])
    words = ["enrol", card, "--id", "inconnu", "--yes"]
    said = usage(department, *words, "--role", "membre_ged", "--organisation", "service.x", "--territory", "89999")
    must("INSEE" in said and "89999" in said, "a commune that does not exist is refused, and named")
    said = usage(department, *words, "--role", "membre_ged", "--organisation", "service.x", "--territory", "96")
    must("96" in said, "so is a département")
    said = usage(department, *words, "--role", "referent", "--organisation", "218900090", "--territory", "89387")
    must("218900090" in said and "party" in said, "so is a référent of an organisation that is no party")
    said = usage(department, *words, "--role", "referent", "--organisation", "218903870", "--territory", "21231")
    must("21231" in said, "and one of a commune that the contract does not cover")
    said = usage(department, *words, "--role", "outil", "--organisation", "regie", "--territory", "89")
    must("--volet" in said, "a tool names its volet")
    said = usage(department, *words, "--role", "referent", "--organisation", "218903870", "--volet", "transport")
    must("outil" in said, "and nobody else does")


def story(department):
    pli = department.pli
    department.make_contract(1, 1)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("referent.avallon", ["referent"], "218900256", "89025", "Référent, mairie d'Avallon")
    department.enrol("secretariat", ["secretariat"], "prefecture.89", "89", "Secrétariat")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    enrolling(department)
    department.init_broker()
    department.start_broker()

    said = usage(department, "charter", "charte-x", "--territory", "89999", "--party", "prefet", "--party", "maire", "--party", "parquet")
    must("INSEE" in said and "89999" in said, "no charter is entered for a commune that does not exist")

    # It says what was signed, also without the broker.
    contract = pli("referent.sens", "contract", "show")[0][0]
    must(contract["state"] == "en_vigueur" and "decision 120" in contract["engagements"], "a member reads the contract")
    department.stop_broker()
    done = department.run([department.programs / "pli", "--home", department.home("referent.sens"), "contract", "show"])
    for words in ("218903870", "Décision de l'instance : 120 jours", "Qui appeler", "transport", "inclus : en vigueur"):
        must(words in done.stdout, f"in French, without the broker: {words}")
    department.start_broker()

    # The authority changes it.
    must("120" in usage(department, "contract", "--engagement", "decision 121"), "a decision is promised within four months")
    must("INSEE" in usage(department, "contract", "--commune", "89999"), "communes are those of INSEE's list")
    contract = change(department, "--commune", "89387", "--engagement", "decision 90", "--engagement", "retour 15",
                      "--referent", "Préfecture : Mme Inventée, 03 00 00 00 00")
    must(contract["communes"] == ["89387"] and contract["engagements"] == ["decision 90", "retour 15"], "lists are replaced")

    # A commune inside, one outside.
    inside = pli("referent.sens", "send", form_of(department, "89387"))[0][-1]
    must(inside["state"] == "receipted", "a commune of the contract reports")
    refused = pli("referent.avallon", "send", form_of(department, "89387"), expect=1)[0][-1]
    must(refused["error"] == "FORBIDDEN(interdit.hors.territoire)", "another is refused by the broker, with the reason")
    said = pli("referent.sens", "send", form_of(department, "89025"), expect=2)[0][-1]["cause"]
    must("89025" in said and "contrat" in said, "and about another nothing is sealed")

    # The last day, and the first one after. Days are those of UTC, a day of this test does not end within it.
    today = datetime.datetime.now(datetime.timezone.utc).date()
    change(department, "--ends", str(today + datetime.timedelta(days=1)))
    last = pli("referent.sens", "send", form_of(department, "89387"))[0][-1]
    must(last["state"] == "receipted", "on its last day a case is opened")
    change(department, "--ends", str(today))
    refused = pli("referent.sens", "send", form_of(department, "89387"), expect=1)[0][-1]
    must(refused["error"] == "FORBIDDEN(interdit.apres.contrat)", "on the day after none is")
    done = department.run([department.programs / "pli", "--home", department.home("referent.sens"), "--passphrase-file",
                           department.passphrase, "send", form_of(department, "89387")], expect=1)
    must("pris fin" in done.stderr and "pli contract show" in done.stderr and "112" in done.stderr,
         "its sender is told in French, with what to do")
    must(department.refused_under("interdit.apres.contrat", "referent.sens"), "the refusal is in the journal")

    # What is open goes on.
    case = last["exchange"]
    must(pli("referent.sens", "send", COMPLEMENT, "--case", case)[0][-1]["state"] == "receipted", "a complément is taken")
    day = str(paris_today())
    pli("secretariat", "open", case, "--motif", "evaluation")
    pli("secretariat", "case", "receive", case, "--finding", "recevable")
    pli("secretariat", "case", "schedule", case, "--date", day)
    pli("secretariat", "case", "evaluate", case, "--date", day)
    pli("secretariat", "case", "decide", case, "--outcome", "pris_en_compte", "--reason", "Séance")
    back = pli("secretariat", "case", "return", case, "--code", "examen_termine")[0][-1]
    must(back["state"] == "receipted", "the return leaves")
    pli("referent.sens", "inbox")
    pli("referent.sens", "open", back["exchange"], "--motif", "lecture_du_retour")
    must(True, "and is read")
    closed = pli("secretariat", "case", "close", case, "--reason", "suivi_termine")[0][-1]
    must(closed["state"] == "receipted", "and the case is closed")

    # Not begun yet.
    change(department, "--starts", str(today + datetime.timedelta(days=1)), "--ends", str(today + datetime.timedelta(days=400)))
    refused = pli("referent.sens", "send", form_of(department, "89387"), expect=1)[0][-1]
    must(refused["error"] == "FORBIDDEN(interdit.avant.contrat)", "before its first day none is opened either")


if __name__ == "__main__":
    sys.exit(play(__doc__, story))
