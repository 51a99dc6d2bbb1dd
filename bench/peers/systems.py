"""The systems that Heddle is compared with, each behind the same few methods. Importing one of them is left to its class's __init__:
ImportError, or whatever the library raises, says that it cannot be used here.

    upload(array, dtype)   a copy of a NumPy array on the device
    compiled(run)          what a user would call many times; `run(o, *inputs)` is a workload's function
    call(function, inputs) starts one call and gives its results
    wait(results)          until they are there, and with them what was started before
    to_numpy(result)       as NumPy array; floats as f32
    lacks                  of what a workload may need (workloads.py)"""

import os
import types


class Torch:
    lacks = frozenset()
    compiles = False

    def __init__(self, device, threads):
        import torch
        self.torch = torch
        if device == "gpu" and not torch.cuda.is_available():
            raise RuntimeError("torch sees no CUDA device")
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.set_grad_enabled(False)
        self.device = "cuda" if device == "gpu" else "cpu"
        self.version = torch.__version__
        self.dtypes = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
        functional = torch.nn.functional
        self.ops = types.SimpleNamespace(
            exp=torch.exp, log=torch.log, sqrt=torch.sqrt, rsqrt=torch.rsqrt, sin=torch.sin, tanh=torch.tanh, erf=torch.erf,
            matmul=torch.matmul, sum=lambda x, axis: torch.sum(x) if axis is None else torch.sum(x, axis),
            var=lambda x, axis: torch.var(x, axis, correction=0), argmax=torch.argmax, transpose=torch.t,
            softmax=lambda x: torch.softmax(x, -1), gelu=lambda x: functional.gelu(x, approximate="tanh"),
            layer_norm=lambda x, weight, bias: functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-5),
            rms_norm=lambda x, weight: functional.rms_norm(x, x.shape[-1:], weight, 1e-5))

    def upload(self, array, dtype):
        return self.torch.tensor(array).to(device=self.device, dtype=self.dtypes[dtype])

    def compiled(self, run):
        function = lambda *inputs: run(self.ops, *inputs)
        if not self.compiles:
            return function
        self.torch._dynamo.reset()
        return self.torch.compile(function, dynamic=False, fullgraph=True)

    def call(self, function, inputs):
        return function(*inputs)

    def wait(self, results):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def to_numpy(self, result):
        return (result.float() if result.is_floating_point() else result).cpu().numpy()

    def forget(self):
        if self.device == "cuda":
            self.torch.cuda.empty_cache()


class TorchCompile(Torch):
    compiles = True

    def __init__(self, device, threads):
        # A first call is one with nothing cached.
        os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
        super().__init__(device, threads)
        # Chains of thousands of steps are traced step by step.
        import torch._dynamo
        torch._dynamo.config.recompile_limit = 1 << 20
        import sys
        sys.setrecursionlimit(1 << 20)


class Jax:
    lacks = frozenset()

    def __init__(self, device, threads):
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        if device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"
        import jax
        import jax.numpy as jnp
        self.jax, self.jnp = jax, jnp
        if device == "gpu" and jax.default_backend() != "gpu":
            raise RuntimeError("JAX sees no GPU")
        self.version = jax.__version__
        self.dtypes = {"f32": jnp.float32, "f16": jnp.float16, "bf16": jnp.bfloat16}

        def wide(function):
            """Norms count in f32."""
            return lambda x, *more: function(x.astype(jnp.float32), *(m.astype(jnp.float32) for m in more)).astype(x.dtype)

        def layer_norm(x, weight, bias):
            mean = x.mean(-1, keepdims=True)
            return (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5) * weight + bias

        def rms_norm(x, weight):
            return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight

        self.ops = types.SimpleNamespace(
            exp=jnp.exp, log=jnp.log, sqrt=jnp.sqrt, rsqrt=jax.lax.rsqrt, sin=jnp.sin, tanh=jnp.tanh, erf=jax.lax.erf,
            matmul=lambda a, b: jnp.matmul(a, b, precision="highest"), sum=jnp.sum, var=jnp.var, argmax=jnp.argmax,
            transpose=jnp.transpose, softmax=jax.nn.softmax, gelu=lambda x: jax.nn.gelu(x, approximate=True),
            layer_norm=wide(layer_norm), rms_norm=wide(rms_norm))

    def upload(self, array, dtype):
        return self.jnp.array(array, self.dtypes[dtype], copy=True)

    def compiled(self, run):
        return self.jax.jit(lambda *inputs: run(self.ops, *inputs))

    def call(self, function, inputs):
        return function(*inputs)

    def wait(self, results):
        self.jax.block_until_ready(results)

    def to_numpy(self, result):
        import numpy
        is_float = self.jnp.issubdtype(result.dtype, self.jnp.floating)
        return numpy.asarray(result.astype(self.jnp.float32) if is_float else result)

    def forget(self):
        self.jax.clear_caches()


