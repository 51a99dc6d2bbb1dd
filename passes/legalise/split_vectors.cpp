#include "passes/legalise/split_vectors.h"

#include "passes/legalise/parts.h"

#include <heddle/error.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_map>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr u32 most = 4;

class Splitter {
public:
    Splitter(Rewriter& rewriter, const Target& target)
        : r_(rewriter), k_(rewriter.kernel()), parts_(rewriter), target_(target) {}

    NodeId operator()(NodeId old) {
        const Op op = from().op(old);
        switch (info(op).kind) {
        case OpKind::control: return parts_.control(old);
        case OpKind::memory:
            if (op == Op::load) return load(old);
            if (op == Op::store) return store(old);
            return is_wide(from().type(old)) ? array(old) : NodeId{};
        case OpKind::vector: return touches_wide(old) ? vector(old) : NodeId{};
        case OpKind::index_math: return touches_wide(old) ? index_math(old) : NodeId{};
        case OpKind::elementwise:
        case OpKind::predicate:
        case OpKind::choice:
        case OpKind::synchronise: return touches_wide(old) ? lanewise(old) : NodeId{};
        case OpKind::convert:
            if (!touches_wide(old)) return {};
            return lanes(from().operand(old, 0)) == lanes(old) ? lanewise(old) : regrouped(old);
        case OpKind::creation:
        case OpKind::special:
        case OpKind::position:
        case OpKind::movement:
        case OpKind::reduction:
        case OpKind::contraction:
        case OpKind::access:
        case OpKind::custom: return {};
        }
        return {};
    }

private:
    const Function& from() const { return r_.from(); }
    TypeId type(Dtype dtype, u32 lanes) { return from().module().types.vector(dtype, lanes); }
    static bool is_wide(const Type& type) { return type.lanes > most; }
    u32 lanes(NodeId old) const { return from().type(old).lanes; }
    bool touches_wide(NodeId old) const {
        return is_wide(from().type(old)) || std::ranges::any_of(from().operands(old), [&](NodeId operand) {
                   return is_wide(from().type(operand));
               });
    }
    NodeId part(NodeId old, u32 p) const {
        const std::vector<NodeId> parts = parts_.of(old);
        return parts.size() == 1 ? parts[0] : parts[p];
    }

    // ---- arithmetic

    NodeId lanewise(NodeId old) {
        const Node node = from()[old];
        u32 widest = lanes(old);
        for (NodeId operand : from().operands(old)) widest = std::max(widest, lanes(operand));
        std::vector<NodeId> result;
        for (u32 p = 0; p < widest / most; ++p) {
            std::vector<NodeId> operands;
            for (NodeId operand : from().operands(old)) operands.push_back(part(operand, p));
            result.push_back(r_.to().make(node.op, type(from().dtype(old), most), operands, node.attributes,
                                          node.location));
        }
        return parts_.set(old, std::move(result));
    }

    /// 16-bit elements as words, or words as 16-bit elements. The words of what was loaded as words are at hand.
    NodeId regrouped(NodeId old) {
        const NodeId operand = from().operand(old, 0);
        const std::size_t before = size_of(from().dtype(operand)), after = size_of(from().dtype(old));
        std::vector<NodeId> result;
        if (before == 4 && after == 2) {
            for (NodeId part : parts_.of(operand)) {
                words_[old.value].push_back(k_.bitcast(part, Dtype::u32));
                append_elements(result, words_[old.value].back(), from().dtype(old), 2);
            }
        } else if (before == 2 && after == 4) {
            const auto at_hand = words_.find(operand.value);
            const std::vector<NodeId> words =
                at_hand != words_.end() ? at_hand->second : joined_words(parts_.of(operand));
            for (NodeId part : words) result.push_back(k_.bitcast(part, from().dtype(old)));
        } else {
            throw InternalError("split-vectors: a wide bitcast between other sizes than 16 and 32 bits");
        }
        return parts_.set(old, std::move(result));
    }

