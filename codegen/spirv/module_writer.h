#pragma once
// A SPIR-V module in the making, as the sections of the specification (2.4, logical layout) in their order. Types, constants
// and anything else that is written once go through `unique`: equal words give the id that is there. Whoever emits
// asks for what it needs and never thinks of order; capabilities follow from the types.

#include "support/integers.h"

#include <cstddef>
#include <initializer_list>
#include <span>
#include <spirv/unified1/spirv.hpp>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace heddle::codegen::spirv {

/// A run of instructions.
class Section {
public:
    void add(spv::Op op, std::initializer_list<u32> operands) {
        add(op, std::span(operands.begin(), operands.size()));
    }
    void add(spv::Op op, std::span<const u32> operands);
    void append(const Section& other) {
        words_.insert(words_.end(), other.words_.begin(), other.words_.end());
    }
    std::span<const u32> words() const { return words_; }

private:
    std::vector<u32> words_;
};

/// What the device lets a module declare.
struct WriterOptions {
    bool int8 = false, int16 = false, float16 = false;  ///< arithmetic, not only storage
    u32 special = 0, subnormals = 0, round_to_even = 0; ///< float controls by width, see ir::Target
};

class ModuleWriter {
public:
    explicit ModuleWriter(const WriterOptions& options) : options_(options) {}

    u32 fresh() { return ++last_; }
    void need(spv::Capability capability);
    void need_extension(std::string_view name);
    /// Import of GLSL.std.450.
    u32 glsl();

    // ---- types
    u32 type_void() { return unique_type(spv::OpTypeVoid, {}); }
    u32 type_bool() { return unique_type(spv::OpTypeBool, {}); }
    u32 type_int(u32 bits);
    u32 type_float(u32 bits);
    u32 type_bfloat();
    u32 type_vector(u32 component, u32 count);
    /// `stride` 0: no layout, as in function and workgroup memory.
    u32 type_array(u32 element, u32 count, u32 stride = 0);
    u32 type_pointer(spv::StorageClass storage, u32 pointee);
    /// struct { element[] }, laid out, as a block.
    u32 type_buffer(u32 element, u32 stride, bool read_only);
    /// struct { members } at the given offsets, as a block.
    u32 type_block(std::span<const u32> members, std::span<const u32> offsets);
    u32 type_struct(std::span<const u32> members) { return unique_type(spv::OpTypeStruct, members); }
    /// A function without parameters.
    u32 type_function(u32 result) { return unique_type(spv::OpTypeFunction, {result}); }

    // ---- constants
    u32 constant_bool(bool value);
    u32 constant(u32 type, u64 bits, u32 width);
    u32 constant_u32(u32 value) { return constant(type_int(32), value, 32); }
    u32 composite(u32 type, std::span<const u32> parts);

    // ---- the rest
    /// A variable outside functions, part of the entry point's interface.
    u32 variable(spv::StorageClass storage, u32 pointee);
    /// The input variable of a built-in, made once.
    u32 builtin(spv::BuiltIn which, u32 pointee);
    void decorate(u32 id, spv::Decoration decoration, std::initializer_list<u32> operands = {});
    void name(u32 id, std::string_view text);

    /// The module, around the one function `entry` of `functions`.
    std::vector<std::byte> finish(std::string_view entry_name, u32 entry, u32 block,
                                  const Section& functions) const;

private:
    struct Unique {
        u32 id;
        bool made; ///< by this call
    };
    Unique unique(spv::Op op, u32 type, std::span<const u32> operands, u32 salt);
    u32 unique_type(spv::Op op, std::span<const u32> operands) { return unique(op, 0, operands, 0).id; }
    u32 unique_type(spv::Op op, std::initializer_list<u32> operands) {
        return unique_type(op, std::span(operands.begin(), operands.size()));
    }
    void member_decorate(u32 type, u32 member, spv::Decoration decoration,
                         std::initializer_list<u32> operands);
    void write_preamble(Section& out, std::string_view entry_name, u32 entry, u32 block) const;
    void write_float_controls(Section& out, u32 entry) const;

    WriterOptions options_;
    u32 last_ = 0;
    u32 glsl_ = 0;
    u32 float_widths_ = 0; ///< bit 0 for 16, bit 1 for 32, bit 2 for 64
    std::vector<spv::Capability> capabilities_;
    std::vector<std::string_view> extensions_;
    Section names_, annotations_, globals_;
    std::vector<u32> interface_;
    std::unordered_map<u32, u32> builtins_;
    std::unordered_multimap<u64, std::pair<u32, u32>> unique_; ///< hash to (salt, position in globals_)
};

/// Words of a literal string: UTF-8, little end first, closed by at least one zero byte.
void append_text(std::vector<u32>& words, std::string_view text);

} // namespace heddle::codegen::spirv
