//! Messages as lines of JSON, of bounded length.

use std::io::{BufRead, BufReader, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest line in bytes: room for a list of 100,000 jobs.
pub const MAX_LINE: usize = 64 << 20;

/// Reads lines, none longer than [`MAX_LINE`].
#[derive(Debug)]
pub struct LineReader<R: Read> {
    reader: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> LineReader<R> {
    /// A reader at the beginning of a stream.
    pub fn new(stream: R) -> Self {
        Self { reader: BufReader::new(stream), line: Vec::new() }
    }

    /// The stream.
    pub fn stream(&self) -> &R {
        self.reader.get_ref()
    }

    /// The next line without its end; none at the end of the stream. A part that came before an error (a time-out) is
    /// kept, and the next call goes on with it.
    ///
    /// # Errors
    /// When the stream breaks, ends inside a line, or the line is too long.
    pub fn next_line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let room = (MAX_LINE + 1).saturating_sub(self.line.len()) as u64;
        (&mut self.reader).take(room).read_until(b'\n', &mut self.line)?;
        match self.line.last() {
            None => Ok(None),
            Some(b'\n') => {
                let mut line = std::mem::take(&mut self.line);
                line.pop();
                Ok(Some(line))
            }
            Some(_) if self.line.len() > MAX_LINE => {
                Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a message is too long"))
            }
            Some(_) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Reads a message; none at the end of the stream.
///
/// # Errors
/// As [`LineReader::next_line`], and when the line is not such a message.
pub fn read_message<T: DeserializeOwned>(lines: &mut LineReader<impl Read>) -> std::io::Result<Option<T>> {
    let Some(line) = lines.next_line()? else { return Ok(None) };
    serde_json::from_slice(&line).map(Some).map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e))
}

/// Writes a message as one line.
///
/// # Errors
/// When the stream is closed.
pub fn write_message(stream: &mut impl Write, message: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Hello, Request};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let mut lines = LineReader::new(bytes.as_slice());
            while let Ok(Some(_)) = read_message::<Request>(&mut lines) {}
        }
    }

    #[test]
    fn a_line_that_never_ends_is_refused() {
        let mut lines = LineReader::new(std::io::repeat(b'x'));
        assert_eq!(lines.next_line().unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_is_written_is_read() {
        let hello = Hello { protocol: 1, lightbox: "a\nb".into(), pid: 3 };
        let mut bytes = Vec::new();
        write_message(&mut bytes, &hello).unwrap();
        write_message(&mut bytes, &hello).unwrap();
        let mut lines = LineReader::new(bytes.as_slice());
        assert_eq!(read_message::<Hello>(&mut lines).unwrap(), Some(hello.clone()));
        assert_eq!(read_message::<Hello>(&mut lines).unwrap(), Some(hello));
        assert_eq!(read_message::<Hello>(&mut lines).unwrap(), None);
    }
}
