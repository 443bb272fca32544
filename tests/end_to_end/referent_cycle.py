"""A référent's whole cycle with the real programs: identity, card, enrolment by two authority keys of three, a report made
while the broker is down, the roster changed meanwhile, flushed and sealed again, and the receipt verified offline.

Exits non-zero at the first step that is not as it must be.
"""

import json
import pathlib
import shutil
import sys

from departement import SOURCE, must, play

FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"


def cycle(department):
    pli = department.pli
    department.make_contract(3, 2)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("referent.avallon", ["referent"], "218900256", "89025", "Référent, mairie d'Avallon")
    department.enrol("secretariat", ["secretariat"], "prefecture.89", "89", "Secrétariat")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.enrol("operateur", ["operateur"], "prefecture.dsic", "89", "Opérateur")
    department.init_broker()

    # Before anything: no identity, no invitation, no broker; each says so and loses nothing.
    lines, _ = pli("personne", "send", FORM, expect=5)
    must(lines[-1]["error"] == "no_identity" and "pli identity new" in lines[-1]["next_step"],
         "without an identity: a code of its own, and what to type next (5)")
    lines, done = pli("referent.sens", "send", SOURCE / "README.md", expect=2)
    must(lines[-1]["error"] == "bad_form", "a file that is no form is refused before anything is sealed (2)")

    lines, _ = pli("referent.sens", "send", department.folder / "absent.json", expect=2)
    must(lines[-1]["error"] == "file_missing" and lines[-1]["file"].endswith("absent.json"),
         "a form that is not there is named (2)")
    refused = department.folder / "refuse.json"
    for code, change in (("unknown_commune", lambda form: form["personnes"][0].update(commune="89999")),
                         ("missing_dated_fact", lambda form: form.update(faits=[]))):
        form = json.loads(FORM.read_text(encoding="utf-8"))
        change(form)
        refused.write_text(json.dumps(form), encoding="utf-8")
        lines, _ = pli("referent.sens", "send", refused, expect=2)
        must(code in [line["error"] for line in lines], f"{code} is refused before anything is sealed (2)")
    form = json.loads(FORM.read_text(encoding="utf-8").replace("89024", "21231"))
    refused.write_text(json.dumps(form), encoding="utf-8")
    lines, _ = pli("referent.sens", "send", refused, expect=2)
    must("21" in lines[-1]["cause"], "a commune of another département is not this broker's (2)")
    lines, _ = pli("referent.sens", "outbox", "list")
    must(lines == [], "and nothing of all that is in the outbox")

    wrong = department.folder / "autre-phrase.txt"
    wrong.write_text("une-autre-phrase\n")
    wrong.chmod(0o600)
    words = [department.programs / "pli", "--home", department.home("referent.sens"), "--json", "--passphrase-file"]
    done = department.run([*words, wrong, "send", FORM], expect=5)
    must(json.loads(done.stdout)["error"] == "wrong_passphrase", "a wrong passphrase opens nothing (5)")
    wrong.chmod(0o644)
    done = department.run([*words, wrong, "send", FORM], expect=5)
    must(json.loads(done.stdout)["error"] == "passphrase_file_open", "a passphrase file others may read is not read (5)")

    # The référent of Sens has met the broker once; the one of Avallon never.
    department.start_broker()
    pli("referent.sens", "inbox")
    department.stop_broker()

    lines, _ = pli("referent.sens", "send", FORM, expect=3)
    must(lines[-1]["state"] == "sealed", "the broker is down: sealed and kept (3)")
    first_sealing = lines[-1]["exchange"]
    lines, _ = pli("referent.avallon", "send", FORM, expect=3)
    must(lines[-1]["state"] == "queued" and not lines[-1].get("exchange"),
         "who never met the broker: kept under his own key, sealed to nobody else (3)")
    kept = b"".join(path.read_bytes() for path in department.home("referent.avallon").rglob("*") if path.is_file())
    description = json.loads(FORM.read_text(encoding="utf-8"))["faits"][0]["description"]
    must(description.encode() not in kept, "what waits on the disk is not in clear")

    lines, _ = pli("referent.sens", "outbox", "flush", expect=3)
    must(lines[-1]["error"] == "unreachable", "flushing while it is down says so and keeps the report (3)")

    # Meanwhile the GED changes: a member joins, and two keys of three sign.
    department.enrol("c.benard", ["membre_ged"], "service.c", "89", "Membre du GED")
    version = department.sign_version()
    must(version["number"] == 2 and version["complete"] and version["signatures"] == 2, "two keys of three sign the new roster")
    department.start_broker()
    lines, _ = pli("operateur", "directory", "publish", "--authority", department.authority)
    must(lines[-1]["number"] == 2, "the operator publishes it")

    lines, _ = pli("referent.sens", "outbox", "flush")
    item = lines[-1]
    must(item["state"] == "receipted" and item["exchange"] != first_sealing, "flushed: sealed again to the new roster")
    lines, _ = pli("referent.avallon", "outbox", "flush")
    must(lines[-1]["state"] == "receipted", "and the other's first sealing goes through")
    lines, _ = pli("referent.sens", "outbox", "flush")
    must(lines == [], "nothing is sent twice")

    lines, _ = pli("b.aubry", "open", item["exchange"], expect=2)
    must("--motif" in lines[-1]["cause"], "nothing is opened without a motif, and the list of them is shown (2)")
    lines, _ = pli("b.aubry", "open", item["exchange"], "--motif", "curiosite", expect=2)
    must(lines[-1]["error"] == "usage", "nor for one that is not in the list (2)")
    for member in ("b.aubry", "c.benard"):
        lines, _ = pli(member, "open", item["exchange"], "--motif", "evaluation")
        must(lines[-1]["form"]["faits"][0]["description"] == description, f"{member} reads it, the newcomer too")
    lines, _ = pli("b.aubry", "open", first_sealing, "--motif", "evaluation", expect=1)
    must(lines[-1]["error"] == "NOT_FOUND", "the first sealing never reached anybody")

    # Offline for good: the receipt needs no broker.
    department.stop_broker()
    receipt = pathlib.Path(item["receipt"])
    lines, _ = pli("referent.sens", "receipt", "verify", receipt)
    must(lines[-1]["verified"] is True and lines[-1]["exchange"] == item["exchange"], "the receipt verifies offline")
    alone = department.folder / "ailleurs"
    alone.mkdir()
    shutil.copy(receipt, alone / "recu.tlog-proof")
    done = department.run([department.programs / "pli", "--home", alone / "vide", "--json", "receipt", "verify",
                           alone / "recu.tlog-proof", "--invitation", department.folder / "referent.sens.invitation"])
    must(json.loads(done.stdout)["verified"] is True, "and on a machine without identity, by the invitation alone")
    text = receipt.read_bytes()
    refused = 0
    for at in range(0, len(text), 7):
        damaged = alone / "abime.tlog-proof"
        damaged.write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1:])
        done = department.run([department.programs / "pli", "--home", department.home("referent.sens"), "--json", "receipt",
                               "verify", damaged], expect=4)
        refused += 1
    must(refused > 50, f"{refused} receipts with one flipped bit: each refused (4)")
    department.run([department.programs / "pli-broker", "check", "--config", department.server / "broker.toml"])
    must(True, "the broker's store is whole")


if __name__ == "__main__":
    sys.exit(play(__doc__, cycle))
