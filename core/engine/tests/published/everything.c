/*
 * A plugin that asks everything of the ABI, in C99 that is C++17 too.
 *
 * Its method `everything` has a parameter of each kind. `part` says which part of the ABI is asked, and the map of an image
 * holds one number everywhere: scale times what that part gave for the image, plus shift, and negated if asked to.
 *
 * `1.0/everything.so` was built from this file with the header of that version, and is not built again: see ../published.rs.
 */

#include "lightbox_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char error_text[512];

static lightbox_status fail(lightbox_status status, const char *text) {
    snprintf(error_text, sizeof error_text, "%s", text);
    return status;
}

static uint64_t last_error(char *buffer, uint64_t capacity) {
    uint64_t length = strlen(error_text);
    if (buffer != NULL && capacity > 0) {
        snprintf(buffer, (size_t)capacity, "%s", error_text);
    }
    return length;
}

/* What the method is. */

static const char *const parts[] = {
    "request", "forward", "forward-from", "vjp", "input-vjp", "resize", "random", "scratch", "talk",
    "hvp", "taps", "keep", "nothing-known", "error",
};
enum { REQUEST, FORWARD, FORWARD_FROM, VJP, INPUT_VJP, RESIZE, RANDOM, SCRATCH, TALK, HVP, TAPS, KEEP, NOTHING_KNOWN, ERROR };

static const lightbox_parameter part = {
    sizeof(lightbox_parameter), "part", "Which part of the ABI is asked.", LIGHTBOX_PARAMETER_CHOICE,
    sizeof parts / sizeof *parts, 0, 0, 0, 0, 0, sizeof parts / sizeof *parts - 1, parts,
};
static const lightbox_parameter scale = {
    sizeof(lightbox_parameter), "scale", "Factor.", LIGHTBOX_PARAMETER_FLOAT, 0, 1.0, -8.0, 8.0, 0, 0, 0, NULL,
};
static const lightbox_parameter shift = {
    sizeof(lightbox_parameter), "shift", "Added.", LIGHTBOX_PARAMETER_INT, 0, 0, 0, 0, 0, -9, 9, NULL,
};
static const lightbox_parameter negate = {
    sizeof(lightbox_parameter), "negate", NULL, LIGHTBOX_PARAMETER_BOOL, 0, 0, 0, 0, 0, 0, 1, NULL,
};
static const lightbox_parameter *const parameters[] = { &part, &scale, &shift, &negate };

static const lightbox_attribution_descriptor everything = {
    sizeof(lightbox_attribution_descriptor), "everything", "Everything", "Nobody, never", "One number per image.",
    LIGHTBOX_NEED_ACTIVATIONS | LIGHTBOX_NEED_GRADIENTS | LIGHTBOX_NEED_INPUT | LIGHTBOX_NEED_SCORES
        | LIGHTBOX_NEED_FORWARD | LIGHTBOX_NEED_FORWARD_FROM | LIGHTBOX_NEED_VJP,
    0, LIGHTBOX_LAYERS_SEVERAL, LIGHTBOX_MERGE_PLUGIN, LIGHTBOX_BATCH_ANY, LIGHTBOX_LAYOUT_IMAGE, 4,
    LIGHTBOX_SIGN_SIGNED, LIGHTBOX_RESOLUTION_LAYER, LIGHTBOX_RANDOMNESS_SEEDED, LIGHTBOX_WANT_CPU,
    sizeof parameters / sizeof *parameters, parameters,
};

/* Tensors. */

static float *data_of(const lightbox_tensor *tensor) {
    return (float *)(void *)((char *)tensor->tensor.data + tensor->tensor.byte_offset);
}

/* Numbers in one row of a tensor. */
static uint64_t row_of(const lightbox_tensor *tensor) {
    uint64_t row = 1;
    for (int32_t d = 1; d < tensor->tensor.ndim; d++) {
        row *= (uint64_t)tensor->tensor.shape[d];
    }
    return row;
}

static double sum_of(const float *values, uint64_t count) {
    double sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum += values[i];
    }
    return sum;
}

/* A tensor of the plugin's own, with memory of the host's. */
typedef struct {
    lightbox_tensor tensor;
    int64_t shape[4];
    int64_t strides[4];
} own_tensor;

