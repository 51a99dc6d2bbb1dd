// The rules that no text can break, because the parser refuses it: functions built wrong by hand.

#include "ir/builder.h"
#include "ir/kernel_builder.h"
#include "ir/parser.h"
#include "ir/verifier.h"

#include <heddle/error.h>

#include <gtest/gtest.h>

#include <array>

namespace heddle::ir {
namespace {

/// The only diagnostic of a function, as `rule: message`.
std::string only(const Function& function, const Target* target = nullptr) {
    const std::vector<Diagnostic> found = diagnose(function, target);
    if (found.size() != 1) {
        std::string all = "diagnostics:";
        for (const Diagnostic& diagnostic : found) all += "\n  " + diagnostic.message;
        return all;
    }
    return std::to_string(found[0].rule) + ": " + found[0].message;
}

struct Graph {
    Module module;
    Function& function = module.add_function("f");
    DimId n = module.dims.symbol("n");
    TypeId vector = module.types.tensor(Dtype::f32, std::array{n});
    NodeId x = function.add_parameter(vector);

    Graph() { function.set_name(x, "x"); }
};

TEST(Verifier, AcceptsWhatTheBuilderMakes) {
    Graph graph;
    Builder builder(graph.function);
    graph.function.set_results({builder.unary(Op::exp, graph.x)});
    EXPECT_TRUE(diagnose(graph.function).empty());
    EXPECT_NO_THROW(verify(graph.module));
}

TEST(Verifier, RefusesATypeThatTheRuleDoesNotGive) {
    Graph graph;
    const TypeId wrong = graph.module.types.tensor(Dtype::f16, std::array{graph.n});
    const NodeId y = graph.function.make(Op::exp, wrong, std::array{graph.x});
    graph.function.set_name(y, "y");
    graph.function.set_results({y});
    EXPECT_EQ(only(graph.function), "1: @f: %y = exp: is f16[?n], its rule gives f32[?n]");
}

TEST(Verifier, RefusesANegativeSize) {
    Graph graph;
    Builder builder(graph.function);
    const NodeId one = builder.constant(Dtype::f32, 0);
    const NodeId y =
        builder.broadcast(one, std::array{graph.module.dims.constant(-3)}, std::span<const i64>{});
    graph.function.set_name(y, "y");
    graph.function.set_results({y});
    EXPECT_EQ(only(graph.function), "4: @f: %y = broadcast: the size -3 is negative");
}

TEST(Verifier, RefusesAnOperandThatIsDefinedLater) {
    Graph graph;
    const NodeId later{2u};
    const NodeId y = graph.function.make(Op::exp, graph.vector, std::array{later});
    const NodeId z = graph.function.make(Op::log, graph.vector, std::array{graph.x});
    ASSERT_EQ(z, later);
    graph.function.set_name(y, "y");
    graph.function.set_results({z});
    EXPECT_EQ(only(graph.function), "1: @f: %y = exp: its operand %0 is not defined here");
}

TEST(Verifier, RefusesAValueOfAClosedRegion) {
    Module module;
    Function& kernel = module.add_kernel("k");
    KernelBuilder k(kernel);
    const NodeId x = k.pointer("x", Dtype::f32);
    set_kernel_info(kernel, {.target = TargetKind::cpu, .grid = {module.dims.constant(1)}});
    NodeId inner;
    k.for_loop(k.index(0), k.index(4), k.index(1), {}, [&](NodeId j, std::span<const NodeId>) {
        inner = k.load(x, j, 1);
        return std::vector<NodeId>{};
    });
    kernel.set_name(inner, "v");
    k.store(inner, x, k.index(0));
    EXPECT_EQ(only(kernel), "1: @k: store: its operand %v is not defined here");
}

TEST(Verifier, RefusesAnOpOfTheOtherLevel) {
    Graph graph;
    const NodeId t = graph.function.make(Op::thread_index, graph.module.types.scalar(Dtype::index), {});
    graph.function.set_name(t, "t");
    EXPECT_EQ(only(graph.function), "1: @f: %t = thread_index: is an op of the kernel level");
}

TEST(Verifier, RefusesAttributesThatTheOpDoesNotHave) {
    Graph graph;
    AttributeList list;
    list.integer(Key::axis, 0);
    const NodeId y =
        graph.function.make(Op::exp, graph.vector, std::array{graph.x}, graph.module.attributes.intern(list));
    graph.function.set_name(y, "y");
    EXPECT_EQ(only(graph.function), "1: @f: %y = exp: has no attribute 'axis'");
}

TEST(Verifier, RefusesAMaskOfAnotherWidth) {
    Module module;
    Function& kernel = module.add_kernel("k");
    KernelBuilder k(kernel);
    const NodeId x = k.pointer("x", Dtype::f32);
    set_kernel_info(kernel, {.target = TargetKind::cpu, .grid = {module.dims.constant(1)}});
    const NodeId v = k.load(x, k.index(0), 4, {.mask = k.splat(k.boolean(true), 8)});
    kernel.set_name(v, "v");
    EXPECT_EQ(only(kernel), "2: @k: %v = load: load: a mask of 8 lanes for an access of 4");
}

TEST(Verifier, RefusesSymbolsThatNoParameterDeclares) {
    Graph graph;
    const DimId m = graph.module.dims.symbol("m");
    Builder builder(graph.function);
    const NodeId y = builder.broadcast(graph.x, std::array{m, graph.n}, std::array{i64{1}});
    graph.function.set_name(y, "y");
    EXPECT_EQ(only(graph.function),
              "4: @f: %y = broadcast: ?m is not declared: no parameter has it as a size");
}

TEST(Verifier, RefusesAxesInSizes) {
    Graph graph;
    Builder builder(graph.function);
    const NodeId y =
        builder.broadcast(graph.x, std::array{graph.module.dims.axis(0), graph.n}, std::array{i64{1}});
    graph.function.set_name(y, "y");
    EXPECT_EQ(only(graph.function), "4: @f: %y = broadcast: the size d0 mentions an axis");
}

TEST(Verifier, RefusesPointersBehindValues) {
    Module module;
    Function& kernel = module.add_kernel("k");
    KernelBuilder k(kernel);
    k.size("n", module.dims.symbol("n"));
    k.pointer("x", Dtype::f32);
    set_kernel_info(kernel, {.target = TargetKind::cpu, .grid = {module.dims.constant(1)}});
    EXPECT_EQ(only(kernel), "1: @k: %x = parameter: pointers come before the other parameters");
}

TEST(Verifier, ChecksTheTargetsLimits) {
    const auto module = parse(
        "kernel @k() {target = gpu, block = 256, index = 32, grid = [1]} {\n  %s = shared : f32<4>[4096]\n}",
        "t.hir");
    const Function& kernel = *module->functions[0];
    Target target;
    target.kind = TargetKind::gpu;
    target.shared_bytes = 64 << 10;
    EXPECT_TRUE(diagnose(kernel, &target).empty());
    target.shared_bytes = 48 << 10;
    EXPECT_EQ(only(kernel, &target), "8: @k: 65536 bytes of shared memory, the device has 49152");
    target.shared_bytes = 64 << 10;
    target.max_block = 128;
    EXPECT_EQ(only(kernel, &target), "8: @k: a block of 256, the device allows 128");
}

TEST(Verifier, ThrowsTheFirstOfSeveralWithTheUsersLine) {
    Graph graph;
    const TypeId wrong = graph.module.types.tensor(Dtype::f16, std::array{graph.n});
    const LocationId place =
        graph.module.location({.file = "user.cpp", .line = 12, .column = 9, .function = "gelu"});
    const NodeId y = graph.function.make(Op::exp, wrong, std::array{graph.x}, AttributesId{0u}, place);
    const NodeId z = graph.function.make(Op::log, wrong, std::array{graph.x});
    graph.function.set_name(y, "y");
    graph.function.set_results({z});
    try {
        verify(graph.function);
        FAIL();
    } catch (const InternalError& error) {
        EXPECT_STREQ(error.what(),
                     "@f: %y = exp: is f16[?n], its rule gives f32[?n] (user.cpp:12:9) (and 1 more)");
    }
}

} // namespace
} // namespace heddle::ir
