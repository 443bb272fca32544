"""What members, secretariat, auditor and authority do besides a référent's cycle, with the real programs: every verb no other
test runs, the authority's versions carried in order, an invitation compared before it is trusted, keys renewed.

Exits non-zero at the first step that is not as it must be.
"""

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import demo_story
from departement import SOURCE, WORK_FACTOR, Departement, must, paris_today, play

FORMS = SOURCE / "config" / "forms"
SIMPLE = FORMS / "signalement-individuel-simple.json"
STRUCTURE = FORMS / "signalement-de-structure-association.json"
COMPLEMENT = FORMS / "complement-fait-nouveau.json"


def last(result):
    return result[0][-1]


def invitations(department):
    """Before it is trusted an invitation is compared, and a later one again."""
    pli = department.pli
    paper = department.folder / "referent.sens.invitation"
    digits = json.loads(department.authority_does("invitation", "referent.sens", "--authority", department.authority).stdout)
    must(digits["invitation"] == paper.read_text(), "the authority prints an invitation again, to the letter")
    pli("nouveau", "identity", "new", "--work-factor", WORK_FACTOR)
    line = last(pli("nouveau", "identity", "accept", paper, "--yes", expect=2))
    must(line["error"] == "invitation_other_keys" and "member" not in last(pli("nouveau", "identity", "show")),
         "one that answers somebody else's card is refused at once (2)")
    for name in ("identity.age", "card.txt"):  # his own second machine
        shutil.copy(department.home("referent.sens") / name, department.home("nouveau") / name)
    must(last(pli("nouveau", "identity", "accept", paper, expect=2))["error"] == "no_terminal", "nobody to compare: not accepted (2)")
    line = last(pli("nouveau", "identity", "accept", paper, "--empreinte", "12345 67890 12345 67890 12345 67890", expect=4))
    must(line["error"] == "fingerprint_differs", "other digits: not accepted (4)")
    shown = last(pli("nouveau", "identity", "show"))
    must("member" not in shown, "and nothing of it was kept")
    print_ = digits["invitation_fingerprint"]
    line = last(pli("nouveau", "identity", "accept", paper, "--empreinte", print_))
    must(line["member"] == "referent.sens" and line["fingerprint"] == print_, "the digits read aloud: accepted")
    must(last(pli("nouveau", "identity", "show"))["invitation_fingerprint"] == print_, "and shown again")
    must(last(pli("nouveau", "identity", "accept", paper))["fingerprint"] == print_, "the same one again changes nothing")
    others = department.folder / "referent.avallon.invitation"
    line = last(pli("nouveau", "identity", "accept", others, "--yes", expect=2))
    must(line["error"] == "invitation_other_keys", "somebody else's is refused (2)")
    bare = department.folder / "bare.invitation"  # as it was before invitations named a card
    bare.write_text("".join(line for line in others.read_text().splitlines(True) if not line.startswith("sign ")))
    line = last(pli("nouveau", "identity", "accept", bare, "--yes", expect=2))
    must(line["error"] == "usage" and "referent.avallon" in line["cause"], "by its member's name where it names no card (2)")
    moved = department.folder / "moved.invitation"
    moved.write_text(paper.read_text().replace("endpoint tcp://127.0.0.1:", "endpoint tcp://127.0.0.2:"))
    _, done = pli("nouveau", "identity", "accept", moved, expect=2)
    must("avant : tcp://127.0.0.1" in done.stderr, "a later one shows what it would change, and asks again (2)")
    other = department.folder / "other.invitation"
    other.write_text(paper.read_text().replace("contract ", "contract x", 1))
    line = last(pli("nouveau", "identity", "accept", other, "--yes", expect=2))
    must(line["error"] == "invitation_other_contract", "another contract's is refused (2)")
    line = last(pli("nouveau", "identity", "accept", other, "--yes", "--replace"))
    must(line["contract"].startswith("x"), "unless the contract was made anew, and one says so")


