//! A plugin for the tests: methods that use every host service, and methods that panic.

use lightbox_plugin::{
    At, Attribution, AttributionDescriptor, Batch, Error, Host, LogLevel, Maps, Merge, Needs, Output, Parameter,
    Parameters, Request, Resize, Resolution, export_plugin,
};

/// Weighs what the host's services give, so that a test can tell each of them apart.
struct Services {
    scale: f64,
    shift: i64,
    square: bool,
    word: String,
}

impl Attribution for Services {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Nobody, never",
            needs: Needs {
                activations: true,
                gradients: true,
                input: true,
                scores: true,
                forward: true,
                forward_from: true,
                vjp: true,
            },
            merge: Merge::Plugin,
            output: Output { signed: true, resolution: Resolution::Input },
            seeded: true,
            parameters: vec![
                Parameter::float("scale", 1.0, 0.0, 10.0, "Factor of the map."),
                Parameter::int("shift", 0, -5, 5, "Added to the map."),
                Parameter::bool("square", false, "Square the map."),
                Parameter::choice("word", "plain", &["plain", "noisy"], "Whether noise is added."),
            ],
            ..AttributionDescriptor::new("services", "Every service")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Services {
            scale: parameters.float("scale")?,
            shift: parameters.int("shift")?,
            square: parameters.bool("square")?,
            word: parameters.choice("word")?.to_owned(),
        })
    }

    /// The gradient at the input, times the input, summed over channels; plus the drop of the score when the first layer is
    /// switched off. Both are checked by the test against libtorch.
    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let (input, scores) = (request.input()?, request.scores()?);
        let again = host.forward(input.as_slice(), input.shape())?;
        if again.as_slice() != scores.as_slice() {
            return Err(Error::new("forward gives other scores than the request"));
        }
        let mut cotangent = vec![0.0; scores.as_slice().len()];
        for (image, &target) in request.targets().iter().enumerate() {
            cotangent[image * request.classes() + target] = 1.0;
        }
        let gradient = host.vjp(At::Input, input.as_slice(), input.shape(), &cotangent)?;
        let layer = &request.layers()[0];
        let activations = layer.activations()?;
        let at_layer = host.vjp(At::Layer(0), activations.as_slice(), activations.shape(), &cotangent)?;
        if at_layer != layer.gradients()?.as_slice() {
            return Err(Error::new("vjp gives another gradient than the request"));
        }
        let off = host.scratch(activations.as_slice().len())?;
        let without = host.forward_from(0, off, activations.shape())?;
        let (height, width) = request.input_size();
        let pixels = height * width;
        let map = maps.map(0)?;
        for (image, &target) in request.targets().iter().enumerate() {
            host.check_cancelled()?;
            let drop = scores.image(image)[target] - without.get(image, target);
            let mut noise = vec![0.0; pixels];
            if self.word == "noisy" {
                host.random_normal(request.image_seed(image), &mut noise)?;
            }
            let of_image = image * input.image(image).len()..(image + 1) * input.image(image).len();
            for (place, (g, x)) in gradient[of_image].iter().zip(input.image(image)).enumerate() {
                map[image * pixels + place % pixels] += g * x;
            }
            for (value, noise) in map[image * pixels..][..pixels].iter_mut().zip(&noise) {
                *value = (*value + drop + noise) * self.scale as f32 + self.shift as f32;
                if self.square {
                    *value *= *value;
                }
            }
            host.progress(image as u64 + 1, request.images() as u64);
        }
        let small = host.scale_and_resize(
            &map[..pixels],
            [1, height, width],
            (1, 1),
            Resize { scale: true, align_corners: false },
        )?;
        host.log(LogLevel::Info, &format!("mean after scaling {:.3}", small[0]));
        Ok(())
    }
}

/// Counts the images of each call: it takes one at a time.
struct Single;

impl Attribution for Single {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            batch: Batch::Single,
            layers: lightbox_plugin::Layers::One,
            ..AttributionDescriptor::new("single", "One image at a time")
        }
    }

    fn create(_: &Parameters) -> Result<Self, Error> {
        Ok(Single)
    }

    fn attribute(&mut self, request: &Request<'_>, _: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let value = request.image_seed(0) as f32 + request.images() as f32 / 100.0;
        maps.map(0)?.fill(value);
        Ok(())
    }
}

/// Panics when it runs.
struct Panics;

impl Attribution for Panics {
    fn descriptor() -> AttributionDescriptor {
        harm("describe");
        AttributionDescriptor::new("panics", "Panics")
    }

    fn create(_: &Parameters) -> Result<Self, Error> {
        Ok(Panics)
    }

    fn attribute(&mut self, request: &Request<'_>, _: &Host<'_>, _: &mut Maps<'_>) -> Result<(), Error> {
        let none: Option<usize> = request.targets().get(1_000_000).copied();
        panic!("there is no image {}, only {none:?}", 1_000_000)
    }
}

/// Asks for what its descriptor does not name.
struct Greedy;

impl Attribution for Greedy {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor::new("greedy", "Greedy")
    }

    fn create(_: &Parameters) -> Result<Self, Error> {
        Ok(Greedy)
    }

    fn attribute(&mut self, request: &Request<'_>, _: &Host<'_>, _: &mut Maps<'_>) -> Result<(), Error> {
        request.layers()[0].activations().map(|_| ())
    }
}

/// Panics where the environment of a test says.
fn harm(place: &str) {
    if std::env::var("LIGHTBOX_ZOO").is_ok_and(|asked| asked == place) {
        panic!("harm in {place}");
    }
}

fn init() -> Result<(), Error> {
    harm("init");
    println!("a plugin may print");
    Ok(())
}

export_plugin! {
    id: "org.example.zoo-method",
    version: "1.2.3",
    init: init,
    attributions: [Services, Single, Panics, Greedy],
}
