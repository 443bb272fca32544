"""A case passed on, with the real programs: from the GED to the CLIR and answered back, to another département's GED, to the
CPRAF; what its sender keeps here stays here, and its sender is told nothing of it.

Exits non-zero at the first step that is not as it must be.
"""

import json
import sys

from departement import SOURCE, must, paris_today, play

FORMS = SOURCE / "config" / "forms"
SIMPLE = FORMS / "signalement-individuel-simple.json"
COMPLEMENT = FORMS / "complement-fait-nouveau.json"


def form_of(department):
    form = json.loads(SIMPLE.read_text(encoding="utf-8"))
    for person in form["personnes"]:
        person["commune"] = "89387"
    file = department.folder / "sens.json"
    file.write_text(json.dumps(form), encoding="utf-8")
    return file


def last(result):
    return result[0][-1]


def shown(department, who, case):
    """The case's own line, and its headers."""
    lines, _ = department.pli(who, "case", "show", case)
    return lines[0], lines[1:]


def accesses(department, who):
    return [line for line in department.pli(who, "inbox")[0] if line.get("kind") == "acces"]


def send(department, *words):
    return last(department.pli("referent.sens", "send", form_of(department), "--queue", "ged/89", *words))["exchange"]


def transfer(department, case, *words, expect=0, who="secretariat.ged"):
    lines, done = department.pli(who, "case", "transfer", case, *words, expect=expect)
    return [line for line in lines if line.get("kind") == "acces"], lines, done


TO_CLIR = ("--to", "clir/89", "--reason", "personne_et_structure")


def to_the_clir(department):
    """The whole way: passed on, read, added to, decided, answered."""
    pli, today = department.pli, str(paris_today())
    case = send(department)
    _, lines, _ = transfer(department, case, *TO_CLIR, expect=1)
    must(lines[-1]["error"].startswith("ILLEGAL_TRANSITION"), "nobody passes on what nobody has read (1)")
    form = last(pli("secretariat.ged", "open", case, "--motif", "evaluation"))["form"]
    before = pli("referent.sens", "case", "list")[0]

    given, _, _ = transfer(department, case, *TO_CLIR)
    must(len(given) == 1 and given[0]["state"] == "receipted", "read, it goes to the CLIR with its report")
    own, _ = shown(department, "secretariat.ged", case)
    linked = own["transmitted"][0]["case"]
    must(own["transmitted"][0]["queue"] == "clir/89" and own["transmitted"][0]["lacking"] == 0, "the GED sees where it went")
    given, _, _ = transfer(department, case, *TO_CLIR)
    must(given == [], "the same again passes nothing on twice")

    access = accesses(department, "c.marchand")[0]
    read = last(pli("c.marchand", "open", access["exchange"], "--motif", "evaluation"))
    must(read["exchange"] == case and read["form"] == form and read["sender"] == "referent.sens",
         "a member of the CLIR opens the report by the number of the access part")
    must(read["case"] == linked and read["passed_on_by"] == "secretariat.ged" and read["sender_status"] == "current",
         "under the number the case has there, and sees who passed it on")
    theirs, headers = shown(department, "c.marchand", case)
    must(theirs["case"] == linked and theirs["origin"] == case and theirs["origin_queue"] == "ged/89",
         "the linked case is found by the report's number and says where it came from")
    must({line["kind"] for line in headers} == {"transmission", "acces"}, "and lists what was passed on")

    more = last(pli("referent.sens", "send", COMPLEMENT, "--case", case))["exchange"]
    pli("secretariat.ged", "inbox")
    own, _ = shown(department, "secretariat.ged", case)
    must(own["transmitted"][0]["lacking"] == 1, "what the commune adds is not there yet")
    given, _, _ = transfer(department, case, *TO_CLIR)
    must(len(given) == 1, "and goes with the same command")
    pli("c.marchand", "inbox")
    read = last(pli("c.marchand", "open", more, "--motif", "evaluation"))
    must(read["form"]["type"] == "complement" and read["case"] == linked, "the CLIR opens it by its own number")

    for words in (("receive", linked, "--finding", "recevable"), ("schedule", linked, "--date", today),
                  ("evaluate", linked, "--date", today), ("decide", linked, "--outcome", "suivi", "--reason", "Vu en séance."),
                  ("return", linked, "--code", "examen_termine")):
        pli("secretariat.clir", "case", *words)
    answered, _ = shown(department, "secretariat.clir", linked)
    must(answered["state"] == "retour_effectue", "the CLIR decides and answers")
    retour = next(line for line in pli("secretariat.ged", "inbox")[0] if line.get("kind") == "retour")
    read = last(pli("secretariat.ged", "open", retour["exchange"], "--motif", "evaluation"))
    must(read["form"]["code"] == "examen_termine", "the GED that passed it on is answered, and at once")
    _, headers = shown(department, "secretariat.ged", case)
    must(retour["exchange"] in [line["exchange"] for line in headers], "and finds the answer in its own case")
    after = pli("referent.sens", "case", "list")[0]
    for line in before + after:
        line.pop("exchanges"), line.pop("updated_at")  # which its own complement moved
    must(before == after, "the commune was told nothing: neither where it went nor what came of it")
    pli("referent.sens", "case", "show", linked, expect=1)
    return case


