#include "runtime/cpu/host.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sched.h>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace heddle::runtime::cpu {
namespace {

u32 thread_count() {
    const char* wanted = std::getenv("HEDDLE_CPU_THREADS");
    if (wanted != nullptr && *wanted != '\0') {
        const std::string_view text = wanted;
        u32 count = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
        if (failed != std::errc() || end != text.data() + text.size() || count == 0 || count > 1024)
            throw UsageError(
                fmt::format("HEDDLE_CPU_THREADS is '{}', expected a number from 1 to 1024", text));
        return count;
    }
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return static_cast<u32>(CPU_COUNT(&allowed));
    return std::max(1u, std::thread::hardware_concurrency());
}

/// Of the data cache of that level, as the system describes what a core shares with its neighbours; 0 if it does not.
u64 described_cache_bytes(int level) {
    for (int index = 0; index < 10; ++index) {
        const std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", index);
        int its_level = 0;
        std::string type;
        if (!(std::ifstream(folder + "level") >> its_level) || !(std::ifstream(folder + "type") >> type))
            break;
        if (its_level != level || type == "Instruction") continue;
        u64 size = 0;
        char unit = 0;
        std::ifstream(folder + "size") >> size >> unit;
        return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : size;
    }
    return 0;
}

/// sysconf comes second: of a processor with several last-level caches it gives the sum.
u64 cache_bytes(int level, int name, u64 otherwise) {
    if (const u64 bytes = described_cache_bytes(level); bytes != 0) return bytes;
    const long bytes = sysconf(name);
    return bytes > 0 ? static_cast<u64>(bytes) : otherwise;
}

#if defined(__x86_64__)
std::string brand() {
    unsigned words[12] = {};
    for (unsigned k = 0; k < 3; ++k)
        if (__get_cpuid(0x80000002 + k, &words[4 * k], &words[4 * k + 1], &words[4 * k + 2],
                        &words[4 * k + 3]) == 0)
            return "x86-64";
    char text[sizeof words + 1] = {};
    std::memcpy(text, words, sizeof words);
    std::string_view name = text;
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    return std::string(name);
}

/// Model and feature words: two CPUs with equal text run each other's code.
std::string identity() {
    unsigned a = 0, b = 0, c = 0, d = 0, model = 0, e = 0, f = 0;
    __get_cpuid(1, &model, &b, &c, &d);
    // Not the bits that say on which core this runs, nor what the system has switched on for one process.
    std::string text = fmt::format("{} {:x} {:x} {:x}", brand(), model, c & ~(1u << 27), d);
    __get_cpuid_count(7, 0, &a, &b, &e, &f);
    text += fmt::format(" {:x} {:x} {:x}", b, e, f);
    __get_cpuid_count(7, 1, &a, &b, &e, &f);
    return text + fmt::format(" {:x}", a);
}

void describe(ir::Target& target) {
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    const bool avx2 = __builtin_cpu_supports("avx2");
    target.name = identity();
    target.vector_bytes = avx512 ? 64 : avx2 ? 32 : 16;
    target.fused_fma = __builtin_cpu_supports("fma");
    target.masked_memory = avx512 || avx2;
}
#else
void describe(ir::Target& target) {
    target.name = "unknown";
    target.fused_fma = true;
}
#endif

} // namespace

std::string cpu_model() {
#if defined(__x86_64__)
    return brand();
#else
    return "CPU";
#endif
}

ir::Target host_target() {
    ir::Target target;
    target.kind = ir::TargetKind::cpu;
    target.cores = thread_count();
    describe(target);
    target.l2_bytes = cache_bytes(2, _SC_LEVEL2_CACHE_SIZE, 1 << 20);
    target.last_level_bytes = cache_bytes(3, _SC_LEVEL3_CACHE_SIZE, 16 << 20);
    return target;
}

} // namespace heddle::runtime::cpu
