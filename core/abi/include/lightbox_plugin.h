/*
 * lightbox_plugin.h: everything that a plugin needs to know of Lightbox, in C.
 *
 * The C ABI between Lightbox and its plugins: layouts, ids and status codes, and nothing that runs.
 *
 * A plugin is a dynamic library that exports one constant, lightbox_entry, under the name
 * LIGHTBOX_ENTRY_SYMBOL. Everything else is reached from it. The ABI is written down twice, in
 * `core/abi/include/lightbox_plugin.h` for C and in the crate `lightbox-abi` for Rust; a test compiles the
 * one and compares every size, offset and constant with the other.
 *
 * # Rules
 * - Growth. lightbox_entry never changes. Every other struct begins with `struct_size`, which its maker sets;
 *   a reader touches a field only when `struct_size` covers it. Fields are only ever added at the end. Arrays
 *   of structs are arrays of pointers, so that the struct can grow.
 * - Capabilities are found by string id, on the plugin's side (lightbox_entry.get_factory) and on the host's
 *   (lightbox_host.get_extension, lightbox_run.get_extension). The meaning of an id never changes. Third
 *   parties use ids that begin with a domain of their own. An id with `.draft` before its number is tried
 *   out, and may go again.
 * - Status. Every call that can fail returns a lightbox_status. The text comes from lightbox_entry.last_error
 *   or, for a host service, lightbox_services.last_error.
 * - Unwinding. No panic, exception or `longjmp` crosses the boundary in either direction.
 * - Ownership. An argument is borrowed for the call unless its comment says otherwise. What one side
 *   allocates, the same side frees, through the function named next to it.
 * - Threads. `[main]` functions are called by one thread at a time, not always the same. `[instance]`
 *   functions may be called on any thread, but for one instance never two at a time. `[any]` functions may be
 *   called on any thread at any time. `[run]` functions of the host may be called only during a call to
 *   lightbox_attribution.attribute, on the thread it was called on.
 * - Re-entry. Unless its comment says otherwise a function may not be called from inside itself, and a plugin
 *   calls no plugin function from inside a host service.
 * - Text is UTF-8 and ends with a zero byte.
 */

#ifndef LIGHTBOX_PLUGIN_H
#define LIGHTBOX_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The structs, each explained below. */
typedef struct lightbox_tensor_version lightbox_tensor_version;
typedef struct lightbox_tensor_device lightbox_tensor_device;
typedef struct lightbox_tensor_type lightbox_tensor_type;
typedef struct lightbox_tensor_data lightbox_tensor_data;
typedef struct lightbox_tensor lightbox_tensor;
typedef struct lightbox_parameter lightbox_parameter;
typedef struct lightbox_parameter_value lightbox_parameter_value;
typedef struct lightbox_entry lightbox_entry;
typedef struct lightbox_host lightbox_host;
typedef struct lightbox_run lightbox_run;
typedef struct lightbox_services lightbox_services;
typedef struct lightbox_attribution_descriptor lightbox_attribution_descriptor;
typedef struct lightbox_attribution_factory lightbox_attribution_factory;
typedef struct lightbox_attribution lightbox_attribution;
typedef struct lightbox_layer lightbox_layer;
typedef struct lightbox_request lightbox_request;
typedef struct lightbox_maps lightbox_maps;
typedef struct lightbox_model_descriptor lightbox_model_descriptor;
typedef struct lightbox_model_request lightbox_model_request;
typedef struct lightbox_model_factory lightbox_model_factory;
typedef struct lightbox_variable lightbox_variable;
typedef struct lightbox_model lightbox_model;
typedef struct lightbox_hvp lightbox_hvp;
typedef struct lightbox_keep lightbox_keep;
typedef struct lightbox_model_tap lightbox_model_tap;
typedef struct lightbox_model_taps lightbox_model_taps;
typedef struct lightbox_tap_info lightbox_tap_info;
typedef struct lightbox_taps lightbox_taps;

/* Major version of the ABI: a plugin of another major version is refused. */
#define LIGHTBOX_ABI_MAJOR 1
/* Minor version of the ABI: a plugin of a newer minor version is accepted. */
#define LIGHTBOX_ABI_MINOR 0

/*
 * What every fallible call returns: one of the LIGHTBOX_STATUS_* constants. An unknown value counts as
 * LIGHTBOX_STATUS_FAILED.
 */
typedef int32_t lightbox_status;

/* The call did what it says. */
#define LIGHTBOX_STATUS_OK 0
/* The call failed; the last error says why. */
#define LIGHTBOX_STATUS_FAILED 1
/* An argument is not one the function takes. */
#define LIGHTBOX_STATUS_INVALID_ARGUMENT 2
/* The request is well formed, but this side cannot serve it. */
#define LIGHTBOX_STATUS_UNSUPPORTED 3
/* The user asked to stop; a plugin that is told so returns the same. */
#define LIGHTBOX_STATUS_CANCELLED 4
/* The code behind the call panicked or threw; the instance must not be used again, only destroyed. */
#define LIGHTBOX_STATUS_PANICKED 5
/* There was not enough memory, on the host or on the device. */
#define LIGHTBOX_STATUS_OUT_OF_MEMORY 6

/* ------------------------------------------------------------------------------------------- */

