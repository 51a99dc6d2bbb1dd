#!/usr/bin/env python3
"""Times Heddle and its peers by turns in one run, and writes what came out as JSON; report.py makes a table and plots of it.

    bench/peers/run.py --device cpu --out run.json                      on the CPU, sizes scaled down alike for all
    bench/peers/run.py --device gpu --out run.json                      Heddle through Vulkan, the peers through CUDA
    bench/peers/run.py --workloads softmax_f32,sum_rows_f32 --n 4096 ...
    bench/peers/run.py --suites sizes,inputs --peers jax,torch.compile ...

Every system is a process. Heddle makes the inputs and checks its first results against double precision; the peers read the same
inputs from files, and their results are compared with Heddle's (tolerances: workloads.py). Then the systems take turns: a turn is at least
20 calls in a row and one wait, over as many sets of inputs as no cache holds, and its wall time over the calls is one time; the median
of 7 turns counts. Where a call takes long, a turn is as many calls as fit into a second. On a GPU, which another system used just
before, calls that are not timed come first. A peer that has not answered
within --limit seconds is ended and reported as that; one that is not installed is named."""

import argparse
import datetime
import json
import math
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from served import Ended, Late, Served

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ["torch", "torch.compile", "jax", "mlx", "drjit"]

LEAST_CALLS = 20
LEAST_TURN_MS = 7.0  # the clock and the one wait are nothing beside it
MOST_CALLS = 500  # for the sake of systems that are much slower than the fastest
WARM_UP_MS = 10.0  # a GPU changes from one process to another, and raises its clocks
LONGEST_TURN_MS = 1000.0
PAUSE_S = 0.01  # threads of the one before, which may still look for work, go to sleep
START_LIMIT_S = 120

# (name, n); n = 0: the workload's own.
WORKLOADS = {
    "cpu": [("copy_f32", 4096), ("gelu_16m_f32", 0), ("softmax_4096_f32", 0), ("layer_norm_4096_f32", 0),
            ("black_scholes_f32", 8 << 20), ("deep32_f32", 4096), ("sum_rows", 0), ("sum_cols", 0), ("heat2d_f32", 4096)],
    "gpu": [(name, 0) for name in (
        "copy_f32 gelu_affine_f32 gelu_affine_f16 gelu_affine_bf16 black_scholes_f32 sum_all_f32 sum_rows_f32 sum_cols_f32 "
        "var_rows_f32 argmax_rows_f32 softmax_f32 softmax_f16 softmax_small_rows_f32 softmax_long_rows_f32 layernorm_f16 "
        "layernorm_f32 add_rmsnorm_f16 transpose_add_f32 heat2d_f32 pairwise_sum_f32 deep32_f32 launch_bound_50").split()],
}
SUITES = {
    "workloads": None,
    "sizes": [("gelu_16m_f32", 1 << k) for k in range(8, 29, 2)],
    "trace": [(f"chain_{length}", 0) for length in (10, 100, 1000, 10000)],
    "inputs": [(f"inputs_{count}", 0) for count in (1, 2, 4, 8, 16, 32, 64)],
}


def say(text):
    print(text, file=sys.stderr, flush=True)


class System:
    """Heddle or a peer: started when it is needed, and again after it had to be ended."""

    def __init__(self, name, command, log, limit, environment=None, warm_up=None):
        """`warm_up`: a line for which devices and libraries start, so that no first call pays for that."""
        self.name, self.command, self.log, self.limit, self.environment = name, command, log, limit, environment
        self.served, self.facts, self.warm_up = None, {}, warm_up

    def start(self):
        if self.served is None:
            self.served = Served(self.command, self.log, self.environment)
            if self.name != "heddle":
                self.facts = self.served.answer(START_LIMIT_S)
            if self.warm_up and "missing" not in self.facts:
                self.served.ask(self.warm_up, START_LIMIT_S)

    def ask(self, line):
        """The answer, or what stands for it: {"over"} or {"failed"}."""
        try:
            self.start()
            return self.served.ask(line, self.limit)
        except Late:
            self.served = None
            return {"over": self.limit}
        except Ended as error:
            self.served.end()
            self.served = None
            return {"failed": str(error)}

    def end(self):
        if self.served is not None:
            self.served.end()
            self.served = None


def calls_of_a_turn(first_ms, fastest_ms):
    """Alike for all but those that are slow."""
    wanted = max(LEAST_CALLS, min(MOST_CALLS, math.ceil(LEAST_TURN_MS / fastest_ms)))
    return wanted if first_ms * wanted <= LONGEST_TURN_MS else max(1, int(LONGEST_TURN_MS / first_ms))


