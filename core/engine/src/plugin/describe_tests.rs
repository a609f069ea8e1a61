//! Descriptors with any numbers in them are read or refused, never a crash.

use std::ptr::null;

use proptest::prelude::*;

use super::*;

const ID: *const c_char = c"method".as_ptr();

fn method() -> abi::AttributionDescriptor {
    abi::AttributionDescriptor {
        struct_size: size_of::<abi::AttributionDescriptor>() as u64,
        id: ID,
        name: c"Method".as_ptr(),
        reference: null(),
        description: null(),
        needs: abi::NEED_ACTIVATIONS,
        accepts: 0,
        layers: abi::LAYERS_SEVERAL,
        merge: abi::MERGE_MEAN,
        batch: abi::BATCH_ANY,
        layout: abi::LAYOUT_IMAGE,
        dimensions: 4,
        sign: abi::SIGN_NON_NEGATIVE,
        resolution: abi::RESOLUTION_LAYER,
        randomness: abi::RANDOMNESS_NONE,
        device: abi::WANT_CPU,
        parameter_count: 0,
        parameters: null(),
    }
}

fn parameter(kind: u32) -> abi::Parameter {
    abi::Parameter {
        struct_size: size_of::<abi::Parameter>() as u64,
        name: c"eps".as_ptr(),
        help: null(),
        kind,
        choice_count: 0,
        float_default: 0.5,
        float_min: 0.0,
        float_max: f64::INFINITY,
        int_default: 1,
        int_min: 0,
        int_max: 2,
        choices: null(),
    }
}

fn read(descriptor: &abi::AttributionDescriptor) -> std::result::Result<AttributionMetadata, Fault> {
    // SAFETY: the pointers are null or lead to constants.
    unsafe { attribution(descriptor) }
}

fn read_row(row: &abi::Parameter) -> std::result::Result<Vec<ParameterMetadata>, Fault> {
    let rows = [std::ptr::from_ref(row)];
    let descriptor = abi::AttributionDescriptor { parameter_count: 1, parameters: rows.as_ptr(), ..method() };
    read(&descriptor).map(|method| method.parameters)
}

#[test]
fn unknown_values_leave_out_the_method_and_broken_ones_the_library() {
    assert_eq!(read(&method()).unwrap().id, "method");
    let unknown = abi::AttributionDescriptor { layout: abi::LAYOUT_VOLUME, dimensions: 5, ..method() };
    assert_eq!(
        read(&unknown),
        Err(Fault::Unsupported {
            id: "method".to_owned(),
            reason: "it works on layout 2 of 5 dimensions, not on images; a newer Lightbox may know it".to_owned()
        })
    );
    let needs = abi::AttributionDescriptor { needs: 1 << 40, ..method() };
    assert!(matches!(read(&needs), Err(Fault::Unsupported { .. })));
    let broken = |descriptor: abi::AttributionDescriptor| match read(&descriptor) {
        Err(Fault::Broken(what)) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        broken(abi::AttributionDescriptor { struct_size: 8, ..method() }),
        "the descriptor of a method is shorter than its ABI says"
    );
    assert_eq!(broken(abi::AttributionDescriptor { id: null(), ..method() }), "the id of a method is null");
    assert_eq!(
        broken(abi::AttributionDescriptor { id: c"Grad CAM".as_ptr(), ..method() }),
        "the id `Grad CAM` of a method is not made of lower-case letters, digits, `-`, `_` and `+`"
    );
    assert_eq!(
        broken(abi::AttributionDescriptor { name: c"\xff".as_ptr(), ..method() }),
        "the name of `method` is not UTF-8"
    );
    assert_eq!(
        broken(abi::AttributionDescriptor { parameter_count: 1, ..method() }),
        "the parameters of `method` are null, or 1 are too many"
    );
}

#[test]
fn parameter_rows_are_checked() {
    assert_eq!(
        read_row(&parameter(abi::PARAMETER_FLOAT)).unwrap()[0].kind,
        ParameterKind::Float { default: 0.5, min: Some(0.0), max: None }
    );
    let out = Err(Fault::Broken("the default of parameter `eps` of `method` is out of its bounds".to_owned()));
    for row in [
        abi::Parameter { float_default: -1.0, ..parameter(abi::PARAMETER_FLOAT) },
        abi::Parameter { float_default: f64::NAN, ..parameter(abi::PARAMETER_FLOAT) },
        abi::Parameter { int_default: 3, ..parameter(abi::PARAMETER_INT) },
        abi::Parameter { int_default: 2, ..parameter(abi::PARAMETER_BOOL) },
        abi::Parameter { int_default: -1, ..parameter(abi::PARAMETER_CHOICE) },
    ] {
        assert_eq!(read_row(&row), out);
    }
    assert!(matches!(read_row(&parameter(77)), Err(Fault::Unsupported { .. })));
}

fn small() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..6, any::<u32>()]
}

proptest! {
    #[test]
    fn any_numbers_in_a_method_are_safe(
        sizes in (prop_oneof![Just(128_u64), any::<u64>()], any::<u64>(), any::<u64>()),
        (layers, merge, batch, layout) in (small(), small(), small(), small()),
        (dimensions, sign, resolution, randomness, device) in (small(), small(), small(), small(), small()),
    ) {
        let _ = read(&abi::AttributionDescriptor {
            struct_size: sizes.0, needs: sizes.1 % 256, accepts: sizes.2,
            layers, merge, batch, layout, dimensions, sign, resolution, randomness, device, ..method()
        });
    }

    #[test]
    fn any_numbers_in_a_parameter_are_safe(
        kind in small(), floats in any::<[f64; 3]>(), ints in any::<[i64; 3]>(), size in any::<u64>(), keep in any::<bool>(),
    ) {
        let whole = parameter(kind);
        let _ = read_row(&abi::Parameter {
            struct_size: if keep { whole.struct_size } else { size },
            float_default: floats[0], float_min: floats[1], float_max: floats[2],
            int_default: ints[0], int_min: ints[1], int_max: ints[2], ..whole
        });
    }

    #[test]
    fn any_numbers_in_a_model_are_safe(
        numbers in any::<[u32; 4]>(), layout in small(), dimensions in small(),
        mean in any::<[f64; 3]>(), std in any::<[f64; 3]>(), cut in small(),
    ) {
        let (channels, cuts) = ([3_u32], [c"layer4".as_ptr()]);
        let descriptor = abi::ModelDescriptor {
            struct_size: size_of::<abi::ModelDescriptor>() as u64,
            id: ID, name: ID, reference: null(), description: null(),
            input_height: numbers[0], input_width: numbers[1], minimum_height: numbers[2], minimum_width: numbers[3],
            layout, dimensions, mean, std, channel_count: 1, cut_point_count: 1, channels: channels.as_ptr(),
            cut_points: cuts.as_ptr(), default_cut_point: cut, option_count: 0, options: null(), weights_url: null(),
        };
        // SAFETY: the pointers are null or lead to constants.
        let _ = unsafe { model(&descriptor) };
    }
}
