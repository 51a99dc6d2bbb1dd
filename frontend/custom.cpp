#include "frontend/custom.h"

#include "frontend/emit.h"
#include "frontend/location.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <optional>

namespace heddle {

using namespace detail;

namespace {

/// One call of a kernel.
class CustomCall {
public:
    CustomCall(const CustomKernel::State& state, std::span<const Operand> inputs, Array::Where where)
        : state_(state), description_(state.description), where_(where) {
        for (const Operand& input : inputs) operands_.push_back(&input);
    }

    std::vector<Array> run() {
        std::optional<std::vector<Array>> results = located([&] { return recorded(); });
        return results ? std::move(*results) : run_reference();
    }

private:
    template <class Body> std::invoke_result_t<Body> located(Body body) {
        try {
            return body();
        } catch (const std::exception&) {
            rethrow_located(description_.name.c_str(), where_, operands_);
        }
    }

    /// Nothing where the device runs the reference instead.
    std::optional<std::vector<Array>> recorded() {
        std::vector<Shape> shapes = check_inputs();
        // The user's code runs before the graph is locked: it may do what it likes.
        sizes_ = description_.measure(shapes);
        shapes.clear();
        check_counts();
        Emitter emitter(description_.name.c_str(), where_, operands_);
        const runtime::DeviceInfo& device = emitter.device()->info();
        if (const std::string missing = missing_code(state_, device.target); !missing.empty())
            throw UsageError(
                fmt::format("this kernel has no code for device {}: give it {}", device.name, missing));
        if (device.target.kind == ir::TargetKind::interpreter) return std::nullopt;
        return record(emitter);
    }

    // ---- checks

    std::vector<Shape> check_inputs() {
        if (operands_.size() != description_.inputs.size())
            throw ShapeError(
                fmt::format("takes {} inputs, {} are given", description_.inputs.size(), operands_.size()));
        std::vector<Shape> shapes;
        for (std::size_t k = 0; k < operands_.size(); ++k) shapes.push_back(check_input(k));
        return shapes;
    }

    Shape check_input(std::size_t k) {
        const CustomInput& wanted = description_.inputs[k];
        const Operand& operand = *operands_[k];
        Shape shape;
        bool fits = false;
        std::string given;
        if (operand.is_array()) {
            const Value& value = checked(operand.array(), description_.name.c_str(), where_);
            shape = operand.array().shape(where_);
            fits = value.weak ? promote(wanted.dtype, kind_of(value.dtype)) == wanted.dtype
                              : value.dtype == wanted.dtype;
            given = name_of(value.dtype);
        } else {
            const NumberKind kind = operand.kind() == Operand::Kind::floating  ? NumberKind::floating
                                    : operand.kind() == Operand::Kind::boolean ? NumberKind::boolean
                                                                               : NumberKind::integer;
            fits = promote(wanted.dtype, kind) == wanted.dtype;
            given = "a number of another kind";
        }
        if (!fits)
            throw DtypeError(fmt::format("input {} is {}, {} is given", k, name_of(wanted.dtype), given));
        if (wanted.rank != any_rank && shape.rank() != wanted.rank)
            throw ShapeError(
                fmt::format("input {} has rank {}, rank {} is given", k, wanted.rank, shape.rank()));
        return shape;
    }

    void check_counts() const {
        auto check = [&](const char* what, std::size_t described, std::size_t measured) {
            if (described != measured)
                throw ShapeError(
                    fmt::format("`measure` gives {} {}, the kernel has {}", measured, what, described));
        };
        check("outputs", description_.outputs.size(), sizes_.outputs.size());
        check("sizes", description_.sizes.size(), sizes_.sizes.size());
        check("temporaries", description_.temporaries.size(), sizes_.temporaries.size());
        const bool needs_grid =
            !state_.code->spirv.words.empty() || !state_.code->spirv_descriptors.words.empty();
        if (sizes_.grid.size() > 3 || (needs_grid && sizes_.grid.empty()))
            throw ShapeError(
                fmt::format("`measure` gives {} grid extents, expected 1 to 3", sizes_.grid.size()));
    }

    // ---- as an op

