#!/usr/bin/env python3
"""Turns the lines of `heddle bench NAME... --json` on standard input into a Markdown table.

usage: heddle bench gelu_16m_f32 softmax_4096_f32 --json | scripts/bench-table.py
"""
import json
import sys


def amount(milliseconds):
    """Milliseconds, in the unit that reads best."""
    if milliseconds < 0.001:
        return f"{milliseconds * 1e6:.0f} ns"
    return f"{milliseconds * 1e3:.1f} us" if milliseconds < 0.1 else f"{milliseconds:.2f} ms"


def row(line):
    bandwidth = f"{line['bytes'] / line['median_ms'] * 1e-6:.1f}" if line["bytes"] else ""
    loads = f"{line['loaded_bytes'] / line['bytes']:.2f}" if line["bytes"] and line["loaded_bytes"] else ""
    reference = f"{line['reference']}: {line['ratio']:.2f}" if "reference" in line else ""
    cells = [f"`{line['name']}`", line["device"], amount(line["median_ms"]), amount(line["min_ms"]), bandwidth,
             str(line["kernels"] or ""), loads, reference]
    return "| " + " | ".join(cells) + " |"


def main():
    lines = []
    for number, text in enumerate(sys.stdin, 1):
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            sys.exit(f"bench-table.py: line {number} is no JSON object; was --json given?")
    if not lines:
        sys.exit("bench-table.py: no lines; give it the output of heddle bench NAME... --json")
    print("| workload | device | median | fastest | GB/s | kernels | bytes loaded / moved | time over |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for line in lines:
        print(row(line))


if __name__ == "__main__":
    main()
