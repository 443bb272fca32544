#!/usr/bin/env python3
"""Holds the house in order: who may include whom, behind which seam each library lives, what may not be left behind.

    tidy.py ROOT [--links FILE]     prints each breach as path:line: reason; exit code 1 when there is one

FILE is what link_graph.cmake wrote: the targets of the build and what they link. The rules are the tables below;
docs/architecture.md says why. A new library is one more line in SEAMS: without it, its headers are refused everywhere.
"""
import argparse
import fnmatch
import pathlib
import re
import sys

# Includes and links go down only.
MAY_USE = {
    "base": {"base"},
    "crypto": {"base", "crypto"},
    "audit": {"base", "crypto", "audit"},
    "witness": {"base", "crypto", "audit", "witness"},
    "config": {"base", "config"},
    "protocol": {"base", "crypto", "audit", "config", "protocol"},
    "broker": {"base", "crypto", "audit", "config", "protocol", "broker"},
    "client": {"base", "crypto", "audit", "config", "protocol", "client"},
    "verify": {"base", "crypto", "audit", "verify"},
}
ABOVE = {"bench", "tests"}  # may use every room

# What opens content (P1): the headers of pli_crypto_open, and who may know of them.
OPENING_TARGET = "pli_crypto_open"
OPENING = ("age_open", "header_unlock", "grant", "identity_file")
MAY_OPEN = {"client"} | ABOVE

# library: (its headers, the only files that may include them)
SEAMS = {
    "libsodium": (r"sodium(\.h$|/)", ["crypto/*", "bench/raw_cipher.cpp", "tests/support/endless_message.cpp",
                                         "tests/support/seeded_random.cpp"]),
    "ZeroMQ": (r"zmq(_addon)?\.h(pp)?$",
               ["broker/transport*.cpp", "client/connection*.cpp", "bench/*", "tests/support/*"]),
    "SQLite": (r"(sqlite3\.h$|SQLiteCpp/)", ["broker/*store*.cpp", "client/*store*.cpp", "tests/support/*"]),
    "protobuf": (r"(google/protobuf/|(.*/)?[a-z_]+\.pb\.h$)", ["protocol/codec*.cpp", "tests/protocol/*schema*.cpp"]),
    "spdlog": (r"(spdlog|fmt)/", ["broker/*.cpp", "client/*.cpp", "bench/*.cpp"]),
    "toml++": (r"toml(\+\+/|\.hpp$)", ["broker/*config*.cpp", "client/*config*.cpp", "client/*contract*.cpp"]),
    "CLI11": (r"CLI/", ["client/command*.cpp", "client/command/*.cpp", "*/main.cpp", "*/*_main.cpp"]),
    "nlohmann-json": (r"nlohmann/", ["protocol/*.cpp", "broker/*.cpp", "client/*.cpp", "witness/*.cpp", "bench/*", "tests/*"]),
    "cpp-httplib": (r"httplib\.h$", ["witness/*server*.cpp", "broker/witness_line*.cpp", "tests/support/*"]),
    "OpenSSL": (r"openssl/", ["bench/peers/*"]),  # to speak to brokers that want TLS; nothing of Pli does
    "Google Benchmark": (r"benchmark/", ["bench/*"]),
    "GoogleTest": (r"g(test|mock)/", ["tests/*"]),
    "libFuzzer": (r"fuzzer/", ["tests/fuzz/*"]),
    "zlib": (r"zlib\.h$", ["tests/crypto/*"]),  # the age test kit packs some of its files
}
ONE_FILE_PER_ROOM = {"spdlog"}  # the logging seam
HEADERS_FREE_OF_LIBRARIES = set(MAY_USE)  # a library's types do not appear in our headers

# Rooms and files that decide and do no I/O.
NO_IO = ["audit/*", "broker/core*", "broker/handle_*.cpp"]
IO_HEADERS = re.compile(r"^(fstream|iostream|cstdio|stdio\.h|filesystem|unistd\.h|fcntl\.h|poll\.h|sys/.*|thread|mutex"
                        r"|condition_variable|base/file\.hpp)$")