/*
 * DLPack 1.x tensors, as in `dlpack.h`, version 1.1.
 *
 * Lightbox lends tensors: an argument is borrowed for the call, its `deleter` is null, `strides` is never
 * null, and LIGHTBOX_TENSOR_READ_ONLY is set on what must not be written. Unless a descriptor says otherwise
 * data is f32, row-major and without gaps, in memory that the CPU reads.
 */

/* Major version of DLPack that is spoken. */
#define LIGHTBOX_DLPACK_MAJOR 1
/* Minor version of DLPack that is spoken. */
#define LIGHTBOX_DLPACK_MINOR 1

/* Device type: memory of the CPU. */
#define LIGHTBOX_DEVICE_CPU 1
/* Device type: memory of a CUDA device. */
#define LIGHTBOX_DEVICE_CUDA 2

/* Type code: signed integer. */
#define LIGHTBOX_TYPE_INT 0
/* Type code: IEEE floating point. */
#define LIGHTBOX_TYPE_FLOAT 2
/* Type code: bfloat16. */
#define LIGHTBOX_TYPE_BFLOAT 4

/* Flag: the receiver must not write to the tensor. */
#define LIGHTBOX_TENSOR_READ_ONLY 1

/* The most dimensions that a tensor which crosses has. */
#define LIGHTBOX_MAX_DIMENSIONS 8

/* `DLPackVersion`. */
struct lightbox_tensor_version {
    /* Another major version has another layout. */
    uint32_t major;
    /* Newer minor versions add only enumeration values. */
    uint32_t minor;
};

/* `DLDevice`. */
struct lightbox_tensor_device {
    /* A LIGHTBOX_DEVICE_* constant. */
    int32_t device_type;
    /* Which device of that type. */
    int32_t device_id;
};

/* `DLDataType`. */
struct lightbox_tensor_type {
    /* A LIGHTBOX_TYPE_* constant. */
    uint8_t code;
    /* Bits of one lane. */
    uint8_t bits;
    /* Number of lanes; 1 in every tensor that crosses. */
    uint16_t lanes;
};

/* `DLTensor`. */
struct lightbox_tensor_data {
    /* Start of the memory, on `device`. */
    void *data;
    /* Where the memory is. */
    lightbox_tensor_device device;
    /* Number of dimensions. */
    int32_t ndim;
    /* Type of one element. */
    lightbox_tensor_type dtype;
    /* `ndim` sizes. */
    int64_t *shape;
    /* `ndim` strides in elements, never null. */
    int64_t *strides;
    /* Distance in bytes from `data` to the first element. */
    uint64_t byte_offset;
};

/* `DLManagedTensorVersioned`. */
struct lightbox_tensor {
    /* Version of the layout. */
    lightbox_tensor_version version;
    /* The maker's own. */
    void *manager_context;
    /* Null in a tensor that is lent. */
    void (*deleter)(lightbox_tensor *tensor);
    /* LIGHTBOX_TENSOR_* flags. */
    uint64_t flags;
    /* The tensor itself. */
    lightbox_tensor_data tensor;
};

/* ------------------------------------------------------------------------------------------- */

/* The typed table of parameters (of a method) or options (of a network), and values for it. */

/* Kind of a parameter: a 64-bit floating point number. */
#define LIGHTBOX_PARAMETER_FLOAT 1
/* Kind of a parameter: a 64-bit signed integer. */
#define LIGHTBOX_PARAMETER_INT 2
/* Kind of a parameter: true or false, as the integer 1 or 0. */
#define LIGHTBOX_PARAMETER_BOOL 3
/* Kind of a parameter: one of several words. */
#define LIGHTBOX_PARAMETER_CHOICE 4

/*
 * One row of a parameter table. The host shows it and checks values against it before the plugin sees them.
 *
 * All pointers are valid until `deinit`. A kind that the host does not know makes the whole capability
 * unsupported.
 */
struct lightbox_parameter {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Name, unique in its table: lower-case letters, digits, `-` and `_`. */
    const char *name;
    /* One sentence for the user; may be null. */
    const char *help;
    /* A LIGHTBOX_PARAMETER_* constant. */
    uint32_t kind;
    /* Number of `choices`; 0 unless `kind` is LIGHTBOX_PARAMETER_CHOICE. */
    uint32_t choice_count;
    /* Default of a float. */
    double float_default;
    /* Least value of a float, inclusive; may be minus infinity. */
    double float_min;
    /* Greatest value of a float, inclusive; may be infinity. */
    double float_max;
    /* Default of an integer (of a bool: 0 or 1; of a choice: its place in `choices`). */
    int64_t int_default;
    /* Least value of an integer, inclusive. */
    int64_t int_min;
    /* Greatest value of an integer, inclusive. */
    int64_t int_max;
    /* The words to choose from. */
    const char *const *choices;
};

/* The value of one parameter. The host gives one for every row of the table, in the table's order. */
struct lightbox_parameter_value {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Name of the parameter. */
    const char *name;
    /* Its kind, a LIGHTBOX_PARAMETER_* constant. */
    uint32_t kind;
    /* Zero. */
    uint32_t reserved;
    /* Value of a float. */
    double float_value;
    /* Value of an integer or bool; of a choice: its place in the table's `choices`. */
    int64_t int_value;
    /* Value of a choice, as the word; null for the other kinds. */
    const char *text_value;
};

/* ------------------------------------------------------------------------------------------- */

