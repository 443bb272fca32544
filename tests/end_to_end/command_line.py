"""The command line itself, without a broker: help with an example for every verb and in its reader's language, errors as JSON,
exit codes by class, and what the program does to its terminal, its files and its output.
"""

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import termios
import time

from departement import SOURCE, must, play

ENGLISH = ("init", "directory", "seal", "unseal")
FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"


def verbs_of(help_text):
    """Names listed under the headings that list verbs."""
    names, listing = [], False
    for line in help_text.splitlines():
        if re.match(r"^\S.*:$", line):
            listing = line.startswith(("Commandes", "Verbs", "Opérateurs"))
        elif listing and re.match(r"^  [a-z]", line):
            names.append(line.split()[0])
    return names


def on_terminal(words, keys, wait_for, environment=None):
    """Runs words on a terminal of its own, types `keys` once `wait_for` shows; exit status, what was shown, echo after."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(words[0], words, environment or dict(os.environ))
    seen = b""
    while wait_for not in seen:
        seen += os.read(terminal, 1024)
    silent = not termios.tcgetattr(terminal)[3] & termios.ECHO
    os.write(terminal, keys)
    _, status = os.waitpid(child, 0)
    echo = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
    os.set_blocking(terminal, False)
    try:
        while block := os.read(terminal, 4096):
            seen += block
    except OSError:
        pass
    os.close(terminal)
    return status, seen, silent, echo


def locked_sitting(department, pli):
    """Whatever is typed at a locked sitting, well or badly, is not shown."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(pli, [pli, "--home", str(department.home("alice")), "shell"], dict(os.environ))
    seen = b""

    def wait_for(words):
        nonlocal seen
        deadline = time.monotonic() + 60
        while words not in seen and time.monotonic() < deadline:
            seen += os.read(terminal, 1024)
        found, seen = words in seen, seen.split(words, 1)[-1] if words in seen else seen
        return found

    phrase = department.passphrase.read_bytes()
    shown = b""
    ok = wait_for(b"Phrase de passe : ")
    os.write(terminal, phrase)
    ok = ok and wait_for(b"pli> ")
    os.write(terminal, b"verrouiller\n")
    for typed in (b"sept-lampes-mal-tapees\n", b"sept-lampes-encore-pires\n", phrase):
        ok = ok and wait_for(b"Phrase de passe : ") and not termios.tcgetattr(terminal)[3] & termios.ECHO
        os.write(terminal, typed)
        shown += seen
    ok = ok and wait_for(b"pli> ")
    os.write(terminal, b"verrouiller\n")
    ok = ok and wait_for(b"Phrase de passe : ")
    os.write(terminal, b"\n")
    try:
        while block := os.read(terminal, 4096):
            shown += block
    except OSError:
        pass
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    must(ok and b"lampes" not in shown + seen, "a locked sitting takes the passphrase alone, and shows none of what is typed")
    must(os.waitstatus_to_exitcode(status) == 0, "an empty one ends it; a passphrase typed well in the end is no failure")


def passphrases(department, pli):
    """Length alone is asked of a new passphrase: so many characters, or so many words."""
    for text, taken in (("é" * 12, True), ("é" * 11, False), ("a b c d e", True), ("a b c  d", False)):
        file = department.folder / "nouvelle-phrase.txt"
        file.write_text(text + "\n", encoding="utf-8")
        file.chmod(0o600)
        home = department.home(f"phrase-{text}")
        words = [pli, "--home", home, "--json", "--passphrase-file", file, "identity", "new", "--work-factor", "10"]
        done = department.run(words, expect=0 if taken else 2)
        line = json.loads(done.stdout.splitlines()[-1])
        must(("error" not in line) == taken and line.get("error", "passphrase_short") == "passphrase_short",
             f"{len(text)} characters, {len(text.split())} words: {'taken' if taken else 'too short (2)'}")
        must(home.joinpath("identity.age").exists() == taken, "and made only then")


def strangers(department):
    """Every program names the word it does not know, and where its help is; each verb has an example of its own."""
    programs = department.programs
    for words, named in ((["pli", "sned"], "sned"), (["pli", "outbox", "lst"], "lst"), (["pli", "directory", "sgn"], "sgn"),
                         (["pli", "inbox", "--folow"], "--folow"), (["pli-broker", "runn"], "runn"),
                         (["pli-broker", "check", "--confg", "x"], "--confg"), (["pli-broker", "--versoin"], "--versoin"),
                         (["pli-witness", "shwo"], "shwo"), (["pli-witness", "show", "--fodler", "x"], "--fodler"),
                         (["pli-verify", "recipt", "x"], "recipt"), (["pli-verify", "log", "x", "--log-kye", "y"], "--log-kye"),
                         (["pli-bench", "--cuont", "3"], "--cuont")):
        if words[0] == "pli-bench" and not (programs / words[0]).exists():  # built with the benches alone
            continue
        done = department.run([programs / words[0], *words[1:]], expect=2)
        must(named in done.stderr and "--help" in done.stderr, f"{' '.join(words)}: {named} is named, and what to read next (2)")
    for verb in ("run", "init", "check", "rollback-request", "next-shard", "backup", "health", "restore",
                 "statistics"):
        text = department.run([programs / "pli-broker", verb, "--help"]).stdout
        examples = [line for line in text.splitlines() if line.startswith("  pli-broker ")]
        must(len(examples) == 1 and examples[0].startswith(f"  pli-broker {verb} "), f"pli-broker {verb} --help: its own example")


