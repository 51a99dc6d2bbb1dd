// Checked accesses on the CPU and on Vulkan: kernels that are wrong on purpose are told apart from those that are right, with the
// access, its line, the index and the size; and what is around the buffer stays as it was.

#include "fixture.h"

#include "frontend/access_report.h"
#include "frontend/context_state.h"
#include "frontend/kernel_cache.h"
#include "ir/parser.h"
#include "passes/pipeline.h"

#include <heddle/error.h>

using namespace heddle;
using namespace heddle::tests;

namespace {

class CheckAccess : public ::testing::TestWithParam<std::string> {
protected:
    Context context{ContextOptions{.device = GetParam(), .cache_directory = "", .check_access = true}};
    Context::Scope scope{context};

    /// Runs the one kernel of a module over `grid` blocks. `elements`: of each f32 buffer, all ones.
    std::vector<std::vector<float>> run(const std::string& text, u64 grid,
                                        std::vector<std::size_t> elements) {
        detail::ContextState& state = *context.state();
        const runtime::DeviceRef device = state.device();
        passes::Kernel kernel{ir::parse(text, "wrong.hir"), nullptr};
        kernel.function = kernel.module->functions[0].get();
        const detail::CheckedKernel checked(*kernel.function);
        const auto ready = state.kernels().get(*device, kernel);
        runtime::Launch launch{.executable = ready->executable, .grid = {grid, 1, 1}};
        launch.arguments.resize(ready->interface.bytes);
        for (const detail::KernelInterface::Field& field : ready->interface.fields)
            launch.pointer_fields.push_back(field.offset);
        std::vector<u64> bytes;
        for (std::size_t count : elements) {
            // One element more than the kernel is told of, which must survive.
            const std::vector<float> ones(count + 1, 1.0f);
            launch.buffers.push_back(device->allocate(ones.size() * 4));
            device->upload(launch.buffers.back(), 0, std::as_bytes(std::span(ones)));
            launch.offsets.push_back(0);
            bytes.push_back(count * 4);
        }
        launch.write_mask = ~0u;
        detail::AccessReports reports;
        reports.bind(*device, launch, checked, bytes);
        const std::vector<runtime::BufferRef> buffers(launch.buffers.begin(), launch.buffers.end() - 1);
        std::vector<runtime::Launch> launches;
        launches.push_back(std::move(launch));
        device->submit(std::move(launches)).wait();
        results.clear();
        for (const runtime::BufferRef& buffer : buffers) {
            std::vector<float>& values = results.emplace_back(buffer->bytes() / 4);
            device->download(buffer, 0, std::as_writable_bytes(std::span(values)));
        }
        reports.check();
        return results;
    }

    /// A kernel for this device; `index`: of the first element that one of `lanes` lanes each takes.
    static std::string kernel(const std::string& body) {
        const bool gpu = GetParam() != "cpu";
        return "kernel @wrong(%x: ptr<f32>, %y: ptr<f32>) {" +
               std::string(gpu ? "target = gpu, block = 1, index = 32"
                               : "target = cpu, index = 64, grain = 1") +
               ", grid = [4]} {\n  %g = grid_index 0\n" + body + "}\n!1 = \"model.cpp\":12:3 \"f\"\n";
    }

