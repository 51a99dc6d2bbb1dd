"""The polynomials of passes/math, one row each; see remez.py. Names are those in the comments beside the coefficients."""
from mpmath import mp, mpf, exp, expm1, log1p, erf, erfc, erfinv, sin, tan, atan, asin, sqrt, tanh
from remez import Task

ln2, ln10, pi = mp.log(2), mp.log(10), mp.pi
half_ln2 = ln2 / 2 * mpf("1.0001")
half_pi = pi / 2 * mpf("1.0005")
quarter_pi = pi / 4 * mpf("1.0001")
root_low, root_high = sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1  # m - 1 for m in [sqrt(1/2), sqrt(2))
tiny = mpf(10) ** -12
tasks = {}


def add(name, f, low, high, weight, below=(), fixed=(), **counts):
    """One task for each format: counts are numbers of coefficients, f32=5, f64=11, short=3 (f32 for 16-bit results)."""
    for form, count in counts.items():
        # Many powers of the smallest point would make the equations singular.
        start = mpf(10) ** -5 if low == tiny and form == "f64" else low
        tasks[f"{name}_{form}"] = Task(f, start, high, list(range(count)), weight, 53 if form == "f64" else 24, fixed,
                                       list(below), 500 if form == "f64" else 1600)


def add_odd(name, f, high, **counts):
    """f(x) = x + x^3 p(x^2) on [0, high]."""
    add(name, lambda s: (f(sqrt(s)) - sqrt(s)) / sqrt(s)**3, tiny, mpf(high)**2, lambda s: sqrt(s)**3 / f(sqrt(s)), **counts)


# exp(r) = 1 + r + r^2 p(r); exp_short: exp(r / 2) = p(r), squared afterwards; exp2(r) = 1 + r p(r); exp2_short: 2^(r / 2)
add("exp", lambda r: (exp(r) - 1 - r) / r**2, -half_ln2, half_ln2, lambda r: r**2 / exp(r), f32=5, f64=11)
add("exp", lambda r: exp(r / 2), -2 * half_ln2, 2 * half_ln2, lambda r: 2 / exp(r / 2), fixed=(1,), short=5)
add("exp2", lambda r: (mpf(2)**r - 1) / r, mpf("-0.5001"), mpf("0.5001"), lambda r: r / mpf(2)**r, f32=6, f64=12)
add("exp2", lambda r: mpf(2)**(r / 2), mpf("-1.0001"), mpf("1.0001"), lambda r: 2 / mpf(2)**(r / 2), fixed=(1,), short=5)
# expm1(r) = r + r^2 p(r); tanh: expm1(2 r) / 2 = r + r^2 p(r)
add("expm1", lambda r: (expm1(r) - r) / r**2, -half_ln2, half_ln2, lambda r: r**2 / expm1(r), f32=5, f64=11)
add("tanh", lambda r: (expm1(2 * r) - 2 * r) / (2 * r**2), -half_ln2 / 2, half_ln2 / 2, lambda r: 2 * r**2 / expm1(2 * r),
    f32=5, f64=11)
add("tanh", lambda s: tanh(sqrt(s)) / sqrt(s), tiny, 25, lambda s: sqrt(s) / tanh(sqrt(s)), below=(1, 2, 3), short=3)

# log(1 + f) = f + f^2 p(f); log2(1 + f) = f + f p(f); log10(1 + f) = f p(f)
add("log", lambda f: (log1p(f) - f) / f**2, root_low, root_high, lambda f: f**2 / log1p(f), fixed=(-0.5,), f32=9, f64=20)
add("log", lambda f: (log1p(f) - f) / f**2, root_low, root_high, lambda f: f**2 / log1p(f), short=5)
add("log2", lambda f: (log1p(f) / ln2 - f) / f, root_low, root_high, lambda f: f * ln2 / log1p(f), f32=10, f64=22, short=5)
add("log10", lambda f: log1p(f) / ln10 / f, root_low, root_high, lambda f: f * ln10 / log1p(f), f32=10, f64=22, short=5)
# power: atanh(s) = s (1 + s^2 (1/3 + s^2 p(s^2))) for the two-part logarithm
add("power", lambda u: (mp.atanh(sqrt(u)) / sqrt(u) - 1 - u / 3) / u**2, tiny, mpf("0.17165")**2, lambda u: u**2, f32=3, f64=8)

