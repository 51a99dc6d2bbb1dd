#include "bench/parts.h"
#include "bench/reference_loops.h"
#include "bench/workload.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>

namespace heddle::bench {
namespace {

/// Checks sampled rows of an [rows, columns] result: wanted(input row, column) from the whole row.
auto rows_of(std::size_t columns, std::function<std::vector<double>(const Doubles&, std::size_t row)> wanted,
             double relative) {
    return [=](const Doubles& inputs, const Doubles& outputs) {
        double worst = 0;
        const std::size_t rows = outputs[0].size() / columns;
        for (std::size_t row : sample(rows)) {
            const std::vector<double> right = wanted(inputs, row);
            for (std::size_t k : sample(columns))
                worst = std::max(worst, error_of(outputs[0][row * columns + k], right[k], relative));
        }
        return worst;
    };
}

std::vector<double> row_of(const std::vector<double>& values, std::size_t row, std::size_t columns) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(row * columns);
    return {first, first + static_cast<std::ptrdiff_t>(columns)};
}

double gelu_value(double x) { return 0.5 * x * (1 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x))); }

std::vector<double> softmax_row(std::vector<double> row) {
    const double largest = *std::ranges::max_element(row);
    double sum = 0;
    for (double& value : row) sum += value = std::exp(value - largest);
    for (double& value : row) value /= sum;
    return row;
}

double mean_of(const std::vector<double>& row) {
    double sum = 0;
    for (double value : row) sum += value;
    return sum / static_cast<double>(row.size());
}

double variance_of(const std::vector<double>& row) {
    const double mean = mean_of(row);
    double sum = 0;
    for (double value : row) sum += (value - mean) * (value - mean);
    return sum / static_cast<double>(row.size());
}

std::vector<double> normalised(std::vector<double> row, double mean, double variance) {
    for (double& value : row) value = (value - mean) / std::sqrt(variance + 1e-5);
    return row;
}

Reference memcpy_reference(const Data& x, std::size_t count) {
    auto out = std::make_shared<std::vector<float>>(count);
    return {"memcpy", [=](int threads) { copy_loop(x->data(), out->data(), count, threads); }};
}

Reference read_reference(const Data& x) {
    return {"read", [=](int threads) {
                volatile float sink = read_loop(x->data(), x->size(), threads);
                static_cast<void>(sink);
            }};
}

Problem gelu(std::int64_t n, const std::string& device) {
    const auto count = static_cast<std::size_t>(n);
    const Data x = data(count, 1);
    auto y = std::make_shared<std::vector<float>>(count);
    Problem problem;
    problem.inputs = {upload(x, {n}, device)};
    problem.function = [](Arrays in) -> Arrays { return {gelu_tanh(in[0])}; };
    problem.bytes = 8.0 * static_cast<double>(n);
    problem.check = elements([](const Doubles& in, std::size_t k) { return gelu_value(in[0][k]); }, 2e-6);
    problem.references = {{"loop", [=](int threads) { gelu_loop(x->data(), y->data(), count, threads); }},
                          memcpy_reference(x, count)};
    return problem;
}

Problem rows_problem(std::int64_t n, std::int64_t m, const std::string& device, Data& x,
                     Dtype dtype = Dtype::f32) {
    x = data(static_cast<std::size_t>(n * m), 2);
    Problem problem;
    problem.inputs = {upload(x, {n, m}, device, dtype)};
    problem.bytes = 2.0 * static_cast<double>(size_of(dtype)) * static_cast<double>(n * m);
    return problem;
}

double tolerance_of(Dtype dtype) { return dtype == Dtype::f32 ? 4e-6 : dtype == Dtype::f16 ? 2e-3 : 1.6e-2; }

