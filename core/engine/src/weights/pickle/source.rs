//! Bytes of a pickle, with every length checked before memory is taken for it.

use std::io::Read;

use super::{Result, broken};

/// Longest text or byte string that a pickle may hold: names and notes are far shorter, and tensors are elsewhere.
const LONGEST_TEXT: u64 = 1 << 24;
/// Longest line of the text opcodes.
const LONGEST_LINE: usize = 1 << 16;

/// A reader that knows how many bytes are left.
pub struct Source<R> {
    inner: R,
    left: u64,
    consumed: u64,
}

impl<R: Read> Source<R> {
    /// `left` is the number of bytes that `inner` has.
    pub fn new(inner: R, left: u64) -> Self {
        Source { inner, left, consumed: 0 }
    }

    /// Number of bytes read so far.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        if count > self.left || count > LONGEST_TEXT {
            return broken(format!("it has a text of {count} bytes with {} left in the file", self.left));
        }
        let mut bytes = vec![0; count as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Up to the next line feed, which is left out.
    pub fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
                byte if line.len() < LONGEST_LINE => line.push(byte),
                _ => return broken("it has a line without an end"),
            }
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        if bytes.len() as u64 > self.left {
            return broken("it is cut short");
        }
        if let Err(error) = self.inner.read_exact(bytes) {
            return broken(format!("it cannot be read to its end: {error}"));
        }
        self.left -= bytes.len() as u64;
        self.consumed += bytes.len() as u64;
        Ok(())
    }
}