static lightbox_status own(const lightbox_run *run, const lightbox_services *services, own_tensor *out, int32_t ndim,
                           const int64_t *shape) {
    void *memory = NULL;
    int64_t count = 1;
    memset(out, 0, sizeof *out);
    for (int32_t d = ndim - 1; d >= 0; d--) {
        out->shape[d] = shape[d];
        out->strides[d] = count;
        count *= shape[d];
    }
    lightbox_status status = services->scratch(run, (uint64_t)count * sizeof(float), &memory);
    if (status != LIGHTBOX_STATUS_OK) {
        return status;
    }
    out->tensor.version.major = LIGHTBOX_DLPACK_MAJOR;
    out->tensor.version.minor = LIGHTBOX_DLPACK_MINOR;
    out->tensor.tensor.data = memory;
    out->tensor.tensor.device.device_type = LIGHTBOX_DEVICE_CPU;
    out->tensor.tensor.ndim = ndim;
    out->tensor.tensor.dtype.code = LIGHTBOX_TYPE_FLOAT;
    out->tensor.tensor.dtype.bits = 32;
    out->tensor.tensor.dtype.lanes = 1;
    out->tensor.tensor.shape = out->shape;
    out->tensor.tensor.strides = out->strides;
    return LIGHTBOX_STATUS_OK;
}

/* The instance. */

typedef struct {
    lightbox_attribution table;
    int64_t part;
    double scale;
    int64_t shift;
    int64_t negate;
} instance;

/* What a call works with. */
typedef struct {
    const lightbox_request *request;
    const lightbox_run *run;
    const lightbox_services *services;
    /* One number for each image. */
    double *numbers;
} work;

static lightbox_status check(const work *w, lightbox_status status) {
    if (status != LIGHTBOX_STATUS_OK) {
        char text[256] = "";
        w->services->last_error(w->run, text, sizeof text);
        return fail(status, text);
    }
    return status;
}

#define TRY(call)                                        \
    do {                                                 \
        lightbox_status tried = (call);                  \
        if (tried != LIGHTBOX_STATUS_OK) return tried;   \
    } while (0)

static lightbox_status rows(const work *w, const lightbox_tensor *tensor) {
    uint64_t row = row_of(tensor);
    for (uint64_t n = 0; n < w->request->image_count; n++) {
        w->numbers[n] = sum_of(data_of(tensor) + n * row, row);
    }
    return LIGHTBOX_STATUS_OK;
}

/* 1 at each image's target, [N,K]. */
static lightbox_status targets(const work *w, own_tensor *out) {
    int64_t shape[2] = { (int64_t)w->request->image_count, (int64_t)w->request->class_count };
    TRY(check(w, own(w->run, w->services, out, 2, shape)));
    for (uint64_t n = 0; n < w->request->image_count; n++) {
        data_of(&out->tensor)[n * w->request->class_count + w->request->targets[n]] = 1;
    }
    return LIGHTBOX_STATUS_OK;
}

static lightbox_status target_scores(const work *w, const own_tensor *scores) {
    for (uint64_t n = 0; n < w->request->image_count; n++) {
        w->numbers[n] = data_of(&scores->tensor)[n * w->request->class_count + w->request->targets[n]];
    }
    return LIGHTBOX_STATUS_OK;
}

static lightbox_status passes(const work *w, int from_layer) {
    const lightbox_layer *layer = w->request->layers[0];
    int64_t shape[2] = { (int64_t)w->request->image_count, (int64_t)w->request->class_count };
    own_tensor scores;
    TRY(check(w, own(w->run, w->services, &scores, 2, shape)));
    TRY(check(w, from_layer ? w->services->forward_from(w->run, 0, layer->activations, &scores.tensor)
                            : w->services->forward(w->run, w->request->input, &scores.tensor)));
    return target_scores(w, &scores);
}

static lightbox_status gradient(const work *w, int at_input) {
    const lightbox_tensor *point = at_input ? w->request->input : w->request->layers[0]->activations;
    own_tensor cotangent, out;
    TRY(targets(w, &cotangent));
    TRY(check(w, own(w->run, w->services, &out, 4, point->tensor.shape)));
    TRY(check(w, w->services->vjp(w->run, at_input ? LIGHTBOX_AT_INPUT : 0, point, &cotangent.tensor, &out.tensor)));
    return rows(w, &out.tensor);
}

