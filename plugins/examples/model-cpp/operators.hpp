// Calls libtorch's operators by name, through the C functions that stay the same from one libtorch to the next.
//
// The dispatcher behind them is the one that Python uses: autograd writes the graph down, autocast chooses types, and
// tensors may be on any device.

#pragma once

// The oldest libtorch that the plugin runs on; headers of a newer one then hide what that one lacks. 2.10 is the first
// that takes lists, which strides and paddings are. `lightbox_plugin_libtorch` says the same to the host.
#define TORCH_TARGET_VERSION 0x020a000000000000ULL

#include <torch/csrc/stable/stableivalue_conversions.h>
#include <torch/csrc/stable/tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace example {

using torch::stable::Tensor;
using Sizes = std::vector<int64_t>;

// Runs `aten::name.overload`. The arguments are those of its schema in `native_functions.yaml`, all of them, in order:
// Tensor as it is, `int` as int64_t, `float` as double, `bool` as bool, `int[]` as Sizes, what is left out as
// std::nullopt. Every operator used here gives one tensor.
template <typename... Arguments>
Tensor call(const char *name, const char *overload, const Arguments &...arguments) {
    std::array<StableIValue, sizeof...(arguments)> stack{torch::stable::detail::from(arguments)...};
    if (torch_call_dispatcher(name, overload, stack.data(), TORCH_ABI_VERSION) != AOTI_TORCH_SUCCESS) {
        // The functions give no text; libtorch writes it to the error output.
        throw std::runtime_error(std::string(name) + " failed");
    }
    return torch::stable::detail::to<Tensor>(stack[0]);
}

inline Tensor zeros(const Sizes &sizes) {
    return call("aten::zeros", "", sizes, std::nullopt, std::nullopt, std::nullopt, std::nullopt);
}

inline Tensor ones(const Sizes &sizes) {
    return call("aten::ones", "", sizes, std::nullopt, std::nullopt, std::nullopt, std::nullopt);
}

// Drawn from libtorch's default generator, which the host has seeded.
inline Tensor uniform(const Sizes &sizes, double bound) {
    return call("aten::uniform_", "", zeros(sizes), -bound, bound, std::nullopt);
}

} // namespace example
