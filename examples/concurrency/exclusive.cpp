#include <heddle/heddle.h>

#include <future>
#include <iostream>
#include <memory>
#include <vector>

namespace hd = heddle;

using Total = hd::Synchronized<hd::Array>;

void add(const std::shared_ptr<Total>& total, float number) {
    // Nobody else comes in until this sum has been computed, on whatever device.
    total->with_lock([&](hd::Array& value) { value += number; });
}

int main() {
    const auto total = std::make_shared<Total>(hd::zeros({4}));
    std::vector<std::future<void>> threads;
    for (int k = 1; k <= 8; ++k) threads.push_back(hd::run_on_thread(add, total, static_cast<float>(k)));
    for (std::future<void>& thread : threads) thread.get();
    const hd::MaterializedArray result =
        total->with_lock([](hd::Array& value) { return value.materialized(); });
    std::cout << result.text() << "\n";
    return result.to_vector<float>() == std::vector<float>{36, 36, 36, 36} ? 0 : 1;
}
