#!/usr/bin/env python3
"""Turns what run.py wrote into a Markdown text with tables, and plots.

    bench/peers/report.py run.json                                      the text, on stdout
    bench/peers/report.py first.json second.json                        of both; a case that is in both is the second's
    bench/peers/report.py run.json --plots FOLDER --name cpu            also FOLDER/cpu-bandwidth.svg and .png, cpu-sizes, -trace, -inputs
    bench/peers/report.py run.json --into docs/benchmarks.md --name cpu the text goes between the lines `<!-- figures: cpu -->` and
                                                                        `<!-- end of figures: cpu -->`, the plots into figures/ beside it

PNG is made by `rsvg-convert` (Debian: librsvg2-bin); --no-png leaves it out. Exit code 2 and one line for a file that is no such run."""

import argparse
import json
import math
import pathlib
import shutil
import subprocess
import sys

import charts

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class BadInput(Exception):
    """One line that says where and why."""


def load(path):
    try:
        run = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}:{error.lineno}: {error.msg}") from None
    if not isinstance(run, dict) or not all(key in run for key in ("machine", "date", "systems", "figures", "rounds", "limit_s")):
        raise BadInput(f"{path}: is not what bench/peers/run.py writes")
    for number, entry in enumerate(run["figures"], 1):
        missing = {"suite", "workload", "system", "n"} - set(entry) if isinstance(entry, dict) else {"everything"}
        if missing:
            raise BadInput(f"{path}: figure {number} has no {', '.join(sorted(missing))}")
    if not run["figures"]:
        raise BadInput(f"{path}: has no figures")
    return run


def case_of(entry):
    return entry["suite"], entry["workload"], entry["n"]


def load_all(paths):
    """Runs of one machine with the same versions as one run."""
    first, *others = map(load, paths)
    for path, other in zip(paths[1:], others):
        for key in ("machine", "systems"):
            if other[key] != first[key]:
                raise BadInput(f"{path}: \"{key}\" is another than in {paths[0]}: {other[key]}, not {first[key]}")
        again = {case_of(entry) for entry in other["figures"]}
        first["figures"] = [entry for entry in first["figures"] if case_of(entry) not in again] + other["figures"]
    return first


def is_right(entry):
    return "median_ms" in entry and entry["error"] <= 1


def by_case(run, suite):
    """{(workload, n): {system: entry}} in the order they ran."""
    cases = {}
    for entry in run["figures"]:
        if entry["suite"] == suite:
            cases.setdefault((entry["workload"], entry["n"]), {})[entry["system"]] = entry
    return cases


def time_text(milliseconds):
    """Three digits, in the unit that reads best."""
    for unit, size in (("s", 1e3), ("ms", 1.0), ("µs", 1e-3)):
        if milliseconds >= size * 0.9995:
            return f"{digits(milliseconds / size)} {unit}"
    return f"{digits(milliseconds * 1e6)} ns"


def digits(value):
    """Three that count, without an exponent."""
    value = float(f"{value:.3g}")
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def tick_time(milliseconds):
    return time_text(milliseconds).replace(".00", "").replace(".0 ", " ")


def size_text(n):
    exponent = n.bit_length() - 1
    return "2" + str(exponent).translate(SUPERSCRIPTS) if n == 1 << exponent and n >= 256 else str(n)


def bandwidth(entry):
    """GB/s."""
    return entry["bytes"] / entry["median_ms"] * 1e-6


def speed_text(value):
    return f"{value:,.0f}" if value >= 100 else digits(value)


def copy_limit(run):
    """The best bandwidth that any system copied with, in GB/s, or None."""
    return max((bandwidth(entry) for entry in run["figures"] if entry["workload"] == "copy_f32" and is_right(entry)), default=None)


def best_peer(entries):
    """(system, median) of the fastest that is right, or None."""
    return min(((name, entry["median_ms"]) for name, entry in entries.items() if name != "heddle" and is_right(entry)),
               key=lambda pair: pair[1], default=None)


def ratio_of(entries):
    """Heddle's time over the best peer's, or None."""
    best = best_peer(entries)
    return entries["heddle"]["median_ms"] / best[1] if best and is_right(entries.get("heddle", {})) else None


