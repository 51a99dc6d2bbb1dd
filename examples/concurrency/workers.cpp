#include <heddle/heddle.h>

#include <future>
#include <iostream>
#include <memory>
#include <vector>

namespace hd = heddle;

int main() {
    // One thread for the whole run. Its tasks run in the order of submit, so that the second sees what the first left behind.
    hd::Worker worker("totals");
    const auto total = std::make_shared<hd::Synchronized<hd::Array>>(hd::zeros({4}));
    auto add = [](const std::shared_ptr<hd::Synchronized<hd::Array>>& sum, float number) {
        sum->with_lock([&](hd::Array& value) { value += number; });
    };
    for (int k = 1; k <= 8; ++k) worker.submit(add, total, static_cast<float>(k));
    std::future<float> last = worker.submit(
        [](const std::shared_ptr<hd::Synchronized<hd::Array>>& sum) {
            return sum->with_lock([](hd::Array& value) { return hd::sum(value).item<float>(); });
        },
        total);

    // Two threads that share the work.
    hd::WorkerPool pool("rows", 2);
    std::vector<std::future<float>> rows;
    for (int k = 0; k < 6; ++k)
        rows.push_back(pool.submit([](int n) { return hd::sum(hd::full({100}, n)).item<float>(); }, k));
    float all = 0;
    for (std::future<float>& row : rows) all += row.get();

    const float sum = last.get();
    std::cout << sum << " " << all << "\n";
    return sum == 144.0f && all == 1500.0f ? 0 : 1;
}
