#include "ir/target.h"

#include <fmt/format.h>

namespace heddle::ir {

std::string Target::key() const {
    return fmt::format(
        "{} {} cores{} fma{:d} f64{:d} i64{:d} s16{:d} s8{:d} check{:d} v{} masked{:d} l2:{} llc:{} "
        "sg{} block{} shared{} "
        "params{} gridx{} index{} shuffle{:d} address{:d} device{:d} arith{:d}{:d}{:d} bf16{:d} atomics{:d} "
        "float{}.{}.{} flush{:d} loops{} zeros{:d} resident{}",
        static_cast<int>(kind), name, cores, fused_fma, has_f64, has_i64, has_16bit_storage, has_8bit_storage,
        check_access, vector_bytes, masked_memory, l2_bytes, last_level_bytes, subgroup, max_block,
        shared_bytes, max_parameter_bytes, max_grid_x, index_limit, subgroup_shuffle, buffer_addresses,
        device_scope, has_f16_arithmetic, has_i16_arithmetic, has_i8_arithmetic, has_bf16_rounding,
        has_i64_atomics, preserves_special, preserves_subnormals, rounds_to_even, flushes_subnormals,
        most_iterations, folds_zeros, resident_blocks);
}

} // namespace heddle::ir
