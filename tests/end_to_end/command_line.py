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
    deadline = time.monotonic() + 10  # the prompt is written just before the echo goes
    while termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < deadline:
        pass
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


def witnesses(department):
    """Who has to confirm the log: from the authority's file into invitations, and asked of a receipt."""
    invitation = SOURCE / "tests" / "fuzz" / "corpus" / "protocol_invitation" / "two_witnesses"
    lines = [line for line in invitation.read_text().splitlines() if line.startswith(("witness ", "group ", "quorum "))]
    policy = department.folder / "temoins.policy"
    policy.write_text("# Qui confirme le journal\n\n" + "\n".join("  " + line for line in lines) + "\n")
    folder = department.folder / "temoins"
    department.run([department.programs / "pli", "--passphrase-file", department.passphrase, "init", folder, "--departement",
                    "89", "--work-factor", "2", "--witness-policy", policy])
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

    # Command lines that cannot be obeyed.
    for words in (["nonsense"], ["send"], ["open", "--motif"], ["outbox", "discard", "x"], []):
        done = run([pli, "--json", *words], expect=2)
        line = json.loads(done.stdout)
        must(line["error"] == "usage" and line["cause"] and line["detail"], f"pli {' '.join(words)}: usage, as JSON (2)")
    for words, culprit in ((["sned", "x"], "sned"), (["open", "1234", "--motiv", "suivi"], "--motiv"),
                           (["case", "decide", "12345678"], "--outcome"), (["outbox", "list", "zut"], "zut")):
        done = department.run([department.programs / "pli", "--home", department.folder / "vide", *words], expect=2)
        must(f"« {culprit} »" in done.stderr, f"pli {' '.join(words)}: the word at fault is named")
    done = run([pli, "send", "--nonsense"], expect=2)
    must("The following" not in done.stderr and "--help" in done.stderr, "and in French without JSON")
    done = run([pli, "directory", "sign"], expect=2)
    must("Wrong command line" in done.stderr, "or in English for an authority")

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
    renewed = department.pli("alice", "identity", "new", "--renew", "--work-factor", "10")[0][0]
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
