#!/usr/bin/env python3
"""What bench/peers/report.py says of figures made up here.

    peers_report_test.py BENCH_PEERS
"""
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, sys.argv.pop(1))
import report  # noqa: E402

TITLES = {"pli": "Pli", "redis": "Redis", "nats": "NATS †"}


def turns(measure, *values):
    return [{measure: value} for value in values]


class Percentile(unittest.TestCase):
    def test_is_the_value_that_share_does_not_exceed(self):
        histogram = [[10.0, 50], [20.0, 49], [900.0, 1]]
        self.assertEqual(report.percentile(histogram, 0.50), 10.0)
        self.assertEqual(report.percentile(histogram, 0.51), 20.0)
        self.assertEqual(report.percentile(histogram, 0.99), 20.0)
        self.assertEqual(report.percentile(histogram, 0.995), 900.0)
        self.assertEqual(report.percentile(histogram, 1), 900.0)

    def test_of_one_value_is_that_value(self):
        self.assertEqual(report.percentile([[7.0, 1]], 0), 7.0)
        self.assertEqual(report.percentile([[7.0, 1]], 0.99), 7.0)

    def test_of_nothing_is_nothing(self):
        self.assertIsNone(report.percentile([], 0.5))
        self.assertIsNone(report.percentile([[7.0, 0]], 0.5))


class Spread(unittest.TestCase):
    def test_is_median_least_and_most(self):
        self.assertEqual(report.spread([3, 1, 2]), (2, 1, 3))
        self.assertEqual(report.spread([4, 1]), (2.5, 1, 4))

    def test_leaves_out_what_was_not_measured(self):
        self.assertEqual(report.spread([None, 5]), (5, 5, 5))
        self.assertIsNone(report.spread([None]))
        self.assertIsNone(report.spread([]))


class Ahead(unittest.TestCase):
    def test_is_above_one_when_pli_is_better_whichever_way_that_is(self):
        self.assertEqual(report.ahead("accepted", 8000, 4000), 2)
        self.assertEqual(report.ahead("one_p50", 200, 400), 2)
        self.assertEqual(report.ahead("one_p50", 400, 200), 0.5)

    def test_is_nothing_where_one_was_not_measured_or_is_zero(self):
        self.assertIsNone(report.ahead("disk", 5000, 0))
        self.assertIsNone(report.ahead("disk", None, 5000))

    def test_every_figure_that_stands_twice_for_pli_is_a_measure(self):
        for measure, same_as in report.PLI_MEASURES_AS.items():
            self.assertIn(measure, report.MEASURES)
            self.assertIn(same_as, report.MEASURES)
            self.assertEqual(report.MEASURES[measure][1:], report.MEASURES[same_as][1:])
        self.assertEqual(report.pli_turn({"accepted": 5})["accepted_verified"], 5)


class Table(unittest.TestCase):
    def test_has_a_row_for_each_measure_with_median_spread_and_ratio(self):
        results = {"pli": turns("accepted", 9000, 8000, 8500), "redis": turns("accepted", 4250, 4250, 4250)}
        self.assertEqual(report.table(results, TITLES, {}),
                         "| measure | Pli | Redis |\n|---|---|---|\n"
                         "| accepted, 16 senders × 64 in flight, /s | 8,500 (8,000–9,000) | 4,250 **×2** |\n")

    def test_tells_a_ratio_by_the_digits_that_count(self):
        self.assertEqual([report.factor(ratio) for ratio in (0.0531, 1.04, 9.94, 10.4, 1234.5)],
                         ["0.053", "1", "9.9", "10", "1,234"])

    def test_says_nothing_where_nothing_was_measured(self):
        results = {"pli": turns("one_p50", 400), "redis": [], "nats": turns("one_p50", 100)}
        self.assertIn("| one in flight, p50, µs | 400 | – | 100 **×0.25** |\n", report.table(results, TITLES, {}))

    def test_adds_up_what_was_lost(self):
        results = {"pli": turns("disk", 1), "nats": turns("disk", 1)}
        crashes = {"pli": [{"lost": 0, "confirmed": 1500}, {"lost": 0, "confirmed": 500}], "nats": [{"lost": 7, "confirmed": 9}]}
        self.assertIn("| acknowledged and lost after kill -9, 2 trial(s) | 0 of 2,000 | 7 of 9 |\n",
                      report.table(results, TITLES, crashes))


class Picture(unittest.TestCase):
    NS = "{http://www.w3.org/2000/svg}"

    def dots(self, results):
        """Centres of the peers' dots below the legend, and their fill."""
        drawing = xml.etree.ElementTree.fromstring(report.picture(results, TITLES, {"nats"}))
        circles = [circle.attrib for circle in drawing.iter(self.NS + "circle")]
        return [(float(each["cx"]), each["fill"]) for each in circles if float(each["cy"]) > 60], drawing

    def test_puts_equals_in_the_middle_and_the_slower_to_the_right(self):
        dots, _ = self.dots({"pli": turns("accepted", 1000), "redis": turns("accepted", 1000)})
        (middle, _), = dots
        dots, _ = self.dots({"pli": turns("accepted", 1000), "redis": turns("accepted", 500)})
        self.assertGreater(dots[0][0], middle)
        dots, _ = self.dots({"pli": turns("one_p50", 1000), "redis": turns("one_p50", 500)})
        self.assertLess(dots[0][0], middle)

    def test_stays_on_the_sheet_however_far_apart_they_are(self):
        dots, drawing = self.dots({"pli": turns("one_p50", 1), "redis": turns("one_p50", 99_000)})
        self.assertLess(dots[0][0], float(drawing.attrib["width"]))

    def test_leaves_the_dot_open_of_one_that_does_not_wait_for_the_disk(self):
        dots, _ = self.dots({"pli": turns("disk", 1), "redis": turns("disk", 2), "nats": turns("disk", 2)})
        self.assertEqual(dots[1][1], "#ffffff")
        self.assertNotEqual(dots[0][1], "#ffffff")

    def test_is_whole_with_nothing_measured(self):
        self.dots({"pli": [], "redis": []})


class Section(unittest.TestCase):
    PAGE = "before\n<!-- peers: begin -->\nold\n<!-- peers: end -->\nafter\n"

    def test_is_replaced_between_its_marks_only(self):
        page = report.with_section(self.PAGE, "peers", "new\n")
        self.assertEqual(page, "before\n<!-- peers: begin -->\nnew\n<!-- peers: end -->\nafter\n")
        self.assertEqual(report.with_section(page, "peers", "new"), page)

    def test_is_refused_without_its_marks(self):
        for page in ("nothing", "<!-- peers: begin -->", self.PAGE.replace("peers", "other")):
            with self.assertRaises(ValueError):
                report.with_section(page, "peers", "new")


class SyncCalls(unittest.TestCase):
    def test_are_added_up_without_the_total(self):
        summary = ("% time     seconds  usecs/call     calls    errors syscall\n"
                   "------ ----------- ----------- --------- --------- ----------------\n"
                   " 99.00    1.000000         998      1002           fdatasync\n"
                   "  1.00    0.010000         990         8         2 fsync\n"
                   "------ ----------- ----------- --------- --------- ----------------\n"
                   "100.00    1.010000        1000      1010         2 total\n")
        self.assertEqual(report.sync_calls(summary), 1010)
        self.assertEqual(report.sync_calls(""), 0)


if __name__ == "__main__":
    unittest.main()
