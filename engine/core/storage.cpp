#include "core/storage.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "core/error.h"
#include "core/threads.h"

namespace lampas {

namespace {
uint64_t next_id() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}
}  // namespace

void (*incref_python)(void*) = nullptr;
void (*decref_python)(void*) = nullptr;

Ref<Storage> Storage::create(size_t nbytes, Device device) {
  void* data = device.is_cpu() ? allocate(nbytes) : nullptr;
  auto* s = new (allocate(sizeof(Storage))) Storage;
  s->data = data;
  s->nbytes = nbytes;
  s->device = device;
  s->id = next_id();
  return Ref<Storage>(s);
}

Ref<Storage> Storage::foreign(void* data, size_t nbytes, void* owner, void (*free_foreign)(void*)) {
  auto* s = new (allocate(sizeof(Storage))) Storage;
  s->data = data;
  s->nbytes = nbytes;
  s->resizable = false;
  s->owner = owner;
  s->free_foreign = free_foreign;
  s->exported = true;
  s->id = next_id();
  return Ref<Storage>(s);
}

void Storage::destroy(Storage* s) {
  if (s->free_foreign)
    s->free_foreign(s->owner);
  else if (s->data)
    deallocate(s->data, s->nbytes);
  s->~Storage();
  deallocate(s, sizeof(Storage));
}

void Storage::resize(size_t wanted) {
  if (wanted == nbytes) return;
  CHECK(resizable, "Trying to resize storage that is not resizable: its memory belongs to another library");
  if (device.is_cpu()) {
    void* fresh = allocate(wanted);
    std::memcpy(fresh, data, std::min(wanted, nbytes));
    retire(data, nbytes);
    data = fresh;
  }
  nbytes = wanted;
}

void Storage::replace(void* fresh, Order fresh_order) {
  retire(data, nbytes);
  data = fresh;
  order = fresh_order;
}

void Storage::lend(void* fresh, void* fresh_owner, void (*free_fresh)(void*)) {
  if (nbytes) std::memcpy(fresh, data, nbytes);
  if (free_foreign)
    free_foreign(owner);
  else if (data && !exported)  // an array that looks into the old memory keeps it
    retire(data, nbytes);
  data = fresh;
  owner = fresh_owner;
  free_foreign = free_fresh;
  resizable = false;
  exported = true;
}

}  // namespace lampas
