#include "tests/codegen/llvm_run.h"

#include "passes/legalise/cpu_pipeline.h"
#include "passes/legalise/size_parameters.h"
#include "runtime/cpu/device.h"
#include "runtime/device_options.h"
#include "support/numeric.h"

#include <cmath>
#include <cstring>
#include <random>

namespace heddle::codegen::cpu::testing {

using namespace ir;

Compiler& compiler() {
    static const std::unique_ptr<Compiler> shared = load_compiler();
    return *shared;
}

runtime::Device& device() {
    static const runtime::DeviceRef shared = runtime::cpu::open_device({});
    return *shared;
}

void Draft::finish(std::vector<DimId> grid) {
    set_kernel_info(kernel.function(), {.target = TargetKind::cpu, .grid = std::move(grid)});
}

Compiled compile(Draft& draft, bool texts) {
    const Target& target = device().info().target;
    return compiler().compile(passes::legalise_for_cpu(*draft.module.functions[0], target), target,
                              {.texts = texts});
}

namespace {

std::vector<i64> values_of_symbols(const Dims& dims, std::span<const i64> values) {
    std::vector<i64> result(dims.symbol_count());
    for (u32 k = 0; k < dims.symbol_count(); ++k)
        result[k] = values[static_cast<std::size_t>(std::stoi(std::string(dims.symbol_name(k).substr(1))))];
    return result;
}

runtime::Launch make_launch(const Function& kernel, const Artifact& artifact, const RunOptions& options) {
    const Dims& dims = kernel.module().dims;
    const std::vector<i64> symbols = values_of_symbols(dims, options.symbols);
    runtime::Launch launch;
    launch.executable = device().load(artifact);
    const ParameterLayout layout = parameter_layout(kernel);
    launch.arguments.resize(layout.bytes);
    for (u32 k = 0; k < kernel.parameters().size(); ++k) {
        const NodeId parameter = kernel.parameters()[k];
        if (kernel.type(parameter).kind == TypeKind::pointer) {
            launch.pointer_fields.push_back(layout.offsets[k]);
            continue;
        }
        const i64 value =
            dims.evaluate(DimId{static_cast<u32>(kernel.integer(parameter, Key::size))}, symbols);
        std::memcpy(launch.arguments.data() + layout.offsets[k], &value, 8);
    }
    const std::vector<DimId> grid = kernel_info(kernel).grid;
    for (std::size_t k = 0; k < grid.size(); ++k)
        launch.grid[k] = static_cast<u64>(dims.evaluate(grid[k], symbols));
    launch.scratch_bytes = static_cast<u64>(
        dims.evaluate(passes::scratch_layout(kernel).bytes, values_of_symbols(dims, options.symbols)));
    launch.traffic_bytes = options.traffic_bytes;
    return launch;
}

} // namespace

void run(Draft& draft, std::vector<Elements>& buffers, const RunOptions& options) {
    const Compiled compiled = compile(draft);
    runtime::Launch launch = make_launch(*draft.module.functions[0], compiled.artifact, options);
    for (std::size_t k = 0; k < buffers.size(); ++k) {
        const std::size_t size = size_of(buffers[k].dtype);
        if (!options.same_as.empty() && options.same_as[k] != k) {
            launch.buffers.push_back(launch.buffers[options.same_as[k]]);
        } else {
            launch.buffers.push_back(device().allocate(buffers[k].bits.size() * size));
            for (std::size_t i = 0; i < buffers[k].bits.size(); ++i)
                store_bits(buffers[k].dtype, launch.buffers[k]->host() + i * size, buffers[k].bits[i]);
        }
        launch.offsets.push_back(0);
    }
    const std::vector<runtime::BufferRef> kept = launch.buffers;
    std::vector<runtime::Launch> launches;
    launches.push_back(std::move(launch));
    device().submit(std::move(launches)).wait();
    for (std::size_t k = 0; k < buffers.size(); ++k)
        for (std::size_t i = 0; i < buffers[k].bits.size(); ++i)
            buffers[k].bits[i] = load_bits(buffers[k].dtype, kept[k]->host() + i * size_of(buffers[k].dtype));
}

void make_pointwise(Draft& draft, std::span<const Dtype> inputs, Dtype output, u32 lanes,
                    const std::function<NodeId(KernelBuilder&, std::span<const NodeId>)>& body) {
    KernelBuilder& k = draft.kernel;
    std::vector<NodeId> pointers;
    for (std::size_t p = 0; p < inputs.size(); ++p)
        pointers.push_back(k.pointer("x" + std::to_string(p), inputs[p]));
    const NodeId y = k.pointer("y", output);
    const NodeId n = k.size("n", draft.symbol(0));
    const auto step = [&](NodeId place, const MemoryOptions& options) {
        std::vector<NodeId> values;
        for (NodeId pointer : pointers) values.push_back(k.load(pointer, place, lanes, options));
        k.store(body(k, values), y, place, options);
        return std::vector<NodeId>{};
    };
    const NodeId end = k.sub(n, k.binary(Op::rem, n, k.index(lanes)));
    k.for_loop(k.index(0), end, k.index(lanes), {},
               [&](NodeId place, std::span<const NodeId>) { return step(place, {}); });
    if (lanes > 1)
        k.if_then(k.binary(Op::lt, end, n),
                  [&] { return step(end, {.mask = k.binary(Op::lt, k.add(k.lanes(lanes), end), n)}); });
    draft.finish();
}

std::vector<u64> interesting(Dtype dtype, std::size_t count, u32 seed) {
    std::vector<u64> values;
    if (is_float(dtype)) {
        const double tiny = dtype == Dtype::f64 ? 4.9e-324 : dtype == Dtype::f16 ? 5.97e-8 : 1.4e-45;
        for (double value : {0.0,
                             -0.0,
                             1.0,
                             -1.0,
                             0.5,
                             2.0,
                             -2.5,
                             3.5,
                             1.5,
                             7.0,
                             127.5,
                             255.0,
                             256.0,
                             65504.0,
                             65519.9,
                             65520.0,
                             2147483647.0,
                             2147483648.0,
                             -2147483648.0,
                             4294967296.0,
                             9.3e18,
                             -9.3e18,
                             1.9e19,
                             3e38,
                             double{INFINITY},
                             -double{INFINITY},
                             double{NAN},
                             tiny,
                             -tiny,
                             1.00390625,
                             1.01171875,
                             0.999999,
                             1e-30})
            values.push_back(bits_of(dtype, value));
    } else {
        for (i64 value : {0,  1,  -1,  2,   -2,  3,    7,   -7,  8,    31,   32,      33,
                          63, 64, 100, 127, 128, -128, 255, 256, 2047, 2049, 16777217})
            values.push_back(bits_of(dtype, value));
        for (i64 value :
             {i64{1} << 31, (i64{1} << 53) + 1, (i64{1} << 60) + (i64{1} << 51) + 1, (i64{1} << 53) - 1})
            values.push_back(bits_of(dtype, value));
        values.push_back(lowest_bits(dtype));
        values.push_back(highest_bits(dtype));
    }
    std::mt19937_64 random(seed);
    std::shuffle(values.begin(), values.end(), random);
    while (values.size() < count) {
        const double real = std::ldexp(static_cast<double>(static_cast<i64>(random())) * 0x1p-63,
                                       static_cast<int>(random() % 24));
        values.push_back(is_float(dtype) ? bits_of(dtype, real)
                                         : bits_of(dtype, static_cast<i64>(random() >> random() % 64)));
    }
    values.resize(count);
    return values;
}

std::vector<u64> floats(std::span<const float> values) {
    std::vector<u64> bits;
    for (float value : values) bits.push_back(bits_of(Dtype::f32, double{value}));
    return bits;
}

} // namespace heddle::codegen::cpu::testing
