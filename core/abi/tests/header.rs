//! The C header and this crate describe the same bytes: every size, offset and constant is compared.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use lightbox_abi::*;

/// The languages that the header is for.
const LANGUAGES: [(&str, &str, &str); 3] = [("cc", "c", "c99"), ("cc", "c", "c11"), ("c++", "cpp", "c++17")];

/// What a program in one of the languages prints of the header, by expression.
fn values((compiler, extension, standard): (&str, &str, &str), expressions: &[String]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join(format!("header.{extension}")), folder.path().join("header"));
    let lines: String = expressions.iter().map(|expression| format!("    SHOW({expression});\n")).collect();
    let text = format!(
        "#include <stdio.h>\n\
         #include \"lightbox_plugin.h\"\n\
         #define SHOW(x) printf(\"%s=%lld\\n\", #x, (long long)(x))\n\
         #define TEXT(x) printf(\"%s=%s\\n\", #x, x)\n\
         int main(void) {{\n{}    return 0;\n}}\n",
        lines.replace("SHOW(TEXT ", "TEXT(")
    );
    std::fs::write(&source, text).unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let output = Command::new(compiler)
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .args([&include, &source, Path::new("-o"), &program])
        .output()
        .unwrap();
    assert!(output.status.success(), "{standard}: {}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(program).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect()
}

macro_rules! layouts {
    ($($rust:ident as $c:ident { $($field:ident),* $(,)? })*) => {
        fn layouts() -> Vec<(String, usize)> {
            vec![$(
                (format!("sizeof({})", stringify!($c)), size_of::<$rust>()),
                $((format!("offsetof({}, {})", stringify!($c), stringify!($field)), offset_of!($rust, $field)),)*
            )*]
        }

        /// Fails to compile when a struct has a field that the list above lacks.
        #[allow(dead_code, unused_variables)]
        mod complete {
            use super::*;
            $(#[allow(non_snake_case)] fn $c(value: $rust) { let $rust { $($field),* } = value; })*
        }
    };
}

macro_rules! constants {
    ($($name:ident),* $(,)?) => {
        fn constants() -> Vec<(String, i128)> {
            vec![$((stringify!($name).to_owned(), $name as i128)),*]
        }
    };
}

layouts! {
    TensorVersion as lightbox_tensor_version { major, minor }
    TensorDevice as lightbox_tensor_device { device_type, device_id }
    TensorType as lightbox_tensor_type { code, bits, lanes }
    TensorData as lightbox_tensor_data { data, device, ndim, dtype, shape, strides, byte_offset }
    Tensor as lightbox_tensor { version, manager_context, deleter, flags, tensor }
    Parameter as lightbox_parameter {
        struct_size, name, help, kind, choice_count, float_default, float_min, float_max, int_default, int_min,
        int_max, choices
    }
    ParameterValue as lightbox_parameter_value {
        struct_size, name, kind, reserved, float_value, int_value, text_value
    }
    Entry as lightbox_entry {
        abi_major, abi_minor, struct_size, plugin_id, plugin_version, init, deinit, last_error, get_factory
    }
    Host as lightbox_host { struct_size, abi_major, abi_minor, name, version, context, get_extension }
    Run as lightbox_run { struct_size, context, get_extension }
    Services as lightbox_services {
        struct_size, forward, forward_from, vjp, scale_and_resize, random_uniform, random_normal, scratch, log,
        progress, is_cancelled, last_error
    }
    Hvp as lightbox_hvp { struct_size, hvp }
    Keep as lightbox_keep { struct_size, keep }
    ModelTap as lightbox_model_tap { struct_size, name, output, bias }
    ModelTaps as lightbox_model_taps { struct_size, forward }
    TapInfo as lightbox_tap_info { struct_size, name, channels, height, width }
    Taps as lightbox_taps { struct_size, open, describe, bias, output, gradient }
    AttributionDescriptor as lightbox_attribution_descriptor {
        struct_size, id, name, reference, description, needs, accepts, layers, merge, batch, layout, dimensions,
        sign, resolution, randomness, device, parameter_count, parameters
    }
    AttributionFactory as lightbox_attribution_factory { struct_size, count, descriptor, create }
    Attribution as lightbox_attribution { struct_size, context, attribute, destroy, get_extension }
    Layer as lightbox_layer { struct_size, name, height, width, activations, gradients }
    Request as lightbox_request {
        struct_size, image_count, class_count, input_height, input_width, input_channels, targets, input, scores,
        layer_count, layers, seed, image_seeds, cuda_stream, device, run
    }
    Maps as lightbox_maps { struct_size, context, map_count, get }
    ModelDescriptor as lightbox_model_descriptor {
        struct_size, id, name, reference, description, input_height, input_width, minimum_height, minimum_width,
        layout, dimensions, mean, std, channel_count, cut_point_count, channels, cut_points, default_cut_point,
        option_count, options, weights_url
    }
    ModelRequest as lightbox_model_request {
        struct_size, id, class_count, channel_count, seed, option_count, options
    }
    ModelFactory as lightbox_model_factory { struct_size, count, descriptor, create }
    Variable as lightbox_variable { struct_size, name, tensor, trainable, alias_count, aliases }
    Model as lightbox_model {
        struct_size, context, forward_between, variables, device_or_dtype_changed, release, destroy, get_extension
    }
}

constants! {
    ABI_MAJOR, ABI_MINOR, STATUS_OK, STATUS_FAILED, STATUS_INVALID_ARGUMENT, STATUS_UNSUPPORTED, STATUS_CANCELLED,
    STATUS_PANICKED, STATUS_OUT_OF_MEMORY, DLPACK_MAJOR, DLPACK_MINOR, DEVICE_CPU, DEVICE_CUDA, TYPE_INT,
    TYPE_FLOAT, TYPE_BFLOAT, TENSOR_READ_ONLY, MAX_DIMENSIONS, PARAMETER_FLOAT, PARAMETER_INT, PARAMETER_BOOL,
    PARAMETER_CHOICE, LIBTORCH_CAPACITY, AT_INPUT, RESIZE_SCALE, RESIZE_ALIGN_CORNERS, LOG_ERROR, LOG_WARNING,
    LOG_INFO, LOG_DEBUG, NEED_ACTIVATIONS, NEED_GRADIENTS, NEED_INPUT, NEED_SCORES, NEED_FORWARD, NEED_FORWARD_FROM,
    NEED_VJP, LAYERS_ONE, LAYERS_SEVERAL, MERGE_MEAN, MERGE_SUM, MERGE_PLUGIN, BATCH_SINGLE, BATCH_ANY,
    LAYOUT_IMAGE, LAYOUT_VOLUME, LAYOUT_TOKENS, SIGN_NON_NEGATIVE, SIGN_SIGNED, RESOLUTION_LAYER, RESOLUTION_INPUT,
    RANDOMNESS_NONE, RANDOMNESS_SEEDED, WANT_ANY_DEVICE, WANT_CPU, ACCEPT_STRIDES, ACCEPT_BF16, CUT_END
}

fn texts() -> Vec<(String, &'static str)> {
    let text = |name: &str, value| (name.to_owned(), value);
    vec![
        text("ENTRY_SYMBOL", ENTRY_SYMBOL),
        text("LIBTORCH_SYMBOL", LIBTORCH_SYMBOL),
        text("SDK_SYMBOL", SDK_SYMBOL),
        text("SERVICES_ID", SERVICES_ID),
        text("ATTRIBUTION_ID", ATTRIBUTION_ID),
        text("MODEL_ID", MODEL_ID),
        text("HVP_ID", HVP_ID),
        text("KEEP_ID", KEEP_ID),
        text("TAPS_ID", TAPS_ID),
        text("MODEL_TAPS_ID", MODEL_TAPS_ID),
    ]
}

/// Every size, offset, constant and id of the crate, by its C expression.
fn described() -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        layouts().into_iter().map(|(expression, value)| (expression, value.to_string())).collect();
    all.extend(constants().into_iter().map(|(name, value)| (format!("LIGHTBOX_{name}"), value.to_string())));
    all.extend(texts().into_iter().map(|(name, value)| (format!("LIGHTBOX_{name}"), value.to_owned())));
    all
}