/* The one constant that a plugin exports, and the host that it is given. */

/* Name of the exported constant of type lightbox_entry. */
#define LIGHTBOX_ENTRY_SYMBOL "lightbox_plugin_entry"

/*
 * Name of an optional exported constant: a zero-terminated text in at most LIGHTBOX_LIBTORCH_CAPACITY bytes
 * that says which libtorch the plugin needs. `=2.11.0` is that version exactly (a plugin that uses libtorch's
 * C++), `>=2.10.0` that version or a later one (a plugin that uses only libtorch's stable C shim). It is read
 * from the file, before the library is loaded: the bytes must need no relocation. A plugin that links
 * libtorch and does not export it is refused.
 */
#define LIGHTBOX_LIBTORCH_SYMBOL "lightbox_plugin_libtorch"
/* Size in bytes of the constant named LIGHTBOX_LIBTORCH_SYMBOL. */
#define LIGHTBOX_LIBTORCH_CAPACITY 32

/*
 * Name of an optional exported constant, a zero-terminated text in at most LIGHTBOX_LIBTORCH_CAPACITY bytes:
 * the version of the SDK that the plugin was built with. Only shown.
 */
#define LIGHTBOX_SDK_SYMBOL "lightbox_plugin_sdk"

/*
 * What a plugin is: the only thing it exports. This struct never grows.
 *
 * The first three fields hold no address, so the host reads them from the file before it loads the library.
 */
struct lightbox_entry {
    /* LIGHTBOX_ABI_MAJOR of the header the plugin was built with. */
    uint32_t abi_major;
    /* LIGHTBOX_ABI_MINOR of the header the plugin was built with. */
    uint32_t abi_minor;
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /*
     * Id of the plugin as a reverse URI, such as `org.example.my-cams`. Valid for ever, never null or empty.
     */
    const char *plugin_id;
    /* Version of the plugin, such as `1.2.0`. Valid for ever, never null. */
    const char *plugin_version;
    /*
     * Called once, before any other function except lightbox_entry.last_error. `[main]`
     *
     * `host` stays valid until `deinit` has returned and may be kept. After an error no other function is
     * called.
     */
    lightbox_status (*init)(const lightbox_host *host);
    /*
     * Called at most once, after every instance is destroyed. `[main]` The library is not unloaded
     * afterwards.
     */
    void (*deinit)(void);
    /*
     * Gives the text of the last call on this thread that did not return LIGHTBOX_STATUS_OK. `[any]`
     *
     * Writes at most `capacity` bytes including the final zero and returns the length of the whole text
     * without it; a return value of `capacity` or more means that the text was cut. `buffer` may be null when
     * `capacity` is zero.
     */
    uint64_t (*last_error)(char *buffer, uint64_t capacity);
    /*
     * Gives the factory of a capability, or null when the plugin has none of that id. `[main]`
     *
     * LIGHTBOX_ATTRIBUTION_ID gives an lightbox_attribution_factory, LIGHTBOX_MODEL_ID a
     * lightbox_model_factory. The factory belongs to the plugin and is valid until `deinit`.
     */
    const void *(*get_factory)(const char *factory_id);
};

/* The program that loaded the plugin. */
struct lightbox_host {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* The host's LIGHTBOX_ABI_MAJOR. */
    uint32_t abi_major;
    /* The host's LIGHTBOX_ABI_MINOR. */
    uint32_t abi_minor;
    /* Name of the host, such as `lightbox`. */
    const char *name;
    /* Version of the host. */
    const char *version;
    /* The host's own; a plugin leaves it alone. */
    void *context;
    /* Gives a capability of the host by id, or null. `[any]` The result is valid until `deinit`. */
    const void *(*get_extension)(const lightbox_host *host, const char *id);
};

/* ------------------------------------------------------------------------------------------- */

/* What the host does for a method while it runs. */

/* Id of the host services; lightbox_run.get_extension gives a lightbox_services for it. */
#define LIGHTBOX_SERVICES_ID "lightbox.services/1"

/* Place of a gradient: the network's input. Places from 0 on are layers of the request. */
#define LIGHTBOX_AT_INPUT (-1)

/* Resize: first scale each map by S(c) = (c - min c) / (1e-7 + max(c - min c)). */
#define LIGHTBOX_RESIZE_SCALE (1 << 0)
/* Resize: the centres of the corner pixels of both grids coincide (`align_corners=true`). */
#define LIGHTBOX_RESIZE_ALIGN_CORNERS (1 << 1)

/* Log level: something is wrong with the result. */
#define LIGHTBOX_LOG_ERROR 1
/* Log level: something may be wrong with the result. */
#define LIGHTBOX_LOG_WARNING 2
/* Log level: worth knowing. */
#define LIGHTBOX_LOG_INFO 3
/* Log level: for the author of the plugin. */
#define LIGHTBOX_LOG_DEBUG 4

/* One call of lightbox_attribution.attribute, as the host sees it. Valid until that call returns. */
struct lightbox_run {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* The host's own. */
    void *context;
    /*
     * Gives a capability of the host by id, or null when it has none of that id. `[run]` LIGHTBOX_SERVICES_ID
     * gives a lightbox_services, LIGHTBOX_HVP_ID a lightbox_hvp, LIGHTBOX_TAPS_ID a lightbox_taps,
     * LIGHTBOX_KEEP_ID a lightbox_keep.
     */
    const void *(*get_extension)(const lightbox_run *run, const char *id);
};