def cell(entry, field="median_ms"):
    if entry is None or "unsupported" in entry:
        return "–"
    if "over" in entry:
        return f"over {entry['over']:g} s"
    if "failed" in entry or field not in entry:
        return "failed"
    return time_text(entry[field]) + ("" if entry["error"] <= 1 else " (wrong)")


def table(header, rows):
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *rows])


def systems_of(run):
    return charts.systems_in({entry["system"] for entry in run["figures"]})


def workload_table(run):
    systems, limit, rows = systems_of(run), copy_limit(run), []
    for (name, n), entries in by_case(run, "workloads").items():
        heddle, ratio, best = entries.get("heddle", {}), ratio_of(entries), best_peer(entries)
        is_memory_bound = is_right(heddle) and heddle["bytes"] and not heddle["flops"]
        speed = bandwidth(heddle) if is_memory_bound else None
        over = "" if ratio is None else f"{ratio:.2f}" if ratio <= 1 else f"**{ratio:.2f}**"
        rows.append([f"`{name}`", size_text(n), *(cell(entries.get(system)) for system in systems),
                     f"{over} of {charts.TITLES[best[0]]}" if over else "", speed_text(speed) if speed else "",
                     f"{speed / limit:.2f}" if speed and limit else ""])
    header = ["workload", "n", *(charts.TITLES[system] for system in systems), "Heddle over the best peer", "GB/s", "of copy"]
    return table(header, rows)


def summary(run):
    cases = by_case(run, "workloads")
    ratios = [ratio for entries in cases.values() if (ratio := ratio_of(entries)) is not None]
    if not ratios:
        return ""
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    slower = sum(ratio > 1 for ratio in ratios)
    return (f"Geometric mean of Heddle's time over the best peer's: {mean:.2f}, over {len(ratios)} workloads; "
            f"the peer is faster in {slower}.")


def suite_table(run, suite, first, x_of, field):
    systems = charts.systems_in({entry["system"] for entry in run["figures"] if entry["suite"] == suite})
    rows = [[x_of(entries), *(cell(entries.get(system), field) for system in systems)] for entries in by_case(run, suite).values()]
    return table([first, *(charts.TITLES[system] for system in systems)], rows)


def number_in(name):
    return int(name.rsplit("_", 1)[1])


def any_of(entries):
    return next(iter(entries.values()))


def places(run, suite, x_of, y_of, field):
    """{system: Curve} of a suite."""
    result = {}
    for entries in by_case(run, suite).values():
        for system, entry in entries.items():
            curve = result.setdefault(system, charts.Curve([], []))
            if "over" in entry:
                curve.above.append((x_of(entry), entry["over"] * 1e3))
            elif field in entry and entry["error"] <= 1:
                curve.points.append((x_of(entry), y_of(entry)))
    return {system: curve for system, curve in result.items() if curve.points or curve.above}


def machine_line(run):
    versions = ", ".join(f"{charts.TITLES[name]} {facts['version']}" for name, facts in run["systems"].items()
                         if name != "heddle" and "version" in facts)
    missing = ", ".join(charts.TITLES[name] for name, facts in run["systems"].items() if "missing" in facts)
    return "; ".join(filter(None, [versions, missing and f"not there: {missing}"]))


def bandwidth_chart(run):
    rows = []
    for (name, _), entries in by_case(run, "workloads").items():
        first = any_of(entries)
        if first.get("bytes") and not first["flops"]:
            rows.append((name, {system: bandwidth(entry) for system, entry in entries.items() if is_right(entry)}))
    rows = [row for row in rows if row[1]]
    limit = copy_limit(run)
    return rows and charts.dots_by_row("Bandwidth by workload", f"{run['machine']}; each input read and each result written once",
                                       rows, "GB/s", limit and (f"copy: {speed_text(limit)} GB/s", limit))


def curve_charts(run):
    """{name of the plot: SVG text}, of the suites that were run."""
    machine, result = run["machine"], {}
    sizes = places(run, "sizes", lambda entry: entry["n"], bandwidth, "median_ms")
    if sizes:
        result["sizes"] = charts.curves("Throughput by size: GELU of n floats", machine, sizes, "elements", "GB/s", size_text,
                                        lambda y: f"{y:,.6g}")
    trace = places(run, "trace", lambda entry: number_in(entry["workload"]), lambda entry: entry["first_call_ms"], "first_call_ms")
    if trace:
        result["trace"] = charts.curves("First call by length of the trace: trace, compile, run", machine, trace,
                                        "additions in the function", "first call, nothing cached", lambda x: f"{x:,}", tick_time,
                                        f"ended after {run['limit_s']:g} s")
    inputs = places(run, "inputs", lambda entry: number_in(entry["workload"]), lambda entry: entry["median_ms"], "median_ms")
    if inputs:
        result["inputs"] = charts.curves("Cached call by number of inputs, 16 floats each", machine, inputs, "inputs",
                                         "time of a call", str, tick_time)
    return result


