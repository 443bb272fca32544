"""Link hints with the real programs: two mairies report one person, the secretariat alone is told, decides, takes it back;
nothing of it is on its disk in clear, nothing reaches the broker or the mairies.

Exits non-zero at the first step that is not as it must be.
"""

import json
import sys

from departement import SOURCE, must, play

FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"


def report(department, who, name, **person):
    form = json.loads(FORM.read_text(encoding="utf-8"))
    signalled = [each for each in form["personnes"] if each["categorie"] == "personne_signalee"][0]
    signalled.pop("tranche_age", None)  # the date of birth takes its place
    signalled.update(person)
    file = department.folder / f"{name}.json"
    file.write_text(json.dumps(form), encoding="utf-8")
    lines, _ = department.pli(who, "send", file)
    must(lines[-1]["state"] == "receipted", f"{who} reports: {name}")
    return lines[-1]["exchange"]


def story(department):
    pli = department.pli
    department.make_contract(1, 1)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("referent.avallon", ["referent"], "218900256", "89025", "Référent, mairie d'Avallon")
    department.enrol("secretariat", ["secretariat"], "prefecture.89", "89", "Secrétariat")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.init_broker()
    department.start_broker()

    first = report(department, "referent.sens", "premier", nom="Le Guivarc'h", prenoms="Corentin-Malo",
                   date_naissance="2008-02-14", commune="89387")
    second = report(department, "referent.avallon", "second", nom="GUIVARCH", prenoms="Corentin Malo",
                    date_naissance="2008-02-14", commune="89025")
    brother = report(department, "referent.avallon", "frere", nom="Le Guivarc'h", prenoms="Gwenael",
                     date_naissance="2010-06-03", commune="89387")

    lines, _ = pli("secretariat", "open", first, "--motif", "evaluation")
    must(lines[-1]["links"] == [], "the first report is like no other")
    lines, _ = pli("secretariat", "open", second, brother, "--motif", "evaluation")
    must(lines[0]["links"] == [{"case": first, "reasons": ["same_birth_same_name"], "verdict": None}],
         "the second names the same person, with the reason")
    must(lines[1]["links"] == [], "of a brother nothing is said")
    plain = [department.programs / "pli", "--home", department.home("secretariat"), "--passphrase-file", department.passphrase]
    done = department.run([*plain, "open", second, "--motif", "evaluation"])
    must(f"dossier {first[:8]} : même date de naissance et même nom" in done.stdout and "rien n'est fusionné" in done.stdout,
         "on the screen too, below the content")
    kept = b"".join(path.read_bytes() for path in department.home("secretariat").rglob("*") if path.is_file()).lower()
    must(not any(needle in kept for needle in (b"guivarc", b"corentin", b"2008-02-14", b"20080214")),
         "and nothing of it is in clear on the disk")

    lines, _ = pli("b.aubry", "open", second, "--motif", "evaluation")
    must("links" not in lines[-1], "a member of the GED is told nothing")
    for stranger in ("b.aubry", "referent.avallon"):
        lines, _ = pli(stranger, "case", "links", expect=2)
        must("secrétariat" in lines[-1]["cause"], f"{stranger} asks in vain (2)")

    pli("secretariat", "case", "link", first, second, expect=2)
    pli("secretariat", "case", "link", first, second, "--accept", "--reject", expect=2)
    pli("secretariat", "case", "link", first, first, "--accept", expect=2)
    lines, _ = pli("secretariat", "case", "link", first[:10], second[:10], "--accept")
    must(lines[-1]["verdict"] == "accepted", "a person accepts")
    lines, _ = pli("secretariat", "case", "links", first)
    must([line["verdict"] for line in lines] == ["accepted"] and lines[0]["decided_by"] == "secretariat"
         and {lines[0]["case"], lines[0]["other"]} == {first, second}, "and it stands, with who and when")
    lines, _ = pli("secretariat", "case", "link", second, first, "--reject")
    lines, _ = pli("secretariat", "case", "links")
    must(lines == [], "she takes it back: what is rejected is shown no more")
    lines, _ = pli("secretariat", "open", second, "--motif", "evaluation")
    must(lines[-1]["links"] == [], "nor at the next opening")
    lines, _ = pli("secretariat", "case", "links", "--all")
    must([line["verdict"] for line in lines] == ["rejected"] and lines[0]["reasons"] == ["same_birth_same_name"],
         "but on demand")
    done = department.run([*plain, "case", "links", "--all"])
    must("même date de naissance et même nom" in done.stdout and "écarté le" in done.stdout, "in plain French")
    department.stop_broker()
    kept = b"".join(path.read_bytes() for path in (department.folder / "contrat").rglob("*") if path.is_file())
    must(b"guivarc" not in kept.lower(), "the broker has learned nothing")


if __name__ == "__main__":
    sys.exit(play(__doc__, story))
