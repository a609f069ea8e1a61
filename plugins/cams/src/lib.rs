//! CAM methods that need one gradient at most, as plugins: a file each, with the formula at its head.
//!
//! A method writes only its term: what one channel of one image contributes ([`term::Term`]). How terms become a map, by their
//! sum or by their first principal component, and the plumbing around it are in `method`. Formulas, parameters and what
//! differs from the publications are in `docs/explanations.md`.

mod eigencam;
mod finercam;
mod gradcam;
mod gradcam_elementwise;
mod gradcam_plus_plus;
mod hirescam;
mod layercam;
mod method;
mod shapleycam;
mod term;
mod xgradcam;

pub use eigencam::{EigenCam, EigenGradCam};
pub use finercam::FinerCam;
pub use gradcam::GradCam;
pub use gradcam_elementwise::GradCamElementWise;
pub use gradcam_plus_plus::GradCamPlusPlus;
pub use hirescam::HiResCam;
pub use layercam::LayerCam;
pub use method::{Method, MethodTerm};
pub use shapleycam::ShapleyCam;
pub use term::Term;
pub use xgradcam::XGradCam;

lightbox_plugin::export_plugin! {
    id: "org.lightbox.cams",
    version: env!("CARGO_PKG_VERSION"),
    attributions: [
        Method<GradCam>,
        Method<GradCamPlusPlus>,
        Method<XGradCam>,
        Method<LayerCam>,
        Method<HiResCam>,
        Method<GradCamElementWise>,
        Method<EigenCam>,
        Method<EigenGradCam>,
        FinerCam,
        ShapleyCam,
    ],
}