def suspension(department):
    """One key of three takes a member's rights away at once; whoever is enrolled carries the note."""
    pli, folder = department.pli, department.authority
    words = [department.programs / "pli", "--passphrase-file", department.passphrase, "--json", "directory", "suspend", "b.aubry",
             "--authority", folder]
    done = department.run(words, stdin="", expect=2)
    must(json.loads(done.stdout.splitlines()[-1])["error"] == "no_terminal", "nothing is suspended unseen (2)")
    note = json.loads(department.run([*words, "--yes"]).stdout)["suspension"]
    pli("b.aubry", "inbox")
    must(last(pli("c.benard", "directory", "publish", "--suspension", note))["suspended"] is True, "a colleague carries it")
    must(last(pli("b.aubry", "inbox", expect=1))["error"] == "REVOKED(suspension)", "and the member is told so from then on (1)")
    must(last(pli("c.benard", "directory", "publish", "--suspension", note))["suspended"] is True, "carried again it changes nothing")
    must(last(pli("c.benard", "directory", "publish", expect=2))["error"] == "usage", "publishing needs to be told what (2)")
    department.run([department.programs / "pli", "--json", "directory", "extend", "b.aubry", "--days", "400", "--authority", folder])
    department.sign_version()
    pli("operateur", "directory", "publish", "--authority", folder)
    pli("b.aubry", "inbox")
    must(True, "a version that writes the entry anew, signed by two of three, gives the rights back")


def versions(department):
    """What an authority signs is shown; what was not carried goes first."""
    pli, does, folder = department.pli, department.authority_does, department.authority
    done = department.run([department.programs / "pli", "--passphrase-file", department.passphrase, "--json", "directory",
                           "sign", "--authority", folder], stdin="", expect=2)
    must(json.loads(done.stdout.splitlines()[-1])["error"] == "no_terminal", "nothing is signed unseen (2)")
    department.enrol("n.un", ["membre_ged"], "service.n", "89", "Membre du GED")
    signed = does("sign", "--authority", folder, "--yes").stdout.splitlines()
    changes = {line["id"]: line["change"] for line in map(json.loads, signed[:-1])}
    must(changes == {"n.un": "enrolled", "ged/89": "changed"}, f"a signer is shown who is enrolled and where: {changes}")
    does("publish", "--authority", folder, "--offline")  # version 2 stays in the folder
    does("charter", "charte-sens", "--authority", folder, "--territory", "89387", "--party", "prefecture", "--party",
         "maire-sens", "--party", "parquet")
    must(json.loads(does("extend", "n.un", "--days", "700", "--authority", folder).stdout)["done"], "an enrolment is extended")
    department.run([department.programs / "pli", "--json", "directory", "extend", "n.un", "--days", "10", "--authority", folder],
                   expect=2)
    must(True, "and never shortened (2)")
    department.sign_version()
    lines, _ = pli("operateur", "directory", "publish", "--authority", folder)
    must([line["number"] for line in lines] == [2, 3], "the version that was not carried goes first, then the next")
    must(last(pli("operateur", "directory", "publish", "--authority", folder))["already"] is True, "and neither goes twice")
    shown = [json.loads(line) for line in does("history", "--authority", folder).stdout.splitlines()]
    must([line["number"] for line in shown] == [1, 2, 3], "the history holds them")
    members = [json.loads(line) for line in does("show", "--authority", folder).stdout.splitlines()]
    must("n.un" in [line["member"] for line in members], "the authority sees every member")
    lines, _ = pli("b.aubry", "directory", "show")
    must("n.un" in [line["member"] for line in lines], "a member sees those of his instances")


def changes(department):
    """Members are shown changes of their instances until they have seen them."""
    pli = department.pli
    pli("c.benard", "case", "list")  # the new version comes in, unseen
    line = last(pli("c.benard", "ack", "--directory"))
    must(line["changes_not_shown"] > 0, "what was not displayed is not acknowledged")
    lines, _ = pli("c.benard", "inbox")
    shown = {line["id"]: line for line in lines if "directory_change" in line}
    must(shown["n.un"]["directory_change"] == "added" and shown["n.un"]["label"] == "Membre du GED",
         "inbox names who came, by id and label")
    must(last(pli("c.benard", "ack", "--directory"))["changes_not_shown"] == 0, "then it is acknowledged")
    lines, _ = pli("c.benard", "inbox")
    must(not [line for line in lines if "directory_change" in line], "and no longer shown")


