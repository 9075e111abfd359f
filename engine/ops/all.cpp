// The families of ops, in the order of their registration.
#include "ops/ops.h"
#include "ops/registry.h"

namespace lampas {

void register_unary();
void register_binary();
void register_ternary();
void register_aliases();
void register_create();
void register_shape();
void register_views();
void register_reduce();
void register_scan();
void register_softmax();
void register_matmul();
void register_indexing();
void register_sort();
void register_random();
void register_gamma();
void register_activations();
void register_losses();
void register_rnn();
void register_attention();
void register_upsample();
void register_pad();
void register_convolution();
void register_pooling();
void register_normalization();
void register_optim_ops();
void register_quantized();

Registry& Registry::get() {
  static auto* registry = new Registry;
  return *registry;
}
Registry::Registry() = default;

void register_all_ops() {
  register_unary();
  register_binary();
  register_ternary();
  register_aliases();
  register_create();
  register_shape();
  register_views();
  register_reduce();
  register_scan();
  register_softmax();
  register_matmul();
  register_indexing();
  register_sort();
  register_random();
  register_gamma();
  register_activations();
  register_losses();
  register_rnn();
  register_attention();
  register_upsample();
  register_pad();
  register_convolution();
  register_pooling();
  register_normalization();
  register_optim_ops();
  register_quantized();
}

}  // namespace lampas
