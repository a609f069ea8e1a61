//! Where a method writes its maps.

use lightbox_abi as abi;

use crate::{Error, ErrorKind};

/// The maps to write: one per layer, or a single one when the plugin merges.
pub struct Maps<'a> {
    backing: Backing<'a>,
    images: usize,
    maps: Vec<Slot>,
}

struct Slot {
    size: (usize, usize),
    memory: Option<*mut f32>,
}

enum Backing<'a> {
    Host(&'a abi::Maps),
    Own(Vec<Vec<f32>>),
}

impl<'a> Maps<'a> {
    /// Maps in memory of their own, for tests of a plugin: `sizes` is (h,w) of each.
    pub fn own(images: usize, sizes: &[(usize, usize)]) -> Maps<'static> {
        Maps {
            backing: Backing::Own(vec![Vec::new(); sizes.len()]),
            images,
            maps: sizes.iter().map(|&size| Slot { size, memory: None }).collect(),
        }
    }

    pub(crate) fn from_host(host: &'a abi::Maps, images: usize, sizes: Vec<(usize, usize)>) -> Self {
        let maps = sizes.into_iter().map(|size| Slot { size, memory: None }).collect();
        Maps { backing: Backing::Host(host), images, maps }
    }

    /// Number of maps.
    pub fn count(&self) -> usize {
        self.maps.len()
    }

    /// Height and width of the map at `index`: the layer's or the input's, as the descriptor says, until set.
    pub fn size(&self, index: usize) -> Option<(usize, usize)> {
        self.maps.get(index).map(|slot| slot.size)
    }

    /// Gives the map at `index` another height and width. Call it before [`Maps::map`].
    pub fn set_size(&mut self, index: usize, height: usize, width: usize) -> Result<(), Error> {
        let slot = self.maps.get_mut(index).ok_or_else(|| no_map(index))?;
        if slot.memory.is_some() && slot.size != (height, width) {
            return Err(Error::of_kind(
                ErrorKind::InvalidArgument,
                format!("the size of map {index} is set after the map was taken"),
            ));
        }
        slot.size = (height, width);
        Ok(())
    }

    /// The map at `index`, \[N,h,w\] row-major, all zero at first.
    pub fn map(&mut self, index: usize) -> Result<&mut [f32], Error> {
        let images = self.images;
        let slot = self.maps.get_mut(index).ok_or_else(|| no_map(index))?;
        let (height, width) = slot.size;
        let elements = images
            .checked_mul(height)
            .and_then(|rows| rows.checked_mul(width))
            .ok_or_else(|| Error::of_kind(ErrorKind::InvalidArgument, format!("map {index} is too large")))?;
        let memory = match slot.memory {
            Some(memory) => memory,
            None => {
                let memory = match &mut self.backing {
                    Backing::Own(maps) => {
                        maps[index] = vec![0.0; elements];
                        maps[index].as_mut_ptr()
                    }
                    Backing::Host(host) => {
                        let get = host.get.ok_or_else(|| Error::unsupported("the host gives no memory for maps"))?;
                        let mut memory = std::ptr::null_mut();
                        // SAFETY: the host's function, with its own table, during the call.
                        let status = unsafe { get(*host, index as u64, height as u64, width as u64, &mut memory) };
                        if status != abi::STATUS_OK || memory.is_null() {
                            let message = format!("the host gave no memory for map {index} of {height} x {width}");
                            return Err(Error::from_status(status, message));
                        }
                        // SAFETY: the host gave memory for N x h x w f32.
                        unsafe { std::slice::from_raw_parts_mut(memory, elements) }.fill(0.0);
                        memory
                    }
                };
                slot.memory = Some(memory);
                memory
            }
        };
        // SAFETY: the memory holds `elements` initialised f32, lives as long as `self`, and is lent under `&mut self`.
        Ok(unsafe { std::slice::from_raw_parts_mut(memory, elements) })
    }
}

fn no_map(index: usize) -> Error {
    Error::of_kind(ErrorKind::InvalidArgument, format!("there is no map {index}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_starts_at_zero_keeps_its_content_and_its_size() {
        let mut maps = Maps::own(2, &[(3, 4)]);
        maps.map(0).unwrap()[23] = 1.0;
        assert_eq!(maps.map(0).unwrap().iter().sum::<f32>(), 1.0);
        assert!(maps.set_size(0, 3, 4).is_ok());
        let error = maps.set_size(0, 5, 5).unwrap_err();
        assert_eq!(error.message(), "the size of map 0 is set after the map was taken");
        assert_eq!(maps.map(1).unwrap_err().message(), "there is no map 1");
    }
}
