#include "pipeline.h"

#include <array>
#include <cmath>

namespace photo {
namespace {

namespace hd = heddle;
using hd::Array;

/// An image [..., height, width] moved by (down, right), with 0 where nothing comes in.
Array shifted(const Array& a, int down, int right) {
    const int reach = std::max(std::abs(down), std::abs(right));
    std::vector<hd::Padding> padding(static_cast<std::size_t>(a.rank()));
    std::vector<hd::Slice> window(padding.size());
    const std::size_t rows = padding.size() - 2, columns = rows + 1;
    padding[rows] = padding[columns] = {reach, reach};
    window[rows] = hd::Slice{reach - down, a.shape(-2) + (reach - down)};
    window[columns] = hd::Slice{reach - right, a.shape(-1) + (reach - right)};
    return hd::slice(hd::pad(a, padding, 0.0f), window);
}

/// A mean of neighbours, each weighed by how near it is in place and in brightness; neighbours outside weigh nothing.
Array denoised(const Array& image, const Array& noise) {
    const Array inside = hd::ones_like(image);
    Array sum = image, weights = inside;
    for (int down = -1; down <= 1; ++down) {
        for (int right = -1; right <= 1; ++right) {
            if (down == 0 && right == 0) continue;
            const Array neighbour = shifted(image, down, right);
            const Array difference = neighbour - image;
            const float nearness = down != 0 && right != 0 ? 0.5f : 0.75f;
            const Array weight = nearness * shifted(inside, down, right) *
                                 hd::exp(-difference * difference / (4.0f * noise * noise));
            sum = sum + weight * neighbour;
            weights = weights + weight;
        }
    }
    return sum / weights;
}

/// Binomial blur of five places along both axes, normalised at the borders.
Array blurred(const Array& image) {
    constexpr std::array taps{1.0f, 4.0f, 6.0f, 4.0f, 1.0f};
    const auto along = [&](const Array& from, bool rows) {
        Array sum = 6.0f * from, weights = 6.0f * hd::ones_like(from);
        for (int reach : {-2, -1, 1, 2}) {
            const float tap = taps[static_cast<std::size_t>(reach + 2)];
            sum = sum + tap * shifted(from, rows ? reach : 0, rows ? 0 : reach);
            weights = weights + tap * shifted(hd::ones_like(from), rows ? reach : 0, rows ? 0 : reach);
        }
        return sum / weights;
    };
    return along(along(image, true), false);
}

Array luminance(const Array& image) {
    const auto channel = [&](int k) { return hd::index(image, 0, k); };
    return 0.2126f * channel(0) + 0.7152f * channel(1) + 0.0722f * channel(2);
}

/// The mean absolute Laplacian tells the noise (Immerkaer, "Fast noise variance estimation", 1996).
Array noise_of(const Array& light) {
    const Array laplacian = 4.0f * light - shifted(light, 1, 0) - shifted(light, -1, 0) -
                            shifted(light, 0, 1) - shifted(light, 0, -1);
    return hd::maximum(hd::mean(hd::abs(laplacian)) * (std::sqrt(3.14159265f / 2.0f) / std::sqrt(20.0f)),
                       0.005f);
}

} // namespace

Array develop(Array picture) {
    // Channels first: then neighbours in a row are neighbours in memory.
    const Array planes = hd::transpose(picture, {2, 0, 1});
    const Array image = hd::power(hd::cast(planes, hd::Dtype::f32) / 255.0f, 2.2f);
    const Array clean = denoised(image, noise_of(luminance(image)));

    const Array light = luminance(clean);
    const Array sharp = hd::maximum(light + 0.5f * (light - blurred(light)), 0.0f);

    // The log-average luminance becomes middle grey; highlights are compressed up to the brightest place.
    const Array average = hd::exp(hd::mean(hd::log(sharp + 1e-4f)));
    const Array scaled = 0.14f / average * sharp;
    const Array white = hd::max(scaled);
    const Array mapped = scaled * (1.0f + scaled / (white * white)) / (1.0f + scaled);

    const Array gain = mapped / hd::maximum(light, 1e-4f);
    const Array developed = clean * hd::expand_dims(gain, 0);
    const Array low = hd::min(developed), high = hd::max(mapped);
    const Array stretched = hd::clip((developed - low) / (high - low), 0.0f, 1.0f);
    const Array encoded = hd::cast(hd::round(hd::power(stretched, 1.0f / 2.2f) * 255.0f), hd::Dtype::u8);
    return hd::transpose(encoded, {1, 2, 0});
}

} // namespace photo
