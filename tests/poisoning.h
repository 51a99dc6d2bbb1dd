#pragma once
// A context whose device overwrites memory that is given back, so that a kernel which reads too late reads something else, every time.

#include "frontend/context_state.h"
#include "runtime/device.h"
#include "runtime/device_options.h"

#include <heddle/heddle.h>

#include <cstdlib>
#include <cstring>

namespace heddle::tests {

/// Without `retain` what is bound is not kept either: the ablation that shows what retention is for.
struct Poisoning {
    Poisoning(const char* name, bool retain, ContextOptions options = {})
        : context(on(name, std::move(options))) {
        setenv("HEDDLE_RETAIN_BOUND_BUFFERS", retain ? "1" : "0", 1);
        setenv("HEDDLE_POISON", "1", 1);
        device = context.state()->device(); // reads the environment
        unsetenv("HEDDLE_RETAIN_BOUND_BUFFERS");
        unsetenv("HEDDLE_POISON");
    }

    Context context;
    Context::Scope scope{context};
    runtime::DeviceRef device;

private:
    static ContextOptions on(const char* name, ContextOptions options) {
        options.device = name;
        options.cache_directory = "";
        return options;
    }
};

/// What an f32 in overwritten memory is.
inline float poison() {
    const unsigned bits = 0x01010101u * runtime::poison_byte;
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

} // namespace heddle::tests
