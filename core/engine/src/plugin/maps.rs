//! The memory that a method writes its maps to, with guards on both sides.

use std::cell::RefCell;

use lightbox_abi as abi;

/// One raw map per image, as the method wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributionMap {
    /// Height, h.
    pub height: usize,
    /// Width, w.
    pub width: usize,
    /// \[N,h,w\] row-major.
    pub values: Vec<f32>,
}

impl AttributionMap {
    /// The map of one image, \[h,w\]; none when there is no such image.
    pub fn image(&self, index: usize) -> Option<&[f32]> {
        let pixels = self.height * self.width;
        self.values.get(index.checked_mul(pixels)?..)?.get(..pixels)
    }

    /// The images whose map holds NaN or infinity, or was never written: to be counted and shown as such, not drawn.
    pub fn not_finite(&self) -> Vec<usize> {
        let pixels = (self.height * self.width).max(1);
        let bad = |(index, map): (usize, &[f32])| map.iter().any(|value| !value.is_finite()).then_some(index);
        self.values.chunks(pixels).enumerate().filter_map(bad).collect()
    }
}

/// Elements on each side of a map that must not change: 16 KiB, more than a row of any map.
const GUARD: usize = 4096;
/// What the guards hold: a NaN of its own, which no arithmetic gives.
const GUARD_BITS: u32 = 0x7fa5_c3e1;
/// More elements than this in one map are a mistake: 8 GiB.
const MOST_ELEMENTS: u64 = 1 << 31;

/// The maps of one call.
pub(super) struct MapStore {
    images: usize,
    slots: RefCell<Vec<Option<Guarded>>>,
}

struct Guarded {
    height: u64,
    width: u64,
    memory: Vec<f32>,
}

impl MapStore {
    pub(super) fn new(images: usize, count: usize) -> Self {
        MapStore { images, slots: RefCell::new((0..count).map(|_| None).collect()) }
    }

    /// Memory for the map `index`, f32 \[N,height,width\], all NaN at first.
    pub(super) fn get(&self, index: u64, height: u64, width: u64) -> Result<*mut f32, abi::Status> {
        let mut slots = self.slots.try_borrow_mut().map_err(|_| abi::STATUS_FAILED)?;
        let slot =
            usize::try_from(index).ok().and_then(|index| slots.get_mut(index)).ok_or(abi::STATUS_INVALID_ARGUMENT)?;
        if let Some(known) = slot {
            let same = (known.height, known.width) == (height, width);
            return if same { Ok(known.start()) } else { Err(abi::STATUS_INVALID_ARGUMENT) };
        }
        let elements = (self.images as u64)
            .checked_mul(height)
            .and_then(|elements| elements.checked_mul(width))
            .filter(|&elements| elements > 0 && elements <= MOST_ELEMENTS)
            .ok_or(abi::STATUS_INVALID_ARGUMENT)? as usize;
        let mut memory = Vec::new();
        memory.try_reserve_exact(elements + 2 * GUARD).map_err(|_| abi::STATUS_OUT_OF_MEMORY)?;
        memory.resize(GUARD, f32::from_bits(GUARD_BITS));
        memory.resize(GUARD + elements, f32::NAN);
        memory.resize(elements + 2 * GUARD, f32::from_bits(GUARD_BITS));
        Ok(slot.insert(Guarded { height, width, memory }).start())
    }

    /// The maps as they were written, or what is wrong with one of them.
    pub(super) fn finish(self) -> Result<Vec<AttributionMap>, MapFault> {
        let mut maps = Vec::new();
        let slots = self.slots.into_inner();
        // Written-over memory first: nothing else can be trusted after it.
        for (index, guarded) in slots.iter().enumerate() {
            if guarded.as_ref().is_some_and(|guarded| !guarded.is_intact()) {
                return Err(MapFault::Overrun(index));
            }
        }
        for (index, slot) in slots.into_iter().enumerate() {
            let Some(mut guarded) = slot else { return Err(MapFault::NotWritten(index)) };
            guarded.memory.truncate(guarded.memory.len() - GUARD);
            guarded.memory.drain(..GUARD);
            maps.push(AttributionMap {
                height: guarded.height as usize,
                width: guarded.width as usize,
                values: guarded.memory,
            });
        }
        Ok(maps)
    }

    /// The first map that was written outside its memory.
    pub(super) fn overrun(&self) -> Option<usize> {
        self.slots.borrow().iter().position(|slot| slot.as_ref().is_some_and(|guarded| !guarded.is_intact()))
    }
}

/// What is wrong with a map, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapFault {
    Overrun(usize),
    NotWritten(usize),
}

impl Guarded {
    fn start(&mut self) -> *mut f32 {
        // Derived from the whole memory, so that a write to a guard is a wrong value and not undefined behaviour.
        self.memory.as_mut_ptr().wrapping_add(GUARD)
    }

    fn is_intact(&self) -> bool {
        let (head, tail) = (&self.memory[..GUARD], &self.memory[self.memory.len() - GUARD..]);
        head.iter().chain(tail).all(|value| value.to_bits() == GUARD_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_given_once_and_come_back_as_written() {
        let store = MapStore::new(2, 1);
        let memory = store.get(0, 2, 3).unwrap();
        assert_eq!(store.get(0, 2, 3), Ok(memory));
        assert_eq!(store.get(0, 3, 2), Err(abi::STATUS_INVALID_ARGUMENT));
        assert_eq!(store.get(1, 2, 3), Err(abi::STATUS_INVALID_ARGUMENT));
        // SAFETY: the memory holds 2 x 2 x 3 elements.
        unsafe { std::slice::from_raw_parts_mut(memory, 6) }.fill(1.0);
        let maps = store.finish().unwrap();
        assert_eq!(maps[0].image(0).unwrap(), [1.0; 6]);
        assert_eq!(maps[0].not_finite(), [1], "the second image was never written");
        assert_eq!(maps[0].image(2), None);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let store = MapStore::new(3, 1);
        for (height, width) in [(0, 1), (u64::MAX, 2), (1 << 40, 1 << 40), (1 << 16, 1 << 16)] {
            assert_eq!(store.get(0, height, width), Err(abi::STATUS_INVALID_ARGUMENT));
        }
        assert_eq!(store.finish(), Err(MapFault::NotWritten(0)));
    }

    #[test]
    fn a_write_on_either_side_is_found() {
        for place in [-1, 4] {
            let store = MapStore::new(1, 1);
            let memory = store.get(0, 2, 2).unwrap();
            // SAFETY: the guards around the map belong to the same memory.
            unsafe { memory.offset(place).write(0.0) };
            assert_eq!(store.overrun(), Some(0));
            assert_eq!(store.finish(), Err(MapFault::Overrun(0)));
        }
    }
}
