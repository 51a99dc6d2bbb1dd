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
for name, count, bits in (("exp_f32", 5, 24), ("exp_f64", 10, 53)):
    tasks[name] = Task(lambda r: (exp(r) - 1 - r) / r**2, -half, half, span(0, count), lambda r: r**2 / exp(r), bits)

# exp(r / 2), squared afterwards
tasks["exp_short"] = Task(lambda r: exp(r / 2), -2 * half, 2 * half, span(0, 5), lambda r: 2 / exp(r / 2), fixed=(1,))

# expm1(r) = r + r^2 p(r), relative error
for name, count, bits in (("expm1_f32", 5, 24), ("expm1_f32_4", 4, 24), ("expm1_f64", 11, 53)):
    tasks[name] = Task(lambda r: (expm1(r) - r) / r**2, -half, half, span(0, count), lambda r: r**2 / expm1(r), bits)

# log1p(f) = f + f^2 p(f) on [sqrt(1/2) - 1, sqrt(2) - 1]; p(0) = -1/2 in the full forms
for name, count, bits, fixed in (("log_f32", 9, 24, (-0.5,)), ("log_short", 5, 24, ())):
    tasks[name] = Task(lambda f: (log1p(f) - f) / f**2, sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, span(0, count),
                       lambda f: f**2 / log1p(f), bits, fixed)

# tanh(x) = h / (h + 1) where h = expm1(2 x) / 2 = r + r^2 p(r) in each octave
tasks["tanh_f32"] = Task(lambda r: (expm1(2 * r) - 2 * r) / (2 * r**2), -half / 2, half / 2, span(0, 5),
                         lambda r: 2 * r**2 / expm1(2 * r))
tasks["tanh_short"] = Task(lambda s: tanh(sqrt(s)) / sqrt(s), mpf(10)**-12, mpf(5)**2, span(0, 3),
                           lambda s: sqrt(s) / tanh(sqrt(s)), below=span(1, 3))

# erf(x) = x + x p(x^2) on [0, 1]; erf(x) = 1 - p(x)^4 on [1, 4], where the error of p counts 4 p^3
erf_split = mpf(1)
tasks["erf_small_f32"] = Task(lambda s: erf(sqrt(s)) / sqrt(s) - 1, mpf(10)**-12, erf_split**2, span(0, 7),
                              lambda s: sqrt(s) / erf(sqrt(s)))
tasks["erf_large_f32"] = Task(lambda x: erfc(x)**(mpf(1) / 4), erf_split, mpf("3.95"), span(0, 8),
                              lambda x: 4 * erfc(x)**(mpf(3) / 4))
tasks["erf_short"] = Task(lambda s: erf(sqrt(s)) / sqrt(s), mpf(10)**-12, mpf("2.8")**2, span(0, 4),
                          lambda s: sqrt(s) / erf(sqrt(s)), below=span(1, 3))

# sin(r) = r + r^3 p(r^2) on [0, pi/2]
half_pi = pi / 2 * mpf("1.0005")
for name, count, bits in (("sin_f32", 5, 24), ("sin_f32_4", 4, 24), ("sin_short", 3, 24), ("sin_f64", 9, 53)):
    tasks[name] = Task(lambda s: (sin(sqrt(s)) - sqrt(s)) / sqrt(s)**3, mpf(10)**-12, half_pi**2, span(0, count),
                       lambda s: sqrt(s)**3 / sin(sqrt(s)), bits)
# tan(r) = r + r^3 p(r^2) on [0, pi/4]
for name, count, bits in (("tan_f32", 6, 24), ("tan_f64", 14, 53)):
    tasks[name] = Task(lambda s: (tan(sqrt(s)) - sqrt(s)) / sqrt(s)**3, mpf(10)**-12, quarter_pi**2, span(0, count),
                       lambda s: sqrt(s)**3 / tan(sqrt(s)), bits)
# 2^r = 1 + r p(r)
for name, count, bits in (("exp2_f32", 6, 24), ("exp2_f32_5", 5, 24), ("exp2_short", 3, 24), ("exp2_f64", 12, 53)):
    tasks[name] = Task(lambda r: (mpf(2)**r - 1) / r, mpf("-0.5001"), mpf("0.5001"), span(0, count), lambda r: r / mpf(2)**r, bits)

