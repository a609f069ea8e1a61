// A network in C++ for any libtorch from 2.10 on: it uses the stable C shim alone, and links nothing of libtorch's C++.
//
// Build, with LIBTORCH the folder that holds libtorch's include/ (its libraries are those that the host has loaded):
//
//     c++ -std=c++17 -O2 -shared -fPIC -fvisibility=hidden -I../../../core/abi/include -isystem $LIBTORCH/include
//         -o model-cpp.so model.cpp

#include "network.hpp"

#include "lightbox_plugin.h"

#include <cstring>
#include <memory>
#include <new>

namespace {

using example::kCutNames;
using example::kCuts;
using example::Network;
using example::Tensor;

// The text of the last error of each thread.
thread_local std::string error_text;

lightbox_status fail(lightbox_status status, const char *text) noexcept {
    try {
        error_text = text;
    } catch (...) {
        error_text.clear();
    }
    return status;
}

// No exception crosses the ABI.
template <typename Body> lightbox_status guarded(const Body &body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return fail(LIGHTBOX_STATUS_OUT_OF_MEMORY, "there is not enough memory");
    } catch (const std::exception &error) {
        return fail(LIGHTBOX_STATUS_FAILED, error.what());
    } catch (...) {
        return fail(LIGHTBOX_STATUS_FAILED, "an exception of an unknown type");
    }
}

uint64_t last_error(char *buffer, uint64_t capacity) {
    if (buffer != nullptr && capacity > 0) {
        const uint64_t copied = std::min<uint64_t>(error_text.size(), capacity - 1);
        std::memcpy(buffer, error_text.data(), copied);
        buffer[copied] = 0;
    }
    return error_text.size();
}

// What the network is.

lightbox_parameter width_option() {
    lightbox_parameter row{};
    row.struct_size = sizeof row;
    row.name = "width";
    row.help = "Channels of the first convolution; each next one has twice as many.";
    row.kind = LIGHTBOX_PARAMETER_INT;
    row.int_default = 8;
    row.int_min = 1;
    row.int_max = 256;
    return row;
}

lightbox_parameter dropout_option() {
    lightbox_parameter row{};
    row.struct_size = sizeof row;
    row.name = "dropout";
    row.help = "Share of the pooled features that a training step leaves out.";
    row.kind = LIGHTBOX_PARAMETER_FLOAT;
    row.float_max = 0.9;
    return row;
}

const lightbox_parameter width = width_option(), dropout = dropout_option();
const lightbox_parameter *const options[] = {&width, &dropout};
const uint32_t channels[] = {1, 3};

lightbox_model_descriptor describe() {
    lightbox_model_descriptor network{};
    network.struct_size = sizeof network;
    network.id = "small-cnn-cpp";
    network.name = "Small CNN in C++";
    network.description = "Three 3x3 convolutions with batch normalisation and ReLU, pooling, dropout, a linear layer.";
    network.input_height = network.input_width = 64;
    network.minimum_height = network.minimum_width = 8;
    network.layout = LIGHTBOX_LAYOUT_IMAGE;
    network.dimensions = 4;
    for (int channel = 0; channel < 3; channel++) {
        network.mean[channel] = 0.5;
        network.std[channel] = 0.25;
    }
    network.channel_count = 2;
    network.channels = channels;
    network.cut_point_count = kCuts;
    network.cut_points = kCutNames;
    network.default_cut_point = kCuts - 1;
    network.option_count = 2;
    network.options = options;
    return network;
}

const lightbox_model_descriptor descriptor_of_network = describe();

// An instance. The host sees its first field.

struct Instance {
    lightbox_model table;
    Network network;
};

Instance &instance(lightbox_model *model) { return *reinterpret_cast<Instance *>(model); }

// A reference of our own to a tensor of the host. Both types are at::Tensor *.
Tensor borrow(lightbox_tensor_handle handle) {
    AtenTensorHandle own = nullptr;
    TORCH_ERROR_CODE_CHECK(aoti_torch_new_tensor_handle(reinterpret_cast<AtenTensorHandle>(handle), &own));
    return Tensor(own);
}

