#pragma once
// A call of a compiled function as it comes to a program: the arguments as its caller has them, and results as values that nobody has seen.

#include "frontend/number_argument.h"
#include "frontend/program.h"
#include "frontend/specialization.h"
#include "support/small_array.h"

#include <heddle/compile.h>

namespace heddle::detail {

struct FrameCall {
    const std::string& function; ///< its name, for errors
    const Frame& frame;
    std::span<const SymbolSource> symbols;
    std::span<const ValueRef> captured; ///< arrays that come after the frame's
    /// Of what is captured, as ProgramInput::keeper. Null: there is none.
    const std::shared_ptr<const void>* keeper;
    std::span<const Array> results; ///< to be placed
};

/// Whether a result may take over the argument's memory: it was given away, and nobody else has it.
inline bool is_given_away(const Leaf& leaf) {
    if (!leaf.donated) return false;
    const Value& value = *leaf.operand.array().value();
    // Acquire: what other threads read through handles they have dropped comes before what is written now.
    return value.references.load(std::memory_order_acquire) == 1 &&
           value.pins.load(std::memory_order_acquire) == 0 && value.buffer->holds_one_array();
}

/// A call's arguments as a program takes them.
class FrameArguments {
public:
    /// DtypeError for a number that does not fit.
    explicit FrameArguments(const FrameCall& call)
        : inputs_(call.frame.size() + call.captured.size()), numbers_(call.frame.size()) {
        for (std::size_t k = 0; k < call.frame.size(); ++k) {
            const Leaf& leaf = call.frame[k];
            if (!leaf.operand.is_array()) {
                numbers_[number_count_++] = number_bits(leaf.operand, call.function);
                continue;
            }
            const Value& value = *leaf.operand.array().value();
            inputs_[input_count_++] = {&value.buffer, value.offset, is_given_away(leaf), nullptr};
        }
        for (const ValueRef& value : call.captured)
            inputs_[input_count_++] = {&value->buffer, value->offset, false, call.keeper};
    }
    std::span<const ProgramInput> inputs() const { return {inputs_.data(), input_count_}; }
    std::span<const u64> numbers() const { return {numbers_.data(), number_count_}; }

private:
    SmallArray<ProgramInput, 8> inputs_;
    SmallArray<u64, 8> numbers_;
    std::size_t input_count_ = 0, number_count_ = 0;
};

} // namespace heddle::detail