/// What was published stays as it was: plugins of years ago were built on it. A struct may grow at its end and the list by new
/// lines. What only a `.draft` id names may be taken out again.
#[test]
fn what_was_published_has_not_changed() {
    let published = include_str!("published.txt");
    let now = described();
    let lines: BTreeMap<&str, &str> = published.lines().filter_map(|line| line.split_once(" = ")).collect();
    for (expression, value) in &lines {
        let found = now.get(*expression).map(String::as_str);
        let grown =
            expression.starts_with("sizeof(") && found.is_some_and(|f| f.parse::<u64>().ok() > value.parse().ok());
        let may_grow = grown && *expression != "sizeof(lightbox_entry)";
        assert!(found == Some(*value) || may_grow, "{expression} was published as {value} and is {found:?}");
    }
    let new: Vec<String> = now
        .iter()
        .filter(|(expression, _)| !lines.contains_key(expression.as_str()))
        .map(|(expression, value)| format!("{expression} = {value}"))
        .collect();
    assert!(new.is_empty(), "add to core/abi/tests/published.txt:\n{}", new.join("\n"));
}

#[test]
fn the_header_and_the_crate_describe_the_same_bytes() {
    let expected = described();
    let text: Vec<String> = texts().into_iter().map(|(name, _)| format!("LIGHTBOX_{name}")).collect();
    let expressions: Vec<String> =
        expected.keys().map(|name| if text.contains(name) { format!("TEXT {name}") } else { name.clone() }).collect();
    for language in LANGUAGES {
        assert_eq!(values(language, &expressions), expected, "{language:?}");
    }
}

#[test]
fn every_constant_of_the_crate_is_compared() {
    let sources = ["lib", "attribution", "dlpack", "entry", "hvp", "keep", "model", "parameter", "services", "taps"];
    let compared: Vec<String> =
        constants().into_iter().map(|(name, _)| name).chain(texts().into_iter().map(|(name, _)| name)).collect();
    for source in sources {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{source}.rs"));
        for line in std::fs::read_to_string(path).unwrap().lines() {
            if let Some((name, _)) = line.strip_prefix("pub const ").and_then(|rest| rest.split_once(':')) {
                assert!(compared.iter().any(|known| known == name), "{source}.rs: {name} is not compared");
            }
        }
    }
}
