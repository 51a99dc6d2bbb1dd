#include "passes/lower/custom.h"

#include "ir/node_copier.h"
#include "ir/text_rules.h"

#include <heddle/error.h>

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace heddle::passes {

using namespace ir;

namespace {

/// Makes the kernels of one op.
class CustomLowering {
public:
    CustomLowering(const Function& function, NodeId node)
        : function_(function), node_(node), code_(custom_code(function, node)) {}

    std::size_t count(const Target& target) const {
        const std::size_t count = code_->spirv_for(target) != nullptr ? 1 : code_->kernels_for(target).size();
        if (count == 0)
            throw UsageError(fmt::format("@{}: custom kernel {} has no code for this target",
                                         function_.name(), code_->name));
        return count;
    }

    Kernel make(const Target& target, std::size_t number) const {
        const CustomSpirv* spirv = code_->spirv_for(target);
        Kernel kernel = spirv != nullptr ? shell(*spirv) : copy(*code_->kernels_for(target)[number]);
        require_fitting_sizes(*kernel.function);
        require_countable_grid(*kernel.function);
        return kernel;
    }

private:
    Kernel empty_kernel() const {
        Kernel kernel{std::make_unique<Module>(), nullptr};
        Dims& dims = kernel.module->dims;
        const Dims& from = function_.module().dims;
        for (u32 k = 0; k < from.symbol_count(); ++k) dims.symbol(from.symbol_name(k));
        kernel.function = &kernel.module->add_kernel(code_->name);
        return kernel;
    }

    /// An attribute of the op, in the kernel's table.
    std::vector<DimId> sizes(const Kernel& kernel, Key key) const {
        const Module& module = function_.module();
        std::vector<DimId> sizes = module.attributes.dims(function_[node_].attributes, key);
        for (DimId& size : sizes) size = kernel.module->dims.import(module.dims, size);
        return sizes;
    }

    Kernel copy(const Function& user) const {
        Kernel kernel = empty_kernel();
        const std::vector<DimId> sizes = this->sizes(kernel, Key::sizes);
        NodeCopier copier(user, *kernel.function);
        const Dims& dims = user.module().dims;
        copier.symbols.resize(dims.symbol_count());
        for (u32 k = 0; k < dims.symbol_count(); ++k)
            for (std::size_t named = 0; named < sizes.size(); ++named)
                if (code_->sizes[named] == dims.symbol_name(k)) copier.symbols[k] = sizes[named];
        copier.copy_kernel();
        return kernel;
    }

    /// How SPIR-V is launched: pointers, then the sizes as u32.
    Kernel shell(const CustomSpirv& spirv) const {
        Kernel kernel = empty_kernel();
        kernel.spirv = std::shared_ptr<const CustomSpirv>(code_, &spirv);
        KernelBuilder builder(*kernel.function);
        const Types& types = function_.module().types;
        u32 number = 0;
        auto pointer = [&](Dtype dtype) { builder.pointer(fmt::format("p{}", number++), dtype); };
        for (NodeId operand : function_.operands(node_)) pointer(function_.dtype(operand));
        for (TypeId result : result_types(types, function_[node_].type)) pointer(types[result].dtype);
        for (Dtype dtype : code_->temporaries) pointer(dtype);
        const std::vector<DimId> sizes = this->sizes(kernel, Key::sizes);
        for (std::size_t k = 0; k < sizes.size(); ++k) {
            AttributeList list;
            list.dim(Key::size, sizes[k]);
            const NodeId parameter = kernel.function->add_parameter(kernel.module->types.scalar(Dtype::u32),
                                                                    kernel.module->attributes.intern(list));
            kernel.function->set_name(parameter, code_->sizes[k]);
        }
        KernelInfo info{.target = TargetKind::gpu, .block = block_of(spirv), .index_bits = 32};
        info.grid = this->sizes(kernel, Key::grid);
        set_kernel_info(*kernel.function, info);
        return kernel;
    }

    /// More than any device takes is as good as the most that can be counted.
    static u32 block_of(const CustomSpirv& spirv) {
        u64 block = 1;
        for (u32 extent : spirv.local) block = std::min<u64>(block * extent, ~u32{0});
        return static_cast<u32>(block);
    }

    /// A size that a parameter of 32 bits would cut off must not get there.
    static void require_fitting_sizes(Function& kernel) {
        const bool narrow_index = kernel_info(kernel).index_bits == 32;
        for (NodeId parameter : kernel.parameters()) {
            const Type& type = kernel.type(parameter);
            if (!kernel.has(parameter, Key::size)) continue;
            const DimId size{static_cast<u32>(kernel.integer(parameter, Key::size))};
            const bool is_index = type.dtype == Dtype::index || type.kind == TypeKind::magic;
            if (type.kind == TypeKind::magic || (is_index && narrow_index) || type.dtype == Dtype::i32)
                require_below(kernel, size, i64{1} << 31);
            else if (type.dtype == Dtype::u32)
                require_below(kernel, size, i64{1} << 32);
        }
    }
    static void require_below(Function& kernel, DimId size, i64 limit) {
        Dims& dims = kernel.module().dims;
        const std::optional<i64> known = dims.as_constant(size);
        if (known && *known < limit) return;
        kernel.facts.push_back({size, Relation::less, dims.constant(limit)});
    }

    /// Fewer blocks than none would silently be none.
    static void require_countable_grid(Function& kernel) {
        Dims& dims = kernel.module().dims;
        for (DimId extent : kernel_info(kernel).grid)
            if (!dims.prove_not_negative(extent, {.axis_extents = {}, .facts = kernel.facts}))
                kernel.facts.push_back({dims.constant(0), Relation::less_equal, extent});
    }

    const Function& function_;
    NodeId node_;
    std::shared_ptr<const CustomCode> code_;
};

} // namespace

std::size_t count_custom(const Function& function, NodeId node, const Target& target) {
    return CustomLowering(function, node).count(target);
}

Kernel lower_custom(const Function& function, NodeId node, const Target& target, std::size_t number) {
    return CustomLowering(function, node).make(target, number);
}

} // namespace heddle::passes
