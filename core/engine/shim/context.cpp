// Process-wide settings, autocast and memory figures.
#include "guard.h"
#include "shim.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <ATen/autocast_mode.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <cstring>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace lightbox {
std::string &last_error() {
  thread_local std::string text;
  return text;
}
} // namespace lightbox

using lightbox::guarded;

static void copy_text(const std::string &text, char *buffer, size_t capacity) {
  if (buffer == nullptr || capacity == 0)
    return;
  const size_t length = std::min(text.size(), capacity - 1);
  std::memcpy(buffer, text.data(), length);
  buffer[length] = 0;
}

void lightbox_torch_last_error(char *buffer, size_t capacity) { copy_text(lightbox::last_error(), buffer, capacity); }

int lightbox_torch_autocast_enter(int32_t cuda, LightboxAutocast *before) {
  return guarded([&] {
    const auto device = cuda != 0 ? at::kCUDA : at::kCPU;
    before->device_type = cuda;
    before->enabled = at::autocast::is_autocast_enabled(device);
    before->dtype = static_cast<int32_t>(at::autocast::get_autocast_dtype(device));
    before->cache = at::autocast::is_autocast_cache_enabled();
    at::autocast::set_autocast_enabled(device, true);
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::set_autocast_cache_enabled(true);
    at::autocast::increment_nesting();
  });
}

int lightbox_torch_autocast_leave(const LightboxAutocast *before) {
  return guarded([&] {
    const auto device = before->device_type != 0 ? at::kCUDA : at::kCPU;
    // As torch.autocast does: weights cast once for the outermost region are dropped at its end.
    if (at::autocast::decrement_nesting() == 0)
      at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device, before->enabled != 0);
    at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(before->dtype));
    at::autocast::set_autocast_cache_enabled(before->cache != 0);
  });
}

int lightbox_torch_set_deterministic(int deterministic) {
  return guarded([&] {
    auto &context = at::globalContext();
    context.setDeterministicCuDNN(deterministic != 0);
    context.setBenchmarkCuDNN(deterministic == 0);
    // Warns instead of failing where an operation has no deterministic kernel: the run goes on and says so.
    context.setDeterministicAlgorithms(deterministic != 0, /*warn_only=*/true);
    // Filling fresh memory hides bugs of uninitialised reads, costs a pass over every tensor and is not needed here.
    context.setDeterministicFillUninitializedMemory(false);
  });
}

int lightbox_torch_cpu_capability(char *buffer, size_t capacity) {
  return guarded([&] { copy_text(at::get_cpu_capability(), buffer, capacity); });
}

int lightbox_torch_cuda_memory(int32_t device, int64_t out[5]) {
  return guarded([&] {
    auto *allocator = c10::getDeviceAllocator(at::kCUDA);
    const auto index = static_cast<c10::DeviceIndex>(device);
    const auto stats = allocator->getDeviceStats(index);
    const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    out[0] = stats.allocated_bytes[all].current;
    out[1] = stats.reserved_bytes[all].current;
    out[2] = stats.allocated_bytes[all].peak;
    const auto memory = allocator->getMemoryInfo(index);
    out[3] = static_cast<int64_t>(memory.first);
    out[4] = static_cast<int64_t>(memory.second);
  });
}

int lightbox_torch_cuda_refusals(int32_t device, int64_t *out) {
  return guarded([&] {
    auto *allocator = c10::getDeviceAllocator(at::kCUDA);
    *out = allocator->getDeviceStats(static_cast<c10::DeviceIndex>(device)).num_ooms;
  });
}

int lightbox_torch_cuda_empty_cache() {
  return guarded([&] { c10::getDeviceAllocator(at::kCUDA)->emptyCache(); });
}

int lightbox_torch_keep_freed_memory() {
  return guarded([&] {
#ifdef __GLIBC__
    // By default every tensor of more than 32 MB is mapped and unmapped by itself, and each step pays for fresh pages.
    const bool agreed = mallopt(M_MMAP_MAX, 0) == 1 && mallopt(M_TRIM_THRESHOLD, -1) == 1 &&
                        mallopt(M_TOP_PAD, 64 << 20) == 1 && mallopt(M_ARENA_MAX, 1) == 1;
    TORCH_CHECK(agreed, "malloc does not take its settings");
#endif
  });
}
