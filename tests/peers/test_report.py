"""What bench/peers/report.py makes of a run."""

import contextlib
import io
import json
import pathlib
import re
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/peers"))

import canned
import charts
import report


def reply(*arguments):
    """(exit code, stdout, stderr) of report.py."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = report.main([str(argument) for argument in arguments])
    return code, out.getvalue(), error.getvalue()


class Tables(unittest.TestCase):
    def row(self, name):
        lines = report.markdown(canned.run()).splitlines()
        return next(line for line in lines if line.startswith(f"| `{name}`"))

    def test_a_row_sets_heddle_beside_the_best_peer_and_the_copy_limit(self):
        self.assertEqual(self.row("copy_f32"),
                         "| `copy_f32` | 2¹⁰ | 100 µs | 80.0 µs | – | – | **1.25** of torch eager | 83.9 | 0.80 |")

    def test_a_wrong_result_is_named_and_wins_nothing(self):
        self.assertEqual(self.row("softmax_f32"), "| `softmax_f32` | 2¹⁰ | 200 µs | 800 µs | over 60 s | 50.0 µs (wrong) | "
                                                  "0.25 of torch eager | 41.9 | 0.40 |")

    def test_what_a_peer_cannot_do_and_what_failed_are_told_apart(self):
        self.assertEqual(self.row("launch_bound_50"), "| `launch_bound_50` | 64 | 500 µs | – | – | failed |  |  |  |")

    def test_the_summary_is_the_geometric_mean(self):
        self.assertIn("0.56, over 2 workloads; the peer is faster in 1.", report.markdown(canned.run()))

    def test_missing_peers_are_named(self):
        self.assertIn("torch eager 2.0, torch.compile 2.0, JAX 0.9; not there: MLX.", report.markdown(canned.run()))

    def test_suites_that_were_not_run_leave_no_trace(self):
        run = canned.run()
        run["figures"] = [figure for figure in run["figures"] if figure["suite"] == "inputs"]
        text = report.markdown(run)
        self.assertIn("| 64 | 32.0 µs | 640 µs |", text)
        self.assertNotIn("additions", text)
        self.assertNotIn("workload", text)

    def test_times_have_three_digits_and_a_unit_that_reads_well(self):
        self.assertEqual([report.time_text(ms) for ms in (0.000373, 0.01, 0.9996, 12.34, 999.7, 412000)],
                         ["373 ns", "10.0 µs", "1.00 ms", "12.3 ms", "1.00 s", "412 s"])


class Plots(unittest.TestCase):
    def setUp(self):
        self.plots = report.plots(canned.run())

    def elements(self, plot, tag):
        return list(xml.fromstring(self.plots[plot]).iter("{http://www.w3.org/2000/svg}" + tag))

    def texts(self, plot):
        return [element.text for element in self.elements(plot, "text")]

    def test_there_is_one_for_each_question(self):
        self.assertEqual(sorted(self.plots), ["bandwidth", "inputs", "sizes", "trace"])

    def test_bandwidth_shows_what_is_bound_by_memory_and_right(self):
        texts = self.texts("bandwidth")
        self.assertIn("softmax_f32", texts)
        self.assertNotIn("launch_bound_50", texts)
        self.assertIn("copy: 105 GB/s", texts)
        # Four values, and the legend's two: the wrong JAX and the late torch.compile have none.
        self.assertEqual(len(self.elements("bandwidth", "circle")), 4 + 2)

    def test_a_faster_system_lies_further_right(self):
        dots = [(dot.get("fill"), float(dot.get("cx"))) for dot in self.elements("bandwidth", "circle")][2:4]
        places = dict(dots)
        self.assertLess(places[charts.COLOURS["heddle"]], places[charts.COLOURS["torch"]])

    def test_what_was_ended_is_a_hollow_triangle_with_a_note(self):
        self.assertIn("ended after 60 s", self.texts("trace"))
        self.assertEqual(len(self.elements("trace", "path")), 2)
        self.assertNotIn("ended after 60 s", self.texts("inputs"))

    def test_sizes_are_ticked_as_powers_of_two_and_curves_fall_on_straight_lines(self):
        self.assertTrue({"2⁸", "2¹⁰", "2¹²"} <= set(self.texts("sizes")))
        line = self.elements("sizes", "polyline")[-1]  # Heddle's, on top
        self.assertEqual(line.get("stroke"), charts.COLOURS["heddle"])
        points = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
        self.assertEqual(points, sorted(points))
        self.assertAlmostEqual(points[1][0] - points[0][0], points[2][0] - points[1][0], delta=0.2)

    def test_all_lies_inside_and_no_two_texts_overlap(self):
        for plot in self.plots:
            width, height = map(float, xml.fromstring(self.plots[plot]).get("viewBox").split()[2:])
            boxes = []
            for text in self.elements(plot, "text"):
                size, wide = float(text.get("font-size")), charts.width_of(text.text, float(text.get("font-size")))
                left = float(text.get("x")) - {"start": 0, "middle": wide / 2, "end": wide}[text.get("text-anchor")]
                boxes.append((left, float(text.get("y")) - 0.75 * size, left + wide, float(text.get("y")) + 0.2 * size, text.text))
            for number, box in enumerate(boxes):
                self.assertTrue(box[0] >= 0 and box[2] <= width and box[3] <= height, (plot, box))
                for other in boxes[:number]:
                    apart = box[2] < other[0] or other[2] < box[0] or box[3] < other[1] or other[3] < box[1]
                    self.assertTrue(apart, (plot, box, other))

    def test_text_is_escaped(self):
        run = canned.run()
        run["machine"] = "a < b & c"
        xml.fromstring(report.plots(run)["sizes"])

    def test_ticks_cover_the_values(self):
        self.assertEqual(charts.round_steps(4170), [0, 1000, 2000, 3000, 4000, 5000])
        self.assertEqual(charts.decades(0.02, 3), [0.01, 0.1, 1, 10])
        self.assertEqual(charts.decades(1, 1), [1, 10])


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / "run.json"
        self.file.write_text(json.dumps(canned.run()), encoding="utf-8")

    def test_the_text_goes_between_its_marks_again_and_again(self):
        document = self.folder / "doc.md"
        document.write_text("before\n<!-- figures: cpu -->\nold\n<!-- end of figures: cpu -->\nafter\n", encoding="utf-8")
        for _ in range(2):
            self.assertEqual(reply(self.file, "--into", document, "--name", "cpu", "--no-png"), (0, "", ""))
            text = document.read_text(encoding="utf-8")
            self.assertTrue(re.fullmatch(r"before\n.*`softmax_f32`.*after\n", text, re.DOTALL))
            self.assertNotIn("old", text)
            self.assertEqual(text.count("](figures/cpu-"), 4)
        self.assertTrue((self.folder / "figures/cpu-trace.svg").is_file())

    def test_bad_files_are_one_line_and_code_2(self):
        bad = self.folder / "bad.json"
        cases = [("{", f"{bad}:1: "), ("[]", f"{bad}: is not what bench/peers/run.py writes"),
                 (json.dumps(canned.run() | {"figures": []}), f"{bad}: has no figures"),
                 (json.dumps(canned.run() | {"figures": [{"suite": "sizes", "n": 1}]}), f"{bad}: figure 1 has no system, workload")]
        for text, message in cases:
            bad.write_text(text, encoding="utf-8")
            code, out, error = reply(bad)
            self.assertEqual((code, out, error.count("\n")), (2, "", 1))
            self.assertIn(message, error)
        self.assertEqual(reply(self.folder / "none")[2], f"report.py: {self.folder / 'none'}: No such file or directory\n")

    def test_runs_of_one_machine_are_put_together_and_others_are_not(self):
        other = self.folder / "other.json"
        slower = [canned.entry("workloads", "copy_f32", 1024, "heddle", 0.4), canned.entry("workloads", "sum_rows", 512, "heddle", 0.1)]
        other.write_text(json.dumps(canned.run() | {"figures": slower, "rounds": 99}), encoding="utf-8")
        _, text, _ = reply(self.file, other)
        self.assertIn("| `copy_f32` | 2¹⁰ | 400 µs | – |", text)
        self.assertIn("| `sum_rows` | 2⁹ | 100 µs |", text)
        self.assertIn("| `softmax_f32` |", text)
        other.write_text(json.dumps(canned.run() | {"machine": "another"}), encoding="utf-8")
        code, _, error = reply(self.file, other)
        self.assertEqual(code, 2)
        self.assertIn(f'{other}: "machine" is another than in {self.file}: another, not A processor, 2 threads', error)

    def test_a_document_without_the_marks_is_named(self):
        document = self.folder / "doc.md"
        document.write_text("nothing\n", encoding="utf-8")
        code, _, error = reply(self.file, "--into", document, "--name", "cpu", "--no-png")
        self.assertEqual(code, 2)
        self.assertIn("has no lines <!-- figures: cpu -->", error)


if __name__ == "__main__":
    unittest.main()
