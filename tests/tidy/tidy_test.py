#!/usr/bin/env python3
"""Feeds tidy.py trees that break one rule each: a rule that nothing can break holds nothing.

    tidy_test.py CMAKE
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

from tidy import OPENING, Links, Tree

HERE = pathlib.Path(__file__).resolve().parent
CMAKE = "cmake"
ONCE = "#pragma once\n"

GOOD = {
    "base/bytes.hpp": ONCE + "#include <vector>\n#include <sys/stat.h>\n",
    "base/bytes.cpp": '#include "base/bytes.hpp"\n',
    "base/CMakeLists.txt": "add_library(pli_base bytes.cpp)\n",
    "crypto/seal.hpp": ONCE + '#include "base/bytes.hpp"\n',
    "crypto/seal.cpp": '#include "crypto/seal.hpp"\n\n#include <sodium.h>\n',
    **{f"crypto/{name}.hpp": ONCE + '#include "crypto/seal.hpp"\n' for name in OPENING},
    **{f"crypto/{name}.cpp": f'#include "crypto/{name}.hpp"\n#include "crypto/age_open.hpp"\n' for name in OPENING},
    "crypto/CMakeLists.txt": "add_library(pli_crypto seal.cpp)\nadd_library(pli_crypto_open "
                             + " ".join(f"{name}.cpp" for name in OPENING) + ")\n",
    "audit/tree.hpp": ONCE + '#include "crypto/seal.hpp"\n',
    "witness/desk.hpp": ONCE + '#include "audit/tree.hpp"\n#include <mutex>\n',
    "verify/trust.hpp": ONCE + '#include "audit/tree.hpp"\n#include <filesystem>\n',
    "config/table.hpp": ONCE + '#include "base/bytes.hpp"\n#include <fstream>\n',
    "protocol/limits.hpp": ONCE + "inline constexpr std::size_t frames_max = 8;\n"
                           "inline constexpr std::chrono::milliseconds skew_max = 300s;\n",
    "protocol/codec.hpp": ONCE + '#include "audit/tree.hpp"\n',
    "protocol/codec.cpp": '#include "protocol/codec.hpp"\n#include "protocol/wire.pb.h"\n',
    "protocol/CMakeLists.txt": "add_library(pli_protocol codec.cpp)\n",
    "broker/store.hpp": ONCE + '#include "protocol/codec.hpp"\n',
    "broker/store.cpp": '#include <SQLiteCpp/SQLiteCpp.h>\n#include "broker/store.hpp"\n',
    "broker/transport.cpp": "#include <zmq.hpp>\n",
    "broker/log.cpp": "#include <spdlog/spdlog.h>\n",
    "broker/config.cpp": "#include <toml++/toml.h>\n",
    "broker/CMakeLists.txt": "add_library(pli_broker store.cpp transport.cpp log.cpp config.cpp)\n",
    "client/session.hpp": ONCE + '#include "crypto/age_open.hpp"\n#include "config/table.hpp"\n',
    "client/command/main.cpp": '#include <CLI/CLI.hpp>\n#include "client/session.hpp"\n',
    "client/CMakeLists.txt": "add_executable(pli command/main.cpp)\n",
    "bench/bench.cpp": '#include <zmq.h>\n#include "broker/store.hpp"\n#include "client/session.hpp"\n',
    "bench/CMakeLists.txt": "add_executable(pli_bench bench.cpp)\n",
    "tests/broker/store_test.cpp": '#include <gtest/gtest.h>\n#include "broker/store.hpp"\n#include "fake.hpp"\n',
    "tests/broker/fake.hpp": ONCE + "// at frames_max, and at skew_max\n",
    "tests/CMakeLists.txt": "pli_test(test_broker SOURCES broker/store_test.cpp)\n",
    "README.md": "Unlock the workshop: see https://example.org/home/main and src/home/x.\n",
    "build/dev/generated.cpp": '#include "no/such.hpp"\n',
}


class TidyTree(unittest.TestCase):
    def breaches_of(self, changes):
        """What tidy.py finds in the good tree with these files added or replaced."""
        with tempfile.TemporaryDirectory() as folder:
            for path, text in {**GOOD, **changes}.items():
                file = pathlib.Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(text if isinstance(text, bytes) else text.encode())
            return Tree(folder).check()

    def refuses(self, changes, *expected):
        found = self.breaches_of(changes)
        self.assertEqual(len(found), len(expected), found)
        for breach, start in zip(found, expected):
            self.assertTrue(breach.startswith(start), breach)

    def with_line(self, path, line):
        return {path: GOOD[path] + line + "\n"}

    def test_a_good_tree_passes(self):
        self.assertEqual(self.breaches_of({}), [])

    def test_no_room_includes_a_room_beside_or_above_it(self):
        for path, header in [
                ("base/bytes.hpp", "crypto/seal.hpp"), ("crypto/seal.hpp", "audit/tree.hpp"),
                ("audit/tree.hpp", "protocol/codec.hpp"), ("audit/tree.hpp", "config/table.hpp"),
                ("audit/tree.hpp", "witness/desk.hpp"), ("witness/desk.hpp", "protocol/codec.hpp"),
                ("witness/desk.hpp", "broker/store.hpp"), ("broker/store.hpp", "witness/desk.hpp"),
                ("verify/trust.hpp", "protocol/codec.hpp"), ("verify/trust.hpp", "client/session.hpp"),
                ("verify/trust.hpp", "witness/desk.hpp"), ("client/session.hpp", "verify/trust.hpp"),
                ("config/table.hpp", "crypto/seal.hpp"), ("config/table.hpp", "protocol/codec.hpp"),
                ("protocol/codec.hpp", "broker/store.hpp"), ("protocol/codec.hpp", "client/session.hpp"),
                ("broker/store.hpp", "client/session.hpp"), ("client/session.hpp", "broker/store.hpp"),
                ("client/session.hpp", "bench/x.hpp"), ("broker/store.cpp", "tests/broker/fake.hpp")]:
            with self.subTest(path=path, header=header):
                changes = {**self.with_line(path, f'#include "{header}"'), "bench/x.hpp": ONCE}
                room, target = path.split("/")[0], header.split("/")[0]
                self.refuses(changes, f"{path}:{changes[path].count(chr(10))}: {room}/ may not include {target}/")

    def test_only_the_clients_side_includes_what_opens_content(self):
        for name in OPENING:
            for path in ["audit/tree.hpp", "protocol/codec.hpp", "broker/store.cpp", "crypto/seal.cpp", "verify/trust.hpp"]:
                with self.subTest(name=name, path=path):
                    found = self.breaches_of(self.with_line(path, f'# include "crypto/{name}.hpp"'))
                    self.assertEqual(len(found), 1, found)
                    self.assertIn("opens content", found[0])

    def test_the_list_of_what_opens_content_follows_the_build(self):
        lists = GOOD["crypto/CMakeLists.txt"]
        for changed in [lists.replace("grant.cpp", "grant.cpp more.cpp"),
                        lists.replace("grant.cpp", "").replace("seal.cpp", "seal.cpp grant.cpp"),
                        lists.replace("pli_crypto_open", "pli_open")]:
            with self.subTest(changed=changed):
                self.refuses({"crypto/CMakeLists.txt": changed}, "crypto/CMakeLists.txt:1: pli_crypto_open is not made of")

    def test_each_library_stays_behind_its_seam(self):
        for path, header in [
                ("base/bytes.cpp", "sodium.h"), ("broker/store.cpp", "sodium/crypto_box.h"),
                ("broker/store.cpp", "zmq.hpp"), ("client/command/main.cpp", "zmq_addon.hpp"), ("protocol/codec.cpp", "zmq.h"),
                ("tests/broker/store_test.cpp", "zmq.hpp"),
                ("broker/transport.cpp", "sqlite3.h"), ("client/command/main.cpp", "SQLiteCpp/Database.h"),
                ("broker/store.cpp", "protocol/wire.pb.h"), ("client/command/main.cpp", "google/protobuf/message.h"),
                ("protocol/codec.cpp", "spdlog/spdlog.h"), ("crypto/seal.cpp", "fmt/core.h"),
                ("broker/store.cpp", "toml++/toml.h"), ("protocol/codec.cpp", "toml++/toml.hpp"),
                ("broker/store.cpp", "CLI/CLI.hpp"), ("base/bytes.cpp", "nlohmann/json.hpp"),
                ("broker/store.cpp", "benchmark/benchmark.h"), ("bench/bench.cpp", "gtest/gtest.h"),
                ("broker/store.cpp", "httplib.h"), ("client/command/main.cpp", "httplib.h"),
                ("tests/broker/store_test.cpp", "httplib.h"), ("broker/transport.cpp", "openssl/ssl.h"),
                ("crypto/seal.cpp", "openssl/evp.h"), ("bench/bench.cpp", "openssl/evp.h")]:
            with self.subTest(path=path, header=header):
                changes = self.with_line(path, f"#include <{header}>")
                found = self.breaches_of(changes)
                self.assertEqual(len(found), 1, found)
                self.assertIn("lives behind its seam", found[0])

    def test_no_header_of_ours_shows_a_library(self):
        for path, header in [("crypto/seal.hpp", "sodium.h"), ("client/command_line.hpp", "CLI/CLI.hpp"),
                             ("protocol/codec.hpp", "nlohmann/json.hpp")]:
            with self.subTest(path=path):
                found = self.breaches_of({path: GOOD.get(path, ONCE) + f"#include <{header}>\n"})
                self.assertEqual(len(found), 1, found)

    def test_a_library_without_a_seam_is_refused_everywhere(self):
        for path in ["base/bytes.cpp", "crypto/seal.cpp", "broker/transport.cpp", "client/command/main.cpp", "bench/bench.cpp",
                     "tests/broker/store_test.cpp"]:
            for header in ["gnutls/gnutls.h", "boost/asio.hpp", "curl/curl.h", "prometheus/registry.h"]:
                with self.subTest(path=path, header=header):
                    found = self.breaches_of(self.with_line(path, f"#include <{header}>"))
                    self.assertEqual(len(found), 1, found)
                    self.assertIn("of no library that has a seam", found[0])

    def test_a_room_logs_through_one_file(self):
        changes = self.with_line("broker/transport.cpp", "#include <spdlog/spdlog.h>")
        self.refuses(changes, "broker/transport.cpp:1: spdlog has one seam in broker/")

    def test_the_log_room_does_no_input_or_output(self):
        for header in ["<fstream>", "<cstdio>", "<unistd.h>", "<sys/stat.h>", "<mutex>", '"base/file.hpp"']:
            with self.subTest(header=header):
                changes = {**self.with_line("audit/tree.hpp", f"#include {header}"), "base/file.hpp": ONCE}
                self.refuses(changes, "audit/tree.hpp:3: audit/* decides and does no I/O")

    def test_the_core_does_no_input_or_output(self):
        for path, pattern in [("broker/core.cpp", "broker/core*"), ("broker/core_steps.hpp", "broker/core*"),
                              ("broker/handle_open.cpp", "broker/handle_*.cpp")]:
            with self.subTest(path=path):
                guard = ONCE if path.endswith(".hpp") else "\n"
                lists = GOOD["broker/CMakeLists.txt"].replace("log.cpp", "log.cpp core.cpp handle_open.cpp")
                quiet = {path: guard + "#include <vector>\n", "broker/CMakeLists.txt": lists}
                self.refuses(quiet)
                self.refuses({**quiet, path: guard + "#include <thread>\n"}, f"{path}:2: {pattern} decides and does no I/O")

    def test_the_threat_model_names_tests_there_are(self):
        tests = self.with_line("tests/broker/store_test.cpp", "TEST(Store, P2Keeps) {}\nTEST_F(\n    Long, P9Goes) {}")
        tests["tests/CMakeLists.txt"] = GOOD["tests/CMakeLists.txt"] + "add_test(NAME Story.IsTold\n  COMMAND story)\n"
        def model(tested):
            return {**tests, "docs/threat-model.md": f"## Somebody\n\n- Can: `nothing`.\n- {tested}\n\n## Else\n"}
        for good in ["Tests: `Store`, `P2Keeps`,\n  `Store.P2Keeps`.", "Test: `Story.IsTold`, `Long.*` and so on."]:
            self.refuses(model(good))
        for bad in ["Tests: `P2Keep`.", "Tests: `Store`,\n  `Stores`.", "Test: `Store.P9Goes`.", "Tests: `St*`.",
                    "Tests: those that there are."]:
            with self.subTest(bad=bad):
                self.refuses(model(bad), "docs/threat-model.md:4: n")

    def test_what_the_field_asks_is_shown_by_tests_there_are(self):
        tests = self.with_line("tests/broker/store_test.cpp", "TEST(Store, P2Keeps) {}")
        def field(second):
            return {**tests, "docs/field.md": f"# Asked\n\n1. **One.** `Store.P2Keeps`, `Store.*`, see `pli send`.\n{second}\n"}
        for good in ["2. **Two.** Not yet: nobody asked.", "2. **Two.** `Store.*`. The rest is outside."]:
            self.refuses(field(good))
        for bad in ["2. **Two.** `Store.P2Keep`", "2. **Two.** `Stores.*`", "2. **Two.** By `pli send`.", "3. **Two.** `Store.*`"]:
            with self.subTest(bad=bad):
                self.refuses(field(bad), "docs/field.md:4: n")

    def test_includes_are_written_from_the_root_and_exist(self):
        self.refuses(self.with_line("base/bytes.cpp", '#include "bytes.hpp"'), "base/bytes.cpp:2:")
        self.refuses(self.with_line("base/bytes.cpp", '#include "../base/bytes.hpp"'), "base/bytes.cpp:2:")
        self.refuses(self.with_line("base/bytes.cpp", '#include "base/../base/bytes.hpp"'), "base/bytes.cpp:2:")
        self.refuses(self.with_line("base/bytes.cpp", '#include "util/bytes.hpp"'), "base/bytes.cpp:2:")
        self.refuses(self.with_line("base/bytes.cpp", '#include "base/byte.hpp"'), "base/bytes.cpp:2:")
        self.refuses(self.with_line("tests/broker/store_test.cpp", '#include "../broker/fake.hpp"'),
                     "tests/broker/store_test.cpp:4:")

    def test_a_new_folder_is_no_room(self):
        self.refuses({"util/x.hpp": ONCE + '#include "base/bytes.hpp"\n'}, "util/x.hpp:2: util/ is no room")

    def test_every_header_guards_itself(self):
        self.refuses({"base/bytes.hpp": "#include <vector>\n"}, "base/bytes.hpp:1: no #pragma once")

    def test_every_source_is_compiled(self):
        self.refuses({"base/lost.cpp": "int x;\n"}, "base/lost.cpp:1: in no CMakeLists.txt")
        self.refuses({"base/CMakeLists.txt": "add_library(pli_base more_bytes.cpp)\n"}, "base/bytes.cpp:1: in no CMakeLists.txt")

    def test_a_loop_names_only_what_it_runs_over(self):
        lists = "foreach(x red green)\n  pli_fuzz(f_${x} SOURCES f_${x}.cpp)\nendforeach()\n"
        self.refuses({"tests/fuzz/CMakeLists.txt": lists, "tests/fuzz/f_red.cpp": "", "tests/fuzz/f_blue.cpp": "",
                      "tests/fuzz/g_green.cpp": ""},
                     "tests/fuzz/f_blue.cpp:1: in no", "tests/fuzz/g_green.cpp:1: in no")

    def test_every_limit_is_pushed_against(self):
        more = self.with_line("protocol/limits.hpp", "inline constexpr std::size_t chunks_max = 8;")
        self.refuses(more, "protocol/limits.hpp:4: no test pushes against chunks_max")
        table = {"tests/protocol/vectors_test.cpp": "chunks_max\n", "tests/protocol/CMakeLists.txt": "vectors_test.cpp\n"}
        self.refuses({**more, **table}, "protocol/limits.hpp:4: no test pushes against chunks_max")
        self.refuses({**more, "broker/store.cpp": "// chunks_max, chunks_max_a\n"}, "protocol/limits.hpp:4: no test")
        self.refuses({**more, **self.with_line("tests/broker/fake.hpp", "// chunks_max")})

    def test_nothing_is_left_behind(self):
        for path, text in [
                ("base/a.hpp", ONCE + "// TO" + "DO later\n"), ("base/a.py", "# FIX" + "ME\n"), ("docs/a.md", "X" + "XX\n"),
                ("tests/a.sh", "# HA" + "CK\n"), ("tests/a.hpp", ONCE + "TEST(A, DIS" + "ABLED_B)\n"),
                ("tests/a.hpp", ONCE + "  GTEST_" + "SKIP() << 1;\n"), ("tests/a.py", "@unittest." + "skip('x')\n"),
                ("base/a.hpp", ONCE + "#if " + "0\n#endif\n"),
                ("docs/a.md", "in /wor" + "k/main\n"), ("check", "cd /far" + "m/x\n"), ("docs/a.md", "`/roo" + "t/x`\n"),
                ("docs/a.md", "see ../sha" + "red/design.md\n"), ("docs/a.md", "/hom" + "e/somebody\n"),
                ("docs/a.md", "https://registr" + "y.example.org/x\n")]:
            with self.subTest(path=path, text=text):
                found = self.breaches_of({path: text})
                self.assertEqual(len(found), 1, found)

    def test_a_source_is_utf_8_and_a_vector_need_not_be(self):
        self.refuses({"base/bytes.hpp": ONCE.encode() + b"// \xff\n"}, "base/bytes.hpp:1: not UTF-8")
        self.refuses({"tests/vectors/age/damaged": b"age-encryption.org/v1\n\xff\n"})


class TidyLinks(unittest.TestCase):
    GOOD = "".join(f"target\t{name}\t{folder}\n" for name, folder in [
        ("pli_base", "base"), ("pli_crypto", "crypto"), ("pli_crypto_open", "crypto"), ("pli_protocol", "protocol"),
        ("pli_broker", "broker"), ("pli-broker", "broker"), ("pli_client", "client"), ("test_all", "tests/end_to_end")]) \
        + "".join(f"link\t{a}\t{b}\n" for a, b in [
            ("pli_crypto", "pli_base"), ("pli_crypto_open", "pli_crypto"), ("pli_protocol", "pli_crypto"),
            ("pli_broker", "pli_protocol"), ("pli-broker", "pli_broker"), ("pli_client", "pli_protocol"),
            ("pli_client", "pli_crypto_open"), ("test_all", "pli_client"), ("test_all", "pli_broker"), ("pli_crypto", "sodium")])

    def test_good_links_pass(self):
        self.assertEqual(Links(self.GOOD).check(), [])

    def test_the_broker_does_not_reach_opening_code(self):
        found = Links(self.GOOD + "link\tpli_broker\tpli_crypto_open\n").check()
        self.assertEqual(found, ["links: broker/ must not open content: pli-broker -> pli_broker -> pli_crypto_open",
                                 "links: broker/ must not open content: pli_broker -> pli_crypto_open"])

    def test_nor_does_it_by_way_of_another_room(self):
        found = Links(self.GOOD + "link\tpli_protocol\tpli_crypto_open\n").check()
        self.assertEqual(len(found), 3, found)
        self.assertTrue(any("pli_broker -> pli_protocol -> pli_crypto_open" in breach for breach in found))

    def test_nor_does_it_by_way_of_a_helper_in_tests(self):
        found = Links(self.GOOD + "target\tsupport\ttests/support\nlink\tsupport\tpli_crypto_open\n"
                      "link\tpli-broker\tsupport\n").check()
        self.assertEqual(found, ["links: broker/ must not open content: pli-broker -> support -> pli_crypto_open"])

    def test_broker_and_client_do_not_meet(self):
        self.assertEqual(Links(self.GOOD + "link\tpli_client\tpli_broker\n").check(),
                         ["links: pli_client (client/) may not link pli_broker (broker/)"])

    def test_links_go_down_only(self):
        self.assertEqual(Links(self.GOOD + "link\tpli_base\tpli_crypto\n").check(),
                         ["links: pli_base (base/) may not link pli_crypto (crypto/)"])

    def test_a_graph_without_opening_code_proves_nothing(self):
        self.assertEqual(len(Links("").check()), 1)


class LinkGraph(unittest.TestCase):
    def test_it_sees_through_aliases_generator_expressions_and_late_links(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for room in ["crypto", "broker"]:
                (root / room).mkdir()
            (root / "CMakeLists.txt").write_text(
                "cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES NONE)\n"
                f'include("{HERE.as_posix()}/link_graph.cmake")\n'
                "cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL pli_write_link_graph ${CMAKE_BINARY_DIR}/links.tsv)\n"
                "add_subdirectory(crypto)\nadd_subdirectory(broker)\n")
            (root / "crypto" / "CMakeLists.txt").write_text(
                "add_library(pli_crypto_open INTERFACE)\nadd_library(pli::crypto_open ALIAS pli_crypto_open)\n")
            (root / "broker" / "CMakeLists.txt").write_text(
                "add_library(pli_a INTERFACE)\nadd_library(pli_b INTERFACE)\nadd_library(pli_c INTERFACE)\n"
                "target_link_libraries(pli_a INTERFACE pli_b)\n"
                "target_link_libraries(pli_b INTERFACE $<BUILD_INTERFACE:pli_c>)\n"
                "target_link_libraries(pli_c INTERFACE $<$<CONFIG:Release>:$<LINK_ONLY:pli::crypto_open>>)\n")
            subprocess.run([CMAKE, "-S", folder, "-B", folder + "/build"], check=True, stdout=subprocess.DEVNULL)
            links = Links((root / "build" / "links.tsv").read_text())
            self.assertEqual(links.path("pli_a", "pli_crypto_open"), ["pli_a", "pli_b", "pli_c", "pli_crypto_open"])


if __name__ == "__main__":
    CMAKE = sys.argv.pop(1) if len(sys.argv) > 1 else CMAKE
    unittest.main(verbosity=2)
