#pragma once
// Runs kernels made by hand on the CPU, all the way: legalised, compiled by the plug-in, loaded, launched.

#include "codegen/llvm/load.h"
#include "ir/kernel_builder.h"
#include "runtime/device.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace heddle::codegen::cpu::testing {

/// Elements of one buffer, as bits.
struct Elements {
    Dtype dtype;
    std::vector<u64> bits;
};

/// The compiler and the device that all tests of a process share; tests run them from several threads.
Compiler& compiler();
runtime::Device& device();

/// Builds a kernel whose grid is given as expressions over the symbols ?s0, ?s1, ...
struct Draft {
    ir::Module module;
    ir::KernelBuilder kernel{module.add_kernel("k")};
    ir::DimId symbol(u32 number) { return module.dims.symbol("s" + std::to_string(number)); }
    void finish(std::vector<ir::DimId> grid);
    void finish() { finish({module.dims.constant(1)}); }
};

struct RunOptions {
    std::vector<i64> symbols;           ///< values of ?s0, ?s1, ...
    u64 traffic_bytes = 0;              ///< as in a launch: above the device's limit, its threads take part
    std::vector<std::size_t> same_as{}; ///< buffer k is buffer same_as[k]; empty: all differ
};

/// Legalises, compiles and runs; the elements hold what the buffers hold afterwards.
void run(Draft& draft, std::vector<Elements>& buffers, const RunOptions& options = {});
/// Legalised and compiled only.
Compiled compile(Draft& draft, bool texts = false);

/// y[i] = body(x0[i], x1[i], ...) for i below ?s0, in vectors of `lanes` with a masked tail; pointers in the order of the dtypes.
void make_pointwise(Draft& draft, std::span<const Dtype> inputs, Dtype output, u32 lanes,
                    const std::function<ir::NodeId(ir::KernelBuilder&, std::span<const ir::NodeId>)>& body);

/// Values that rows treat in their own way (zeros, ones, extremes, infinities, NaN, subnormals), then random ones.
std::vector<u64> interesting(Dtype dtype, std::size_t count, u32 seed);
std::vector<u64> floats(std::span<const float> values);

} // namespace heddle::codegen::cpu::testing
