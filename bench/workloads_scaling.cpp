// Workloads that come in several lengths, for curves: how compilation grows with the trace, how a call grows with its inputs.

#include "bench/parts.h"

#include <cmath>

namespace heddle::bench {
namespace {

/// What no workload of one read and one write can beat. The sign is turned so that no compiler takes the copy away.
Problem copy(std::int64_t n, const std::string& device) {
    Problem problem;
    problem.inputs = {upload(data(static_cast<std::size_t>(n * n), 13), {n, n}, device)};
    problem.bytes = 8.0 * static_cast<double>(n) * static_cast<double>(n);
    problem.function = [](Arrays in) -> Arrays { return {-in[0]}; };
    problem.check = elements([](const Doubles& in, std::size_t k) { return -in[0][k]; }, 1e-7);
    return problem;
}

float addend(int step) { return 0.001f * static_cast<float>(step % 97 + 1); }

Workload chain(int length) {
    const auto make = [length](std::int64_t n, const std::string& device) {
        Problem problem;
        problem.inputs = {upload(data(static_cast<std::size_t>(n), 14), {n}, device)};
        problem.bytes = 8.0 * static_cast<double>(n);
        problem.function = [length](Arrays in) -> Arrays {
            Array y = in[0];
            for (int step = 0; step < length; ++step) y = y + addend(step);
            return {y};
        };
        problem.check = elements(
            [length](const Doubles& in, std::size_t k) {
                double y = in[0][k];
                for (int step = 0; step < length; ++step) y += static_cast<double>(addend(step));
                return y;
            },
            // Each addition rounds once, and a sum of thousands is near 500 at its end.
            1e-6 + 6e-8 * length);
        return problem;
    };
    return {"chain_" + std::to_string(length), "x + c, " + std::to_string(length) + " times", 1024, make};
}

Workload inputs(int count) {
    const auto make = [count](std::int64_t n, const std::string& device) {
        Problem problem;
        for (int k = 0; k < count; ++k)
            problem.inputs.push_back(upload(
                data(static_cast<std::size_t>(n), 100 + static_cast<unsigned>(k), -1, 1), {n}, device));
        problem.bytes = 4.0 * static_cast<double>(n) * (count + 1);
        problem.function = [](Arrays in) -> Arrays {
            Array total = in[0];
            for (std::size_t k = 1; k < in.size(); ++k) total = total + in[k];
            return {tanh(total)};
        };
        problem.check = elements(
            [](const Doubles& in, std::size_t place) {
                double total = 0;
                for (const std::vector<double>& input : in) total += input[place];
                return std::tanh(total);
            },
            2e-6 * count);
        return problem;
    };
    return {"inputs_" + std::to_string(count), "tanh of the sum of " + std::to_string(count) + " arrays of n",
            16, make};
}

/// 50 small products, each of which needs the one before.
Problem launch_bound(std::int64_t n, const std::string& device) {
    const auto count = static_cast<std::size_t>(n * n);
    Problem problem;
    // So that a product is about as large as its operand: errors neither grow nor does everything vanish.
    const float largest = 1.6f / std::sqrt(static_cast<float>(n));
    problem.inputs = {upload(data(count, 15), {n, n}, device),
                      upload(data(count, 16, -largest, largest), {n, n}, device)};
    problem.bytes = 12.0 * static_cast<double>(n) * static_cast<double>(n);
    problem.flops = 100.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
    problem.function = [](Arrays in) -> Arrays {
        Array x = in[0];
        for (int step = 0; step < 50; ++step) x = tanh(matmul(x, in[1]));
        return {x};
    };
    problem.check = [size = static_cast<std::size_t>(n)](const Doubles& in, const Doubles& out) {
        std::vector<double> row(in[0].begin(), in[0].begin() + static_cast<std::ptrdiff_t>(size)), next(size);
        for (int step = 0; step < 50; ++step, row.swap(next))
            for (std::size_t column = 0; column < size; ++column) {
                double sum = 0;
                for (std::size_t k = 0; k < size; ++k) sum += row[k] * in[1][k * size + column];
                next[column] = std::tanh(sum);
            }
        double worst = 0;
        // Rounding errors of f32 are carried through 50 products.
        for (std::size_t k = 0; k < size; ++k)
            worst = std::max(worst, error_of(out[0][k], row[k], 1e-4, 1e-5));
        return worst;
    };
    return problem;
}

} // namespace

std::vector<Workload> scaling_workloads() {
    std::vector<Workload> list = {
        {"copy_f32", "-x, [n, n]: the bandwidth of a copy", 8192, copy},
        {"launch_bound_50", "50 times tanh(x @ w), [n, n]", 64, launch_bound},
    };
    for (int length : {10, 100, 1000, 10000}) list.push_back(chain(length));
    for (int count : {1, 2, 4, 8, 16, 32, 64}) list.push_back(inputs(count));
    return list;
}

} // namespace heddle::bench
