#include "frontend/prepared_variant.h"

#include "support/numeric.h"

#include <algorithm>
#include <cstring>

namespace heddle::detail {

namespace {

void put(std::span<std::byte> block, u32 offset, const void* from, std::size_t bytes) {
    std::memcpy(block.data() + offset, from, bytes);
}

} // namespace

void put_number(std::span<std::byte> block, u32 offset, u64 bits, Dtype from, Dtype to) {
    if (from != to)
        bits = is_float(from) ? bits_of(to, value_of(from, bits)) : bits_of(to, integer_of(from, bits));
    if (size_of(to) == 8) {
        put(block, offset, &bits, 8);
        return;
    }
    // Narrow integers are widened.
    u32 word = is_integer(to) ? static_cast<u32>(integer_of(to, bits)) : static_cast<u32>(bits);
    put(block, offset, &word, 4);
}

u32 SizeList::add(ir::DimId id) {
    if (const auto known = known_.find(id.value); known != known_.end()) return known->second;
    const u32 position = static_cast<u32>(constants_.size());
    const std::optional<i64> constant = dims_->as_constant(id);
    constants_.push_back(constant.value_or(0));
    if (!constant) computed_.emplace_back(position, id);
    known_.emplace(id.value, position);
    return position;
}

void SizeList::evaluate(std::span<const i64> symbols, std::span<i64> values) const {
    std::ranges::copy(constants_, values.begin());
    for (const auto& [position, id] : computed_) values[position] = dims_->evaluate(id, symbols);
}

PreparedVariant::PreparedVariant(std::shared_ptr<const ReadyKernel> ready)
    : kernel(std::move(ready)), sizes(kernel->interface.dims), arguments(kernel->interface.bytes) {
    const KernelInterface& interface = kernel->interface;
    for (const KernelInterface::Field& field : interface.fields) {
        if (field.by == KernelInterface::Fill::pointer) {
            pointer_fields.push_back(field.offset);
            continue;
        }
        const bool is_number = field.by == KernelInterface::Fill::number;
        patches.push_back(
            {field.by, field.offset, is_number ? field.number : sizes.add(field.size), field.dtype});
    }
    for (ir::DimId extent : interface.grid) grid.push_back(sizes.add(extent));
    scratch = sizes.add(interface.scratch);
}

void PreparedVariant::fill_in(std::span<std::byte> block, std::span<const i64> values,
                              std::span<const u64> numbers, std::span<const Dtype> dtypes) const {
    for (const Patch& patch : patches) {
        switch (patch.by) {
        case KernelInterface::Fill::pointer: break; // no part of a call's numbers
        case KernelInterface::Fill::size32: {
            const u32 word = static_cast<u32>(values[patch.source]);
            put(block, patch.offset, &word, 4);
            break;
        }
        case KernelInterface::Fill::size64: put(block, patch.offset, &values[patch.source], 8); break;
        case KernelInterface::Fill::magic: {
            const ir::Magic magic = ir::magic_of(static_cast<u32>(values[patch.source]));
            const u32 words[] = {magic.multiplier, magic.shift};
            put(block, patch.offset, words, 8);
            break;
        }
        case KernelInterface::Fill::number:
            put_number(block, patch.offset, numbers[patch.source], dtypes[patch.source], patch.to);
            break;
        }
    }
}

} // namespace heddle::detail