/*
 * Host services. All are `[run]`, none may be re-entered, and only those named in the descriptor's needs are
 * promised. The host owns batching, the device, the absence of gradients and the retreat when memory runs
 * out: a method may pass any number of rows.
 *
 * A tensor argument is lent by the plugin: f32, on the CPU or on the device of the request's tensors. An
 * output tensor is lent too; the host writes it. The memory of both may be reused as soon as the call
 * returns.
 */
struct lightbox_services {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Runs the network: `batch` [M,C,H,W] to logits `scores` [M,K]. */
    lightbox_status (*forward)(
        const lightbox_run *run,
        const lightbox_tensor *batch,
        const lightbox_tensor *scores);
    /*
     * Runs the rest of the network: `activations` [M,C',h,w] at layer `layer` of the request to logits
     * `scores` [M,K].
     */
    lightbox_status (*forward_from)(
        const lightbox_run *run,
        uint64_t layer,
        const lightbox_tensor *activations,
        const lightbox_tensor *scores);
    /*
     * Vector-Jacobian product: the gradient of sum(cotangent * logits) with respect to the value at `at`,
     * taken at `point`. `at` is LIGHTBOX_AT_INPUT or a layer of the request; `point` has its shape, with any
     * number M of rows; `cotangent` is [M,K]; `gradient` has the shape of `point`.
     */
    lightbox_status (*vjp)(
        const lightbox_run *run,
        int64_t at,
        const lightbox_tensor *point,
        const lightbox_tensor *cotangent,
        const lightbox_tensor *gradient);
    /*
     * Resizes `maps` [M,h,w] bilinearly, without antialias, to `out` [M,H',W']; `flags` are LIGHTBOX_RESIZE_*
     * flags.
     */
    lightbox_status (*scale_and_resize)(
        const lightbox_run *run,
        const lightbox_tensor *maps,
        uint32_t flags,
        const lightbox_tensor *out);
    /* Fills `out` with `count` numbers, uniform in [0,1), that depend on `seed` and their place alone. */
    lightbox_status (*random_uniform)(const lightbox_run *run, uint64_t seed, float *out, uint64_t count);
    /* Fills `out` with `count` standard normal numbers that depend on `seed` and their place alone. */
    lightbox_status (*random_normal)(const lightbox_run *run, uint64_t seed, float *out, uint64_t count);
    /*
     * Gives `bytes` bytes of zeroed memory, aligned to 64 bytes, at `out`; the host frees it when `attribute`
     * returns.
     */
    lightbox_status (*scratch)(const lightbox_run *run, uint64_t bytes, void **out);
    /* Writes one line to the log of the run; `level` is a LIGHTBOX_LOG_* constant. */
    void (*log)(const lightbox_run *run, uint32_t level, const char *text);
    /* Says that `done` of `total` steps are done. */
    void (*progress)(const lightbox_run *run, uint64_t done, uint64_t total);
    /*
     * 1 when the user has asked to stop, else 0. A long method asks often and returns
     * LIGHTBOX_STATUS_CANCELLED.
     */
    int32_t (*is_cancelled)(const lightbox_run *run);
    /*
     * Gives the text of the last service of this run that did not return LIGHTBOX_STATUS_OK, as
     * lightbox_entry.last_error does.
     */
    uint64_t (*last_error)(const lightbox_run *run, char *buffer, uint64_t capacity);
};

/* ------------------------------------------------------------------------------------------- */

/* Attribution plugins: methods that say which part of an image a network's answer rests on. */

/*
 * Id of the attribution capability; lightbox_entry.get_factory gives an lightbox_attribution_factory for it.
 */
#define LIGHTBOX_ATTRIBUTION_ID "lightbox.attribution/1"

/* The method reads the layers' activations. */
#define LIGHTBOX_NEED_ACTIVATIONS (UINT64_C(1) << 0)
/* The method reads the gradient of the target's logit with respect to the layers' activations. */
#define LIGHTBOX_NEED_GRADIENTS (UINT64_C(1) << 1)
/* The method reads the network's input. */
#define LIGHTBOX_NEED_INPUT (UINT64_C(1) << 2)
/* The method reads the network's scores of the input. */
#define LIGHTBOX_NEED_SCORES (UINT64_C(1) << 3)
/* The method calls lightbox_services.forward. */
#define LIGHTBOX_NEED_FORWARD (UINT64_C(1) << 4)
/* The method calls lightbox_services.forward_from. */
#define LIGHTBOX_NEED_FORWARD_FROM (UINT64_C(1) << 5)
/* The method calls lightbox_services.vjp. */
#define LIGHTBOX_NEED_VJP (UINT64_C(1) << 6)

/* The method works on one layer. */
#define LIGHTBOX_LAYERS_ONE 1
/* The method works on one layer or on several. */
#define LIGHTBOX_LAYERS_SEVERAL 2

/* The maps of several layers are merged by their mean, by the host. */
#define LIGHTBOX_MERGE_MEAN 1
/* The maps of several layers are merged by their sum, by the host. */
#define LIGHTBOX_MERGE_SUM 2
/* The plugin merges: it writes one map, of index 0, whatever the number of layers. */
#define LIGHTBOX_MERGE_PLUGIN 3