auto softmax_of(Dtype dtype, std::int64_t fixed_rows = 0, std::int64_t fixed_columns = 0) {
    return [=](std::int64_t n, const std::string& device) {
        const std::int64_t rows = fixed_rows != 0 ? fixed_rows : n,
                           columns = fixed_columns != 0 ? fixed_columns : n;
        Data x;
        Problem problem = rows_problem(rows, columns, device, x, dtype);
        const auto count = static_cast<std::size_t>(columns), lines = static_cast<std::size_t>(rows);
        problem.function = [](Arrays in) -> Arrays { return {softmax(in[0])}; };
        problem.check = rows_of(
            count, [=](const Doubles& in, std::size_t row) { return softmax_row(row_of(in[0], row, count)); },
            tolerance_of(dtype));
        if (dtype == Dtype::f32) {
            auto y = std::make_shared<std::vector<float>>(x->size());
            problem.references = {
                {"loop", [=](int threads) { softmax_loop(x->data(), y->data(), lines, count, threads); }},
                memcpy_reference(x, x->size())};
        }
        return problem;
    };
}

auto layer_norm_of(Dtype dtype, bool rms, std::int64_t fixed_columns = 0) {
    return [=](std::int64_t n, const std::string& device) {
        const std::int64_t columns = fixed_columns != 0 ? fixed_columns : n;
        Data x;
        Problem problem = rows_problem(n, columns, device, x, dtype);
        const auto count = static_cast<std::size_t>(columns);
        const Data weight = data(count, 3, 0.5f, 1.5f), bias = data(count, 4, -1, 1);
        problem.inputs.push_back(upload(weight, {columns}, device, dtype));
        if (!rms) problem.inputs.push_back(upload(bias, {columns}, device, dtype));
        problem.function = [rms](Arrays in) -> Arrays {
            return {rms ? rms_norm(in[0], in[1]) : layer_norm(in[0], in[1], in[2])};
        };
        problem.check = rows_of(
            count,
            [=](const Doubles& in, std::size_t row) {
                std::vector<double> values = row_of(in[0], row, count);
                const double mean = rms ? 0 : mean_of(values);
                double square = variance_of(values) + (rms ? mean_of(values) * mean_of(values) : 0);
                values = normalised(std::move(values), mean, square);
                for (std::size_t k = 0; k < count; ++k)
                    values[k] = values[k] * in[1][k] + (rms ? 0 : in[2][k]);
                return values;
            },
            tolerance_of(dtype) * 4);
        if (dtype == Dtype::f32 && !rms) {
            auto y = std::make_shared<std::vector<float>>(x->size());
            const auto lines = static_cast<std::size_t>(n);
            problem.references = {{"loop", [=](int threads) {
                                       layer_norm_loop(x->data(), weight->data(), bias->data(), y->data(),
                                                       lines, count, threads);
                                   }}};
        }
        return problem;
    };
}

Problem add_rms_norm(std::int64_t n, const std::string& device) {
    const std::int64_t columns = 4096;
    const auto count = static_cast<std::size_t>(columns);
    Data x;
    Problem problem = rows_problem(n, columns, device, x, Dtype::f16);
    const Data r = data(x->size(), 5), weight = data(count, 6, 0.5f, 1.5f);
    problem.inputs.push_back(upload(r, {n, columns}, device, Dtype::f16));
    problem.inputs.push_back(upload(weight, {columns}, device, Dtype::f16));
    problem.bytes *= 2;
    problem.function = [](Arrays in) -> Arrays {
        const Array h = in[0] + in[1];
        return {rms_norm(h, in[2]), h};
    };
    problem.check = rows_of(
        count,
        [=](const Doubles& in, std::size_t row) {
            std::vector<double> values = row_of(in[0], row, count);
            const std::vector<double> other = row_of(in[1], row, count);
            for (std::size_t k = 0; k < count; ++k) values[k] += other[k];
            const double mean = mean_of(values);
            values = normalised(values, 0, variance_of(values) + mean * mean);
            for (std::size_t k = 0; k < count; ++k) values[k] *= in[2][k];
            return values;
        },
        4e-3);
    return problem;
}

