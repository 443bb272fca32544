"""Each scenario of pli-bench, as small as it goes: it ends, without a refusal, and says what it promises to say."""

import json
import subprocess
import sys
import unittest

PROGRAM = sys.argv.pop(1)


def figures(*words):
    run = subprocess.run([PROGRAM, "--json", *words], capture_output=True, text=True, timeout=120)
    if run.returncode != 0:
        raise AssertionError(f"{words}: exit {run.returncode}: {run.stderr}")
    return json.loads(run.stdout)


class PliBench(unittest.TestCase):
    def test_floors(self):
        out = figures("--count", "64", "--rate", "50", "--seconds", "1")
        for name in ("accepted", "opened", "followed_by_10", "one_in_flight"):
            self.assertGreater(out[name]["per_second"], 0, name)
            self.assertGreaterEqual(out[name]["max_us"], out[name]["p50_us"], name)
        self.assertEqual(out["paced"]["errors"], 0)
        self.assertGreater(out["disk_bytes_beyond_sealed"], 0)

    def test_a_spike_counts_each_act_in_its_phase_and_none_is_refused(self):
        out = figures("spike", "--each", "1", "--average", "2")
        self.assertEqual([out[phase]["errors"] for phase in ("before", "spike", "after")], [0, 0, 0])
        acts = {phase: sum(act["count"] for act in out[phase]["acts"].values()) for phase in out}
        self.assertGreater(acts["spike"], 5 * max(acts["before"], acts["after"]))

    def test_large_exchanges_come_back_as_they_were_sent(self):
        out = figures("large", "--mib", "1", "--exchanges", "2")
        self.assertEqual((out["accepted"]["count"], out["fetched"]["count"]), (2, 2))

    def test_a_turn_beside_other_brokers_measures_all_they_are_asked_for(self):
        out = figures("peers-turn", "--count", "64", "--rate", "50", "--seconds", "1")
        for name in ("accepted", "one_in_flight", "paced", "delivered_to_1", "delivered_to_10"):
            self.assertGreater(out[name]["per_second"], 0, name)
            self.assertEqual(sum(count for _, count in out[name]["latency_us"]), out[name]["confirmed"], name)
        for name in ("start_s", "restart_s", "resident_idle_bytes", "resident_after_bytes", "disk_bytes_per_message", "header_bytes"):
            self.assertGreater(out[name], 0, name)

    def test_nothing_that_had_its_receipt_is_lost_when_the_broker_is_killed(self):
        out = figures("kill", "--after", "0.3")
        self.assertGreater(out["confirmed"], 0)
        self.assertEqual(out["lost"], 0)

    def test_a_trickle_is_accepted_one_by_one(self):
        self.assertEqual(figures("trickle", "--count", "32")["confirmed"], 32)

    def test_idle_clients(self):
        self.assertEqual(figures("idle-clients", "--clients", "20")["among_them"]["count"], 1000)

    def test_nobody_who_misbehaves_costs_a_quiet_office_an_answer(self):
        for phase in figures("hostile", "--each", "3")["phases"]:
            self.assertEqual(phase["errors"], 0, phase)
            self.assertLess(phase["resident_peak_mib"], 256, phase["phase"])
            self.assertEqual(phase["hostile_acts"] > 0, phase["phase"] != "alone", phase["phase"])

    def test_start(self):
        out = figures("start", "--leaves", "2048")
        self.assertEqual(out["leaves"], 2048)
        self.assertGreater(out["ready_cold_ms"], 0)

    def test_files(self):
        self.assertGreater(figures("files", "--mib", "2")["pli_seal_mib_per_s"], 0)

    def test_a_wrong_option_is_a_usage_error(self):
        run = subprocess.run([PROGRAM, "office-day", "--minutes", "0"], capture_output=True, text=True, timeout=30)
        self.assertEqual(run.returncode, 2)


if __name__ == "__main__":
    unittest.main()