def elsewhere(department):
    """Another département's GED on the same broker, and the CPRAF."""
    pli = department.pli
    case = send(department)
    pli("secretariat.ged", "open", case, "--motif", "evaluation")
    given, _, _ = transfer(department, case, "--to", "ged/21", "--reason", "residence")
    must(len(given) == 1, "a case goes to another département's GED")
    access = accesses(department, "secretariat.21")[0]
    read = last(pli("secretariat.21", "open", access["exchange"], "--motif", "evaluation"))
    must(read["exchange"] == case and read["sender_status"] == "vouched" and read["passed_on_by"] == "secretariat.ged",
         "whose members are not shown the commune: who passed it on vouches for its sender")
    lines, _ = pli("secretariat.ged", "case", "refer", case, "--reason", "demande_de_la_famille", "--need", "mediation_familiale")
    must(len([line for line in lines if line.get("kind") == "acces"]) == 1, "and to the CPRAF")
    access = accesses(department, "secretariat.cpraf")[0]
    must(last(pli("secretariat.cpraf", "open", access["exchange"], "--motif", "evaluation"))["exchange"] == case, "which reads it")
    own, _ = shown(department, "secretariat.ged", case)
    must({line["queue"] for line in own["transmitted"]} == {"ged/21", "cpraf/89"}, "the case names both")
    said = pli("secretariat.ged", "case", "transfer", case, "--to", "cpraf/89", "--reason", "residence", expect=2)[0][-1]
    must("refer" in said["cause"], "to the CPRAF one refers (2)")
    pli("secretariat.ged", "case", "transfer", case, "--to", "ged/89", "--reason", "residence", expect=2)
    waiting = pli("secretariat.ged", "outbox", "list")[0]
    said = pli("secretariat.ged", "case", "transfer", case, "--to", "clir/90", "--reason", "residence", expect=2)[0][-1]
    must("clir/89" in said["cause"] and pli("secretariat.ged", "outbox", "list")[0] == waiting,
         "to an instance that is none it is refused at once, and nothing of it waits (2)")
    pli("referent.sens", "case", "transfer", case, *TO_CLIR, expect=2)
    said = pli("b.aubry", "case", "transfer", case, *TO_CLIR, expect=2)[0][-1]
    must("secrétariat" in said["cause"], "nor does it go where it is, nor by its sender or another member (2)")


def kept_here(department):
    """What its sender asked for."""
    pli = department.pli
    for condition, rule in (("ged-only", "interdit.hors.ged"), ("eyes-only", "interdit.lecteurs")):
        case = send(department, "--handling", condition)
        pli("secretariat.ged", "open", case, "--motif", "evaluation")
        _, lines, _ = transfer(department, case, *TO_CLIR, expect=1)
        must(any(line.get("error") == f"FORBIDDEN({rule})" for line in lines) and lines[-1]["handling"] == condition,
             f"{condition}: it does not leave (1)")
    must(department.refused_under("interdit.hors.ged", "secretariat.ged"), "and the auditor reads the refusal")
    case = send(department)
    pli("secretariat.ged", "open", case, "--motif", "evaluation")
    pli("referent.sens", "send", COMPLEMENT, "--case", case, "--handling", "eyes-only")
    given, lines, _ = transfer(department, case, *TO_CLIR)
    must(len(given) == 1 and any(line.get("handling") == "eyes-only" for line in lines), "of a case only what may leave does")
    own, _ = shown(department, "secretariat.ged", case)
    must(own["transmitted"][0]["lacking"] == 1, "and the rest is said to be lacking")


def offline(department):
    """The broker away: what opens the case there waits, once."""
    pli = department.pli
    case = send(department)
    pli("secretariat.ged", "open", case, "--motif", "evaluation")
    department.stop_broker()
    transfer(department, case, *TO_CLIR, expect=3)
    transfer(department, case, *TO_CLIR, expect=3)
    waiting = [line for line in pli("secretariat.ged", "outbox", "list")[0] if line.get("kind") == "transmission"
               and line["state"] in ("sealed", "queued", "sent")]
    must(len(waiting) == 1, "without the broker the transmission waits, once (3)")
    department.start_broker()
    given, _, _ = transfer(department, case, *TO_CLIR)
    must(len(given) == 1, "then the same command does the rest")


def story(department):
    department.make_contract(1, 1)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("secretariat.ged", ["secretariat"], "prefecture.89", "89", "Secrétariat du GED", "--seat", "ged/89")
    department.enrol("secretariat.clir", ["secretariat"], "prefecture.89", "89", "Secrétariat de la CLIR", "--seat", "clir/89")
    department.enrol("secretariat.cpraf", ["secretariat"], "prefecture.89", "89", "Secrétariat de la CPRAF", "--seat", "cpraf/89")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("c.marchand", ["membre_clir"], "service.c", "89", "Membre de la CLIR")
    department.enrol("secretariat.21", ["secretariat"], "prefecture.21", "21", "Secrétariat, Côte-d'Or", "--seat", "ged/21")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.enrol("auditrice.21", ["auditeur"], "inspection", "21", "Déléguée, Côte-d'Or", "--seat", "audit/21")
    department.init_broker()
    department.start_broker()
    to_the_clir(department)
    elsewhere(department)
    kept_here(department)
    offline(department)
    department.pli("auditrice", "audit", "verify")
    must(True, "and the log holds")


if __name__ == "__main__":
    sys.exit(play(__doc__.splitlines()[0], story))
