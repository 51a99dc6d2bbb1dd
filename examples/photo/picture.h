#pragma once
// Pictures as bytes: read from PNG or JPEG, written as PNG.

#include <cstdint>
#include <string>
#include <vector>

namespace photo {

struct Picture {
    int height = 0;
    int width = 0;
    std::vector<std::uint8_t> rgb; ///< [height, width, 3]
};

/// Throws std::runtime_error that names the file and says what is wrong with it.
Picture read_picture(const std::string& path);
void write_png(const std::string& path, const Picture& picture);

/// Both pictures side by side; of equal height.
Picture beside(const Picture& left, const Picture& right);

} // namespace photo
