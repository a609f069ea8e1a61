//! The questions, as bytes.

use super::Environment;

/// Does the terminal draw kitty graphics? One pixel, by a number that no picture of this program has.
const KITTY: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
/// Its name and version.
const VERSION: &str = "\x1b[>0q";
const CELL_SIZE: &str = "\x1b[16t";
const WINDOW_PIXELS: &str = "\x1b[14t";
const BACKGROUND: &str = "\x1b]11;?\x1b\\";
const SIXEL_COLOURS: &str = "\x1b[?1;1;0S";
/// Every terminal answers this one too; unlike the answer to DA1, tmux hands this one on.
const OUTER_FENCE: &str = "\x1b[5n";
/// Every terminal answers this one.
const FENCE: &str = "\x1b[c";

/// What to send to the terminal in order to learn what it can draw.
pub fn questions(environment: &Environment) -> Vec<u8> {
    let mut bytes = Vec::new();
    if !environment.is_simple() {
        // GNU screen shows what it does not know in its status line; it passes no pictures through either.
        if environment.in_tmux() {
            let outer = [KITTY, VERSION, OUTER_FENCE].into_iter().filter(|_| environment.passes_through());
            outer.for_each(|question| bytes.extend(through_tmux(question.as_bytes())));
        } else if !environment.in_screen() {
            bytes.extend_from_slice(KITTY.as_bytes());
        }
        for question in [VERSION, CELL_SIZE, WINDOW_PIXELS, BACKGROUND, SIXEL_COLOURS] {
            bytes.extend_from_slice(question.as_bytes());
        }
    }
    bytes.extend_from_slice(FENCE.as_bytes());
    bytes
}

/// Wraps a sequence so that tmux hands it to the terminal around it.
pub(crate) fn through_tmux(sequence: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x1bPtmux;".to_vec();
    for byte in sequence {
        if *byte == 0x1b {
            bytes.push(0x1b);
        }
        bytes.push(*byte);
    }
    bytes.extend_from_slice(b"\x1b\\");
    bytes
}
