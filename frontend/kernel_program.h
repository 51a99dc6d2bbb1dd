#pragma once
// A program of kernels. Everything that does not depend on the call is worked out once: argument blocks with the constants filled in, and
// a list of what to patch from the call's sizes, numbers and addresses.

#include "frontend/access_report.h"
#include "frontend/kernel_cache.h"
#include "frontend/program.h"

#include <atomic>
#include <mutex>

namespace heddle::detail {

/// Size expressions of one module, each evaluated at most once a call; constants once and for all.
class SizeList {
public:
    explicit SizeList(const ir::Dims& dims) : dims_(&dims) {}

    /// A reference to a size: its position here.
    u32 add(ir::DimId id);
    /// `values` has room for size() numbers.
    void evaluate(std::span<const i64> symbols, std::span<i64> values) const;
    std::size_t size() const { return constants_.size(); }

private:
    const ir::Dims* dims_;
    std::vector<i64> constants_;
    std::vector<std::pair<u32, ir::DimId>> computed_; ///< position, expression
    std::unordered_map<u32, u32> known_;
};

/// One variant of one step, ready to launch.
struct PreparedVariant {
    enum class Field : u8 { size32, size64, magic, number };
    struct Patch {
        Field field;
        u32 offset = 0;
        u32 source = 0; ///< position in `sizes`, or the number's
        Dtype to = Dtype::f32;
    };
    explicit PreparedVariant(std::shared_ptr<const ReadyKernel> kernel);

    std::shared_ptr<const ReadyKernel> kernel;
    SizeList sizes;
    std::vector<std::byte> arguments;
    std::vector<u32> pointer_fields;
    std::vector<Patch> patches;
    std::vector<u32> grid; ///< positions in `sizes`
    u32 scratch = 0;       ///< likewise
};

class KernelProgram final : public Program {
public:
    KernelProgram(ContextState& context, runtime::DeviceRef device, std::shared_ptr<void> owner,
                  passes::Plan plan, const DriverOptions& options);
    ~KernelProgram() override;

    void run(std::span<const ProgramInput> inputs, std::span<const u64> numbers, std::span<const i64> symbols,
             std::span<ProgramOutput> outputs) override;
    void prepare(std::span<const i64> symbols) override;
    u32 kernel_count() const override { return static_cast<u32>(steps_.size()); }

private:
    struct Variant {
        passes::Kernel kernel;                    ///< until it is compiled
        std::vector<ir::Fact> facts;              ///< over the function's symbols
        std::vector<std::pair<u32, u32>> aligned; ///< pointer, bytes
        std::unique_ptr<CheckedKernel> checked;   ///< where the device checks accesses
        std::atomic<const PreparedVariant*> ready{nullptr};
        std::unique_ptr<PreparedVariant> owned;
        std::mutex compiling;
    };
    struct Step {
        std::vector<std::unique_ptr<Variant>> variants;
        std::vector<passes::Slot> pointers;
        u32 write_mask = 0;
        bool barrier_before = false;
        std::string name; ///< of its first variant's kernel, for messages
    };
    struct Call;

    void make_constants();
    runtime::BufferRef allocate(u64 bytes, passes::SlotKind kind, std::size_t index) const;
    void make_outputs(Call& call);
    void make_temporaries(Call& call);
    Variant& choose(const Step& step, const Call& call) const;
    /// Says which sizes the step's last variant is for; throws.
    [[noreturn]] void refuse(const Step& step, const Call& call) const;
    const PreparedVariant& ready(Variant& variant);
    void launch(const Step& step, Call& call);
    void bind_report(const Step& step, const CheckedKernel& kernel, runtime::Launch& launch, Call& call);
    void patch_arguments(const PreparedVariant& variant, std::span<const i64> sizes, const Call& call,
                         std::span<std::byte> block) const;

    ContextState& context_;
    runtime::DeviceRef device_;
    std::shared_ptr<void> owner_;
    passes::Plan plan_;
    DriverOptions options_;
    std::vector<Step> steps_;
    SizeList sizes_;
    std::vector<std::vector<u32>> output_shapes_; ///< positions in sizes_
    std::vector<u32> temporaries_;                ///< bytes, likewise
    std::vector<runtime::BufferRef> constants_;
    std::vector<Dtype> number_dtypes_;
};

} // namespace heddle::detail
