"""One system in a process of its own, timed by run.py in turns with others: `peer.py SYSTEM cpu|gpu THREADS`.

The first line on stdout is {"version"} or {"missing": why}; then it answers lines as `heddle bench --serve` does:

    open NAME SETS FOLDER    inputs from FOLDER/input_0.npy... in SETS copies; a first call, compared with FOLDER/output_0.npy...:
                             {"first_call_ms", "error": largest difference over the allowed} or {"unsupported": why}
    run CALLS                {"ms": of one call}

An error is answered by {"failed": why}."""

import gc
import json
import os
import sys
import time

import systems
import workloads

MOST_COMPARED = 1 << 20


def arrays(folder, kind):
    import numpy
    count = len([name for name in os.listdir(folder) if name.startswith(kind)])
    return [numpy.load(os.path.join(folder, f"{kind}_{k}.npy")) for k in range(count)]


def difference(workload, got, wanted, first_input):
    """The largest difference over what is allowed, of elements evenly spread."""
    import numpy
    if got.shape != wanted.shape:
        return float("inf")
    if workload.picks:  # two equal elements may both be the largest
        rows = numpy.arange(len(wanted))
        return 0.0 if numpy.array_equal(first_input[rows, got], first_input[rows, wanted]) else float("inf")
    step = max(1, wanted.size // MOST_COMPARED)
    got, wanted = (array.reshape(-1)[::step].astype("f8") for array in (got, wanted))
    allowed = workload.tolerance * (numpy.abs(wanted) + numpy.sqrt(numpy.mean(wanted * wanted)))
    # 0 over 0 where both are 0.
    worst = numpy.max(numpy.abs(got - wanted) / numpy.maximum(allowed, 1e-30))
    return float(worst) if numpy.isfinite(worst) else float("inf")


class Peer:
    def __init__(self, system):
        self.system = system
        self.function, self.sets = None, []

    def open(self, name, sets, folder):
        self.function, self.sets = None, []
        gc.collect()
        self.system.forget()
        workload, dtype = workloads.workload(name), workloads.dtype_of(name)
        lacking = self.system.lacks.intersection({*workload.needs, dtype})
        if lacking:
            return {"unsupported": f"has no {', '.join(sorted(lacking))}"}
        inputs = arrays(folder, "input")
        self.sets = [[self.system.upload(array, dtype) for array in inputs] for _ in range(int(sets))]
        self.system.wait(self.sets)
        self.function = self.system.compiled(workload.run)
        start = time.perf_counter()
        results = self.system.call(self.function, self.sets[0])
        self.system.wait(results)
        first_call = time.perf_counter() - start
        pairs = zip(results, arrays(folder, "output"), strict=True)
        error = max(difference(workload, self.system.to_numpy(got), wanted, inputs[0]) for got, wanted in pairs)
        return {"first_call_ms": first_call * 1e3, "error": error}

    def run(self, calls):
        system, function, sets, calls = self.system, self.function, self.sets, int(calls)
        start = time.perf_counter()
        for k in range(calls):
            results = system.call(function, sets[k % len(sets)])
        system.wait(results)
        return {"ms": (time.perf_counter() - start) / calls * 1e3}

    def answer(self, line):
        command, *words = line.split()
        return {"open": self.open, "run": self.run}[command](*words)


def main(name, device, threads):
    # Answers go to stdout as it was; whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        system = systems.SYSTEMS[name](device, int(threads))
    except Exception as error:  # of many kinds, and each means the same here
        print(json.dumps({"missing": f"{type(error).__name__}: {error}".splitlines()[0]}), file=answers)
        return
    print(json.dumps({"version": system.version}), file=answers)
    peer = Peer(system)
    for line in sys.stdin:
        try:
            reply = peer.answer(line)
        except Exception as error:
            reply = {"failed": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        print(json.dumps(reply), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
