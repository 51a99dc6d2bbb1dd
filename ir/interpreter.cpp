#include "ir/interpreter.h"

#include "ir/double_double.h"
#include "ir/scalar.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>

namespace heddle::ir {

i64 Tensor::count() const { return std::accumulate(shape.begin(), shape.end(), i64{1}, std::multiplies{}); }

Tensor tensor_from(Dtype dtype, std::vector<i64> shape, const void* memory) {
    Tensor tensor{dtype, std::move(shape), {}};
    tensor.elements.resize(static_cast<std::size_t>(tensor.count()));
    const auto* bytes = static_cast<const std::byte*>(memory);
    for (std::size_t k = 0; k < tensor.elements.size(); ++k)
        tensor.elements[k] = load_bits(dtype, bytes + k * size_of(dtype));
    return tensor;
}

void copy_to(const Tensor& tensor, void* memory) {
    auto* bytes = static_cast<std::byte*>(memory);
    const std::size_t size = size_of(tensor.dtype);
    for (std::size_t k = 0; k < tensor.elements.size(); ++k)
        store_bits(tensor.dtype, bytes + k * size, tensor.elements[k]);
}

std::vector<i64> bind_symbols(const Function& function, std::span<const std::vector<i64>> shapes) {
    const Dims& dims = function.module().dims;
    std::vector<i64> symbols(dims.symbol_count(), 0);
    std::size_t next = 0;
    for (NodeId parameter : function.parameters()) {
        if (function.has(parameter, Key::number)) continue;
        if (next >= shapes.size())
            throw ShapeError(
                fmt::format("@{}: {} inputs given, more expected", function.name(), shapes.size()));
        const std::vector<i64>& shape = shapes[next++];
        const std::span<const DimId> wanted = function.shape(parameter);
        if (wanted.size() != shape.size())
            throw ShapeError(fmt::format("@{}: input {} has rank {}, expected {}", function.name(), next - 1,
                                         shape.size(), wanted.size()));
        for (std::size_t k = 0; k < shape.size(); ++k) {
            const std::span<const Term> terms = dims.terms(wanted[k]);
            if (terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1 &&
                dims.atom(terms[0].atoms[0]).kind == AtomKind::symbol)
                symbols[dims.atom(terms[0].atoms[0]).index] = shape[k];
        }
    }
    next = 0;
    for (NodeId parameter : function.parameters()) {
        if (function.has(parameter, Key::number)) continue;
        const std::vector<i64>& shape = shapes[next++];
        for (std::size_t k = 0; k < shape.size(); ++k)
            if (dims.evaluate(function.shape(parameter)[k], symbols) != shape[k])
                throw ShapeError(fmt::format("@{}: axis {} of input {} is {}, expected {}", function.name(),
                                             k, next - 1, shape[k], dims.text(function.shape(parameter)[k])));
    }
    return symbols;
}

namespace {

/// An array while it is worked with.
struct Values {
    std::vector<i64> shape;
    std::vector<Scalar> elements;
};

void for_each_index(std::span<const i64> shape,
                    const std::function<void(std::span<const i64>, std::size_t)>& body) {
    std::vector<i64> index(shape.size());
    const i64 count = std::accumulate(shape.begin(), shape.end(), i64{1}, std::multiplies{});
    for (i64 flat = 0; flat < count; ++flat) {
        body(index, static_cast<std::size_t>(flat));
        for (std::size_t k = shape.size(); k-- > 0;) {
            if (++index[k] < shape[k]) break;
            index[k] = 0;
        }
    }
}

std::size_t offset_of(std::span<const i64> shape, std::span<const i64> index) {
    i64 offset = 0;
    for (std::size_t k = 0; k < shape.size(); ++k) offset = offset * shape[k] + index[k];
    return static_cast<std::size_t>(offset);
}

class Interpreter {
public:
    Interpreter(const Function& function, std::vector<i64> symbols)
        : function_(function), dims_(function.module().dims), symbols_(std::move(symbols)),
          values_(function.size()) {
        for (u32 k = 0; k < dims_.symbol_count(); ++k) own_dims_.symbol(dims_.symbol_name(k));
    }

    void set(NodeId node, Values value) { values_[node.value] = {std::move(value)}; }
    const Values& get(NodeId node, std::size_t part = 0) const { return values_[node.value].at(part); }