/* The method takes one image per call; the host calls it once for each. */
#define LIGHTBOX_BATCH_SINGLE 1
/* The method takes any number of images per call. */
#define LIGHTBOX_BATCH_ANY 2

/* Activations are [N,C,h,w], 4 dimensions. */
#define LIGHTBOX_LAYOUT_IMAGE 1
/* Activations are [N,C,d,h,w], 5 dimensions. Not served yet. */
#define LIGHTBOX_LAYOUT_VOLUME 2
/* Activations are [N,tokens,C], 3 dimensions. Not served yet. */
#define LIGHTBOX_LAYOUT_TOKENS 3

/* The map is evidence for the target; the host takes max(map, 0) before it scales. */
#define LIGHTBOX_SIGN_NON_NEGATIVE 1
/* The map is signed: below zero is evidence against the target. */
#define LIGHTBOX_SIGN_SIGNED 2

/* A map has the layer's own size, [N,h,w]. */
#define LIGHTBOX_RESOLUTION_LAYER 1
/* A map has the input's size, [N,H,W]. */
#define LIGHTBOX_RESOLUTION_INPUT 2

/* The same request gives the same map. */
#define LIGHTBOX_RANDOMNESS_NONE 1
/* The same request with the same seed gives the same map. */
#define LIGHTBOX_RANDOMNESS_SEEDED 2

/* Tensors may be on any device. */
#define LIGHTBOX_WANT_ANY_DEVICE 1
/* Tensors must be in memory that the CPU reads. */
#define LIGHTBOX_WANT_CPU 2

/* The method reads tensors by their strides: they need not be row-major. */
#define LIGHTBOX_ACCEPT_STRIDES (UINT64_C(1) << 0)
/* The method reads bfloat16 as well as f32. */
#define LIGHTBOX_ACCEPT_BF16 (UINT64_C(1) << 1)

/*
 * What a method is. Enumerations that the host does not know make the method unsupported, with a sentence
 * that says so.
 *
 * All pointers are valid until `deinit`.
 */
struct lightbox_attribution_descriptor {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Id that the user types, such as `gradcam`: lower-case letters, digits, `-`, `_` and `+`. */
    const char *id;
    /* Name that the user reads, such as `Grad-CAM`. */
    const char *name;
    /* The publication, on one line; may be null. */
    const char *reference;
    /* One paragraph: the formula and what differs from the publication; may be null. */
    const char *description;
    /* LIGHTBOX_NEED_* flags. */
    uint64_t needs;
    /* LIGHTBOX_ACCEPT_* flags. */
    uint64_t accepts;
    /* A LIGHTBOX_LAYERS_* constant. */
    uint32_t layers;
    /* A LIGHTBOX_MERGE_* constant. */
    uint32_t merge;
    /* A LIGHTBOX_BATCH_* constant. */
    uint32_t batch;
    /* A LIGHTBOX_LAYOUT_* constant. */
    uint32_t layout;
    /* Number of dimensions of the activations: 4 for LIGHTBOX_LAYOUT_IMAGE. */
    uint32_t dimensions;
    /* A LIGHTBOX_SIGN_* constant. */
    uint32_t sign;
    /* A LIGHTBOX_RESOLUTION_* constant. */
    uint32_t resolution;
    /* A LIGHTBOX_RANDOMNESS_* constant. */
    uint32_t randomness;
    /* A LIGHTBOX_WANT_* constant. */
    uint32_t device;
    /* Number of `parameters`. */
    uint32_t parameter_count;
    /* The table of parameters; may be null when empty. */
    const lightbox_parameter *const *parameters;
};

/* The methods of a plugin. Valid until `deinit`; all its functions are `[main]`. */
struct lightbox_attribution_factory {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Number of methods; the same at every call. */
    uint32_t (*count)(const lightbox_attribution_factory *factory);
    /*
     * The descriptor of the method at `index`, valid until `deinit`, or null when there is none (then the
     * last error says why).
     */
    const lightbox_attribution_descriptor *(*descriptor)(
        const lightbox_attribution_factory *factory,
        uint32_t index);
    /*
     * Makes an instance of the method `id` with the given parameter values (one for each row of its table)
     * and writes it to `out`. The host ends it with lightbox_attribution.destroy. On an error `out` is left
     * alone.
     */
    lightbox_status (*create)(
        const lightbox_attribution_factory *factory,
        const char *id,
        const lightbox_parameter_value *const *values,
        uint32_t value_count,
        lightbox_attribution **out);
};

/* An instance of a method. */
struct lightbox_attribution {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* The plugin's own. */
    void *context;
    /*
     * Computes the maps of a request. `[instance]`
     *
     * Takes each map's memory from `maps` and writes every element: raw values, since scaling and resizing
     * are the host's. It may call the services of `request.run`. Everything borrowed ends with the call.
     */
    lightbox_status (*attribute)(
        lightbox_attribution *attribution,
        const lightbox_request *request,
        const lightbox_maps *maps);
    /* Frees the instance. `[instance]` Called once, also after LIGHTBOX_STATUS_PANICKED. */
    void (*destroy)(lightbox_attribution *attribution);
    /* Gives an optional capability of the instance by id, or null; may itself be null. `[instance]` */
    const void *(*get_extension)(lightbox_attribution *attribution, const char *id);
};

