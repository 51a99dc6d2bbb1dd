// Heddle's main job in one program: a compiled pipeline over a photograph, at two sizes through one shapeless function, on every device
// there is, fused and unfused.

#include "picture.h"
#include "pipeline.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace hd = heddle;
using photo::Picture;

// Rear Admiral Grace Hopper, a photograph of the United States Navy in the public domain; Debian ships it with matplotlib.
constexpr const char* shipped = "/usr/share/matplotlib/mpl-data/sample_data/grace_hopper.jpg";

/// The blur reaches two pixels to each side, also in the picture of half the size.
constexpr int smallest = 10;

/// Every second pixel of every second row, as another size to try.
Picture halved(const Picture& picture) {
    Picture half{picture.height / 2, picture.width / 2, {}};
    for (int row = 0; row < half.height; ++row)
        for (int column = 0; column < half.width; ++column)
            for (int channel = 0; channel < 3; ++channel)
                half.rgb.push_back(
                    picture
                        .rgb[static_cast<std::size_t>(3 * (2 * row * picture.width + 2 * column) + channel)]);
    return half;
}

template <class Work> double median_ms(const Work& work) {
    std::vector<double> times;
    for (int run = 0; run < 9; ++run) {
        const auto start = std::chrono::steady_clock::now();
        work();
        times.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    std::ranges::nth_element(times, times.begin() + 4);
    return times[4];
}

struct Developed {
    std::vector<Picture> pictures;
};

hd::Array to_array(const Picture& picture, const std::string& device) {
    return hd::Array::from(picture.rgb, {picture.height, picture.width, 3}).to(device);
}

/// Both sizes through one function; prints what it took.
Developed develop_on(const std::string& device, const std::vector<Picture>& pictures) {
    hd::Context::current().set_default_device(device);
    const auto develop = hd::compile("develop", photo::develop, {.shapeless = true, .device = device});
    Developed result;
    for (const Picture& picture : pictures) {
        const hd::Array input = to_array(picture, device);
        const auto start = std::chrono::steady_clock::now();
        result.pictures.push_back({picture.height, picture.width, develop(input).to_vector<std::uint8_t>()});
        const double first =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        const double fused = median_ms([&] { develop(input).wait(); });
        hd::Context eager({.device = device, .pending = 1});
        double unfused = 0;
        {
            const hd::Context::Scope scope(eager);
            const hd::Array own = to_array(picture, device);
            unfused = median_ms([&] { photo::develop(own).wait(); });
        }
        std::printf(
            "  %4d x %-4d  first call %7.1f ms   fused %7.2f ms   op by op %7.2f ms   %.1f times faster\n",
            picture.width, picture.height, first, fused, unfused, unfused / fused);
    }
    const auto traces = static_cast<unsigned long long>(develop.traces());
    std::ostringstream report;
    develop.dump(report, hd::Stage::report, to_array(pictures[0], device));
    std::string line;
    std::istringstream lines(report.str());
    std::getline(lines, line);
    std::printf("  %s, traced %llu time(s) for both sizes\n", line.c_str(), traces);
    return result;
}

int difference(const Picture& a, const Picture& b) {
    int largest = 0;
    for (std::size_t k = 0; k < a.rgb.size(); ++k)
        largest = std::max(largest, std::abs(int{a.rgb[k]} - int{b.rgb[k]}));
    return largest;
}

/// Makes the folder and a file in it, so that one that cannot be written is said before the work.
void prepare(const std::filesystem::path& folder) {
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    const std::filesystem::path probe = folder / "before.png";
    if (failure || !std::ofstream(probe, std::ios::app))
        throw std::runtime_error(folder.string() + ": cannot be written to");
}

int run(const std::string& path, const std::filesystem::path& folder) {
    const Picture original = photo::read_picture(path);
    if (std::min(original.height, original.width) < smallest)
        throw std::runtime_error(path + ": " + std::to_string(original.width) + " x " +
                                 std::to_string(original.height) + " is too small: each side needs " +
                                 std::to_string(smallest) + " pixels or more");
    prepare(folder);
    const std::vector<Picture> pictures{original, halved(original)};
    std::vector<Developed> results;
    std::vector<std::string> names;
    for (const hd::DeviceSummary& device : hd::devices()) {
        if (device.name == "interp" || !device.refused.empty()) continue;
        std::printf("%s (%s)\n", device.name.c_str(), device.description.c_str());
        results.push_back(develop_on(device.name, pictures));
        names.push_back(device.name);
    }
    for (std::size_t k = 1; k < results.size(); ++k)
        for (std::size_t size = 0; size < pictures.size(); ++size)
            std::printf("largest difference %s to %s at %d x %d: %d of 255\n", names[0].c_str(),
                        names[k].c_str(), pictures[size].width, pictures[size].height,
                        difference(results[0].pictures[size], results[k].pictures[size]));
    const std::string before_after = (folder / "before_after.png").string(),
                      small = (folder / "before_after_half.png").string();
    photo::write_png((folder / "before.png").string(), original);
    photo::write_png((folder / "after.png").string(), results[0].pictures[0]);
    photo::write_png(before_after, photo::beside(original, results[0].pictures[0]));
    photo::write_png(small, photo::beside(pictures[1], results[0].pictures[1]));
    std::printf("pictures: %s, %s\n", before_after.c_str(), small.c_str());
    return 0;
}

constexpr const char* usage = "usage: example_photo [PICTURE [FOLDER]]\n"
                              "\n"
                              "Denoises, sharpens and tone-maps a PNG or JPEG at its own size and at half of "
                              "it, on every device, through one\n"
                              "compiled function. Writes before.png, after.png and both beside each other to "
                              "FOLDER (build/photo); without a\n"
                              "PICTURE it takes one that Matplotlib's package ships.\n";

} // namespace

int main(int argc, char** argv) {
    const std::string_view first = argc > 1 ? argv[1] : "";
    if (first == "--help" || first == "-h") {
        std::fputs(usage, stdout);
        return 0;
    }
    if (argc > 3 || first.starts_with("-")) {
        std::fputs(usage, stderr);
        return 2;
    }
    try {
        return run(argc > 1 ? argv[1] : shipped, argc > 2 ? argv[2] : "build/photo");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "photo: %s\n", error.what());
        return 2;
    }
}
