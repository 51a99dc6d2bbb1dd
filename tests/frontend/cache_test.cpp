// Kernels in memory and on disk, on the CPU: what is compiled once stays compiled, and a file that is not ours or not whole is a miss.

#include "custom_kernels.h"
#include "fixture.h"
#include "frontend/disk_cache.h"
#include "frontend/kernel_interface.h"
#include "ir/parser.h"

#include <heddle/error.h>

#include <filesystem>
#include <fstream>
#include <latch>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace heddle;
using namespace heddle::tests;
namespace fs = std::filesystem;

namespace {

class Cache : public ::testing::Test {
protected:
    void SetUp() override {
        folder_ =
            fs::temp_directory_path() / ("heddle_cache_test_" + std::to_string(::getpid()) + "_" +
                                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
        fs::remove_all(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    ContextOptions options(const std::string& folder) const {
        return {.device = "cpu", .cache_directory = folder};
    }
    /// Runs one small function in a context of its own and says what that took.
    Statistics run_once(const std::string& folder) const {
        Context context(options(folder));
        Context::Scope scope(context);
        auto f = compile("f", [](Array x) { return x * 2.0f + 1.0f; });
        EXPECT_EQ(floats(f(Array{1.f, 2.f})), (std::vector<float>{3, 5}));
        return context.statistics();
    }
    std::vector<fs::path> files() const {
        std::vector<fs::path> result;
        for (const auto& entry : fs::directory_iterator(folder_)) result.push_back(entry.path());
        return result;
    }
    /// Files are named by their key.
    static Digest key_of(const fs::path& file) {
        const std::string digits = file.stem().string();
        return {std::stoull(digits.substr(0, 16), nullptr, 16), std::stoull(digits.substr(16), nullptr, 16)};
    }

    fs::path folder_;
};

TEST_F(Cache, a_second_context_loads_what_the_first_compiled) {
    const Statistics first = run_once(folder_.string());
    EXPECT_EQ(first.kernels_compiled, 1u);
    EXPECT_EQ(first.kernels_loaded, 0u);
    EXPECT_GT(first.load_nanoseconds, 0u);
    const Statistics second = run_once(folder_.string());
    EXPECT_EQ(second.kernels_compiled, 0u);
    EXPECT_EQ(second.kernels_loaded, 1u);
    EXPECT_GT(second.load_nanoseconds, 0u);
}

TEST_F(Cache, making_kernels_ready_is_timed_once_for_each) {
    Context context(options(""));
    Context::Scope scope(context);
    auto f = compile("f", [](Array x) { return x * 2.0f + 1.0f; });
    EXPECT_EQ(context.statistics().load_nanoseconds, 0u);
    f(Array{1.f, 2.f}).wait();
    const std::uint64_t after = context.statistics().load_nanoseconds;
    EXPECT_GT(after, 0u);
    f(Array{3.f, 4.f}).wait();
    EXPECT_EQ(context.statistics().load_nanoseconds, after) << "a known kernel";
}

TEST_F(Cache, R7_custom_kernels_are_kept_by_their_code_rather_than_their_name) {
    auto run = [&](const CustomDescription& description, float expected) {
        Context context(options(folder_.string()));
        Context::Scope scope(context);
        const Array x = Array{2.f, 3.f};
        EXPECT_EQ(floats(CustomKernel(description)({Array(10.0f), x, x}))[1], expected);
        return context.statistics();
    };
    CustomDescription description = saxpy_description();
    EXPECT_EQ(run(description, 33).kernels_compiled, 1u);
    EXPECT_EQ(run(description, 33).kernels_loaded, 1u);
    const std::size_t at = description.kernel.find("%w = add");
    description.kernel.replace(at, 8, "%w = sub");
    const Statistics changed = run(description, 27);
    EXPECT_EQ(changed.kernels_loaded, 0u);
    EXPECT_EQ(changed.kernels_compiled, 1u);
}

TEST_F(Cache, without_a_folder_nothing_is_kept) {
    run_once("");
    EXPECT_EQ(run_once("").kernels_compiled, 1u);
}

TEST_F(Cache, the_folder_is_private_and_holds_whole_files_only) {
    run_once(folder_.string());
    struct stat status = {};
    ASSERT_EQ(::stat(folder_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
    ASSERT_EQ(files().size(), 1u);
    EXPECT_EQ(files()[0].extension(), ".kernel");
}

TEST_F(Cache, a_folder_that_others_may_write_to_is_not_used) {
    fs::create_directories(folder_);
    ASSERT_EQ(::chmod(folder_.c_str(), 0777), 0);
    run_once(folder_.string());
    EXPECT_TRUE(files().empty());
}

TEST_F(Cache, an_altered_file_is_a_miss_and_is_replaced) {
    run_once(folder_.string());
    const fs::path file = files().at(0);
    const auto size = fs::file_size(file);
    {
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekp(static_cast<std::streamoff>(size) - 1);
        const int last = (stream.seekg(static_cast<std::streamoff>(size) - 1), stream.get());
        stream.seekp(static_cast<std::streamoff>(size) - 1);
        stream.put(static_cast<char>(last ^ 1));
    }
    EXPECT_EQ(run_once(folder_.string()).kernels_compiled, 1u);
    EXPECT_EQ(run_once(folder_.string()).kernels_loaded, 1u);
    fs::resize_file(file, size / 2);
    EXPECT_EQ(run_once(folder_.string()).kernels_compiled, 1u);
    EXPECT_EQ(run_once(folder_.string()).kernels_loaded, 1u);
}

TEST_F(Cache, no_altered_byte_of_a_file_goes_unseen) {
    run_once(folder_.string());
    const fs::path file = files().at(0);
    std::ifstream stream(file, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(stream), {}};
    const Digest key = key_of(file);
    detail::DiskCache cache({.folder = folder_});
    ASSERT_TRUE(cache.load(key));
    for (std::size_t at = 0; at < whole.size(); at += at < 200 ? 1 : 31) {
        std::string altered = whole;
        altered[at] = static_cast<char>(altered[at] ^ 4);
        std::ofstream(file, std::ios::binary) << altered;
        EXPECT_FALSE(cache.load(key)) << "byte " << at << " of " << whole.size();
    }
}

TEST_F(Cache, a_kept_kernel_that_does_not_link_is_compiled_again) {
    run_once(folder_.string());
    const Digest key = key_of(files().at(0));
    detail::DiskCache cache({.folder = folder_});
    detail::KeptKernel kernel = cache.load(key).value();
    kernel.artifact.code.resize(kernel.artifact.code.size() / 2);
    cache.store(key, kernel);
    EXPECT_EQ(run_once(folder_.string()).kernels_compiled, 1u);
    EXPECT_EQ(run_once(folder_.string()).kernels_loaded, 1u);
}

TEST_F(Cache, a_kept_kernel_is_launched_with_the_sizes_of_the_call) {
    for (const std::string& device : with_vulkan({"cpu"})) {
        SCOPED_TRACE(device);
        const auto run = [&](std::int64_t rows, std::int64_t columns) {
            Context context({.device = device, .cache_directory = (folder_ / device).string()});
            Context::Scope scope(context);
            auto f = compile("f", [](Array x, Array by) { return softmax(x, -1) * by + sum(x, 0) + x; },
                             {.shapeless = true});
            const Array x = full({rows, columns}, 1.0f);
            for (float each : floats(f(x, 6.0f)))
                EXPECT_NEAR(each, 6.0f / static_cast<float>(columns) + static_cast<float>(rows + 1), 1e-3f)
                    << rows << " x " << columns;
            return context.statistics();
        };
        fs::create_directories(folder_);
        EXPECT_GT(run(5, 70).kernels_compiled, 1u);
        for (const auto& [rows, columns] : {std::pair{9, 75}, {3, 67}, {7, 93}}) {
            const Statistics again = run(rows, columns);
            EXPECT_GT(again.kernels_loaded, 0u) << rows << " x " << columns;
        }
        EXPECT_EQ(run(5, 70).kernels_compiled, 0u);
    }
}

TEST(KernelInterface, is_read_as_it_was_written_and_not_from_other_words) {
    const auto module = ir::parse_valid(
        "kernel @k(%x: ptr<f16>, %a: index = (?n + 3) / 4 * ?m, %b: magic = magic(max(?m, ?n % 7) - 2)) "
        "{target = gpu, block = 64, grid = [?n * ?m + 1, min(?n, 5)], index = 32} {\n}\n",
        "k.hir");
    ir::Target target;
    target.kind = ir::TargetKind::gpu;
    const detail::KernelInterface made = detail::interface_of(*module->functions[0], target);
    std::vector<u64> words = detail::words_of(made);
    const std::optional<detail::KernelInterface> read = detail::interface_from(words);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->bytes, made.bytes);
    EXPECT_EQ(read->grain, made.grain);
    ASSERT_EQ(read->fields.size(), 3u);
    ASSERT_EQ(read->grid.size(), 2u);
    for (std::size_t k = 0; k < 3; ++k) {
        EXPECT_EQ(read->fields[k].by, made.fields[k].by);
        EXPECT_EQ(read->fields[k].dtype, made.fields[k].dtype);
        EXPECT_EQ(read->fields[k].offset, made.fields[k].offset);
    }
    for (std::int64_t n : {1, 6, 7, 100})
        for (std::int64_t m : {1, 3, 50}) {
            const std::int64_t symbols[] = {n, m};
            const auto value = [&](const detail::KernelInterface& of, ir::DimId size) {
                return of.dims.evaluate(size, symbols);
            };
            for (std::size_t k : {1, 2})
                EXPECT_EQ(value(*read, read->fields[k].size), value(made, made.fields[k].size));
            EXPECT_EQ(value(*read, read->fields[1].size), (n + 3) / 4 * m);
            for (std::size_t k : {0, 1}) EXPECT_EQ(value(*read, read->grid[k]), value(made, made.grid[k]));
        }
    for (std::size_t count = 0; count < words.size(); ++count)
        EXPECT_FALSE(detail::interface_from(std::span(words).first(count))) << count << " words";
    words.push_back(0);
    EXPECT_FALSE(detail::interface_from(words));
}

TEST(KernelInterface, is_refused_where_it_would_write_behind_the_arguments) {
    const auto module = ir::parse_valid("kernel @k(%x: ptr<f32>, %a: index = ?n) "
                                        "{target = gpu, block = 64, grid = [?n], index = 32} {\n}\n",
                                        "k.hir");
    ir::Target target;
    target.kind = ir::TargetKind::gpu;
    const auto refuses = [&](auto change) {
        detail::KernelInterface changed = detail::interface_of(*module->functions[0], target);
        change(changed);
        return !detail::interface_from(detail::words_of(changed));
    };
    EXPECT_FALSE(refuses([](auto&) {}));
    EXPECT_TRUE(refuses([](auto& changed) { changed.bytes -= 1; }));
    EXPECT_TRUE(refuses([](auto& changed) { changed.fields[1].offset = 1 << 20; }));
    EXPECT_TRUE(refuses([](auto& changed) { changed.fields[1].by = detail::KernelInterface::Fill{9}; }));
    EXPECT_TRUE(refuses([](auto& changed) { changed.fields[0].dtype = Dtype{200}; }));
    EXPECT_TRUE(refuses([](auto& changed) { changed.fields[1].size = ir::DimId{}; }));
    EXPECT_TRUE(refuses([](auto& changed) { changed.grid.resize(4, changed.grid[0]); }));
}

TEST_F(Cache, equal_kernels_of_different_functions_are_one) {
    Context context(options(""));
    Context::Scope scope(context);
    auto f = compile("f", [](Array x) { return x * 2.0f; });
    auto g = compile("g", [](Array x) { return x * 2.0f; });
    const Array x{1.f, 2.f};
    EXPECT_EQ(floats(f(x)), floats(g(x)));
    EXPECT_EQ(context.statistics().kernels_compiled, 1u);
    EXPECT_EQ(context.statistics().kernel_hits, 1u);
}

TEST_F(Cache, another_shape_of_the_same_graph_takes_the_program_that_is_there) {
    Context context(options(""));
    Context::Scope scope(context);
    auto f = compile("f", [](Array x) { return x * 2.0f; });
    for (int size = 100; size < 120; ++size) {
        const std::vector<float> values(static_cast<std::size_t>(size), 1.5f);
        EXPECT_EQ(floats(f(Array::from(values))), std::vector<float>(values.size(), 3.0f));
    }
    EXPECT_EQ(context.statistics().traces, 20u);
    EXPECT_EQ(context.statistics().live_specializations, 20u);
    EXPECT_EQ(context.statistics().live_programs, 1u);
}

TEST_F(Cache, a_function_that_remembers_no_more_signatures_still_runs) {
    ContextOptions few = options("");
    few.specializations = 2;
    Context context(few);
    Context::Scope scope(context);
    // A number of its own in each trace: no two programs are one.
    auto f = compile("f", [](Array x) { return x * static_cast<float>(x.shape(0).value()); });
    for (int round = 0; round < 2; ++round)
        for (int size = 100; size < 104; ++size) {
            const std::vector<float> values(static_cast<std::size_t>(size), 1.5f);
            EXPECT_EQ(floats(f(Array::from(values))),
                      std::vector<float>(values.size(), 1.5f * static_cast<float>(size)));
        }
    EXPECT_EQ(context.statistics().live_specializations, 2u);
    EXPECT_EQ(context.statistics().live_programs, 2u);
    EXPECT_EQ(context.statistics().traces, 2u + 2 * 2u);
}

TEST_F(Cache, concurrent_first_uses_of_one_kernel_compile_it_once) {
    Context context(options(""));
    std::latch start(6);
    {
        std::vector<std::jthread> threads;
        for (int k = 0; k < 6; ++k) {
            threads.emplace_back([&] {
                Context::Scope scope(context);
                auto f = compile("f", [](Array x) { return x * 2.0f; });
                const Array x{1.f, 2.f};
                start.arrive_and_wait();
                EXPECT_EQ(floats(f(x))[1], 4);
            });
        }
    }
    EXPECT_EQ(context.statistics().kernels_compiled, 1u);
}

} // namespace
