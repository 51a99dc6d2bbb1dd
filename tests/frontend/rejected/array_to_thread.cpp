// Must not compile, and the message must name the concept and the type.
#include <heddle/heddle.h>

int main() {
    return heddle::run_on_thread([](const heddle::Array& x) { return x.item<int>(); }, heddle::Array{1, 2})
        .get();
}
