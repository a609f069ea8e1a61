//! Seeded synthetic medical images with exact lesion masks.
//!
//! Three kinds of pictures (MRI slices of the brain, dermoscopy of the skin, chest films) with several classes each,
//! for demonstrations and tests that may not carry real patients. The class is in the lesion alone: its shape, texture
//! and place. Exposure, contrast, noise, anatomy, skin tone and distractors vary over a wider range than a lesion
//! changes them, so that neither the mean nor the histogram of a picture tells its class (a test holds this).
//!
//! Every picture is drawn from its own random stream, derived from (seed, kind, subject, picture): the same bits come
//! out whatever the number of threads.

mod brain;
mod canvas;
mod chest;
mod folder;
mod noise;
mod skin;
mod stream;
mod subjects;

pub use folder::{Error, Generated, generate};
pub use subjects::{Subject, subjects};

use canvas::Drawing;

/// A kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Axial MRI slices: glioma, meningioma, pituitary tumour or none. Grey; several slices of a patient.
    Brain,
    /// Dermoscopy: keratosis, melanoma or nevus. Colour; several photographs of a lesion.
    Skin,
    /// Frontal chest films: nodule, pneumonia or normal. Grey; several films of a patient.
    Chest,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Brain, Self::Skin, Self::Chest];

    /// `brain`, `skin` or `chest`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brain => "brain",
            Self::Skin => "skin",
            Self::Chest => "chest",
        }
    }

    /// The classes, sorted.
    pub fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Brain => &["glioma", "meningioma", "none", "pituitary"],
            Self::Skin => &["keratosis", "melanoma", "nevus"],
            Self::Chest => &["nodule", "normal", "pneumonia"],
        }
    }

    /// 1 (grey) or 3 (red, green, blue).
    pub fn channels(self) -> usize {
        match self {
            Self::Brain | Self::Chest => 1,
            Self::Skin => 3,
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Brain => 0,
            Self::Skin => 1,
            Self::Chest => 2,
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| Error::UnknownKind(text.to_owned()))
    }
}

/// A picture and where its lesion is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phantom {
    /// Columns and rows.
    pub size: u32,
    /// 1 or 3.
    pub channels: usize,
    /// `size * size * channels` bytes, channels together.
    pub pixels: Vec<u8>,
    /// `size * size` values, 255 inside the lesion and 0 outside; `None` where there is no lesion.
    pub mask: Option<Vec<u8>>,
}

/// Draws picture number `view` of a subject.
pub fn draw(kind: Kind, subject: &Subject, view: usize, size: u32, seed: u64) -> Phantom {
    let class = kind.classes()[subject.class];
    // What stays the same in all pictures of a subject, and what does not.
    let mut of_subject = stream::derive(seed, kind.number(), subject.number as u64, 0);
    let mut of_view = stream::derive(seed, kind.number(), subject.number as u64, 1 + view as u64);
    let Drawing { pixels, mask } = match kind {
        Kind::Brain => brain::draw(class, size as usize, &mut of_subject, &mut of_view),
        Kind::Skin => skin::draw(class, size as usize, &mut of_subject, &mut of_view),
        Kind::Chest => chest::draw(class, size as usize, &mut of_subject, &mut of_view),
    };
    Phantom { size, channels: kind.channels(), pixels, mask }
}