/* One layer of a request. */
struct lightbox_layer {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Name of the layer (its cut point), such as `layer4`. */
    const char *name;
    /* Height of the layer's activations. */
    uint64_t height;
    /* Width of the layer's activations. */
    uint64_t width;
    /* Activations [N,C,h,w]; null unless needed. */
    const lightbox_tensor *activations;
    /* Gradient of the target's logit with respect to the activations, [N,C,h,w]; null unless needed. */
    const lightbox_tensor *gradients;
};

/* What to explain: N images, one target class each, at one layer or several. */
struct lightbox_request {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Number of images, N. */
    uint64_t image_count;
    /* Number of classes, K. */
    uint64_t class_count;
    /* Height of the network's input, H. */
    uint64_t input_height;
    /* Width of the network's input, W. */
    uint64_t input_width;
    /* Channels of the network's input, C. */
    uint64_t input_channels;
    /* N class indices, each below K. */
    const uint64_t *targets;
    /* The normalised input [N,C,H,W]; null unless needed. */
    const lightbox_tensor *input;
    /* Raw logits [N,K]; null unless needed. */
    const lightbox_tensor *scores;
    /* Number of `layers`, at least 1. */
    uint64_t layer_count;
    /* The layers, in the order asked for. */
    const lightbox_layer *const *layers;
    /* Seed of the request. */
    uint64_t seed;
    /* N seeds, one for each image, which do not depend on how the images were batched. */
    const uint64_t *image_seeds;
    /*
     * The CUDA stream that tensors on a CUDA device are ordered on (a `cudaStream_t`); null on the CPU and
     * for the default stream.
     */
    void *cuda_stream;
    /*
     * The device that the network runs on. The request's tensors are there too, unless the descriptor wants
     * them on the CPU; a service takes tensors there or on the CPU.
     */
    lightbox_tensor_device device;
    /* What the host does for the method during this call. */
    const lightbox_run *run;
};

/* Where the maps go: memory that the host allocates. */
struct lightbox_maps {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* The host's own. */
    void *context;
    /* Number of maps to write: the number of layers, or 1 when the plugin merges. */
    uint64_t map_count;
    /*
     * Gives the memory of map `index`, f32 [N,height,width] row-major in CPU memory, at `out`. `[run]`
     *
     * The memory is valid until `attribute` returns. Asking again for the same index gives the same memory
     * when the size is the same, and fails when it is another. All elements are NaN at first, so that one
     * left out is found.
     */
    lightbox_status (*get)(
        const lightbox_maps *maps,
        uint64_t index,
        uint64_t height,
        uint64_t width,
        float **out);
};

/* ------------------------------------------------------------------------------------------- */

/*
 * Model plugins: networks that Lightbox trains, evaluates and explains.
 *
 * A tensor is a lightbox_tensor_handle, an `at::Tensor *` of the libtorch that host and plugin share (tch's
 * `*mut C_tensor`, and the stable shim's `AtenTensorHandle`). An argument is borrowed for the call: the
 * plugin makes its own reference (a shallow clone) of what it keeps. A handle that the plugin gives out is a
 * new reference, which the host ends with lightbox_model.release. Gradient mode, autocast, number of threads
 * and the random generators are libtorch's own and thus the host's to set.
 */

/* Id of the model capability; lightbox_entry.get_factory gives a lightbox_model_factory for it. */
#define LIGHTBOX_MODEL_ID "lightbox.model/1"

/* A cut point that is the network's input, or its logits, in lightbox_model.forward_between. */
#define LIGHTBOX_CUT_END (-1)

/* Opaque: an `at::Tensor`. */
typedef struct lightbox_torch_tensor lightbox_torch_tensor;

/* An `at::Tensor *`. */
typedef lightbox_torch_tensor *lightbox_tensor_handle;

/* What a network is. All pointers are valid until `deinit`. */
struct lightbox_model_descriptor {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Id that the user types, such as `resnet50`: lower-case letters, digits, `-`, `_` and `+`. */
    const char *id;
    /* Name that the user reads, such as `ResNet-50`. */
    const char *name;
    /* The publication, on one line; may be null. */
    const char *reference;
    /* One paragraph; may be null. */
    const char *description;
    /* Native height of the input in pixels. */
    uint32_t input_height;
    /* Native width of the input in pixels. */
    uint32_t input_width;
    /* Least height of the input in pixels. */
    uint32_t minimum_height;
    /* Least width of the input in pixels. */
    uint32_t minimum_width;
    /* A LIGHTBOX_LAYOUT_IMAGE constant and its relatives. */
    uint32_t layout;
    /* Number of dimensions of the input: 4 for images. */
    uint32_t dimensions;
    /* Mean of each of three channels, in [0,1]; for one channel their average is taken. */
    double mean[3];
    /* Standard deviation of each of three channels, in [0,1]; for one channel their average is taken. */
    double std[3];
    /* Number of `channels`, at least 1. */
    uint32_t channel_count;
    /* Number of `cut_points`, at least 1. */
    uint32_t cut_point_count;
    /* The numbers of input channels that the network can be made with. */
    const uint32_t *channels;
    /* Names of the cut points in the order the network computes them: torchvision's module paths. */
    const char *const *cut_points;
    /* Index of the cut point that methods use when none is named. */
    uint32_t default_cut_point;
    /* Number of `options`. */
    uint32_t option_count;
    /* The table of architecture options; may be null when empty. */
    const lightbox_parameter *const *options;
    /* URL of published weights for the default options; may be null. */
    const char *weights_url;
};

