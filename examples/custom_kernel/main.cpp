// A running sum, which no op of the library computes: written once as a kernel, then used like any op.

#include <heddle/heddle.h>

#include <iostream>

namespace hd = heddle;

namespace {

// One invocation adds up one row; the grid has a row a place.
constexpr const char* text = R"(
kernel @rows_cpu(%x: ptr<f32>, %y: ptr<f32>, %n: index = ?columns) {target = cpu, grid = [?rows], grain = 4, index = 64} {
  %row = grid_index 0
  %at = index %row * %n
  %total = for %k in 0 .. %n (%sum = 0.0) : f32 {
    %v = load %x[%at + %k] : f32
    %next = add %sum, %v
    store %next, %y[%at + %k]
    yield %next
  }
}
kernel @rows_gpu(%x: ptr<f32>, %y: ptr<f32>, %n: index = ?columns, %m: index = ?rows) {target = gpu, block = 64, grid = [(?rows + 63) / 64], index = 32} {
  %block = grid_index 0
  %thread = thread_index
  %row = index %block * 64 + %thread
  %at = index %row * %n
  %inside = lt %row, %m
  if %inside {
    %total = for %k in 0 .. %n (%sum = 0.0) : f32 {
      %v = load %x[%at + %k] : f32
      %next = add %sum, %v
      store %next, %y[%at + %k]
      yield %next
    }
  }
}
)";

hd::CustomSizes measure(std::span<const hd::Shape> inputs) {
    return {.outputs = {inputs[0]}, .sizes = {inputs[0][0], inputs[0][1]}};
}

} // namespace

int main() {
    const hd::CustomKernel running_sum({.name = "running_sum",
                                        .inputs = {{hd::Dtype::f32, 2}},
                                        .outputs = {hd::Dtype::f32},
                                        .sizes = {"rows", "columns"},
                                        .measure = measure,
                                        .kernel = text});
    // Its input and what reads its result fuse on their side of it; one trace serves every size.
    const auto f = hd::compile("f", [running_sum](hd::Array x) { return running_sum({x * 2.0f}) - 1.0f; },
                               {.shapeless = true});
    std::cout << f(hd::Array{{1.f, 2.f, 3.f}, {4.f, 5.f, 6.f}}) << '\n';
    f.dump(std::cout, hd::Stage::report, hd::ones({2, 3}));

    const std::vector<float> last = f(hd::ones({300, 50})).to_vector<float>();
    return last.back() == 99.0f && f.specializations() == 1 ? 0 : 1;
}
