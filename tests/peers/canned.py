"""A run as bench/peers/run.py writes it, with every kind of answer, made up."""


def entry(suite, workload, n, system, ms=None, flops=0.0, **more):
    figures = {"suite": suite, "workload": workload, "n": n, "bytes": 8.0 * n * n, "flops": flops, "kernels": 1, "sets": 2,
               "system": system}
    if ms is not None:
        figures |= {"first_call_ms": 100 * ms, "error": 0.5, "median_ms": ms, "min_ms": ms, "max_ms": 2 * ms, "runs": 7, "calls": 20}
    return figures | more


def run():
    return {
        "device": "cpu", "machine": "A processor, 2 threads", "threads": 2, "date": "2026-01-31", "rounds": 7, "limit_s": 60,
        "systems": {"heddle": {"version": "0.1.0"}, "torch": {"version": "2.0"}, "torch.compile": {"version": "2.0"},
                    "jax": {"version": "0.9"}, "mlx": {"missing": "ImportError: no mlx"}},
        "figures": [
            # 1024 * 1024 * 8 bytes in 0.1 ms: 83.9 GB/s.
            entry("workloads", "copy_f32", 1024, "heddle", 0.1),
            entry("workloads", "copy_f32", 1024, "torch", 0.08),
            entry("workloads", "softmax_f32", 1024, "heddle", 0.2),
            entry("workloads", "softmax_f32", 1024, "torch", 0.8),
            entry("workloads", "softmax_f32", 1024, "torch.compile", over=60),
            entry("workloads", "softmax_f32", 1024, "jax", 0.05, error=3.0),
            entry("workloads", "launch_bound_50", 64, "heddle", 0.5, flops=1e6),
            entry("workloads", "launch_bound_50", 64, "torch", unsupported="has no matmul"),
            entry("workloads", "launch_bound_50", 64, "jax", failed="RuntimeError: <broken>"),
            *(entry("sizes", "gelu_16m_f32", n, system, ms * n / 1024) for n in (256, 1024, 4096)
              for system, ms in (("heddle", 0.001), ("torch", 0.01))),
            *(entry("trace", f"chain_{length}", 1024, system, ms * length) for length in (10, 1000)
              for system, ms in (("heddle", 0.001), ("jax", 0.01))),
            entry("trace", "chain_10", 1024, "torch.compile", 0.5),
            entry("trace", "chain_1000", 1024, "torch.compile", over=60),
            *(entry("inputs", f"inputs_{count}", 16, system, ms * count) for count in (1, 64)
              for system, ms in (("heddle", 0.0005), ("jax", 0.01))),
        ],
    }
