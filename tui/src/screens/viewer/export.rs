//! Writes the picture that is looked at, at the image's own size.

use std::path::PathBuf;

use lightbox_data::decode::{self, DecodeLimits, DecodeOptions};
use lightbox_data::manifest::{Channels, Manifest};
use lightbox_picture::{Colormap, Options, Original, overlay, write_png};

use super::heat::Heat;
use super::{Update, Viewer};
use crate::app::message::Update as AppUpdate;
use crate::app::shared::Shared;

impl Viewer {
    pub(super) fn export(&mut self, path: PathBuf, shared: &mut Shared) {
        let Some(entry) = self.entry() else { return };
        let heat = match self.heat(entry, &self.method) {
            Some(Ok(heat)) if !self.original => Some(heat.clone()),
            _ => None,
        };
        let (image, manifest) = (entry.record.path.clone(), self.source.get().and_then(|s| s.manifest.clone()));
        let (colormap, opacity) = (self.colormap, self.opacity);
        shared.tasks.spawn(move || {
            let written = write(&image, manifest.as_ref(), heat.as_ref(), colormap, opacity, &path);
            AppUpdate::Viewer(Box::new(Update::Exported(written.map(|()| path))))
        });
    }
}

fn write(
    image: &std::path::Path,
    manifest: Option<&Manifest>,
    heat: Option<&Heat>,
    colormap: Colormap,
    opacity: f32,
    path: &std::path::Path,
) -> Result<(), String> {
    let options = DecodeOptions {
        channels: Channels::Colour,
        intensity: manifest.map(|m| m.intensity).unwrap_or_default(),
        clahe: manifest.and_then(|m| m.clahe),
        limits: DecodeLimits::default(),
    };
    let decoded = decode::read(image, &options).map_err(|e| e.to_string())?;
    let (width, height) = (decoded.width as usize, decoded.height as usize);
    let original = Original { pixels: &decoded.pixels, width, height, channels: decoded.channels };
    let nothing = [f32::NAN];
    let (map, size) = heat.map_or((&nothing[..], [1, 1]), |h| (&h.values[..], [h.height, h.width]));
    let look = Options { colormap, image_weight: 1.0 - opacity, legend: heat.is_some(), ..Options::default() };
    let picture = overlay(&original, map, size, &[], &look).map_err(|e| e.to_string())?;
    write_png(path, &picture).map_err(|e| e.to_string())
}