add_odd("sin", sin, half_pi, f32=5, f64=8, short=3)
add_odd("tan", tan, quarter_pi, f32=6, f64=15)
add_odd("asin", asin, "0.58", f32=6, f64=15)
add_odd("atan", atan, 1, f32=10, f64=20)
add_odd("sinh", mp.sinh, 1, f32=4, f64=7)
add_odd("asinh", mp.asinh, "0.5", f32=6, f64=12)
add_odd("atanh", mp.atanh, "0.5", f32=7, f64=13)
# acosh(1 + t) = sqrt(2 t) (1 + t p(t))
add("acosh", lambda t: (mp.acosh(1 + t) / sqrt(2 * t) - 1) / t, tiny, mpf("0.5"),
    lambda t: t * sqrt(2 * t) / mp.acosh(1 + t), f32=6, f64=12)

# erf(x) = x + x p(x^2) on [0, 1.0625]; above, erf(x) = 1 - p^4, where the error of p counts 4 p^3. f64: p of x - 3
add("erf_small", lambda s: erf(sqrt(s)) / sqrt(s) - 1, tiny, mpf("1.07")**2, lambda s: sqrt(s) / erf(sqrt(s)), f32=7, f64=14)
add("erf_large", lambda x: erfc(x)**(mpf(1) / 4), mpf("1.06"), mpf("3.95"), lambda x: 4 * erfc(x)**(mpf(3) / 4), f32=8)
add("erf_large", lambda u: erfc(u + 3)**(mpf(1) / 4), -2, 3, lambda u: 4 * erfc(u + 3)**(mpf(3) / 4), f64=22)
# Where erf is added to 1 or more: 1 - p^2 from 0 on, where the error of p counts 2 p; at the end, which is to give 1, twice that
add("erf_added", lambda x: sqrt(erfc(x)), 0, mpf("4.0"), lambda x: 2 * sqrt(erfc(x)) * (1 + (x / 4)**40), fixed=(1,), f32=13)
add("erf", lambda s: erf(sqrt(s)) / sqrt(s), tiny, mpf("2.8")**2, lambda s: sqrt(s) / erf(sqrt(s)), below=(1, 2, 3), short=4)


def erfinv_factor(w):
    """erfinv(x) / x at w = -log(1 - x^2); in the tail by Newton's steps on log erfc, where erfinv loses digits."""
    x = sqrt(-expm1(-w))
    if w < 6:
        return erfinv(x) / x
    target = mp.log(exp(-w) / (1 + x))
    y = sqrt(w)
    for _ in range(60):
        step = (mp.log(erfc(y)) - target) * erfc(y) * sqrt(pi) / 2 * exp(y * y)
        y += step
        if abs(step) < mpf(10)**-30:
            break
    return y / x


# erfinv(x) = x + x p, p of x^2 up to 1/2, then of w - 2.5 up to w = 5, then of sqrt(w) - 3, f64 from w = 16 on of sqrt(w) - 5
add("erfinv_small", lambda s: erfinv(sqrt(s)) / sqrt(s) - 1, tiny, mpf("0.25"), lambda s: sqrt(s) / erfinv(sqrt(s)), f32=6, f64=14)
add("erfinv_middle", lambda u: erfinv_factor(u + mpf("2.5")) - 1, mpf("-2.22"), mpf("2.5"),
    lambda u: 1 / erfinv_factor(u + mpf("2.5")), f32=10, f64=22)
add("erfinv_tail", lambda u: erfinv_factor((u + 3)**2) - 1, sqrt(mpf(5)) - 3, mpf("1.1"),
    lambda u: 1 / erfinv_factor((u + 3)**2), f32=10, f64=22)
add("erfinv_far", lambda u: erfinv_factor((u + 5)**2) - 1, -1, mpf("1.1"), lambda u: 1 / erfinv_factor((u + 5)**2), f64=20)
