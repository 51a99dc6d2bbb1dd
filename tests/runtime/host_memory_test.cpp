#include "runtime/devices.h"
#include "runtime/free_ranges.h"
#include "runtime/host_memory.h"
#include "runtime/size_classes.h"

#include <heddle/error.h>

#include <cstdlib>
#include <gtest/gtest.h>
#include <thread>

namespace heddle::runtime {
namespace {

constexpr std::size_t mebibyte = 1 << 20;

TEST(SizeClasses, every_size_lies_in_the_smallest_class_that_holds_it) {
    using Classes = SizeClasses<64>;
    for (std::size_t bytes = 0; bytes < 100'000; ++bytes) {
        u32 size_class = Classes::of(bytes);
        ASSERT_GE(Classes::bytes(size_class), bytes);
        if (size_class > 8) { // below, classes closer than the unit coincide
            ASSERT_LT(Classes::bytes(size_class - 1), bytes);
        }
        ASSERT_EQ(Classes::bytes(size_class) % 64, 0u);
    }
    std::size_t huge = std::size_t{1} << 46;
    EXPECT_EQ(Classes::bytes(Classes::of(huge)), huge);
    EXPECT_LT(Classes::of(huge + 1), Classes::count);
}

TEST(FreeRanges, neighbours_join_again_in_any_order) {
    FreeRanges free(1000);
    u64 a = *free.take(100), b = *free.take(200), c = *free.take(700);
    EXPECT_FALSE(free.take(1));
    free.give(a);
    free.give(c);
    EXPECT_FALSE(free.take(701));
    free.give(b);
    EXPECT_TRUE(free.all_free());
    EXPECT_EQ(free.take(1000), 0u);
}

TEST(FreeRanges, the_smallest_range_that_fits_is_taken) {
    FreeRanges free(1000);
    u64 big = *free.take(500), wall = *free.take(100), small = *free.take(150);
    (void)free.take(250);
    free.give(big);
    free.give(small);
    EXPECT_EQ(free.take(120), small);
    EXPECT_NE(wall, small);
}

TEST(HostPool, memory_is_aligned_and_counted) {
    HostPool pool(64 * mebibyte, 8 * mebibyte, false);
    for (std::size_t bytes : {0, 1, 63, 64, 65, 1000, 5 * 1000 * 1000}) {
        std::byte* memory = pool.take(bytes);
        EXPECT_EQ(reinterpret_cast<u64>(memory) % 64, 0u);
        EXPECT_GE(pool.live_bytes(), bytes);
        EXPECT_LE(pool.live_bytes(), bytes + bytes / 4 + 128);
        pool.give(memory, bytes);
        EXPECT_EQ(pool.live_bytes(), 0u);
    }
}

TEST(HostPool, a_freed_piece_serves_the_next_request_of_its_class) {
    HostPool pool(64 * mebibyte, 8 * mebibyte, false);
    std::byte* first = pool.take(1000);
    pool.give(first, 1000);
    EXPECT_EQ(pool.take(900), first);
    EXPECT_EQ(pool.idle_bytes(), 0u);
    pool.give(first, 900);
}

TEST(HostPool, idle_memory_is_bounded) {
    HostPool pool(64 * mebibyte, mebibyte, false);
    std::vector<std::byte*> pieces;
    for (int i = 0; i < 40; ++i) pieces.push_back(pool.take(100'000));
    for (std::byte* piece : pieces) pool.give(piece, 100'000);
    EXPECT_LE(pool.idle_bytes(), mebibyte);
    EXPECT_GT(pool.idle_bytes(), mebibyte / 2);
    pool.trim();
    EXPECT_EQ(pool.idle_bytes(), 0u);
}

TEST(HostPool, what_waits_in_classes_used_no_more_gives_way_to_what_is_used) {
    HostPool pool(64 * mebibyte, 8 * mebibyte, false);
    std::vector<std::byte*> once;
    for (int k = 0; k < 7; ++k) once.push_back(pool.take(mebibyte));
    for (std::byte* memory : once) pool.give(memory, mebibyte);
    EXPECT_EQ(pool.idle_bytes(), 7 * mebibyte);
    for (int k = 0; k < 4; ++k) {
        pool.give(pool.take(4 * mebibyte), 4 * mebibyte);
        EXPECT_EQ(pool.idle_bytes(), 8 * mebibyte);
        pool.give(pool.take(2 * mebibyte), 2 * mebibyte); // its turn comes, too
        EXPECT_EQ(pool.idle_bytes(), 8 * mebibyte);
    }
    // Both wait for whoever asks next, beside what is left of the others.
    std::byte* const large = pool.take(4 * mebibyte);
    std::byte* const small = pool.take(2 * mebibyte);
    EXPECT_EQ(pool.idle_bytes(), 2 * mebibyte);
    pool.give(large, 4 * mebibyte);
    pool.give(small, 2 * mebibyte);
}

TEST(HostPool, beyond_the_limit_is_out_of_memory_and_the_pool_stays_usable) {
    HostPool pool(mebibyte, mebibyte, false);
    std::byte* half = pool.take(mebibyte / 2);
    EXPECT_THROW((void)pool.take(mebibyte / 2 + 1), OutOfMemory);
    EXPECT_THROW((void)pool.take(std::size_t{1} << 53), OutOfMemory);
    EXPECT_EQ(pool.live_bytes(), mebibyte / 2);
    std::byte* rest = pool.take(mebibyte / 2);
    pool.give(half, mebibyte / 2);
    pool.give(rest, mebibyte / 2);
}

TEST(HostPool, what_waits_in_other_classes_makes_room) {
    HostPool pool(mebibyte, mebibyte, false);
    pool.give(pool.take(mebibyte), mebibyte);
    std::byte* other = pool.take(mebibyte / 2);
    EXPECT_EQ(pool.idle_bytes(), 0u);
    pool.give(other, mebibyte / 2);
}

TEST(HostPool, released_memory_is_poisoned_when_asked_for) {
    HostPool pool(mebibyte, mebibyte, true);
    std::byte* memory = pool.take(256);
    memory[17] = std::byte{1};
    pool.give(memory, 256);
    EXPECT_EQ(memory[17], std::byte{poison_byte}) << "it waits in the pool, still mapped";
}

TEST(HostPool, threads_share_it) {
    HostPool pool(256 * mebibyte, mebibyte, false);
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 2000; ++i) {
                std::size_t bytes = 64 + static_cast<std::size_t>(i * 37 + t) % 5000;
                std::byte* memory = pool.take(bytes);
                memory[bytes - 1] = std::byte{1};
                pool.give(memory, bytes);
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(pool.live_bytes(), 0u);
}

TEST(HostDevice, buffers_outlive_the_handle_of_their_device) {
    DeviceRef device = open_device("interp");
    BufferRef buffer = device->allocate(100);
    EXPECT_EQ(device->live_buffers(), 1u);
    device = nullptr;
    buffer->host()[99] = std::byte{7};
    EXPECT_EQ(buffer->device().live_buffers(), 1u);
}

TEST(HostDevice, adopted_memory_keeps_its_owner_and_its_address) {
    DeviceRef device = open_device("interp");
    auto owner = std::make_shared<std::vector<std::byte>>(32);
    BufferRef buffer = device->adopt(owner->data(), owner->size(), owner);
    EXPECT_EQ(buffer->host(), owner->data());
    EXPECT_EQ(owner.use_count(), 2);
    EXPECT_EQ(device->live_bytes(), 0u) << "it is its owner's";
    buffer = nullptr;
    EXPECT_EQ(owner.use_count(), 1);
}

TEST(HostDevice, copies_outside_a_buffer_are_refused) {
    DeviceRef device = open_device("interp");
    BufferRef buffer = device->allocate(8);
    std::byte bytes[9] = {};
    EXPECT_THROW(device->upload(buffer, 0, bytes), UsageError);
    EXPECT_THROW(device->upload(buffer, 9, {}), UsageError);
    EXPECT_THROW(device->download(buffer, ~std::size_t{0}, bytes), UsageError);
    EXPECT_NO_THROW(device->upload(buffer, 8, {}));
}

TEST(Devices, the_environment_names_the_default) {
    ASSERT_EQ(setenv("HEDDLE_DEVICE", "interp", 1), 0);
    EXPECT_EQ(open_device()->info().name, "interp");
    ASSERT_EQ(setenv("HEDDLE_DEVICE", "abacus", 1), 0);
    try {
        (void)open_device();
        ADD_FAILURE() << "abacus was opened";
    } catch (const UsageError& error) {
        EXPECT_TRUE(std::string_view(error.what())
                        .starts_with("HEDDLE_DEVICE=abacus: no device is called 'abacus'; there are"))
            << error.what();
    }
    unsetenv("HEDDLE_DEVICE");
    EXPECT_EQ(open_device()->info().name, "cpu");
    EXPECT_EQ(list_devices().front().name, "cpu");
}

TEST(Devices, an_unknown_name_lists_what_there_is) {
    for (const char* name : {"gpu", "vulkan:", "vulkan:x", "vulkan:99", "vulkan:0x", "interp "}) {
        try {
            (void)open_device(name);
            ADD_FAILURE() << name << " was opened";
        } catch (const UsageError& error) {
            EXPECT_NE(std::string(error.what()).find("interp"), std::string::npos) << error.what();
            EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
        }
    }
}

} // namespace
} // namespace heddle::runtime
