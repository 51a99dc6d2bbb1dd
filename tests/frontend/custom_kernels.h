#pragma once
// Custom kernels for tests: small ones in kernel text that run on the CPU and on Vulkan.

#include <heddle/heddle.h>

#include <string>

namespace heddle::tests {

/// z = a * x + y over f32 arrays of one size, with a of rank 0.
inline CustomDescription saxpy_description() {
    return {
        .name = "saxpy",
        .inputs = {{Dtype::f32, 0}, {Dtype::f32, 1}, {Dtype::f32, 1}},
        .outputs = {Dtype::f32},
        .sizes = {"n"},
        .measure =
            [](std::span<const Shape> inputs) {
                return CustomSizes{.outputs = {inputs[1]}, .sizes = {inputs[1][0]}};
            },
        .kernel = R"(
kernel @saxpy(%a: ptr<f32>, %x: ptr<f32>, %y: ptr<f32>, %z: ptr<f32>, %n: index = ?n)
    {target = cpu, grid = [(?n + 255) / 256], grain = 4, index = 64} {
  %g = grid_index 0
  %first = index %g * 256
  %s = load %a[0] : f32
  for %i in %first .. min(%first + 256, %n) {
    %u = load %x[%i] : f32
    %v = load %y[%i] : f32
    %p = mul %s, %u
    %w = add %p, %v
    store %w, %z[%i]
  }
}
kernel @saxpy_gpu(%a: ptr<f32>, %x: ptr<f32>, %y: ptr<f32>, %z: ptr<f32>, %n: index = ?n)
    {target = gpu, block = 64, grid = [(?n + 63) / 64], index = 32} {
  %g = grid_index 0
  %t = thread_index
  %i = index %g * 64 + %t
  %inside = lt %i, %n
  if %inside {
    %s = load %a[0] : f32
    %u = load %x[%i] : f32
    %v = load %y[%i] : f32
    %p = mul %s, %u
    %w = add %p, %v
    store %w, %z[%i]
  }
}
)",
    };
}

inline CustomKernel saxpy() { return CustomKernel(saxpy_description()); }

/// A kernel of one block with a loop, for both targets; `body` is written with %i for the element and %n for the size of input 0.
inline std::string serial_kernel(const std::string& parameters, const std::string& body) {
    std::string text;
    for (const std::string target : {"cpu", "gpu"})
        text += "kernel @serial_" + target + "(" + parameters + ", %n: index = ?n) {target = " + target +
                ", grid = [1], index = 32} {\n  %g = grid_index 0\n" + body + "}\n";
    return text;
}

/// The input reversed by way of a temporary: it is copied there, then read backwards.
inline CustomKernel reversed() {
    return CustomKernel({
        .name = "reversed",
        .inputs = {{Dtype::f32, 1}},
        .outputs = {Dtype::f32},
        .temporaries = {Dtype::f32},
        .sizes = {"n"},
        .measure =
            [](std::span<const Shape> in) {
                return CustomSizes{.outputs = {in[0]}, .sizes = {in[0][0]}, .temporaries = {in[0][0]}};
            },
        .kernel = serial_kernel("%x: ptr<f32>, %y: ptr<f32>, %t: ptr<f32>", R"(
  for %i in 0 .. %n {
    %v = load %x[%i] : f32
    store %v, %t[%i]
  }
  for %i in 0 .. %n {
    %v = load %t[%n - 1 - %i] : f32
    store %v, %y[%i]
  }
)"),
    });
}

/// An f32 array's elements twice over, and their whole parts: outputs f32[2n] and i32[n].
inline CustomKernel doubled_and_whole() {
    return CustomKernel({
        .name = "doubled_and_whole",
        .inputs = {{Dtype::f32, 1}},
        .outputs = {Dtype::f32, Dtype::i32},
        .sizes = {"n"},
        .measure =
            [](std::span<const Shape> in) {
                return CustomSizes{.outputs = {{in[0][0] * 2}, in[0]}, .sizes = {in[0][0]}};
            },
        .kernel = serial_kernel("%x: ptr<f32>, %two: ptr<f32>, %whole: ptr<i32>", R"(
  for %i in 0 .. %n {
    %v = load %x[%i] : f32
    store %v, %two[%i]
    store %v, %two[%i + %n]
    %w = cast %v : i32
    store %w, %whole[%i]
  }
)"),
    });
}

} // namespace heddle::tests
