// Types, constants and arithmetic.

#include "codegen/spirv/kernel_emitter.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <array>
#include <fmt/format.h>

namespace heddle::codegen::spirv {

using ir::Key;
using ir::Op;

u32 KernelEmitter::bits(Dtype dtype, u32 index_bits) {
    return dtype == Dtype::index ? index_bits : static_cast<u32>(size_of(dtype)) * 8;
}

void KernelEmitter::refuse(Dtype dtype, std::string_view lacks) const {
    throw DeviceError(fmt::format("kernel @{} computes with {}: {} has no {}", kernel_.name(), name_of(dtype),
                                  target_.name.empty() ? "the device" : target_.name, lacks));
}

/// Whether the device computes with a narrow type.
void KernelEmitter::check_arithmetic(Dtype dtype) const {
    if (dtype == Dtype::boolean) return;
    const u32 width = bits(dtype);
    if (width == 8 && !target_.has_i8_arithmetic) refuse(dtype, "8-bit arithmetic");
    if (width == 16 && dtype == Dtype::f16 && !target_.has_f16_arithmetic)
        refuse(dtype, "16-bit float arithmetic");
    if (width == 16 && dtype != Dtype::f16 && !target_.has_i16_arithmetic) refuse(dtype, "16-bit arithmetic");
}

/// Integers of both signs are one type, for signedness is in the opcode. bf16 has no arithmetic and counts as its bits.
u32 KernelEmitter::scalar_type(Dtype dtype) {
    if (dtype == Dtype::boolean) return writer_.type_bool();
    if (dtype == Dtype::f64 && !target_.has_f64) refuse(dtype, "64-bit floats");
    if (bits(dtype) == 64 && dtype != Dtype::f64 && !target_.has_i64) refuse(dtype, "64-bit integers");
    return is_float(dtype) && dtype != Dtype::bf16 ? writer_.type_float(bits(dtype))
                                                   : writer_.type_int(bits(dtype));
}

u32 KernelEmitter::value_type(const ir::Type& type) {
    if (type.kind != ir::TypeKind::vector || type.lanes > 4)
        throw InternalError(
            fmt::format("SPIR-V: kernel @{}: a value of {} lanes; the pass split-vectors comes before",
                        kernel_.name(), type.lanes));
    return writer_.type_vector(scalar_type(type.dtype), type.lanes);
}

u32 KernelEmitter::constant(Dtype dtype, u64 value) {
    if (dtype == Dtype::boolean) return writer_.constant_bool(value != 0);
    check_arithmetic(dtype);
    return writer_.constant(scalar_type(dtype), value, bits(dtype));
}

u32 KernelEmitter::constant(Dtype dtype, u64 value, u32 lanes) {
    const u32 scalar = constant(dtype, value);
    if (lanes == 1) return scalar;
    const std::array<u32, 4> parts{scalar, scalar, scalar, scalar};
    return writer_.composite(writer_.type_vector(scalar_type(dtype), lanes), std::span(parts).first(lanes));
}

u32 KernelEmitter::id(NodeId node) const {
    const u32 id = ids_[node.value];
    if (id == 0) cannot(node, "is used where it has no value");
    return id;
}

u32 KernelEmitter::id(NodeId node, u32 lanes) {
    const ir::Type& type = kernel_.type(node);
    if (type.lanes == lanes) return id(node);
    if (kernel_.op(node) == Op::constant)
        return constant(type.dtype, static_cast<u64>(kernel_.payload(node, Key::value)[0]), lanes);
    const std::array<u32, 4> parts{id(node), id(node), id(node), id(node)};
    return add(spv::OpCompositeConstruct, writer_.type_vector(scalar_type(type.dtype), lanes),
               std::span(parts).first(lanes));
}

u32 KernelEmitter::add(spv::Op op, u32 type, std::span<const u32> operands) {
    const u32 id = writer_.fresh();
    std::array<u32, 18> words{type, id};
    if (operands.size() + 2 > words.size())
        throw InternalError("SPIR-V: an instruction with too many operands");
    std::copy(operands.begin(), operands.end(), words.begin() + 2);
    out_->add(op, std::span(words).first(operands.size() + 2));
    return id;
}

// ---- rows of the op table -------------------------------------------------------------------------------------------

namespace {

/// Positions may be negative on the way (2.1 of the maps), but are never divided then.
Opcode column(Op op, Dtype dtype) {
    const OpcodeRow& row = opcodes(op);
    if (is_float(dtype)) return row.floating;
    if (dtype == Dtype::index)
        return op == Op::div || op == Op::rem ? row.unsigned_integer : row.signed_integer;
    return is_signed_integer(dtype) ? row.signed_integer : row.unsigned_integer;
}

bool may_contract(u16 op) { return op == spv::OpFAdd || op == spv::OpFSub || op == spv::OpFMul; }

} // namespace

u32 KernelEmitter::emit_row(NodeId node) {
    const std::span<const NodeId> operands = kernel_.operands(node);
    const Dtype dtype = kernel_.dtype(operands[0]);
    if (dtype == Dtype::boolean) return emit_logic(node);
    check_arithmetic(dtype);
    const Op op = kernel_.op(node);
    if (op == Op::reciprocal) return emit_reciprocal(node);
    const Opcode opcode = column(op, dtype);
    // The device's functions are less exact than expansions, but for rsqrt, and for exp2 where results are rounded to 16 bits: else only a
    // kernel that asks for speed has them.
    const bool native = op == Op::rsqrt || op == Op::exp2 || info_.fast_math;
    const bool expanded = ir::info(op).has(ir::Traits::math) && !native;
    if (opcode.none() || expanded)
        cannot(node,
               fmt::format("of {} has no instruction; a legalisation pass rewrites it", name_of(dtype)));
    if (dtype == Dtype::bf16) cannot(node, "of bf16 has no instruction; the pass compute-type rewrites it");
    const u32 lanes = kernel_.type(node).lanes, type = type_of(node);
    std::array<u32, 5> words{writer_.type_void(), opcode.extended};
    for (std::size_t k = 0; k < operands.size(); ++k) words[k + 2] = id(operands[k], lanes);
    const std::span<const u32> values = std::span(words).subspan(2, operands.size());
    if (opcode.core == 0) {
        words[0] = writer_.glsl();
        return add(spv::OpExtInst, type, std::span(words).first(operands.size() + 2));
    }
    const u32 result = add(static_cast<spv::Op>(opcode.core), type, values);
    if (may_contract(opcode.core)) writer_.decorate(result, spv::DecorationNoContraction);
    return result;
}

u32 KernelEmitter::emit_reciprocal(NodeId node) {
    const ir::Type& type = kernel_.type(node);
    const u32 one = constant(type.dtype, bits_of(type.dtype, 1.0), type.lanes);
    return add(spv::OpFDiv, type_of(node), {one, id(kernel_.operand(node, 0))});
}

/// Booleans have instructions of their own; false orders below true.
u32 KernelEmitter::emit_logic(NodeId node) {
    const u32 lanes = kernel_.type(node).lanes, type = type_of(node);
    const u32 a = id(kernel_.operand(node, 0), lanes);
    const u32 b = kernel_.operands(node).size() > 1 ? id(kernel_.operand(node, 1), lanes) : 0;
    auto invert = [&](u32 value) { return add(spv::OpLogicalNot, type, {value}); };
    const Op op = kernel_.op(node);
    if (op == Op::bit_not) return invert(a);
    if (op == Op::bit_and || op == Op::minimum) return add(spv::OpLogicalAnd, type, {a, b});
    if (op == Op::bit_or || op == Op::maximum) return add(spv::OpLogicalOr, type, {a, b});
    if (op == Op::bit_xor || op == Op::ne) return add(spv::OpLogicalNotEqual, type, {a, b});
    if (op == Op::eq) return add(spv::OpLogicalEqual, type, {a, b});
    if (op == Op::lt) return add(spv::OpLogicalAnd, type, {invert(a), b});
    if (op == Op::gt) return add(spv::OpLogicalAnd, type, {a, invert(b)});
    if (op == Op::le) return add(spv::OpLogicalOr, type, {invert(a), b});
    if (op == Op::ge) return add(spv::OpLogicalOr, type, {a, invert(b)});
    cannot(node, "is not defined on bool");
}

u32 KernelEmitter::emit_select(NodeId node) {
    check_arithmetic(kernel_.dtype(node));
    const u32 lanes = kernel_.type(node).lanes;
    // From SPIR-V 1.4 on a scalar condition chooses whole vectors.
    return add(spv::OpSelect, type_of(node),
               {id(kernel_.operand(node, 0)), id(kernel_.operand(node, 1), lanes),
                id(kernel_.operand(node, 2), lanes)});
}

// ---- conversions ----------------------------------------------------------------------------------------------------

u32 KernelEmitter::cast_boolean(NodeId node) {
    const ir::Type& type = kernel_.type(node);
    return add(spv::OpSelect, type_of(node),
               {id(kernel_.operand(node, 0)), constant(type.dtype, bits_of(type.dtype, 1.0), type.lanes),
                constant(type.dtype, 0, type.lanes)});
}

u32 KernelEmitter::cast_to_boolean(NodeId node) {
    const NodeId value = kernel_.operand(node, 0);
    const ir::Type& type = kernel_.type(value);
    const spv::Op op = is_float(type.dtype) ? spv::OpFUnordNotEqual : spv::OpINotEqual;
    return add(op, type_of(node), {id(value), constant(type.dtype, 0, type.lanes)});
}

u32 KernelEmitter::cast_integer(u32 value, Dtype from, Dtype to, u32 type) {
    if (bits(from) == bits(to)) return value;
    const bool sign = is_signed_integer(from) || from == Dtype::index;
    return add(sign && bits(to) > bits(from) ? spv::OpSConvert : spv::OpUConvert, type, {value});
}

/// The device's own bf16 is a type apart; everywhere else bf16 counts as its bits.
u32 KernelEmitter::emit_bfloat_rounding(NodeId node) {
    const u32 type = writer_.type_vector(writer_.type_bfloat(), kernel_.type(node).lanes);
    const u32 rounded = add(spv::OpFConvert, type, {id(kernel_.operand(node, 0))});
    bfloats_[node.value] = rounded;
    return add(spv::OpBitcast, type_of(node), {rounded});
}

u32 KernelEmitter::emit_cast(NodeId node) {
    const NodeId operand = kernel_.operand(node, 0);
    const Dtype from = kernel_.dtype(operand), to = kernel_.dtype(node);
    if (from == to) return id(operand);
    if (from == Dtype::f32 && to == Dtype::bf16 && target_.has_bf16_rounding)
        return emit_bfloat_rounding(node);
    if (from == Dtype::bf16 || to == Dtype::bf16)
        cannot(node, "of bf16 has no instruction; the pass expand-convert rewrites it");
    if (from == Dtype::boolean) return cast_boolean(node);
    if (to == Dtype::boolean) return cast_to_boolean(node);
    const u32 value = id(operand), type = type_of(node);
    const auto is_signed = [](Dtype dtype) { return is_signed_integer(dtype) || dtype == Dtype::index; };
    if (is_float(from) && is_float(to)) return add(spv::OpFConvert, type, {value});
    if (is_float(from)) return add(is_signed(to) ? spv::OpConvertFToS : spv::OpConvertFToU, type, {value});
    if (is_float(to)) return add(is_signed(from) ? spv::OpConvertSToF : spv::OpConvertUToF, type, {value});
    return cast_integer(value, from, to, type);
}

u32 KernelEmitter::emit_bitcast(NodeId node) {
    const NodeId operand = kernel_.operand(node, 0);
    const u32 type = type_of(node);
    if (type == type_of(operand)) return id(operand);
    if (kernel_.dtype(node) == Dtype::boolean || kernel_.dtype(operand) == Dtype::boolean)
        cannot(node, "of bool has no instruction");
    check_arithmetic(kernel_.dtype(node));
    check_arithmetic(kernel_.dtype(operand));
    const auto bfloat = bfloats_.find(operand.value);
    return add(spv::OpBitcast, type, {bfloat != bfloats_.end() ? bfloat->second : id(operand)});
}

// ---- vectors --------------------------------------------------------------------------------------------------------

u32 KernelEmitter::emit_lanes(NodeId node) {
    const u32 lanes = kernel_.type(node).lanes, type = type_of(node);
    if (lanes == 1) return constant(Dtype::index, 0);
    std::array<u32, 4> parts{};
    for (u32 k = 0; k < lanes; ++k) parts[k] = constant(Dtype::index, k);
    return writer_.composite(type, std::span(parts).first(lanes));
}

u32 KernelEmitter::emit_shuffle(NodeId node) {
    const NodeId a = kernel_.operand(node, 0), b = kernel_.operand(node, 1);
    const std::span<const i64> mask = kernel_.payload(node, Key::mask);
    const u32 type = type_of(node), lanes = kernel_.type(a).lanes;
    auto component = [&](i64 lane) {
        const NodeId from = lane < lanes ? a : b;
        return lanes == 1 ? id(from)
                          : add(spv::OpCompositeExtract, scalar_type(kernel_.dtype(from)),
                                {id(from), static_cast<u32>(lane % lanes)});
    };
    if (mask.size() == 1) return component(mask[0]);
    std::array<u32, 6> words{};
    if (lanes == 1) {
        for (std::size_t k = 0; k < mask.size(); ++k) words[k] = component(mask[k]);
        return add(spv::OpCompositeConstruct, type, std::span(words).first(mask.size()));
    }
    words[0] = id(a);
    words[1] = id(b);
    for (std::size_t k = 0; k < mask.size(); ++k) words[k + 2] = static_cast<u32>(mask[k]);
    return add(spv::OpVectorShuffle, type, std::span(words).first(mask.size() + 2));
}

u32 KernelEmitter::emit_vector(NodeId node) {
    const std::span<const NodeId> operands = kernel_.operands(node);
    const u32 type = type_of(node), at = static_cast<u32>(kernel_.integer(node, Key::at));
    const Op op = kernel_.op(node);
    if (op == Op::splat) return id(operands[0], kernel_.type(node).lanes);
    if (op == Op::shuffle) return emit_shuffle(node);
    if (op == Op::extract) {
        const u32 vector = id(operands[0]);
        return kernel_.type(operands[0]).lanes == 1 ? vector
                                                    : add(spv::OpCompositeExtract, type, {vector, at});
    }
    if (op == Op::insert) {
        const u32 scalar = id(operands[1]);
        return kernel_.type(node).lanes == 1
                   ? scalar
                   : add(spv::OpCompositeInsert, type, {scalar, id(operands[0]), at});
    }
    if (op == Op::pack) {
        if (operands.size() == 1) return id(operands[0]);
        std::array<u32, 4> parts{};
        for (std::size_t k = 0; k < operands.size(); ++k) parts[k] = id(operands[k]);
        return add(spv::OpCompositeConstruct, type, std::span(parts).first(operands.size()));
    }
    cannot(node, "has no instruction; the pass expand-reduce rewrites it");
}

/// x / d == (umulhi(x, multiplier) + x) >> shift where an index has 32 bits; 64-bit ones are divided plainly.
void KernelEmitter::emit_divmod(NodeId node) {
    const NodeId x = kernel_.operand(node, 0), d = kernel_.operand(node, 1), magic = kernel_.operand(node, 2);
    const u32 lanes = kernel_.type(x).lanes, type = type_of(x);
    const u32 dividend = id(x), divisor = id(d, lanes);
    if (info_.index_bits != 32) {
        results_[node.value] = {add(spv::OpUDiv, type, {dividend, divisor}),
                                add(spv::OpUMod, type, {dividend, divisor})};
        return;
    }
    const std::vector<u32>& scalars = results_.at(magic.value);
    auto wide = [&](u32 scalar) {
        const std::array<u32, 4> parts{scalar, scalar, scalar, scalar};
        return lanes == 1 ? scalar : add(spv::OpCompositeConstruct, type, std::span(parts).first(lanes));
    };
    const std::array<u32, 2> members{type, type};
    const u32 product = add(spv::OpUMulExtended, writer_.type_struct(members), {dividend, wide(scalars[0])});
    const u32 high = add(spv::OpCompositeExtract, type, {product, 1});
    const u32 sum = add(spv::OpIAdd, type, {high, dividend});
    const u32 quotient = add(spv::OpShiftRightLogical, type, {sum, wide(scalars[1])});
    const u32 back = add(spv::OpIMul, type, {quotient, divisor});
    results_[node.value] = {quotient, add(spv::OpISub, type, {dividend, back})};
}

} // namespace heddle::codegen::spirv
