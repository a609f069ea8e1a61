//! A term made into a plugin: parameters, the loop over layers and images, and the reduction to a map.

use lightbox_cam_math::{Projection, Reduction, Sign, Sum};
use lightbox_plugin::{Attribution, AttributionDescriptor, Error, Host, Maps, Needs, Parameter, Parameters, Request};

use crate::Term;

/// The words of the parameter `sign`, the default first.
const SIGNS: &[&str] = &["evidence", "max", "lapack"];

/// A method that is its term.
pub trait MethodTerm: Term + Send + Sized {
    /// Id, name, reference, description and parameters of its own.
    fn about() -> About;

    /// Makes the term from its own parameters.
    fn create(parameters: &Parameters) -> Result<Self, Error>;
}

/// What distinguishes one method from another, for its descriptor.
pub struct About {
    /// Id that the user types.
    pub id: &'static str,
    /// Name that the user reads.
    pub name: &'static str,
    /// The publication.
    pub reference: &'static str,
    /// The formula and what differs from the publication.
    pub description: &'static str,
    /// Whether the term reads gradients.
    pub gradients: bool,
    /// Whether the map is the first principal component of the terms; else it is their sum.
    pub projected: bool,
    /// Parameters of its own.
    pub parameters: Vec<Parameter>,
}

/// The plugin method of a term.
pub struct Method<T> {
    term: T,
    reduction: Box<dyn Reduction + Send>,
    gradients: bool,
}

impl<T: MethodTerm> Attribution for Method<T> {
    fn descriptor() -> AttributionDescriptor {
        let about = T::about();
        let mut parameters = about.parameters;
        if !about.projected {
            parameters.push(Parameter::bool(
                "eigen-smooth",
                false,
                "Take the first principal component of the channels' terms in place of their sum.",
            ));
        }
        parameters.push(Parameter::choice(
            "sign",
            SIGNS[0],
            SIGNS,
            "Which of the two principal components is the map: the one that agrees with the sum of the terms, the one whose \
             largest value is positive, or the one that LAPACK mostly leaves.",
        ));
        AttributionDescriptor {
            reference: about.reference,
            description: about.description,
            needs: Needs { activations: true, gradients: about.gradients, ..Needs::default() },
            parameters,
            ..AttributionDescriptor::new(about.id, about.name)
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        let about = T::about();
        let projected = about.projected || parameters.bool("eigen-smooth")?;
        let reduction: Box<dyn Reduction + Send> =
            if projected { Box::new(Projection::new(sign(parameters)?)) } else { Box::<Sum>::default() };
        Ok(Method { term: T::create(parameters)?, reduction, gradients: about.gradients })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        for (index, layer) in request.layers().iter().enumerate() {
            let pixels = layer.height() * layer.width();
            let activations = layer.activations()?;
            let gradients = if self.gradients { Some(layer.gradients()?) } else { None };
            let map = maps.map(index)?;
            if pixels == 0 {
                continue;
            }
            for (image, out) in map.chunks_exact_mut(pixels).enumerate() {
                host.check_cancelled()?;
                let a = activations.image(image);
                let g = gradients.map_or(&[][..], |gradients| gradients.image(image));
                let term = &self.term;
                let mut fill = |channel: usize, row: &mut [f32]| {
                    let place = channel * pixels..(channel + 1) * pixels;
                    term.fill(&a[place.clone()], g.get(place).unwrap_or(&[]), row);
                };
                self.reduction.reduce(a.len() / pixels, &mut fill, out);
            }
        }
        Ok(())
    }
}

fn sign(parameters: &Parameters) -> Result<Sign, Error> {
    match parameters.choice("sign")? {
        "evidence" => Ok(Sign::Evidence),
        "max" => Ok(Sign::Max),
        "lapack" => Ok(Sign::Lapack),
        other => Err(Error::new(format!("there is no sign `{other}`; there is {}", SIGNS.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, Result, TensorView, Value};

    use super::*;
    use crate::{EigenGradCam, GradCam, HiResCam};

    /// A host of which nothing is asked but whether to stop.
    struct Idle {
        cancelled: bool,
    }

    impl lightbox_plugin::Services for Idle {
        fn is_cancelled(&self) -> bool {
            self.cancelled
        }
    }

    // Two images of two channels of 1 x 2 pixels.
    const ACTIVATIONS: [f32; 8] = [1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 5.0, 0.0];
    const GRADIENTS: [f32; 8] = [1.0, 3.0, -1.0, -1.0, 2.0, 2.0, 0.0, 1.0];

    fn run<T: MethodTerm>(change: impl Fn(Parameters) -> Parameters, cancelled: bool) -> Result<Vec<f32>, Error> {
        let parameters = change(Parameters::defaults(&Method::<T>::descriptor().parameters));
        let view = |values| TensorView::new(values, &[2, 2, 1, 2]);
        let layer = Layer::new("layer", (1, 2), view(&ACTIVATIONS), view(&GRADIENTS));
        let request = Request::new(&[0, 1], 3, [3, 8, 8], vec![layer]);
        let mut maps = Maps::own(2, &[(1, 2)]);
        let services = Idle { cancelled };
        Method::<T>::create(&parameters)?.attribute(&request, &Host::new(&services, 3), &mut maps)?;
        Ok(maps.map(0)?.to_vec())
    }

    #[test]
    fn each_image_has_its_own_channels() {
        // Grad-CAM: weights 2 and -1, then 2 and 0.5.
        assert_eq!(run::<GradCam>(|p| p, false).unwrap(), [-1.0, 0.0, 2.5, 2.0]);
        assert_eq!(run::<HiResCam>(|p| p, false).unwrap(), [-2.0, 2.0, 0.0, 2.0]);
    }

    #[test]
    fn smoothing_takes_the_principal_component() {
        // HiResCAM's terms are EigenGradCAM's. Image 1: 1 6 and -3 -4, centred -2.5 2.5 and 0.5 -0.5.
        let smooth = run::<HiResCam>(|p| p.with("eigen-smooth", Value::Bool(true)), false).unwrap();
        let length = 6.5_f32.sqrt();
        for (found, expected) in smooth.iter().zip([-length, length, -1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-6, "{smooth:?}");
        }
        assert_eq!(smooth, run::<EigenGradCam>(|p| p, false).unwrap());
        let lapack = |p: Parameters| p.with("sign", Value::Choice("lapack".to_owned()));
        assert!(run::<EigenGradCam>(lapack, false).unwrap()[2] < 0.0);
    }

    #[test]
    fn a_cancelled_run_stops() {
        assert_eq!(run::<GradCam>(|p| p, true).unwrap_err().message(), "cancelled");
    }
}
