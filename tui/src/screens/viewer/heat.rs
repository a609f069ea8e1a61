//! Heatmaps: asked of the warm worker, kept small, coloured here, so that another colormap or opacity costs nothing.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lightbox_picture::{Colormap, npy};
use lightbox_scheduler::Client;
use lightbox_scheduler::protocol::{Action, News};
use lightbox_store::Home;
use lightbox_store::request::{ExplainRequest, Explained, Network};
use lightbox_store::run::DeviceChoice;
use lightbox_terminal::graphics::Overlay;

/// Side of the heatmaps that are kept: maps of CNNs have 7 to 56 cells a side before they are stretched.
pub const SIDE: usize = 56;

/// What a heatmap is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Run directory of the network.
    pub run: PathBuf,
    /// Image file.
    pub image: PathBuf,
    /// Method id.
    pub method: String,
    /// Layer; the model's own when none.
    pub layer: Option<String>,
    /// Class; the predicted one when none.
    pub target: Option<String>,
    /// Parameters, `name=value`.
    pub params: Vec<String>,
}

/// A heatmap.
#[derive(Clone, Debug)]
pub struct Heat {
    /// What the worker said of it.
    pub said: Explained,
    /// Values in [0, 1], rows of `width`.
    pub values: Arc<[f32]>,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// How long a map may take that nobody waits for any more. Giving it up ends the worker, and the next one has to load its
/// network again.
const GRACE: Duration = Duration::from_secs(2);

/// Maps that are asked for.
#[derive(Clone, Debug)]
pub struct Pending {
    /// What they are of; they differ in their method only.
    pub keys: Vec<Key>,
    moved_on: Arc<AtomicBool>,
    begun: Instant,
}

impl Pending {
    /// From now on.
    pub fn of(keys: Vec<Key>) -> Self {
        Self { keys, moved_on: Arc::default(), begun: Instant::now() }
    }

    /// Tells whether any of them is still wanted.
    pub fn set_wanted(&self, wanted: bool) {
        self.moved_on.store(!wanted, Ordering::SeqCst);
    }

    fn is_worth_waiting(&self) -> bool {
        !self.moved_on.load(Ordering::SeqCst) || self.begun.elapsed() < GRACE
    }
}

/// Asks the warm worker for maps of one image by several methods. `each` is given each map, or why there is none; nothing
/// where it was given up because nobody wants it any more.
pub fn ask(
    home: &Home,
    program: &Path,
    pending: &Pending,
    each: &mut dyn FnMut(Key, Option<Result<Heat, String>>),
) -> Vec<String> {
    let keys = &pending.keys;
    let Some(first) = keys.first() else { return Vec::new() };
    let mut hasher = DefaultHasher::new();
    (keys, std::process::id(), std::time::SystemTime::now()).hash(&mut hasher);
    let out = home.cache_dir().join("viewer").join(format!("{:016x}", hasher.finish()));
    let request = ExplainRequest {
        images: vec![first.image.clone()],
        network: Network::Run { path: first.run.clone() },
        methods: keys.iter().map(|k| k.method.clone()).collect(),
        layers: first.layer.clone().into_iter().collect(),
        target: first.target.clone(),
        class_names: None,
        mean: None,
        std: None,
        image_size: None,
        params: first.params.clone(),
        out: out.clone(),
        raw: true,
        seed: 0,
        device: DeviceChoice("auto".into()),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut remarks = Vec::new();
    let mut missing: Vec<Key> = keys.clone();
    let action = Action::Explain { request: Box::new(request) };
    let outcome = Client::connect_or_start(home, program).and_then(|mut client| {
        let mut on_news = |news| match news {
            News::Explained { explained, .. } => {
                if let Some(at) = missing.iter().position(|k| k.method == explained.method) {
                    each(missing.swap_remove(at), Some(read(*explained)));
                }
            }
            News::Remark { text, .. } => remarks.push(text),
            _ => {}
        };
        client.ask_while(action, &mut on_news, &|| pending.is_worth_waiting())
    });
    let why = match outcome {
        Ok(None) => None,
        Ok(Some(_)) => Some("the worker sent no map".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    for key in missing {
        each(key, why.clone().map(Err));
    }
    // What was written there is read by now; a folder that stays costs some kilobytes of cache.
    let _ = std::fs::remove_dir_all(out);
    remarks
}

fn read(said: Explained) -> Result<Heat, String> {
    if said.status == "nan-map" {
        return Err("the map is not a number everywhere: there is nothing to show".to_owned());
    }
    let path = said.map.as_ref().ok_or("the worker wrote no map")?;
    let array = npy::read(path).map_err(|e| e.to_string())?;
    let (values, width, height) = shrink(&array.values, array.size[1], array.size[0]);
    Ok(Heat { said, values: values.into(), width, height })
}

/// Means over cells, so that a map has at most [`SIDE`] columns and rows.
fn shrink(values: &[f32], width: usize, height: usize) -> (Vec<f32>, usize, usize) {
    let (w, h) = (width.min(SIDE), height.min(SIDE));
    let mut small = Vec::with_capacity(w * h);
    for y in 0..h {
        for x in 0..w {
            let (x0, x1) = (x * width / w, ((x + 1) * width / w).max(x * width / w + 1));
            let (y0, y1) = (y * height / h, ((y + 1) * height / h).max(y * height / h + 1));
            let cells = (y0..y1).flat_map(|row| values[row * width + x0..row * width + x1].iter());
            let sum: f32 = cells.sum();
            small.push(sum / ((x1 - x0) * (y1 - y0)) as f32);
        }
    }
    (small, w, h)
}

/// The heatmap in colours, `opacity` being the share of the colours in the picture.
pub fn overlay(heat: &Heat, colormap: Colormap, opacity: f32) -> Arc<Overlay> {
    let alpha = (255.0 * opacity.clamp(0.0, 1.0)).round() as u8;
    let pixel = |value: &f32| match colormap.at(*value) {
        Some([r, g, b]) => [r, g, b, alpha],
        None => [0; 4],
    };
    let rgba: Vec<u8> = heat.values.iter().flat_map(pixel).collect();
    let mut hasher = DefaultHasher::new();
    (heat.width, heat.height, &rgba).hash(&mut hasher);
    Arc::new(Overlay { id: hasher.finish(), width: heat.width as u32, height: heat.height as u32, rgba: rgba.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_keeps_the_mean() {
        let values: Vec<f32> = (0..224 * 224).map(|i| (i % 7) as f32 / 7.0).collect();
        let (small, w, h) = shrink(&values, 224, 224);
        assert_eq!((w, h, small.len()), (56, 56, 56 * 56));
        let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
        assert!((mean(&small) - mean(&values)).abs() < 1e-3);
        assert_eq!(shrink(&[0.5; 6], 3, 2), (vec![0.5; 6], 3, 2));
        let (odd, w, h) = shrink(&vec![0.25; 100 * 61], 100, 61);
        assert!((w, h) == (56, 56) && odd.iter().all(|v| (v - 0.25).abs() < 1e-6));
    }
}