    void run(const Region& region) {
        for (NodeId node : region.body) values_[node.value] = evaluate_node(node);
    }

private:
    std::vector<i64> shape_of(TypeId type) const {
        std::vector<i64> shape;
        for (DimId extent : function_.module().types[type].shape) {
            const i64 size = dims_.evaluate(extent, symbols_);
            if (size < 0)
                throw ShapeError(fmt::format("@{}: axis {} of a value has the negative size {}",
                                             function_.name(), shape.size(), size));
            shape.push_back(size);
        }
        return shape;
    }
    std::vector<i64> shape_of(NodeId node) const { return shape_of(function_[node].type); }
    std::vector<i64> sizes(NodeId node, Key key) const {
        std::vector<i64> result;
        for (i64 id : function_.payload(node, key))
            result.push_back(dims_.evaluate(DimId{static_cast<u32>(id)}, symbols_));
        return result;
    }

    std::vector<Values> evaluate_node(NodeId node) {
        const Op op = function_.op(node);
        switch (info(op).kind) {
        case OpKind::elementwise:
        case OpKind::predicate:
        case OpKind::choice: return {elementwise(node)};
        case OpKind::convert: return {converted(node)};
        case OpKind::creation: return {created(node)};
        case OpKind::movement: return {moved(node)};
        case OpKind::reduction:
            return op == Op::reduce ? reduced_by_region(node) : std::vector{reduced(node)};
        case OpKind::contraction: return {contracted(node)};
        case OpKind::access: return {gathered(node)};
        case OpKind::control: return op == Op::while_loop ? looped(node) : chosen(node);
        case OpKind::custom:
            throw UsageError(fmt::format("@{}: the interpreter runs no custom kernels", function_.name()));
        case OpKind::special:
            if (op == Op::result)
                return {get(function_.operand(node, 0),
                            static_cast<std::size_t>(function_.integer(node, Key::at)))};
            break;
        case OpKind::index_math:
        case OpKind::vector:
        case OpKind::position:
        case OpKind::memory:
        case OpKind::synchronise: break;
        }
        throw InternalError(
            fmt::format("the interpreter runs graphs: {} is of the kernel level", info(op).text));
    }

    /// The element of an operand that belongs to element `flat` of an elementwise result.
    Scalar operand_at(NodeId node, u32 k, std::size_t flat) const {
        const Values& values = get(function_.operand(node, k));
        return values.elements[values.shape.empty() ? 0 : flat];
    }

    Values elementwise(NodeId node) {
        const Op op = function_.op(node);
        const u32 arity = function_[node].operand_count;
        const Dtype dtype = function_.dtype(function_.operand(node, op == Op::select ? 1 : 0));
        Values out{shape_of(node), {}};
        out.elements.resize(static_cast<std::size_t>(
            std::accumulate(out.shape.begin(), out.shape.end(), i64{1}, std::multiplies{})));
        for (std::size_t k = 0; k < out.elements.size(); ++k) {
            const Scalar a = operand_at(node, 0, k);
            const auto value = ir::evaluate(op, dtype, a, arity > 1 ? operand_at(node, 1, k) : Scalar{},
                                            arity > 2 ? operand_at(node, 2, k) : Scalar{});
            if (!value)
                throw InternalError(
                    fmt::format("{} has no definition for {}", info(op).text, name_of(dtype)));
            out.elements[k] = *value;
        }
        return out;
    }

    Values converted(NodeId node) {
        const Dtype from = function_.dtype(function_.operand(node, 0)), to = function_.dtype(node);
        Values out = get(function_.operand(node, 0));
        const bool bits = function_.op(node) == Op::bitcast;
        for (Scalar& value : out.elements)
            value = bits ? scalar_of(to, bits_of(from, value)) : convert(from, to, value);
        return out;
    }

    Values created(NodeId node) {
        const Dtype dtype = function_.dtype(node);
        Values out{shape_of(node), {}};
        if (function_.op(node) == Op::constant) {
            for (i64 bits : function_.payload(node, Key::value))
                out.elements.push_back(scalar_of(dtype, static_cast<u64>(bits)));
        } else if (function_.op(node) == Op::dim) {
            out.elements.push_back(convert(Dtype::i64, dtype, {0, sizes(node, Key::extent)[0]}));
        } else {
            const auto axis = static_cast<std::size_t>(function_.integer(node, Key::axis));
            for_each_index(out.shape, [&](std::span<const i64> index, std::size_t) {
                out.elements.push_back(convert(Dtype::i64, dtype, {0, index[axis]}));
            });
        }
        return out;
    }