    std::vector<std::vector<float>> results;
};

TEST_P(CheckAccess, a_kernel_that_stays_inside_runs_as_it_would) {
    const auto values =
        run(kernel("  %v = load %x[%g] : f32\n  %w = add %v, %v\n  store %w, %y[%g]\n"), 4, {4, 4});
    EXPECT_EQ(values[1], (std::vector<float>{2, 2, 2, 2, 1}));
}

TEST_P(CheckAccess, a_load_past_the_end_is_reported_and_gives_zero) {
    const std::string text = kernel("  %v = load %x[%g + 1] : f32 !1\n  store %v, %y[%g]\n");
    EXPECT_EQ(message_of<InternalError>([&] { run(text, 4, {4, 4}); }),
              "kernel @wrong: load from %x at model.cpp:12 touches element 4 of 4");
    EXPECT_EQ(results[1], (std::vector<float>{1, 1, 1, 0, 1}));
}

TEST_P(CheckAccess, a_store_before_the_start_is_reported_and_left_out) {
    const std::string text =
        kernel("  %v = load %x[%g] : f32\n  %w = add %v, %v\n  store %w, %y[%g - 2] !1\n");
    const std::string message = message_of<InternalError>([&] { run(text, 4, {4, 4}); });
    EXPECT_TRUE(contains(message, "kernel @wrong: store to %y at model.cpp:12 touches element -"));
    EXPECT_TRUE(contains(message, " of 4"));
    EXPECT_EQ(results[1], (std::vector<float>{2, 2, 1, 1, 1}));
}

TEST_P(CheckAccess, only_the_lanes_outside_are_left_out) {
    const std::string text =
        kernel("  %v = load %x[%g * 4] : f32<4>\n  %w = add %v, %v\n  store %w, %y[%g * 4]\n");
    EXPECT_EQ(message_of<InternalError>([&] { run(text, 1, {4, 3}); }),
              "kernel @wrong: store to %y touches element 3 of 3");
    EXPECT_EQ(results[1], (std::vector<float>{2, 2, 2, 1}));
}

TEST_P(CheckAccess, a_mask_keeps_an_access_inside) {
    const std::string text = kernel(
        "  %l = lanes : index<4>\n  %in = lt %l, 3\n  %v = load %x[0] : f32<4>\n  store %v, %y[0] if %in\n");
    EXPECT_NO_THROW(run(text, 1, {4, 3}));
}

TEST_P(CheckAccess, a_moved_pointer_counts_from_its_buffers_start) {
    const std::string text =
        kernel("  %r = rebase %x, %g * 2\n  %v = load %r[1] : f32\n  store %v, %y[%g]\n");
    EXPECT_NO_THROW(run(text, 4, {8, 4}));
    EXPECT_EQ(message_of<InternalError>([&] { run(text, 4, {7, 4}); }),
              "kernel @wrong: load from %x touches element 7 of 7");
}

TEST_P(CheckAccess, compiled_functions_run_checked) {
    auto f = compile("f", [](Array x) { return softmax(x) + sum(x, 0); }, {.shapeless = true});
    const Array y = f(Array{{1.f, 1.f, 1.f}, {1.f, 1.f, 1.f}});
    EXPECT_NEAR(y.to_vector<float>()[0], 2.0f + 1.0f / 3.0f, 1e-5);
}

TEST_P(CheckAccess, accesses_of_a_traced_function_have_the_users_line) {
    const auto graph = ir::parse("func @f(%x: f32[4, 8]) -> f32[4, 8] {\n"
                                 "  %s = sum %x {axes = [1], keepdims = true} : f32[4, 1] !1\n"
                                 "  %b = broadcast %s {dims = [0, 1]} : f32[4, 8] !2\n"
                                 "  %y = div %x, %b : f32[4, 8] !2\n  return %y\n}\n"
                                 "!1 = \"sums.cpp\":7:1 \"f\"\n!2 = \"sums.cpp\":9:1 \"f\"\n",
                                 "f.hir");
    const passes::Plan plan = std::move(
        passes::compile_graph(*graph->functions[0], context.state()->device()->info().target).back());
    std::vector<std::string> texts;
    const std::vector<passes::Kernel> kernels = plan.lowering->lower_all(plan.steps.at(0));
    for (const passes::CheckedAccess& access : passes::checked_accesses(*kernels.at(0).function))
        texts.push_back(access.what);
    EXPECT_EQ(texts.front(), "load from %x0 at sums.cpp:7");
    EXPECT_EQ(texts.back(), "store to %y0 at sums.cpp:9");
}

INSTANTIATE_TEST_SUITE_P(Devices, CheckAccess, ::testing::ValuesIn(with_vulkan({"cpu"})),
                         [](const auto& info) { return info.param; });

} // namespace
