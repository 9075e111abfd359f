#include "cpu/onednn.h"

#include <omp.h>

#include <list>
#include <mutex>
#include <unordered_map>

#include "core/allocator.h"
#include "core/error.h"
#include "core/threads.h"

namespace lampas::cpu::onednn {
namespace {

struct KeyHash {
  size_t operator()(const Key& k) const { return k.hash(); }
};

// Least recently used first out. Never destroyed: a thread may still be computing while the process ends.
class Cache {
 public:
  using Entry = std::shared_ptr<const Primitive>;

  bool find(const Key& key, Entry& found) {
    std::lock_guard lock(mutex_);
    auto it = index_.find(key);
    if (it == index_.end()) {
      misses_++;
      return false;
    }
    hits_++;
    if (it->second != order_.begin()) order_.splice(order_.begin(), order_, it->second);
    found = it->second->second;
    return true;
  }
  void insert(const Key& key, Entry entry) {
    std::lock_guard lock(mutex_);
    if (index_.contains(key)) return;  // another thread was faster
    order_.emplace_front(key, std::move(entry));
    index_[key] = order_.begin();
    shrink();
  }
  void clear() {
    std::lock_guard lock(mutex_);
    index_.clear();
    order_.clear();
  }
  void limit(size_t entries) {
    std::lock_guard lock(mutex_);
    limit_ = entries;
    shrink();
  }
  CacheStats stats() {
    std::lock_guard lock(mutex_);
    return {index_.size(), limit_, hits_, misses_, evictions_};
  }

 private:
  void shrink() {
    for (; order_.size() > limit_; evictions_++) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
  }

  std::mutex mutex_;
  std::list<std::pair<Key, Entry>> order_;
  std::unordered_map<Key, std::list<std::pair<Key, Entry>>::iterator, KeyHash> index_;
  size_t limit_ = 512;
  uint64_t hits_ = 0, misses_ = 0, evictions_ = 0;
};

Cache& cache() {
  static Cache* c = new Cache;
  return *c;
}

void check(dnnl_status_t status, const char* what) {
  CHECK(status == dnnl_success, "oneDNN failed to ", what, " (status ", int(status), ")");
}

}  // namespace

const dnnl::engine& engine() {
  // oneDNN's own primitive cache would hold what ours has given up.
  static const dnnl::engine* e = [] {
    dnnl_set_primitive_cache_capacity(0);
    return new dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return *e;
}

const dnnl::stream& stream() {
  thread_local const dnnl::stream s(engine());
  const int threads = num_threads();
  if (!omp_in_parallel() && omp_get_max_threads() != threads) omp_set_num_threads(threads);
  return s;
}

uint64_t Key::hash() const {
  uint64_t h = 0x9e3779b97f4a7c15u * uint64_t(size_);
  for (int i = 0; i < size_ && i < kWords; i++) {
    h = (h ^ uint64_t(words_[i])) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

bool Key::operator==(const Key& other) const {
  return size_ == other.size_ && std::equal(words_.begin(), words_.begin() + size_, other.words_.begin());
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr a;
  a.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return a;
}

void Primitive::set(const dnnl::primitive_desc_base& description, dnnl::primitive made) {
  scratchpad_bytes = description.query_md(dnnl::query::scratchpad_md, 0).get_size();
  primitive = std::move(made);
}

std::shared_ptr<const Primitive> cached(const Key& key, const std::function<Primitive()>& make) {
  stream();  // the thread count must be right before a primitive is made for it
  Key full = key;
  full.add(omp_in_parallel() ? 1 : num_threads());
  CHECK(full.fits(), "a oneDNN primitive has a key too long for the cache");
  std::shared_ptr<const Primitive> entry;
  if (cache().find(full, entry)) return entry;
  try {
    entry = std::make_shared<const Primitive>(make());
  } catch (const dnnl::error& e) {
    if (e.status == dnnl_out_of_memory)
      fail(ErrorKind::OutOfMemory, "oneDNN ran out of memory while preparing an operation");
  }
  cache().insert(full, entry);
  return entry;
}

void execute(const Primitive& p, std::initializer_list<Argument> arguments) {
  constexpr int most = 12;
  dnnl_exec_arg_t list[most];
  int n = 0;
  auto release = [&] {
    while (n > 0) dnnl_memory_destroy(list[--n].memory);
  };
  auto add = [&](int slot, const_dnnl_memory_desc_t layout, const void* data) {
    list[n].arg = slot;
    check(dnnl_memory_create(&list[n].memory, layout, engine().get(), const_cast<void*>(data)), "describe memory");
    n++;
  };
  auto run = [&](void* scratchpad) {
    dnnl::memory::desc scratch_layout;
    try {
      for (const Argument& a : arguments)
        if (a.data) add(a.slot, a.layout->desc.get(), a.data);
      if (p.scratchpad_bytes) {
        scratch_layout = dnnl::memory::desc({dnnl_dim_t(p.scratchpad_bytes)}, dnnl::memory::data_type::u8,
                                            dnnl::memory::format_tag::a);
        add(DNNL_ARG_SCRATCHPAD, scratch_layout.get(), scratchpad);
      }
      check(dnnl_primitive_execute(p.primitive.get(), stream().get(), n, list), "run an operation");
    } catch (...) {
      release();
      throw;
    }
    release();
  };
  if (p.scratchpad_bytes)
    run(Scratch(p.scratchpad_bytes).as<void>());
  else
    run(nullptr);
}

namespace {
void add_layout(Key& key, const dnnl::memory::desc& d) {
  const auto dims = d.get_dims(), strides = d.get_strides(), padded = d.get_padded_dims();
  const auto blocks = d.get_inner_blks(), which = d.get_inner_idxs();
  key.add(int64_t(d.get_data_type())).add(d.get_ndims()).add(dims).add(strides).add(padded).add(blocks).add(which);
  key.add(int64_t(d.get_size()));  // more than the elements where it holds sums that int8 kernels need
}
}  // namespace

Layout numbered(const dnnl::memory::desc& d) {
  static std::mutex mutex;
  static auto* known = new std::unordered_map<Key, int64_t, KeyHash>;
  Key key(0);
  add_layout(key, d);
  CHECK(key.fits(), "a memory layout has too many dimensions");
  std::lock_guard lock(mutex);
  return Layout(d, known->try_emplace(key, int64_t(known->size()) + 1).first->second);
}

void reorder(const Layout& from, const void* source, const Layout& to, void* target) {
  Key key(kReorder);
  for (const Layout* l : {&from, &to}) {
    key.add(l->id);
    if (l->id == 0) add_layout(key, l->desc);
  }
  auto p = cached(key, [&] {
    dnnl::reorder::primitive_desc d(engine(), from.desc, engine(), to.desc, attributes());
    Primitive made;
    made.set(d, dnnl::reorder(d));
    return made;
  });
  CHECK(p, "oneDNN cannot convert between two memory layouts");
  execute(*p, {{DNNL_ARG_FROM, &from, source}, {DNNL_ARG_TO, &to, target}});
}

CacheStats cache_stats() { return cache().stats(); }
void set_cache_limit(size_t entries) { cache().limit(entries); }
void clear_cache() { cache().clear(); }

}  // namespace lampas::cpu::onednn