def plots(run):
    result = curve_charts(run)
    bandwidths = bandwidth_chart(run)
    return {"bandwidth": bandwidths, **result} if bandwidths else result


PLOT_TITLES = {"bandwidth": "Bandwidth by workload, beside the peers and the copy limit", "sizes": "Throughput by size",
               "trace": "First call by length of the trace", "inputs": "Cached call by number of inputs"}


def markdown(run, pictures=None):
    """`pictures`: {name of a plot: path of its SVG}."""
    parts = [" ".join(f"{text}." for text in (f"{run['machine']}, {run['date']}", machine_line(run)) if text)]

    def picture(name):
        if name in (pictures or {}):
            parts.append(f"![{PLOT_TITLES[name]}]({pictures[name]})")

    if by_case(run, "workloads"):
        parts += [workload_table(run), summary(run)]
        picture("bandwidth")
    if by_case(run, "sizes"):
        parts.append("GELU of n floats, a call:")
        parts.append(suite_table(run, "sizes", "n", lambda entries: size_text(any_of(entries)["n"]), "median_ms"))
        picture("sizes")
    for suite, intro, first, field in (
            ("trace", "First call of a chain of additions, nothing cached:", "additions", "first_call_ms"),
            ("inputs", "Cached call, `tanh` of the sum of arrays of 16 floats:", "inputs", "median_ms")):
        if by_case(run, suite):
            parts += [intro, suite_table(run, suite, first, lambda entries: f"{number_in(any_of(entries)['workload']):,}", field)]
            picture(suite)
    return "\n\n".join(part for part in parts if part) + "\n"


def write_plots(charts_by_name, folder, name, with_png):
    """{name of the plot: file name of the SVG}."""
    if with_png and not shutil.which("rsvg-convert"):
        raise BadInput("rsvg-convert is missing (Debian: librsvg2-bin); --no-png does without PNG")
    folder.mkdir(parents=True, exist_ok=True)
    for plot, text in charts_by_name.items():
        svg = folder / f"{name}-{plot}.svg"
        svg.write_text(text, encoding="utf-8")
        if with_png:
            subprocess.run(["rsvg-convert", "--zoom", "1.25", "--output", str(svg.with_suffix(".png")), str(svg)], check=True)
    return {plot: f"{name}-{plot}.svg" for plot in charts_by_name}


def put_into(document, name, text):
    """Between the lines that name the figures."""
    try:
        old = document.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{document}: {error.strerror}") from None
    begin, end = f"<!-- figures: {name} -->\n", f"<!-- end of figures: {name} -->\n"
    if begin not in old or end not in old:
        raise BadInput(f"{document}: has no lines {begin.strip()} and {end.strip()}")
    before, rest = old.split(begin, 1)
    document.write_text(before + begin + "\n" + text + "\n" + end + rest.split(end, 1)[1], encoding="utf-8")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="+", help="what run.py wrote")
    parser.add_argument("--plots", type=pathlib.Path, metavar="FOLDER", help="writes the plots there")
    parser.add_argument("--into", type=pathlib.Path, metavar="FILE.md", help="puts the text there, the plots into figures/ beside it")
    parser.add_argument("--name", default="run", help="of the figures: plots' file names begin with it")
    parser.add_argument("--no-png", action="store_true", help="SVG only")
    options = parser.parse_args(arguments)
    try:
        run = load_all(options.run)
        folder = options.plots or (options.into and options.into.parent / "figures")
        names = write_plots(plots(run), folder, options.name, not options.no_png) if folder else {}
        pictures = {plot: f"figures/{file}" if options.into else str(folder / file) for plot, file in names.items()}
        if options.into:
            put_into(options.into, options.name, markdown(run, pictures))
        else:
            print(markdown(run, pictures), end="")
    except BadInput as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
