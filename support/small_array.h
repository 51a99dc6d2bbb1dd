#pragma once
// As many elements as a call needs, on the stack unless there are many.

#include <cstddef>
#include <memory>
#include <span>

namespace heddle {

/// Elements are default-initialised: numbers hold nothing yet.
template <class T, std::size_t Few> class SmallArray {
public:
    explicit SmallArray(std::size_t count) : count_(count) {
        data_ = count > Few ? new T[count] : reinterpret_cast<T*>(room_);
        if (count <= Few) std::uninitialized_default_construct_n(data_, count);
    }
    ~SmallArray() {
        if (count_ > Few)
            delete[] data_;
        else
            std::destroy_n(data_, count_);
    }
    SmallArray(const SmallArray&) = delete;
    SmallArray& operator=(const SmallArray&) = delete;
    T* data() { return data_; }
    const T* data() const { return data_; }
    T& operator[](std::size_t k) { return data_[k]; }
    std::span<T> span() { return {data_, count_}; }
    operator std::span<const T>() const { return {data_, count_}; }

private:
    std::size_t count_;
    T* data_;
    alignas(T) std::byte room_[Few * sizeof(T)];
};

} // namespace heddle
