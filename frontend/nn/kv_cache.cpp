#include <heddle/nn/kv_cache.h>

#include "frontend/location.h"

#include <heddle/error.h>
#include <heddle/functions.h>

#include <fmt/format.h>

namespace heddle::nn {

using heddle::detail::text;

KeyValueCache::KeyValueCache(int layers, int batch, int heads, int capacity, int size, Dtype dtype)
    : capacity_(capacity) {
    if (layers < 1 || batch < 1 || heads < 1 || capacity < 1 || size < 1)
        throw ShapeError(
            fmt::format("KeyValueCache: sizes must be at least 1, given {} layers of [{}, {}, {}, {}]",
                        layers, batch, heads, capacity, size));
    const Array empty = zeros({batch, heads, capacity, size}, dtype);
    empty.eval(); // memory, not part of the first step's program
    layers_.assign(static_cast<std::size_t>(layers), Layer{empty, empty});
}

void KeyValueCache::check_room(int count, Where where) const {
    if (count > capacity_ - length_)
        throw UsageError(fmt::format("KeyValueCache: {} more positions do not fit, {} of {} are taken ({})",
                                     count, length_, capacity_, text(where)));
}

const KeyValueCache::Layer& KeyValueCache::append(int layer, const Array& keys, const Array& values,
                                                  Where where) {
    if (layer < 0 || layer >= layers())
        throw UsageError(fmt::format("KeyValueCache: layer {} of {} ({})", layer, layers(), text(where)));
    check_room(static_cast<int>(keys.shape(2, where)), where);
    Layer& own = layers_[static_cast<std::size_t>(layer)];
    const std::vector<Operand> starts{0, 0, length_, 0};
    Layer next{slice_update(own.keys, keys, starts), slice_update(own.values, values, starts)};
    own = std::move(next);
    return own;
}

void KeyValueCache::advance(int count, Where where) {
    check_room(count, where);
    length_ += count;
}

void KeyValueCache::truncate(int length, Where where) {
    if (length < 0 || length > length_)
        throw UsageError(fmt::format("KeyValueCache: cannot go back to {} of {} positions ({})", length,
                                     length_, text(where)));
    length_ = length;
}

Array KeyValueCache::mask(int count) const {
    const Array position = iota({count, capacity_}, 1), row = iota({count, capacity_}, 0);
    return position <= row + length_;
}

} // namespace heddle::nn
