"""The polynomials of passes/math, one row each; see remez.py."""
from mpmath import mp, mpf, exp, expm1, log, log1p, erf, erfc, sin, cos, tan, atan, asin, sqrt, tanh
from remez import Task

ln2 = mp.log(2)
pi = mp.pi


def span(first, count, step=1):
    return [first + i * step for i in range(count)]


def safe(f, at_zero):
    """f, with its limit at zero, for functions such as (exp(x) - 1) / x."""
    return lambda x: mpf(at_zero) if x == 0 else f(x)


half = ln2 / 2 * mpf("1.0001")
quarter_pi = pi / 4 * mpf("1.0001")
tasks = {}

# exp(r) = 1 + r + r^2 p(r), relative error
for name, count, bits in (("exp_f32", 4, 24), ("exp_short", 2, 24), ("exp_f64", 10, 53)):
    tasks[name] = Task(lambda r: (exp(r) - 1 - r) / r**2, -half, half, span(0, count), lambda r: r**2 / exp(r), bits)

# expm1(r) = r + r^2 p(r), relative error
for name, count, bits in (("expm1_f32", 5, 24), ("expm1_f64", 11, 53)):
    tasks[name] = Task(lambda r: (expm1(r) - r) / r**2, -half, half, span(0, count), lambda r: r**2 / expm1(r), bits)

# sin(r) = r + r^3 p(r^2), cos(r) = 1 - r^2/2 + r^4 p(r^2), arguments s = r^2
for name, count, bits in (("sin_f32", 3, 24), ("sin_short", 2, 24), ("sin_f64", 6, 53)):
    tasks[name] = Task(lambda s: (sin(sqrt(s)) - sqrt(s)) / sqrt(s)**3, mpf(10)**-12, quarter_pi**2, span(0, count),
                       lambda s: sqrt(s)**3 / sin(sqrt(s)), bits)
for name, count, bits in (("cos_f32", 3, 24), ("cos_short", 1, 24), ("cos_f64", 6, 53)):
    tasks[name] = Task(lambda s: (cos(sqrt(s)) - 1 + s / 2) / s**2, mpf(10)**-12, quarter_pi**2, span(0, count),
                       lambda s: s**2 / cos(sqrt(s)), bits)

# log1p(f) = f - f^2/2 + f^3 p(f) on [sqrt(1/2) - 1, sqrt(2) - 1]
for name, count, bits in (("log_f32", 7, 24), ("log_f32_8", 8, 24),):
    tasks[name] = Task(lambda f: (log1p(f) - f + f**2 / 2) / f**3, sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, span(0, count),
                       lambda f: f**3 / log1p(f), bits)
tasks["log_short"] = Task(lambda f: (log1p(f) - f) / f**2, sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, span(0, 5),
                          lambda f: f**2 / log1p(f))

# erf(x) = x + x p(x^2) on [0, 1]; erfc(x)^(1/4) = p(x - 2.5) on [1, 4]
tasks["erf_small_f32"] = Task(lambda s: erf(sqrt(s)) / sqrt(s) - 1, mpf(10)**-12, 1, span(0, 6),
                              lambda s: sqrt(s) / erf(sqrt(s)))
for count in (7, 8, 9, 10):
    tasks[f"erf_large_{count}"] = Task(lambda x: erfc(x)**(mpf(1) / 4), 1, 4, span(0, count), lambda x: 4 * erfc(x)**(mpf(3) / 4) + mpf(2)**-14)