lightbox_status forward_between(lightbox_model *model, lightbox_tensor_handle input, int64_t from, int64_t to,
                                int32_t train, lightbox_tensor_handle *out) {
    return guarded([&] {
        const int64_t first = from + 1, last = to == LIGHTBOX_CUT_END ? kCuts : to;
        if (from < LIGHTBOX_CUT_END || last > kCuts || first > last) {
            return fail(LIGHTBOX_STATUS_INVALID_ARGUMENT, "there is no way between these cut points");
        }
        const Tensor result = instance(model).network.run(borrow(input), first, last, train != 0);
        AtenTensorHandle given = nullptr;
        TORCH_ERROR_CODE_CHECK(aoti_torch_new_tensor_handle(result.get(), &given));
        *out = reinterpret_cast<lightbox_tensor_handle>(given);
        return LIGHTBOX_STATUS_OK;
    });
}

lightbox_status variables(lightbox_model *model, lightbox_variable_visitor visit, void *context) {
    return guarded([&] {
        for (const auto &variable : instance(model).network.variables()) {
            lightbox_variable row{};
            row.struct_size = sizeof row;
            row.name = variable.name.c_str();
            row.tensor = reinterpret_cast<lightbox_tensor_handle>(variable.tensor.get());
            row.trainable = variable.trainable;
            const lightbox_status status = visit(context, &row);
            if (status != LIGHTBOX_STATUS_OK) {
                return status;
            }
        }
        return LIGHTBOX_STATUS_OK;
    });
}

void release(lightbox_model *, lightbox_tensor_handle tensor) {
    aoti_torch_delete_tensor_object(reinterpret_cast<AtenTensorHandle>(tensor));
}

void destroy(lightbox_model *model) { delete &instance(model); }

// The factory.

uint32_t count(const lightbox_model_factory *) { return 1; }

const lightbox_model_descriptor *descriptor(const lightbox_model_factory *, uint32_t index) {
    return index == 0 ? &descriptor_of_network : nullptr;
}

example::Settings settings(const lightbox_model_request &request) {
    example::Settings settings{};
    settings.channels = static_cast<int64_t>(request.channel_count);
    settings.classes = static_cast<int64_t>(request.class_count);
    for (uint64_t i = 0; i < request.option_count; i++) {
        const lightbox_parameter_value &value = *request.options[i];
        if (std::strcmp(value.name, width.name) == 0) {
            settings.width = value.int_value;
        } else if (std::strcmp(value.name, dropout.name) == 0) {
            settings.dropout = value.float_value;
        }
    }
    return settings;
}

lightbox_status create(const lightbox_model_factory *, const lightbox_model_request *request, lightbox_model **out) {
    return guarded([&] {
        if (std::strcmp(request->id, descriptor_of_network.id) != 0) {
            return fail(LIGHTBOX_STATUS_INVALID_ARGUMENT, "there is no such network");
        }
        auto made = std::make_unique<Instance>(Instance{{}, Network(settings(*request))});
        made->table.struct_size = sizeof made->table;
        made->table.forward_between = forward_between;
        made->table.variables = variables;
        made->table.release = release;
        made->table.destroy = destroy;
        *out = &made.release()->table;
        return LIGHTBOX_STATUS_OK;
    });
}

const lightbox_model_factory factory = {sizeof(lightbox_model_factory), count, descriptor, create};

// The entry.

lightbox_status init(const lightbox_host *host) {
    if (host->abi_major != LIGHTBOX_ABI_MAJOR) {
        return fail(LIGHTBOX_STATUS_UNSUPPORTED, "the host speaks another ABI");
    }
    return LIGHTBOX_STATUS_OK;
}

void deinit() {}

const void *get_factory(const char *id) { return std::strcmp(id, LIGHTBOX_MODEL_ID) == 0 ? &factory : nullptr; }

} // namespace

extern "C" LIGHTBOX_EXPORT const lightbox_entry lightbox_plugin_entry = {
    LIGHTBOX_ABI_MAJOR,
    LIGHTBOX_ABI_MINOR,
    sizeof(lightbox_entry),
    "org.lightbox.examples.model-cpp",
    "0.1.0",
    init,
    deinit,
    last_error,
    get_factory,
};

// Read from the file before the library is loaded.
extern "C" LIGHTBOX_EXPORT const char lightbox_plugin_libtorch[LIGHTBOX_LIBTORCH_CAPACITY] = ">=2.10.0";
