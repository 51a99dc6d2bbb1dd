#include "runtime/vulkan/probe.h"

#include "runtime/vulkan/probe_bfloat_code.h"
#include "runtime/vulkan/probe_code.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

namespace heddle::runtime::vulkan {

namespace {

/// A kernel that takes two pointers.
ExecutableRef load(Device& device, std::span<const u32> code) {
    codegen::Artifact artifact;
    artifact.name = "probe";
    artifact.pointer_count = 2;
    artifact.parameter_bytes = 16;
    artifact.code.resize(code.size_bytes());
    std::memcpy(artifact.code.data(), code.data(), code.size_bytes());
    return device.load(artifact);
}

void run(Device& device, ExecutableRef executable, u32 blocks, std::span<const std::byte> in,
         std::span<std::byte> out) {
    BufferRef from = device.allocate(in.size()), to = device.allocate(out.size());
    device.upload(from, 0, in);
    Launch launch;
    launch.executable = std::move(executable);
    launch.buffers = {from, to};
    launch.offsets = {0, 0};
    launch.pointer_fields = {0, 8};
    launch.arguments.resize(16);
    launch.grid[0] = blocks;
    launch.write_mask = 2;
    device.submit({launch});
    device.download(to, 0, out);
}

bool is_right(u32 single, u16 rounded, bool may_flush) {
    const double value = std::bit_cast<float>(single);
    if (std::isnan(value)) return std::isnan(bf16_value(rounded));
    if (may_flush && std::fabs(value) < 0x1p-126 && rounded == (single >> 16 & 0x8000)) return true;
    return rounded == bf16_bits(value);
}

} // namespace

ProbeResult probe(Device& device) {
    // (1 + e)(1 - e) - 1 is -e^2 when rounded once, and 0 when the product is rounded to 1 first.
    float e = std::ldexp(1.0f, -13);
    // 1 and one and a half units: halfway, and the even neighbour is the upper one.
    float tiny = std::ldexp(1.0f, -130), unit = std::ldexp(1.0f, -23);
    float in[8] = {1.0f + e, 1.0f - e, -1.0f, tiny, 0.5f, 1.0f, 1.5f * unit, 1 / unit}, out[4] = {};
    run(device, load(device, probe_code), 1, std::as_bytes(std::span(in)),
        std::as_writable_bytes(std::span(out)));
    return {.fused_fma = out[0] == -e * e,
            .keeps_subnormals = out[1] == tiny * 0.5f,
            .flushes_operands = out[3] == 0,
            .rounds_to_even = out[2] == 1.0f + 2 * unit};
}

/// The ends and the middle between bf16 values and the next ones, of both signs: zeros, subnormals, ones, the largest, infinities, NaN.
std::vector<u32> bfloat_inputs() {
    std::vector<u32> inputs;
    for (u32 sign : {0u, 0x8000u})
        for (u32 upper : {0x0000u, 0x0001u, 0x007Fu, 0x0080u, 0x3F80u, 0x3F81u, 0x40FFu, 0x7F7Eu, 0x7F7Fu,
                          0x7F80u, 0x7FC0u, 0x7FFFu})
            for (u32 lower : {0u, 1u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu})
                inputs.push_back((sign | upper) << 16 | lower);
    return inputs;
}

bool rounds_to_bfloat(Device& device, bool may_flush) {
    const std::vector<u32> in = bfloat_inputs();
    std::vector<u32> out(in.size());
    ExecutableRef executable;
    try {
        executable = load(device, probe_bfloat_code);
    } catch (const DeviceLost&) {
        throw;
    } catch (const OutOfMemory&) {
        throw;
    } catch (const DeviceError&) {
        return false; // the driver names an extension that its compiler does not know
    }
    run(device, std::move(executable), static_cast<u32>(in.size() / 2), std::as_bytes(std::span(in)),
        std::as_writable_bytes(std::span(out)));
    return are_right_bfloats(in, out, may_flush);
}

bool are_right_bfloats(std::span<const u32> in, std::span<const u32> out, bool may_flush) {
    for (std::size_t k = 0; k < in.size(); k += 2) {
        const auto right = [&](std::size_t input, u32 bits) {
            return is_right(in[input], static_cast<u16>(bits), may_flush);
        };
        if (!right(k, out[k]) || !right(k + 1, out[k] >> 16) || !right(k, out[k + 1])) return false;
    }
    return true;
}

} // namespace heddle::runtime::vulkan
