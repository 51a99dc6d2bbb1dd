#include "bench/parts.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace heddle::bench {

Data data(std::size_t count, unsigned seed, float low, float high) {
    std::minstd_rand random(seed);
    auto values = std::make_shared<std::vector<float>>(count);
    // Cheap and good enough for timing: the generator's top bits.
    for (float& value : *values)
        value = low + (high - low) * static_cast<float>(random() >> 7) / static_cast<float>(0x7FFFFFFF >> 7);
    return values;
}

Array upload(const Data& values, const Shape& shape, const std::string& device, Dtype dtype) {
    const Array array = Array::from(*values, shape).to(device);
    return dtype == Dtype::f32 ? array : cast(array, dtype).eval();
}

std::vector<std::size_t> sample(std::size_t count) {
    std::vector<std::size_t> places;
    for (std::size_t k = 0; k < std::min<std::size_t>(count, 61); ++k)
        places.push_back(count <= 61 ? k : k * (count - 1) / 60);
    return places;
}

double error_of(double got, double wanted, double relative, double absolute) {
    if (std::isnan(got) || std::isnan(wanted)) return std::isnan(got) == std::isnan(wanted) ? 0 : 1e9;
    return std::fabs(got - wanted) / (relative * std::fabs(wanted) + absolute);
}

std::function<double(const Doubles&, const Doubles&)>
elements(std::function<double(const Doubles&, std::size_t)> wanted, double relative) {
    return [=](const Doubles& inputs, const Doubles& outputs) {
        double worst = 0;
        for (std::size_t k : sample(outputs[0].size()))
            worst = std::max(worst, error_of(outputs[0][k], wanted(inputs, k), relative));
        return worst;
    };
}

} // namespace heddle::bench