    /// Which element goes where, and the table of the map's expressions: the module's is only read, since other threads may run it.
    std::pair<IndexMap, const Dims&> movement_map(NodeId node) {
        auto own = [&](std::span<const DimId> dims) {
            std::vector<DimId> result;
            for (DimId id : dims) result.push_back(own_dims_.import(dims_, id));
            return result;
        };
        auto dim_list = [&](Key key) {
            return own(function_.module().attributes.dims(function_[node].attributes, key));
        };
        const std::vector<DimId> from = own(function_.shape(function_.operand(node, 0))),
                                 to = own(function_.shape(node));
        auto map = [&]() -> IndexMap {
            switch (function_.op(node)) {
            case Op::broadcast: return broadcast_map(own_dims_, from, function_.payload(node, Key::dims), to);
            case Op::transpose: return transpose_map(own_dims_, function_.payload(node, Key::permutation));
            case Op::slice: return slice_map(own_dims_, dim_list(Key::start), dim_list(Key::step));
            case Op::flip: return flip_map(own_dims_, from, function_.payload(node, Key::axes));
            default: return pad_map(own_dims_, from, dim_list(Key::low), dim_list(Key::interior), 0, to);
            }
        };
        if (function_.op(node) == Op::view)
            return {function_.module()[MapId{static_cast<u32>(function_.integer(node, Key::map))}], dims_};
        return {map(), own_dims_};
    }

    Values moved(NodeId node) {
        const Op op = function_.op(node);
        const Values& in = get(function_.operand(node, 0));
        if (op == Op::reshape) return {shape_of(node), in.elements};
        if (op == Op::concatenate) return joined(node);
        const auto [map, dims] = movement_map(node);
        const Scalar fill = op == Op::pad ? get(function_.operand(node, 1)).elements[0]
                                          : scalar_of(function_.dtype(node), map.fill);
        Values out{shape_of(node), {}};
        for_each_index(out.shape, [&](std::span<const i64> index, std::size_t) {
            bool inside = true;
            for (const Bound& bound : map.valid) {
                const i64 place = dims.evaluate(bound.value, symbols_, index);
                inside &= place >= 0 && place < dims.evaluate(bound.extent, symbols_, index);
            }
            if (!inside) return out.elements.push_back(fill);
            std::vector<i64> source;
            for (DimId result : map.results) source.push_back(dims.evaluate(result, symbols_, index));
            for (std::size_t k = 0; k < source.size(); ++k)
                if (source[k] < 0 || source[k] >= in.shape[k])
                    throw ShapeError(fmt::format("{}: element {} of axis {} is out of range for size {}",
                                                 info(op).text, source[k], k, in.shape[k]));
            out.elements.push_back(in.elements[offset_of(in.shape, source)]);
        });
        return out;
    }

    Values joined(NodeId node) {
        const auto axis = static_cast<std::size_t>(function_.integer(node, Key::axis));
        Values out{shape_of(node), {}};
        for_each_index(out.shape, [&](std::span<const i64> index, std::size_t) {
            std::vector<i64> place(index.begin(), index.end());
            for (NodeId operand : function_.operands(node)) {
                const Values& part = get(operand);
                if (place[axis] < part.shape[axis])
                    return out.elements.push_back(part.elements[offset_of(part.shape, place)]);
                place[axis] -= part.shape[axis];
            }
        });
        return out;
    }

    /// Calls `body` with the result element that each operand element falls to.
    void for_each_reduced(NodeId node, const std::function<void(std::size_t out, std::size_t in)>& body) {
        const Values& in = get(function_.operand(node, 0));
        std::vector<bool> reduced(in.shape.size());
        for (i64 axis : function_.payload(node, Key::axes)) reduced[static_cast<std::size_t>(axis)] = true;
        for_each_index(in.shape, [&](std::span<const i64> index, std::size_t flat) {
            i64 out = 0;
            for (std::size_t k = 0; k < in.shape.size(); ++k)
                if (!reduced[k]) out = out * in.shape[k] + index[k];
            body(static_cast<std::size_t>(out), flat);
        });
    }

    static std::size_t element_count(const std::vector<i64>& shape) {
        return static_cast<std::size_t>(
            std::accumulate(shape.begin(), shape.end(), i64{1}, std::multiplies{}));
    }

    /// Sums and products of floats: the reference is the exact result, rounded once.
    Values accumulated(NodeId node) {
        const Dtype dtype = function_.dtype(node);
        const Values& in = get(function_.operand(node, 0));
        const bool is_sum = function_.op(node) == Op::sum;
        Values out{shape_of(node), {}};
        std::vector<DoubleDouble> totals(element_count(out.shape), DoubleDouble(is_sum ? 0 : 1));
        for_each_reduced(node, [&](std::size_t to, std::size_t from) {
            const double x = in.elements[from].real;
            is_sum ? totals[to].add(x) : totals[to].multiply(x);
        });
        for (const DoubleDouble& total : totals) out.elements.push_back(rounded(dtype, {total.value(), 0}));
        return out;
    }