# log2(1 + f) = f + f p(f); log10(1 + f) = f p(f)
for name, count, bits in (("log2_f32", 9, 24), ("log2_f32_10", 10, 24), ("log2_short", 5, 24)):
    tasks[name] = Task(lambda f: (log1p(f) / ln2 - f) / f, sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, span(0, count),
                       lambda f: f * ln2 / log1p(f), bits)
for name, count, bits in (("log10_f32", 9, 24), ("log10_f32_10", 10, 24), ("log10_short", 5, 24)):
    tasks[name] = Task(lambda f: log1p(f) / mp.log(10) / f, sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, span(0, count),
                       lambda f: f * mp.log(10) / log1p(f), bits)


def odd(f, high, count, bits=24, low=mpf(10)**-12):
    """f(x) = x + x^3 p(x^2) up to `high`."""
    return Task(lambda s: (f(sqrt(s)) - sqrt(s)) / sqrt(s)**3, low, mpf(high)**2, span(0, count), lambda s: sqrt(s)**3 / f(sqrt(s)), bits)


for count in (4, 5): tasks[f"sinh_f32_{count}"] = odd(mp.sinh, 1, count)
for count in (5, 6): tasks[f"asin_f32_{count}"] = odd(asin, mpf("0.58"), count)
for count in (8, 9, 10): tasks[f"atan_f32_{count}"] = odd(atan, 1, count)
for count in (6, 7, 8): tasks[f"atanh_f32_{count}"] = odd(mp.atanh, mpf("0.5"), count)
for count in (6, 7): tasks[f"asinh_f32_{count}"] = odd(mp.asinh, mpf("0.5"), count)
# acosh(1 + t) = sqrt(2 t) (1 + t p(t))
for count in (5, 6, 7): tasks[f"acosh_f32_{count}"] = Task(lambda t: (mp.acosh(1 + t) / sqrt(2 * t) - 1) / t, mpf(10)**-12, mpf("0.5"), span(0, count), lambda t: t * sqrt(2 * t) / mp.acosh(1 + t))


# erfinv(x) = x + x p(w), w = -log(1 - x^2), up to 5, and x + x p(sqrt(w) - 3) above
def erfinv_of(w):
    x = sqrt(-mp.expm1(-w))
    return mp.erfinv(x) / x if w < 6 else tail_erfinv(w) / x


def tail_erfinv(w):
    """erfc(y) = 1 - sqrt(1 - e^-w), by Newton on log erfc; erfinv loses digits there."""
    target = mp.log(1 - sqrt(-mp.expm1(-w))) if w < 60 else -w - ln2
    y = sqrt(w)
    for _ in range(60):
        step = (mp.log(erfc(y)) - target) * erfc(y) * sqrt(pi) / 2 * exp(y * y)
        y += step
        if abs(step) < mpf(10)**-30:
            break
    return y


for count in (6,): tasks[f"erfinv_small_f32_{count}"] = Task(lambda s: mp.erfinv(sqrt(s)) / sqrt(s) - 1, mpf(10)**-12, mpf("0.25"), span(0, count), lambda s: sqrt(s) / mp.erfinv(sqrt(s)))
for count in (10,): tasks[f"erfinv_f32_{count}"] = Task(lambda u: erfinv_of(u + mpf("2.5")) - 1, mpf("0.28") - mpf("2.5"), mpf("2.5"), span(0, count), lambda u: 1 / erfinv_of(u + mpf("2.5")), points=300)
for count in (10,): tasks[f"erfinv_tail_f32_{count}"] = Task(lambda u: erfinv_of((u + 3)**2) - 1, sqrt(mpf(5)) - 3, mpf("4.1") - 3, span(0, count), lambda u: 1 / erfinv_of((u + 3)**2), points=300)

# atanh(s) = s (1 + s^2 (1/3 + s^2 p(s^2))) on [0, (sqrt(2) - 1) / (sqrt(2) + 1)], for the two-part logarithm of power
for name, count, bits in (("power_f32", 3, 24), ("power_f64", 8, 53)):
    tasks[name] = Task(lambda u: (mp.atanh(sqrt(u)) / sqrt(u) - 1 - u / 3) / u**2, mpf(10)**-12, mpf("0.17165")**2,
                       span(0, count), lambda u: u**2, bits)
