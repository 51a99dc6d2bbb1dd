#pragma once
// Puts an object file of one kernel into memory, ready to be called. A loader of its own: the files come from one code generator and
// need a handful of relocations, a cached kernel then runs without LLVM in the process, and there is no lock. Memory is never
// writable and executable at once.

#include <cstddef>
#include <span>
#include <string_view>

namespace heddle::runtime::cpu {

class LoadedObject {
public:
    /// `entry` is the one function that is called from outside. Throws DeviceError when the file is damaged, is for another machine, or
    /// needs more than the few functions of libm and libc that LLVM may call.
    LoadedObject(std::span<const std::byte> file, std::string_view entry);
    ~LoadedObject();
    LoadedObject(const LoadedObject&) = delete;
    LoadedObject& operator=(const LoadedObject&) = delete;

    const void* entry() const { return entry_; }

private:
    std::byte* memory_ = nullptr;
    std::size_t bytes_ = 0;
    const void* entry_ = nullptr;
};

} // namespace heddle::runtime::cpu
