//! Digits for a colour bar, three pixels wide and five high.

/// Rows of a character, the leftmost pixel in bit 2. None for one that no colour bar needs.
pub(super) fn rows(character: char) -> Option<[u8; HEIGHT]> {
    Some(match character {
        '0' => [0b111, 0b101, 0b101, 0b101, 0b111],
        '1' => [0b010, 0b110, 0b010, 0b010, 0b111],
        '5' => [0b111, 0b100, 0b111, 0b001, 0b111],
        '.' => [0b000, 0b000, 0b000, 0b000, 0b010],
        _ => return None,
    })
}

/// Width of a character.
pub(super) const WIDTH: usize = 3;
/// Height of a character.
pub(super) const HEIGHT: usize = 5;