def warmed_up(system):
    """The answer to some calls: to one, if that takes long."""
    answer = system.ask("run 1")
    return system.ask(f"run {LEAST_CALLS}") if answer.get("ms", math.inf) * LEAST_CALLS < LONGEST_TURN_MS else answer


def take_turns(systems, rounds, warms_up=False):
    """{name: {"median_ms", ...}} of systems in which a workload is open."""
    results = {system.name: warmed_up(system) for system in systems}
    running = [system for system in systems if "ms" in results[system.name]]
    fastest = min((results[system.name]["ms"] for system in running), default=0)
    calls = {system.name: calls_of_a_turn(results[system.name]["ms"], fastest) for system in running}
    times = {system.name: [] for system in running}
    for number in range(-1, rounds):  # one more to warm up
        # In another order each time: who comes behind the same one always would bear what that one's threads still do.
        for system in random.Random(number).sample(running, len(running)):
            if "ms" not in results[system.name]:
                continue
            time.sleep(PAUSE_S)
            if warms_up:
                system.ask(f"run {max(1, min(calls[system.name], math.ceil(WARM_UP_MS / results[system.name]['ms'])))}")
            results[system.name] = system.ask(f"run {calls[system.name]}")
            if number >= 0 and "ms" in results[system.name]:
                times[system.name].append(results[system.name]["ms"])
    for system in running:
        if "ms" in results[system.name]:
            mine = times[system.name]
            results[system.name] = {"median_ms": statistics.median(mine), "min_ms": min(mine), "max_ms": max(mine),
                                    "runs": len(mine), "calls": calls[system.name]}
    return results


def open_all(heddle, peers, name, size, folder, skipped):
    """Answers of all to `open`."""
    answers = {"heddle": heddle.ask(f"open {name} {size} {folder}")}
    for peer in peers if "n" in answers["heddle"] else []:
        answers[peer.name] = skipped.get(peer.name) or peer.ask(f"open {name} {answers['heddle']['sets']} {folder}")
    return answers


