"""The demo: a real département (the Yonne) with its real communes and invented persons, told as it happens.

Every step says what it expects; the first that is not as told ends the story with a non-zero exit. Runs the real programs
on loopback. Used by ./demo and by the end-to-end tests.
"""

import argparse
import csv
import datetime
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from departement import PASSPHRASE, SOURCE, WORK_FACTOR, Departement, NotAsTold, communes, paris_today

DEPARTEMENT = "89"

COMMUNES = {"auxerre": ("89024", "218900249"), "sens": ("89387", "218903870"), "avallon": ("89025", "218900256")}
GED = ["b.aubry", "c.benard", "d.carpentier", "e.delmas", "f.evrard", "g.fabre", "h.garnier", "i.huet", "j.imbert", "k.joly"]
CLIR = ["l.kieffer", "m.lacombe", "n.marchal", "o.noel", "p.oudin", "q.prieur"]
CPRAF = "p.rivoire"
MOTIF_NOTE = "Point n° 7 de la séance, dossier vert"

BOLD, DIM, GREEN, RED, END = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5


def chapter(title):
    print(f"\n{BOLD}── {title}{END}", flush=True)


def tell(text):
    print(f"   {text}", flush=True)


def as_told(condition, text):
    if not condition:
        raise NotAsTold(text)
    print(f"   {GREEN}✓{END} {text}", flush=True)


DECISION_REASON = "Séance de démonstration"
WORD_MIN = 4  # shorter ones stand in random bytes now and then
NAME_KEYS = ("nom", "prenoms")
TEXT_KEYS = NAME_KEYS + ("description", "lieu", "commentaire", "adresse", "date_naissance")


def spellings(needle):
    """A needle as it could lie on a disk."""
    if isinstance(needle, bytes):
        return {needle}
    return {needle.encode(), needle.upper().encode(), needle.encode("utf-16-le")}


def found(places, needles):
    """Which of the needles stand anywhere in these files and folders."""
    forms = [(needle, form) for needle in needles for form in spellings(needle)]
    hits = []
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file():
                data = path.read_bytes()
                hits += [(path.name, needle) for needle, form in forms if form in data]
    return hits