def sending(department):
    """Where forms go, under which conditions; the outbox."""
    pli = department.pli
    person = last(pli("referent.sens", "send", SIMPLE, "--handling", "eyes-only"))
    structure = last(pli("referent.sens", "send", STRUCTURE))
    must(person["queue"] == "ged/89" and structure["queue"] == "clir/89", "persons to the GED, structures to the CLIR")
    line = last(pli("referent.sens", "send", SIMPLE, "--handling", "secret", expect=2))
    must(line["error"] == "usage", "an unknown condition is refused (2)")
    must(last(pli("referent.sens", "send", SIMPLE, "--queue", "ged/89"))["queue"] == "ged/89", "--queue says where")
    line = last(pli("referent.sens", "send", SIMPLE, "--queue", "ged/21", expect=2))
    must("ged/89" in line["cause"], "a queue the directory does not show is refused at once, with those it shows (2)")
    about = last(pli("referent.sens", "send", COMPLEMENT, "--case", structure["exchange"][:8]))
    must(about["queue"] == "clir/89" and about["case"] == structure["exchange"], "a complément follows its case to the CLIR")
    about = last(pli("maire.sens", "send", COMPLEMENT, "--case", structure["exchange"][:8]))
    must(about["queue"] == "clir/89", "also from a colleague, who has the case in his list alone")
    must(last(pli("referent.sens", "send", COMPLEMENT, expect=2))["error"] == "usage", "a complément names a case (2)")
    information = last(pli("outil", "send", FORMS / "information-de-volet-prevention.json"))
    must(information["queue"] == "clir/89", "an information on a structure alone goes to the CLIR")
    proposed = last(pli("referent.sens", "send", FORMS / "proposition-accompagnement.json"))
    must(proposed["queue"] == "cpraf/89", "an accompaniment is proposed to the CPRAF")
    written = json.loads((FORMS / "point-de-situation.json").read_text())
    del written["prochain_le"]  # a day that has passed since it was written
    situation = department.folder / "point.json"
    situation.write_text(json.dumps(written))
    must(last(pli("secretariat", "send", situation, expect=2))["error"] == "usage", "a point de situation says for whom (2)")
    point = last(pli("secretariat", "send", situation, "--queue", "org/218903870"))
    pli("maire.sens", "inbox")
    must(last(pli("maire.sens", "open", point["exchange"], "--motif", "suivi"))["exchange"] == point["exchange"],
         "and is read by the collectivité it was sent to")
    for words, error in ((["3f9"], "id_malformed"), (["00000000"], "NOT_FOUND")):
        line = last(pli("referent.sens", "case", "show", *words, expect=(1, 2)))
        must(line["error"] == error, f"an id that is none: {error}")

    lines, _ = pli("referent.sens", "outbox", "list")
    must([line["state"] for line in lines] == ["receipted"] * 5, "the outbox lists what left")
    rank = str(lines[0]["outbox"])
    pli("referent.sens", "outbox", "discard", rank, expect=2)
    pli("referent.sens", "outbox", "retry", rank, expect=2)
    must(True, "what was received is neither discarded nor sent again (2)")
    refused = last(pli("referent.avallon", "send", COMPLEMENT, "--case", structure["exchange"], "--queue", "clir/89", expect=1))
    must(refused["state"] == "refused" and refused["error"] == "NOT_FOUND", "another commune's case is not there for him (1)")
    listed = last(pli("referent.avallon", "outbox", "list"))
    must(listed["exchange"] == refused["exchange"], "the outbox lists it under its number")
    again = last(pli("referent.avallon", "outbox", "retry", listed["exchange"][:8], expect=1))
    must(again["outbox"] == refused["outbox"] and again["state"] == "refused" and again["error"] == "NOT_FOUND",
         "a refused item is tried again by that number, and said to be refused again (1)")
    pli("referent.avallon", "outbox", "retry", str(refused["outbox"]), expect=1)
    line = last(pli("referent.avallon", "outbox", "retry", "12345678", expect=2))
    must(line["error"] == "usage" and "pli outbox list" in line["cause"], "or by its rank; another number is nobody's (2)")
    must(last(pli("referent.avallon", "outbox", "discard", refused["exchange"][:8]))["state"] == "discarded",
         "and then forgotten, by the number it had first")
    must(pli("referent.avallon", "outbox", "list")[0] == [], "for good")
    shown = last(pli("referent.sens", "receipt", "show", person["receipt"]))
    must(shown["verified"] and shown["submission"] and shown["field_act"] == "submit", "a receipt shows what it proves")
    return person, structure