def measure(heddle, peers, suite, name, size, rounds, skipped, warms_up=False):
    """Figures of one workload, one entry a system."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="heddle-peers-"))
    try:
        answers = open_all(heddle, peers, name, size, folder, skipped)
    finally:
        shutil.rmtree(folder)
    opened = [system for system in [heddle, *peers] if "first_call_ms" in answers.get(system.name, {})]
    times = take_turns(opened, rounds, warms_up)
    facts = {key: answers["heddle"].get(key) for key in ("n", "bytes", "flops", "kernels", "sets")}
    return [{"suite": suite, "workload": name, **facts, "system": system,
             **{key: answer[key] for key in ("first_call_ms", "error", "over", "failed", "unsupported") if key in answer},
             **times.get(system, {})} for system, answer in answers.items()]


def lost_for_longer_traces(entries):
    """What a system is not asked again for a longer trace."""
    return {entry["system"]: {"over": entry["over"]} for entry in entries if "over" in entry and entry["system"] != "heddle"}


def describe(entry):
    for key, text in (("over", "over {} s"), ("unsupported", "{}"), ("failed", "failed: {}")):
        if key in entry:
            return f"{entry['system']} {text.format(entry[key])}"
    wrong = "" if entry["error"] <= 1 else " WRONG"
    return f"{entry['system']} {entry['median_ms']:.4g} ms{wrong}"


def run(options, heddle, peers, report):
    """Adds the figures of all cases to the report, which is written after each."""
    cases = [(suite, name, size) for suite in options.suites for name, size in options.cases[suite]]
    skipped = {}
    for number, (suite, name, size) in enumerate(cases, 1):
        entries = measure(heddle, peers, suite, name, size, options.rounds, skipped if suite == "trace" else {},
                          warms_up=options.device == "gpu")
        if suite == "trace":
            skipped.update(lost_for_longer_traces(entries))
        report["figures"] += entries
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        seconds = time.monotonic() - options.start
        size_text = f" n = {entries[0]['n']}" if entries[0]["n"] else ""
        say(f"[{number} of {len(cases)}, {seconds:.0f} s] {name}{size_text}: {'; '.join(map(describe, entries))}")


def start_peers(options, folder, warm_up):
    """(peers that can be used, {name: facts of each})."""
    here, facts = [], {}
    for name in options.peers:
        command = [sys.executable, str(HERE / "peer.py"), name, options.device, str(options.threads)]
        system = System(name, command, folder / f"{name}.log", options.limit, warm_up=warm_up)
        try:
            system.start()
            facts[name] = system.facts
        except (Ended, Late) as error:
            facts[name] = {"missing": str(error) or f"did not start within {START_LIMIT_S} s"}
        if "missing" in facts[name]:
            say(f"{name} is not compared: {facts[name]['missing']}")
            system.end()
        else:
            here.append(system)
    return here, facts


def device_text(options):
    """What the figures were taken on: the processor, or what the Vulkan driver calls itself."""
    if options.device == "gpu":
        listed = subprocess.run([options.heddle, "devices"], capture_output=True, text=True, check=True).stdout
        return next((" ".join(line.split()[1:]) for line in listed.splitlines() if line.startswith("vulkan")), "")
    models = [line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")]
    return f"{models[0] if models else 'CPU'}, {options.threads} threads"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--heddle", default=str(HERE.parent.parent / "build/release/bin/heddle"), help="the program")
    parser.add_argument("--suites", default=",".join(SUITES), help=f"of {','.join(SUITES)}")
    parser.add_argument("--workloads", help="names, in place of the suites; `heddle bench --list` has them")
    parser.add_argument("--n", type=int, default=0, help="with --workloads: the size of all")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {','.join(PEERS)}")
    parser.add_argument("--most", type=int, default=1 << 28, help="largest n of the suite sizes")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every system")
    parser.add_argument("--limit", type=float, default=60, help="seconds that a system may take for one answer")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the JSON file")
    options = parser.parse_args()
    for given, known in ((options.suites, SUITES), (options.peers, PEERS)):
        for word in given.split(","):
            if word and word not in known:
                parser.error(f"'{word}': expected {', '.join(known)}")
    if options.n < 0 or options.rounds < 1 or options.limit <= 0 or options.threads < 1:
        parser.error("--rounds and --threads are at least 1, --n at least 0, --limit more than 0")
    if not shutil.which(options.heddle):
        parser.error(f"{options.heddle}: is no program; --heddle says where it is")
    options.peers = [peer for peer in options.peers.split(",") if peer]
    options.suites = [suite for suite in SUITES if suite in options.suites.split(",")]
    options.cases = {**SUITES, "workloads": WORKLOADS[options.device]}
    options.cases["sizes"] = [case for case in SUITES["sizes"] if case[1] <= options.most]
    if options.workloads:
        options.suites = ["workloads"]
        sizes = dict(WORKLOADS[options.device])
        options.cases["workloads"] = [(name, options.n or sizes.get(name, 0)) for name in options.workloads.split(",")]
    return options


def compare(options, folder):
    """Starts all systems, which leave what they say in the folder, and gives what is written."""
    device = "vulkan" if options.device == "gpu" else "cpu"
    environment = {**os.environ, "HEDDLE_CACHE": "off", "HEDDLE_CPU_THREADS": str(options.threads)}
    heddle = System("heddle", [options.heddle, "bench", "--serve", "--device", device], folder / "heddle.log",
                    max(options.limit, START_LIMIT_S), environment, warm_up="open inputs_1")
    small = folder / "small"
    small.mkdir()
    if "n" not in (first := heddle.ask(f"open inputs_1 0 {small}")):
        sys.exit(f"run.py: heddle failed: {first.get('failed', 'no answer')}")
    peers, facts = start_peers(options, folder, f"open inputs_1 1 {small}")
    version = subprocess.run([options.heddle, "--version"], capture_output=True, text=True, check=True).stdout.split()
    report = {"device": options.device, "machine": device_text(options), "threads": options.threads,
              "date": datetime.date.today().isoformat(), "rounds": options.rounds, "limit_s": options.limit,
              "systems": {"heddle": {"version": version[-1]}, **facts}, "figures": []}
    try:
        run(options, heddle, peers, report)
    finally:
        for system in [heddle, *peers]:
            system.end()
    return report


def main():
    options = parse()
    options.start = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    # All systems get the same cores, whatever they make of them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    with tempfile.TemporaryDirectory(prefix="heddle-peers-") as folder:
        report = compare(options, pathlib.Path(folder))
    wrong = [entry for entry in report["figures"] if entry.get("error", 0) > 1]
    for entry in wrong:
        say(f"{entry['workload']}: {entry['system']} differs by {entry['error']:.3g} times what is allowed")
    failed = [entry for entry in report["figures"] if entry["system"] == "heddle" and "failed" in entry]
    for entry in failed:
        say(f"{entry['workload']}: heddle failed: {entry['failed']}")
    sys.exit(1 if wrong or failed else 0)


if __name__ == "__main__":
    main()
