//! The plain sum of an image's terms.

use crate::Reduction;

/// The sum over channels, sum_k T_k, in double precision: channels of both signs cancel to a small part of their size.
#[derive(Debug, Default)]
pub struct Sum {
    row: Vec<f32>,
    total: Vec<f64>,
}

impl Reduction for Sum {
    fn reduce(&mut self, channels: usize, term: &mut dyn FnMut(usize, &mut [f32]), map: &mut [f32]) {
        self.row.clear();
        self.row.resize(map.len(), 0.0);
        self.total.clear();
        self.total.resize(map.len(), 0.0);
        for channel in 0..channels {
            term(channel, &mut self.row);
            for (total, value) in self.total.iter_mut().zip(&self.row) {
                *total += f64::from(*value);
            }
        }
        for (out, total) in map.iter_mut().zip(&self.total) {
            *out = *total as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_cancel_leave_what_is_left() {
        let terms = [[1e8, 3.0], [1.5, -1.0], [-1e8, 0.25]];
        let mut map = [f32::NAN; 2];
        let mut sum = Sum::default();
        for _ in 0..2 {
            sum.reduce(3, &mut |channel, row| row.copy_from_slice(&terms[channel]), &mut map);
            assert_eq!(map, [1.5, 2.25]);
        }
    }
}
