#include "codegen/spirv/resources.h"

#include <fmt/format.h>
#include <spirv/unified1/spirv.hpp>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace heddle::codegen::spirv {
namespace {

constexpr std::size_t header_words = 5;
constexpr u32 address_bytes = 8;

std::string name_of(u32 capability) {
    switch (static_cast<spv::Capability>(capability)) {
#define HEDDLE_NAMED(name)                                                                                   \
    case spv::Capability##name: return #name;
        HEDDLE_NAMED(Matrix)
        HEDDLE_NAMED(Shader)
        HEDDLE_NAMED(VulkanMemoryModel)
        HEDDLE_NAMED(VulkanMemoryModelDeviceScope)
        HEDDLE_NAMED(PhysicalStorageBufferAddresses)
        HEDDLE_NAMED(Float64)
        HEDDLE_NAMED(Float16)
        HEDDLE_NAMED(Int64)
        HEDDLE_NAMED(Int16)
        HEDDLE_NAMED(Int8)
        HEDDLE_NAMED(Int64Atomics)
        HEDDLE_NAMED(StorageBuffer16BitAccess)
        HEDDLE_NAMED(StorageBuffer8BitAccess)
        HEDDLE_NAMED(DenormPreserve)
        HEDDLE_NAMED(SignedZeroInfNanPreserve)
        HEDDLE_NAMED(RoundingModeRTE)
        HEDDLE_NAMED(GroupNonUniform)
        HEDDLE_NAMED(GroupNonUniformVote)
        HEDDLE_NAMED(GroupNonUniformArithmetic)
        HEDDLE_NAMED(GroupNonUniformBallot)
        HEDDLE_NAMED(GroupNonUniformShuffle)
        HEDDLE_NAMED(GroupNonUniformShuffleRelative)
        HEDDLE_NAMED(GroupNonUniformClustered)
        HEDDLE_NAMED(GroupNonUniformQuad)
#undef HEDDLE_NAMED
    default: return fmt::format("{}", capability); // of hundreds, these are what a device may give
    }
}

class Reader {
public:
    explicit Reader(std::span<const u32> words) : words_(words) {}

    Resources run() {
        for (std::size_t at = header_words; at < words_.size();) {
            const std::size_t count = words_[at] >> spv::WordCountShift;
            read(static_cast<spv::Op>(words_[at] & spv::OpCodeMask), words_.subspan(at + 1, count - 1));
            at += count;
        }
        for (const auto& [variable, pointer] : variables_) add(variable, types_.at(pointer).operands);
        return std::move(result_);
    }

private:
    struct Type {
        spv::Op op;
        std::span<const u32> operands; ///< behind the id
    };

    void read(spv::Op op, std::span<const u32> operands) {
        switch (op) {
        case spv::OpCapability: result_.capabilities.push_back(name_of(operands[0])); break;
        case spv::OpDecorate:
            decorations_[{operands[0], operands[1]}] = operands.size() > 2 ? operands[2] : 0;
            break;
        case spv::OpMemberDecorate:
            if (operands[2] == spv::DecorationOffset) offsets_[{operands[0], operands[1]}] = operands[3];
            break;
        case spv::OpTypeBool:
        case spv::OpTypeInt:
        case spv::OpTypeFloat:
        case spv::OpTypeVector:
        case spv::OpTypeMatrix:
        case spv::OpTypeArray:
        case spv::OpTypeRuntimeArray:
        case spv::OpTypeStruct:
        case spv::OpTypePointer: types_[operands[0]] = {op, operands.subspan(1)}; break;
        case spv::OpConstant:
        case spv::OpSpecConstant: constants_[operands[1]] = operands[2]; break;
        case spv::OpVariable: variables_.emplace_back(operands[1], operands[0]); break;
        default: break; // of hundreds, these alone say what is asked for
        }
    }

    bool has(u32 id, spv::Decoration decoration) const {
        return decorations_.contains({id, static_cast<u32>(decoration)});
    }
    u32 value(u32 id, spv::Decoration decoration, u32 otherwise) const {
        const auto found = decorations_.find({id, static_cast<u32>(decoration)});
        return found == decorations_.end() ? otherwise : found->second;
    }

    void add(u32 variable, std::span<const u32> pointer) {
        const u32 storage = pointer[0], pointee = pointer[1];
        if (storage == spv::StorageClassPushConstant) result_.push_bytes.push_back(bytes(pointee));
        if (storage == spv::StorageClassWorkgroup) result_.shared_bytes += bytes(pointee);
        if (!has(variable, spv::DecorationBinding)) return;
        const auto type = types_.find(pointee);
        const bool is_one = type != types_.end() && type->second.op == spv::OpTypeStruct;
        // Older modules write a storage buffer as a uniform block of another name.
        const bool is_storage =
            storage == spv::StorageClassStorageBuffer || has(pointee, spv::DecorationBufferBlock);
        result_.bindings.push_back({value(variable, spv::DecorationDescriptorSet, 0),
                                    value(variable, spv::DecorationBinding, 0), is_one && is_storage});
    }

    /// What a value takes in memory; 0 where only the launch knows.
    u32 bytes(u32 id) const {
        const auto found = types_.find(id);
        if (found == types_.end()) return 0;
        const auto& [op, operands] = found->second;
        switch (op) {
        case spv::OpTypeInt:
        case spv::OpTypeFloat: return operands[0] / 8;
        case spv::OpTypeBool: return 4;
        case spv::OpTypeVector:
        case spv::OpTypeMatrix: return operands[1] * bytes(operands[0]);
        case spv::OpTypeArray:
            return length(operands[1]) * value(id, spv::DecorationArrayStride, bytes(operands[0]));
        case spv::OpTypeStruct: return struct_bytes(id, operands);
        case spv::OpTypePointer: return address_bytes;
        default: return 0;
        }
    }
    u32 struct_bytes(u32 id, std::span<const u32> members) const {
        u32 end = 0;
        for (u32 k = 0; k < members.size(); ++k) {
            const auto offset = offsets_.find({id, k});
            end = std::max(end, (offset == offsets_.end() ? end : offset->second) + bytes(members[k]));
        }
        return end;
    }
    u32 length(u32 constant) const {
        const auto found = constants_.find(constant);
        return found == constants_.end() ? 1 : found->second;
    }

    std::span<const u32> words_;
    std::unordered_map<u32, Type> types_;
    std::unordered_map<u32, u32> constants_;
    std::map<std::pair<u32, u32>, u32> decorations_; ///< by id and decoration
    std::map<std::pair<u32, u32>, u32> offsets_;     ///< by type and member
    std::vector<std::pair<u32, u32>> variables_;     ///< id, pointer type
    Resources result_;
};

} // namespace

Resources resources_of(std::span<const u32> words) { return Reader(words).run(); }

} // namespace heddle::codegen::spirv
