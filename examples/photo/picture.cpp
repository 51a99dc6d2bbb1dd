#include "picture.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>

#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

namespace photo {

Picture read_picture(const std::string& path) {
    if (std::FILE* file = std::fopen(path.c_str(), "rb"))
        std::fclose(file);
    else
        throw std::runtime_error(path + ": cannot be opened: " + std::strerror(errno));
    Picture picture;
    int channels = 0;
    const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
        stbi_load(path.c_str(), &picture.width, &picture.height, &channels, 3), stbi_image_free);
    if (!pixels)
        throw std::runtime_error(path + ": not a PNG or JPEG that can be read: " + stbi_failure_reason());
    picture.rgb.assign(pixels.get(), pixels.get() + std::size_t{3} * static_cast<std::size_t>(picture.width) *
                                                        static_cast<std::size_t>(picture.height));
    return picture;
}

void write_png(const std::string& path, const Picture& picture) {
    if (stbi_write_png(path.c_str(), picture.width, picture.height, 3, picture.rgb.data(),
                       3 * picture.width) == 0)
        throw std::runtime_error(path + ": cannot be written");
}

Picture beside(const Picture& left, const Picture& right) {
    Picture both{left.height, left.width + right.width, {}};
    for (int row = 0; row < left.height; ++row) {
        const auto add = [&](const Picture& from) {
            const auto first = from.rgb.begin() + std::ptrdiff_t{3} * row * from.width;
            both.rgb.insert(both.rgb.end(), first, first + std::ptrdiff_t{3} * from.width);
        };
        add(left);
        add(right);
    }
    return both;
}

} // namespace photo