    Values reduced(NodeId node) {
        const Dtype dtype = function_.dtype(node);
        const Values& in = get(function_.operand(node, 0));
        const Op op = function_.op(node);
        if (is_float(dtype) && (op == Op::sum || op == Op::prod)) return accumulated(node);
        Scalar initial = scalar_of(dtype, 0);
        Op step = Op::add;
        if (op == Op::prod) initial = convert(Dtype::i64, dtype, {0, 1}), step = Op::mul;
        if (op == Op::reduce_max) initial = scalar_of(dtype, lowest_bits(dtype)), step = Op::maximum;
        if (op == Op::reduce_max_number)
            initial = scalar_of(dtype, lowest_bits(dtype)), step = Op::maximum_number;
        if (op == Op::reduce_min) initial = scalar_of(dtype, highest_bits(dtype)), step = Op::minimum;
        if (op == Op::all) initial = {0, 1}, step = Op::bit_and;
        if (op == Op::any) step = Op::bit_or;
        Values out{shape_of(node), {}};
        out.elements.assign(element_count(out.shape), initial);
        const Dtype carried = is_float(dtype) ? Dtype::f64 : dtype;
        for_each_reduced(node, [&](std::size_t to, std::size_t from) {
            out.elements[to] = *ir::evaluate(step, carried, out.elements[to], in.elements[from]);
        });
        for (Scalar& value : out.elements) value = rounded(dtype, value);
        return out;
    }

    std::vector<Values> reduced_by_region(NodeId node) {
        const std::size_t count = function_[node].operand_count / 2;
        const Region& region = function_.region(node, 0);
        const Type& type = function_.type(node);
        std::vector<Values> out;
        for (std::size_t k = 0; k < count; ++k) {
            Values part{shape_of(count == 1 ? function_[node].type : type.members[k]), {}};
            part.elements.assign(element_count(part.shape),
                                 get(function_.operand(node, static_cast<u32>(count + k))).elements[0]);
            out.push_back(std::move(part));
        }
        for_each_reduced(node, [&](std::size_t to, std::size_t from) {
            for (std::size_t k = 0; k < count; ++k) {
                set(region.parameters[k], {{}, {out[k].elements[to]}});
                set(region.parameters[count + k],
                    {{}, {get(function_.operand(node, static_cast<u32>(k))).elements[from]}});
            }
            run(region);
            for (std::size_t k = 0; k < count; ++k) out[k].elements[to] = get(region.yields[k]).elements[0];
        });
        return out;
    }

    Values contracted(NodeId node) {
        const Values &a = get(function_.operand(node, 0)), &b = get(function_.operand(node, 1));
        const std::span<const i64> contract = function_.payload(node, Key::contract),
                                   batch = function_.payload(node, Key::batch);
        const std::size_t pairs = contract.size() / 2, batches = batch.size() / 2;
        const Dtype dtype = function_.dtype(node);
        std::vector<i64> inner;
        for (std::size_t k = 0; k < pairs; ++k)
            inner.push_back(a.shape[static_cast<std::size_t>(contract[k])]);
        auto is_used = [](std::span<const i64> axes, std::size_t k) {
            return std::ranges::find(axes, static_cast<i64>(k)) != axes.end();
        };
        Values out{shape_of(node), {}};
        for_each_index(out.shape, [&](std::span<const i64> index, std::size_t) {
            std::vector<i64> at_a(a.shape.size()), at_b(b.shape.size());
            std::size_t next = 0;
            for (std::size_t k = 0; k < batches; ++k, ++next)
                at_a[static_cast<std::size_t>(batch[k])] =
                    at_b[static_cast<std::size_t>(batch[batches + k])] = index[next];
            for (std::size_t k = 0; k < a.shape.size(); ++k)
                if (!is_used(contract.first(pairs), k) && !is_used(batch.first(batches), k))
                    at_a[k] = index[next++];
            for (std::size_t k = 0; k < b.shape.size(); ++k)
                if (!is_used(contract.subspan(pairs), k) && !is_used(batch.subspan(batches), k))
                    at_b[k] = index[next++];
            Scalar sum;
            DoubleDouble total(0);
            for_each_index(inner, [&](std::span<const i64> place, std::size_t) {
                for (std::size_t k = 0; k < pairs; ++k)
                    at_a[static_cast<std::size_t>(contract[k])] =
                        at_b[static_cast<std::size_t>(contract[pairs + k])] = place[k];
                const Scalar &x = a.elements[offset_of(a.shape, at_a)],
                             &y = b.elements[offset_of(b.shape, at_b)];
                if (is_float(dtype))
                    total.add_product(x.real, y.real);
                else
                    sum = *ir::evaluate(Op::add, dtype, sum, *ir::evaluate(Op::mul, dtype, x, y));
            });
            out.elements.push_back(rounded(dtype, is_float(dtype) ? Scalar{total.value(), 0} : sum));
        });
        return out;
    }

