// AdamW and SGD over all parameters at once, bit for bit as torch.optim computes them on the CPU.
//
// torch.optim's default on the CPU runs each operation over a whole parameter before the next, so that a large parameter
// travels through memory eight times. Here the same operations run over one block at a time, which stays in the cache.
// The result has the same bits: a block is a multiple of every vector width, and blocks are cut inside the same ranges
// that at::parallel_for gives its threads for the whole parameter, so every element goes through the same code path.
#include "guard.h"
#include "shim.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <cmath>

using at::Tensor;
using lightbox::guarded;

namespace {
// at::internal::GRAIN_SIZE, by which TensorIterator shares work among threads.
constexpr int64_t kGrain = 32768;
// 64 KiB of each operand: four operands stay in a second-level cache.
constexpr int64_t kBlock = 16384;

bool same_layout(const Tensor &a, const Tensor &b) { return a.sizes() == b.sizes() && a.strides() == b.strides(); }

// Runs `body` over matching blocks of dense CPU tensors, or over the whole tensors where blocks are not possible.
template <size_t N, typename F> void in_blocks(const std::array<Tensor, N> &tensors, const F &body) {
  bool blocks = true;
  for (const auto &tensor : tensors)
    blocks = blocks && tensor.is_cpu() && tensor.is_non_overlapping_and_dense() && same_layout(tensor, tensors[0]);
  const int64_t total = tensors[0].numel();
  if (!blocks || total <= kBlock) {
    body(tensors);
    return;
  }
  std::array<Tensor, N> flat;
  for (size_t i = 0; i < N; ++i)
    flat[i] = tensors[i].as_strided({total}, {1});
  at::parallel_for(0, total, kGrain, [&](int64_t begin, int64_t end) {
    // Threads of the pool start with gradient mode on; nothing here is recorded.
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    for (int64_t at = begin; at < end; at += kBlock) {
      std::array<Tensor, N> block;
      for (size_t i = 0; i < N; ++i)
        block[i] = flat[i].narrow(0, at, std::min(kBlock, end - at));
      body(block);
    }
  });
}
} // namespace

int lightbox_torch_adamw_step(Handle const *parameters, Handle const *first_moments, Handle const *second_moments,
                              const double *weight_decay, int64_t *steps, size_t count, double lr, double beta1,
                              double beta2, double eps) {
  return guarded([&] {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    for (size_t i = 0; i < count; ++i) {
      const Tensor &gradient = parameters[i]->grad();
      if (!gradient.defined())
        continue;
      const double step = static_cast<double>(++steps[i]);
      const double decay = weight_decay[i];
      const double correction1 = 1 - std::pow(beta1, step);
      const double correction2_sqrt = std::sqrt(1 - std::pow(beta2, step));
      const double step_size = lr / correction1;
      in_blocks<4>({*parameters[i], gradient, *first_moments[i], *second_moments[i]}, [&](const auto &t) {
        const auto &[parameter, g, first, second] = t;
        if (decay != 0)
          parameter.mul_(1 - lr * decay);
        first.lerp_(g, 1 - beta1);
        second.mul_(beta2).addcmul_(g, g, 1 - beta2);
        const Tensor denominator = second.sqrt().div_(correction2_sqrt).add_(eps);
        parameter.addcdiv_(first, denominator, -step_size);
      });
    }
  });
}

int lightbox_torch_sgd_step(Handle const *parameters, Handle const *momentum_buffers, const double *weight_decay,
                            int64_t *steps, size_t count, double lr, double momentum, double dampening,
                            int nesterov) {
  return guarded([&] {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    for (size_t i = 0; i < count; ++i) {
      const Tensor &gradient = parameters[i]->grad();
      if (!gradient.defined())
        continue;
      const double decay = weight_decay[i];
      const bool first = steps[i]++ == 0;
      const Tensor &buffer = momentum != 0 ? *momentum_buffers[i] : gradient;
      in_blocks<3>({*parameters[i], gradient, buffer}, [&](const auto &t) {
        const auto &[parameter, raw, velocity] = t;
        Tensor g = decay != 0 ? raw.add(parameter, decay) : raw;
        if (momentum != 0) {
          if (first)
            velocity.copy_(g);
          else
            velocity.mul_(momentum).add_(g, 1 - dampening);
          g = nesterov != 0 ? g.add(velocity, momentum) : velocity;
        }
        parameter.add_(g, -lr);
      });
    }
  });
}

int lightbox_torch_clip_gradients(Handle const *parameters, size_t count, double max_norm) {
  return guarded([&] {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    std::vector<Tensor> gradients;
    for (size_t i = 0; i < count; ++i) {
      if (parameters[i]->grad().defined())
        gradients.push_back(parameters[i]->grad());
    }
    if (gradients.empty())
      return;
    // torch.nn.utils.clip_grad_norm_, operation by operation.
    const Tensor total = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2.0)), 2.0);
    const Tensor scale = (max_norm / (total + 1e-6)).clamp_max(1.0);
    at::_foreach_mul_(gradients, scale);
  });
}
