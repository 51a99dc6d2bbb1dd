// The plug-in's linker: what it takes, what it refuses, and that many objects come and go at once.

#include "support/numeric.h"
#include "tests/codegen/llvm_run.h"

#include <heddle/error.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <latch>
#include <thread>

namespace heddle::codegen::cpu::testing {
namespace {

using namespace ir;

Linker& linker() {
    static const std::unique_ptr<Linker> shared = load_linker();
    return *shared;
}

std::vector<std::byte> read_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

/// y[0] = x[0] + addend; its name is "k", whatever the addend.
Artifact adding(float addend) {
    Draft draft;
    make_pointwise(draft, std::array{Dtype::f32}, Dtype::f32, 1,
                   [&](KernelBuilder& k, std::span<const NodeId> x) {
                       return k.add(x[0], k.constant(Dtype::f32, bits_of(Dtype::f32, double{addend})));
                   });
    return compile(draft).artifact;
}

float call(const LinkedCode& code, float x) {
    float y = 0;
    struct {
        const float* x;
        float* y;
        i64 count;
    } parameters{&x, &y, 1};
    reinterpret_cast<KernelEntry>(const_cast<void*>(code.entry()))(&parameters, 0, 1, nullptr);
    return y;
}

std::string refusal(std::span<const std::byte> object, std::string_view entry) {
    try {
        linker().link(object, entry);
    } catch (const DeviceError& error) {
        return error.what();
    }
    return "linked";
}

TEST(LlvmLinker, a_file_that_is_no_object_is_an_error) {
    const std::vector<std::byte> file(300, std::byte{7});
    EXPECT_THROW(linker().link(file, "k"), DeviceError);
    EXPECT_THROW(linker().link({}, "k"), DeviceError);
}

TEST(LlvmLinker, a_cut_off_object_is_an_error_at_every_length) {
    const Artifact whole = adding(1);
    const std::span<const std::byte> code = whole.code;
    for (std::size_t length = 0; length + 1 < code.size(); length += 13)
        EXPECT_THROW(linker().link(code.first(length), "k"), DeviceError) << length << " of " << code.size();
    EXPECT_EQ(call(*linker().link(code, "k"), 2), 3);
}

TEST(LlvmLinker, an_object_without_the_entry_point_is_an_error_that_names_it) {
    EXPECT_EQ(refusal(adding(1).code, "another"), "object file of a kernel: it has no entry point another");
}

TEST(LlvmLinker, an_object_for_another_machine_is_an_error) {
    std::vector<std::byte> code = adding(1).code;
    const unsigned char machine[2] = {183, 0}; // AArch64, as in the ELF header
    std::memcpy(code.data() + 18, machine, 2);
    EXPECT_NE(refusal(code, "k"), "linked");
}

TEST(LlvmLinker, functions_that_generated_code_may_call_are_found) {
    const std::vector<std::byte> object = read_file(ALLOWED_OBJECT);
    const std::unique_ptr<LinkedCode> code = linker().link(object, "k");
    float value = 2.75f;
    float* const parameters[] = {&value};
    reinterpret_cast<KernelEntry>(const_cast<void*>(code->entry()))(parameters, 0, 1, nullptr);
    EXPECT_EQ(value, 5);
}

TEST(LlvmLinker, any_other_function_of_the_process_is_refused_by_name) {
    EXPECT_EQ(refusal(read_file(FORBIDDEN_OBJECT), "k"), "object file of a kernel: nothing provides system");
}

TEST(LlvmLinker, objects_of_one_name_live_side_by_side_and_go_alone) {
    const std::unique_ptr<LinkedCode> one = linker().link(adding(1).code, "k");
    std::unique_ptr<LinkedCode> two = linker().link(adding(2).code, "k");
    EXPECT_EQ(call(*one, 10), 11);
    EXPECT_EQ(call(*two, 10), 12);
    two.reset();
    EXPECT_EQ(call(*one, 20), 21);
}

TEST(LlvmLinker, code_outlives_its_linker) {
    std::unique_ptr<Linker> own = load_linker();
    const std::unique_ptr<LinkedCode> code = own->link(adding(3).code, "k");
    own.reset();
    EXPECT_EQ(call(*code, 4), 7);
}

TEST(LlvmLinker, eight_threads_link_call_and_drop_at_the_same_time) {
    std::vector<Artifact> artifacts;
    for (int t = 0; t < 8; ++t) artifacts.push_back(adding(static_cast<float>(t)));
    std::atomic<int> right = 0;
    std::latch start(8);
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            const float addend = static_cast<float>(t);
            std::unique_ptr<LinkedCode> kept;
            start.arrive_and_wait();
            for (int round = 0; round < 50; ++round) {
                std::unique_ptr<LinkedCode> code =
                    linker().link(artifacts[static_cast<std::size_t>(t)].code, "k");
                right += call(*code, 100) == 100 + addend;
                if (round % 2 == 0) kept = std::move(code);
                right += call(*kept, 1) == 1 + addend;
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(right, 800);
}

} // namespace
} // namespace heddle::codegen::cpu::testing