def traces_of(piece):
    """What would betray an attachment: its lines, or some bytes from its middle."""
    data = piece.read_bytes()
    if piece.suffix == ".txt":
        return {line.strip() for line in data.decode().splitlines() if len(line.strip()) >= 12}
    return {data[len(data) // 2:len(data) // 2 + 24]}


def words_of(form):
    """What must never reach the broker: names, descriptions and places of a form."""
    out = set()

    def walk(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in TEXT_KEYS and inner and (key in NAME_KEYS or len(str(inner)) >= 5):
                    out.add(str(inner))
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(form)
    return {word for word in out if len(word) >= WORD_MIN}


def story(department):
    table = communes()
    pli = department.pli
    started = time.monotonic()

    chapter("Le département")
    here = [row for row in table.values() if row[2] == DEPARTEMENT]
    as_told(len(here) > 400, f"Yonne ({DEPARTEMENT}) : {len(here)} communes connues (source INSEE, config/README.md)")
    for name, (code, _) in COMMUNES.items():
        tell(f"{table[code][1]:<10} {code}  {int(table[code][3]):>6} habitants")
    tell(f"{DIM}Phrases de passe : facteur de travail {WORK_FACTOR} pour la démonstration (18 en service).{END}")

    chapter("L'autorité prépare le contrat")
    department.make_contract(1, 1, witnesses=TEMOINS)
    tell("une clé d'autorité (1 sur 1 ici ; 2 sur 3 par défaut), les clés du serveur, le contrat")
    tell("deux témoins du journal, chez d'autres que la préfecture : rien n'est publié sans leur signature à tous deux")
    for name, (code, siren) in COMMUNES.items():
        label = table[code][1]
        department.enrol(f"referent.{name}", ["referent"], siren, code, f"Référent, mairie {'d’' if label[0] in 'AEIOUYH' else 'de '}{label}")
        department.enrol(f"maire.{name}", ["maire"], siren, code, f"Maire, {label}")
    for who in GED:
        department.enrol(who, ["membre_ged"], "service." + who[0], DEPARTEMENT, "Membre du GED")
    for who in CLIR:
        department.enrol(who, ["membre_clir"], "service." + who[0], DEPARTEMENT, "Membre de la CLIR")
    department.enrol(CPRAF, ["membre_cpraf"], "departement.89", DEPARTEMENT, "Membre de la CPRAF")
    department.enrol("secretariat", ["secretariat"], "prefecture.89", DEPARTEMENT, "Secrétariat, préfecture de l'Yonne")
    department.enrol("auditrice", ["auditeur"], "inspection", DEPARTEMENT, "Déléguée à la protection des données")
    department.enrol("operateur", ["operateur"], "prefecture.dsic", DEPARTEMENT, "Opérateur du serveur")
    department.enrol("outil.transport", ["outil"], "regie.transports", DEPARTEMENT, "Outil du volet transport",
                     "--volet", "transport")
    first = department.init_broker()
    as_told(first["number"] == 1, "26 personnes et un outil enrôlés sur présentation de leur carte ; annuaire n° 1 signé")

    chapter("Les témoins et le serveur démarrent")
    for temoin in TEMOINS:
        tell(department.start_witness(temoin))
    tell(department.start_broker())
    as_told(True, "il a refusé une clé inconnue avant d'accepter quiconque")
    as_told(published(department), "les deux témoins ont confirmé le début du journal : on peut sceller")

    chapter("Les communes signalent")
    forms = []
    with open(SOURCE / "config" / "demo" / "plan.tsv", encoding="utf-8") as plan:
        for row in csv.reader(plan, delimiter="\t"):
            if row and not row[0].startswith("#"):
                pieces = [p for p in (row[2] if len(row) > 2 else "").split(",") if p]
                forms.append((row[0], row[1], pieces))
    secrets = set()
    sent = {}
    for number, (name, commune, pieces) in enumerate(forms):
        path = SOURCE / "config" / "demo" / name
        form = json.loads(path.read_text(encoding="utf-8"))
        secrets |= words_of(form)
        who = f"maire.{commune}" if number % 5 == 4 else f"referent.{commune}"
        words = ["send", path]
        for piece in pieces:
            path_of_piece = SOURCE / "config" / "demo" / "pieces" / piece
            words += ["--attach", path_of_piece]
            secrets |= traces_of(path_of_piece)
        lines, _ = pli(who, *words)
        sent[lines[-1]["exchange"]] = {"who": who, "queue": lines[-1]["queue"], "receipt": lines[-1]["receipt"],
                                       "type": form["type"], "commune": commune}
        tell(f"{who:<18} → {lines[-1]['queue']:<8} {lines[-1]['exchange'][:8]}"
             + ("  urgent" if form.get("appreciation", {}).get("urgence") == "urgente" else "")
             + (f"  {len(pieces)} pièce(s)" if pieces else ""))
    persons = [i for i, s in sent.items() if s["queue"] == "ged/89"]
    structures = [i for i, s in sent.items() if s["queue"] == "clir/89"]
    as_told(len(sent) == 30 and len(persons) + len(structures) == 30 and len(structures) >= 8,
            f"30 signalements reçus : {len(persons)} au GED, {len(structures)} à la CLIR, chacun avec son reçu vérifié")
    receipt = next(iter(sent.values()))
    verified, _ = pli(receipt["who"], "receipt", "verify", receipt["receipt"])
    as_told(verified[-1]["verified"] is True, "un reçu se vérifie hors ligne, avec la seule clé du journal")

    chapter("Les témoins confirment, et n'importe qui vérifie")
    who = receipt["who"]
    upgraded = confirmed(pli, who)
    as_told(upgraded["waiting"] == 0, "les reçus sont échangés contre ceux que les deux témoins ont confirmés")
    lines, _ = pli(who, "receipt", "verify", receipt["receipt"], "--cosigned")
    as_told(len(lines[-1]["cosigned"]) == 2, f"le même reçu, avec les heures des témoins : {', '.join(lines[-1]['cosigned'])}")
    verify = [department.programs / "pli-verify"]
    policy = ["--policy", department.server / "witnesses.policy"]
    department.run(verify + ["receipt", receipt["receipt"]] + policy)
    as_told(True, "pli-verify, un programme à part et sans réseau, en dit autant")
    tiles = next((department.server / "tiles").iterdir())
    department.run(verify + ["log", tiles] + policy)
    as_told(True, "et vérifie tout l'arbre dans les fichiers que le serveur tient à jour, sans rien apprendre de personne")
    department.stop_witness(TEMOINS[1])
    lines, _ = pli(who, "send", SOURCE / "config" / "forms" / "signalement-individuel-simple.json")
    extra = lines[-1]["exchange"]
    as_told(lines[-1]["state"] == "receipted", "un témoin manque : l'envoi est reçu quand même, avec la signature du journal")
    lines, _ = pli(who, "receipt", "upgrade")
    as_told(lines[-1]["waiting"] == 1, "mais rien n'est publié sans lui : ce reçu attend d'être confirmé")
    department.start_witness(TEMOINS[1])
    as_told(confirmed(pli, who)["waiting"] == 0, "le témoin revient, vérifie que le journal n'a fait que grandir, et confirme")

    chapter("L'outil du volet transport poste une information")
    lines, _ = pli("outil.transport", "send", SOURCE / "config" / "forms" / "information-de-volet-transport.json")
    information = lines[-1]["exchange"]
    as_told(lines[-1]["state"] == "receipted", f"information {information[:8]} reçue par {lines[-1]['queue']}")

    chapter("Les membres voient, ouvrent pour un motif")
    inbox, _ = pli("b.aubry", "inbox")
    shown = [item for item in inbox if item.get("visible") and item["kind"] == "signalement_individuel"
             and item["exchange"] != extra]
    as_told(len(shown) == len(persons) and all(item["sender_proven"] for item in shown),
            f"un membre du GED voit {len(shown)} en-têtes, expéditeurs prouvés ; rien n'est encore lu")
    opened = 0
    for index, who in enumerate(GED):
        for exchange in persons[index::len(GED)]:
            lines, _ = pli(who, "open", exchange, "--motif", "evaluation", "--note", MOTIF_NOTE)
            original = json.loads((SOURCE / "config" / "demo" / forms[list(sent).index(exchange)][0]).read_text("utf-8"))
            if lines[-1]["form"]["faits"][0]["description"] != original["faits"][0]["description"]:
                raise NotAsTold("what a member reads is not what the référent wrote")
            opened += 1
    for index, who in enumerate(CLIR):
        for exchange in structures[index::len(CLIR)]:
            pli(who, "open", exchange, "--motif", "preparation_de_seance")
            opened += 1
    pli("c.benard", "open", information, "--motif", "evaluation")
    opened += 1
    as_told(opened == 31, f"{opened} ouvertures, chacune motivée, signée et inscrite avant la lecture")
    extraction = department.folder / "extraction"
    attached = next(i for i, (_, _, pieces) in zip(sent, forms) if pieces and sent[i]["queue"] == "ged/89")
    pli("d.carpentier", "open", attached, "--motif", "extraction", "--out", extraction)
    opened += 1
    piece = next(pieces for i, (_, _, pieces) in zip(sent, forms) if i == attached)[0]
    as_told((extraction / f"{attached[:8]}-{piece}").read_bytes() ==
            (SOURCE / "config" / "demo" / "pieces" / piece).read_bytes(),
            "une pièce jointe arrive à l'octet près, sous un motif d'extraction")

    chapter("Le secrétariat décide et répond")
    cases = persons[:3] + structures[:2] + [information]
    for exchange in cases:
        pli("secretariat", "open", exchange, "--motif", "suivi")
        opened += 1
        outcome = OUTCOMES.get(cases.index(exchange), "pris_en_compte" if exchange in persons + [information] else "suivi")
        pli("secretariat", "case", "receive", exchange, "--finding", "recevable")
        to_its_return(pli, exchange, outcome)
    tell(f"{len(cases)} décisions scellées à l'instance, {len(cases)} retours par un code")
    answered = sent[persons[0]]
    found_answers = {}
    for exchange in cases:
        who = sent[exchange]["who"] if exchange in sent else "outil.transport"
        inbox, _ = pli(who, "inbox")
        found_answers[exchange] = [item for item in inbox if item.get("visible") and item["kind"] == "retour"
                                   and item["case"] == exchange]
    as_told(len(found_answers) == 6 and all(len(items) == 1 for items in found_answers.values()),
            "les 6 retours sont chez ceux qui avaient écrit, un chacun, l'outil du transport compris")
    answers = found_answers[persons[0]]
    lines, _ = pli(answered["who"], "open", answers[0]["exchange"], "--motif", "lecture_du_retour")
    opened += 1
    tell(f"{lines[-1]['form']}")
    states = {case["case"]: case["state"] for case in pli(answered["who"], "case", "list")[0]}
    as_told(states[persons[0]] == "examen_termine", "sa liste dit « examen terminé », et rien d'autre")

    chapter("Un dossier mixte : du GED à la CLIR, puis un accompagnement")
    mixed = persons[3]
    pli("secretariat", "open", mixed, "--motif", "evaluation")
    pli("secretariat", "case", "receive", mixed, "--finding", "recevable")
    pli("secretariat", "case", "transfer", mixed, "--to", "clir/89", "--reason", "personne_et_structure")
    linked = pli("secretariat", "case", "show", mixed)[0][0]["transmitted"][0]["case"]
    tell(f"{mixed[:8]}  une structure est en cause aussi : transmis à la CLIR, où c'est le dossier {linked[:8]}, lié au premier")
    pli(CLIR[0], "inbox")
    lines, _ = pli(CLIR[0], "open", mixed, "--motif", "evaluation")
    as_told(lines[-1]["sender"] == sent[mixed]["who"] and lines[-1]["passed_on_by"] == "secretariat",
            "la CLIR lit le signalement tel que la mairie l'a signé, et qui le lui a passé")
    pli("secretariat", "case", "receive", linked, "--finding", "recevable")
    to_its_return(pli, linked, "controle_propose")
    pli("secretariat", "case", "close", linked, "--reason", "suivi_termine")
    retour = next(line for line in pli(GED[0], "inbox")[0] if line.get("kind") == "retour" and line.get("case") == linked)
    lines, _ = pli(GED[0], "open", retour["exchange"], "--motif", "suivi")
    as_told(lines[-1]["form"]["code"] == RETOUR, "elle décide et répond au GED, qui lui avait transmis ; pas à la mairie")
    pli("secretariat", "case", "refer", mixed, "--reason", "demande_de_la_famille", "--need", "mediation_familiale")
    pli(CPRAF, "inbox")
    lines, _ = pli(CPRAF, "open", mixed, "--motif", "evaluation")
    as_told(lines[-1]["form"]["type"] == "signalement_individuel", "la famille demande de l'aide : la CPRAF est saisie, et lit")
    opened += 6  # two by each who passed it on, one by each who received
    own = next(case for case in pli(sent[mixed]["who"], "case", "list")[0] if case["case"] == mixed)
    as_told(own["state"] == "en_cours_d_examen" and own["exchanges"] == 1, "la mairie, elle, n'a rien vu de ces passages")
    to_its_return(pli, mixed, "transmis_clir")
    decided = len(cases) + 2

    chapter("Quatre dossiers, jusqu'à leur clôture")
    taken_up, dropped, structure = persons[0], persons[2], structures[0]
    told = []
    for exchange, reason in ((taken_up, "suivi_termine"), (dropped, "sans_suite"), (structure, "suivi_termine"), (mixed, "transmis")):
        pli("secretariat", "case", "close", exchange, "--reason", reason)
        line = next(case for case in pli(sent[exchange]["who"], "case", "list")[0] if case["case"] == exchange)
        told.append({key: value for key, value in line.items() if key not in OF_ONE_CASE})
        tell(f"{exchange[:8]}  {sent[exchange]['queue']:<8} clos au secrétariat : {reason:<14} la mairie lit : {line['state']}")
    as_told(told[0] == told[1] == told[3], "pris en compte, sans suite, ou passé par deux autres instances : la mairie ne peut pas les distinguer")
    lines, _ = pli("secretariat", "case", "list", "--late")
    as_told(not [line for line in lines if line.get("case") in cases], "aucun des dossiers répondus n'est en retard")

    chapter("Ce qui doit échouer")
    lines, _ = pli("referent.sens", "open", persons[0], "--motif", "evaluation", expect=1)
    as_told(lines[-1]["error"].startswith(("FORBIDDEN", "NOT_FOUND")), f"un référent ouvre un dossier du GED : {lines[-1]['error']}")
    lines, _ = pli("l.kieffer", "open", persons[0], "--motif", "evaluation", expect=1)
    as_told(lines[-1]["error"].startswith(("FORBIDDEN", "NOT_FOUND")), f"un membre de la CLIR ouvre un dossier du GED : {lines[-1]['error']}")
    refusals = 2
    pli("inconnu", "identity", "new", "--work-factor", WORK_FACTOR)
    stolen = department.folder / "referent.sens.invitation"
    lines, _ = pli("inconnu", "identity", "accept", stolen, "--yes", expect=2)
    as_told(lines[-1]["error"] == "invitation_other_keys", "l'invitation d'un autre est reconnue comme telle, et refusée")
    forged = department.folder / "inconnu.invitation"
    forged.write_text("".join(line for line in stolen.read_text().splitlines(True) if not line.startswith("sign ")))
    pli("inconnu", "identity", "accept", forged, "--yes")
    lines, _ = pli("inconnu", "inbox", expect=1)
    as_told(lines[-1]["error"] == "UNKNOWN_KEY", "une clé inconnue : UNKNOWN_KEY, dès la poignée de main")
    sealed = department.folder / "scelle.bin"
    form = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"
    department.hostile("referent.auxerre", "seal", form, "ged/89", sealed)
    once = department.hostile("referent.auxerre", "submit", sealed)
    again = department.hostile("referent.auxerre", "submit", sealed)
    as_told(once["result"] == "accepted" and again["duplicate"] is True and once["leaf"] == again["leaf"],
            "un envoi rejoué : la même place du journal, aucun doublon")
    altered = department.folder / "altere.bin"
    department.hostile("referent.auxerre", "seal", form, "ged/89", altered)
    for part, code in (("payload", "INVALID"), ("signature", "BAD_SIGNATURE"), ("release", "INVALID")):
        answer = department.hostile("referent.auxerre", "submit", altered, part)
        refusals += 1
        as_told(answer["result"].startswith(code), f"un envoi altéré ({part}) : {answer['result']}")
    stale = department.folder / "perime.bin"
    department.hostile("referent.avallon", "seal", form, "ged/89", stale)
    department.authority_does("revoke", "k.joly", "--authority", department.authority)
    department.sign_version()
    lines, _ = pli("operateur", "directory", "publish", "--authority", department.authority)
    as_told(lines[-1]["number"] == 2, "annuaire n° 2 : k.joly est révoqué ; le journal le dit")
    lines, _ = pli("k.joly", "inbox", expect=1)
    refusals += 1
    as_told(lines[-1]["error"] == "REVOKED", "le membre révoqué : REVOKED")
    answer = department.hostile("referent.avallon", "submit", stale)
    refusals += 1
    as_told(answer["result"] == "STALE_DIRECTORY", "un envoi scellé à l'ancien annuaire : STALE_DIRECTORY")

    chapter("Le serveur tombe, rien ne se perd")
    department.stop_broker()
    lines, done = pli("referent.avallon", "send", form, expect=3)
    as_told(lines[-1]["state"] in ("sealed", "queued"), "serveur arrêté : l'envoi est gardé, scellé (code de sortie 3)")
    department.start_broker()
    lines, _ = pli("referent.avallon", "outbox", "flush")
    # Receipts confirmed since are told after what was sent.
    as_told("receipted" in [line["state"] for line in lines], "serveur revenu : envoyé, reçu vérifié")

    chapter("L'auditrice vérifie tout")
    deadline = time.monotonic() + 10  # the newest checkpoint is published at most a second after the act
    while True:
        lines, _ = pli("auditrice", "audit", "list")
        acts = {}
        for line in lines:
            acts[line["act"]] = acts.get(line["act"], 0) + 1
        if acts.get("collecte", 0) >= 34 or time.monotonic() > deadline:
            break
    tell("  ".join(f"{act} {count}" for act, count in sorted(acts.items())))
    reads = [line for line in lines if line["act"] == "consultation"]
    as_told(len(reads) == opened and all(line["field_motif"] for line in reads),
            f"les {opened} ouvertures y sont, chacune avec son motif")
    as_told(acts.get("refus", 0) >= refusals, f"les refus aussi ({acts.get('refus', 0)})")
    sends = [line for line in lines if line["act"] == "collecte"]
    as_told(len(sends) == 34, "les 34 dépôts aussi (30 signalements, celui sans témoin, l'information, le rejeu compté une fois, l'envoi gardé)")
    kinds = {kind: len([line for line in lines if line.get("field_kind") == kind and line["field_act"] == "submit"])
             for kind in ("decision", "retour")}
    as_told(kinds == {"decision": decided, "retour": decided}, f"les {decided} décisions et les {decided} retours")
    transfers = [line["field_kind"] for line in lines if line["act"] == "transfert"]
    as_told(sorted(transfers) == ["orientation_cpraf", "transmission"], "le passage à la CLIR et celui à la CPRAF, avec qui les a faits")
    as_told(acts.get("habilitation") == 2, "les deux versions de l'annuaire, avec la révocation")
    lines, _ = pli("auditrice", "audit", "verify")
    as_told(lines[-1]["verified"] is True, f"{lines[-1]['records']} enregistrements, {lines[-1]['signatures']} signatures : "
            "rien n'a été modifié, retiré ni inventé")
    proof = department.folder / "un-acces.tlog-proof"
    lines, _ = pli("auditrice", "audit", "show", reads[0]["leaf"], "--field", "person", "--field", "motif", "--out", proof)
    as_told(lines[-1]["verified"] and lines[-1]["hidden_fields"] > 5,
            f"un accès, deux champs montrés ({lines[-1]['field_person']}, {lines[-1]['field_motif']}), {lines[-1]['hidden_fields']} cachés")
    department.run(verify + ["receipt", proof] + policy)
    as_told(True, "et la preuve de ces deux champs tient, chez qui ne connaît que la clé du journal et ses témoins")
    today = paris_today()
    period = ["--from", today - datetime.timedelta(days=1), "--to", today]
    pli("auditrice", "audit", "report", *period)
    taken = department.folder / "export"
    pli("auditrice", "audit", "export", taken, *period)
    department.run(verify + ["export", taken] + policy)
    as_told(True, "le rapport de la période, et la période entière dans un dossier que pli-verify accepte sans connexion")
    lines, _ = pli("auditrice", "open", persons[0], "--motif", "evaluation", expect=1)
    as_told(lines[-1]["error"].startswith(("FORBIDDEN", "NOT_FOUND")), f"l'auditrice n'ouvre aucun contenu : {lines[-1]['error']}")
    lines, _ = pli("referent.sens", "audit", "list", expect=1)
    as_told(lines[-1]["error"].startswith("FORBIDDEN"), f"un référent ne lit pas le journal : {lines[-1]['error']}")

    chapter("Ce que le contrat promet")
    lines, _ = pli("auditrice", "contract", "report")
    duties = {line["duty"]: line for line in lines if line["section"] == "engagement"}
    for name, line in duties.items():
        tell(f"{name:<20} {line['days']:>4} jours   tenu {line['kept']:>2}   en cours {line['running']:>2}   manqué {line['missed'] + line['late']:>2}")
    as_told(duties["decision"]["kept"] == duties["retour"]["kept"] == decided,
            f"les {decided} décisions et les {decided} retours sont dans leur délai, par les places du journal qui le prouvent")
    as_told(all(line["missed"] == line["late"] == 0 for line in duties.values()), "aucun engagement manqué")

    chapter("Ce que le serveur a gardé")
    secrets |= {MOTIF_NOTE, DECISION_REASON, PASSPHRASE}
    running = department.folder / "copie-en-marche"
    shutil.copytree(department.server, running)  # with its WAL, as a thief or a careless backup would take it
    as_told(any(path.name.endswith("-wal") and path.stat().st_size for path in running.rglob("*")),
            "une copie prise pendant la marche, WAL compris")
    config = ["--config", department.server / "broker.toml"]
    health = json.loads(department.run([department.programs / "pli-broker", "health", "--json", *config]).stdout)
    as_told(health["state"] == "ok" and health["connections"] >= 0,
            f"pli-broker health : {health['state']}, {health['accepted']} envois reçus, {health['opened']} ouvertures")
    pages = department.folder / "pages"
    pages.mkdir()
    for page in ("health", "metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{department.health_port}/{page}", timeout=10) as answer:
            (pages / page).write_bytes(answer.read())
    copies = department.folder / "sauvegardes"
    copies.mkdir()
    department.run([department.programs / "pli-broker", "backup", *config, copies])
    as_told(len(list(copies.iterdir())) == 1, "pli-broker backup : une copie prise pendant la marche, vérifiée en entier")
    department.stop_broker()
    department.run([department.programs / "pli-broker", "check", "--config", department.server / "broker.toml"])
    as_told(True, "pli-broker check : chaque invariant de la base tient")
    places = [department.server, running, copies, pages, department.folder / "broker.err"]
    canary = department.server / "data" / "canari"
    canary.write_text(DECISION_REASON, encoding="utf-8")
    as_told(found(places, secrets) == [("canari", DECISION_REASON)], "la recherche sait trouver (un mot déposé exprès est vu)")
    canary.unlink()
    as_told(found(places, secrets) == [],
            f"{len(secrets)} noms, lieux, récits, traces de pièces jointes, motifs de décision, la note : aucun dans la base, "
            "le WAL, le spool, les journaux, ni dans les copies, ni sur la page de l'exploitant")
    shutil.rmtree(running)

    tell("")
    tell(f"Histoire racontée en {time.monotonic() - started:.0f} s.")


def to_its_return(pli, case, outcome):
    """From what was found in scope to its retour, by the séance of today."""
    today = str(paris_today())
    pli("secretariat", "case", "schedule", case, "--date", today)
    pli("secretariat", "case", "evaluate", case, "--date", today)
    pli("secretariat", "case", "decide", case, "--outcome", outcome, "--reason", DECISION_REASON)
    pli("secretariat", "case", "return", case, "--code", RETOUR)


def published(department):
    """Waits for the first checkpoint both witnesses cosigned: before it no client seals anything."""
    words = [department.programs / "pli-broker", "health", "--json", "--config", department.server / "broker.toml"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if json.loads(department.run(words, expect=(0, 5)).stdout).get("published_age_seconds", -1) >= 0:
            return True
        time.sleep(0.2)
    return False


def confirmed(pli, who):
    """Asks for confirmed receipts until none waits: publication takes a second when the witnesses answer."""
    deadline = time.monotonic() + 30
    while True:
        lines, _ = pli(who, "receipt", "upgrade")
        if lines[-1]["waiting"] == 0 or time.monotonic() > deadline:
            return lines[-1]
        time.sleep(0.5)


RETOUR = "examen_termine"
OUTCOMES = {2: "sans_suite"}  # of the cases in their order; the others are taken up
OF_ONE_CASE = ("case", "opened_at", "updated_at", "kind", "queue")
TEMOINS = ("temoin.inspection", "temoin.universite")


def what_to_type(department):
    """Lines for a shell, in order; the first verb is not to run before the broker listens."""
    pli = f"{department.programs / 'pli'} --passphrase-file {department.passphrase}"
    ready = department.folder / "pret.txt"
    lines = [f"{department.programs / 'pli-witness'} run --folder {department.folder / name} "
             f"--listen 127.0.0.1:{witness['port']} &" for name, witness in department.witnesses.items()]
    lines += [
        f"rm -f {ready}; {department.programs / 'pli-broker'} run --config {department.server / 'broker.toml'} > {ready} &",
        f"until grep -q ready {ready} 2>/dev/null; do sleep 0.1; done   # le serveur écoute",
        f"{pli} --home {department.home('secretariat')} inbox",
        f"{pli} --home {department.home('secretariat')} case list",
        f"{pli} --home {department.home('auditrice')} audit verify --max-age 24h",
        f"{pli} --home {department.home('auditrice')} contract report",
        f"{pli} --home {department.home('auditrice')} audit report --from {paris_today() - datetime.timedelta(days=1)} --to {paris_today()}",
        f"{department.programs / 'pli-verify'} export {department.folder / 'export'} "
        f"--policy {department.server / 'witnesses.policy'}",
        f"{pli} --home {department.home('referent.sens')} send "
        f"{SOURCE / 'config' / 'forms' / 'signalement-individuel-simple.json'}",
        f"{pli} --home {department.home('e.delmas')} shell"]
    return lines


def epilogue(department):
    print(f"\nÀ vous. Tout est dans {department.folder} :\n")
    for line in what_to_type(department):
        print(f"  {line}")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="folder of the programs")
    parser.add_argument("--folder", help="where to play (default: a new temporary folder)")
    parser.add_argument("--discard", action="store_true", help="remove the folder when all went as told")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.folder or tempfile.mkdtemp(prefix="pli-demo-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"demo: {folder} is not empty")
    (folder / "membres").mkdir()
    department = Departement(folder, pathlib.Path(arguments.bin).resolve())
    try:
        story(department)
    except (NotAsTold, subprocess.TimeoutExpired, KeyError, IndexError, json.JSONDecodeError) as surprise:
        print(f"\n{RED}✗ not as told:{END} {type(surprise).__name__}: {surprise}\n  everything is left in {folder}", file=sys.stderr)
        return 1
    finally:
        department.end()
    if arguments.discard:
        shutil.rmtree(folder)
    else:
        epilogue(department)
    return 0


if __name__ == "__main__":
    sys.exit(main())
