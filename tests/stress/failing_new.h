#pragma once
// operator new of the whole process, replaced: it counts, and throws at a number that a test chooses, on the thread that chose it.

#include <cstdint>

namespace heddle::tests {

/// Counts allocations of this thread while it lives; the `failing`th throws std::bad_alloc (0: none).
class FailingNew {
public:
    explicit FailingNew(std::uint64_t failing);
    ~FailingNew();
    FailingNew(const FailingNew&) = delete;
    FailingNew& operator=(const FailingNew&) = delete;
    std::uint64_t count() const;
};

} // namespace heddle::tests