    std::vector<Array> record(Emitter& emitter) {
        ir::Module& module = emitter.function().module();
        ir::AttributeList list;
        std::vector<i64> types;
        for (std::size_t k = 0; k < sizes_.outputs.size(); ++k) {
            std::vector<ir::DimId> shape = emitter.dim_list(sizes_.outputs[k]);
            for (ir::DimId size : shape) check_size(emitter, size, fmt::format("a size of output {}", k));
            types.push_back(module.types.tensor(description_.outputs[k], shape).value);
        }
        list.words(ir::Key::to, types);
        list.word(ir::Key::code, module.words.intern(state_.code->word));
        std::vector<ir::DimId> temporaries;
        for (std::size_t k = 0; k < sizes_.temporaries.size(); ++k) {
            const ir::DimId elements = emitter.dim(sizes_.temporaries[k]);
            check_size(emitter, elements, fmt::format("the size of temporary {}", k));
            const i64 bytes = static_cast<i64>(size_of(description_.temporaries[k]));
            temporaries.push_back(emitter.dims().mul(elements, emitter.constant(bytes)));
        }
        std::vector<ir::DimId> sizes;
        for (std::size_t k = 0; k < sizes_.sizes.size(); ++k) {
            sizes.push_back(emitter.dim(sizes_.sizes[k]));
            check_size(emitter, sizes.back(), fmt::format("size {}", description_.sizes[k]));
        }
        if (!sizes.empty()) list.dims(ir::Key::sizes, sizes);
        if (!temporaries.empty()) list.dims(ir::Key::temporaries, temporaries);
        if (!sizes_.grid.empty()) {
            const std::vector<ir::DimId> grid = emitter.dim_list(Shape(sizes_.grid));
            for (ir::DimId extent : grid) check_size(emitter, extent, "an extent of the grid");
            list.dims(ir::Key::grid, grid);
        }
        module.customs.try_emplace(state_.code->word, state_.code);
        const ir::NodeId node = emitter.builder().make(ir::Op::custom, input_nodes(emitter), list);
        std::vector<Array> results;
        for (u32 k = 0; k < types.size(); ++k)
            results.push_back(emitter.array(emitter.function().result(node, k)));
        return results;
    }

    void check_size(Emitter& emitter, ir::DimId size, const std::string& what) const {
        const i64 value = emitter.value_of(size);
        emitter.require_not_above(emitter.constant(0), size,
                                  fmt::format("`measure` gives {}: {}", value, what));
    }

    std::vector<ir::NodeId> input_nodes(Emitter& emitter) {
        std::vector<ir::NodeId> nodes;
        const ir::DimId one = emitter.constant(1);
        for (std::size_t k = 0; k < operands_.size(); ++k) {
            ir::NodeId node = emitter.node(*operands_[k], description_.inputs[k].dtype);
            // A number of the call lies in no memory: a copy of it does.
            if (emitter.function().has(node, ir::Key::number))
                node = emitter.builder().reshape(node, std::span(&one, 1));
            nodes.push_back(node);
        }
        return nodes;
    }

    // ---- as the user's ops

    std::vector<Array> run_reference() {
        const Scope scope(description_.name.c_str(), where_);
        std::vector<Array> inputs;
        for (std::size_t k = 0; k < operands_.size(); ++k) {
            const Operand* const one[] = {operands_[k]};
            const Dtype dtype = description_.inputs[k].dtype;
            inputs.push_back(detail::record(description_.name.c_str(), where_, one,
                                            [&](Emitter& emitter) { return emitter.node(*one[0], dtype); }));
        }
        std::vector<Array> results = description_.reference(inputs);
        located([&] { check_reference(results); });
        return results;
    }

    void check_reference(const std::vector<Array>& results) const {
        if (results.size() != description_.outputs.size())
            throw ShapeError(fmt::format("`reference` gives {} outputs, the kernel has {}", results.size(),
                                         description_.outputs.size()));
        for (std::size_t k = 0; k < results.size(); ++k) {
            const Dtype dtype = description_.outputs[k];
            if (results[k].dtype(where_) != dtype)
                throw DtypeError(fmt::format("`reference` gives {} for output {}, which is {}",
                                             name_of(results[k].dtype(where_)), k, name_of(dtype)));
            const Shape shape = results[k].shape(where_);
            if (!(shape == sizes_.outputs[k]))
                throw ShapeError(fmt::format("`reference` gives {} for output {}, `measure` gives {}",
                                             shape.text(), k, sizes_.outputs[k].text()));
        }
    }

    const CustomKernel::State& state_;
    const CustomDescription& description_;
    Array::Where where_;
    std::vector<const Operand*> operands_;
    CustomSizes sizes_;
};

} // namespace

CustomKernel::CustomKernel(CustomDescription description, Where where) {
    try {
        auto state = std::make_shared<State>();
        state->code = custom_code_of(description);
        state->description = std::move(description);
        state_ = std::move(state);
    } catch (const UsageError& error) {
        throw UsageError(fmt::format("{} ({})", error.what(), text(where)));
    } catch (const ParseError& error) {
        throw ParseError(fmt::format("{} ({})", error.what(), text(where)));
    }
}

const std::string& CustomKernel::name() const { return state_->description.name; }

std::vector<Array> CustomKernel::call(std::initializer_list<Operand> inputs, Where where) const {
    return CustomCall(*state_, {inputs.begin(), inputs.size()}, where).run();
}

std::vector<Array> CustomKernel::call(std::span<const Array> inputs, Where where) const {
    std::vector<Operand> operands;
    for (const Array& input : inputs) operands.emplace_back(input, where);
    return CustomCall(*state_, operands, where).run();
}

Array CustomKernel::operator()(std::initializer_list<Operand> inputs, Where where) const {
    if (state_->description.outputs.size() != 1)
        throw UsageError(fmt::format("{}: gives {} arrays: use call() ({})", name(),
                                     state_->description.outputs.size(), text(where)));
    return call(inputs, where)[0];
}

} // namespace heddle
