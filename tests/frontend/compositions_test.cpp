// What the frontend makes of several ops, and which hence has no file in tests/hir/run: with each dtype it supports, the CPU and Vulkan
// give what the interpreter gives, for odd sizes, empty arrays, extremes, NaN and infinities.

#include "fixture.h"

#include <heddle/error.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>

using namespace heddle;
using namespace heddle::tests;

namespace {

using Arrays = std::vector<Array>;

/// Shape, dtype and elements. Floats by their bits, all NaN as one; integers as i64.
struct Elements {
    std::string type;
    std::vector<std::int64_t> bits;

    explicit Elements(const Array& array) {
        const Array here = array.eval().to("interp");
        type = std::string(name_of(here.dtype())) + here.shape().text();
        if (!is_float(here.dtype())) {
            bits = cast(here, Dtype::i64).to_vector<std::int64_t>();
            return;
        }
        for (double value : cast(here, Dtype::f64).to_vector<double>()) {
            if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
            std::memcpy(&bits.emplace_back(), &value, sizeof value);
        }
    }
    double value(std::size_t k) const {
        double value = 0;
        std::memcpy(&value, &bits[k], sizeof value);
        return value;
    }
};

/// Ties, extremes of narrow integers and, for floats, what is not a number; in an order without a pattern.
Array sample(const Shape& shape, Dtype dtype) {
    const double infinity = std::numeric_limits<double>::infinity();
    const double values[] = {3,   -2, 0,     7,      7, 120,       -128,     1,  -0.0,
                             255, 2,  65504, -32768, 5, -infinity, infinity, NAN};
    const std::size_t usable = is_float(dtype) ? std::size(values) : std::size(values) - 3;
    const auto count = static_cast<std::size_t>(shape.elements().value());
    std::vector<double> elements(count);
    for (std::size_t k = 0; k < count; ++k) elements[k] = values[(k * k + 5 * k + count) % usable];
    return cast(Array::from(elements, shape), dtype).eval();
}

const std::vector<Shape> shapes = {{1},        {7}, {131},  {3, 5}, {1, 9},   {129, 3},
                                   {2, 33, 5}, {0}, {0, 4}, {3, 0}, {2, 0, 3}};

struct On {
    const char* device;
    Dtype dtype;
    friend std::ostream& operator<<(std::ostream& out, const On& on) {
        return out << on.device << " " << name_of(on.dtype);
    }
};

class Compositions : public ::testing::TestWithParam<On> {
protected:
    Context context{ContextOptions{.device = GetParam().device, .cache_directory = ""}};
    Context reference{ContextOptions{.device = "interp", .cache_directory = ""}};

    /// Results of `function`, called with the arrays that `make` makes in that context.
    template <class Make>
    static std::vector<Elements> results(Context& where, Arrays (*function)(Arrays), Make make) {
        Context::Scope scope(where);
        std::vector<Elements> result;
        for (const Array& array : compile("composition", function, {.shapeless = true})(make()))
            result.emplace_back(array);
        return result;
    }

    template <class Make> void expect_same(const char* what, Arrays (*function)(Arrays), Make make) {
        const std::vector<Elements> wanted = results(reference, function, make);
        const std::vector<Elements> given = results(context, function, make);
        ASSERT_EQ(given.size(), wanted.size());
        for (std::size_t k = 0; k < wanted.size(); ++k) {
            EXPECT_EQ(given[k].type, wanted[k].type) << what << " " << k;
            EXPECT_EQ(given[k].bits, wanted[k].bits) << what << " " << k << " " << wanted[k].type;
        }
    }

