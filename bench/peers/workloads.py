"""The workloads of `heddle bench --list`, written once for every array library.

A workload is a function of `o`, the library's ops (systems.py), and its inputs; it gives a tuple of results. Where a library has a function
of its own for a step (softmax, GELU, norms), `o` uses that: it is what its users call."""

import dataclasses
import re
import typing


@dataclasses.dataclass(frozen=True)
class Workload:
    run: typing.Callable
    # Largest difference from Heddle's result, relative to |wanted| + the root mean square of all that is wanted.
    tolerance: float
    # Results are indices of the input's elements: those have to be equal.
    picks: bool = False
    # What a library must have beyond arithmetic, reductions and slices.
    needs: tuple = ()


# Of each dtype: a few roundings of its own (2^-24, 2^-11, 2^-8), in functions that each library approximates in its own way.
TOLERANCES = {"f32": 2e-5, "f16": 4e-3, "bf16": 3e-2}


def black_scholes(o, spot, strike, time):
    rate, volatility = 0.03, 0.2
    root = o.sqrt(time)
    d1 = (o.log(spot / strike) + (rate + volatility * volatility / 2) * time) / (volatility * root)
    d2 = d1 - volatility * root

    def cumulative(x):
        return 0.5 * (1 + o.erf(x * 0.7071067811865476))

    discounted = strike * o.exp(-rate * time)
    return (spot * cumulative(d1) - discounted * cumulative(d2),
            discounted * cumulative(-d2) - spot * cumulative(-d1))


def deep32(o, x):
    for step in range(32):
        x = o.sin(x) * 1.01 + 0.1 if step % 2 else x * x * 0.5 - 0.3
    return (x,)


def add_rms_norm(o, x, residual, weight):
    h = x + residual
    return o.rms_norm(h, weight), h


def heat2d(o, a):
    here = a[1:-1, 1:-1]
    return (here + 0.1 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] - 4.0 * here),)


def pairwise_sum(o, a):
    d = a[None, :] - a[:, None]
    return (o.sum(d * o.rsqrt(d * d + 0.01), 1),)


def launch_bound(o, x, w):
    for _ in range(50):
        x = o.tanh(o.matmul(x, w))
    return (x,)


def chain(length):
    def run(o, x):
        for step in range(length):
            x = x + 0.001 * (step % 97 + 1)
        return (x,)

    # Every addition rounds.
    return Workload(run, 1e-6 + 1e-7 * length)


def inputs(o, *arrays):
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return (o.tanh(total),)


def softmax(o, x):
    return (o.softmax(x),)


def layer_norm(o, x, weight, bias):
    return (o.layer_norm(x, weight, bias),)


def gelu_affine(o, x, weight, bias):
    return (o.gelu(x * weight + bias),)


def sum_over(axis):
    # Thousands of terms of both signs: the sum is small beside what was added.
    return Workload(lambda o, x: (o.sum(x, axis),), 1e-3 if axis is None else 1e-4)


def of_each_dtype(name, run, dtypes, **more):
    return {f"{name}_{dtype}": Workload(run, TOLERANCES[dtype], **more) for dtype in dtypes}


WORKLOADS = {
    "gelu_16m_f32": Workload(lambda o, x: (o.gelu(x),), TOLERANCES["f32"]),
    **of_each_dtype("softmax_4096", softmax, ["f32"]),
    **of_each_dtype("layer_norm_4096", layer_norm, ["f32"]),
    **of_each_dtype("rms_norm_4096", lambda o, x, weight: (o.rms_norm(x, weight),), ["f32"]),
    "sum_rows": sum_over(1),
    "sum_cols": sum_over(0),
    **of_each_dtype("gelu_affine", gelu_affine, ["f32", "f16", "bf16"]),
    # 32 steps carry on what the first ones round.
    "deep32_f32": Workload(deep32, 1e-4),
    # Both prices are small differences of what the options stand for.
    "black_scholes_f32": Workload(black_scholes, 1e-4),
    "sum_all_f32": sum_over(None),
    "sum_rows_f32": sum_over(1),
    "sum_cols_f32": sum_over(0),
    **of_each_dtype("var_rows", lambda o, x: (o.var(x, 1),), ["f32"]),
    "argmax_rows_f32": Workload(lambda o, x: (o.argmax(x, 1),), 0, picks=True, needs=("argmax",)),
    **of_each_dtype("softmax", softmax, ["f32", "f16"]),
    **of_each_dtype("softmax_small_rows", softmax, ["f32"]),
    **of_each_dtype("softmax_long_rows", softmax, ["f32"]),
    **of_each_dtype("layernorm", layer_norm, ["f16", "f32"]),
    **of_each_dtype("add_rmsnorm", add_rms_norm, ["f16"]),
    **of_each_dtype("transpose_add", lambda o, x: (o.transpose(x) + x,), ["f32"]),
    **of_each_dtype("heat2d", heat2d, ["f32"]),
    "pairwise_sum_f32": Workload(pairwise_sum, 1e-4, needs=("fused_sum",)),
    **of_each_dtype("copy", lambda o, x: (-x,), ["f32"]),
    # Errors are carried through 50 products.
    "launch_bound_50": Workload(launch_bound, 1e-3, needs=("matmul",)),
}


def workload(name):
    """The workload of that name; KeyError if there is none."""
    if match := re.fullmatch(r"chain_(\d+)", name):
        return chain(int(match[1]))
    if match := re.fullmatch(r"inputs_(\d+)", name):
        return Workload(inputs, TOLERANCES["f32"])
    return WORKLOADS[name]


def dtype_of(name):
    """Of the inputs."""
    return next((dtype for dtype in ("bf16", "f16") if name.endswith("_" + dtype)), "f32")
