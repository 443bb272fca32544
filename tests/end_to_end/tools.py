"""The example tools of client/examples against the real broker: each posts an information and receives what is answered; what
their entries in the directory do not name is refused, and the directory says what they may.

Exits non-zero at the first step that is not as it must be.
"""

import json
import re
import sys

from departement import SOURCE, must, paris_today, play

FORM = SOURCE / "config" / "forms" / "information-de-volet-transport.json"
DECISION = "Informations transmises au service compétent."


def run_tool(department, name, *words, expect=0):
    """What it posted, if anything, and the answers it printed, by case."""
    done = department.run([department.programs / f"pli-example-{name}", department.home(f"outil.{name}"),
                           department.passphrase, *words], expect=expect)
    posted = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("posted ")]
    answers = [text.split(None, 1) for text in re.split(r"(?m)^answer ", done.stdout)[1:]]
    return posted, [(case, json.loads(form)) for case, form in answers], done


def answer(department, case):
    """The secretariat leads the case to its return."""
    pli, today = department.pli, str(paris_today())
    pli("secretariat", "open", case, "--motif", "evaluation")
    pli("secretariat", "case", "receive", case, "--finding", "recevable")
    pli("secretariat", "case", "schedule", case, "--date", today)
    pli("secretariat", "case", "evaluate", case, "--date", today)
    outcome = "suivi" if pli("secretariat", "case", "show", case)[0][0]["queue"] == "clir/89" else "pris_en_compte"
    pli("secretariat", "case", "decide", case, "--outcome", outcome, "--reason", DECISION)
    pli("secretariat", "case", "return", case, "--code", "examen_termine")


def version(department):
    department.sign_version()
    department.pli("secretariat", "directory", "publish", "--authority", department.authority)


def story(department):
    pli = department.pli
    department.make_contract(1, 1)
    department.enrol("secretariat", ["secretariat"], "prefecture.89", "89", "Secrétariat")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("d.clir", ["membre_clir"], "service.d", "89", "Membre de la CLIR")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.enrol("outil.transport", ["outil"], "regie.transports", "89", "Outil du volet transport", "--volet",
                     "transport", "--post", "ged/89")
    department.enrol("outil.prevention", ["outil"], "conseil.local", "89", "Outil de la prévention", "--volet",
                     "prevention_delinquance", "--post", "clir/89")
    department.init_broker()
    department.start_broker()

    posted, answers, _ = run_tool(department, "transport", FORM)
    must(len(posted) == 1 and answers == [], "transport posts an information to the GED")
    case = posted[0]
    pli("secretariat", "open", case, "--motif", "evaluation")
    pli("secretariat", "case", "ask", case, "--what", "date_des_faits")
    _, answers, _ = run_tool(department, "transport")
    must([(of, form["type"]) for of, form in answers] == [(case, "demande_de_complement")], "it receives what it is asked")
    answer(department, case)
    _, answers, _ = run_tool(department, "transport")
    must([(of, form["type"]) for of, form in answers] == [(case, "retour")] and answers[0][1]["code"] == "examen_termine",
         "then the return, in a closed code")
    must(run_tool(department, "transport")[1] == [], "and neither twice")

    posted, _, _ = run_tool(department, "prevention", "CLSPD/2026/004", "2025-02-02", "89387", "5 rue du Gué",
                            "Inscriptions menaçant les bénévoles.")
    must(len(posted) == 1, "prévention writes one from what it holds and posts it to the CLIR")
    opened, _ = pli("d.clir", "open", posted[0], "--motif", "evaluation")
    must("CLSPD/2026/004" in json.dumps(opened), "under its own reference, which its reader sees")
    answer(department, posted[0])
    _, answers, _ = run_tool(department, "prevention")
    must([(of, form["code"]) for of, form in answers] == [(posted[0], "examen_termine")], "and receives the return")

    # What the registry names, and what it does not.
    lines, _ = pli("secretariat", "directory", "show")
    tool = next(line for line in lines if line["member"] == "outil.transport")
    must(tool["volet"] == "transport" and tool["posts"] == ["ged/89"] and tool["reads"] == ["org/regie.transports"],
         "the directory says what a tool may post and read")
    plain = [department.programs / "pli", "--home", department.home("secretariat"), "--passphrase-file", department.passphrase]
    for words in (["directory", "show"], ["directory", "show", "--authority", department.authority]):
        shown = department.run([*plain, *words]).stdout
        must("Contrat csi-yonne-2026" in shown and "prévention de la délinquance" in shown and "information_de_volet" in shown,
             f"pli {words[0]} {words[1]} tells contract and tools in French")
    refused, _ = pli("outil.transport", "send", FORM, "--queue", "clir/89", expect=1)
    must(refused[-1]["error"] == "FORBIDDEN(interdit.hors.registre)", "it posts nowhere else")
    must(department.refused_under("interdit.hors.registre", "outil.transport"), "and the refusal is in the journal")
    department.authority_does("tool", "outil.transport", "--authority", department.authority, "--volet", "transport",
                              "--post", "clir/89")
    version(department)
    sent, _ = pli("outil.transport", "send", FORM, "--queue", "clir/89")
    must(sent[-1]["state"] == "receipted", "until the authority says so")
    _, _, done = run_tool(department, "transport", FORM, expect=1)
    must("FORBIDDEN(interdit.hors.registre)" in done.stderr and "inscription" in done.stderr,
         "the example tells the code and the next step where it is refused")
    department.authority_does("contract", "--authority", department.authority, "--volet", "radicalisation_separatisme",
                              "--volet", "prevention_delinquance")
    version(department)
    _, _, done = run_tool(department, "transport", expect=1)
    must("FORBIDDEN(interdit.hors.volet)" in done.stderr, "a volet that leaves the contract takes its tools' rights with it")
    must(run_tool(department, "prevention")[1] == [], "and no others'")


if __name__ == "__main__":
    sys.exit(play(__doc__, story))
