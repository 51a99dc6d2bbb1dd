#pragma once
// What workloads are made of: the same pseudo-random data for the same seed everywhere, and checks of single elements against double
// precision.

#include "bench/workload.h"

#include <memory>

namespace heddle::bench {

using Data = std::shared_ptr<std::vector<float>>;

/// Evenly spread in [low, high].
Data data(std::size_t count, unsigned seed, float low = -3, float high = 3);

/// On the device, rounded to the dtype.
Array upload(const Data& values, const Shape& shape, const std::string& device, Dtype dtype = Dtype::f32);

/// Places to look at: the first, the last and some between.
std::vector<std::size_t> sample(std::size_t count);

/// The error over what is allowed: relative * |wanted| + absolute.
double error_of(double got, double wanted, double relative, double absolute = 1e-6);

/// A check of sampled elements of the first result: wanted(inputs, place).
std::function<double(const Doubles&, const Doubles&)>
elements(std::function<double(const Doubles&, std::size_t)> wanted, double relative);

/// Workloads of one idea in several lengths: the copy that bounds all others, chains of ops, numbers of inputs, many small launches.
std::vector<Workload> scaling_workloads();

} // namespace heddle::bench
