#include "runtime/interp/device.h"

#include "runtime/host_memory.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::runtime::interp {

namespace {

class InterpreterDevice final : public HostMemoryDevice {
public:
    explicit InterpreterDevice(const DeviceOptions& options)
        : HostMemoryDevice(options), info_(device_info()) {}

    const DeviceInfo& info() const override { return info_; }
    ExecutableRef load(const codegen::Artifact& artifact) override {
        throw UsageError(
            fmt::format("the interpreter runs graphs; kernel {} cannot be loaded on it", artifact.name));
    }
    Event submit(std::vector<Launch>&& launches) override {
        if (!launches.empty())
            throw UsageError("the interpreter runs graphs; kernels cannot be launched on it");
        return {};
    }
    void synchronize() override {}

private:
    DeviceInfo info_;
};

} // namespace

DeviceInfo device_info() {
    DeviceInfo info;
    info.name = "interp";
    info.description = "reference interpreter";
    info.target.kind = ir::TargetKind::interpreter;
    info.target.name = "interpreter";
    info.memory_bytes = host_memory_bytes();
    return info;
}

DeviceRef open_device(const DeviceOptions& options) { return std::make_shared<InterpreterDevice>(options); }

} // namespace heddle::runtime::interp