class Mlx:
    """Its CPU build; results are started as they are asked for, as mlx's users do in loops."""
    lacks = frozenset()

    def __init__(self, device, threads):
        if device == "gpu":
            raise RuntimeError("MLX is compared on the CPU alone")
        import mlx.core as mx
        self.mx = mx
        mx.set_default_device(mx.cpu)
        from importlib.metadata import version
        self.version = version("mlx")
        self.dtypes = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}
        self.ops = types.SimpleNamespace(
            exp=mx.exp, log=mx.log, sqrt=mx.sqrt, rsqrt=mx.rsqrt, sin=mx.sin, tanh=mx.tanh, erf=mx.erf, matmul=mx.matmul,
            sum=mx.sum, var=mx.var, argmax=mx.argmax, transpose=mx.transpose, softmax=lambda x: mx.softmax(x, -1, precise=True),
            gelu=lambda x: 0.5 * x * (1 + mx.tanh(0.7978845608 * (x + 0.044715 * x * x * x))),
            layer_norm=lambda x, weight, bias: mx.fast.layer_norm(x, weight, bias, 1e-5),
            rms_norm=lambda x, weight: mx.fast.rms_norm(x, weight, 1e-5))

    def upload(self, array, dtype):
        result = self.mx.array(array).astype(self.dtypes[dtype])
        self.mx.eval(result)
        return result

    def compiled(self, run):
        return self.mx.compile(lambda *inputs: run(self.ops, *inputs))

    def call(self, function, inputs):
        results = function(*inputs)
        self.mx.async_eval(*results)
        return results

    def wait(self, results):
        self.mx.synchronize()

    def to_numpy(self, result):
        import numpy
        is_float = self.mx.issubdtype(result.dtype, self.mx.floating)
        return numpy.array(result.astype(self.mx.float32) if is_float else result)

    def forget(self):
        self.mx.clear_cache()


class DrJit:
    lacks = frozenset({"argmax", "matmul", "bf16", "fused_sum"})

    def __init__(self, device, threads):
        import drjit as dr
        import importlib
        backend = importlib.import_module("drjit.cuda" if device == "gpu" else "drjit.llvm")
        self.dr = dr
        self.version = dr.__version__
        dr.set_thread_count(threads)
        self.dtypes = {"f32": backend.TensorXf, "f16": backend.TensorXf16}
        tensor = self.dtypes["f32"]

        def softmax(x):
            wide = tensor(x)
            powers = dr.exp(wide - dr.max(wide, axis=1)[:, None])
            return type(x)(powers / dr.sum(powers, axis=1)[:, None])

        def layer_norm(x, weight, bias):
            wide = tensor(x)
            centred = wide - dr.mean(wide, axis=1)[:, None]
            scale = dr.rsqrt(dr.mean(centred * centred, axis=1) + 1e-5)[:, None]
            return type(x)(centred * scale * tensor(weight) + tensor(bias))

        def rms_norm(x, weight):
            wide = tensor(x)
            return type(x)(wide * dr.rsqrt(dr.mean(wide * wide, axis=1) + 1e-5)[:, None] * tensor(weight))

        def variance(x, axis):
            centred = x - dr.mean(x, axis=axis)[:, None]
            return dr.mean(centred * centred, axis=axis)

        self.ops = types.SimpleNamespace(
            exp=dr.exp, log=dr.log, sqrt=dr.sqrt, rsqrt=dr.rsqrt, sin=dr.sin, tanh=dr.tanh, erf=dr.erf,
            sum=lambda x, axis: dr.sum(x, axis=axis), var=variance, transpose=lambda x: dr.moveaxis(x, 0, 1), softmax=softmax,
            gelu=lambda x: 0.5 * x * (1 + dr.tanh(0.7978845608 * (x + 0.044715 * x * x * x))),
            layer_norm=layer_norm, rms_norm=rms_norm)

    def upload(self, array, dtype):
        import numpy
        result = self.dtypes[dtype](numpy.array(array, dtype={"f32": "f4", "f16": "f2"}[dtype]))
        self.dr.eval(result)
        return result

    def compiled(self, run):
        return self.dr.freeze(lambda *inputs: run(self.ops, *inputs))

    def call(self, function, inputs):
        results = function(*inputs)
        self.dr.eval(results)
        return results

    def wait(self, results):
        self.dr.sync_thread()

    def to_numpy(self, result):
        import numpy
        # A frozen function gives a scalar as one element, and NumPy gets such a scalar as one too.
        array = numpy.array(result)
        array = array.reshape(()) if array.size == 1 else array.reshape(result.shape)
        return array.astype("f4") if array.dtype.kind == "f" else array

    def forget(self):
        self.dr.flush_malloc_cache()


SYSTEMS = {"torch": Torch, "torch.compile": TorchCompile, "jax": Jax, "mlx": Mlx, "drjit": DrJit}