Problem sums(std::int64_t n, const std::string& device, int axis) {
    Data x;
    Problem problem = rows_problem(n, n, device, x);
    problem.bytes /= 2;
    const auto count = static_cast<std::size_t>(n);
    problem.function = [axis](Arrays in) -> Arrays { return {sum(in[0], axis)}; };
    problem.check = elements(
        [=](const Doubles& in, std::size_t k) {
            double total = 0;
            for (std::size_t j = 0; j < count; ++j)
                total += axis == 1 ? in[0][k * count + j] : in[0][j * count + k];
            return total;
        },
        1e-4);
    problem.references = {read_reference(x)};
    return problem;
}

Problem sum_all(std::int64_t n, const std::string& device) {
    Data x;
    Problem problem = rows_problem(n, n, device, x);
    problem.bytes /= 2;
    problem.function = [](Arrays in) -> Arrays { return {sum(in[0])}; };
    problem.check = elements(
        [](const Doubles& in, std::size_t) {
            double total = 0;
            for (double value : in[0]) total += value;
            return total;
        },
        1e-3);
    problem.references = {read_reference(x)};
    return problem;
}

Problem var_rows(std::int64_t n, const std::string& device) {
    Data x;
    Problem problem = rows_problem(n, n, device, x);
    problem.bytes /= 2;
    const auto count = static_cast<std::size_t>(n);
    problem.function = [](Arrays in) -> Arrays { return {var(in[0], 1)}; };
    problem.check = elements(
        [=](const Doubles& in, std::size_t k) { return variance_of(row_of(in[0], k, count)); }, 1e-5);
    problem.references = {read_reference(x)};
    return problem;
}

Problem argmax_rows(std::int64_t n, const std::string& device) {
    Data x;
    Problem problem = rows_problem(n, n, device, x);
    problem.bytes /= 2;
    const auto count = static_cast<std::size_t>(n);
    problem.function = [](Arrays in) -> Arrays { return {argmax(in[0], 1)}; };
    problem.check = elements(
        [=](const Doubles& in, std::size_t k) {
            const std::vector<double> row = row_of(in[0], k, count);
            return static_cast<double>(std::ranges::max_element(row) - row.begin());
        },
        0);
    problem.references = {read_reference(x)};
    return problem;
}

auto gelu_affine_of(Dtype dtype) {
    return [=](std::int64_t n, const std::string& device) {
        Data x;
        Problem problem = rows_problem(n, n, device, x, dtype);
        const auto count = static_cast<std::size_t>(n);
        problem.inputs.push_back(upload(data(count, 7, 0.5f, 1.5f), {n}, device, dtype));
        problem.inputs.push_back(upload(data(count, 8, -1, 1), {n}, device, dtype));
        problem.function = [](Arrays in) -> Arrays { return {gelu_tanh(in[0] * in[1] + in[2])}; };
        problem.check = elements(
            [=](const Doubles& in, std::size_t k) {
                return gelu_value(in[0][k] * in[1][k % count] + in[2][k % count]);
            },
            tolerance_of(dtype) * 4);
        return problem;
    };
}

Problem deep32(std::int64_t n, const std::string& device) {
    Data x;
    Problem problem = rows_problem(n, n, device, x);
    problem.function = [](Arrays in) -> Arrays {
        Array y = in[0];
        for (int k = 0; k < 32; ++k) y = k % 2 ? sin(y) * 1.01f + 0.1f : y * y * 0.5f - 0.3f;
        return {y};
    };
    problem.check = elements(
        [](const Doubles& in, std::size_t k) {
            double y = in[0][k];
            for (int step = 0; step < 32; ++step)
                y = step % 2 ? std::sin(y) * 1.01f + 0.1f : y * y * 0.5f - 0.3f;
            return y;
        },
        1e-4);
    return problem;
}

