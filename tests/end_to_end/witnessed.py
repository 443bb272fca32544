"""A département whose log two witnesses confirm, with the real programs: a report is sealed under their word, its receipt is
exchanged for one they signed, and without them an audit fails while everything else goes on. A year ends while they are
away: what came last is confirmed all the same once they are back, and the journal of both years verifies under one policy.

Exits non-zero at the first step that is not as it must be.
"""

import datetime
import json
import sys
import time

from departement import SOURCE, must, paris_today, play

FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"
WITNESSES = ("w1", "w2")
PATIENCE = 30  # seconds for two machines on loopback to sign


def until(what, attempt):
    """Asks again until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := attempt()):
        if time.monotonic() > deadline:
            must(False, what)
        time.sleep(0.2)
    must(True, what)
    return answer


def witnessed(department):
    pli = department.pli
    department.make_contract(1, 1, witnesses=WITNESSES)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    invitation = (department.folder / "referent.sens.invitation").read_text().splitlines()
    must(invitation[-1] == "quorum temoins" and sum(line.startswith("witness ") for line in invitation) == 2,
         "the invitation names the witnesses")
    for witness in WITNESSES:
        must(department.start_witness(witness).startswith("pli-witness ready"), "a witness is ready")
    department.init_broker()
    department.start_broker()

    sent = until("a report is sealed once both have confirmed the log", lambda: next(
        (line for line in pli("referent.sens", "send", FORM, expect=(0, 3))[0] if line.get("state") == "receipted"), None))

    def nothing_waits():
        return pli("referent.sens", "receipt", "upgrade")[0][-1]["waiting"] == 0

    until("and its receipt exchanged for one they signed", nothing_waits)
    listed = pli("referent.sens", "outbox", "list")[0]
    must("cosigned" in [line["state"] for line in listed], "the outbox says so")
    line = pli("referent.sens", "receipt", "verify", sent["receipt"], "--cosigned", "--max-age", "10m")[0][-1]
    must([one.split()[0] for one in line["cosigned"]] == list(WITNESSES) and line["exchange"] == sent["exchange"],
         "which verifies offline, and tells who confirmed it")
    line = pli("auditrice", "audit", "verify")[0][-1]
    must(line["verified"] and line["findings"] == 0 and line["unproven"] >= 1, "the journal is whole, and its newest checkpoint fresh")
    line = pli("auditrice", "audit", "checkpoint")[0][-1]
    must([one.split()[0] for one in line["cosigned"]] == list(WITNESSES), "and cosigned by both")

    for witness in WITNESSES:
        department.stop_witness(witness)
    time.sleep(2)
    line = pli("auditrice", "audit", "verify", "--max-age", "1s", expect=4)[0][-1]
    must(line["error"] == "log_stale", "without them an audit that asks for more fails (4)")
    sent = pli("referent.sens", "send", FORM)[0][-1]
    must(sent["state"] == "receipted", "a report is still sealed under their last word, and receipted")
    must(pli("referent.sens", "receipt", "upgrade")[0][-1]["waiting"] == 1, "its receipt waits for them")
    must(len(pli("b.aubry", "inbox")[0]) >= 2, "and is read meanwhile")
    for witness in WITNESSES:
        department.start_witness(witness)
    until("until they are back", nothing_waits)
    year_ends(department, nothing_waits)


def next_shard(department):
    department.stop_broker()
    done = department.run([department.programs / "pli-broker", "next-shard", "--json", "--config",
                           department.server / "broker.toml"])
    return json.loads(done.stdout.splitlines()[-1])


def year_ends(department, nothing_waits):
    pli = department.pli
    for witness in WITNESSES:
        department.stop_witness(witness)
    late = pli("referent.sens", "send", FORM)[0][-1]
    must(late["state"] == "receipted" and pli("referent.sens", "receipt", "upgrade")[0][-1]["waiting"] == 1,
         "a report comes in the last moments of the shard, and no witness sees it")
    first = next_shard(department)
    must(first["cosigned"] is False, "the shard is closed without them, and that is said")
    department.start_broker()
    must(pli("referent.sens", "receipt", "upgrade")[0][-1]["waiting"] == 1, "its receipt waits on in the next one")
    name = first["closed"].rsplit("/", 1)[1]
    line = pli("auditrice", "audit", "checkpoint", "--shard", name, expect=4)[0]
    must(line[0]["size"] == first["leaves"] and not line[0]["cosigned"], "the closing checkpoint is the log's alone")
    department.start_witness("w1")
    time.sleep(2)
    department.stop_broker()
    department.start_broker()
    department.start_witness("w2")
    until("until both have confirmed how the shard ended", nothing_waits)
    line = pli("referent.sens", "receipt", "verify", late["receipt"], "--cosigned")[0][-1]
    must([one.split()[0] for one in line["cosigned"]] == list(WITNESSES) and line["exchange"] == late["exchange"],
         "and the receipt is exchanged for one under that checkpoint")
    second = next_shard(department)
    must(second["cosigned"] is True, "with them there a shard is closed under their word")
    department.start_broker()
    today = paris_today()
    names = [one.rsplit("/", 1)[1] for one in (first["closed"], second["closed"], second["origin"])]
    folders = []

    def exported(shard):
        folder = department.folder / f"export-{shard}-{len(folders)}"
        folders.append(folder)
        taken = pli("auditrice", "audit", "export", folder, "--from", today - datetime.timedelta(days=1), "--to", today,
                    "--shard", shard)[0][-1]
        must(taken["records"] > 0, f"{shard}: {taken['records']} records are taken away")
        return folder

    policy = department.folder / "lecteur.policy"
    ended = [exported(shard) for shard in names[:2]]
    key = (ended[0] / "policy").read_text().splitlines()[0]
    policy.write_text(key + "\n" + (department.folder / "temoins.policy").read_text())
    for folder in ended:
        department.run([department.programs / "pli-verify", "export", folder, "--policy", policy])
    must(key.split("+")[0].endswith(names[0]), "both ended shards are taken away and verify under the policy of the first")
    until("and so does the current one", lambda: department.run(
        [department.programs / "pli-verify", "export", exported(names[2]), "--policy", policy], expect=(0, 4)).returncode == 0)
    line = pli("auditrice", "audit", "checkpoint", "--shard", names[1])[0][-1]
    must([one.split()[0] for one in line["cosigned"]] == list(WITNESSES), "how a shard ended is shown with who confirmed it")
    line = pli("auditrice", "audit", "verify")[0][-1]
    must(line["verified"] and len(line["shards"]) == 3 and len(line["cosigned"]) >= 2, "and the journal of all three is whole")
    department.stop_broker()


if __name__ == "__main__":
    sys.exit(play(__doc__, witnessed))
