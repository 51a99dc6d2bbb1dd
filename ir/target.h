#pragma once
// What passes schedule for: the facts about a device that decide the shape of a kernel.

#include "support/integers.h"

#include <string>

namespace heddle::ir {

enum class TargetKind : u8 { interpreter, cpu, gpu };

struct Target {
    TargetKind kind = TargetKind::interpreter;
    std::string name;

    // ---- both
    u32 cores = 1;
    bool fused_fma = false; ///< `fma` rounds once
    bool has_f64 = true;
    bool has_i64 = true;
    bool has_16bit_storage = true;
    bool has_8bit_storage = true;
    bool check_access = false; ///< for tests: see passes/legalise/check_access.h

    // ---- CPU
    u32 vector_bytes = 16;
    bool masked_memory = false; ///< masked loads and stores are instructions
    u64 l2_bytes = 1 << 20;
    u64 last_level_bytes = 16 << 20;

    // ---- GPU
    u32 subgroup = 32;
    u32 max_block = 1024;
    u32 shared_bytes = 32 << 10;
    u32 max_parameter_bytes = 128;
    u64 max_grid_x = 65535;
    /// What a 32-bit index may reach, in elements. The margin below 2^31 is for tails, which overshoot by less than a block.
    i64 index_limit = (i64{1} << 31) - (i64{1} << 16);
    /// Loop iterations, of all loops together, after which the driver leaves an invocation's loops early; 0: it does not.
    i64 most_iterations = 0;
    bool flushes_subnormals = false; ///< f32 arithmetic is known to take subnormal operands for zeros
    bool folds_zeros = false; ///< the driver folds arithmetic with constant zeros, however it is decorated
    bool subgroup_shuffle = true;
    /// Blocks of any kernel that the device runs at the same time, at least, each of which goes on whatever the others do; 0: not known.
    /// Where it is known, blocks may share a row and wait for each other (passes/lower/shared_rows.h); what they compute never depends on it.
    u32 resident_blocks = 0;
    bool buffer_addresses = true; ///< false: descriptor mode
    bool device_scope = true;     ///< the memory model knows device scope: blocks may publish to each other
    bool has_f16_arithmetic = false;
    bool has_i16_arithmetic = false;
    bool has_i8_arithmetic = false;
    bool has_bf16_rounding = false; ///< f32 to bf16 is an instruction, which rounds to nearest even
    bool has_i64_atomics = false;
    /// Float controls that a module may ask for, by width: bit 0 for 16, bit 1 for 32, bit 2 for 64.
    u32 preserves_special = 0;    ///< signed zeros, infinities, NaN (SignedZeroInfNanPreserve)
    u32 preserves_subnormals = 0; ///< DenormPreserve
    u32 rounds_to_even = 0;       ///< RoundingModeRTE

    /// All fields in a fixed order: part of every cache key.
    std::string key() const;
};

} // namespace heddle::ir
