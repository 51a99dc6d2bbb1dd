#include "frontend/emit.h"

#include "frontend/location.h"
#include "frontend/trace.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::detail {

namespace {

std::string operand_text(const Operand& operand) {
    switch (operand.kind()) {
    case Operand::Kind::array:
        return operand.array().has_value() ? type_text(*operand.array().value()) : "an empty array";
    case Operand::Kind::dim: return operand.dim().text();
    case Operand::Kind::boolean: return operand.integer() != 0 ? "true" : "false";
    case Operand::Kind::integer: return fmt::format("{}", operand.integer());
    case Operand::Kind::unsigned_integer: return fmt::format("{}", static_cast<u64>(operand.integer()));
    case Operand::Kind::floating: return fmt::format("{}", operand.floating());
    }
    return {};
}

/// `gelu: softmax: max: axis 3 is out of range for rank 2; given f32[2, 3] (main.cpp:12)`.
std::string located(const std::string& message, const char* op, Array::Where where,
                    std::span<const Operand* const> operands) {
    std::string result;
    if (const Trace* trace = Trace::current(); trace != nullptr) result += trace->name() + ": ";
    if (const std::string_view composite = composite_name(); !composite.empty() && composite != op)
        result += fmt::format("{}: ", composite);
    if (!message.starts_with(std::string(op) + ":")) result += fmt::format("{}: ", op);
    result += message;
    for (std::size_t k = 0; k < operands.size(); ++k)
        result += (k == 0                     ? "; given "
                   : k + 1 == operands.size() ? " and "
                                              : ", ") +
                  operand_text(*operands[k]);
    return result + fmt::format(" ({})", text(user_place(where)));
}

} // namespace

void rethrow_located(const char* op, Array::Where where, std::span<const Operand* const> operands) {
    try {
        throw;
    } catch (const ShapeError& error) {
        throw ShapeError(located(error.what(), op, where, operands));
    } catch (const DtypeError& error) {
        throw DtypeError(located(error.what(), op, where, operands));
    } catch (const UsageError& error) {
        throw UsageError(located(error.what(), op, where, operands));
    }
}

} // namespace heddle::detail