Problem black_scholes(std::int64_t n, const std::string& device) {
    const auto count = static_cast<std::size_t>(n);
    Problem problem;
    for (unsigned k = 0; k < 3; ++k)
        problem.inputs.push_back(
            upload(data(count, 9 + k, k == 2 ? 0.1f : 10.0f, k == 2 ? 2.0f : 100.0f), {n}, device));
    problem.bytes = 20.0 * static_cast<double>(n);
    constexpr float rate = 0.03f, volatility = 0.2f;
    problem.function = [](Arrays in) -> Arrays {
        const Array &spot = in[0], &strike = in[1], &time = in[2];
        const Array root = sqrt(time);
        const Array d1 = (log(spot / strike) + (rate + volatility * volatility / 2) * time) /
                         (volatility * root),
                    d2 = d1 - volatility * root;
        const auto cumulative = [](const Array& x) { return 0.5f * (1.0f + erf(x * 0.7071067811865476f)); };
        const Array discounted = strike * exp(-rate * time);
        return {spot * cumulative(d1) - discounted * cumulative(d2),
                discounted * cumulative(-d2) - spot * cumulative(-d1)};
    };
    problem.check = elements(
        [](const Doubles& in, std::size_t k) {
            const double s = in[0][k], strike = in[1][k], t = in[2][k], root = std::sqrt(t);
            const double d1 = (std::log(s / strike) + (rate + volatility * volatility / 2) * t) /
                              (volatility * root),
                         d2 = d1 - volatility * root;
            const auto cumulative = [](double x) { return 0.5 * std::erfc(-x * 0.7071067811865476); };
            // Cancellation leaves an absolute error of the size of the spot's rounding.
            return s * cumulative(d1) - strike * std::exp(-rate * t) * cumulative(d2);
        },
        1e-4);
    const auto exact = problem.check;
    problem.check = [exact](const Doubles& in, const Doubles& out) { return exact(in, out) / 100; };
    return problem;
}

Problem transpose_add(std::int64_t n, const std::string& device) {
    Data x;
    Problem problem = rows_problem(n, n, device, x);
    const auto count = static_cast<std::size_t>(n);
    problem.function = [](Arrays in) -> Arrays { return {transpose(in[0]) + in[0]}; };
    problem.check = elements(
        [=](const Doubles& in, std::size_t k) { return in[0][k] + in[0][k % count * count + k / count]; },
        1e-6);
    return problem;
}

Problem heat2d(std::int64_t n, const std::string& device) {
    Data x;
    Problem problem = rows_problem(n, n, device, x);
    const auto count = static_cast<std::size_t>(n);
    problem.function = [](Arrays in) -> Arrays {
        const Array& a = in[0];
        const auto part = [&](int down, int right) {
            return slice(a,
                         {Slice{1 + down, a.shape(0) - 1 + down}, Slice{1 + right, a.shape(1) - 1 + right}});
        };
        return {part(0, 0) +
                0.1f * (part(-1, 0) + part(1, 0) + part(0, -1) + part(0, 1) - 4.0f * part(0, 0))};
    };
    problem.check = elements(
        [=](const Doubles& in, std::size_t k) {
            const std::size_t at = (k / (count - 2) + 1) * count + k % (count - 2) + 1;
            const auto& a = in[0];
            return a[at] + 0.1f * (a[at - count] + a[at + count] + a[at - 1] + a[at + 1] - 4 * a[at]);
        },
        2e-6);
    return problem;
}