/* The first channel of the gradients, scaled and made 3 x 4. */
static lightbox_status resize(const work *w) {
    const lightbox_layer *layer = w->request->layers[0];
    int64_t images = (int64_t)w->request->image_count;
    int64_t from[3] = { images, (int64_t)layer->height, (int64_t)layer->width };
    int64_t to[3] = { images, 3, 4 };
    own_tensor maps, out;
    uint64_t pixels = layer->height * layer->width, row = row_of(layer->gradients);
    TRY(check(w, own(w->run, w->services, &maps, 3, from)));
    TRY(check(w, own(w->run, w->services, &out, 3, to)));
    for (uint64_t n = 0; n < w->request->image_count; n++) {
        memcpy(data_of(&maps.tensor) + n * pixels, data_of(layer->gradients) + n * row, (size_t)pixels * sizeof(float));
    }
    uint32_t flags = LIGHTBOX_RESIZE_SCALE | LIGHTBOX_RESIZE_ALIGN_CORNERS;
    TRY(check(w, w->services->scale_and_resize(w->run, &maps.tensor, flags, &out.tensor)));
    return rows(w, &out.tensor);
}

/* Five uniform numbers and five normal ones of each image's seed, added up. */
static lightbox_status draw(const work *w) {
    for (uint64_t n = 0; n < w->request->image_count; n++) {
        float uniform[5], normal[5];
        TRY(check(w, w->services->random_uniform(w->run, w->request->image_seeds[n], uniform, 5)));
        TRY(check(w, w->services->random_normal(w->run, w->request->image_seeds[n], normal, 5)));
        w->numbers[n] = sum_of(uniform, 5) + sum_of(normal, 5);
    }
    return LIGHTBOX_STATUS_OK;
}

/* 1 where the memory is zeroed and aligned. */
static lightbox_status memory(const work *w) {
    void *out = NULL;
    TRY(check(w, w->services->scratch(w->run, 1000, &out)));
    int good = (uintptr_t)out % 64 == 0;
    for (int i = 0; i < 1000; i++) {
        good = good && ((char *)out)[i] == 0;
    }
    for (uint64_t n = 0; n < w->request->image_count; n++) {
        w->numbers[n] = good;
    }
    return LIGHTBOX_STATUS_OK;
}

/* A line at each level, progress, and the end where the user wants it. */
static lightbox_status talk(const work *w) {
    w->services->log(w->run, LIGHTBOX_LOG_ERROR, "an error");
    w->services->log(w->run, LIGHTBOX_LOG_WARNING, "a warning");
    w->services->log(w->run, LIGHTBOX_LOG_INFO, "worth knowing");
    w->services->log(w->run, LIGHTBOX_LOG_DEBUG, "for the author");
    for (uint64_t n = 0; n < w->request->image_count; n++) {
        if (w->services->is_cancelled(w->run)) {
            return fail(LIGHTBOX_STATUS_CANCELLED, "stopped");
        }
        w->services->progress(w->run, n + 1, w->request->image_count);
        w->numbers[n] = (double)n;
    }
    return LIGHTBOX_STATUS_OK;
}

/* The Hessian's product with the gradients. */
static lightbox_status curve(const work *w) {
    const lightbox_layer *layer = w->request->layers[0];
    const lightbox_hvp *hvp = (const lightbox_hvp *)w->run->get_extension(w->run, LIGHTBOX_HVP_ID);
    own_tensor cotangent, out;
    if (hvp == NULL || hvp->struct_size < sizeof *hvp) {
        return fail(LIGHTBOX_STATUS_UNSUPPORTED, "the host has no second derivatives");
    }
    TRY(targets(w, &cotangent));
    TRY(check(w, own(w->run, w->services, &out, 4, layer->activations->tensor.shape)));
    TRY(check(w, hvp->hvp(w->run, 0, layer->activations, &cotangent.tensor, layer->gradients, &out.tensor)));
    return rows(w, &out.tensor);
}