    /// Parts of four 16-bit elements, two by two, as four words.
    std::vector<NodeId> joined_words(std::span<const NodeId> parts) {
        constexpr std::array<i64, most> mask{0, 1, 2, 3};
        std::vector<NodeId> result;
        for (std::size_t k = 0; k < parts.size(); k += 2) {
            const NodeId low = k_.bitcast(parts[k], Dtype::u32), high = k_.bitcast(parts[k + 1], Dtype::u32);
            result.push_back(k_.shuffle(low, high, mask));
        }
        return result;
    }

    /// Parts of four elements from up to four words, which hold `part_words` to a part.
    void append_elements(std::vector<NodeId>& parts, NodeId words, Dtype dtype, u32 part_words) {
        for (u32 w = 0; w < k_.width(words); w += part_words) {
            const std::array<i64, 2> mask{w, w + 1};
            const NodeId part = part_words == 1 ? k_.extract(words, w) : k_.shuffle(words, words, mask);
            parts.push_back(k_.bitcast(part, dtype));
        }
    }

    NodeId index_math(NodeId old) {
        if (from().op(old) == Op::divmod) {
            std::vector<NodeId> quotients, remainders;
            const NodeId x = from().operand(old, 0);
            for (u32 p = 0; p < lanes(x) / most; ++p) {
                const auto [quotient, remainder] = k_.divmod(part(x, p), r_.mapped(from().operand(old, 1)),
                                                             r_.mapped(from().operand(old, 2)));
                quotients.push_back(quotient);
                remainders.push_back(remainder);
            }
            parts_.set_result(old, 0, std::move(quotients));
            parts_.set_result(old, 1, std::move(remainders));
            return k_.index(0);
        }
        std::vector<NodeId> result;
        for (u32 p = 0; p < lanes(old) / most; ++p)
            result.push_back(k_.add(k_.lanes(most), k_.index(p * most)));
        return parts_.set(old, std::move(result));
    }

    // ---- lanes

    NodeId lane_of(NodeId old, u32 lane) { return k_.extract(part(old, lane / most), lane % most); }

    NodeId vector(NodeId old) {
        const std::span<const NodeId> operands = from().operands(old);
        const u32 at = static_cast<u32>(from().integer(old, Key::at));
        switch (from().op(old)) {
        case Op::splat:
            return parts_.set(old,
                              std::vector<NodeId>(lanes(old) / most, k_.splat(r_.mapped(operands[0]), most)));
        case Op::extract: return lane_of(operands[0], at);
        case Op::shuffle: return shuffle(old);
        case Op::pack: {
            const std::vector<NodeId> scalars = r_.mapped(operands);
            std::vector<NodeId> result;
            for (std::size_t first = 0; first < scalars.size(); first += most)
                result.push_back(k_.pack(std::span(scalars).subspan(first, most)));
            return parts_.set(old, std::move(result));
        }
        case Op::insert: {
            std::vector<NodeId> result = parts_.of(operands[0]);
            result[at / most] = k_.insert(result[at / most], r_.mapped(operands[1]), at % most);
            return parts_.set(old, std::move(result));
        }
        default: throw InternalError("split-vectors: vector_reduce is expanded before");
        }
    }

    /// Up to four lanes that come from one or two parts are one shuffle, others are packed one by one.
    NodeId shuffle_part(NodeId a, NodeId b, std::span<const i64> mask) {
        const i64 width = lanes(a);
        struct Source {
            NodeId value;
            i64 lane;
        };
        std::array<Source, most> sources;
        std::vector<NodeId> distinct;
        for (std::size_t k = 0; k < mask.size(); ++k) {
            const i64 lane = mask[k] % width;
            sources[k] = {part(mask[k] < width ? a : b, static_cast<u32>(lane / most)), lane % most};
            if (std::ranges::find(distinct, sources[k].value) == distinct.end())
                distinct.push_back(sources[k].value);
        }
        const i64 part_lanes = std::min<i64>(width, most);
        if (distinct.size() > 2) {
            std::vector<NodeId> scalars;
            for (std::size_t k = 0; k < mask.size(); ++k)
                scalars.push_back(k_.extract(sources[k].value, static_cast<u32>(sources[k].lane)));
            return k_.pack(scalars);
        }
        std::vector<i64> local;
        bool identity = distinct.size() == 1 && static_cast<i64>(mask.size()) == part_lanes;
        for (std::size_t k = 0; k < mask.size(); ++k) {
            local.push_back(sources[k].lane + (sources[k].value == distinct[0] ? 0 : part_lanes));
            identity &= local.back() == static_cast<i64>(k);
        }
        if (identity) return distinct[0];
        if (local.size() == 1) return k_.extract(sources[0].value, static_cast<u32>(sources[0].lane));
        return k_.shuffle(distinct[0], distinct.back(), local);
    }

