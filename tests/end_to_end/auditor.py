"""An auditor's work with the real programs: searching the journal, one act with its proof, the report of a period, what is
taken away, the tiles; and that nothing of it holds a word or a byte of what was exchanged.
"""

import csv
import datetime
import io
import json
import pathlib
import sqlite3
import sys
import time

from departement import SOURCE, must, paris_today, play

FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"
NOTE = "réunion de jeudi, point numéro trois"
WINDOW = 24  # bytes of ciphertext that are found nowhere by chance


def plain(department, who, *words, expect=0):
    done = department.run([department.programs / "pli", "--home", department.home(who), "--passphrase-file",
                           department.passphrase, *words], expect=expect)
    return done.stdout, done.stderr


def words_of(form):
    """Every text a person typed into it, of some length."""
    if isinstance(form, dict):
        return [word for value in form.values() for word in words_of(value)]
    if isinstance(form, list):
        return [word for value in form for word in words_of(value)]
    closed = {"signalement_individuel", "personne_signalee"}
    return [form] if isinstance(form, str) and len(form) > 11 and form not in closed else []


def sealed_pieces(department):
    data = next(department.server.rglob("pli.db"))
    with sqlite3.connect(f"file:{data}?mode=ro", uri=True) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(piece)") if row[2].upper() == "BLOB"]
        return [row[0] for row in database.execute(f"SELECT {columns[0]} FROM piece")]


def refused_words(department, words, *mentions):
    lines, _ = department.pli("auditrice", "audit", *words, expect=2)
    cause = lines[-1]["cause"]
    must(lines[-1]["error"] == "usage" and all(mention in cause for mention in mentions),
         f"audit {' '.join(map(str, words))}: refused, and what may be typed is named (2)")


