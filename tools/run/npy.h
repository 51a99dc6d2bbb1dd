#pragma once
// Arrays as NumPy's .npy files, versions 1.0 to 3.0, little-endian and in C order. Every dtype but bf16 has a name there. A file that is
// cut off, too long or otherwise not what its header says is a ParseError `FILE: byte N: message`.

#include "ir/interpreter.h"

#include <string>
#include <string_view>

namespace heddle::tools {

/// `bytes` is the whole file; `file` names it in messages.
ir::Tensor parse_npy(std::string_view bytes, const std::string& file);

/// Throws UsageError when the file cannot be read.
ir::Tensor read_npy(const std::string& file);

/// Throws UsageError for bf16 and when the file cannot be written.
void write_npy(const std::string& file, const ir::Tensor& tensor);
/// The elements in row-major order, as memory holds them.
void write_npy(const std::string& file, Dtype dtype, const std::vector<i64>& shape, const void* elements);

} // namespace heddle::tools
