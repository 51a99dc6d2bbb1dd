#!/usr/bin/env python3
"""Random programs over integer arrays, which every device has to compute exactly as the interpreter does.

    programs.py HEDDLE [--seeds FIRST:LAST]     runs the programs of each seed with `heddle run`; exit status 1 if one differs
    programs.py --print SEED                    the .hir text of a seed, for `heddle run` and `heddle compile`

A program is a chain of steps that keep the shape: elementwise ops, flips, reductions along either axis that are broadcast back, products with a
matrix, gathers, padded slices, transposes and conditions. A third of them have a symbolic size, and run at several, 0 among them."""

import argparse
import random
import subprocess
import sys

PROGRAMS = 12  # of a seed


class Program:
    def __init__(self, name, rng):
        self.name = name
        self.rng = rng
        self.lead = [rng.choice([2, 3])] if rng.random() < 0.3 else []  # a batch axis
        self.rows = rng.choice([1, 2, 3, 5, 8, 17, 33, 64, 100])
        self.columns = rng.choice([1, 2, 4, 7, 16, 31, 50, 128, 300])
        self.symbolic = rng.random() < 0.3
        self.row_axis, self.column_axis = len(self.lead), len(self.lead) + 1
        self.axes = list(range(len(self.lead) + 2))
        self.lines = []
        self.values = ["%x", "%y"]  # those of the program's own shape

    # ---- text

    def type(self, rows=None, columns=None, dtype="i32"):
        whole = "?n" if self.symbolic else self.rows
        sizes = self.lead + [whole if rows is None else rows, self.columns if columns is None else columns]
        return f"{dtype}[{', '.join(map(str, sizes))}]"

    def add(self, expression, type):
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {expression} : {type}")
        return name

    def broadcast(self, value, type=None):
        return self.add(f"broadcast {value} {{dims = {self.axes}}}", type or self.type())

    # ---- what a step reads

    def latest(self):
        return self.values[-1] if self.rng.random() < 0.6 else self.any()

    def any(self):
        return self.rng.choice(self.values)

    # ---- steps: each gives a value of the program's shape

    def elementwise(self):
        return self.add(f"{self.rng.choice(['add', 'xor', 'mul', 'sub', 'maximum'])} {self.latest()}, {self.any()}", self.type())

    def flip(self):
        return self.add(f"flip {self.latest()} {{axes = [{self.rng.choice([self.row_axis, self.column_axis])}]}}", self.type())

    def reduce(self, axis, squared):
        type = self.type(columns=1) if axis == self.column_axis else self.type(rows=1)
        op = self.rng.choice(["sum", "max", "min"])
        reduced = self.add(f"{op} {self.latest()} {{axes = [{axis}], keepdims = true}}", type)
        if squared:
            reduced = self.add(f"mul {reduced}, {reduced}", type)
        return self.add(f"{self.rng.choice(['xor', 'add', 'mul'])} {self.any()}, {self.broadcast(reduced)}", self.type())

    def reduce_row(self):
        return self.reduce(self.column_axis, self.rng.random() < 0.4)

    def reduce_column(self):
        return self.reduce(self.row_axis, self.rng.random() < 0.4)

    def reduce_all(self):
        total = self.add(f"sum {self.latest()} {{axes = {self.axes}}}", "i32[]")
        return self.add(f"xor {self.any()}, {self.add(f'broadcast {total} {{dims = []}}', self.type())}", self.type())

    def flipped_sums(self):
        sums = self.add(f"sum {self.latest()} {{axes = [{self.column_axis}], keepdims = true}}", self.type(columns=1))
        flipped = self.add(f"flip {sums} {{axes = [{self.row_axis}]}}", self.type(columns=1))
        return self.add(f"sub {self.any()}, {self.broadcast(flipped)}", self.type())

    def product(self):
        return self.add(f"dot {self.latest()}, %w {{contract = [[{self.column_axis}], [0]]}}", self.type())

    def gather(self):
        indices = [self.add(f"iota {{axis = {axis}}}", self.type()) for axis in self.axes]
        indices[self.rng.choice([self.row_axis, self.column_axis])] = self.latest()
        return self.add(f"gather {self.any()}, {', '.join(indices)}", self.type())

    def neighbours(self):
        value, fill = self.latest(), self.add("constant 9", "i32[]")
        around, none = [0] * len(self.axes), [0] * len(self.axes)
        around[self.column_axis] = 1
        padded = self.add(f"pad {value}, {fill} {{low = {around}, high = {around}, interior = {none}}}",
                          self.type(columns=self.columns + 2))
        start = list(none)
        start[self.column_axis] = self.rng.choice([0, 2])
        moved = self.add(f"slice {padded} {{start = {start}, step = {[1] * len(self.axes)}}}", self.type())
        return self.add(f"sub {moved}, {value}", self.type())

    def transposed(self):
        across = "?n" if self.symbolic else self.rows
        order = self.axes[:-2] + [self.column_axis, self.row_axis]
        turned_type = self.type(rows=self.columns, columns=across)
        turned = self.add(f"transpose {self.latest()} {{permutation = {order}}}", turned_type)
        most = self.add(f"max {turned} {{axes = [{self.row_axis}], keepdims = true}}", self.type(rows=1, columns=across))
        mixed = self.add(f"xor {turned}, {self.broadcast(most, turned_type)}", turned_type)
        return self.add(f"transpose {mixed} {{permutation = {order}}}", self.type())

    def conditional(self):
        flags, value = self.type(dtype="bool"), self.latest()
        less = self.add(f"lt {value}, {self.any()}", flags)
        any_less = self.add(f"any {less} {{axes = [{self.column_axis}], keepdims = true}}", self.type(columns=1, dtype="bool"))
        flipped = self.add(f"flip {less} {{axes = [{self.column_axis}]}}", flags)
        both = self.add(f"and {self.broadcast(any_less, flags)}, {flipped}", flags)
        return self.add(f"select {both}, {value}, {self.any()}", self.type())

    STEPS = [elementwise, elementwise, flip, reduce_row, reduce_row, reduce_column, reduce_all, flipped_sums, product, gather,
             neighbours, transposed, conditional]

    def text(self):
        for _ in range(self.rng.randint(4, 22)):
            self.values.append(self.rng.choice(self.STEPS)(self))
        results = [self.values[-1]]
        if self.rng.random() < 0.5 and self.values[2:-1]:
            results.append(self.rng.choice(self.values[2:-1]))
        sizes = f" with ?n = {self.rows}; ?n = 1; ?n = 13; ?n = 0" if self.symbolic else ""
        return (f"// run: @{self.name}{sizes}\n"
                f"func @{self.name}(%x: {self.type()}, %y: {self.type()}, %w: i32[{self.columns}, {self.columns}])"
                f" -> ({', '.join(self.type() for _ in results)}) {{\n" + "\n".join(self.lines) +
                f"\n  return {', '.join(results)}\n}}\n")


def text_of(seed):
    rng = random.Random(seed)
    return "\n".join(Program(f"f{number}", rng).text() for number in range(PROGRAMS))


def differs(heddle, seed):
    """True, with the lines that say so, if a device does not give what the interpreter gives."""
    done = subprocess.run([heddle, "run", "-"], input=text_of(seed), capture_output=True, text=True)
    if done.returncode == 0:
        return False
    print(f"seed {seed} (programs.py --print {seed}): exit status {done.returncode}")
    print("\n".join(line for line in done.stdout.splitlines() if not line.endswith(": ok")) + done.stderr)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("heddle", nargs="?", metavar="HEDDLE", help="the program")
    parser.add_argument("--seeds", default="1:8", metavar="FIRST:LAST")
    parser.add_argument("--print", type=int, metavar="SEED")
    options = parser.parse_args()
    if options.print is not None:
        print(text_of(options.print))
        return 0
    if options.heddle is None:
        parser.error("HEDDLE is missing")
    first, last = map(int, options.seeds.split(":"))
    failed = [seed for seed in range(first, last + 1) if differs(options.heddle, seed)]
    print(f"{last - first + 1} seeds of {PROGRAMS} programs, {len(failed)} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
