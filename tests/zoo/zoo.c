/*
 * Plugins that misbehave, one at a time: what is wrong is chosen by defining a name when this file is compiled.
 *
 * Without any, it is a plugin with one method, `zoo`, whose maps are all one.
 */

#include "lightbox_plugin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef PLUGIN_ID
#define PLUGIN_ID "org.example.zoo"
#endif
#ifndef METHOD_ID
#define METHOD_ID "zoo"
#endif
#ifndef CAPABILITY
#define CAPABILITY LIGHTBOX_ATTRIBUTION_ID
#endif
#ifndef MAJOR
#define MAJOR LIGHTBOX_ABI_MAJOR
#endif
#ifndef NEEDS
#define NEEDS LIGHTBOX_NEED_ACTIVATIONS
#endif
#ifndef LAYOUT
#define LAYOUT LIGHTBOX_LAYOUT_IMAGE
#endif

#ifdef LIBTORCH
LIGHTBOX_EXPORT const char lightbox_plugin_libtorch[LIGHTBOX_LIBTORCH_CAPACITY] = LIBTORCH;
#endif

#ifdef FROM_THE_FUTURE
extern int from_the_future(void);
#endif

#ifdef NEEDS_NOWHERE
extern int nowhere(void);
#endif

static char error_text[256];

static uint64_t last_error(char *buffer, uint64_t capacity) {
    if (buffer != NULL && capacity > 0) {
        snprintf(buffer, capacity, "%s", error_text);
    }
    return strlen(error_text);
}

/* Ends, spoils or stops the process. */
static void harm(void) {
#if defined(SEGFAULT)
    volatile int *volatile nowhere_at_all = NULL;
    *nowhere_at_all = 1;
#elif defined(ABORT)
    abort();
#elif defined(EXIT)
    exit(0);
#elif defined(LOOP)
    for (;;) {
        sleep(1);
    }
#elif defined(EAT)
    for (;;) {
        size_t size = 8 << 20;
        char *memory = malloc(size);
        if (memory != NULL) {
            memset(memory, 1, size);
        }
    }
#elif defined(CHATTER)
    printf("{\"plugin\": \"this is not the answer\"}\n");
    fflush(stdout);
#endif
}

#ifdef HARM_ON_LOAD
__attribute__((constructor)) static void on_load(void) {
    harm();
}
#endif

static const lightbox_attribution_descriptor zoo = {
#ifdef SHORT_DESCRIPTOR
    .struct_size = 16,
#else
    .struct_size = sizeof(lightbox_attribution_descriptor),
#endif
    .id = METHOD_ID,
    .name = "Zoo",
    .needs = NEEDS,
    .layers = LIGHTBOX_LAYERS_SEVERAL,
    .merge = LIGHTBOX_MERGE_MEAN,
    .batch = LIGHTBOX_BATCH_ANY,
    .layout = LAYOUT,
    .dimensions = 4,
    .sign = LIGHTBOX_SIGN_NON_NEGATIVE,
    .resolution = LIGHTBOX_RESOLUTION_LAYER,
    .randomness = LIGHTBOX_RANDOMNESS_NONE,
    .device = LIGHTBOX_WANT_CPU,
};

