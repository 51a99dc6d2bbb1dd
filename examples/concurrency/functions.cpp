#include <heddle/heddle.h>

#include <future>
#include <iostream>
#include <vector>

namespace hd = heddle;

int main() {
    // A compiled function is a handle that any thread may call. The eight first calls compile once between them.
    const auto gelu =
        hd::compile("gelu", [](hd::Array x) { return 0.5f * x * (1.0f + hd::erf(x * 0.70710678f)); });
    std::vector<std::future<float>> results;
    for (int k = 0; k < 8; ++k)
        results.push_back(
            hd::run_on_thread([](const hd::Compiled<hd::Array(hd::Array)>& f,
                                 int n) { return f(hd::full({100}, n)).to_vector<float>()[99]; },
                              gelu, k));
    float sum = 0;
    for (std::future<float>& result : results) sum += result.get();
    std::cout << gelu.traces() << " trace, " << sum << "\n";
    return gelu.traces() == 1 && sum > 27.0f && sum < 28.0f ? 0 : 1;
}
