#include "frontend/access_report.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::detail {

CheckedKernel::CheckedKernel(const ir::Function& kernel)
    : name(kernel.name()), accesses(passes::checked_accesses(kernel)) {
    for (ir::NodeId parameter : kernel.parameters())
        if (kernel.type(parameter).kind == ir::TypeKind::pointer)
            element_bytes.push_back(size_of(kernel.dtype(parameter)));
}

void AccessReports::bind(runtime::Device& device, runtime::Launch& launch, const CheckedKernel& kernel,
                         std::span<const u64> bytes) {
    std::vector<i64> words;
    for (std::size_t k = 0; k < bytes.size(); ++k)
        words.push_back(static_cast<i64>(bytes[k] / kernel.element_bytes[k]));
    words.resize(words.size() + kernel.accesses.size(), passes::no_index);
    runtime::BufferRef buffer = device.allocate(words.size() * sizeof(i64));
    device.upload(buffer, 0, std::as_bytes(std::span(words)));
    if (launch.buffers.size() < 32) launch.write_mask |= u32{1} << launch.buffers.size();
    launch.buffers.push_back(buffer);
    launch.offsets.push_back(0);
    if (!launch.extents.empty()) launch.extents.push_back(buffer->bytes());
    reports_.push_back({&kernel, std::move(buffer)});
}

void AccessReports::check() const {
    for (const Report& report : reports_) {
        const CheckedKernel& kernel = *report.kernel;
        const std::size_t pointers = kernel.element_bytes.size();
        std::vector<i64> words(pointers + kernel.accesses.size());
        report.words->device().download(report.words, 0, std::as_writable_bytes(std::span(words)));
        for (std::size_t k = 0; k < kernel.accesses.size(); ++k) {
            const passes::CheckedAccess& access = kernel.accesses[k];
            if (words[pointers + k] == passes::no_index) continue;
            throw InternalError(fmt::format("kernel @{}: {} touches element {} of {}", kernel.name,
                                            access.what, words[pointers + k], words[access.pointer]));
        }
    }
}

} // namespace heddle::detail