static lightbox_status attribute(lightbox_attribution *self, const lightbox_request *request,
                                 const lightbox_maps *maps) {
    (void)self;
#ifdef HARM_IN_RUN
    harm();
#endif
#ifdef LEAKS
    char *kept = malloc(1 << 20);
    if (kept != NULL) {
        memset(kept, 1, 1 << 20);
    }
#endif
#ifdef WRITES_INPUT
    ((float *)request->layers[0]->activations->tensor.data)[0] += 1;
#endif
#if defined(NO_TEXT)
    return LIGHTBOX_STATUS_FAILED;
#elif defined(UNKNOWN_STATUS)
    snprintf(error_text, sizeof error_text, "the moon is full");
    return -77;
#elif defined(NOT_WRITTEN)
    return LIGHTBOX_STATUS_OK;
#endif
    for (uint64_t l = 0; l < maps->map_count; l++) {
        const lightbox_layer *layer = request->layers[l];
        uint64_t elements = request->image_count * layer->height * layer->width;
        float *map;
        if (maps->get(maps, l, layer->height, layer->width, &map) != LIGHTBOX_STATUS_OK) {
            return LIGHTBOX_STATUS_FAILED;
        }
        for (uint64_t i = 0; i < elements; i++) {
            map[i] = 1;
#if defined(COUNTS)
            /* State outside the instance: every call gives another map. */
            static int calls;
            map[i] = (float)(++calls % 97);
#elif defined(MIXES)
            /* The first image is counted in everywhere. */
            map[i] = (float)(i % 7) + (request->image_count > 1 ? (float)(i % 5) : 0.0f);
#endif
        }
#if defined(TELLS_ADDRESS)
        /* Where the plugin sees the activations, in pieces that a float holds exactly. */
        uint64_t address = (uint64_t)(uintptr_t)layer->activations->tensor.data + layer->activations->tensor.byte_offset;
        for (int piece = 0; piece < 4; piece++) {
            map[piece] = (float)((address >> (16 * piece)) & 0xffff);
        }
#endif
#if defined(OVERRUN)
        map[elements] = 1;
#elif defined(UNDERRUN)
        map[-1] = 1;
#elif defined(WRITES_NAN)
        map[elements - 1] = NAN;
#endif
    }
    return LIGHTBOX_STATUS_OK;
}

static void destroy(lightbox_attribution *self) {
    free(self);
}

static uint32_t count(const lightbox_attribution_factory *factory) {
    (void)factory;
    return 1;
}

static const lightbox_attribution_descriptor *descriptor(const lightbox_attribution_factory *factory, uint32_t index) {
    (void)factory;
    (void)index;
#ifdef HARM_IN_DESCRIBE
    harm();
#endif
#ifdef NO_DESCRIPTOR
    (void)zoo;
    return NULL;
#else
    return &zoo;
#endif
}

static lightbox_status create(const lightbox_attribution_factory *factory, const char *id,
                              const lightbox_parameter_value *const *values, uint32_t value_count,
                              lightbox_attribution **out) {
    (void)factory;
    (void)id;
    (void)values;
    (void)value_count;
    lightbox_attribution *self = calloc(1, sizeof *self);
    self->struct_size = sizeof *self;
#ifndef NULL_ATTRIBUTE
    self->attribute = attribute;
#endif
    self->destroy = destroy;
    *out = self;
    return LIGHTBOX_STATUS_OK;
}

static const lightbox_attribution_factory factory = { sizeof(lightbox_attribution_factory), count, descriptor, create };

static lightbox_status init(const lightbox_host *host) {
    (void)host;
#ifdef HARM_IN_INIT
    harm();
#endif
#ifdef FROM_THE_FUTURE
    return from_the_future();
#endif
#ifdef NEEDS_NOWHERE
    return nowhere();
#endif
#if defined(INIT_FAILS)
    snprintf(error_text, sizeof error_text, "the licence has expired");
    return LIGHTBOX_STATUS_FAILED;
#elif defined(INIT_FAILS_WITHOUT_TEXT)
    return LIGHTBOX_STATUS_FAILED;
#else
    return LIGHTBOX_STATUS_OK;
#endif
}

static const void *get_factory(const char *id) {
    return strcmp(id, CAPABILITY) == 0 ? &factory : NULL;
}

#ifndef NO_ENTRY
LIGHTBOX_EXPORT const lightbox_entry lightbox_plugin_entry = {
    .abi_major = MAJOR,
    .abi_minor = LIGHTBOX_ABI_MINOR,
#ifdef SHORT_ENTRY
    .struct_size = 32,
#else
    .struct_size = sizeof(lightbox_entry),
#endif
    .plugin_id = PLUGIN_ID,
    .plugin_version = "1.0.0",
    .init = init,
    .last_error = last_error,
#ifndef NULL_SLOT
    .get_factory = get_factory,
#endif
};
#else
/* Keeps the compiler from finding everything unused. */
LIGHTBOX_EXPORT const void *unrelated(void) {
    return sizeof(init) && sizeof(get_factory) && sizeof(last_error) ? &factory : NULL;
}
#endif