def what_is_owed(department, case):
    """What the contract promises for a case that was read, decided, answered and closed: kept, by which leaves."""
    pli = department.pli

    def duties(who):
        lines, _ = pli(who, "contract", "report")
        must(lines[0]["section"] == "contract" and "retour 15" in lines[0]["engagements"], f"{who}: the contract's engagements")
        return {line["duty"]: line for line in lines if line["section"] == "duty" and line["subject"] == case}

    for _ in range(40):  # the journal is read up to what is published
        seen = duties("auditrice")
        if "retour" in seen and seen["retour"]["standing"] == "kept":
            break
        time.sleep(0.25)
    must({name: line["standing"] for name, line in seen.items()} ==
         {"accuse_de_reception": "kept", "premiere_lecture": "kept", "decision": "kept", "retour": "kept"},
         "contract report: an auditor sees each kept")
    must(all("ended_leaf" in line and line["promised"] for line in seen.values()), "by the leaf of its end")
    must([name for name, line in seen.items() if "started_leaf" not in line] == ["accuse_de_reception"],
         "and from the leaf of its beginning, but for what its sender alone says")
    seen = duties("secretariat")
    must(seen["retour"]["standing"] == "kept" and "ended_leaf" in seen["retour"], "a secretariat has its own receipts")
    seen = duties("b.aubry")
    must(seen["premiere_lecture"]["standing"] == "kept" and seen["decision"]["standing"] == "kept" and
         seen["retour"]["standing"] == "kept" and "ended_leaf" not in seen["retour"], "a member the broker's word for the retour")
    seen = duties("referent.sens")
    must(list(seen) == ["accuse_de_reception", "examen"] and seen["examen"]["standing"] == "kept" and "ended_leaf" in seen["examen"],
         "and a collectivité one duty of the instance, from its receipt to its retour")
    must(pli("b.aubry", "case", "list", "--late")[0] == [], "case list --late: nothing is")