    NodeId shuffle(NodeId old) {
        const std::span<const i64> payload = from().payload(old, Key::mask);
        const std::vector<i64> mask(payload.begin(), payload.end()); // interning below may move the table
        std::vector<NodeId> result;
        for (std::size_t first = 0; first < mask.size(); first += most) {
            const std::size_t count = std::min<std::size_t>(most, mask.size() - first);
            result.push_back(shuffle_part(from().operand(old, 0), from().operand(old, 1),
                                          std::span(mask).subspan(first, count)));
        }
        return parts_.set(old, std::move(result));
    }

    // ---- memory

    /// An array of wide elements has P elements of four lanes for each.
    NodeId array(NodeId old) {
        const Type& type = from().type(old);
        Dims& dims = from().module().dims;
        const u32 per = type.lanes / most;
        const DimId count = dims.mul(type.count, dims.constant(per));
        return from().op(old) == Op::local ? k_.local(type.dtype, most, count)
                                           : k_.shared(type.dtype, most, *dims.as_constant(count));
    }

    /// How a vector access goes: steps of `step` lanes, element by element for arrays of scalars.
    struct Steps {
        u32 step;
        u32 count;
        bool vector_elements; ///< the array's elements are the parts
    };
    Steps steps(NodeId memory, u32 width) const {
        const Type& place = from().type(memory);
        const bool elements = place.kind == TypeKind::array && place.lanes > 1;
        if (place.kind == TypeKind::array && !elements) return {1, width, false};
        const u32 step = std::min(width, most);
        return {step, width / step, elements};
    }
    NodeId step_index(NodeId index, const Steps& steps, u32 s) {
        if (steps.vector_elements) return k_.add(k_.mul(index, k_.index(steps.count)), k_.index(s));
        return k_.add(index, k_.index(s * steps.step));
    }
    /// A step behind the first is aligned as far as the distance is.
    AttributesId step_attributes(NodeId old, u32 bytes) {
        Attributes& attributes = from().module().attributes;
        const AttributesId id = from()[old].attributes;
        if (!attributes.has(id, Key::align)) return id;
        AttributeList list = attributes.list(id);
        list.integer(Key::align, std::gcd<i64, i64>(attributes.integer(id, Key::align), bytes));
        return attributes.intern(list);
    }

    /// Bytes of words that a narrow vector in a buffer moves as; 0 if it does not.
    bool moves_as_words(NodeId old, NodeId memory, u32 width) const {
        const Dtype dtype = from().dtype(memory);
        const std::size_t size = size_of(dtype);
        if (from().type(memory).kind != TypeKind::pointer || size > 2 || width <= most ||
            !target_.buffer_addresses)
            return false;
        const bool can_cast = dtype == Dtype::f16 ? target_.has_f16_arithmetic
                              : size == 2         ? target_.has_i16_arithmetic
                                                  : target_.has_i8_arithmetic;
        return can_cast &&
               from().integer(old, Key::align) >= std::min<i64>(16, static_cast<i64>(width * size));
    }
    NodeId word_pointer(NodeId memory, NodeId index) {
        return k_.bitcast(k_.rebase(r_.mapped(memory), r_.mapped(index)), Dtype::u32);
    }

    std::vector<NodeId> load_words(NodeId old, NodeId memory, u32 width) {
        const NodeId pointer = word_pointer(memory, from().operand(old, 1));
        const Dtype dtype = from().dtype(memory);
        const u32 part_words = most * static_cast<u32>(size_of(dtype)) / 4, words = width / most * part_words;
        std::vector<NodeId> result;
        for (u32 first = 0; first < words; first += most) {
            const u32 count = std::min(most, words - first);
            const NodeId operands[] = {pointer, k_.index(first)};
            const NodeId loaded = r_.to().make(Op::load, type(Dtype::u32, count), operands,
                                               step_attributes(old, 16), from()[old].location);
            append_elements(result, loaded, dtype, part_words);
            words_[old.value].push_back(loaded);
        }
        return result;
    }