/* How to make a network. */
struct lightbox_model_request {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Id of the model. */
    const char *id;
    /* Number of classes, at least 1. */
    uint64_t class_count;
    /* Number of input channels, one of the descriptor's. */
    uint64_t channel_count;
    /* Seed of the initial weights. The host has seeded libtorch's default generators with it. */
    uint64_t seed;
    /* Number of `options`. */
    uint64_t option_count;
    /* One value for each row of the option table. */
    const lightbox_parameter_value *const *options;
};

/* The networks of a plugin. Valid until `deinit`; all its functions are `[main]`. */
struct lightbox_model_factory {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Number of networks; the same at every call. */
    uint32_t (*count)(const lightbox_model_factory *factory);
    /* The descriptor of the network at `index`, valid until `deinit`, or null when there is none. */
    const lightbox_model_descriptor *(*descriptor)(const lightbox_model_factory *factory, uint32_t index);
    /*
     * Makes a network, on the CPU in f32, and writes it to `out`. The host ends it with
     * lightbox_model.destroy. On an error `out` is left alone.
     */
    lightbox_status (*create)(
        const lightbox_model_factory *factory,
        const lightbox_model_request *request,
        lightbox_model **out);
};

/* A parameter or buffer of a network. */
struct lightbox_variable {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Name in torchvision's `state_dict`. */
    const char *name;
    /* The variable, borrowed for the visit. Its storage is the one that the network computes with. */
    lightbox_tensor_handle tensor;
    /* 1 for a parameter, 0 for a buffer. */
    uint32_t trainable;
    /* Number of `aliases`. */
    uint32_t alias_count;
    /* Names of the same variable in older checkpoints. */
    const char *const *aliases;
};

/*
 * Takes one variable; what it points to is borrowed for the call. Returns LIGHTBOX_STATUS_OK to go on; any
 * other status ends the listing, which then returns it.
 */
typedef lightbox_status (*lightbox_variable_visitor)(void *context, const lightbox_variable *variable);

/* An instance of a network. All its functions are `[instance]`. */
struct lightbox_model {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* The plugin's own. */
    void *context;
    /*
     * Runs the network from cut point `from` to cut point `to` and writes a new reference to `out`.
     *
     * `from` is an index into the descriptor's cut points, and `input` the value there, or LIGHTBOX_CUT_END
     * for the network's input [N,C,H,W]. `to` is a later cut point, or LIGHTBOX_CUT_END for the logits [N,K].
     * The way over any cut points gives the same bits as the way past them. `train` is 1 while training
     * (dropout, batch statistics), else 0. The input is not written to.
     */
    lightbox_status (*forward_between)(
        lightbox_model *model,
        lightbox_tensor_handle input,
        int64_t from,
        int64_t to,
        int32_t train,
        lightbox_tensor_handle *out);
    /*
     * Shows every parameter and buffer to `visit`, always in the same order. The host may write to a
     * variable's storage, or replace it (`set_data`) to change device or type, and then calls
     * `device_or_dtype_changed`.
     */
    lightbox_status (*variables)(lightbox_model *model, lightbox_variable_visitor visit, void *context);
    /*
     * Says that the variables are now on another device or of another type, for constants that are not
     * listed; may be null.
     */
    lightbox_status (*device_or_dtype_changed)(lightbox_model *model);
    /* Ends a reference that this model gave out. */
    void (*release)(lightbox_model *model, lightbox_tensor_handle tensor);
    /* Frees the network. Called once, also after LIGHTBOX_STATUS_PANICKED. */
    void (*destroy)(lightbox_model *model);
    /* Gives an optional capability of the instance by id, or null; may itself be null. */
    const void *(*get_extension)(lightbox_model *model, const char *id);
};

/* ------------------------------------------------------------------------------------------- */

/* Second derivatives, for the methods that need one: an extension of the host that a run may have. */

/* Id of the second derivatives; lightbox_run.get_extension gives a lightbox_hvp for it. */
#define LIGHTBOX_HVP_ID "lightbox.hvp/1"

/*
 * Second derivatives. `[run]`, under the rules of lightbox_services, whose `last_error` gives the text of an
 * error.
 */
struct lightbox_hvp {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /*
     * Hessian-vector product: the derivative along `direction` of the gradient that lightbox_services.vjp
     * gives, that is H v with H the second derivative of sum(cotangent * logits) with respect to the value at
     * `at`, taken at `point`.
     *
     * `at`, `point` and `cotangent` are as in `vjp`; `direction` and `product` have the shape of `point`. Where
     * the rest of the network is affine the product is zero.
     */
    lightbox_status (*hvp)(
        const lightbox_run *run,
        int64_t at,
        const lightbox_tensor *point,
        const lightbox_tensor *cotangent,
        const lightbox_tensor *direction,
        const lightbox_tensor *product);
};

/* ------------------------------------------------------------------------------------------- */

/* Keeping a tensor of the request: an extension of the host that a run may have. */

/* Id of keeping tensors; lightbox_run.get_extension gives a lightbox_keep for it. */
#define LIGHTBOX_KEEP_ID "lightbox.keep/1"

/*
 * Keeping tensors, for frameworks whose tensors count their references. `[run]`, under the rules of
 * lightbox_services, whose `last_error` gives the text of an error.
 */
