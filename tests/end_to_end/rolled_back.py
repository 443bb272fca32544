"""Nothing receipted is lost across a rollback (P8, P10), with the real programs: the broker is killed, an older copy of its
database is put back, the authority orders what it lacks given up, and the outboxes send again what their members hold
receipts of. Receipts are counted before and after.

Exits non-zero at the first step that is not as it must be.
"""

import json
import shutil
import signal
import sys

from departement import SOURCE, must, play

FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"
SENDERS = ["referent.sens", "referent.avallon"]


def receipted(department):
    """Exchange id and receipt file of every item in the senders' outboxes."""
    found = {}
    for who in SENDERS:
        for path in sorted((department.home(who) / "receipts").glob("*.tlog-proof")):
            found.setdefault(path.name.split(".")[0], []).append((who, path))
    return found


def send(department, who, count):
    ids = []
    for _ in range(count):
        lines, _ = department.pli(who, "send", FORM)
        must(lines[-1]["state"] == "receipted", f"{who} is given a receipt")
        ids.append(lines[-1]["exchange"])
    return ids


def rolled_back(department):
    broker = department.programs / "pli-broker"
    config = ["--json", "--config", department.server / "broker.toml"]
    data, copy = department.server / "data", department.folder / "copy"
    department.make_contract(1, 1)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("referent.avallon", ["referent"], "218900256", "89025", "Référent, mairie d'Avallon")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.init_broker()

    department.start_broker()
    standing = [exchange for who in SENDERS for exchange in send(department, who, 2)]
    department.stop_broker()
    shutil.copytree(data, copy)
    department.start_broker()
    lost = [exchange for who in SENDERS for exchange in send(department, who, 3)]
    department.pli("b.aubry", "open", lost[0], "--motif", "evaluation")
    department.broker.send_signal(signal.SIGKILL)
    department.broker.wait(timeout=30)
    department.broker = None
    before = receipted(department)
    must(sorted(before) == sorted(standing + lost), f"{len(before)} receipts are held when the broker is killed")

    shutil.rmtree(data)
    shutil.copytree(copy, data)
    state = json.loads(department.run([broker, "run", *config], expect=4).stdout)["state"]
    must(state == "ROLLED_BACK", "the older copy does not start (4)")
    request = department.folder / "request.txt"
    request.write_text(department.run([broker, "rollback-request", "--config", department.server / "broker.toml"]).stdout)
    order = json.loads(department.authority_does("rollback", request, "--authority", department.authority, "--yes").stdout)
    department.start_broker("--accept-rollback", order["order"])
    counted = json.loads(department.run([broker, "check", *config]).stdout)
    must(counted["exchanges"] == len(standing), f"after the order {counted['exchanges']} of {len(before)} are left at the broker")

    must(counted["problems"] == [], "and the new shard is whole")

    for who in SENDERS:
        lines, _ = department.pli(who, "outbox", "flush")
        must(sorted(line["exchange"] for line in lines) == sorted(exchange for exchange in lost if before[exchange][0][0] == who)
             and all(line["state"] == "receipted" and not line["resealed"] for line in lines),
             f"{who} sends again what was lost, as it was sealed, and nothing else")
        must(department.pli(who, "outbox", "flush")[0] == [], "once")
    after = receipted(department)
    must(sorted(after) == sorted(before), f"{len(after)} exchanges have receipts, those of before")
    must(all(len(after[exchange]) == 2 for exchange in lost) and all(len(after[exchange]) == 1 for exchange in standing),
         "what was lost has two: of the shard that was rolled back and of the new one")
    for who, path in (one for held in after.values() for one in held):
        lines, _ = department.pli(who, "receipt", "verify", path)
        must(lines[-1]["verified"] is True, f"{who}'s receipt {path.name[:8]} verifies")
    counted = json.loads(department.run([broker, "check", *config]).stdout)
    must(counted["exchanges"] == len(before) and counted["problems"] == [],
         f"the broker holds {counted['exchanges']} exchanges again, each once, in a whole store")
    lines, _ = department.pli("b.aubry", "inbox", expect=4)
    must(lines[-1]["error"] == "log_rolled_back" and lines[-1]["evidence"], "the member of the GED is told of the rollback (4)")
    shown = [line["exchange"] for line in lines if "number" in line]
    must(sorted(shown) == sorted(before), "and shown each of them once")
    department.pli("b.aubry", "ack", "--alarms")
    for exchange in before:
        lines, _ = department.pli("b.aubry", "open", exchange, "--motif", "evaluation")
        must(lines[-1]["exchange"] == exchange and lines[-1]["form"]["faits"] != [], "and reads it")
    lines, _ = department.pli("auditrice", "audit", "verify")
    must(lines[-1]["verified"] is True and lines[-1]["findings"] == 0 and lines[-1]["rolled_back"] != [],
         "the auditor verifies both shards, and is told which was rolled back")
    department.stop_broker()
    department.run([broker, "check", *config])


if __name__ == "__main__":
    sys.exit(play(__doc__, rolled_back))
