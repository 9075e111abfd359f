#include "cpu/packed_weights.h"

#include "core/allocator.h"
#include "core/lru_cache.h"

namespace lampas::cpu {
namespace {

struct Packed {
  uint64_t version;
  std::shared_ptr<Scratch> memory;
};
auto& kept = *new LruCache<onednn::Key, Packed>("packed_weights", size_t(256) << 20);

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
                         const std::function<void(void*)>& pack) {
  const bool keep = version.storage != 0;
  Packed packed{version.version, nullptr};
  key.add(int64_t(version.storage)).add(reinterpret_cast<int64_t>(weights));
  if (!keep || !kept.find(key, packed, [&](const Packed& p) { return p.version == version.version; })) {
    // The memory of an older state is written over, unless somebody still computes with it.
    if (packed.memory.use_count() != 1) packed.memory = std::make_shared<Scratch>(bytes);
    pack(packed.memory->as<void>());
    packed.version = version.version;
    if (keep) kept.insert(key, packed, bytes);
  }
  data_ = packed.memory->as<void>();
  copy_ = std::move(packed.memory);
}

}  // namespace lampas::cpu
