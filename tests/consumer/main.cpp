#include <heddle/heddle.h>

#include <iostream>

int main() {
    auto square = heddle::compile("square", [](heddle::Array x) { return x * x; });
    heddle::Array sum = heddle::sum(square(heddle::Array{1.0f, 2.0f, 3.0f}));
    std::cout << sum << " on " << sum.device() << "\n";
    return sum.item<float>() == 14.0f && sum.device() == "cpu" ? 0 : 1;
}