/* Of all taps: outputs plus gradient times bias; and 100 for each tap whose name begins with `c`. */
static lightbox_status tap(const work *w) {
    const lightbox_taps *taps = (const lightbox_taps *)w->run->get_extension(w->run, LIGHTBOX_TAPS_ID);
    own_tensor cotangent, bias, output, gradients;
    uint64_t count = 0;
    if (taps == NULL || taps->struct_size < sizeof *taps) {
        return fail(LIGHTBOX_STATUS_UNSUPPORTED, "the host has no taps");
    }
    TRY(targets(w, &cotangent));
    TRY(check(w, taps->open(w->run, w->request->input, &cotangent.tensor, &count)));
    for (uint64_t t = 0; t < count; t++) {
        lightbox_tap_info info;
        memset(&info, 0, sizeof info);
        info.struct_size = sizeof info;
        TRY(check(w, taps->describe(w->run, t, &info)));
        int64_t shape[4] = { (int64_t)w->request->image_count, (int64_t)info.channels, (int64_t)info.height,
                             (int64_t)info.width };
        uint64_t pixels = info.height * info.width;
        TRY(check(w, own(w->run, w->services, &bias, 1, &shape[1])));
        TRY(check(w, own(w->run, w->services, &output, 4, shape)));
        TRY(check(w, own(w->run, w->services, &gradients, 4, shape)));
        TRY(check(w, taps->bias(w->run, t, &bias.tensor)));
        TRY(check(w, taps->output(w->run, t, &output.tensor)));
        TRY(check(w, taps->gradient(w->run, t, &gradients.tensor)));
        for (uint64_t n = 0; n < w->request->image_count; n++) {
            w->numbers[n] += info.name[0] == 'c' ? 100 : 0;
            for (uint64_t c = 0; c < info.channels; c++) {
                uint64_t start = (n * info.channels + c) * pixels;
                w->numbers[n] += sum_of(data_of(&output.tensor) + start, pixels);
                w->numbers[n] += data_of(&bias.tensor)[c] * sum_of(data_of(&gradients.tensor) + start, pixels);
            }
        }
    }
    return LIGHTBOX_STATUS_OK;
}

/* The activations by a reference of our own, which is ended. */
static lightbox_status keep(const work *w) {
    const lightbox_tensor *lent = w->request->layers[0]->activations;
    const lightbox_keep *keeps = (const lightbox_keep *)w->run->get_extension(w->run, LIGHTBOX_KEEP_ID);
    lightbox_tensor *kept = NULL;
    if (keeps == NULL || keeps->struct_size < sizeof *keeps) {
        return fail(LIGHTBOX_STATUS_UNSUPPORTED, "the host keeps no tensors");
    }
    TRY(check(w, keeps->keep(w->run, lent, &kept)));
    if (kept->tensor.data != lent->tensor.data || !(kept->flags & LIGHTBOX_TENSOR_READ_ONLY) || kept->deleter == NULL) {
        return fail(LIGHTBOX_STATUS_FAILED, "the kept tensor is another");
    }
    TRY(rows(w, kept));
    kept->deleter(kept);
    return LIGHTBOX_STATUS_OK;
}

/* The request's own fields. */
static lightbox_status request_fields(const work *w) {
    const lightbox_request *r = w->request;
    const lightbox_layer *layer = r->layers[0];
    int on_cpu = r->device.device_type == LIGHTBOX_DEVICE_CPU && layer->activations->tensor.device.device_type == LIGHTBOX_DEVICE_CPU;
    uint64_t scores = row_of(r->scores);
    for (uint64_t n = 0; n < r->image_count; n++) {
        w->numbers[n] = (double)(r->input_channels + 10 * r->input_height + 1000 * r->input_width + 100000 * r->class_count)
            + (double)(r->image_seeds[n] - r->seed) / 16 + (double)strlen(layer->name) / 256
            + (on_cpu && r->cuda_stream == NULL && r->scores->version.major == LIGHTBOX_DLPACK_MAJOR ? 0.5 : 0)
            + (sum_of(data_of(r->scores) + n * scores, scores) > 0 ? 0.125 : 0);
    }
    return LIGHTBOX_STATUS_OK;
}

static lightbox_status compute(const instance *self, const work *w) {
    switch (self->part) {
    case REQUEST: return request_fields(w);
    case FORWARD: return passes(w, 0);
    case FORWARD_FROM: return passes(w, 1);
    case VJP: return gradient(w, 0);
    case INPUT_VJP: return gradient(w, 1);
    case RESIZE: return resize(w);
    case RANDOM: return draw(w);
    case SCRATCH: return memory(w);
    case TALK: return talk(w);
    case HVP: return curve(w);
    case TAPS: return tap(w);
    case KEEP: return keep(w);
    case NOTHING_KNOWN:
        return w->run->get_extension(w->run, "org.example.not-there/1") == NULL
            ? LIGHTBOX_STATUS_OK
            : fail(LIGHTBOX_STATUS_FAILED, "the host knows what nobody has");
    case ERROR: {
        own_tensor scores;
        int64_t shape[1] = { 1 };
        TRY(check(w, own(w->run, w->services, &scores, 1, shape)));
        return check(w, w->services->forward(w->run, w->request->input, &scores.tensor));
    }
    default: return fail(LIGHTBOX_STATUS_INVALID_ARGUMENT, "there is no such part");
    }
}

