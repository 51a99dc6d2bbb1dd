#pragma once
// What this machine's CPU is to the passes and to the code generator.

#include "ir/target.h"

#include <string>

namespace heddle::runtime::cpu {

/// Vector width, caches and cores of the host. `name` tells CPU models and their features apart. The threads are those that this process may
/// run on, or HEDDLE_CPU_THREADS; throws UsageError when that is no number from 1 to 1024.
ir::Target host_target();

/// The maker's name of the CPU.
std::string cpu_model();

} // namespace heddle::runtime::cpu