    /// With one array of each shape.
    void expect_same_of_samples(
        const char* what, Arrays (*function)(Arrays),
        bool (*fits)(const Shape&) = [](const Shape&) { return true; }) {
        for (const Shape& shape : shapes)
            if (fits(shape))
                expect_same(what, function, [&] { return Arrays{sample(shape, GetParam().dtype)}; });
    }
};

TEST_P(Compositions, argmax_and_argmin_along_every_axis) {
    expect_same_of_samples("argmax, argmin", [](Arrays in) {
        Arrays out;
        for (int axis = 0; axis < in[0].rank(); ++axis) {
            if (in[0].shape(axis) == 0) continue;
            out.push_back(argmax(in[0], axis));
            out.push_back(argmin(in[0], axis, true));
        }
        if (in[0].elements() != 0) out.insert(out.end(), {argmax(in[0]), argmin(in[0], {}, true)});
        return out;
    });
}

TEST_P(Compositions, split_and_split_at) {
    expect_same_of_samples("split", [](Arrays in) {
        Arrays out;
        for (int axis = 0; axis < in[0].rank(); ++axis) {
            const Dim size = in[0].shape(axis);
            const Arrays parts = split_at(in[0], {size / 3, size / 3, size - size / 3}, axis);
            out.insert(out.end(), parts.begin(), parts.end());
            if (size % 3 != 0) continue;
            const Arrays equal = split(in[0], 3, axis);
            out.insert(out.end(), equal.begin(), equal.end());
        }
        return out;
    });
}

TEST_P(Compositions, stack_along_every_axis) {
    expect_same_of_samples("stack", [](Arrays in) {
        Arrays out;
        for (int axis = 0; axis <= in[0].rank(); ++axis)
            out.push_back(stack({in[0], flip(in[0]), zeros_like(in[0])}, axis));
        return out;
    });
}

TEST_P(Compositions, triangles_of_arrays) {
    expect_same_of_samples(
        "tril, triu",
        [](Arrays in) {
            return Arrays{tril(in[0]), triu(in[0]), tril(in[0], -1), triu(in[0], 2), triu(in[0], -70)};
        },
        [](const Shape& shape) { return shape.rank() >= 2; });
}

TEST_P(Compositions, triangles_and_identities_from_nothing) {
    Arrays (*function)(Arrays) = [](Arrays in) {
        // The sizes come from an array, so that they are symbols.
        const Dim rows = in[0].shape(0), columns = in[0].shape(1);
        const Dtype dtype = in[0].dtype();
        return Arrays{tri(rows, columns, 0, dtype),  tri(rows, columns, -2, dtype),
                      tri(columns, rows, 40, dtype), eye(rows, columns, 0, dtype),
                      eye(rows, {}, 1, dtype),       eye(columns, rows, -3, dtype)};
    };
    for (const Shape& shape : {Shape{1, 1}, Shape{5, 7}, Shape{67, 3}, Shape{0, 4}, Shape{4, 0}})
        expect_same("tri, eye", function, [&] { return Arrays{sample(shape, GetParam().dtype)}; });
}

TEST_P(Compositions, take_along_every_axis) {
    Arrays (*function)(Arrays) = [](Arrays in) {
        Arrays out;
        for (int axis = 0; axis < in[0].rank(); ++axis)
            if (in[0].shape(axis) != 0) out.push_back(take_along(in[0], in[1], axis));
        return out;
    };
    for (const Shape& shape : shapes) {
        expect_same("take_along", function, [&] {
            // From the end, and beyond either end: clipped.
            const Array places = reshape(arange(shape.elements()), shape) * 7 % 301 - 150;
            return Arrays{sample(shape, GetParam().dtype), places};
        });
    }
}

TEST_P(Compositions, slice_update_inside_and_clipped) {
    Arrays (*function)(Arrays) = [](Arrays in) {
        const Array& x = in[0];
        std::vector<Operand> starts;
        Arrays begins;
        for (int axis = 0; axis < x.rank(); ++axis) begins.push_back(index(in[2], 0, axis));
        for (const Array& begin : begins) starts.emplace_back(begin);
        return Arrays{slice_update(x, in[1], starts)};
    };
    for (const Shape& shape : shapes) {
        for (int start : {0, 2, -3, 1000}) {
            expect_same("slice_update", function, [&] {
                std::vector<Dim> half;
                for (const Dim& size : shape) half.push_back((size + 1) / 2);
                return Arrays{sample(shape, GetParam().dtype), sample(Shape(half), GetParam().dtype),
                              full({shape.rank()}, start, Dtype::i32).eval()};
            });
        }
    }
}

std::vector<On> everywhere() {
    std::vector<On> result;
    for (const char* device : {"cpu", "vulkan"})
        for (int dtype = 0; dtype < dtype_count; ++dtype)
            if (static_cast<Dtype>(dtype) != Dtype::index)
                result.push_back({device, static_cast<Dtype>(dtype)});
    return result;
}

std::string name_of_case(const ::testing::TestParamInfo<On>& info) {
    return std::string(info.param.device) + "_" + std::string(name_of(info.param.dtype));
}

INSTANTIATE_TEST_SUITE_P(On, Compositions, ::testing::ValuesIn(everywhere()), name_of_case);

/// Draws in a float dtype.
class RandomNumbers : public Compositions {
protected:
    static constexpr std::uint64_t seed = 20240229;
    static Arrays with_key(std::int64_t count) {
        return {random::key(seed), zeros({count}, GetParam().dtype).eval()};
    }
};

TEST_P(RandomNumbers, uniform_is_the_same_everywhere) {
    for (std::int64_t count : {0, 1, 7, 1031})
        expect_same(
            "uniform",
            [](Arrays in) {
                const Dim n = in[1].shape(0);
                return Arrays{random::uniform(in[0], {n}, 0.0f, 1.0f, in[1].dtype()),
                              random::uniform(in[0], {3, n}, 0.0f, 1.0f, in[1].dtype())};
            },
            [&] { return with_key(count); });
}

TEST_P(RandomNumbers, uniform_stays_in_its_range) {
    Context::Scope scope(context);
    const Array x = random::uniform(random::key(seed), {4097}, -2.0f, 5.0f, GetParam().dtype);
    EXPECT_TRUE(all((x >= -2) & (x < 5)).item<bool>());
}

TEST_P(RandomNumbers, normal_is_the_same_everywhere_to_the_accuracy_of_erfinv) {
    for (std::int64_t count : {0, 1, 7, 1031}) {
        Arrays (*function)(Arrays) = [](Arrays in) {
            return Arrays{random::normal(in[0], {in[1].shape(0)}, in[1].dtype())};
        };
        const Elements wanted = results(reference, function, [&] { return with_key(count); })[0],
                       given = results(context, function, [&] { return with_key(count); })[0];
        ASSERT_EQ(given.type, wanted.type);
        // 4 ulp of f32 for erfinv (docs/math.md), and half a ulp of a narrower result.
        const double relative = GetParam().dtype == Dtype::f16    ? 0x1p-10
                                : GetParam().dtype == Dtype::bf16 ? 0x1p-7
                                                                  : 0x1p-21;
        for (std::size_t k = 0; k < wanted.bits.size(); ++k)
            EXPECT_NEAR(given.value(k), wanted.value(k), relative * std::fabs(wanted.value(k)));
    }
}

std::vector<On> floats_everywhere() {
    std::vector<On> result = everywhere();
    std::erase_if(result, [](const On& on) { return !is_float(on.dtype); });
    return result;
}
INSTANTIATE_TEST_SUITE_P(On, RandomNumbers, ::testing::ValuesIn(floats_everywhere()), name_of_case);

/// Draws of whole numbers, and keys: u32 and i32 only.
class RandomBits : public Compositions {};

TEST_P(RandomBits, bits_keys_and_integers_are_the_same_everywhere) {
    for (std::int64_t count : {0, 1, 7, 1031}) {
        expect_same(
            "bits",
            [](Arrays in) {
                const Dim n = in[1].shape(0);
                return Arrays{random::bits(in[0], {n}),
                              random::bits(in[0], {n, 3}),
                              random::split(in[0], n),
                              random::fold_in(in[0], 5),
                              random::integers(in[0], {n}, -3, 4),
                              random::integers(in[0], {n}, std::numeric_limits<std::int32_t>::min(),
                                               std::numeric_limits<std::int32_t>::max())};
            },
            [&] { return Arrays{random::key(1), zeros({count}).eval()}; });
    }
}

TEST_P(RandomBits, draws_of_reals_in_other_dtypes_are_refused) {
    Context::Scope scope(context);
    const Array key = random::key(1);
    for (Dtype dtype : {Dtype::boolean, Dtype::i32, Dtype::u64}) {
        EXPECT_TRUE(contains(message_of<DtypeError>([&] { random::uniform(key, {3}, 0, 1, dtype); }),
                             "random::uniform: a float dtype is needed, given"));
        EXPECT_TRUE(contains(message_of<DtypeError>([&] { random::normal(key, {3}, dtype); }),
                             "random::normal: a float dtype is needed, given"));
    }
}

INSTANTIATE_TEST_SUITE_P(On, RandomBits, ::testing::Values(On{"cpu", Dtype::u32}, On{"vulkan", Dtype::u32}),
                         name_of_case);

} // namespace
