#pragma once
// The plain loops that Heddle is timed against: C++ at -O3 -march=native -ffast-math with vector math, on a given number of threads.

#include <cstddef>
#include <functional>

namespace heddle::bench {

/// Calls body(begin, end) for a share of [0, count) on each of `threads` threads, which are kept between calls.
void on_threads(int threads, std::size_t count,
                const std::function<void(std::size_t begin, std::size_t end)>& body);

void gelu_loop(const float* x, float* y, std::size_t count, int threads);
void softmax_loop(const float* x, float* y, std::size_t rows, std::size_t columns, int threads);
void layer_norm_loop(const float* x, const float* weight, const float* bias, float* y, std::size_t rows,
                     std::size_t columns, int threads);
/// Reads every element once and adds it: what no reduction can beat.
float read_loop(const float* x, std::size_t count, int threads);
void copy_loop(const float* x, float* y, std::size_t count, int threads);

} // namespace heddle::bench
