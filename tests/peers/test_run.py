"""How bench/peers/run.py times programs by turns; made-up programs stand for Heddle and its peers."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/peers"))

import run
import served
import workloads

# Answers as its arguments say: a line of Python for each command.
PROGRAM = """
import json, sys, time
print(json.dumps({"version": "1"}), flush=True) if sys.argv[1] == "peer" else None
opened, ran = sys.argv[2:4]
calls = []
for line in sys.stdin:
    command, *words = line.split()
    if command == "run":
        calls.append(int(words[0]))
    print(json.dumps(eval(opened if command == "open" else ran)), flush=True)
"""
OPENED = '{"n": 64, "bytes": 8.0, "flops": 0.0, "kernels": 1, "sets": 3, "first_call_ms": 5.0, "checked": True, "error": 0.1}'


class WithPrograms(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def system(self, name, opened=OPENED, ran='{"ms": 1.0 + len(calls) / 100}', limit=60):
        kind = "heddle" if name == "heddle" else "peer"
        command = [sys.executable, "-c", PROGRAM, kind, opened, ran]
        system = run.System(name, command, self.folder / f"{name}.log", limit)
        self.addCleanup(system.end)
        return system

    def measure(self, heddle, *peers, skipped={}, warms_up=False):
        entries = run.measure(heddle, peers, "suite", "sum_rows", 0, 3, skipped, warms_up)
        return {entry["system"]: entry for entry in entries}


class Turns(WithPrograms):
    def test_the_median_of_the_rounds_counts_and_warming_up_does_not(self):
        figures = self.measure(self.system("heddle"), self.system("jax"))
        # Three runs to warm up, then those that take 1.04, 1.05 and 1.06 ms.
        for name in ("heddle", "jax"):
            self.assertEqual([figures[name][key] for key in ("min_ms", "median_ms", "max_ms", "runs", "calls")],
                             [1.04, 1.05, 1.06, 3, 20])
            self.assertEqual((figures[name]["workload"], figures[name]["n"], figures[name]["sets"]), ("sum_rows", 64, 3))

    def test_a_gpu_is_warmed_up_before_each_turn_for_as_long_as_a_turn_or_10_ms(self):
        figures = self.measure(self.system("heddle"), warms_up=True)
        # Before each of four turns, the first of which does not count, another run; the two at the start are as ever.
        self.assertEqual([figures["heddle"][key] for key in ("min_ms", "median_ms", "max_ms", "runs")], [1.06, 1.08, 1.1, 3])

    def test_all_make_as_many_calls_unless_they_are_slow(self):
        figures = self.measure(self.system("heddle", ran='{"ms": 0.01}'), self.system("jax", ran='{"ms": 0.05}'),
                               self.system("mlx", ran='{"ms": 250.0}'), self.system("torch", ran='{"ms": 5000.0}'))
        self.assertEqual({name: figure["calls"] for name, figure in figures.items()},
                         {"heddle": 500, "jax": 500, "mlx": 4, "torch": 1})  # 500 at most

    def test_a_peer_without_an_answer_is_ended_and_said_to_be_over_the_limit(self):
        late = self.system("torch.compile", opened="time.sleep(1000)", limit=0.5)
        figures = self.measure(self.system("heddle"), late, self.system("jax"))
        self.assertEqual(figures["torch.compile"]["over"], 0.5)
        self.assertNotIn("median_ms", figures["torch.compile"])
        self.assertEqual(figures["jax"]["runs"], 3)
        self.assertIsNone(late.served)

    def test_a_peer_that_ends_is_failed_with_its_last_words_and_started_again(self):
        broken = self.system("jax", ran='{"ms": 1.0} if len(calls) < 3 else sys.exit("out of memory")')
        heddle = self.system("heddle")
        self.assertEqual(self.measure(heddle, broken)["jax"]["failed"], "out of memory")
        self.assertEqual(broken.ask("open sum_rows 1 /tmp")["n"], 64)

    def test_a_peer_that_says_it_cannot_is_not_run(self):
        figures = self.measure(self.system("heddle"), self.system("drjit", opened='{"unsupported": "has no matmul"}'))
        self.assertEqual(figures["drjit"]["unsupported"], "has no matmul")
        self.assertNotIn("runs", figures["drjit"])

    def test_no_peer_is_asked_for_what_heddle_failed_at(self):
        figures = self.measure(self.system("heddle", opened='sys.exit("no such workload")'), self.system("jax", opened="1 / 0"))
        self.assertEqual(list(figures), ["heddle"])
        self.assertEqual(figures["heddle"]["failed"], "no such workload")

    def test_what_was_late_for_a_trace_is_not_asked_for_longer_ones(self):
        late = [{"system": "jax", "over": 60}, {"system": "mlx", "median_ms": 1.0}, {"system": "heddle", "over": 60}]
        skipped = run.lost_for_longer_traces(late)
        self.assertEqual(skipped, {"jax": {"over": 60}})
        figures = self.measure(self.system("heddle"), self.system("jax", opened="1 / 0"), skipped=skipped)
        self.assertEqual(figures["jax"]["over"], 60)


class Lines(WithPrograms):
    def test_an_answer_may_come_in_pieces(self):
        program = "import sys, time\nfor part in ('{\"a\"', ': 1}\\n{\"b\": 2}\\n'):\n  sys.stdout.write(part)\n  sys.stdout.flush()"
        one = served.Served([sys.executable, "-c", program], self.folder / "log")
        self.addCleanup(one.end)
        self.assertEqual([one.answer(60), one.answer(60)], [{"a": 1}, {"b": 2}])
        with self.assertRaises(served.Ended):
            one.answer(60)


class Names(unittest.TestCase):
    def test_every_workload_of_the_suites_is_defined_for_the_peers(self):
        cases = [case for suite in (*run.SUITES.values(), *run.WORKLOADS.values()) for case in suite or []]
        self.assertGreater(len(cases), 40)
        for name, _ in cases:
            self.assertTrue(callable(workloads.workload(name).run), name)

    def test_inputs_have_the_dtype_that_the_name_ends_with(self):
        self.assertEqual([workloads.dtype_of(name) for name in ("softmax_f16", "gelu_affine_bf16", "sum_rows", "sum_all_f32")],
                         ["f16", "bf16", "f32", "f32"])


class CommandLine(unittest.TestCase):
    def refused(self, *arguments):
        error = io.StringIO()
        before, sys.argv = sys.argv, ["run.py", "--out", "unused", *arguments]
        try:
            with contextlib.redirect_stderr(error), self.assertRaises(SystemExit) as end:
                run.parse()
        finally:
            sys.argv = before
        self.assertEqual(end.exception.code, 2)
        return error.getvalue().splitlines()[-1]

    def test_unknown_words_are_named(self):
        self.assertIn("'bogus': expected torch, torch.compile, jax", self.refused("--peers", "jax,bogus"))
        self.assertIn("'speed': expected workloads, sizes, trace, inputs", self.refused("--suites", "speed"))
        self.assertIn("/none/heddle: is no program", self.refused("--heddle", "/none/heddle"))
        self.assertIn("--rounds", self.refused("--rounds", "0"))


if __name__ == "__main__":
    unittest.main()
