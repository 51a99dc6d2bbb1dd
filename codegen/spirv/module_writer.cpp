#include "codegen/spirv/module_writer.h"

#include "codegen/spirv/newer.h"
#include "support/hash.h"

#include <algorithm>
#include <cstring>

namespace heddle::codegen::spirv {

void Section::add(spv::Op op, std::span<const u32> operands) {
    words_.push_back(static_cast<u32>(operands.size() + 1) << 16 | static_cast<u32>(op));
    words_.insert(words_.end(), operands.begin(), operands.end());
}

void append_text(std::vector<u32>& words, std::string_view text) {
    const std::size_t first = words.size();
    words.resize(first + text.size() / 4 + 1);
    std::memcpy(words.data() + first, text.data(), text.size());
}

void ModuleWriter::need(spv::Capability capability) {
    if (std::ranges::find(capabilities_, capability) == capabilities_.end())
        capabilities_.push_back(capability);
}

void ModuleWriter::need_extension(std::string_view name) {
    if (std::ranges::find(extensions_, name) == extensions_.end()) extensions_.push_back(name);
}

u32 ModuleWriter::glsl() {
    if (glsl_ == 0) glsl_ = fresh();
    return glsl_;
}

// ---- what is written once -------------------------------------------------------------------------------------------

ModuleWriter::Unique ModuleWriter::unique(spv::Op op, u32 type, std::span<const u32> operands, u32 salt) {
    u64 key = hash_mix(u64{salt} << 32 | static_cast<u32>(op), type);
    for (u32 operand : operands) key = hash_mix(key, operand);
    const std::size_t result = type != 0 ? 2 : 1; // position of the result id in the instruction
    const u32 first = static_cast<u32>(operands.size() + result + 1) << 16 | static_cast<u32>(op);
    auto [at, end] = unique_.equal_range(key);
    for (; at != end; ++at) {
        const std::span<const u32> words = globals_.words().subspan(at->second.second);
        if (at->second.first != salt || words[0] != first || (type != 0 && words[1] != type)) continue;
        if (std::ranges::equal(words.subspan(result + 1, operands.size()), operands))
            return {words[result], false};
    }
    const u32 id = fresh();
    const u32 position = static_cast<u32>(globals_.words().size());
    std::vector<u32> words;
    words.reserve(operands.size() + 2);
    if (type != 0) words.push_back(type);
    words.push_back(id);
    words.insert(words.end(), operands.begin(), operands.end());
    globals_.add(op, words);
    unique_.emplace(key, std::pair{salt, position});
    return {id, true};
}

u32 ModuleWriter::type_int(u32 bits) {
    if (bits == 64) need(spv::CapabilityInt64);
    if (bits == 16 && options_.int16) need(spv::CapabilityInt16);
    if (bits == 8 && options_.int8) need(spv::CapabilityInt8);
    return unique_type(spv::OpTypeInt, {bits, 0});
}

u32 ModuleWriter::type_float(u32 bits) {
    if (bits == 64) need(spv::CapabilityFloat64);
    if (bits == 16 && options_.float16) need(spv::CapabilityFloat16);
    float_widths_ |= bits >> 4;
    return unique_type(spv::OpTypeFloat, {bits});
}

u32 ModuleWriter::type_bfloat() {
    need(capability_bfloat16_type);
    need_extension(bfloat16_extension);
    return unique_type(spv::OpTypeFloat, {16, encoding_bfloat16});
}

u32 ModuleWriter::type_vector(u32 component, u32 count) {
    return count == 1 ? component : unique_type(spv::OpTypeVector, {component, count});
}

u32 ModuleWriter::type_array(u32 element, u32 count, u32 stride) {
    const u32 length = constant_u32(count);
    const u32 operands[] = {element, length};
    const Unique type = unique(spv::OpTypeArray, 0, operands, stride);
    if (type.made && stride != 0) decorate(type.id, spv::DecorationArrayStride, {stride});
    return type.id;
}

u32 ModuleWriter::type_pointer(spv::StorageClass storage, u32 pointee) {
    return unique_type(spv::OpTypePointer, {static_cast<u32>(storage), pointee});
}

u32 ModuleWriter::type_buffer(u32 element, u32 stride, bool read_only) {
    const Unique array = unique(spv::OpTypeRuntimeArray, 0, std::span(&element, 1), stride);
    if (array.made) decorate(array.id, spv::DecorationArrayStride, {stride});
    const Unique type = unique(spv::OpTypeStruct, 0, std::span(&array.id, 1), read_only ? 2 : 1);
    if (!type.made) return type.id;
    decorate(type.id, spv::DecorationBlock);
    member_decorate(type.id, 0, spv::DecorationOffset, {0});
    if (read_only) member_decorate(type.id, 0, spv::DecorationNonWritable, {});
    return type.id;
}

u32 ModuleWriter::type_block(std::span<const u32> members, std::span<const u32> offsets) {
    const Unique type = unique(spv::OpTypeStruct, 0, members, 3);
    if (!type.made) return type.id;
    decorate(type.id, spv::DecorationBlock);
    for (u32 k = 0; k < members.size(); ++k) member_decorate(type.id, k, spv::DecorationOffset, {offsets[k]});
    return type.id;
}

u32 ModuleWriter::constant_bool(bool value) {
    return unique(value ? spv::OpConstantTrue : spv::OpConstantFalse, type_bool(), {}, 0).id;
}

u32 ModuleWriter::constant(u32 type, u64 bits, u32 width) {
    const u64 kept = width == 64 ? bits : bits & ((u64{1} << width) - 1);
    const u32 words[] = {static_cast<u32>(kept), static_cast<u32>(kept >> 32)};
    return unique(spv::OpConstant, type, std::span(words, width == 64 ? 2 : 1), 0).id;
}

u32 ModuleWriter::composite(u32 type, std::span<const u32> parts) {
    return unique(spv::OpConstantComposite, type, parts, 0).id;
}

// ---- variables, decorations -----------------------------------------------------------------------------------------

u32 ModuleWriter::variable(spv::StorageClass storage, u32 pointee) {
    const u32 type = type_pointer(storage, pointee), id = fresh();
    globals_.add(spv::OpVariable, {type, id, static_cast<u32>(storage)});
    interface_.push_back(id);
    return id;
}

u32 ModuleWriter::builtin(spv::BuiltIn which, u32 pointee) {
    u32& id = builtins_[static_cast<u32>(which)];
    if (id == 0) {
        id = variable(spv::StorageClassInput, pointee);
        decorate(id, spv::DecorationBuiltIn, {static_cast<u32>(which)});
    }
    return id;
}

void ModuleWriter::decorate(u32 id, spv::Decoration decoration, std::initializer_list<u32> operands) {
    std::vector<u32> words{id, static_cast<u32>(decoration)};
    words.insert(words.end(), operands);
    annotations_.add(spv::OpDecorate, words);
}

void ModuleWriter::member_decorate(u32 type, u32 member, spv::Decoration decoration,
                                   std::initializer_list<u32> operands) {
    std::vector<u32> words{type, member, static_cast<u32>(decoration)};
    words.insert(words.end(), operands);
    annotations_.add(spv::OpMemberDecorate, words);
}

void ModuleWriter::name(u32 id, std::string_view text) {
    std::vector<u32> words{id};
    append_text(words, text);
    names_.add(spv::OpName, words);
}

// ---- the module -----------------------------------------------------------------------------------------------------

void ModuleWriter::write_float_controls(Section& out, u32 entry) const {
    const std::pair<u32, spv::ExecutionMode> modes[] = {
        {options_.special, spv::ExecutionModeSignedZeroInfNanPreserve},
        {options_.subnormals, spv::ExecutionModeDenormPreserve},
        {options_.round_to_even, spv::ExecutionModeRoundingModeRTE},
    };
    for (auto [widths, mode] : modes)
        for (u32 bit = 0; bit < 3; ++bit)
            if ((widths & float_widths_ & 1u << bit) != 0)
                out.add(spv::OpExecutionMode, {entry, static_cast<u32>(mode), 16u << bit});
}

void ModuleWriter::write_preamble(Section& out, std::string_view entry_name, u32 entry, u32 block) const {
    std::vector<spv::Capability> capabilities = capabilities_;
    if ((options_.special & float_widths_) != 0)
        capabilities.push_back(spv::CapabilitySignedZeroInfNanPreserve);
    if ((options_.subnormals & float_widths_) != 0) capabilities.push_back(spv::CapabilityDenormPreserve);
    if ((options_.round_to_even & float_widths_) != 0) capabilities.push_back(spv::CapabilityRoundingModeRTE);
    std::ranges::sort(capabilities);
    for (spv::Capability capability : capabilities)
        out.add(spv::OpCapability, {static_cast<u32>(capability)});
    std::vector<u32> words;
    for (std::string_view extension : extensions_) {
        words.clear();
        append_text(words, extension);
        out.add(spv::OpExtension, words);
    }
    if (glsl_ != 0) {
        words.assign({glsl_});
        append_text(words, "GLSL.std.450");
        out.add(spv::OpExtInstImport, words);
    }
    const bool addresses =
        std::ranges::find(capabilities, spv::CapabilityPhysicalStorageBufferAddresses) != capabilities.end();
    const auto addressing =
        addresses ? spv::AddressingModelPhysicalStorageBuffer64 : spv::AddressingModelLogical;
    out.add(spv::OpMemoryModel, {static_cast<u32>(addressing), static_cast<u32>(spv::MemoryModelVulkan)});
    words.assign({static_cast<u32>(spv::ExecutionModelGLCompute), entry});
    append_text(words, entry_name);
    words.insert(words.end(), interface_.begin(), interface_.end());
    out.add(spv::OpEntryPoint, words);
    out.add(spv::OpExecutionMode, {entry, static_cast<u32>(spv::ExecutionModeLocalSize), block, 1, 1});
    write_float_controls(out, entry);
}

std::vector<std::byte> ModuleWriter::finish(std::string_view entry_name, u32 entry, u32 block,
                                            const Section& functions) const {
    Section preamble;
    write_preamble(preamble, entry_name, entry, block);
    constexpr u32 version_1_5 = 0x00010500;
    const u32 header[] = {spv::MagicNumber, version_1_5, 0, last_ + 1, 0};
    const std::span<const u32> parts[] = {
        header, preamble.words(), names_.words(), annotations_.words(), globals_.words(), functions.words()};
    std::vector<std::byte> bytes;
    std::size_t words = 0;
    for (std::span<const u32> part : parts) words += part.size();
    bytes.reserve(words * 4);
    for (std::span<const u32> part : parts) {
        const std::span<const std::byte> raw = std::as_bytes(part);
        bytes.insert(bytes.end(), raw.begin(), raw.end());
    }
    return bytes;
}

} // namespace heddle::codegen::spirv