def reading(department, person, structure):
    pli = department.pli
    lines, _ = pli("b.aubry", "inbox", "--new")
    must(person["exchange"] in [line.get("exchange") for line in lines], "inbox --new: what came")
    lines, _ = pli("b.aubry", "inbox", "--new")
    must(not [line for line in lines if "exchange" in line], "and then nothing")
    follower = subprocess.Popen(
        [department.programs / "pli", "--home", department.home("b.aubry"), "--passphrase-file", department.passphrase,
         "--json", "inbox", "--new", "--follow", "--idle", "4"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)  # only so that most runs see a push; what came before it is listed all the same
    another = last(pli("referent.sens", "send", SIMPLE))
    seen = [json.loads(line) for line in follower.stdout]
    must(follower.wait(timeout=60) == 0 and another["exchange"] in [line.get("exchange") for line in seen],
         "inbox --follow shows what arrives, and ends when nothing does")

    words = [department.programs / "pli", "--home", department.home("referent.avallon"), "--passphrase-file",
             department.passphrase, "--json", "send", SIMPLE]
    together = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [(json.loads(one.communicate(timeout=60)[0].splitlines()[-1]), one.returncode) for one in together]
    must(len({line["outbox"] for line, _ in ended}) == 4 and
         all(code == (0 if line["state"] == "receipted" else 3) for line, code in ended),
         "four sends at once in one profile: each says what became of its own")
    pli("referent.avallon", "outbox", "flush")
    lines, _ = pli("referent.avallon", "outbox", "list")
    must([line["state"] for line in lines] == ["receipted"] * 4, "and nothing is lost between them")

    note = "Point 7 de la séance"
    out = department.folder / "sortie"
    line = last(pli("b.aubry", "open", person["exchange"][:8], "--motif", "extraction", "--out", out, "--note", "-", stdin=note))
    must([pathlib.Path(name).is_file() for name in line["files"]] == [True] and line["sender"] == "referent.sens",
         "open --out names the files it wrote")
    line = last(pli("b.aubry", "open", person["exchange"], "--motif", "evaluation", "--note", "x" * 509, expect=2))
    must(line["error"] == "usage", "a note of 509 bytes is too long (2)")
    line = last(pli("b.aubry", "ack", person["exchange"][:8]))
    must(line["acknowledged"] is True, "ack says so in JSON too")
    lines, _ = pli("b.aubry", "inbox")
    must([item["acknowledged"] for item in lines if item.get("exchange") == person["exchange"]] == [True], "and it holds")
    line = last(pli("b.aubry", "ack", "12345678", expect=1))
    must(line["error"] == "NOT_FOUND", "what is in no queue is not acknowledged")

    lines, _ = pli("d.clir", "case", "show", structure["exchange"][:8])
    must(lines[0]["case"] == structure["exchange"] and len(lines) == 4, "case show: the case, its report, two compléments")
    must(all(line["sender_proven"] for line in lines[1:]), "each by a proven sender")
    line = last(pli("secretariat", "case", "receive", another["exchange"][:8], "--finding", "recevable", expect=1))
    must(line["state"] == "refused" and line["error"].startswith("ILLEGAL_TRANSITION(recu,recevable"),
         "nothing is found of a case that nobody has read (1)")
    pli("secretariat", "open", person["exchange"], "--motif", "suivi")
    asked = last(pli("secretariat", "case", "ask", person["exchange"][:8], "--what", "date_des_faits", "--what", "document"))
    must(asked["state"] == "receipted" and asked["queue"].startswith("org/"), "more is asked for of who sent it")
    answer_to(department, person["exchange"], asked["exchange"])
    to_the_agenda(department, person["exchange"][:8])
    pli("secretariat", "case", "decide", person["exchange"][:8], "--outcome", "pris_en_compte", "--reason", "-", stdin="Séance\n")
    line = last(pli("secretariat", "case", "close", person["exchange"][:8], "--reason", "suivi_termine", expect=1))
    must(line["error"] == "ILLEGAL_TRANSITION(decide,clos,retour,report_du_retour)", "nothing is closed without a retour (1)")
    answered = last(pli("secretariat", "case", "return", person["exchange"][:8], "--code", "examen_termine"))
    must(answered["state"] == "receipted" and answered["queue"].startswith("org/"), "decided, and answered to who sent it")
    must(last(pli("secretariat", "case", "close", person["exchange"][:8], "--reason", "suivi_termine"))["state"] == "receipted",
         "and closed")
    what_is_owed(department, person["exchange"])

    script = f"case list\nopen {another['exchange'][:8]} --motif evaluation\nnonsense\nfin\n"
    lines, done = pli("b.aubry", "shell", stdin=script, expect=2)
    must(any(line.get("form") for line in lines) and lines[-1]["error"] == "usage",
         "a sitting runs several verbs on one passphrase and ends with the worst code")


def renewing(department, person):
    """New keys by a card the old key signs; what the old one opened stays readable."""
    pli = department.pli
    old = last(pli("b.aubry", "identity", "card"))
    pli("b.aubry", "identity", "new", "--renew", "--yes", "--work-factor", WORK_FACTOR)
    card = last(pli("b.aubry", "identity", "card"))
    must(card["fingerprint"] != old["fingerprint"], "renewed: another card")
    must(last(pli("b.aubry", "inbox", expect=1))["error"] == "UNKNOWN_KEY", "unknown until it is enrolled (1)")
    path = department.folder / "renewal.card"
    path.write_text(card["card"])
    department.authority_does("enrol", path, "--authority", department.authority, "--days", "800", "--yes")
    department.sign_version()
    pli("operateur", "directory", "publish", "--authority", department.authority)
    members = [json.loads(line) for line in
               department.authority_does("show", "--authority", department.authority).stdout.splitlines()]
    term = {line["member"]: line["not_after"] for line in members}
    must(term["b.aubry"] > term["c.benard"], "the renewal card extended his term too")
    line = last(pli("b.aubry", "open", person["exchange"], "--motif", "suivi"))
    must(line["form"] is not None, "what was sealed to the old key opens with the new identity")
    fresh = last(pli("referent.sens", "send", SIMPLE))
    must(last(pli("b.aubry", "open", fresh["exchange"], "--motif", "evaluation"))["form"] is not None, "and what is sealed to the new")


def auditing(department):
    pli = department.pli
    deadline = time.monotonic() + 10  # the newest checkpoint is published at most a second after the act
    while not (lines := pli("auditrice", "audit", "list", "--act", "consultation")[0]) and time.monotonic() < deadline:
        time.sleep(0.1)
    must(lines and all(line["proven"] is False for line in lines), "the list says that it is not proven yet")
    line = last(pli("auditrice", "audit", "verify"))
    must(line["verified"] is True and line["findings"] == 0, "audit verify proves it")
    line = last(pli("auditrice", "audit", "checkpoint"))
    must(line["note"].count("\n") >= 4 and line["size"] > 0, "audit checkpoint prints the signed note")


def handing_over(department):
    """Who signs changes with a version that those before and those after have signed; what was signed before stays so."""
    folder, does = department.authority, department.authority_does
    shown = json.loads(does("authorities", "--authority", folder).stdout)
    old = shown["keys"][0].split("+")[0]
    must(shown["threshold"] == 1 and shown["authorities"] == "in force", "the authority says who signs")
    lines = does("authorities", "--authority", folder, "--make", "pli.example/autorite/9", "--remove", old, "--work-factor",
                 WORK_FACTOR).stdout.splitlines()
    asked = json.loads(lines[-1])
    must(asked["authorities"] == "next" and asked["keys"][0].startswith("pli.example/autorite/9+"), "and is asked for another")
    signed = does("sign", "--authority", folder, "--yes").stdout.splitlines()
    must("authorities" in [json.loads(line).get("change") for line in signed] and json.loads(signed[-1])["complete"] is True,
         "who signs is shown that they change, and both have to")
    department.pli("operateur", "directory", "publish", "--authority", folder)
    department.pli("b.aubry", "inbox")
    line = last(department.pli("auditrice", "audit", "verify"))
    must(line["verified"] is True and line["findings"] == 0, "members go on, and what the old key suspended is no forgery")
    done = does("sign", "--authority", folder, "--yes")
    must("left out" in done.stderr and json.loads(done.stdout.splitlines()[-1])["complete"] is True,
         "from then on the new key signs alone")
    department.pli("operateur", "directory", "publish", "--authority", folder)
    line = last(department.pli("referent.sens", "inbox", expect=4))
    must(line["error"] == "directory_unproven" and "nouvelle invitation" in line["next_step"],
         "whoever was away when they changed is told what he needs (4)")
    paper = department.folder / "again.invitation"
    paper.write_text(json.loads(does("invitation", "referent.sens", "--authority", folder).stdout)["invitation"])
    department.pli("referent.sens", "identity", "accept", paper, "--yes")
    department.pli("referent.sens", "inbox")
    must(True, "and goes on with it")
    for who in ("secretariat", "c.benard"):
        paper.write_text(json.loads(does("invitation", who, "--authority", folder).stdout)["invitation"])
        department.pli(who, "identity", "accept", paper, "--yes")


def answer_to(department, case, demand):
    """The collectivité answers what it was asked, and is told so where there is nothing to answer."""
    pli = department.pli
    form = FORMS / "complement-fait-nouveau.json"
    line = last(pli("referent.sens", "case", "answer", case[:8], form, expect=2))
    must("pli inbox" in line["cause"], "the demand has not been collected yet (2)")
    pli("referent.sens", "inbox")
    must(last(pli("referent.sens", "case", "answer", case[:8], SIMPLE, expect=2))["error"] == "usage",
         "a report is no answer (2)")
    shown, _ = pli("referent.sens", "case", "list")
    must({"complement_demande"} == {line["state"] for line in shown if line["case"] == case}, "its case waits for it")
    answered = last(pli("referent.sens", "case", "answer", case[:8], form))
    must(answered["state"] == "receipted" and answered["kind"] == "complement", "answered")
    shown, _ = pli("referent.sens", "case", "list")
    must({"recu"} == {line["state"] for line in shown if line["case"] == case}, "and goes on")
    fields, _ = pli("referent.sens", "receipt", "show", answered["receipt"])
    must(json.dumps(fields).count(demand) == 1, "its receipt names the demand")


def to_the_agenda(department, case):
    """From the reading to the evaluation, as a secretariat types it."""
    today = time.strftime("%Y-%m-%d")
    for verb, *options in (("receive", "--finding", "recevable"), ("schedule", "--date", today), ("evaluate", "--date", today)):
        must(last(department.pli("secretariat", "case", verb, case, *options))["state"] == "receipted", f"case {verb}")


def resending(department, case):
    """What was lost comes again in an order that nobody has to see to: each waits for what it depends on."""
    pli = department.pli
    lines, _ = pli("secretariat", "outbox", "flush", expect=3)
    waiting = [line for line in lines if line.get("error") == "awaits_case"]
    must(len(waiting) == 5 and {line["state"] for line in waiting} == {"sealed"},
         "finding, agenda, evaluation, decision and answer wait for the report, which its sender has not sent again (3)")
    lines, _ = pli("secretariat", "case", "return", case[:8], "--code", "examen_termine", expect=(1, 2, 4))
    must("error" in lines[-1], "there is no such case to act on meanwhile")
    must(last(pli("referent.sens", "outbox", "flush"))["state"] == "receipted", "the sender's client sends it again")
    lines, _ = pli("secretariat", "case", "show", case[:8], expect=4)
    alarm = next(line for line in lines if line.get("error") == "log_rolled_back")
    must("pli ack --alarms" in alarm["next_step"] and any(line.get("case") == case for line in lines),
         "an alarm does not hide a case, and says how it is acknowledged (4)")
    lines, _ = pli("secretariat", "case", "return", case[:8], "--code", "examen_termine", expect=4)
    must("pli ack --alarms" in lines[-1]["next_step"], "nothing is answered until then, and that is said too (4)")
    plain = department.run([department.programs / "pli", "--home", department.home("secretariat"), "--passphrase-file",
                            department.passphrase, "case", "return", case[:8], "--code", "examen_termine"], expect=4)
    must("pli ack --alarms" in plain.stderr and "Rien n'a été envoyé" in plain.stderr, "in French without JSON")
    pli("secretariat", "ack", "--alarms")
    listed, _ = pli("secretariat", "outbox", "list")
    must([line["error"] for line in listed if line["state"] == "sealed"] ==
         [f"ILLEGAL_TRANSITION(recu,{to})" for to in ("recevable", "a_l_ordre_du_jour", "en_evaluation", "decide",
                                                      "retour_effectue")],
         "the report is back; all that followed waits for a reading, for the first one is lost")
    lines, _ = pli("secretariat", "open", case[:8], "--motif", "suivi")
    must([line["state"] for line in lines if "outbox" in line] == ["receipted"] * 5, "read again, it is decided and answered")
    plain = department.run([department.programs / "pli", "--home", department.home("secretariat"), "--passphrase-file",
                            department.passphrase, "case", "list"]).stdout
    must("retour effectué" in plain and "retour_effectue" not in plain, "and the secretariat reads so in its own words")


def nobody_there(folder, programs):
    """A first version where nobody sits in the GED yet: what is sent is kept, and said to be so for that reason."""
    folder.mkdir()
    (folder / "membres").mkdir()
    department = Departement(folder, programs)
    try:
        department.make_contract(1, 1)
        department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
        department.enrol("operateur", ["operateur"], "prefecture.dsic", "89", "Opérateur")
        department.init_broker()
        department.start_broker()
        line = last(department.pli("referent.sens", "send", SIMPLE, expect=3))
        must(line["error"] == "queue_vacant" and line["state"] == "queued", "nobody sits in the GED: kept, and said so (3)")
        department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
        department.sign_version()
        department.pli("operateur", "directory", "publish", "--authority", department.authority)
        must(last(department.pli("referent.sens", "outbox", "flush"))["state"] == "receipted", "it leaves once somebody does")
        department.stop_broker()
    finally:
        department.end()


def what_the_demo_says(department):
    """Its first verb waits for the broker it has just started."""
    lines = demo_story.what_to_type(department)[:3]
    script = "\n".join(lines[:2] + ["broker=$!", lines[2], "code=$?", "kill $broker", "wait $broker", "exit $code"])
    done = department.run(["sh", "-c", script])
    must("Numéro" in done.stdout, "what the demo says to type first works as typed")


def rollback(department):
    """An older copy of the database does not start; the authority gives up what it lacks, and a new shard opens."""
    broker = department.programs / "pli-broker"
    config = ["--json", "--config", department.server / "broker.toml"]
    data, copy = department.server / "data", department.folder / "copy"
    shutil.copytree(data, copy)
    department.start_broker()
    pli = department.pli
    case = last(pli("referent.sens", "send", SIMPLE))["exchange"]
    pli("secretariat", "open", case, "--motif", "suivi")
    to_the_agenda(department, case)
    pli("secretariat", "case", "decide", case, "--outcome", "pris_en_compte", "--reason", "Séance")
    must(last(pli("secretariat", "case", "return", case, "--code", "examen_termine"))["state"] == "receipted",
         "a case is sent, read, decided and answered, and then lost")
    department.stop_broker()
    shutil.rmtree(data)
    shutil.copytree(copy, data)
    state = json.loads(department.run([broker, "run", *config], expect=4).stdout)["state"]
    must(state == "ROLLED_BACK", "yesterday's database does not start (4)")
    request = department.folder / "request.txt"
    asked = department.run([broker, "rollback-request", "--config", department.server / "broker.toml"]).stdout
    request.write_text(asked)
    must(asked.startswith("pli-order-request/1\n"), "the broker says what the authority is to sign")
    words = [department.programs / "pli", "--passphrase-file", department.passphrase]
    signs = ["directory", "rollback", request, "--authority", department.authority]
    shown = department.run([*words, *signs], stdin="", expect=2)
    must("PUBLISHED ACTS ARE LOST" in shown.stderr, "nothing is given up unseen (2)")
    order = json.loads(department.run([*words, "--json", *signs, "--yes"]).stdout)
    must(order["complete"] is True and order["lost"] > 0, "k of n keys order it")
    line = department.start_broker("--accept-rollback", order["order"])
    must(order["opens"] in line, "the broker goes on in a new shard")
    resending(department, case)
    department.stop_broker()
    state = json.loads(department.run([broker, "run", *config, "--accept-rollback", order["order"]], expect=5).stdout)["state"]
    must(state == "NO_ROLLBACK", "an order is accepted once (5)")
    department.run([broker, "next-shard", *config])
    department.run([broker, "check", *config])
    must(True, "and the store of three shards is whole")
    department.start_broker()
    department.pli("referent.sens", "send", SIMPLE)
    line = last(department.pli("auditrice", "audit", "verify"))
    must(line["verified"] is True and line["findings"] == 0, "audit verify proves all three shards, and the steps between them")
    origins = [shard.rsplit(" ", 1)[0] for shard in line["shards"]]
    must(len(origins) == 3 and origins[1] == order["opens"] and line["rolled_back"] == origins[:1], "and names the one rolled back")
    listed, _ = department.pli("auditrice", "audit", "list", "--act", "registre")
    must([record["shard"] for record in listed if record["leaf"] == 0] == [origin.rsplit("/", 1)[1] for origin in origins],
         "audit list goes through them in their order")
    day = paris_today()
    period = ["--from", str(day - datetime.timedelta(days=1)), "--to", str(day + datetime.timedelta(days=1))]
    folder = department.folder / "older-shard"
    exported = last(department.pli("auditrice", "audit", "export", folder, *period, "--shard", origins[0].rsplit("/", 1)[1]))
    must(exported["verified"] and exported["shard"] == origins[0] and len(exported["elsewhere"]) == 2,
         "an export is of one shard, and says what the period has in others")
    month = last(department.pli("auditrice", "audit", "statistics", "--month", str(day)[:7]))
    must(month["verdict"] in ("not_stated", "equal", "empty"), "each shard's own statistics")
    department.stop_broker()


def gestures(department):
    department.make_contract(1, 1)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("maire.sens", ["maire"], "218903870", "89387", "Maire de Sens")
    department.enrol("referent.avallon", ["referent"], "218900256", "89025", "Référent, mairie d'Avallon")
    department.enrol("secretariat", ["secretariat"], "prefecture.89", "89", "Secrétariat")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("c.benard", ["membre_ged"], "service.c", "89", "Membre du GED")
    department.enrol("d.clir", ["membre_clir"], "service.d", "89", "Membre de la CLIR")
    department.enrol("outil", ["outil"], "regie", "89", "Outil de la prévention", "--volet", "prevention_delinquance")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.enrol("operateur", ["operateur"], "prefecture.dsic", "89", "Opérateur")
    department.init_broker()
    department.start_broker()
    pli = department.pli
    pli("c.benard", "inbox")
    invitations(department)
    versions(department)
    suspension(department)
    changes(department)
    person, structure = sending(department)
    reading(department, person, structure)
    renewing(department, person)
    auditing(department)
    handing_over(department)
    department.stop_broker()
    department.run([department.programs / "pli-broker", "check", "--config", department.server / "broker.toml"])
    must(True, "the broker's store is whole")
    rollback(department)
    what_the_demo_says(department)
    nobody_there(department.folder / "desert", department.programs)


if __name__ == "__main__":
    sys.exit(play(__doc__, gestures))
