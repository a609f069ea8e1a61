// A small network: three convolutions with normalisation and ReLU, pooling, dropout, a linear layer.
//
//     features.0    conv 3x3, width       batch norm, ReLU
//     features.1    conv 3x3, 2 width, stride 2    "
//     features.2    conv 3x3, 4 width, stride 2    "
//                   mean over all pixels, dropout, linear

#pragma once

#include "operators.hpp"

#include <cmath>

namespace example {

constexpr int64_t kCuts = 3;
constexpr const char *kCutNames[kCuts] = {"features.0", "features.1", "features.2"};

// A parameter or buffer under its name in the state_dict.
struct Variable {
    std::string name;
    Tensor tensor;
    bool trainable;
};

struct Settings {
    int64_t channels;
    int64_t classes;
    int64_t width;
    double dropout;
};

class Network {
  public:
    explicit Network(const Settings &settings) : dropout_(settings.dropout) {
        int64_t inputs = settings.channels, outputs = settings.width;
        for (int64_t cut = 0; cut < kCuts; cut++) {
            add_block(kCutNames[cut], inputs, outputs);
            inputs = outputs;
            outputs *= 2;
        }
        const double bound = 1 / std::sqrt(static_cast<double>(inputs));
        parameter("classifier.weight", uniform({settings.classes, inputs}, bound));
        parameter("classifier.bias", uniform({settings.classes}, bound));
    }

    // Runs segments `first` to `last`, both inclusive; segment kCuts is what comes after the last cut point.
    Tensor run(Tensor value, int64_t first, int64_t last, bool train) const {
        for (int64_t segment = first; segment <= last; segment++) {
            value = segment < kCuts ? block(segment, value, train) : head(value, train);
        }
        return value;
    }

    const std::vector<Variable> &variables() const { return variables_; }

  private:
    // Variables of one block, in the order in which they are added.
    enum { kWeight, kScale, kShift, kMean, kVariance, kPerBlock };

    void add_block(const std::string &name, int64_t inputs, int64_t outputs) {
        // What torch.nn.Conv2d draws: uniform within 1 / sqrt(inputs of one output).
        const double bound = 1 / std::sqrt(static_cast<double>(inputs * 9));
        parameter(name + ".conv.weight", uniform({outputs, inputs, 3, 3}, bound));
        parameter(name + ".norm.weight", ones({outputs}));
        parameter(name + ".norm.bias", zeros({outputs}));
        variables_.push_back({name + ".norm.running_mean", zeros({outputs}), false});
        variables_.push_back({name + ".norm.running_var", ones({outputs}), false});
    }

    void parameter(const std::string &name, Tensor tensor) {
        variables_.push_back({name, tensor.set_requires_grad(true), true});
    }

    Tensor block(int64_t index, const Tensor &input, bool train) const {
        const auto variable = [&](int64_t which) { return variables_[index * kPerBlock + which].tensor; };
        const int64_t stride = index == 0 ? 1 : 2;
        const Sizes strides{stride, stride}, padding{1, 1}, dilation{1, 1};
        const Tensor convolved = call("aten::conv2d", "", input, variable(kWeight), std::nullopt, strides, padding,
                                      dilation, int64_t{1});
        const double momentum = 0.1, epsilon = 1e-5;
        const Tensor normalised =
            call("aten::batch_norm", "", convolved, std::make_optional(variable(kScale)),
                 std::make_optional(variable(kShift)), std::make_optional(variable(kMean)),
                 std::make_optional(variable(kVariance)), train, momentum, epsilon, /*cudnn_enabled=*/true);
        return call("aten::relu", "", normalised);
    }

    Tensor head(const Tensor &input, bool train) const {
        const Tensor pooled = call("aten::adaptive_avg_pool2d", "", input, Sizes{1, 1});
        const Tensor flat = call("aten::flatten", "using_ints", pooled, int64_t{1}, int64_t{-1});
        const Tensor kept = call("aten::dropout", "", flat, dropout_, train);
        const auto &weight = variables_[kCuts * kPerBlock].tensor, &bias = variables_[kCuts * kPerBlock + 1].tensor;
        return call("aten::linear", "", kept, weight, std::make_optional(bias));
    }

    std::vector<Variable> variables_;
    double dropout_;
};

} // namespace example
