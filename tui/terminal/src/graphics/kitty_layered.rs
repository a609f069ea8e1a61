//! kitty graphics, with base picture and overlay apart: the terminal keeps both by number and blends them.
//!
//! A base picture is sent once, however often and wherever it is shown; another overlay costs a small PNG file. Pictures
//! that are hidden lose their placement only, until there are too many of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::compose;
use super::encoder::{Encoder, Job, Key, Made};
use super::kitty;
use super::pace::Pace;
use super::painter::{Driver, Outgoing, Placed};
use super::{cells, leftovers, picture_file};

/// How many pictures the terminal keeps for this program, and how many pixels they may have together.
const KEPT: usize = 64;
const KEPT_PIXELS: u64 = 32 << 20;
/// Terminals make pictures smaller by this much without visible harm.
const SHRINKS: u32 = 3;
/// Above the text, as kitty 0.26 leaves traces of what is below it; the overlay above the base.
const BASE_LAYER: i32 = 1;
const OVERLAY_LAYER: i32 = 2;

/// A picture that the terminal has.
#[derive(Debug)]
struct Upload {
    id: u32,
    pixels: u64,
    used: u64,
}

/// What is to be seen at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Slot {
    rect: Rect,
    base: Key,
    overlay: Option<Key>,
}

/// A placement: where, and on which layer.
type Placement = (Rect, i32);

/// The driver.
pub struct KittyLayered {
    encoder: Encoder,
    wanted: Vec<Slot>,
    seen: Vec<Slot>,
    uploads: HashMap<Key, Upload>,
    /// By picture number and placement number.
    placements: BTreeMap<(u32, u32), Placement>,
    /// To be deleted with the next flush, as the terminal may still have them.
    stale: Vec<u32>,
    /// The next frame may clear the screen, with which kitty frees what was sent ahead of it.
    may_clear: bool,
    next_id: u32,
    frames: u64,
    pace: Pace,
    settled: bool,
}

impl KittyLayered {
    /// A driver; `first_id` is the first of its picture numbers.
    pub fn new(first_id: u32, wake: Arc<dyn Fn() + Send + Sync>) -> KittyLayered {
        KittyLayered {
            encoder: Encoder::start(encode, wake),
            wanted: Vec::new(),
            seen: Vec::new(),
            uploads: HashMap::new(),
            placements: BTreeMap::new(),
            stale: Vec::new(),
            may_clear: false,
            next_id: first_id,
            frames: 0,
            pace: Pace::new(Instant::now()),
            settled: true,
        }
    }

    /// Whether the terminal has a picture; sends it where that is possible now.
    fn upload(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        if let Some(upload) = self.uploads.get_mut(key) {
            upload.used = self.frames;
            return true;
        }
        let Some(made) = self.encoder.get(key) else { return false };
        let Made::Bytes(file) = &*made else { return false };
        if self.may_clear {
            self.encoder.wake_in(Duration::ZERO);
            return false;
        }
        if let Err(wait) = self.pace.may_send(file.len(), Instant::now()) {
            self.encoder.wake_in(wait);
            return false;
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        kitty::command(out, &format!("a=t,f=100,i={id}"), file, false);
        leftovers::sent(id, false);
        let pixels = u64::from(key.size.0) * u64::from(key.size.1);
        self.uploads.insert(*key, Upload { id, pixels, used: self.frames });
        true
    }

    /// What can be seen of a slot now. Another overlay of the same picture stays until the new one is there; another
    /// picture never stays.
    fn visible(&mut self, slot: Slot, out: &mut Vec<u8>) -> Option<Slot> {
        let overlay = slot.overlay.filter(|overlay| self.upload(overlay, out));
        if !self.upload(&slot.base, out) {
            self.settled = false;
            return None;
        }
        if overlay == slot.overlay {
            return Some(slot);
        }
        self.settled = false;
        let before = self.seen.iter().find(|seen| (seen.rect, seen.base) == (slot.rect, slot.base));
        let stays = before.and_then(|before| before.overlay).filter(|overlay| self.uploads.contains_key(overlay));
        Some(Slot { overlay: stays, ..slot })
    }

    /// The placements of what is seen. One picture at several places has a placement number for each.
    fn placements_of(&mut self, seen: &[Slot]) -> BTreeMap<(u32, u32), Placement> {
        let mut placements = BTreeMap::new();
        let mut times: HashMap<u32, u32> = HashMap::new();
        for slot in seen {
            for (key, layer) in [(Some(slot.base), BASE_LAYER), (slot.overlay, OVERLAY_LAYER)] {
                let Some(upload) = key.and_then(|key| self.uploads.get_mut(&key)) else { continue };
                upload.used = self.frames;
                let number = times.entry(upload.id).or_default();
                *number += 1;
                placements.insert((upload.id, *number), (slot.rect, layer));
            }
        }
        placements
    }

    /// The job of encoding the base: at its own size or, where that is more than is seen, a half, a quarter and so on; or
    /// what the terminal has already, where it can make that smaller without harm. So a picture is seldom sent twice.
    fn base_job(&self, one: &Placed) -> Job {
        let base = &one.shown.base;
        let (width, height) = one.pixels;
        let mut factor = 1;
        while base.width / (2 * factor) >= width && base.height / (2 * factor) >= height {
            factor *= 2;
        }
        let mut size = (base.width / factor, base.height / factor);
        let finer = self.uploads.keys().filter(|key| key.base == Some(base.id) && key.size.0 > size.0);
        let near = finer.filter(|key| key.size.0 <= SHRINKS * width).min_by_key(|key| key.size.0);
        size = near.map_or(size, |key| key.size);
        let key = Key { base: Some(base.id), overlay: None, size };
        Job { key, base: Some(Arc::clone(base)), overlay: None }
    }

    /// Deletes all that is hidden when there is too much of it. Not one by one: kitty before 0.28 frees every hidden
    /// picture when it is told to free one.
    fn evict(&mut self, out: &mut Vec<u8>) {
        let pixels: u64 = self.uploads.values().map(|upload| upload.pixels).sum();
        // A picture that waits for its other layer has no place yet, and would be freed with the hidden ones.
        if !self.settled || (self.uploads.len() <= KEPT && pixels <= KEPT_PIXELS) {
            return;
        }
        let frames = self.frames;
        self.uploads.retain(|_, upload| {
            if upload.used < frames {
                out.extend(leftovers::deletion(upload.id, false));
                leftovers::deleted(upload.id);
            }
            upload.used == frames
        });
    }
}

impl Driver for KittyLayered {
    fn draw(&mut self, placed: &[Placed], buffer: &mut Buffer) {
        let mut jobs: Vec<Job> = Vec::new();
        let mut wanted = Vec::new();
        for one in placed {
            cells::blank(buffer, one.rect);
            let base = self.base_job(one);
            let overlay = overlay_job(one);
            wanted.push(Slot { rect: one.rect, base: base.key, overlay: overlay.as_ref().map(|job| job.key) });
            jobs.extend([Some(base), overlay].into_iter().flatten());
        }
        jobs.retain(|job| !self.uploads.contains_key(&job.key));
        // Overlays are quick to encode.
        jobs.sort_by_key(|job| job.base.is_some());
        self.encoder.want(jobs);
        if wanted != self.wanted {
            self.pace.change(Instant::now());
            self.wanted = wanted;
        }
    }

