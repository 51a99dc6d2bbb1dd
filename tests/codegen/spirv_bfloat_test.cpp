// bf16 through kernels on the Vulkan device: every pattern widened, every rounding that decides, alone and by vectors of each width.

#include "support/numeric.h"
#include "tests/codegen/spirv_run.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <iostream>

namespace heddle::codegen::testing {
namespace {

using ir::NodeId;
using ir::Op;

/// How a kernel takes its elements.
struct Access {
    u32 lanes;
    bool aligned; ///< by whole vectors; else one element at a time has to do
    bool masked;
};

std::ostream& operator<<(std::ostream& out, const Access& access) {
    return out << access.lanes << " lanes" << (access.aligned ? ", aligned" : "")
               << (access.masked ? ", masked" : "");
}

class SpirvBfloat : public ::testing::TestWithParam<Access> {
protected:
    static void SetUpTestSuite() {
        const ir::Target& target = vulkan_device().info().target;
        std::cout << target.name << " rounds f32 to bf16 by "
                  << (target.has_bf16_rounding ? "an instruction" : "integer operations") << '\n';
    }
    /// `body` of each element of x: n elements of `from`, which becomes as many of `to`.
    template <class From, class To, class Body>
    std::vector<To> apply(Dtype from, Dtype to, std::vector<From> x, const Body& body) {
        const Access access = GetParam();
        const std::size_t odd = x.size() + 1; // with masks, the last vector is not whole
        x.resize((odd + access.lanes - 1) / access.lanes * access.lanes);
        const i64 below = static_cast<i64>(access.masked ? odd : x.size());
        TestKernel k("bfloat");
        const NodeId px = k.build.pointer("x", from), py = k.build.pointer("y", to);
        const NodeId n = k.size("n"), i = k.build.mul(k.global_index(), k.build.index(access.lanes));
        const auto options = [&](Dtype dtype) {
            ir::MemoryOptions made;
            if (access.aligned) made.align = static_cast<u32>(size_of(dtype) * access.lanes);
            if (access.masked) {
                const NodeId lanes = k.build.add(k.build.lanes(access.lanes), i);
                made.mask = k.build.binary(Op::lt, lanes, n);
            }
            return made;
        };
        k.below(i, n, [&] {
            const NodeId loaded = k.build.load(px, i, access.lanes, options(from));
            k.build.store(body(k.build, loaded), py, i, options(to));
        });
        Bytes in = bytes_of(x), out(x.size() * sizeof(To));
        const i64 blocks = static_cast<i64>(x.size() / (64 * access.lanes) + 1);
        run(k, {&in, &out}, {{"n", below}, {"blocks", blocks}});
        return values_of<To>(out);
    }
};

/// Whether subnormal results may be zero, as where the device itself rounds and does not keep them.
bool may_flush() { return (vulkan_device().info().target.preserves_subnormals & 2) == 0; }

bool is_nan(u32 single) { return (single & 0x7FFFFFFF) > 0x7F800000; }

std::vector<u16> all_patterns() {
    std::vector<u16> all;
    for (u32 bits = 0; bits < 0x10000; ++bits) all.push_back(static_cast<u16>(bits));
    return all;
}

TEST_P(SpirvBfloat, EveryPatternWidensToItself) {
    const std::vector<u16> x = all_patterns();
    const auto y = apply<u16, u32>(Dtype::bf16, Dtype::f32, x, [](ir::KernelBuilder& k, NodeId value) {
        return k.cast(value, Dtype::f32);
    });
    for (std::size_t i = 0; i < x.size(); ++i) {
        const u32 expected = u32{x[i]} << 16;
        ASSERT_TRUE(y[i] == expected || (is_nan(expected) && is_nan(y[i])))
            << std::hex << x[i] << " " << y[i];
    }
}

TEST_P(SpirvBfloat, RoundsToNearestEvenBetweenAnyTwoNeighbours) {
    std::vector<u32> x;
    for (u32 upper = 0; upper < 0x10000; ++upper)
        for (u32 lower : {0u, 1u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) x.push_back(upper << 16 | lower);
    const auto y = apply<u32, u16>(Dtype::f32, Dtype::bf16, x, [](ir::KernelBuilder& k, NodeId value) {
        return k.cast(value, Dtype::bf16);
    });
    for (std::size_t i = 0; i < x.size(); ++i) {
        const u32 given = u32{y[i]} << 16;
        const bool right =
            is_nan(x[i]) ? is_nan(given) : y[i] == bf16_bits(double{std::bit_cast<float>(x[i])});
        const bool flushed = may_flush() && (x[i] & 0x7F800000) == 0 && u32{y[i]} == (x[i] >> 16 & 0x8000);
        ASSERT_TRUE(right || flushed) << std::hex << x[i] << " gives " << y[i];
    }
}

// Loaded, computed with and stored: what most kernels do.
TEST_P(SpirvBfloat, ProductsAreRoundedOnce) {
    const std::vector<u16> x = all_patterns();
    const float factor = 1.2345678f;
    const auto y = apply<u16, u16>(Dtype::bf16, Dtype::bf16, x, [&](ir::KernelBuilder& k, NodeId value) {
        const NodeId single = k.cast(value, Dtype::f32);
        return k.cast(k.mul(single, k.number(Dtype::f32, factor)), Dtype::bf16);
    });
    for (std::size_t i = 0; i < x.size(); ++i) {
        const float product = std::bit_cast<float>(u32{x[i]} << 16) * factor;
        const bool flushed = std::fabs(product) < 0x1p-125f && (y[i] & 0x7FFF) == 0;
        const bool right = std::isnan(product) ? is_nan(u32{y[i]} << 16) : y[i] == bf16_bits(double{product});
        ASSERT_TRUE(right || flushed) << std::hex << x[i] << " gives " << y[i];
    }
}

INSTANTIATE_TEST_SUITE_P(Accesses, SpirvBfloat,
                         ::testing::Values(Access{1, false, false}, Access{1, false, true},
                                           Access{2, true, false}, Access{2, false, true},
                                           Access{4, true, false}, Access{4, false, false},
                                           Access{8, true, false}, Access{8, true, true},
                                           Access{8, false, false}, Access{8, false, true},
                                           Access{16, true, false}, Access{16, false, true}));

} // namespace
} // namespace heddle::codegen::testing
