// Opens the library whose path is given in a process that is not linked with it, as plug-ins and language bindings do, and asks it something.
// What libheddle keeps for each thread has to fit in the little room that the loader has left for libraries opened late.

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>

int main(int count, char** words) {
    if (count != 2) return 2;
    void* const library = dlopen(words[1], RTLD_NOW);
    if (library == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    using LiveArrays = std::uint64_t();
    auto* const live_arrays = reinterpret_cast<LiveArrays*>(dlsym(library, "_ZN6heddle11live_arraysEv"));
    return live_arrays != nullptr && live_arrays() == 0 ? 0 : 1;
}
