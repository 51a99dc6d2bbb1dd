// C5 within code generation: while the code of one kernel is being made, and a latch keeps it from ever being done, calls that need
// another kernel complete.

#include "fixture.h"

#include "frontend/code_generator.h"
#include "frontend/context_state.h"

#include <algorithm>
#include <atomic>
#include <latch>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

/// Holds back the first kernel of the function of that name, from `held` on until `release`.
struct Hold {
    explicit Hold(const std::string& function) : prefix(function + ".") {}
    bool takes(const std::string& kernel) { return kernel.starts_with(prefix) && !taken.exchange(true); }

    std::string prefix;
    std::atomic<bool> taken{false};
    std::latch held{1}, release{1};
};

/// Whom the context holds to, at most one at a time.
struct Gate {
    std::atomic<Hold*> hold{nullptr};
};

class HoldingGenerator final : public detail::CodeGenerator {
public:
    explicit HoldingGenerator(Gate& gate) : gate_(gate) {}
    codegen::Artifact generate(const ir::Function& kernel, const ir::Target& target,
                               detail::KernelTexts* texts) override {
        if (Hold* hold = gate_.hold.load(); hold != nullptr && hold->takes(kernel.name())) {
            hold->held.count_down();
            hold->release.wait();
        }
        return emitters_->generate(kernel, target, texts);
    }

private:
    Gate& gate_;
    std::unique_ptr<detail::CodeGenerator> emitters_ = detail::make_code_generator();
};

class CodeGeneration : public ::testing::TestWithParam<const char*> {
protected:
    Gate gate;
    Context context = Context::sharing(
        std::make_shared<detail::ContextState>(ContextOptions{.device = GetParam(), .cache_directory = ""},
                                               std::make_unique<HoldingGenerator>(gate)));
    Context::Scope scope{context};

    Array filled(std::int64_t size) { return full({size}, 0.5f).to(GetParam()).eval(); }

    /// `act` runs while a call of `function` with `x` is inside the generation of its first kernel.
    template <class Act> void while_compiling(const Compiled<Array(Array)>& function, const char* name,
                                              const Array& x, const std::vector<float>& wanted, Act act) {
        Hold hold(name);
        gate.hold = &hold;
        std::atomic<bool> finished{false};
        std::jthread thread([&] {
            Context::Scope here(context);
            EXPECT_EQ(floats(function(x)), wanted);
            finished = true;
            // A call that needed no new kernel is held nowhere.
            if (!hold.taken.exchange(true)) hold.held.count_down();
        });
        hold.held.wait();
        EXPECT_FALSE(finished);
        act();
        EXPECT_FALSE(finished);
        hold.release.count_down();
        thread.join();
        gate.hold = nullptr;
    }
};

TEST_P(CodeGeneration, C5_calls_of_other_functions_complete_while_one_is_compiled) {
    const Array x = filled(64);
    const auto cached = compile<Array(Array)>("cached", [](Array v) { return v * 2.0f + 1.0f; });
    const auto slow = compile<Array(Array)>("slow", [](Array v) { return exp2(v + 0.5f); });
    EXPECT_EQ(floats(cached(x)), std::vector<float>(64, 2));
    while_compiling(slow, "slow", x, std::vector<float>(64, 2), [&] {
        for (int k = 0; k < 100; ++k) EXPECT_EQ(floats(cached(x)), std::vector<float>(64, 2));
        // Nor do those wait whose own kernel is made meanwhile.
        const auto first = compile<Array(Array)>("first", [](Array v) { return v * 4.0f; });
        EXPECT_EQ(floats(first(x)), std::vector<float>(64, 2));
    });
}

TEST_P(CodeGeneration, C5_calls_with_other_signatures_complete_while_one_is_compiled) {
    // Another rank and another dtype: no kernel serves two of them.
    const Array known = filled(64), held = reshape(filled(600), {2, 300}).eval(),
                first = cast(filled(64), Dtype::f64).eval();
    const auto f = compile<Array(Array)>("f", [](Array v) { return v * 2.0f + 1.0f; });
    EXPECT_EQ(floats(f(known)), std::vector<float>(64, 2));
    while_compiling(f, "f", held, std::vector<float>(600, 2), [&] {
        for (int k = 0; k < 100; ++k) EXPECT_EQ(floats(f(known)), std::vector<float>(64, 2));
        EXPECT_EQ(f.specializations(), 1u);
        EXPECT_EQ(f(first).to_vector<double>(), std::vector<double>(64, 2));
        EXPECT_EQ(f.specializations(), 2u);
    });
    EXPECT_EQ(f.specializations(), 3u);
}

TEST_P(CodeGeneration, C5_a_shapeless_call_completes_while_a_variant_for_other_sizes_is_compiled) {
    // Too long for the cache that a short row stays in, and for a block's registers.
    const std::int64_t l2_bytes =
        static_cast<std::int64_t>(context.state()->device()->info().target.l2_bytes);
    const std::int64_t length = std::max<std::int64_t>(l2_bytes / 4, 100'000) + 3;
    const auto rows = [&](std::int64_t columns) { return reshape(filled(2 * columns), {2, columns}).eval(); };
    const auto zeros_of = [](std::int64_t count) {
        return std::vector<float>(static_cast<std::size_t>(count), 0);
    };
    const Array small = rows(64), large = rows(length);
    const auto f = compile<Array(Array)>("f",
                                         [](Array v) {
                                             const Array e = exp(v);
                                             return e - max(e, -1, true);
                                         },
                                         {.shapeless = true});
    EXPECT_EQ(floats(f(small)), zeros_of(128));
    const std::uint64_t traces = context.statistics().traces;
    while_compiling(f, "f", large, zeros_of(2 * length), [&] {
        for (int k = 0; k < 100; ++k) EXPECT_EQ(floats(f(small)), zeros_of(128));
    });
    EXPECT_EQ(context.statistics().traces, traces);
}

INSTANTIATE_TEST_SUITE_P(On, CodeGeneration, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
