#include "tests/codegen/spirv_run.h"

#include "codegen/spirv/emit.h"
#include "ir/verifier.h"
#include "passes/legalise/spirv_pipeline.h"
#include "runtime/devices.h"

#include <cstring>
#include <gtest/gtest.h>

namespace heddle::codegen::testing {
namespace {

using runtime::Device;

runtime::DeviceRef open() { return runtime::open_device("vulkan"); }

struct Evaluation {
    const ir::Function& kernel;
    std::vector<i64> symbols;

    i64 operator()(ir::DimId dim) const { return kernel.module().dims.evaluate(dim, symbols); }

    void argument(ir::NodeId parameter, std::byte* field) const {
        const i64 size = (*this)(ir::DimId{static_cast<u32>(kernel.integer(parameter, ir::Key::size))});
        if (kernel.type(parameter).kind == ir::TypeKind::magic) {
            const ir::Magic magic = ir::magic_of(static_cast<u32>(size));
            std::memcpy(field, &magic, 8);
        } else {
            std::memcpy(field, &size, ir::kernel_info(kernel).index_bits / 8);
        }
    }
};

Evaluation evaluation_of(const ir::Function& kernel, const std::map<std::string, i64>& sizes) {
    const ir::Dims& dims = kernel.module().dims;
    Evaluation result{kernel, {}};
    for (u32 k = 0; k < dims.symbol_count(); ++k)
        result.symbols.push_back(sizes.at(std::string(dims.symbol_name(k))));
    return result;
}

} // namespace

Device& vulkan_device() {
    static const runtime::DeviceRef device = open();
    return *device;
}

u32 device_subgroup() { return vulkan_device().info().target.subgroup; }

void run(TestKernel& kernel, std::vector<Bytes*> buffers, const std::map<std::string, i64>& sizes,
         const ir::Target& target) {
    Device& device = vulkan_device();
    ir::verify(kernel.function(), &target);
    const ir::Function& legal = passes::legalise_for_spirv(kernel.function(), target);
    ir::verify(legal, &target);
    const Artifact artifact = spirv::emit(legal, target);
    expect_valid(artifact.code);

    const Evaluation evaluate = evaluation_of(legal, sizes);
    const ir::ParameterLayout layout = ir::parameter_layout(legal);
    runtime::Launch launch{.executable = device.load(artifact)};
    launch.arguments.resize(layout.bytes);
    for (std::size_t k = 0; k < legal.parameters().size(); ++k) {
        if (k >= buffers.size()) {
            evaluate.argument(legal.parameters()[k], launch.arguments.data() + layout.offsets[k]);
            continue;
        }
        launch.buffers.push_back(device.allocate(buffers[k]->size()));
        device.upload(launch.buffers.back(), 0, *buffers[k]);
        launch.offsets.push_back(0);
        launch.pointer_fields.push_back(layout.offsets[k]);
        launch.write_mask |= 1u << k;
    }
    const ir::KernelInfo info = ir::kernel_info(legal);
    for (std::size_t axis = 0; axis < info.grid.size(); ++axis)
        launch.grid[axis] = static_cast<u64>(evaluate(info.grid[axis]));
    const std::vector<runtime::BufferRef> kept = launch.buffers;
    std::vector<runtime::Launch> launches;
    launches.push_back(std::move(launch));
    device.submit(std::move(launches)).wait();
    for (std::size_t k = 0; k < kept.size(); ++k) device.download(kept[k], 0, *buffers[k]);
}

} // namespace heddle::codegen::testing