def versions(department):
    """Each program says the version that the project is of."""
    project = (SOURCE / "CMakeLists.txt").read_text(encoding="utf-8")
    version = re.search(r"^project\(pli VERSION ([0-9.]+) ", project, re.M)[1]
    for name in ("pli", "pli-broker", "pli-witness", "pli-verify", "pli-bench"):
        if name == "pli-bench" and not (department.programs / name).exists():  # built with the benches alone
            continue
        said = department.run([department.programs / name, "--version"]).stdout
        must(said == f"{name} {version}\n", f"{name} --version: {version}")


def witnesses(department):
    """Who has to confirm the log: from the authority's file into invitations, and asked of a receipt."""
    invitation = SOURCE / "tests" / "fuzz" / "corpus" / "protocol_invitation" / "two_witnesses"
    lines = [line for line in invitation.read_text().splitlines() if line.startswith(("witness ", "group ", "quorum "))]
    policy = department.folder / "temoins.policy"
    policy.write_text("# Qui confirme le journal\n\n" + "\n".join("  " + line for line in lines) + "\n")
    folder = department.folder / "temoins"
    said = department.run([department.programs / "pli", "--passphrase-file", department.passphrase, "init", folder,
                           "--departement", "89", "--work-factor", "2", "--witness-policy", policy]).stdout
    told = re.search(r"pli-witness add-log --folder FOLDER --log-name pli\.example/pli/89 --log-key [0-9a-f]{64} ", said)
    must(told, "pli init prints what to type at each witness")
    must('health_listen = "127.0.0.1:7411"\n' in (folder / "broker" / "broker.toml").read_text(), "and the page's address")
    must((folder / "authority" / "witnesses.policy").read_text().splitlines() == lines, "pli init --witness-policy keeps it")
    kept = (folder / "broker" / "witnesses.policy").read_text().splitlines()
    must(kept[0].startswith("log pli.example/pli/89/") and kept[1:] == lines, "and gives the broker a copy with the log's key")
    must('[witnesses]\npolicy = "witnesses.policy"\n' in (folder / "broker" / "broker.toml").read_text(), "named in broker.toml")
    department.run([department.programs / "pli", "--passphrase-file", department.passphrase, "init", department.folder / "sans",
                    "--departement", "89", "--work-factor", "2", "--witness-policy", FORM], expect=2)
    must(not (department.folder / "sans").exists(), "a file that is no policy is refused before anything is made (2)")

    receipts = SOURCE / "tests" / "end_to_end" / "receipts"

    def verify(name, *more, expect):
        done = department.run([department.programs / "pli", "--home", department.home("personne"), "--json", "receipt", "verify",
                               receipts / f"{name}.tlog-proof", "--invitation", invitation, *more], expect=expect)
        return json.loads(done.stdout)

    line = verify("two-witnesses", expect=0)
    must(line["cosigned"] == ["w1 2026-01-01T00:01:00.000Z", "w2 2026-01-01T00:02:00.000Z"] and
         line["quorum_at"] == "2026-01-01T00:01:00.000Z", "a receipt tells who confirmed it when")
    for demand in (["--cosigned"], ["--policy", policy], ["--max-age", "3660d"]):
        verify("two-witnesses", *demand, expect=0)
        line = verify("log-alone", *demand, expect=4)
        must(line["error"] == "log_stale" and not line["verified"] and line["cosigned"] == [],
             f"{demand[0]}: one the log alone signed is not enough (4)")
    must(verify("log-alone", expect=0)["verified"], "unless nobody asks for more")
    must(verify("two-witnesses", "--max-age", "60s", expect=4)["error"] == "log_stale", "--max-age: confirmed too long ago (4)")
    verify("two-witnesses", "--max-age", "zut", expect=2)