    Values gathered(NodeId node) {
        const Values& table = get(function_.operand(node, 0));
        Values out{shape_of(node), {}};
        for (std::size_t flat = 0; flat < element_count(out.shape); ++flat) {
            if (table.elements.empty()) {
                out.elements.emplace_back(); // 0
                continue;
            }
            std::vector<i64> place;
            for (u32 k = 0; k < table.shape.size(); ++k) {
                const i64 index = operand_at(node, k + 1, flat).whole, last = table.shape[k] - 1;
                const bool is_past =
                    index < 0 && function_.dtype(function_.operand(node, k + 1)) == Dtype::u64;
                place.push_back(is_past ? last : std::clamp(index, i64{0}, last));
            }
            out.elements.push_back(table.elements.at(offset_of(table.shape, place)));
        }
        return out;
    }

    std::vector<Values> looped(NodeId node) {
        std::vector<Values> carried;
        for (NodeId operand : function_.operands(node)) carried.push_back(get(operand));
        const Region &test = function_.region(node, 0), &body = function_.region(node, 1);
        while (true) {
            for (std::size_t k = 0; k < carried.size(); ++k) set(test.parameters[k], carried[k]);
            run(test);
            if (get(test.yields[0]).elements[0].whole == 0) return carried;
            for (std::size_t k = 0; k < carried.size(); ++k) set(body.parameters[k], carried[k]);
            run(body);
            for (std::size_t k = 0; k < carried.size(); ++k) carried[k] = get(body.yields[k]);
        }
    }

    std::vector<Values> chosen(NodeId node) {
        const bool yes = get(function_.operand(node, 0)).elements[0].whole != 0;
        const Region& region = function_.region(node, yes ? 0 : 1);
        for (std::size_t k = 0; k < region.parameters.size(); ++k)
            set(region.parameters[k], get(function_.operand(node, static_cast<u32>(k + 1))));
        run(region);
        std::vector<Values> results;
        for (NodeId yielded : region.yields) results.push_back(get(yielded));
        return results;
    }

    const Function& function_;
    const Dims& dims_;
    Dims own_dims_; ///< the symbols are the module's, in its order
    std::vector<i64> symbols_;
    std::vector<std::vector<Values>> values_;
};

} // namespace

std::vector<Tensor> interpret(const Function& function, std::span<const Tensor> inputs,
                              std::span<const u64> numbers) {
    std::vector<std::vector<i64>> shapes;
    for (const Tensor& input : inputs) shapes.push_back(input.shape);
    std::vector<i64> symbols = bind_symbols(function, shapes);
    for (const Fact& fact : function.facts)
        if (!function.module().dims.holds(fact, symbols))
            throw ShapeError(
                fmt::format("@{}: the sizes break '{}'", function.name(), function.module().dims.text(fact)));
    Interpreter interpreter(function, std::move(symbols));
    std::size_t next = 0;
    for (NodeId parameter : function.parameters()) {
        const Dtype dtype = function.dtype(parameter);
        if (function.has(parameter, Key::number)) {
            const auto number = static_cast<std::size_t>(function.integer(parameter, Key::number));
            if (number >= numbers.size())
                throw ShapeError(fmt::format("@{}: number {} is missing", function.name(), number));
            interpreter.set(parameter, {{}, {scalar_of(dtype, numbers[number])}});
            continue;
        }
        const Tensor& input = inputs[next++];
        if (input.dtype != dtype)
            throw DtypeError(fmt::format("@{}: input {} is {}, expected {}", function.name(), next - 1,
                                         name_of(input.dtype), name_of(dtype)));
        Values values{input.shape, {}};
        for (u64 bits : input.elements) values.elements.push_back(scalar_of(dtype, bits));
        interpreter.set(parameter, std::move(values));
    }
    interpreter.run(function.region(function.root()));
    std::vector<Tensor> results;
    for (NodeId id : function.results()) {
        const Values& values = interpreter.get(id);
        Tensor tensor{function.dtype(id), values.shape, {}};
        for (const Scalar& value : values.elements) tensor.elements.push_back(bits_of(tensor.dtype, value));
        results.push_back(std::move(tensor));
    }
    return results;
}

} // namespace heddle::ir
