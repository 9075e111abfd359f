#include "cpu/onednn.h"

#include <fcntl.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "core/allocator.h"
#include "core/error.h"
#include "core/lru_cache.h"
#include "core/threads.h"

namespace lampas::cpu::onednn {
namespace {

auto& primitives = *new LruCache<Key, std::shared_ptr<const Primitive>>("primitives", size_t(64) << 20);

// The process's memory, in bytes; 0 where the system does not tell.
size_t resident_bytes() {
#if defined(__linux__)
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[128] = {};
  const ssize_t length = read(file, text, sizeof(text) - 1);
  close(file);
  const char* second = length > 0 ? std::strchr(text, ' ') : nullptr;
  return second ? std::strtoull(second, nullptr, 10) * size_t(sysconf(_SC_PAGESIZE)) : 0;
#else
  return 0;
#endif
}

// oneDNN does not say how large its generated code and tables are (20 KB to 500 KB were seen): taken for it is what the
// process grew by, within bounds, as other threads allocate, too, and what was given up before is used again.
class Growth {
 public:
  size_t bytes() const {
    const size_t now = resident_bytes();
    return std::clamp(now > before_ ? now - before_ : 0, size_t(128) << 10, size_t(1) << 20);
  }

 private:
  size_t before_ = resident_bytes();
};

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
  if (primitives.find(full, entry, [](const auto&) { return true; })) return entry;
  const Growth growth;
  try {
    entry = std::make_shared<const Primitive>(make());
  } catch (const dnnl::error& e) {
    if (e.status == dnnl_out_of_memory)
      fail(ErrorKind::OutOfMemory, "oneDNN ran out of memory while preparing an operation");
  }
  primitives.insert(full, entry, growth.bytes());
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
  const auto hash = [](const Key& k) { return k.hash(); };
  static auto* known = new std::unordered_map<Key, int64_t, decltype(hash)>;
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

}  // namespace lampas::cpu::onednn
