// What a device is asked when it is opened, and what is made of the answers.

#include "codegen/spirv/validate.h"
#include "runtime/vulkan/probe.h"
#include "runtime/vulkan/probe_bfloat_code.h"
#include "runtime/vulkan/probe_code.h"
#include "support/numeric.h"
#include "tests/runtime/vulkan_fixture.h"

#include <bit>
#include <fstream>
#include <functional>
#include <iterator>

namespace heddle::runtime::testing {
namespace {

class VulkanProbes : public VulkanFixture {};

void expect_assembled(std::span<const u32> code, const std::string& name) {
    std::ifstream file(HEDDLE_SOURCE_DIR "/runtime/vulkan/" + name);
    std::string text(std::istreambuf_iterator<char>(file), {});
    auto words = std::as_bytes(code);
    // Raw words stand in the assembly for what tools before 2025 do not know; only later ones can judge them.
    const std::string unknown = codegen::spirv::not_judged(words);
    if (!unknown.empty()) ::testing::Test::RecordProperty("not_validated", name + ": " + unknown);
    std::vector<std::byte> expected = assemble(text, unknown.empty());
    ASSERT_EQ(words.size(), expected.size()) << name;
    // All but the generator's number, which names the version of the assembler.
    EXPECT_TRUE(std::equal(words.begin() + 12, words.end(), expected.begin() + 12)) << name;
}

TEST_F(VulkanProbes, the_probes_are_the_assembly_beside_them) {
    expect_assembled(vulkan::probe_code, "probe.spvasm");
    expect_assembled(vulkan::probe_bfloat_code, "probe_bfloat.spvasm");
}

/// What a device that rounds by `round` gives to the probe.
std::vector<u32> probed(const std::function<u16(u32)>& round) {
    std::vector<u32> in = vulkan::bfloat_inputs(), out;
    for (std::size_t k = 0; k < in.size(); k += 2)
        out.insert(out.end(), {round(in[k]) | u32{round(in[k + 1])} << 16, round(in[k])});
    return out;
}

TEST(VulkanBfloatProbe, only_rounding_to_nearest_even_is_taken_for_it) {
    const std::vector<u32> in = vulkan::bfloat_inputs();
    const auto nearest = [](u32 bits) { return bf16_bits(double{std::bit_cast<float>(bits)}); };
    const auto toward_zero = [](u32 bits) { return static_cast<u16>(bits >> 16); };
    const auto ties_away = [](u32 bits) { return static_cast<u16>((bits + 0x8000) >> 16); };
    const auto nan_by_sum = [](u32 bits) {
        return static_cast<u16>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    };
    const auto flushed = [&](u32 bits) {
        return (bits & 0x7F800000) == 0 ? static_cast<u16>(bits >> 16 & 0x8000) : nearest(bits);
    };
    EXPECT_TRUE(vulkan::are_right_bfloats(in, probed(nearest), false));
    EXPECT_TRUE(vulkan::are_right_bfloats(in, probed(nearest), true));
    EXPECT_FALSE(vulkan::are_right_bfloats(in, probed(toward_zero), true));
    EXPECT_FALSE(vulkan::are_right_bfloats(in, probed(ties_away), true));
    EXPECT_FALSE(vulkan::are_right_bfloats(in, probed(nan_by_sum), true));
    EXPECT_TRUE(vulkan::are_right_bfloats(in, probed(flushed), true));
    EXPECT_FALSE(vulkan::are_right_bfloats(in, probed(flushed), false));
}

// A vector and a number alone may go different ways.
TEST(VulkanBfloatProbe, each_place_of_a_pair_counts) {
    const std::vector<u32> in = vulkan::bfloat_inputs();
    const std::vector<u32> right =
        probed([](u32 bits) { return bf16_bits(double{std::bit_cast<float>(bits)}); });
    for (u32 wrong : {0x1u, 0x10000u}) {
        std::vector<u32> out = right;
        out[0] ^= wrong;
        EXPECT_FALSE(vulkan::are_right_bfloats(in, out, true)) << wrong;
    }
    std::vector<u32> out = right;
    out[1] ^= 1;
    EXPECT_FALSE(vulkan::are_right_bfloats(in, out, true));
}

TEST_F(VulkanProbes, a_device_is_asked_to_round_to_bf16_only_where_it_may_be) {
    open({.bf16_rounding = false});
    EXPECT_FALSE(device->info().target.has_bf16_rounding);
    open({.descriptors = true}); // the probe needs addresses
    EXPECT_FALSE(device->info().target.has_bf16_rounding);
}

TEST_F(VulkanProbes, the_probe_agrees_with_the_kernel_that_it_stands_for) {
    open({});
    // The host's own fma rounds once; a device that does the same is told apart from one that multiplies, then adds.
    vulkan::ProbeResult found = vulkan::probe(*device);
    EXPECT_EQ(device->info().target.fused_fma, found.fused_fma);
    EXPECT_EQ(device->info().notes.find("f32 subnormals are flushed") == std::string::npos,
              found.keeps_subnormals);
    const ir::Target& target = device->info().target;
    EXPECT_EQ(target.flushes_subnormals, found.flushes_operands && (target.preserves_subnormals & 2) == 0);
    RecordProperty("flushes_subnormals", target.flushes_subnormals);
}

} // namespace
} // namespace heddle::runtime::testing
