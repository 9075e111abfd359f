// The bytes behind tensors: shared by a tensor and its views.
#pragma once

#include "core/allocator.h"
#include "core/device.h"
#include "core/ref.h"

namespace lampas {

// In what order the elements physically lie. Strides always speak of Plain; another order is an owner's secret until
// someone asks for the data (see Tensor::data). Absent: a sparse tensor, whose elements Python keeps as indices and
// values; asking for its data is an error.
enum class Order : uint8_t { Plain, ChannelsLast, Absent };

struct Storage : Counted {
  void* data = nullptr;
  size_t nbytes = 0;
  Device device;
  Order order = Order::Plain;
  bool resizable = true;
  uint32_t version = 0;                   // counts in-place changes of any tensor on this storage
  uint32_t hidden_writes = 0;             // and those the graph is not told of (`x.data`)
  bool exported = false;                  // somebody else has the address and may write without counting
  uint64_t id = 0;                        // unique for the process's life
  void (*free_foreign)(void*) = nullptr;  // memory from elsewhere: called with `owner` instead of deallocating
  void* owner = nullptr;

  static Ref<Storage> create(size_t nbytes, Device device = {});
  static Ref<Storage> foreign(void* data, size_t nbytes, void* owner, void (*free_foreign)(void*));
  static void destroy(Storage* s);
  // Grows or shrinks, keeping the common bytes. RuntimeError for foreign memory.
  void resize(size_t nbytes);
  // Replaces the bytes by `fresh` (allocated with allocate(nbytes)); readers in other threads may still use the old
  // ones.
  void replace(void* fresh, Order fresh_order);
  // Moves the bytes into memory from elsewhere, as in `foreign`.
  void lend(void* fresh, void* fresh_owner, void (*free_fresh)(void*));
};

}  // namespace lampas
