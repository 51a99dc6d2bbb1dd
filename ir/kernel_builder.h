#pragma once
// Making kernels: scalars, vectors, memory and loops. Values are node ids; every function infers its result's type. A scalar
// next to a vector counts as splat, nothing else is implicit. Index arithmetic folds constants and the usual
// identities as it is made. Broken use is a defect of the compiler, so it throws InternalError.
//
//     KernelBuilder k(module.add_kernel("double"));
//     NodeId x = k.pointer("x", Dtype::f32), y = k.pointer("y", Dtype::f32), n = k.size("n", extent);
//     NodeId i = k.grid_index(0);
//     k.store(k.mul(k.load(x, i, Dtype::f32, 1), k.number(Dtype::f32, 2.0)), y, i);

#include "ir/function.h"
#include "ir/target.h"

#include <functional>

namespace heddle::ir {

struct MemoryOptions {
    NodeId mask{};       ///< bool of the access' width, or scalar; invalid: always
    NodeId otherwise{};  ///< loads: value where the mask is false; invalid: zero
    u32 align = 0;       ///< bytes; 0: the element's size
    bool stream = false; ///< stores: past the caches
};

struct LoopOptions {
    bool unroll = false;
    u32 interleave = 1;        ///< independent copies of the carried values
    std::vector<Op> combine{}; ///< how the copies are joined, one op a carried value
};

enum class BarrierScope : u8 { block, subgroup };

class KernelBuilder {
public:
    explicit KernelBuilder(Function& kernel) : function_(&kernel) {}
    Function& function() { return *function_; }

    // ---- parameters: pointers first, then values with the size expression that fills them
    NodeId pointer(std::string name, Dtype dtype);
    NodeId size(std::string name, DimId value);
    NodeId magic(std::string name, DimId divisor);
    /// A host number of the call: the `number`-th rank-0 number argument of the program, converted to dtype.
    NodeId number_parameter(std::string name, Dtype dtype, u32 number);

    // ---- constants and positions
    NodeId constant(Dtype dtype, u64 bits);
    NodeId number(Dtype dtype, double value); ///< rounded to dtype; of index and integers a whole number
    NodeId index(i64 value) { return constant(Dtype::index, static_cast<u64>(value)); }
    NodeId boolean(bool value) { return constant(Dtype::boolean, value); }
    NodeId lanes(u32 width); ///< index<width>: 0, 1, ...
    NodeId grid_index(u32 axis);
    NodeId thread_index();
    NodeId subgroup_index();
    NodeId lane_index();

    // ---- elementwise rows of the op table
    NodeId unary(Op op, NodeId a);
    NodeId binary(Op op, NodeId a, NodeId b);
    NodeId ternary(Op op, NodeId a, NodeId b, NodeId c);
    NodeId exp_below(NodeId a, i64 at_most); ///< exp of what is known not to be larger
    NodeId add(NodeId a, NodeId b) { return binary(Op::add, a, b); }
    NodeId sub(NodeId a, NodeId b) { return binary(Op::sub, a, b); }
    NodeId mul(NodeId a, NodeId b) { return binary(Op::mul, a, b); }
    NodeId div(NodeId a, NodeId b) { return binary(Op::div, a, b); }
    NodeId select(NodeId condition, NodeId a, NodeId b) { return ternary(Op::select, condition, a, b); }
    NodeId cast(NodeId a, Dtype dtype);
    /// The same bits; lanes are cut or joined where the sizes differ. Of a pointer: to the same bytes as elements of another dtype.
    NodeId bitcast(NodeId a, Dtype dtype);
    /// Quotient and remainder of an index by a size parameter whose magic is `magic`.
    std::pair<NodeId, NodeId> divmod(NodeId x, NodeId divisor, NodeId magic);

    // ---- vectors
    NodeId splat(NodeId scalar, u32 width); ///< the value itself when width is 1
    NodeId pack(std::span<const NodeId> scalars);
    NodeId extract(NodeId vector, u32 lane);
    NodeId insert(NodeId vector, NodeId scalar, u32 lane);
    NodeId shuffle(NodeId a, NodeId b, std::span<const i64> mask);
    NodeId vector_reduce(NodeId vector, Op op);

    // ---- memory. `width` elements: contiguous from a scalar index, gathered (scattered) with an index of `width` lanes.
    NodeId rebase(NodeId pointer, NodeId elements); ///< elements: an index, or i64
    NodeId load(NodeId memory, NodeId index, u32 width, const MemoryOptions& options = {});
    void store(NodeId value, NodeId memory, NodeId index, const MemoryOptions& options = {});
    /// Between blocks, through memory of u32 or u64 that was zeroed before the kernel: see the op table.
    NodeId await(NodeId pointer, NodeId index, u32 tries);
    void publish(NodeId value, NodeId pointer, NodeId index);
    /// An array of `count` elements, each a vector of `width`. On the CPU count may be an expression over symbols.
    NodeId local(Dtype dtype, u32 width, DimId count);
    NodeId shared(Dtype dtype, u32 width, i64 count);

    // ---- control. Bodies return what they yield.
    using LoopBody = std::function<std::vector<NodeId>(NodeId index, std::span<const NodeId> carried)>;
    using Body = std::function<std::vector<NodeId>()>;
    std::vector<NodeId> for_loop(NodeId low, NodeId high, NodeId step, std::span<const NodeId> initial,
                                 const LoopBody& body, const LoopOptions& options = {});
    std::vector<NodeId> if_then(NodeId condition, const Body& then_body, const Body& else_body = {});

    // ---- between invocations (GPU)
    void barrier(BarrierScope scope, bool shared_memory, bool global_memory);
    NodeId subgroup_shuffle_xor(NodeId value, u32 mask);
    NodeId subgroup_broadcast(NodeId value, u32 lane);
    NodeId subgroup_reduce(NodeId value, Op op);
    NodeId block_reduce(NodeId value, NodeId scratch, Op op);

    u32 width(NodeId value) const { return function_->type(value).lanes; }
    Dtype dtype(NodeId value) const { return function_->dtype(value); }

private:
    NodeId fold_index(Op op, NodeId a, NodeId b);
    Function* function_;
};

/// Kernel attributes in one place: what the launch and the emitters read.
struct KernelInfo {
    TargetKind target;
    u32 block = 1;    ///< invocations a block (GPU)
    u32 subgroup = 0; ///< required subgroup size, 0 if the kernel does not care
    u32 index_bits = 64;
    i64 grain = 1;           ///< CPU: grid indices worth a task
    bool fast_math = false;  ///< legalised for speed rather than to the last bit, docs/math.md
    std::vector<DimId> grid; ///< 1 to 3 extents, the first varies fastest
};
KernelInfo kernel_info(const Function& kernel);
void set_kernel_info(Function& kernel, const KernelInfo& info);

/// Where each parameter lies in the argument block, in bytes: 8-byte fields first (pointers, i64, u64, f64, 64-bit index), then 4-byte
/// ones (32-bit index, i32, u32, f32, and `magic` as two u32); smaller scalars are widened to 4. The same on every target.
struct ParameterLayout {
    std::vector<u32> offsets; ///< by position among the kernel's parameters
    u32 bytes = 0;
};
ParameterLayout parameter_layout(const Function& kernel);

/// Multiplier and shift with x / d == (umulhi(x, multiplier) + x) >> shift for 0 <= x < 2^31, 1 <= d < 2^31.
struct Magic {
    u32 multiplier;
    u32 shift;
};
Magic magic_of(u32 divisor);

} // namespace heddle::ir