    /// The words of a value, up to four at a time.
    std::vector<NodeId> words_of(NodeId value, Dtype dtype, u32 width) {
        if (const auto at_hand = words_.find(value.value); at_hand != words_.end()) return at_hand->second;
        const u32 part_words = most * static_cast<u32>(size_of(dtype)) / 4, words = width / most * part_words;
        std::vector<NodeId> result;
        for (u32 first = 0; first < words; first += most) {
            std::vector<NodeId> scalars;
            for (u32 w = 0; w < std::min(most, words - first); w += part_words) {
                const NodeId cast = k_.bitcast(part(value, (first + w) / part_words), Dtype::u32);
                for (u32 k = 0; k < part_words; ++k) scalars.push_back(k_.extract(cast, k));
            }
            result.push_back(k_.pack(scalars));
        }
        return result;
    }

    void store_words(NodeId old, NodeId memory, u32 width) {
        const NodeId pointer = word_pointer(memory, from().operand(old, 2)), value = from().operand(old, 0);
        const std::vector<NodeId> words = words_of(value, from().dtype(memory), width);
        for (std::size_t k = 0; k < words.size(); ++k) {
            const NodeId operands[] = {words[k], pointer, k_.index(static_cast<i64>(k * most))};
            r_.to().make(Op::store, from()[old].type, operands, step_attributes(old, 16),
                         from()[old].location);
        }
    }

    NodeId load(NodeId old) {
        const NodeId memory = from().operand(old, 0);
        const u32 width = lanes(old);
        const Dtype dtype = from().dtype(old);
        if (moves_as_words(old, memory, width)) return parts_.set(old, load_words(old, memory, width));
        const Steps s = steps(memory, width);
        if (s.count == 1) return {};
        const NodeId index = r_.mapped(from().operand(old, 1));
        std::vector<NodeId> loaded;
        for (u32 k = 0; k < s.count; ++k) {
            const NodeId operands[] = {r_.mapped(memory), step_index(index, s, k)};
            const AttributesId attributes = step_attributes(old, s.step * static_cast<u32>(size_of(dtype)));
            loaded.push_back(
                r_.to().make(Op::load, type(dtype, s.step), operands, attributes, from()[old].location));
        }
        if (s.step > 1) return parts_.set(old, std::move(loaded));
        std::vector<NodeId> result;
        const std::size_t group = std::min(width, most);
        for (std::size_t first = 0; first < loaded.size(); first += group)
            result.push_back(k_.pack(std::span(loaded).subspan(first, group)));
        return parts_.set(old, std::move(result));
    }

    NodeId store(NodeId old) {
        const NodeId value = from().operand(old, 0), memory = from().operand(old, 1);
        const u32 width = lanes(value);
        if (moves_as_words(old, memory, width)) {
            store_words(old, memory, width);
            return k_.index(0);
        }
        const Steps s = steps(memory, width);
        if (s.count == 1) return {};
        const NodeId index = r_.mapped(from().operand(old, 2));
        for (u32 k = 0; k < s.count; ++k) {
            const NodeId piece = s.step > 1 ? part(value, k) : lane_of(value, k);
            const NodeId operands[] = {piece, r_.mapped(memory), step_index(index, s, k)};
            const AttributesId attributes =
                step_attributes(old, s.step * static_cast<u32>(size_of(from().dtype(value))));
            r_.to().make(Op::store, from()[old].type, operands, attributes, from()[old].location);
        }
        return k_.index(0);
    }

    Rewriter& r_;
    KernelBuilder& k_;
    Parts parts_;
    const Target& target_;
    std::unordered_map<u32, std::vector<NodeId>> words_; ///< of 16-bit elements that lie in words, by node
};

} // namespace

Function& split_vectors(Function& kernel, const Target& target) {
    std::optional<Splitter> splitter;
    return rewrite(kernel, [&](Rewriter& r, NodeId old) {
        if (!splitter) splitter.emplace(r, target);
        return (*splitter)(old);
    });
}

} // namespace heddle::passes
