#include "support/small_array.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>

namespace heddle {
namespace {

TEST(SmallArray, holds_few_in_itself_and_many_elsewhere) {
    for (std::size_t count : {0, 1, 4, 5, 100}) {
        SmallArray<int, 4> numbers(count);
        ASSERT_EQ(numbers.span().size(), count);
        std::iota(numbers.span().begin(), numbers.span().end(), 7);
        if (count != 0) {
            EXPECT_EQ(numbers[count - 1], static_cast<int>(count) + 6);
        }
        const auto* const first = reinterpret_cast<const std::byte*>(numbers.data());
        const auto* const self = reinterpret_cast<const std::byte*>(&numbers);
        EXPECT_EQ(first >= self && first < self + sizeof numbers, count <= 4) << count;
        const SmallArray<int, 4>& read = numbers;
        EXPECT_EQ(std::span<const int>(read).size(), count);
    }
}

TEST(SmallArray, makes_its_elements_and_destroys_them) {
    const auto shared = std::make_shared<int>(0);
    for (std::size_t count : {3, 9}) {
        {
            SmallArray<std::shared_ptr<int>, 4> handles(count);
            EXPECT_EQ(handles[count - 1], nullptr);
            for (std::shared_ptr<int>& handle : handles.span()) handle = shared;
            EXPECT_EQ(shared.use_count(), static_cast<long>(count) + 1);
        }
        EXPECT_EQ(shared.use_count(), 1);
    }
}

} // namespace
} // namespace heddle
