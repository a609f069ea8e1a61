// The shim's C interface: what training needs of libtorch and tch does not offer.
//
// Every function returns 0, or 1 after storing a sentence for lightbox_torch_last_error on the calling thread. No C++
// exception leaves a function. A tensor handle is tch's: a pointer to an at::Tensor. Handles passed in are borrowed; a
// handle written to an `out` parameter is a new reference, which the caller ends with torch-sys' at_free.
#pragma once
#include <cstddef>
#include <cstdint>

namespace at {
class Tensor;
}
using Handle = at::Tensor *;

extern "C" {
// Copies the last error of this thread, zero-terminated and cut to `capacity`.
void lightbox_torch_last_error(char *buffer, size_t capacity);

// tensors.cpp
int lightbox_torch_to_channels_last(Handle tensor, Handle *out);
int lightbox_torch_is_channels_last(Handle tensor, int *out);
// Gives `tensor` (and every other handle of the same tensor) the storage, device, type and strides of `data`.
int lightbox_torch_set_data(Handle tensor, Handle data);
int lightbox_torch_set_requires_grad(Handle tensor, int requires_grad);
int lightbox_torch_drop_gradients(Handle const *tensors, size_t count);

// optimizer.cpp: one step over all parameters, in torch.optim's order of operations. Parameters without a gradient are
// left as they are.
int lightbox_torch_adamw_step(Handle const *parameters, Handle const *first_moments, Handle const *second_moments,
                              const double *weight_decay, int64_t *steps, size_t count, double lr, double beta1,
                              double beta2, double eps);
int lightbox_torch_sgd_step(Handle const *parameters, Handle const *momentum_buffers, const double *weight_decay,
                            int64_t *steps, size_t count, double lr, double momentum, double dampening, int nesterov);
// Scales all gradients so that their joint 2-norm is at most max_norm.
int lightbox_torch_clip_gradients(Handle const *parameters, size_t count, double max_norm);

// context.cpp
struct LightboxAutocast {
  int32_t device_type;
  int32_t enabled;
  int32_t dtype;
  int32_t cache;
};
// Turns bf16 autocast on for a device (0 CPU, 1 CUDA) on this thread, and stores what was set before.
int lightbox_torch_autocast_enter(int32_t cuda, LightboxAutocast *before);
int lightbox_torch_autocast_leave(const LightboxAutocast *before);
int lightbox_torch_set_deterministic(int deterministic);
int lightbox_torch_cpu_capability(char *buffer, size_t capacity);
// Bytes on a CUDA device: allocated, reserved, peak allocated, free, total. Empties of the cache return it to the driver.
int lightbox_torch_cuda_memory(int32_t device, int64_t out[5]);
// How often the allocator of a device had to refuse memory.
int lightbox_torch_cuda_refusals(int32_t device, int64_t *out);
int lightbox_torch_cuda_empty_cache();
// Lets malloc keep freed memory for the next tensors. 0 when it agreed.
int lightbox_torch_keep_freed_memory();
}