struct lightbox_keep {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /*
     * Gives a tensor over the same memory as `tensor`, one of the request's, and writes it to `out`.
     *
     * It is a reference of the plugin's own, valid after `attribute` returns and after the instance is
     * destroyed: the plugin ends it by its `deleter`, once, on any thread. Nothing is copied, so
     * LIGHTBOX_TENSOR_READ_ONLY stays set; what the memory holds is promised until `attribute` returns.
     */
    lightbox_status (*keep)(const lightbox_run *run, const lightbox_tensor *tensor, lightbox_tensor **out);
};

/* ------------------------------------------------------------------------------------------- */

/*
 * Taps: outputs inside a network where a bias was added, with the gradients there. For FullGrad and its like.
 *
 * A network may offer them to the host (lightbox_model_taps, an extension of lightbox_model), which then
 * offers them to methods (lightbox_taps, an extension of lightbox_run).
 */

/* Id of a network's taps; lightbox_model.get_extension gives a lightbox_model_taps for it. */
#define LIGHTBOX_MODEL_TAPS_ID "lightbox.model-taps/1"

/* Id of the host's taps; lightbox_run.get_extension gives a lightbox_taps for it. */
#define LIGHTBOX_TAPS_ID "lightbox.taps/1"

/* One tap of a network's forward pass. */
struct lightbox_model_tap {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /* Name of the layer, as the prefix of its variables' names, such as `layer1.0.bn1`. */
    const char *name;
    /*
     * The layer's output [N,C,h,w] in the graph of the pass, borrowed for the visit. What comes after must not
     * have written to it.
     */
    lightbox_tensor_handle output;
    /*
     * The bias [C] that the layer added, borrowed for the visit: a convolution's own; of a normalisation by
     * running figures its effective one, b - mean w / sqrt(var + eps).
     */
    lightbox_tensor_handle bias;
};

/*
 * Takes one tap; what it points to is borrowed for the call. Returns LIGHTBOX_STATUS_OK to go on; any other
 * status ends the pass, which then returns it.
 */
typedef lightbox_status (*lightbox_tap_visitor)(void *context, const lightbox_model_tap *tap);

/* The taps of a network: each convolution with a bias and each normalisation. */
struct lightbox_model_taps {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /*
     * Runs the whole network in evaluation mode on `input` [N,C,H,W], shows every tap to `visit` in the order
     * of computation, and writes a new reference to the logits [N,K], the same bits as those of
     * lightbox_model.forward_between, to `out`. `[instance]`
     */
    lightbox_status (*forward)(
        lightbox_model *model,
        lightbox_tensor_handle input,
        lightbox_tap_visitor visit,
        void *context,
        lightbox_tensor_handle *out);
};

/* What a tap is. */
struct lightbox_tap_info {
    /* Size of this struct in bytes, which the plugin sets. */
    uint64_t struct_size;
    /*
     * Name of the layer; valid until the taps are opened again and at most for the call of
     * lightbox_attribution.attribute.
     */
    const char *name;
    /* Channels, C. */
    uint64_t channels;
    /* Height, h. */
    uint64_t height;
    /* Width, w. */
    uint64_t width;
};

/*
 * The taps of the network that is explained. `[run]`, under the rules of lightbox_services, whose `last_error`
 * gives the text of an error. A network without taps makes `open` return LIGHTBOX_STATUS_UNSUPPORTED.
 */
struct lightbox_taps {
    /* Size of this struct in bytes. */
    uint64_t struct_size;
    /*
     * Runs the network on `point` [M,C,H,W] and takes the gradient of sum(cotangent * logits) at every tap;
     * `cotangent` is [M,K]. Writes the number of taps to `count`. They stay until the next `open`. All M rows
     * are in memory at once.
     */
    lightbox_status (*open)(
        const lightbox_run *run,
        const lightbox_tensor *point,
        const lightbox_tensor *cotangent,
        uint64_t *count);
    /* Says what tap `index` is. */
    lightbox_status (*describe)(const lightbox_run *run, uint64_t index, lightbox_tap_info *info);
    /* Writes the bias of tap `index` to `bias` [C]. */
    lightbox_status (*bias)(const lightbox_run *run, uint64_t index, const lightbox_tensor *bias);
    /* Writes the output of tap `index` to `output` [M,C,h,w]. */
    lightbox_status (*output)(const lightbox_run *run, uint64_t index, const lightbox_tensor *output);
    /* Writes the gradient at the output of tap `index` to `gradient` [M,C,h,w]. */
    lightbox_status (*gradient)(const lightbox_run *run, uint64_t index, const lightbox_tensor *gradient);
};

/*
 * The constant that a plugin exports. Define it in exactly one file:
 *
 *     LIGHTBOX_EXPORT const lightbox_entry lightbox_plugin_entry = { LIGHTBOX_ABI_MAJOR, ... };
 *
 * In C++ write `extern "C"` before it: a constant of C++ is otherwise not seen outside its file.
 */
#if defined(__GNUC__)
#define LIGHTBOX_EXPORT __attribute__((visibility("default")))
#else
#define LIGHTBOX_EXPORT
#endif
extern LIGHTBOX_EXPORT const lightbox_entry lightbox_plugin_entry;

#ifdef __cplusplus
}
#endif

#endif