static lightbox_status attribute(lightbox_attribution *attribution, const lightbox_request *request,
                                 const lightbox_maps *maps) {
    const instance *self = (const instance *)(const void *)attribution;
    work w = { request, request->run, NULL, NULL };
    void *numbers = NULL;
    float *map = NULL;
    uint64_t pixels = request->layers[0]->height * request->layers[0]->width;
    if (request->struct_size < sizeof *request || maps->map_count != 1) {
        return fail(LIGHTBOX_STATUS_INVALID_ARGUMENT, "the request is shorter than it was");
    }
    w.services = (const lightbox_services *)w.run->get_extension(w.run, LIGHTBOX_SERVICES_ID);
    if (w.services == NULL || w.services->struct_size < sizeof *w.services) {
        return fail(LIGHTBOX_STATUS_UNSUPPORTED, "the host has no services");
    }
    TRY(check(&w, w.services->scratch(w.run, request->image_count * sizeof(double), &numbers)));
    w.numbers = (double *)numbers;
    TRY(compute(self, &w));
    TRY(maps->get(maps, 0, request->layers[0]->height, request->layers[0]->width, &map));
    for (uint64_t n = 0; n < request->image_count; n++) {
        double value = self->scale * w.numbers[n] + (double)self->shift;
        for (uint64_t i = 0; i < pixels; i++) {
            map[n * pixels + i] = (float)(self->negate ? -value : value);
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
    return index == 0 ? &everything : NULL;
}

static lightbox_status create(const lightbox_attribution_factory *factory, const char *id,
                              const lightbox_parameter_value *const *values, uint32_t value_count,
                              lightbox_attribution **out) {
    (void)factory;
    if (strcmp(id, everything.id) != 0 || value_count != 4) {
        return fail(LIGHTBOX_STATUS_INVALID_ARGUMENT, "there is no such method");
    }
    if (values[0]->kind != LIGHTBOX_PARAMETER_CHOICE || strcmp(values[0]->text_value, parts[values[0]->int_value]) != 0) {
        return fail(LIGHTBOX_STATUS_INVALID_ARGUMENT, "the choice has two values");
    }
    instance *self = (instance *)calloc(1, sizeof *self);
    if (self == NULL) {
        return fail(LIGHTBOX_STATUS_OUT_OF_MEMORY, "there is no memory for an instance");
    }
    self->table.struct_size = sizeof self->table;
    self->table.attribute = attribute;
    self->table.destroy = destroy;
    self->part = values[0]->int_value;
    self->scale = values[1]->float_value;
    self->shift = values[2]->int_value;
    self->negate = values[3]->int_value;
    *out = &self->table;
    return LIGHTBOX_STATUS_OK;
}

static const lightbox_attribution_factory factory = {
    sizeof(lightbox_attribution_factory), count, descriptor, create,
};

/* The entry. */

static lightbox_status init(const lightbox_host *host) {
    if (host->abi_major != LIGHTBOX_ABI_MAJOR || host->struct_size < sizeof *host || host->name[0] == 0 || host->version[0] == 0) {
        return fail(LIGHTBOX_STATUS_UNSUPPORTED, "the host speaks another ABI");
    }
    return host->get_extension(host, "org.example.not-there/1") == NULL
        ? LIGHTBOX_STATUS_OK
        : fail(LIGHTBOX_STATUS_UNSUPPORTED, "the host knows what nobody has");
}

static void deinit(void) {}

static const void *get_factory(const char *id) {
    return strcmp(id, LIGHTBOX_ATTRIBUTION_ID) == 0 ? &factory : NULL;
}

#ifndef PLUGIN_ID
#define PLUGIN_ID "org.lightbox.published.everything"
#endif

#ifdef __cplusplus
extern "C"
#endif
LIGHTBOX_EXPORT const lightbox_entry lightbox_plugin_entry = {
    LIGHTBOX_ABI_MAJOR, LIGHTBOX_ABI_MINOR, sizeof(lightbox_entry), PLUGIN_ID, "1.0.0",
    init, deinit, last_error, get_factory,
};
