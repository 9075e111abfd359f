#include "cpu/packed_weights.h"

#include <list>
#include <mutex>
#include <unordered_map>

#include "core/allocator.h"

namespace lampas::cpu {
namespace {

struct Entry {
  onednn::Key key;
  uint64_t version;
  size_t bytes;
  std::shared_ptr<Scratch> memory;
};

struct KeyHash {
  size_t operator()(const onednn::Key& k) const { return k.hash(); }
};

struct Store {
  std::mutex mutex;
  std::list<Entry> order;  // the latest used first
  std::unordered_map<onednn::Key, std::list<Entry>::iterator, KeyHash> index;
  size_t bytes = 0, limit = size_t(256) << 20;
  uint64_t hits = 0, misses = 0;

  void erase(std::list<Entry>::iterator it) {
    bytes -= it->bytes;
    index.erase(it->key);
    order.erase(it);
  }
  void shrink(size_t to) {
    while (bytes > to && !order.empty()) erase(std::prev(order.end()));
  }
};

Store& store() {
  static Store* s = new Store;  // outlives threads that still compute at exit
  return *s;
}

}  // namespace

PackedWeights::PackedWeights(const void* weights, WeightVersion version, const onednn::Layout& plain,
                             const onednn::Layout& wanted)
    : data_(weights) {
  if (plain.id == wanted.id) return;
  onednn::Key form(onednn::kReorder);
  form.add(plain.id).add(wanted.id);
  find(weights, version, form, wanted.bytes, [&](void* memory) { onednn::reorder(plain, weights, wanted, memory); });
}

PackedWeights::PackedWeights(const void* weights, WeightVersion version, onednn::Key form, size_t bytes,
                             const std::function<void(void*)>& pack)
    : data_(nullptr) {
  find(weights, version, form, bytes, pack);
}

void PackedWeights::find(const void* weights, WeightVersion version, onednn::Key key, size_t bytes,
                         const std::function<void(void*)>& write) {
  auto pack = [&](std::shared_ptr<Scratch> memory) {
    write(memory->as<void>());
    data_ = memory->as<void>();
    copy_ = std::move(memory);
  };
  Store& s = store();
  if (version.storage == 0 || bytes > s.limit) {
    pack(std::make_shared<Scratch>(bytes));
    return;
  }

  key.add(int64_t(version.storage)).add(reinterpret_cast<int64_t>(weights));
  std::shared_ptr<Scratch> memory;
  {
    std::lock_guard lock(s.mutex);
    auto it = s.index.find(key);
    if (it != s.index.end()) {
      s.order.splice(s.order.begin(), s.order, it->second);
      Entry& e = *it->second;
      if (e.version == version.version) {
        s.hits++;
        data_ = e.memory->as<void>();
        copy_ = e.memory;
        return;
      }
      // An older state: its memory can be written over, unless somebody still computes with it.
      memory = std::move(e.memory);
      s.erase(it->second);
    }
    s.misses++;
  }
  if (memory.use_count() != 1) memory = std::make_shared<Scratch>(bytes);
  pack(memory);
  std::lock_guard lock(s.mutex);
  if (s.index.contains(key)) return;
  s.shrink(s.limit - bytes);
  s.order.push_front({key, version.version, bytes, std::move(memory)});
  s.index[key] = s.order.begin();
  s.bytes += bytes;
}

PackedStats packed_weights_stats() {
  Store& s = store();
  std::lock_guard lock(s.mutex);
  return {s.order.size(), s.bytes, s.limit, s.hits, s.misses};
}

void set_packed_weights_limit(size_t bytes) {
  Store& s = store();
  std::lock_guard lock(s.mutex);
  s.limit = bytes;
  s.shrink(bytes);
}

void clear_packed_weights() {
  Store& s = store();
  std::lock_guard lock(s.mutex);
  s.shrink(0);
}

}  // namespace lampas::cpu
