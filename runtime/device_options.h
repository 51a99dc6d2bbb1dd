#pragma once
// What can be chosen when a device is opened. The environment gives the defaults, so that a program that was never meant to be
// debugged can be; tests set the fields.

#include "support/integers.h"

#include <optional>

namespace heddle::runtime {

struct DeviceOptions {
    /// HEDDLE_RETAIN_BOUND_BUFFERS=0: submissions own nothing that they bind. Only for bisecting: a buffer whose last handle goes
    /// while a kernel runs is then overwritten by whoever gets its memory next.
    bool retain_bound_buffers = true;
    /// HEDDLE_POISON=1: memory that returns to the pool is overwritten (and stays mapped), so that a use after that shows.
    bool poison_released = false;
    /// HEDDLE_VALIDATION=1: Vulkan's validation layers; what they say is collected.
    bool validation = false;
    /// HEDDLE_MEMORY_LIMIT: bytes that may be handed out at once; 0: what the machine has.
    u64 memory_limit = 0;
    /// HEDDLE_POOL_LIMIT: bytes that the pool keeps for reuse; 0: an eighth of the memory.
    u64 pool_limit = 0;

    /// HEDDLE_FORCE_STAGING=1: Vulkan memory is used as if the host could not see it, nor be coherent where it can; so that a
    /// software driver tests what discrete GPUs need.
    bool force_staging = false;

    /// HEDDLE_DESCRIPTORS=1: Vulkan buffers are bound by descriptors, as on devices without buffer addresses; synchronisation validation
    /// sees hazards only there.
    bool descriptors = false;
    /// HEDDLE_CHECK_ACCESS=1: kernels compare each access with its buffer's size; what falls outside is an error of the call.
    bool check_access = false;
    /// HEDDLE_INDEX_LIMIT: elements that a 32-bit index may reach on a GPU; 0: what it holds. A low one sends small arrays through the
    /// kernels with 64-bit indices.
    u64 index_limit = 0;

    /// HEDDLE_RESIDENT_BLOCKS: Target::resident_blocks of a GPU; none: what is known of it. 0 keeps every row within a block, other
    /// numbers let a software driver run the kernels whose blocks share a row.
    std::optional<u64> resident_blocks{};

    /// HEDDLE_BF16_ROUNDING=0: VK_KHR_shader_bfloat16 is not used, so that kernels round to bf16 by integer operations
    /// (Target::has_bf16_rounding).
    bool bf16_rounding = true;

    static DeviceOptions from_environment();
};

/// True for 1, false for 0, `otherwise` where the variable is not set; UsageError for another value.
bool environment_flag(const char* name, bool otherwise);

/// What released memory is overwritten with.
inline constexpr unsigned char poison_byte = 0xA5;

} // namespace heddle::runtime
