// Caches bounded in bytes, the least recently used out first. Each has a name, by which it can be looked at and
// bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lampas {

struct CacheStats {
  size_t entries, bytes, limit;
  uint64_t hits, misses, evictions;
};

class BoundedCache {
 public:
  virtual CacheStats stats() = 0;
  // Gives up what is too much at once.
  virtual void set_limit(size_t bytes) = 0;
  const char* name() const { return name_; }

  static std::vector<BoundedCache*>& all() {
    static auto* caches = new std::vector<BoundedCache*>;
    return *caches;
  }

 protected:
  explicit BoundedCache(const char* name) : name_(name) { all().push_back(this); }
  ~BoundedCache() = default;  // a cache is never destroyed: a thread may still be computing while the process ends

 private:
  const char* name_;
};

// Key has hash() and ==; Value is cheap to copy, as a shared pointer is. Safe to use from several threads.
template <class Key, class Value>
class LruCache final : public BoundedCache {
 public:
  LruCache(const char* name, size_t limit) : BoundedCache(name), limit_(limit) {}

  // Puts the value of `key` into `found`. One that is not `current` is a miss and no longer kept.
  template <class Current>
  bool find(const Key& key, Value& found, Current&& current) {
    std::lock_guard lock(mutex_);
    auto it = index_.find(key);
    const bool hit = it != index_.end() && current(it->second->value);
    ++(hit ? hits_ : misses_);
    if (it == index_.end()) return false;
    if (hit) {
      order_.splice(order_.begin(), order_, it->second);
      found = it->second->value;
    } else {
      found = std::move(it->second->value);
      erase(it->second);
    }
    return hit;
  }

  // Does nothing where another thread was faster, or the value alone is more than the limit.
  void insert(const Key& key, Value value, size_t bytes) {
    std::lock_guard lock(mutex_);
    if (bytes > limit_ || index_.contains(key)) return;
    shrink(limit_ - bytes);
    order_.push_front({key, std::move(value), bytes});
    index_[key] = order_.begin();
    bytes_ += bytes;
  }

  CacheStats stats() override {
    std::lock_guard lock(mutex_);
    return {order_.size(), bytes_, limit_, hits_, misses_, evictions_};
  }
  void set_limit(size_t bytes) override {
    std::lock_guard lock(mutex_);
    limit_ = bytes;
    shrink(bytes);
  }

 private:
  struct Entry {
    Key key;
    Value value;
    size_t bytes;
  };
  struct Hash {
    size_t operator()(const Key& k) const { return k.hash(); }
  };

  void erase(std::list<Entry>::iterator it) {
    bytes_ -= it->bytes;
    index_.erase(it->key);
    order_.erase(it);
  }
  void shrink(size_t bytes) {
    for (; bytes_ > bytes && !order_.empty(); evictions_++) erase(std::prev(order_.end()));
  }

  std::mutex mutex_;
  std::list<Entry> order_;  // the latest used first
  std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> index_;
  size_t bytes_ = 0, limit_;
  uint64_t hits_ = 0, misses_ = 0, evictions_ = 0;
};

}  // namespace lampas