Problem pairwise_sum(std::int64_t n, const std::string& device) {
    const Data a = data(static_cast<std::size_t>(n), 12);
    Problem problem;
    problem.inputs = {upload(a, {n}, device)};
    problem.bytes = 8.0 * static_cast<double>(n);
    problem.flops = 6.0 * static_cast<double>(n) * static_cast<double>(n);
    problem.function = [](Arrays in) -> Arrays {
        const Array d = expand_dims(in[0], 0) - expand_dims(in[0], 1);
        return {sum(d * rsqrt(d * d + 0.01f), 1)};
    };
    problem.check = elements(
        [](const Doubles& in, std::size_t k) {
            double total = 0;
            for (double other : in[0])
                total += (other - in[0][k]) / std::sqrt((other - in[0][k]) * (other - in[0][k]) + 0.01f);
            return total;
        },
        1e-4);
    return problem;
}

std::vector<Workload> single_workloads() {
    return {
        {"gelu_16m_f32", "gelu by tanh, one axis", 1 << 24, gelu},
        {"softmax_4096_f32", "softmax of each row, [n, n]", 4096, softmax_of(Dtype::f32)},
        {"layer_norm_4096_f32", "layer norm with weight and bias, [n, n]", 4096,
         layer_norm_of(Dtype::f32, false)},
        {"rms_norm_4096_f32", "RMS norm with weight, [n, n]", 4096, layer_norm_of(Dtype::f32, true)},
        {"sum_rows", "sum over columns, [n, n]", 4096,
         [](auto n, auto& device) { return sums(n, device, 1); }},
        {"sum_cols", "sum over rows, [n, n]", 4096, [](auto n, auto& device) { return sums(n, device, 0); }},
        {"gelu_affine_f32", "gelu(x * w + b), [n, n]", 8192, gelu_affine_of(Dtype::f32)},
        {"gelu_affine_f16", "the same in f16", 8192, gelu_affine_of(Dtype::f16)},
        {"gelu_affine_bf16", "the same in bf16", 8192, gelu_affine_of(Dtype::bf16)},
        {"deep32_f32", "32 dependent steps of sine and square, [n, n]", 8192, deep32},
        {"black_scholes_f32", "call and put, n of each", 32 << 20, black_scholes},
        {"sum_all_f32", "[n, n] to a scalar", 8192, sum_all},
        {"sum_rows_f32", "sum over columns, [n, n]", 8192,
         [](auto n, auto& device) { return sums(n, device, 1); }},
        {"sum_cols_f32", "sum over rows, [n, n]", 8192,
         [](auto n, auto& device) { return sums(n, device, 0); }},
        {"var_rows_f32", "variance of each row, [n, n]", 8192, var_rows},
        {"argmax_rows_f32", "index of each row's largest, [n, n]", 8192, argmax_rows},
        {"softmax_f32", "softmax of each row, [n, n]", 8192, softmax_of(Dtype::f32)},
        {"softmax_f16", "the same in f16", 8192, softmax_of(Dtype::f16)},
        {"softmax_small_rows_f32", "softmax, [n, 64]", 1 << 20, softmax_of(Dtype::f32, 0, 64)},
        {"softmax_long_rows_f32", "softmax, [n, 262144]", 256, softmax_of(Dtype::f32, 0, 262144)},
        {"layernorm_f16", "layer norm with weight and bias, [n, 4096]", 16384,
         layer_norm_of(Dtype::f16, false, 4096)},
        {"layernorm_f32", "the same in f32", 16384, layer_norm_of(Dtype::f32, false, 4096)},
        {"add_rmsnorm_f16", "h = x + r and its RMS norm, [n, 4096]", 16384, add_rms_norm},
        {"transpose_add_f32", "x.T + x, [n, n]", 8192, transpose_add},
        {"heat2d_f32", "five-point stencil through slices, [n, n]", 8192, heat2d},
        {"pairwise_sum_f32", "sums over all pairs, n points", 32768, pairwise_sum},
    };
}

} // namespace

const std::vector<Workload>& workloads() {
    static const std::vector<Workload> list = [] {
        std::vector<Workload> all = single_workloads(), scaling = scaling_workloads();
        std::ranges::move(scaling, std::back_inserter(all));
        return all;
    }();
    return list;
}

} // namespace heddle::bench
