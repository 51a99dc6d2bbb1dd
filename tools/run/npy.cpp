#include "tools/run/npy.h"

#include "support/numeric.h"
#include "tools/commands.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <limits>

namespace heddle::tools {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

struct Format {
    std::string_view descr;
    Dtype dtype;
};
constexpr Format formats[] = {
    {"|b1", Dtype::boolean}, {"|i1", Dtype::i8},  {"<i2", Dtype::i16}, {"<i4", Dtype::i32},
    {"<i8", Dtype::i64},     {"|u1", Dtype::u8},  {"<u2", Dtype::u16}, {"<u4", Dtype::u32},
    {"<u8", Dtype::u64},     {"<f2", Dtype::f16}, {"<f4", Dtype::f32}, {"<f8", Dtype::f64},
};

/// Reads the file front to back; every complaint names the byte where it stands.
class Reader {
public:
    Reader(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

    ir::Tensor run() {
        read_preamble();
        read_header();
        at_ = header_end_;
        return elements();
    }

private:
    [[noreturn]] void fail(std::size_t at, std::string_view message) const {
        throw ParseError(fmt::format("{}: byte {}: {}", file_, at, message));
    }

    u64 little_endian(std::size_t at, std::size_t count) const {
        u64 value = 0;
        for (std::size_t k = count; k-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes_[at + k]);
        return value;
    }

    void read_preamble() {
        if (!bytes_.starts_with(magic)) fail(0, "expected \\x93NUMPY, which begins a .npy file");
        if (bytes_.size() < 8) fail(bytes_.size(), "the file ends in its preamble");
        const int major = static_cast<unsigned char>(bytes_[6]);
        if (major < 1 || major > 3)
            fail(6, fmt::format("version {} is not known; expected 1, 2 or 3", major));
        const std::size_t width = major == 1 ? 2 : 4;
        at_ = 8 + width;
        if (bytes_.size() < at_) fail(bytes_.size(), "the file ends in its preamble");
        const u64 length = little_endian(8, width);
        if (length > bytes_.size() - at_)
            fail(8, fmt::format("the header has {} bytes, but the file ends after {}", length,
                                bytes_.size() - at_));
        header_end_ = at_ + length;
    }

    void skip_blank() {
        while (at_ < header_end_ && (bytes_[at_] == ' ' || bytes_[at_] == '\n')) ++at_;
    }
    bool accept(std::string_view text) {
        skip_blank();
        if (!bytes_.substr(at_, header_end_ - at_).starts_with(text)) return false;
        at_ += text.size();
        return true;
    }
    void expect(std::string_view text) {
        if (!accept(text)) fail(at_, fmt::format("expected {} in the header", text));
    }

    std::string_view quoted() {
        expect("'");
        const std::size_t end = bytes_.find('\'', at_);
        if (end >= header_end_) fail(at_, "a name in the header does not end");
        const std::string_view text = bytes_.substr(at_, end - at_);
        at_ = end + 1;
        return text;
    }

    void read_header() {
        bool has_descr = false, has_order = false, has_shape = false;
        expect("{");
        while (!accept("}")) {
            skip_blank();
            const std::size_t key_at = at_;
            const std::string_view key = quoted();
            expect(":");
            if (key == "descr")
                read_descr(), has_descr = true;
            else if (key == "fortran_order")
                read_order(), has_order = true;
            else if (key == "shape")
                read_shape(), has_shape = true;
            else
                fail(key_at, "expected 'descr', 'fortran_order' or 'shape'");
            if (!accept(",")) {
                expect("}");
                break;
            }
        }
        if (!has_descr || !has_order || !has_shape)
            fail(at_, "the header lacks 'descr', 'fortran_order' or 'shape'");
        if (fortran_order_ && tensor_.shape.size() > 1)
            fail(order_at_, "the array is in Fortran order; expected C order");
    }

    void read_descr() {
        skip_blank();
        const std::size_t at = at_;
        if (accept("[")) fail(at, "the array has records; expected plain elements");
        const std::string_view descr = quoted();
        for (const Format& format : formats) {
            if (format.descr == descr) {
                tensor_.dtype = format.dtype;
                return;
            }
            if (descr.starts_with('>') && descr.substr(1) == format.descr.substr(1))
                fail(at,
                     fmt::format("the elements are big-endian ('{}'); expected '{}'", descr, format.descr));
        }
        fail(at, fmt::format("there is no dtype for '{}'", descr));
    }

    void read_order() {
        skip_blank();
        order_at_ = at_;
        fortran_order_ = accept("True");
        if (!fortran_order_) expect("False");
    }

    void read_shape() {
        expect("(");
        while (!accept(")")) {
            skip_blank();
            i64 size = 0;
            const char* end = bytes_.data() + header_end_;
            const auto read = std::from_chars(bytes_.data() + at_, end, size);
            if (read.ec != std::errc{} || size < 0) fail(at_, "expected a size in the shape");
            at_ = static_cast<std::size_t>(read.ptr - bytes_.data());
            tensor_.shape.push_back(size);
            if (!accept(",")) {
                expect(")");
                break;
            }
        }
    }

    ir::Tensor elements() {
        u64 count = 1;
        for (i64 size : tensor_.shape)
            if (__builtin_mul_overflow(count, static_cast<u64>(size), &count))
                fail(at_, "the shape is too large");
        const std::size_t size = size_of(tensor_.dtype), given = bytes_.size() - at_;
        if (count > std::numeric_limits<u64>::max() / size || count * size != given)
            fail(bytes_.size(),
                 fmt::format("expected {} elements of {} bytes after the header, given {} bytes", count, size,
                             given));
        if (tensor_.dtype == Dtype::boolean)
            for (std::size_t k = 0; k < count; ++k)
                if (static_cast<unsigned char>(bytes_[at_ + k]) > 1)
                    fail(at_ + k, "a bool is neither 0 nor 1");
        return ir::tensor_from(tensor_.dtype, std::move(tensor_.shape), bytes_.data() + at_);
    }

    std::string_view bytes_;
    const std::string& file_;
    std::size_t at_ = 0;
    std::size_t header_end_ = 0;
    std::size_t order_at_ = 0;
    bool fortran_order_ = false;
    ir::Tensor tensor_;
};

std::string header_of(const std::vector<i64>& sizes, std::string_view descr) {
    std::string shape;
    for (i64 size : sizes) shape += fmt::format("{}, ", size);
    if (sizes.size() > 1) shape.resize(shape.size() - 2);
    if (sizes.size() == 1) shape.pop_back();
    std::string header =
        fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
    // The elements begin at a multiple of 64 bytes.
    header.append(63 - (10 + header.size()) % 64, ' ');
    header += '\n';
    return header;
}

} // namespace

ir::Tensor parse_npy(std::string_view bytes, const std::string& file) { return Reader(bytes, file).run(); }

ir::Tensor read_npy(const std::string& file) { return parse_npy(read_text(file), file); }

void write_npy(const std::string& file, const ir::Tensor& tensor) {
    std::vector<char> elements(tensor.elements.size() * size_of(tensor.dtype));
    ir::copy_to(tensor, elements.data());
    write_npy(file, tensor.dtype, tensor.shape, elements.data());
}

void write_npy(const std::string& file, Dtype dtype, const std::vector<i64>& shape, const void* elements) {
    const auto* format = std::ranges::find(formats, dtype, &Format::dtype);
    if (format == std::end(formats))
        throw UsageError(fmt::format("{}: .npy has no name for {}", file, name_of(dtype)));
    const std::string header = header_of(shape, format->descr);
    std::string start(magic);
    start += {'\x01', '\0', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
    start += header;
    std::size_t bytes = size_of(dtype);
    for (const i64 size : shape) bytes *= static_cast<std::size_t>(size);
    std::ofstream out(file, std::ios::binary);
    out.write(start.data(), static_cast<std::streamsize>(start.size()));
    out.write(static_cast<const char*>(elements), static_cast<std::streamsize>(bytes));
    out.close();
    if (!out) throw UsageError(file + ": cannot be written");
}

} // namespace heddle::tools
