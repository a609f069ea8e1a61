//! Attribution methods that perturb, as plugins. Formulas, parameters and what differs from the publications are in
//! `docs/explanations.md`.

mod ablationcam;
mod drops;
mod head;
mod masked;
mod occlusion;
mod rise;
mod scorecam;
#[cfg(test)]
mod toy;

pub use ablationcam::AblationCam;
pub use occlusion::Occlusion;
pub use rise::Rise;
pub use scorecam::ScoreCam;

lightbox_plugin::export_plugin! {
    id: "org.lightbox.perturbation",
    version: env!("CARGO_PKG_VERSION"),
    attributions: [AblationCam, ScoreCam, Occlusion, Rise],
}
