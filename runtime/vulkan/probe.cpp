#include "runtime/vulkan/probe.h"

#include "runtime/vulkan/probe_code.h"

#include <cmath>
#include <cstring>
#include <span>

namespace heddle::runtime::vulkan {

ProbeResult probe(Device& device) {
    codegen::Artifact artifact;
    artifact.name = "probe";
    artifact.pointer_count = 2;
    artifact.parameter_bytes = 16;
    artifact.code.resize(sizeof probe_code);
    std::memcpy(artifact.code.data(), probe_code, sizeof probe_code);

    // (1 + e)(1 - e) - 1 is -e^2 when rounded once, and 0 when the product is rounded to 1 first.
    float e = std::ldexp(1.0f, -13);
    // 1 and one and a half units: halfway, and the even neighbour is the upper one.
    float tiny = std::ldexp(1.0f, -130), unit = std::ldexp(1.0f, -23);
    float in[7] = {1.0f + e, 1.0f - e, -1.0f, tiny, 0.5f, 1.0f, 1.5f * unit}, out[3] = {};
    BufferRef from = device.allocate(sizeof in), to = device.allocate(sizeof out);
    device.upload(from, 0, std::as_bytes(std::span(in)));
    Launch launch;
    launch.executable = device.load(artifact);
    launch.buffers = {from, to};
    launch.offsets = {0, 0};
    launch.pointer_fields = {0, 8};
    launch.arguments.resize(16);
    launch.write_mask = 2;
    device.submit({launch});
    device.download(to, 0, std::as_writable_bytes(std::span(out)));
    return {out[0] == -e * e, out[1] == tiny * 0.5f, out[2] == 1.0f + 2 * unit};
}

} // namespace heddle::runtime::vulkan
