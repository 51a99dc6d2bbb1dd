// Must not compile, and the message must name the concept and the type.
#include <heddle/heddle.h>

int main() {
    heddle::Worker worker("w");
    return worker.submit([](const heddle::Array& x) { return x.item<int>(); }, heddle::Array{1, 2}).get();
}