def command_line(department):
    pli = str(department.programs / "pli")
    run = department.run

    # Help.
    count = 0
    root = run([pli, "--help"]).stdout
    for name in verbs_of(root):
        english = name in ENGLISH
        pages = [[name]] + [[name, below] for below in verbs_of(run([pli, name, "--help"]).stdout)]
        for words in pages:
            text = run([pli, *words, "--help"]).stdout
            must_have = "Example" if english else "Exemple"
            if must_have not in text:
                must(False, f"pli {' '.join(words)} --help shows an example")
            if not english:
                for foreign in ("Usage:", "REQUIRED", "Positionals", "Subcommands", "Print this", "TEXT "):
                    if foreign in text:
                        must(False, f"pli {' '.join(words)} --help says nothing in English ({foreign})")
            count += 1
    must(count >= 40 and "Exemple" in root, f"{count} help pages, each with an example, in their readers' language")
    must("Emploi" in root and "Usage" not in root, "and the first page too")

    # Forms to begin from, without an identity or a broker.
    types = [json.loads(line) for line in run([pli, "--json", "form", "list"]).stdout.splitlines()]
    must(len(types) == 23 and all(one["french"] and one["route"] for one in types), "pli form list: each type, from whom to whom")
    for one in types:
        blank = run([pli, "form", "show", one["type"]]).stdout
        bare = json.loads(run([pli, "--json", "form", "show", one["type"]]).stdout)["form"]
        uncommented = "\n".join(line for line in blank.splitlines() if not line.lstrip().startswith("//"))
        must(json.loads(uncommented) == bare and bare["type"] == one["type"] and blank.startswith("// " + one["french"]),
             f"pli form show {one['type']}: a commented blank, and the same as JSON")
    for words in (["form", "show", "acces"], ["form", "show", "signalement"], ["form", "show"]):
        must(json.loads(run([pli, "--json", *words], expect=2).stdout)["error"] == "usage", f"pli {' '.join(words)}: there is none (2)")

    # Command lines that cannot be obeyed.
    for words in (["nonsense"], ["send"], ["open", "--motif"], ["outbox", "discard"], []):
        done = run([pli, "--json", *words], expect=2)
        line = json.loads(done.stdout)
        must(line["error"] == "usage" and line["cause"] and line["detail"] and "--help" in line["next_step"],
             f"pli {' '.join(words)}: usage, as JSON (2)")
    for words, culprit in ((["sned", "x"], "sned"), (["open", "1234", "--motiv", "suivi"], "--motiv"),
                           (["case", "decide", "12345678"], "--outcome"), (["outbox", "list", "zut"], "zut")):
        done = department.run([department.programs / "pli", "--home", department.folder / "vide", *words], expect=2)
        must(f"« {culprit} »" in done.stderr, f"pli {' '.join(words)}: the word at fault is named")
    for words, culprit in ((["nonsense", "--help"], "nonsense"), (["case", "nonsense", "--help"], "nonsense"),
                           (["--help", "nonsense"], "nonsense"), (["nonsense", "--version"], "nonsense"),
                           (["directory", "sgn", "--help"], "sgn")):
        done = run([pli, *words], expect=2)
        must(culprit in done.stderr and done.stdout == "", f"pli {' '.join(words)}: no help on a verb that is none (2)")
        must(json.loads(run([pli, "--json", *words], expect=2).stdout)["error"] == "usage", "as JSON as well")
    must("pli case show" in run([pli, "case", "show", "12345678", "--help"]).stdout, "an argument before --help is none")
    done = run([pli, "send", "--nonsense"], expect=2)
    must("The following" not in done.stderr and "--help" in done.stderr, "and in French without JSON")
    done = run([pli, "directory", "sign"], expect=2)
    must("Wrong command line" in done.stderr, "or in English for an authority")
    strangers(department)
    versions(department)
    for number, known in (("99", False), ("20", False), ("2a", True), ("976", True), ("89x", False)):
        folder = department.folder / f"dept-{number}"
        done = run([pli, "--json", "--passphrase-file", department.passphrase, "init", folder, "--departement", number,
                    "--work-factor", "2"], expect=0 if known else 2)
        line = json.loads(done.stdout.splitlines()[-1])
        must(line.get("error") == (None if known else "departement_unknown") and folder.exists() == known,
             f"pli init --departement {number}: {'made' if known else 'there is none (2)'}")
    absent = department.folder / "nulle-part"
    line = json.loads(run([pli, "--json", "directory", "show", "--authority", absent], expect=2).stdout)
    must(line["error"] == "file_missing" and line["file"] == str(absent / "contract.txt"),
         "a wrong --authority is told with the file that is not there (2)")

    witnesses(department)

    # One profile without anything.
    home = department.home("personne")
    alone = [pli, "--home", home, "--json"]
    for words, error, code in ((["inbox"], "no_identity", 5), (["case", "list"], "no_identity", 5),
                               (["identity", "card"], "no_identity", 5), (["send", FORM], "no_identity", 5),
                               (["identity", "accept", department.folder / "absent"], "file_missing", 2),
                               (["receipt", "verify", department.folder / "absent"], "no_invitation", 2),
                               (["identity", "new"], "no_terminal", 2)):
        # A session of its own: no terminal stands behind it.
        done = subprocess.run([str(w) for w in [*alone, *words]], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              start_new_session=True, timeout=120)
        line = json.loads(done.stdout.splitlines()[-1])
        must(line["error"] == error and done.returncode == code, f"{words[0]} {words[1] if len(words) > 1 else ''}: {error} ({code})")
    plain = subprocess.run([pli, "--home", str(home), "inbox"], capture_output=True, text=True)
    must("Précision technique" not in plain.stderr and "pli identity new" in plain.stderr, "an officer reads the next step")
    absent = ["receipt", "verify", "/nowhere", "--invitation", str(FORM)]
    plain = subprocess.run([pli, "--home", str(home), *absent], capture_output=True, text=True)
    debug = subprocess.run([pli, "--home", str(home), "--debug", *absent], capture_output=True, text=True)
    must("Précision technique" not in plain.stderr and "Précision technique" in debug.stderr, "technical detail only with --debug")

    # Identity and card.
    department.pli("alice", "identity", "new", "--work-factor", "10")
    first = department.pli("alice", "identity", "card")[0][0]
    again = department.pli("alice", "identity", "card")[0][0]
    must(first == again, "a card keeps its digits from one print to the next")
    shown = department.pli("alice", "identity", "show")[0][0]
    must(shown["card_fingerprint"] == first["fingerprint"], "identity show prints them too")
    department.pli("alice", "identity", "new", "--work-factor", "10", expect=2)
    must(True, "an identity is never overwritten (2)")
    lines, done = department.pli("alice", "identity", "new", "--renew", "--work-factor", "10", stdin="", expect=2)
    must(lines[-1]["error"] == "no_terminal" and "ne vous connaîtra plus" in done.stderr and
         department.pli("alice", "identity", "card")[0][0] == first, "--renew says first what it costs, and asks (2)")
    renewed = department.pli("alice", "identity", "new", "--renew", "--yes", "--work-factor", "10")[0][0]
    second = department.pli("alice", "identity", "card")[0][0]
    must(renewed["renewed"] and second["card"] != first["card"] and "\nrenews " in second["card"] and
         "\nrenewal " in second["card"], "--renew: a new card, signed by the old key")

    # Files and output.
    with open("/dev/full", "w", encoding="utf-8") as full:
        for words in (["identity", "card"], ["--help"], ["--json", "identity", "show"]):
            done = subprocess.run([pli, "--home", department.home("alice"), *words], stdout=full, stderr=subprocess.PIPE)
            must(done.returncode == 5, f"a full disk behind {' '.join(words)} is an error (5)")
    os.umask(0)
    run([pli, "--home", department.home("bob"), "--passphrase-file", department.passphrase, "identity", "new",
         "--work-factor", "10"])
    os.umask(0o022)
    open_to_others = [path for path in department.home("bob").rglob("*") if path.stat().st_mode & 0o077]
    must(not open_to_others and not department.home("bob").stat().st_mode & 0o077, "nothing in a profile is open to others")

    # The terminal.
    ask = [pli, "--home", str(department.home("alice")), "inbox"]
    for key, expected in ((b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)):
        status, _, silent, echo = on_terminal(ask, key, b"Phrase de passe")
        must(silent and echo, "the terminal is silent while asked, and not after an interruption")
        must(os.WIFSIGNALED(status) and os.WTERMSIG(status) == expected and not os.WCOREDUMP(status),
             f"the interruption then takes effect ({expected.name}), without a core")
    status, seen, _, echo = on_terminal(ask, b"pas-la-bonne\n", b"Phrase de passe")
    must(os.waitstatus_to_exitcode(status) == 5 and echo and b"pas-la-bonne" not in seen, "a wrong passphrase is not shown (5)")
    locked_sitting(department, pli)
    passphrases(department, pli)
    limits = subprocess.Popen([pli, "--home", str(department.home("alice")), "--passphrase-file", str(department.passphrase),
                               "shell"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    limits.stdin.write("nonsense\n")
    limits.stdin.flush()
    limits.stderr.readline()  # started, and past its preparations
    must(resource.prlimit(limits.pid, resource.RLIMIT_CORE) == (0, 0), "no core is ever written")
    limits.stdin.close()
    must(limits.wait(timeout=60) == 2, "a sitting ends with the worst of its verbs")


if __name__ == "__main__":
    sys.exit(play(__doc__, command_line))
