#pragma once
// Kernels that you write yourself, as ops like any other: traced, lazy, shapeless, fused around, owned by the work that uses them. A
// kernel is made once from a description and may be called from any thread. What it is called with has sizes and element types
// only: there is no way to hand it an address, so nothing can be bound that is not owned. docs/custom-kernels.md shows it at work.

#include <heddle/array.h>
#include <heddle/dtype.h>
#include <heddle/sendable.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace heddle {

inline constexpr int any_rank = -1;

/// An array that a kernel takes. A number where rank 0 (or any) is wanted takes the dtype.
struct CustomInput {
    Dtype dtype = Dtype::f32;
    int rank = any_rank;
};

/// What the inputs' sizes decide in one call. In a shapeless trace these are expressions: use arithmetic, not numbers.
struct CustomSizes {
    std::vector<Shape> outputs;     ///< shape of each output
    std::vector<Dim> sizes{};       ///< values of CustomDescription::sizes
    std::vector<Dim> temporaries{}; ///< elements of each temporary
    std::vector<Dim> grid{};        ///< SPIR-V: workgroups along x, y and z; the kernel text has its own
};

/// SPIR-V for Vulkan 1.2; docs/custom-kernels.md says how it finds its arguments. No words: no such code.
struct SpirvCode {
    std::vector<std::uint32_t> words{};
    std::string entry = "main";
};

struct CustomDescription {
    std::string name; ///< letters, digits and _: it stands in errors, dumps and reports
    std::vector<CustomInput> inputs{};
    std::vector<Dtype> outputs{}; ///< element type of each
    /// Element type of each: memory that the call owns, of no defined content.
    std::vector<Dtype> temporaries{};
    /// Names of the numbers that the kernel gets: ?n in its text, or u32 in this order.
    std::vector<std::string> sizes{};
    /// Given the inputs' shapes, in order. Called whenever the kernel is traced or recorded, on that thread.
    std::function<CustomSizes(std::span<const Shape> inputs)> measure{};

    // ---- its code: at least one. A call for a device that has none is a UsageError. It is copied: nothing of yours has to stay.
    /// Kernels as .hir text (docs/hir.md) with target = cpu, with target = gpu, or both.
    std::string kernel{};
    SpirvCode spirv{};             ///< for Vulkan devices with buffer addresses, rather than the text
    SpirvCode spirv_descriptors{}; ///< for those without
    /// The same as ops: what the interpreter's device runs.
    std::function<std::vector<Array>(std::span<const Array> inputs)> reference{};
};

/// A handle to a kernel, of which copies are cheap and all the same.
class CustomKernel {
public:
    using Where = std::source_location;

    /// UsageError or ParseError (`name:line:column`) where the description or its code is wrong.
    explicit CustomKernel(CustomDescription description, Where where = Where::current());

    // Copied, never moved: there is no empty one.
    CustomKernel(const CustomKernel&) = default;
    CustomKernel& operator=(const CustomKernel&) = default;

    const std::string& name() const;
    /// The result of a kernel that has one output: `saxpy({2.0f, x, y})`. ShapeError for other counts or ranks than described,
    /// DtypeError for other element types, UsageError where it has no code for the device.
    Array operator()(std::initializer_list<Operand> inputs, Where where = Where::current()) const;
    /// The results of any kernel, in order.
    std::vector<Array> call(std::initializer_list<Operand> inputs, Where where = Where::current()) const;
    /// Likewise, with inputs whose number is known at run time.
    std::vector<Array> call(std::span<const Array> inputs, Where where = Where::current()) const;

    /// For the library's own use.
    struct State;

private:
    std::shared_ptr<const State> state_;
};

/// It never changes. `measure` and `reference` are called on whatever thread calls the kernel.
template <> inline constexpr bool enable_sendable<CustomKernel> = true;

} // namespace heddle
