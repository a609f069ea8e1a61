/*
 * A CAM in C with no dependency at all: Grad-CAM.
 *
 * For each image, with A and G the activation and gradient [C,h,w] of a layer:
 *
 *     weight_k = mean of G_k,    map = sum over k of weight_k A_k
 *
 * and, with the parameter `positive`, only the channels whose weight is above zero.
 *
 * Build:  cc -std=c99 -O2 -shared -fPIC -I../../../core/abi/include -o cam-c.so cam.c
 */

#include "lightbox_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text of the last error of each thread. */
static __thread char error_text[256];

static lightbox_status fail(lightbox_status status, const char *text) {
    snprintf(error_text, sizeof error_text, "%s", text);
    return status;
}

static uint64_t last_error(char *buffer, uint64_t capacity) {
    uint64_t length = strlen(error_text);
    if (buffer != NULL && capacity > 0) {
        uint64_t copied = length < capacity ? length : capacity - 1;
        memcpy(buffer, error_text, copied);
        buffer[copied] = 0;
    }
    return length;
}

/* What the method is. */

static const lightbox_parameter positive = {
    .struct_size = sizeof(lightbox_parameter),
    .name = "positive",
    .help = "Leave out the channels whose weight is below zero.",
    .kind = LIGHTBOX_PARAMETER_BOOL,
    .int_default = 0,
    .int_max = 1,
};

static const lightbox_parameter *const parameters[] = { &positive };

static const lightbox_attribution_descriptor gradcam = {
    .struct_size = sizeof(lightbox_attribution_descriptor),
    .id = "gradcam-c",
    .name = "Grad-CAM in C",
    .reference = "Selvaraju et al. 2017, Grad-CAM, arXiv 1610.02391",
    .needs = LIGHTBOX_NEED_ACTIVATIONS | LIGHTBOX_NEED_GRADIENTS,
    .layers = LIGHTBOX_LAYERS_SEVERAL,
    .merge = LIGHTBOX_MERGE_MEAN,
    .batch = LIGHTBOX_BATCH_ANY,
    .layout = LIGHTBOX_LAYOUT_IMAGE,
    .dimensions = 4,
    .sign = LIGHTBOX_SIGN_NON_NEGATIVE,
    .resolution = LIGHTBOX_RESOLUTION_LAYER,
    .randomness = LIGHTBOX_RANDOMNESS_NONE,
    .device = LIGHTBOX_WANT_CPU,
    .parameter_count = 1,
    .parameters = parameters,
};

/* An instance. The host sees its first field. */

typedef struct {
    lightbox_attribution table;
    int positive;
} instance;

/* The data of a lent tensor: f32 in row-major order, since the descriptor accepts nothing else. */
static const float *data_of(const lightbox_tensor *tensor) {
    return (const float *)((const char *)tensor->tensor.data + tensor->tensor.byte_offset);
}

static void add_channel(float *map, const float *activation, const float *gradient, size_t pixels, int positive_only) {
    double sum = 0;
    for (size_t i = 0; i < pixels; i++) {
        sum += gradient[i];
    }
    float weight = (float)(sum / (double)pixels);
    if (positive_only && weight <= 0) {
        return;
    }
    for (size_t i = 0; i < pixels; i++) {
        map[i] += weight * activation[i];
    }
}

static lightbox_status attribute(lightbox_attribution *attribution, const lightbox_request *request,
                                 const lightbox_maps *maps) {
    const instance *self = (const instance *)attribution;
    for (uint64_t l = 0; l < request->layer_count; l++) {
        const lightbox_layer *layer = request->layers[l];
        if (layer->activations == NULL || layer->gradients == NULL) {
            return fail(LIGHTBOX_STATUS_INVALID_ARGUMENT, "the request lacks activations or gradients");
        }
        size_t channels = (size_t)layer->activations->tensor.shape[1];
        size_t pixels = (size_t)(layer->height * layer->width);
        float *map;
        lightbox_status status = maps->get(maps, l, layer->height, layer->width, &map);
        if (status != LIGHTBOX_STATUS_OK) {
            return fail(status, "the host gave no memory for a map");
        }
        const float *activations = data_of(layer->activations), *gradients = data_of(layer->gradients);
        memset(map, 0, request->image_count * pixels * sizeof *map);
        for (size_t n = 0; n < request->image_count; n++) {
            for (size_t k = 0; k < channels; k++) {
                size_t start = (n * channels + k) * pixels;
                add_channel(map + n * pixels, activations + start, gradients + start, pixels, self->positive);
            }
        }
    }
    return LIGHTBOX_STATUS_OK;
}

static void destroy(lightbox_attribution *attribution) {
    free(attribution);
}

/* The factory. */

static uint32_t count(const lightbox_attribution_factory *factory) {
    (void)factory;
    return 1;
}

static const lightbox_attribution_descriptor *descriptor(const lightbox_attribution_factory *factory, uint32_t index) {
    (void)factory;
    return index == 0 ? &gradcam : NULL;
}

static lightbox_status create(const lightbox_attribution_factory *factory, const char *id,
                              const lightbox_parameter_value *const *values, uint32_t value_count,
                              lightbox_attribution **out) {
    (void)factory;
    if (strcmp(id, gradcam.id) != 0) {
        return fail(LIGHTBOX_STATUS_INVALID_ARGUMENT, "there is no such method");
    }
    instance *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return fail(LIGHTBOX_STATUS_OUT_OF_MEMORY, "there is no memory for an instance");
    }
    self->table.struct_size = sizeof self->table;
    self->table.attribute = attribute;
    self->table.destroy = destroy;
    for (uint32_t i = 0; i < value_count; i++) {
        if (strcmp(values[i]->name, positive.name) == 0) {
            self->positive = values[i]->int_value != 0;
        }
    }
    *out = &self->table;
    return LIGHTBOX_STATUS_OK;
}

static const lightbox_attribution_factory factory = {
    .struct_size = sizeof(lightbox_attribution_factory),
    .count = count,
    .descriptor = descriptor,
    .create = create,
};

/* The entry. */

static lightbox_status init(const lightbox_host *host) {
    if (host->abi_major != LIGHTBOX_ABI_MAJOR) {
        return fail(LIGHTBOX_STATUS_UNSUPPORTED, "the host speaks another ABI");
    }
    return LIGHTBOX_STATUS_OK;
}

static void deinit(void) {}

static const void *get_factory(const char *id) {
    return strcmp(id, LIGHTBOX_ATTRIBUTION_ID) == 0 ? &factory : NULL;
}

LIGHTBOX_EXPORT const lightbox_entry lightbox_plugin_entry = {
    .abi_major = LIGHTBOX_ABI_MAJOR,
    .abi_minor = LIGHTBOX_ABI_MINOR,
    .struct_size = sizeof(lightbox_entry),
    .plugin_id = "org.lightbox.examples.cam-c",
    .plugin_version = "0.1.0",
    .init = init,
    .deinit = deinit,
    .last_error = last_error,
    .get_factory = get_factory,
};
