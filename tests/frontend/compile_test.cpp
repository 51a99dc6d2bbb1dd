#include <heddle/heddle.h>
#include <gtest/gtest.h>
#include <iostream>
namespace hd = heddle;
TEST(Smoke, LazyAdd) {
    hd::Context context({.device = "interp"});
    hd::Context::Scope scope(context);
    hd::Array a{1.f, 2.f}, b{{1.f, 2.f}, {3.f, 4.f}};
    std::cout << a << "\n" << a + b * 2 << "\n" << hd::softmax(b) << hd::argmax(b, 1) << "\n";
    auto f = hd::compile("f", [](hd::Array x, hd::Array y) { return hd::softmax(x) * y; }, {.shapeless = true});
    std::cout << f(b, 2.0f) << f(b, a) << "\n";
    f.dump(std::cout, hd::Stage::trace, b, 2);
}