SYSTEM_HEADERS = re.compile(
    r"^([a-z_]+|(sys|linux|netinet|arpa|net)/[a-z0-9_]+\.h"
    r"|(assert|dirent|endian|errno|fcntl|fnmatch|getopt|grp|inttypes|langinfo|limits|locale|malloc|math|mntent|netdb|poll|pty"
    r"|pthread|pwd|sched|semaphore|setjmp|signal|spawn|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|strings|syslog"
    r"|termios|time|unistd|utime|wchar)\.h)$")

# What something outside may push against; each is pushed against in a test. The document's table only copies values.
LIMITS = "protocol/limits.hpp"
LIMIT = re.compile(r"^inline constexpr [\w:]+ (\w+_max)\b", re.MULTILINE)
COPIES_OF_LIMITS = {"tests/protocol/vectors_test.cpp"}

# What stands against an attack is named there by its test: a suite, a test, "Suite.Test" or "Suite.*".
THREATS = "docs/threat-model.md"
TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)|\badd_test\(\s*NAME\s+(\w+)\.(\w+)", re.MULTILINE)
# What the field asks, one line each: with tests that exist, or with a word on why there is none.
FIELD = "docs/field.md"
ASKED = re.compile(r"^(\d+)\. .*$", re.MULTILINE)
TEST_ASKED_FOR = re.compile(r"`([A-Z]\w*\.(?:\w+|\*))`")
WHY_NOT = re.compile(r"\b(not yet|outside)\b", re.IGNORECASE)
TESTS_OF_A_THREAT = re.compile(r"^ *- Tests?: (?:.*\n)(?:^ +(?!- ).*\n)*", re.MULTILINE)

LEFT_BEHIND = [
    (r"\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b", "a note of unfinished work: do it, or open an issue"),
    (r"\bDIS[A]BLED_|\bGTEST_[S]KIP\b|\bunittest\.[s]kip|\bself\.[s]kipTest\b|\bpytest\.mark\.[s]kip",
     "a test that does not run is a lie: mend it or delete it"),
    (r"^\s*#\s*if\s+[0]\s*$", "commented-out code"),
    (r"(?<![\w.])/(wor[k]|far[m]|hom[e]|roo[t])/|bash_[j]obs|\.\./[s]hared\b", "a path of one machine"),
    (r"https?://(registr[y]|mirro[r]|prox[y]|pyp[i])\b", "a registry's host"),
]

SOURCES = {".cpp", ".hpp", ".c", ".h", ".cc"}
TEXTS = SOURCES | {".py", ".sh", ".cmake", ".proto", ".toml", ".md", ".txt", ".json", ".go", ".ts", ".js", ".yml", ".supp", ""}
SKIPPED_FOLDERS = {".git", "__pycache__", "node_modules"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.breaches = []
        self.one_file = {}
        self.tests = set()
        self.words_of_tests = set()

    def say(self, path, line, reason):
        self.breaches.append(f"{path}:{line}: {reason}")

    def files(self):
        def walk(folder, top):
            for entry in sorted(folder.iterdir()):
                if entry.is_symlink():
                    continue
                if entry.is_dir():
                    built = top and (entry.name == "build" or entry.name.startswith("build-"))
                    if entry.name not in SKIPPED_FOLDERS and not built:
                        yield from walk(entry, False)
                elif entry.suffix in TEXTS:
                    yield entry
        yield from walk(self.root, True)

    def check(self):
        for file in self.files():
            path = file.relative_to(self.root).as_posix()
            try:
                text = file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                if file.suffix in SOURCES:
                    self.say(path, 1, "not UTF-8")
                continue  # a test vector
            self.check_left_behind(path, text)
            if path.startswith("tests/"):
                for found in TEST.finditer(text):
                    suite, test = found[1] or found[3], found[2] or found[4]
                    self.tests |= {suite, test, f"{suite}.{test}", f"{suite}.*"}
            if file.suffix in SOURCES:
                self.check_source(path, text)
                self.check_listed(path, file)
                if path.startswith("tests/") and path not in COPIES_OF_LIMITS:
                    self.words_of_tests.update(re.findall(r"\w+", text))
        for library, files in sorted(self.one_file.items()):
            for room, users in sorted(files.items()):
                for extra in sorted(users)[1:]:
                    self.say(extra, 1, f"{library} has one seam in {room}/: {sorted(users)[0]} has it already")
        self.check_opening_list()
        self.check_threats()
        self.check_field()
        self.check_limits()
        return self.breaches

    def check_left_behind(self, path, text):
        for pattern, reason in LEFT_BEHIND:
            for found in re.finditer(pattern, text, re.MULTILINE):
                self.say(path, text.count("\n", 0, found.start()) + 1, reason)

    def check_source(self, path, text):
        room = path.split("/")[0]
        if path.endswith(".hpp") and not re.search(r"^#pragma once$", text, re.MULTILINE):
            self.say(path, 1, "no #pragma once")
        for number, line in enumerate(text.splitlines(), 1):
            found = INCLUDE.match(line)
            if found:
                self.check_include(room, path, number, found[1] == '"', found[2])

    def check_include(self, room, path, line, quoted, header):
        for pattern in NO_IO:
            if matches(path, [pattern]) and IO_HEADERS.match(header):
                self.say(path, line, f"{pattern} decides and does no I/O: {header}")
        for library, (headers, allowed) in SEAMS.items():
            if re.match(headers, header):
                self.check_seam(room, path, line, library, allowed)
                return
        if quoted:
            self.check_room(room, path, line, header)
        elif not SYSTEM_HEADERS.match(header):
            self.say(path, line, f"<{header}> is of no library that has a seam")

    def check_seam(self, room, path, line, library, allowed):
        if not matches(path, allowed):
            self.say(path, line, f"{library} lives behind its seam: {', '.join(allowed)}")
        elif room in HEADERS_FREE_OF_LIBRARIES and not path.endswith(".cpp"):
            self.say(path, line, f"{library} in a header of ours")
        if library in ONE_FILE_PER_ROOM:
            self.one_file.setdefault(library, {}).setdefault(room, set()).add(path)

    def check_room(self, room, path, line, header):
        parts = header.split("/")
        beside = (self.root / path).parent / header
        if room in ABOVE and ".." not in parts and beside.is_file():
            return
        if len(parts) < 2 or ".." in parts or "." in parts:
            self.say(path, line, f'"{header}" is not written from the root')
            return
        target = parts[0]
        if target not in MAY_USE and target not in ABOVE:
            self.say(path, line, f'"{header}" is in no room')
            return
        if not (self.root / header).is_file():
            self.say(path, line, f'"{header}" is not there')
        if room in ABOVE:
            return
        if room not in MAY_USE:
            self.say(path, line, f"{room}/ is no room")
        elif target not in MAY_USE[room]:
            self.say(path, line, f"{room}/ may not include {target}/")
        elif target == "crypto" and pathlib.PurePath(header).stem in OPENING and room not in MAY_OPEN:
            if not (room == "crypto" and pathlib.PurePath(path).stem in OPENING):
                self.say(path, line, f'"{header}" opens content, which {path} must not')

    def check_listed(self, path, file):
        """A source that no CMakeLists.txt names is compiled by nobody."""
        if file.suffix not in {".cpp", ".c", ".cc"}:
            return
        folder = file.parent
        while True:
            lists = folder / "CMakeLists.txt"
            if lists.is_file():
                if self.names(lists.read_text(encoding="utf-8"), file.relative_to(folder).as_posix()):
                    return
            if folder == self.root:
                self.say(path, 1, "in no CMakeLists.txt")
                return
            folder = folder.parent

    @staticmethod
    def names(lists, name):
        """Whether the list names the file, in full or by a loop: a_${x}.cpp with x's value a word of the list."""
        def has_word(word):
            return re.search(rf"(?<![\w./-]){re.escape(word)}(?![\w.-])", lists)
        if has_word(name):
            return True
        for before, after in set(re.findall(r"([\w./-]*)\$\{\w+\}(\.\w+)", lists)):
            if name.startswith(before) and name.endswith(after) and has_word(name[len(before):-len(after)]):
                return True
        return False

    def check_limits(self):
        """A limit that no test names has no test at it and none above it."""
        file = self.root / LIMITS
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        for limit in LIMIT.finditer(text):
            if limit[1] not in self.words_of_tests:
                self.say(LIMITS, text.count("\n", 0, limit.start()) + 1, f"no test pushes against {limit[1]}")

    def check_threats(self):
        """A promise is claimed by the tests it names; a name nothing bears claims nothing."""
        file = self.root / THREATS
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        for listed in TESTS_OF_A_THREAT.finditer(text):
            line = text.count("\n", 0, listed.start()) + 1
            names = re.findall(r"`([^`]+)`", listed[0])
            for name in names:
                if name not in self.tests:
                    self.say(THREATS, line, f"no test bears the name {name}")
            if not names:
                self.say(THREATS, line, "names no test")

    def check_field(self):
        """What the field asks is shown by tests there are, or it is said why by none; no number is passed over."""
        file = self.root / FIELD
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        for place, asked in enumerate(ASKED.finditer(text), 1):
            line = text.count("\n", 0, asked.start()) + 1
            if int(asked[1]) != place:
                self.say(FIELD, line, f"number {place} is passed over")
            names = TEST_ASKED_FOR.findall(asked[0])
            for name in names:
                if name not in self.tests:
                    self.say(FIELD, line, f"no test bears the name {name}")
            if not names and not WHY_NOT.search(asked[0]):
                self.say(FIELD, line, "names no test, and says not why")

    def check_opening_list(self):
        """OPENING above is what crypto/CMakeLists.txt builds pli_crypto_open from, no more and no less."""
        lists = self.root / "crypto" / "CMakeLists.txt"
        if not lists.is_file():
            return
        built = re.search(rf"add_library\({OPENING_TARGET}\s+([^)]*)\)", lists.read_text(encoding="utf-8"))
        sources = {pathlib.PurePath(name).stem for name in built[1].split()} if built else set()
        if sources != set(OPENING):
            self.say("crypto/CMakeLists.txt", 1, f"{OPENING_TARGET} is not made of what tidy.py holds back: {', '.join(OPENING)}")


class Links:
    """Each target's room and what it links, as link_graph.cmake wrote them."""

    def __init__(self, text):
        self.room = {}
        self.uses = {}
        for line in text.splitlines():
            kind, target, other = line.split("\t")
            if kind == "target":
                self.room[target] = other.split("/")[0]
                self.uses.setdefault(target, set())
            elif kind == "link":
                self.uses.setdefault(target, set()).add(other)

    def check(self):
        if OPENING_TARGET not in self.room:
            return [f"links: {OPENING_TARGET} is no target, so nothing was checked"]
        breaches = []
        for target, room in sorted(self.room.items()):
            if room not in MAY_USE:
                continue
            for used in sorted(self.uses[target]):
                if used in self.room and self.room[used] in MAY_USE and self.room[used] not in MAY_USE[room]:
                    breaches.append(f"links: {target} ({room}/) may not link {used} ({self.room[used]}/)")
            if room not in MAY_OPEN and target != OPENING_TARGET:
                path = self.path(target, OPENING_TARGET)
                if path:
                    breaches.append(f"links: {room}/ must not open content: {' -> '.join(path)}")
        return breaches

    def path(self, start, end):
        came_from, waiting = {start: None}, [start]
        while waiting:
            here = waiting.pop(0)
            if here == end:
                path = []
                while here:
                    path.append(here)
                    here = came_from[here]
                return path[::-1]
            for there in sorted(self.uses.get(here, ())):
                if there not in came_from:
                    came_from[there] = here
                    waiting.append(there)
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--links", type=pathlib.Path, help="what link_graph.cmake wrote")
    options = parser.parse_args()
    breaches = Tree(options.root).check()
    if options.links:
        breaches += Links(options.links.read_text(encoding="utf-8")).check()
    print("\n".join(breaches) if breaches else "tidy")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
