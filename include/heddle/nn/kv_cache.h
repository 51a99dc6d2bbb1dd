#pragma once
// The keys and values that attention has seen, for each layer of one model: what a chat session keeps from step to step. Its size is fixed
// when it is made, so that every step runs the same program. It is exclusive state: one step at a time, in a Synchronized
// (<heddle/synchronized.h>) when several threads come to it.

#include <heddle/array.h>

#include <utility>
#include <vector>

namespace heddle::nn {

class KeyValueCache {
public:
    using Where = Array::Where;

    struct Layer {
        Array keys, values; ///< [batch, heads, capacity, size]; leftovers beyond length()
    };

    /// Room for `capacity` positions of `heads` heads with `size` elements. Takes its memory.
    /// ShapeError for sizes below 1, TraceError in a trace.
    KeyValueCache(int layers, int batch, int heads, int capacity, int size, Dtype dtype = Dtype::f32);

    int layers() const { return static_cast<int>(layers_.size()); }
    int capacity() const { return capacity_; }
    /// Positions that are taken.
    int length() const { return length_; }

    /// Writes keys and values [batch, heads, count, size] of the next positions and gives all of the layer's; advance() counts them,
    /// once all layers have theirs. UsageError when they do not fit, which changes nothing.
    const Layer& append(int layer, const Array& keys, const Array& values, Where where = Where::current());
    void advance(int count, Where where = Where::current());
    /// Forgets what came after the first `length` positions. UsageError beyond length().
    void truncate(int length, Where where = Where::current());

    /// Which of the `capacity` positions each of the next `count` may look at: bool[count, capacity], those up to its own.
    Array mask(int count) const;

private:
    void check_room(int count, Where where) const;

    std::vector<Layer> layers_;
    int capacity_;
    int length_ = 0;
};

} // namespace heddle::nn
