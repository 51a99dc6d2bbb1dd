#pragma once
// An object of each thread's, also while the thread ends: destructors of the user's thread-locals may call functions.

#include <cxxabi.h>

extern "C" __attribute__((visibility("hidden"))) void* __dso_handle; // NOLINT(bugprone-reserved-identifier)

namespace heddle {

/// The calling thread's T, made when it is first asked for, freed when the thread ends; whoever asks after that gets another, which is freed too.
/// The thread itself holds a pointer: the loader's room for threads' variables is small where a library is opened late.
template <class T> T& per_thread() {
    constinit thread_local T* mine = nullptr;
    if (mine == nullptr) {
        T* const made = new T;
        // As for a thread_local with a destructor, which would be registered once in a thread's life.
        abi::__cxa_thread_atexit(
            [](void* object) {
                mine = nullptr;
                delete static_cast<T*>(object);
            },
            made, &__dso_handle);
        mine = made;
    }
    return *mine;
}

} // namespace heddle
