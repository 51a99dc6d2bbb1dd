#include <heddle/heddle.h>

#include <future>
#include <iostream>

namespace hd = heddle;

int main() {
    hd::Array x = hd::arange(1000, hd::Dtype::f32);
    const hd::MaterializedArray shared = hd::materialize(x * 2.0f);

    // No captures: what a thread is given is seen by the compiler, and an hd::Array would be refused.
    auto total = [](const hd::MaterializedArray& values) { return hd::sum(values).item<float>(); };
    auto half = [](const hd::MaterializedArray& values) { return hd::materialize(values * 0.5f); };
    std::future<float> one = hd::run_on_thread(total, shared);
    std::future<hd::MaterializedArray> two = hd::run_on_thread(half, shared);

    x += 1.0f; // another value for this handle; `shared` keeps the old one
    const float sum = one.get();
    const float last = hd::index(two.get(), 0, -1).item<float>();
    std::cout << sum << " " << last << "\n";
    return sum == 999000.0f && last == 999.0f ? 0 : 1;
}
