// Memory formats and gradients.
#include "guard.h"
#include "shim.h"

#include <ATen/ATen.h>

using lightbox::guarded;

int lightbox_torch_to_channels_last(Handle tensor, Handle *out) {
  return guarded([&] {
    // The same call as torch.nn.Module.to(memory_format=torch.channels_last), so that strides agree with it.
    *out = new at::Tensor(tensor->to(tensor->options(), false, false, at::MemoryFormat::ChannelsLast));
  });
}

int lightbox_torch_is_channels_last(Handle tensor, int *out) {
  return guarded([&] { *out = tensor->dim() == 4 && tensor->is_contiguous(at::MemoryFormat::ChannelsLast); });
}

int lightbox_torch_set_data(Handle tensor, Handle data) {
  return guarded([&] { tensor->set_data(*data); });
}

int lightbox_torch_set_requires_grad(Handle tensor, int requires_grad) {
  return guarded([&] { tensor->set_requires_grad(requires_grad != 0); });
}

int lightbox_torch_drop_gradients(Handle const *tensors, size_t count) {
  return guarded([&] {
    for (size_t i = 0; i < count; ++i)
      tensors[i]->mutable_grad().reset();
  });
}
