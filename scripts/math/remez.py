#!/usr/bin/env python3
"""Minimax polynomials for passes/math: `remez.py NAME...` prints coefficients, `remez.py` all names,
`remez.py --header > passes/math/coefficients.h` makes the header (minutes).

A task approximates f(x) on [low, high] by sum(c_k x^p_k), minimising max |weight(x) (f(x) - sum)|, by Remez exchange on a
dense Chebyshev grid in 50-digit arithmetic. Coefficients are rounded to the format one after the other, from the lowest
power, and the remaining ones fitted again, so that rounding the big coefficients costs no accuracy.
Needs mpmath (and gmpy2 for speed).
"""
import multiprocessing
import sys
from dataclasses import dataclass
from typing import Callable
from mpmath import mp, mpf, matrix, lu_solve

mp.dps = 50
ROUNDED_ALONE = 9


@dataclass
class Task:
    f: Callable
    low: object
    high: object
    powers: list
    weight: Callable = lambda x: mpf(1)
    bits: int = 24          # 24: f32, 53: f64
    fixed: tuple = ()       # leading coefficients that are given, e.g. an exact 1
    below: list = None      # powers of a denominator 1 + sum(d_k x^q_k): a rational approximation
    points: int = 1600


def round_to(value, bits):
    """Nearest number with `bits` bits of significand."""
    if value == 0:
        return value
    with mp.workprec(bits):
        return +value


def exchange(grid, target, weight, basis):
    """Remez on a grid. basis[k][i] is function k at point i. Returns coefficients and the largest weighted error."""
    count = len(basis)
    total = len(grid)
    if count == 0:
        return [], max(abs(w * t) for w, t in zip(weight, target))
    reference = [round((total - 1) * (1 - mp.cos(mp.pi * (i + mpf(1) / 2) / (count + 1))) / 2) for i in range(count + 1)]
    reference = [int(r) for r in reference]
    best_fit = None  # the exchange may stray from a good fit
    for _ in range(25):
        system = matrix(count + 1, count + 1)
        right = matrix(count + 1, 1)
        for row, i in enumerate(reference):
            for k in range(count):
                system[row, k] = basis[k][i]
            system[row, count] = (-1) ** row / weight[i]
            right[row] = target[i]
        try:
            solution = lu_solve(system, right)
        except ZeroDivisionError:  # two extrema too close: keep the best so far
            break
        coefficients = [solution[k] for k in range(count)]
        level = abs(solution[count])
        error = list(target)
        for c, column in zip(coefficients, basis):
            error = [e - c * b for e, b in zip(error, column)]
        error = [e * w for e, w in zip(error, weight)]
        worst = max(abs(e) for e in error)
        if best_fit is None or worst < best_fit[1]:
            best_fit = coefficients, worst
        if worst <= level * mpf("1.001" if count <= 12 else "1.01"):
            break
        # One extremum for each run of equal sign, then drop the smallest from the ends until count + 1 are left.
        extrema, best = [], 0
        for i in range(1, total):
            if (error[i] < 0) != (error[best] < 0):
                extrema.append(best)
                best = i
            elif abs(error[i]) > abs(error[best]):
                best = i
        extrema.append(best)
        while len(extrema) > count + 1:
            if len(extrema) == count + 2:
                extrema.pop(0 if abs(error[extrema[0]]) < abs(error[extrema[-1]]) else -1)
            else:
                weakest = min(range(len(extrema) - 1), key=lambda i: max(abs(error[extrema[i]]), abs(error[extrema[i + 1]])))
                del extrema[weakest:weakest + 2]
        if len(extrema) < count + 1:
            break
        reference = extrema
    return best_fit


def fit(task):
    low, high = mpf(task.low), mpf(task.high)
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / (task.points - 1)) for i in range(task.points)]
    grid = [x for x in grid if x != 0]
    target = [task.f(x) for x in grid]
    weight = [abs(task.weight(x)) for x in grid]
    basis = [[x ** p for x in grid] for p in task.powers]
    if task.below:
        # f (1 + D) = N, linear in both; the weight is divided by the denominator of the fit before.
        basis += [[-t * x ** q for x, t in zip(grid, target)] for q in task.below]
        plain = weight
        for _ in range(6):
            free, _ = exchange(grid, target, weight, basis)
            below = [1 + sum(d * x ** q for d, q in zip(free[len(task.powers):], task.below)) for x in grid]
            weight = [w / abs(b) for w, b in zip(plain, below)]
    chosen, settled = [], 0
    for k in range(len(basis)):
        if k < len(task.fixed):
            chosen.append(mpf(task.fixed[k]))
        else:
            # The lowest power left is divided out, since alternation needs functions that do not vanish together at 0.
            scale = basis[k] if k < len(task.powers) else [mpf(1)] * len(grid)
            coefficients, level = exchange(grid, [t / b for t, b in zip(target, scale)],
                                           [w * abs(b) for w, b in zip(weight, scale)],
                                           [[v / b for v, b in zip(column, scale)] for column in basis[k:]])
            # High powers count so little that the last ones can be rounded together.
            for c in coefficients if k >= ROUNDED_ALONE else coefficients[:1]:
                chosen.append(round_to(c, task.bits))
        while settled < len(chosen):
            target = [t - chosen[settled] * b for t, b in zip(target, basis[settled])]
            settled += 1
        if settled == len(basis):
            break
    return chosen, max(abs(w * t) for w, t in zip(weight, target))


HEADER = """#pragma once
// Minimax polynomials of the math library, from the lowest power up. Made by `scripts/math/remez.py --header`, where
// scripts/math/tasks.py says what each approximates; do not edit. *_below are denominators without their leading 1.
//
// clang-format off

namespace heddle::passes::math::k {
"""


def described(name):
    from tasks import tasks
    task = tasks[name]
    coefficients, error = fit(task)
    digits = 9 if task.bits <= 24 else 17
    above = [mp.nstr(c, digits, strip_zeros=True) for c in coefficients[:len(task.powers)]]
    below = [mp.nstr(c, digits, strip_zeros=True) for c in coefficients[len(task.powers):]]
    lines = [f"\n// on [{mp.nstr(mpf(task.low), 6)}, {mp.nstr(mpf(task.high), 6)}], error 2^{mp.nstr(mp.log(error, 2), 4)}"]
    for suffix, numbers in (("", above), ("_below", below)):
        if numbers:
            lines.append(f"inline constexpr double {name}{suffix}[] = {{")
            lines += ["    " + ", ".join(numbers[i:i + 5]) + "," for i in range(0, len(numbers), 5)]
            lines.append("};")
    return "\n".join(lines)


def main():
    from tasks import tasks
    names = [name for name in sys.argv[1:] if name != "--header"] or list(tasks)
    if len(sys.argv) < 2:
        print("\n".join(names))
        return
    if "--header" in sys.argv:
        print(HEADER, end="")
    with multiprocessing.Pool() as pool:
        for text in pool.imap(described, names):
            print(text, flush=True)
    if "--header" in sys.argv:
        print("\n} // namespace heddle::passes::math::k")


if __name__ == "__main__":
    main()
