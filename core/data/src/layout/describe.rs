//! Saying how a manifest has a folder read, in the words and the order of `data add`.

use super::Understood;
use crate::manifest::{BoxUnit, Channels, GroupRule, Intensity, LabelColumns, Layout, Manifest, Missing};

/// The order in which aspects are told.
const ORDER: [&str; 13] = [
    "root",
    "layout",
    "image",
    "label",
    "split",
    "group",
    "boxes",
    "masks",
    "classes",
    "positive",
    "channels",
    "intensity",
    "clahe",
];

/// Everything that a manifest says of the reading, less the defaults that change nothing for most images.
pub fn describe(manifest: &Manifest) -> Vec<Understood> {
    let mut told = Vec::new();
    let mut say = |aspect: &'static str, value: String, reason: &str| {
        told.push(Understood { aspect, value, reason: reason.to_owned() });
    };
    say("layout", manifest.layout.kind().to_owned(), "");
    match &manifest.layout {
        Layout::ClassFolders => say("label", "folder".to_owned(), "the first folder below the root is the class"),
        Layout::SplitFolders { train, validation, test } => {
            say("label", "folder".to_owned(), "the folder below the part is the class");
            let parts = [("train", train), ("validation", validation), ("test", test)];
            let named = parts.iter().filter(|(_, folders)| !folders.is_empty());
            let named: Vec<String> =
                named.map(|(part, folders)| format!("{part} from {}", folders.join(" or "))).collect();
            say("split", named.join(", "), "");
        }
        Layout::Table(table) => {
            let skipped = if table.missing == Missing::Skip { "; rows whose image is missing are skipped" } else { "" };
            say("image", table.image.clone(), &format!("column of {}{skipped}", table.file.join(" or ")));
            match &table.label {
                LabelColumns::One(column) => say("label", column.clone(), "column"),
                LabelColumns::OneHot(columns) => say("label", columns.join(","), "one-hot columns"),
            }
            if let Some(column) = &table.split {
                say("split", column.clone(), "column");
            }
        }
    }
    match &manifest.groups {
        Some(GroupRule::Column(column)) => say("group", column.clone(), "column"),
        Some(GroupRule::Regex(regex)) => say("group", regex.clone(), "regular expression on the path"),
        None => {}
    }
    let optional = |optional: bool| if optional { "; optional" } else { "" };
    if let Some(boxes) = &manifest.boxes {
        let unit = match boxes.unit {
            BoxUnit::Fraction => "fractions of the image",
            BoxUnit::Pixel => "pixels",
        };
        let reason = format!("columns {}: {unit}{}", boxes.columns.join(", "), optional(boxes.optional));
        say("boxes", boxes.file.join(" or "), &reason);
    }
    if let Some(masks) = &manifest.masks {
        say("masks", masks.patterns.join(" or "), optional(masks.optional).trim_start_matches("; "));
    }
    if let Some(positive) = &manifest.positive {
        say("positive", positive.clone(), "");
    }
    match manifest.channels {
        Channels::Grey => say("channels", "grey".to_owned(), "one channel; colour images become their luma"),
        Channels::Colour => say("channels", "colour".to_owned(), "three channels; grey images are repeated"),
    }
    match manifest.intensity {
        rule if rule == Intensity::default() => {}
        Intensity::Full => say("intensity", "full".to_owned(), "for images of more than 8 bits"),
        Intensity::Percentile { low, high } => {
            say("intensity", format!("percentiles {low} to {high}"), "for images of more than 8 bits");
        }
        Intensity::Window { center, width } => {
            say("intensity", format!("window of {width} around {center}"), "for images of more than 8 bits");
        }
    }
    if let Some(clahe) = &manifest.clahe {
        say("clahe", format!("clip limit {}, {1} x {1} tiles", clahe.clip_limit, clahe.tiles), "");
    }
    told
}

/// Brings what was found in the order of finding into the order of telling.
pub(crate) fn sort(understood: &mut [Understood]) {
    let place = |item: &Understood| ORDER.iter().position(|aspect| *aspect == item.aspect).unwrap_or(ORDER.len());
    understood.sort_by_key(place);
}