    fn flush(&mut self, out: &mut Outgoing) {
        self.frames += 1;
        self.settled = true;
        for id in std::mem::take(&mut self.stale) {
            out.shown.extend(leftovers::deletion(id, false));
            leftovers::deleted(id);
        }
        let wanted = self.wanted.clone();
        let seen: Vec<Slot> = wanted.into_iter().filter_map(|slot| self.visible(slot, &mut out.ahead)).collect();
        self.may_clear = false;
        let placements = self.placements_of(&seen);
        let bytes = &mut out.shown;
        let mut moved = false;
        for (&(id, number), &(rect, layer)) in &placements {
            if self.placements.get(&(id, number)) != Some(&(rect, layer)) {
                let (row, column) = (u32::from(rect.y) + 1, u32::from(rect.x) + 1);
                if !std::mem::replace(&mut moved, true) {
                    bytes.extend_from_slice(b"\x1b7");
                }
                bytes.extend_from_slice(format!("\x1b[{row};{column}H").as_bytes());
                let (c, r) = (rect.width, rect.height);
                kitty::order(bytes, &format!("a=p,i={id},p={number},c={c},r={r},z={layer},C=1"), false);
            }
        }
        if moved {
            bytes.extend_from_slice(b"\x1b8");
        }
        for (id, number) in self.placements.keys().filter(|key| !placements.contains_key(key)) {
            kitty::order(bytes, &format!("a=d,d=i,i={id},p={number}"), false);
        }
        self.placements = placements;
        self.seen = seen;
        self.evict(bytes);
    }

    fn forget(&mut self) {
        // The terminal may have lost them, or not: they are deleted before they are sent again, by new numbers.
        self.stale.extend(self.uploads.drain().map(|(_, upload)| upload.id));
        self.placements.clear();
        self.seen.clear();
        self.may_clear = true;
        self.settled = false;
    }

    fn clear(&mut self, out: &mut Outgoing) {
        self.forget();
        self.wanted.clear();
        self.flush(out);
    }

    fn is_settled(&self) -> bool {
        self.settled
    }
}

fn overlay_job(one: &Placed) -> Option<Job> {
    let overlay = one.shown.overlay.as_ref()?;
    let key = Key { base: None, overlay: Some(overlay.id), size: (overlay.width, overlay.height) };
    Some(Job { key, base: None, overlay: Some(Arc::clone(overlay)) })
}

fn encode(job: &Job) -> Made {
    Made::Bytes(match (&job.base, &job.overlay) {
        (Some(base), _) => picture_file::png(&compose::scaled(base, job.key.size.0, job.key.size.1)),
        (None, Some(overlay)) => picture_file::overlay_png(overlay),
        (None, None) => Vec::new(),
    })
}
