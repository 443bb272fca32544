"""`pli seal` and `pli unseal` against Debian's age, both ways: what one seals the other opens, to the byte; what is damaged or
not ours exits 4 and shows nothing unverified; memory does not grow with the stream.
"""

import hashlib
import os
import pty
import subprocess
import sys

from departement import must, play

CHUNK = 64 * 1024
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17)
LARGE = 300 * 1000 * 1000
GROWTH_MAX_KIB = 48 * 1024
PASSPHRASE = "sept lampes éteintes au port"


def run(words, stdin, expect=0):
    done = subprocess.run([str(w) for w in words], input=stdin, capture_output=True, timeout=120)
    must_exit(words, done.returncode, expect, done.stderr)
    return done.stdout


def must_exit(words, code, expect, stderr=b""):
    if code != expect:
        must(False, f"{' '.join(map(str, words))} exits {code}, not {expect}: {stderr.decode(errors='replace')[-500:]}")


def with_terminal(words, stdin_file, stdout_file, answers):
    """age asks for its passphrase on the terminal alone."""
    child, terminal = pty.fork()
    if child == 0:
        os.dup2(os.open(stdin_file, os.O_RDONLY), 0)
        os.dup2(os.open(stdout_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
        os.execv(words[0], words)
    for question, answer in answers:
        seen = b""
        while question not in seen:
            seen += os.read(terminal, 1024)
        os.write(terminal, answer.encode() + b"\n")
    try:
        while os.read(terminal, 1024):
            pass
    except OSError:
        pass
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status)


def peak_of_pipeline(ours_first, words_ours, words_theirs, source):
    """Runs one of ours and one of theirs in a pipe; the digest of what comes out, and our peak memory in KiB."""
    environment = dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=1")
    with open(source, "rb") as stream:
        first_words, second_words = (words_ours, words_theirs) if ours_first else (words_theirs, words_ours)
        first = subprocess.Popen(first_words, stdin=stream, stdout=subprocess.PIPE, env=environment)
        second = subprocess.Popen(second_words, stdin=first.stdout, stdout=subprocess.PIPE, env=environment)
        first.stdout.close()
        digest = hashlib.sha256()
        while block := second.stdout.read(1 << 20):
            digest.update(block)
        ours, theirs = (first, second) if ours_first else (second, first)
        _, status, usage = os.wait4(ours.pid, 0)
        ours.returncode = os.waitstatus_to_exitcode(status)
        must_exit(words_ours, ours.returncode, 0)
        must_exit(words_theirs, theirs.wait(), 0)
    return digest.hexdigest(), usage.ru_maxrss


def files(department):
    pli = str(department.programs / "pli")
    folder = department.folder
    identities, recipients = [], []
    for name in ("un", "deux", "trois"):
        made = subprocess.run(["age-keygen", "-o", folder / name], capture_output=True, text=True, check=True)
        identities.append(str(folder / name))
        recipients.append(made.stderr.split()[-1])
    ours = [word for key in recipients[:2] for word in ("-r", key)]

    for size in SIZES:
        plain = os.urandom(size)
        for armor in ([], ["-a"]):
            sealed = run([pli, "seal", *armor, *ours], plain)
            must_exit(["armor"], sealed.startswith(b"-----BEGIN AGE"), bool(armor))
            for identity in identities[:2]:
                if run(["age", "-d", "-i", identity], sealed) != plain:
                    must(False, f"age opens {size} bytes of ours otherwise")
            theirs = run(["age", *armor, *ours], plain)
            for identity in identities[:2]:
                if run([pli, "unseal", "-i", identity], theirs) != plain:
                    must(False, f"we open {size} bytes of age's otherwise")
                if run([pli, "unseal", "-i", identity], sealed) != plain:
                    must(False, f"we open {size} bytes of our own otherwise")
    must(True, f"binary and armored, {len(SIZES)} sizes around the 64 KiB chunk, two recipients: alike both ways")

    # What must not open: exit 4, and no byte that was not verified.
    plain = os.urandom(2 * CHUNK + 100)
    for sealed in (run([pli, "seal", *ours], plain), run(["age", *ours], plain)):
        must(run([pli, "unseal", "-i", identities[2]], sealed, expect=4) == b"", "another identity opens nothing (4)")
        shown = run([pli, "unseal", "-i", identities[0]], sealed[:-1], expect=4)
        must(shown in (b"", plain[:CHUNK], plain[:2 * CHUNK]), "a file cut in its last chunk: nothing of that chunk (4)")
        shown = run([pli, "unseal", "-i", identities[0]], sealed[:-(100 + 16)], expect=4)
        must(len(shown) <= 2 * CHUNK and plain.startswith(shown) and len(shown) < len(plain),
             "a file cut between two chunks is not taken for a whole one (4)")
        damaged = bytearray(sealed)
        damaged[-1] ^= 1
        shown = run([pli, "unseal", "-i", identities[0]], bytes(damaged), expect=4)
        must(len(shown) <= 2 * CHUNK and plain.startswith(shown), "a changed last byte shows (4)")
        run([pli, "unseal", "-i", identities[0]], sealed + b"x", expect=4)
    whole = folder / "clair"
    cut = folder / "coupe.age"
    cut.write_bytes(run([pli, "seal", *ours], plain)[:-1])
    run([pli, "unseal", "-i", identities[0], "-o", str(whole), str(cut)], b"", expect=4)
    must(not whole.exists() and not list(folder.glob("clair.new*")), "with -o, a file that fails leaves nothing behind")

    # By passphrase: ours from a file, age's from a terminal.
    secret = folder / "phrase-age.txt"
    secret.write_text(PASSPHRASE + "\n", encoding="utf-8")
    secret.chmod(0o600)
    clear, sealed, back = folder / "p", folder / "p.age", folder / "p.back"
    clear.write_bytes(plain)
    by_phrase = [pli, "--passphrase-file", str(secret)]
    sealed.write_bytes(run([*by_phrase, "seal", "--work-factor", "10"], plain))
    code = with_terminal(["/usr/bin/age", "-d"], sealed, back, [(b"passphrase", PASSPHRASE)])
    must(code == 0 and back.read_bytes() == plain, "age opens what we sealed under a passphrase")
    code = with_terminal(["/usr/bin/age", "-p"], clear, sealed, [(b"passphrase", PASSPHRASE), (b"onfirm", PASSPHRASE)])
    must(code == 0 and run([*by_phrase, "unseal"], sealed.read_bytes()) == plain,
         "and we open what age sealed under one")
    secret.write_text("une autre\n")
    run([*by_phrase, "unseal"], sealed.read_bytes(), expect=4)
    must(True, "another passphrase opens nothing (4)")

    # What was typed wrong, or is not there.
    run([pli, "seal"], plain, expect=2)
    run([pli, "seal", "-r", "age1nothing"], plain, expect=2)
    run([pli, "unseal"], plain, expect=2)
    run([pli, "unseal", "-i", str(folder / "absent")], plain, expect=2)
    must(True, "no recipient, no identity, a name that is neither (2)")
    with open("/dev/full", "wb") as full:
        code = subprocess.run([pli, "seal", *ours], input=plain, stdout=full, stderr=subprocess.DEVNULL).returncode
    must(code == 5, "a full disk behind standard output is said (5)")

    # Memory.
    peaks = {}
    for size in (CHUNK, LARGE):
        source = folder / "grand"
        with open(source, "wb") as sparse:
            sparse.truncate(size)
        expected = hashlib.sha256()
        for _ in range(0, size, 1 << 20):
            expected.update(bytes(min(1 << 20, size - _)))
        digest, sealing = peak_of_pipeline(True, [pli, "seal", *ours], ["age", "-d", "-i", identities[0]], source)
        must_exit(["seal"], digest, expected.hexdigest())
        digest, opening = peak_of_pipeline(False, [pli, "unseal", "-i", identities[1]], ["age", *ours], source)
        must_exit(["unseal"], digest, expected.hexdigest())
        peaks[size] = (sealing, opening)
        source.unlink()
    grown = [large - small for large, small in zip(peaks[LARGE], peaks[CHUNK])]
    must(max(grown) <= GROWTH_MAX_KIB, f"300 MB sealed and opened through age: {grown} KiB more than for one chunk")


if __name__ == "__main__":
    sys.exit(play(__doc__, files))