def audit(department):
    pli = department.pli
    department.make_contract(1, 1)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("secretariat", ["secretariat"], "prefecture.89", "89", "Secrétariat")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.enrol("operateur", ["operateur"], "prefecture.dsic", "89", "Opérateur")
    department.init_broker()
    department.start_broker()

    exchange = pli("referent.sens", "send", FORM)[0][-1]["exchange"]
    pli("b.aubry", "open", exchange, "--motif", "evaluation", "--note", NOTE)
    pli("b.aubry", "open", exchange, "--motif", "suivi")
    pli("referent.sens", "open", exchange, "--motif", "suivi", expect=1)
    outputs = []

    def told(*words, expect=0):
        lines, done = pli("auditrice", "audit", *words, expect=expect)
        outputs.append(done.stdout + done.stderr)
        return lines

    def told_once(enough, *words):
        """What was just done is shown once its checkpoint is published, at most a second later."""
        deadline = time.monotonic() + 10
        lines = told(*words)
        while not enough(lines) and time.monotonic() < deadline:
            time.sleep(0.2)
            lines = told(*words)
        return lines

    # Searching.
    everything = told_once(lambda lines: any(line["act"] == "refus" for line in lines), "list")
    opening = [line for line in everything if line["act"] == "consultation"]
    must(len(opening) == 2 and all(line["field_exchange"] == exchange for line in opening), "every opening is in the journal")
    today = paris_today()
    day, before = str(today), str(today - datetime.timedelta(days=1))
    for words, count in ((["--act", "consultation"], 2), (["--person", "b.aubry", "--act", "Consultation"], 2),
                         (["--member", "b.aubry", "--motif", "evaluation"], 1), (["--motif", "extraction"], 0),
                         (["--case", exchange, "--act", "consultation"], 2),
                         (["--exchange", exchange[:8].upper() + " " + exchange[8:20], "--act", "collecte"], 1),
                         (["--instance", "ged/89", "--act", "consultation"], 2), (["--outcome", "not_found"], 1),
                         (["--role", "membre_ged", "--act", "consultation"], 2), (["--organisation", "service.b", "--motif", "suivi"], 1),
                         (["--rule", "ouverture.ged"], 2), (["--nature", "signalement_individuel", "--act", "collecte"], 1),
                         (["--act", "collecte", "--from", before, "--to", day], 1), (["--act", "collecte", "--to", "2020-01-01"], 0)):
        found = [line for line in told("list", *words) if "leaf" in line]
        if words == ["--outcome", "not_found"]:
            count = len([line for line in everything if line.get("field_outcome") == "NOT_FOUND"])
        must(len(found) == count, f"list {' '.join(words)}: {count}")
    refused_words(department, ["list", "--outcome", "zzz"], "ok", "FORBIDDEN", "NOT_FOUND")
    refused_words(department, ["list", "--motif", "curiosite"], "evaluation", "extraction")
    refused_words(department, ["list", "--act", "lecture"], "consultation", "export")
    refused_words(department, ["list", "--role", "prefet"], "referent", "auditeur")
    refused_words(department, ["list", "--nature", "lettre"], "signalement_individuel")
    refused_words(department, ["list", "--exchange", "zut"], "--exchange")
    refused_words(department, ["list", "--instance", "ged"], "ged/89")
    refused_words(department, ["list", "--from", "hier"], "2026-11-23")
    refused_words(department, ["list", "--from", day, "--to", before], "--from")
    text, _ = plain(department, "auditrice", "audit", "list", "--person", "b.aubri")
    must("annuaire" in text, "a name the directory does not have is said to be one")

    # Notes.
    noted = told("list", "--notes", "--motif", "evaluation")
    must(noted[0]["note"] == NOTE and noted[0]["note_state"] == "opened", "a motif's note is opened by the auditor's key")
    text, _ = plain(department, "auditrice", "audit", "list", "--notes", "--act", "consultation")
    must(NOTE in text, "and shown in the table")

    # A spreadsheet.
    text, _ = plain(department, "auditrice", "audit", "list", "--csv", "--notes")
    outputs.append(text)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    must(len(rows) >= len(everything) and {"leaf", "time", "type", "actor", "motif", "note"} <= rows[0].keys(),
         "--csv: a title and one line for each act")
    must([row["note"] for row in rows if row["motif"] == "evaluation"] == [NOTE], "with the notes")

    # One act.
    place = str(noted[0]["leaf"])
    receipt = department.folder / "acte.tlog-proof"
    shown = told("show", place, "--out", receipt)[-1]
    must(shown["verified"] and shown["field_motif"] == "evaluation" and shown["note"] == NOTE and shown["hidden_fields"] == 0,
         "show: every field, proven")
    verified = pli("auditrice", "receipt", "show", receipt)[0][-1]
    must(verified["verified"] and verified["leaf"] == int(place) and verified["field_actor"] == "b.aubry",
         "the proof it writes verifies offline")
    pli("auditrice", "audit", "show", place, "--out", receipt, expect=2)
    must(True, "and is never overwritten (2)")
    part = department.folder / "partie.tlog-proof"
    shown = told("show", place, "--field", "actor", "--field", "Motif", "--out", part)[-1]
    must(shown["field_actor"] == "b.aubry" and "field_exchange" not in shown and shown["hidden_fields"] > 5,
         "--field: the others stay hidden")
    verified = pli("auditrice", "receipt", "show", part)[0][-1]
    must(verified["verified"] and verified["field_motif"] == "evaluation" and "field_queue" not in verified,
         "and the proof is good all the same")
    text, _ = plain(department, "auditrice", "audit", "show", place)
    outputs.append(text)
    for words in ("Évaluation de la situation", "Membre du GED", "heure de Paris", NOTE, "Vérifié"):
        must(words in text, f"show, in words: {words}")
    refused_words(department, ["show", place, "--field", "nom"], "actor", "motif")
    refused_words(department, ["show", "3f9a"], "audit list")
    shard = noted[0]["shard"]
    must(told("show", f"{shard}/{place}")[-1]["leaf"] == int(place), "show: the place with its part of the journal, as list writes it")
    refused_words(department, ["show", f"{shard}/{place}", "--shard", shard], "--shard")
    _, words = plain(department, "auditrice", "audit", "show", "999999", expect=1)
    must("journal n'a pas d'acte" in words and "inbox" not in words, "what is not there is said as to an auditor")
    must(told("show", "999999", expect=1)[-1]["error"] == "NOT_FOUND", "a place beyond the journal is refused by the broker (1)")
    must(told("show", place, "--shard", "pli.example/pli/89/1999-1", expect=1)[-1]["error"] == "NOT_FOUND",
         "and so is a shard it does not have (1)")

    # The report.
    def readings(lines):
        return sum(line["count"] for line in lines if line["section"] == "journal_readings" and line["person"] == "auditrice")

    report = told_once(lambda lines: readings(lines) > 10, "report", "--from", before, "--to", day)
    must(report[0]["verified"] and report[0]["time_zone"] == "Europe/Paris", "report: of a journal verified on the way")
    count = {(line["section"], line["person"], line["subject"]): line["count"] for line in report[1:]}
    must(count[("openings_by_motif", "b.aubry", "evaluation")] == 1 and count[("cases_opened", "b.aubry", "")] == 1,
         "who opened what, by motif")
    must(any(section == "refusals" and person == "referent.sens" for section, person, _ in count), "who was refused")
    must(readings(report) > 10, "who read the journal")
    must(count[("directory", "", "1")] == 1, "which versions of the directory came")
    must(count[("follow_up_not_due", "", "")] == 2, "and what still waits for its following act")
    text, _ = plain(department, "auditrice", "audit", "report", "--from", before, "--to", day, "--hours", "0-24")
    outputs.append(text)
    for words in ("1. Qui a ouvert quoi", "Règle : un jour", "jours fériés", "heure légale", "rien n'a été modifié"):
        must(words in text, f"report, for people: {words}")
    text, _ = plain(department, "auditrice", "audit", "report", "--from", before, "--to", day, "--csv")
    must(list(csv.DictReader(io.StringIO(text, newline="")))[0].keys() ==
         {"section", "person", "subject", "detail", "shard", "leaf", "time", "count"}, "report, for a spreadsheet")
    pli("auditrice", "audit", "report", "--from", before, expect=2)
    refused_words(department, ["report", "--from", before, "--to", day, "--hours", "19-8"], "8-19")
    refused_words(department, ["report", "--from", before, "--to", day, "--follow-up", "0"], "--follow-up")

    # Statistics: this month is not over.
    month = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m")
    statistics = told("statistics", "--month", month)[-1]
    must(statistics["verdict"] == "not_stated" and "pli-statistics/1" in statistics["statistics"],
         "statistics of the running month: counted, and not published yet")
    refused_words(department, ["statistics", "--month", "2026"], "2026-11")

    # Taken away.
    export = department.folder / "export"
    taken = told("export", export, "--from", before, "--to", day)[-1]
    must(taken["verified"] and taken["records"] > 20, "export: the period, verified")
    must({"checkpoint", "policy", "period", "records", "tile", "LISEZMOI.txt"} == {path.name for path in export.iterdir()},
         "with all that proves it")
    must(all(not path.stat().st_mode & 0o077 for path in export.rglob("*")), "open to nobody else")
    pli("auditrice", "audit", "export", export, "--from", before, "--to", day, expect=2)
    must(True, "an export is never written over another (2)")
    refused_words(department, ["tiles", export.parent], "autre chose")
    missing = department.folder / "pas-de-partie"
    pli("auditrice", "audit", "export", missing, "--from", before, "--to", day, "--shard", "1999-1", expect=2)
    must(not missing.exists(), "tiles are not written among other things (2), and what is refused leaves no folder")
    tiles = department.folder / "tuiles"
    first = told("tiles", tiles)[-1]
    checkpoint = (tiles / "checkpoint").read_text()
    second = told_once(lambda lines: lines[-1]["size"] > first["size"], "tiles", tiles)[-1]
    must(first["before"] == 0 and second["before"] == first["size"] and second["size"] > first["size"] and
         (tiles / "checkpoint").read_text() != checkpoint, "tiles: the whole log, then what came since")
    must(told("verify")[-1]["verified"], "and the journal, with all these readings in it, is whole")

    # Whoever believes nobody, with the log's key alone.
    invitation = (department.folder / "auditrice.invitation").read_text()
    key = next(line.split()[1] for line in invitation.splitlines() if line.startswith("log-key "))
    verifier = department.programs / "pli-verify"
    for words in (["export", export], ["log", tiles], ["receipt", receipt], ["receipt", part]):
        department.run([verifier, *words, "--log-key", key])
        must(True, f"pli-verify {words[0]} {words[1].name}: what was taken away proves itself")
    records = export / "records"
    whole = records.read_bytes()
    records.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    department.run([verifier, "export", export, "--log-key", key], expect=4)
    records.write_bytes(whole)
    must(True, "and with one bit flipped it does not (4)")

    # Every reading is in the journal.
    lines = told_once(lambda lines: any(line["field_act"] == "prove" for line in lines), "list", "--act", "verification")
    read = [line for line in lines if line.get("field_actor") == "auditrice"]
    must({"records", "prove"} <= {line["field_act"] for line in read}, "lists, reports, exports and proofs are recorded")
    must(any(line["field_act"] == "prove" and line["field_range"] == f"{place},{int(place) + 1}" for line in read),
         "with what was read")

    # Nobody else reads it.
    for words in (["list"], ["show", place], ["report", "--from", before, "--to", day],
                  ["export", department.folder / "autre", "--from", before, "--to", day],
                  ["tiles", department.folder / "autres"], ["statistics", "--month", month], ["verify"]):
        lines, _ = pli("b.aubry", "audit", *words, expect=1)
        must(lines[-1]["error"].startswith("FORBIDDEN"), f"a member's audit {words[0]} is refused (1)")
    must(not any(path.is_file() for name in ("autre", "autres") if (department.folder / name).exists()
                 for path in (department.folder / name).rglob("*")), "and leaves nothing behind")

    # No content.
    department.stop_broker()
    pieces = sealed_pieces(department)
    words = words_of(json.loads(FORM.read_text(encoding="utf-8")))
    must(len(pieces) >= 1 and len(words) >= 2, "there is something to look for")
    kept = [(path, path.read_bytes()) for folder in (department.home("auditrice"), export, tiles) for path in folder.rglob("*")
            if path.is_file()]
    kept += [(receipt, receipt.read_bytes()), (pathlib.Path("output"), "\n".join(outputs).encode())]
    for path, content in kept:
        for word in words:
            if word.encode() in content:
                must(False, f"{path.name} holds no word of the report ({word})")
        for piece in pieces:
            for at in range(0, max(1, len(piece) - WINDOW), WINDOW):
                if piece[at:at + WINDOW] in content or piece[at:at + WINDOW].hex().encode() in content:
                    must(False, f"{path.name} holds no sealed byte")
    must(True, f"{len(kept)} files and outputs of the auditor: not a word, not a sealed byte of what was exchanged")


if __name__ == "__main__":
    sys.exit(play(__doc__, audit))
