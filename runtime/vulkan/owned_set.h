#pragma once
// What a batch or a recording keeps alive: kernels and buffers, each by one reference however often it is bound.

#include "support/integers.h"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace heddle::runtime::vulkan {

/// Owning references, each object once. Few are searched one by one, more through a table.
class OwnedSet {
public:
    /// Room for so many more: adding them cannot fail.
    void reserve(std::size_t count) {
        if (owned_.capacity() - owned_.size() < count || owned_.size() + count > few) make_room(count);
    }
    /// Takes the reference over unless the object is owned already. True if it is new.
    template <class T> bool add(std::shared_ptr<T>&& object) {
        if (owned_.size() >= few) grow_table(owned_.size() + 1);
        if (tabled_ ? !insert(object.get()) : listed(object.get())) return false;
        owned_.push_back(std::move(object));
        return true;
    }
    /// One of few, of which it is known that it is new and that there is room.
    void add_new(std::shared_ptr<void> object) { owned_.push_back(std::move(object)); }
    std::size_t size() const { return owned_.size(); }
    void clear();

    static constexpr std::size_t few = 8;

private:
    void make_room(std::size_t count);
    bool listed(const void* object) const;
    void grow_table(std::size_t count);
    bool insert(const void* object);
    static std::size_t slot_of(const void* object, std::size_t mask);
    std::vector<std::shared_ptr<void>> owned_;
    std::vector<const void*> table_; ///< open addressing, at most half full
    bool tabled_ = false;            ///< what is owned is in the table
};

} // namespace heddle::runtime::vulkan
