//! Naming patterns of masks: `masks/{stem}_segmentation.png`.

/// The names that a pattern may hold in braces.
const NAMES: [&str; 4] = ["stem", "name", "folder", "id"];

/// Says what is wrong with a pattern, if anything.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), String> {
    let mut rest = pattern;
    let mut varies = false;
    while let Some(open) = rest.find(['{', '}']) {
        let inside = &rest[open + 1..];
        let close = inside.find('}');
        match (rest.as_bytes()[open], close) {
            (b'{', Some(close)) if NAMES.contains(&&inside[..close]) => {
                varies |= &inside[..close] != "folder";
                rest = &inside[close + 1..];
            }
            (b'{', Some(close)) => return Err(format!("unknown name {:?} in {pattern:?}", &inside[..close])),
            _ => return Err(format!("unpaired brace in {pattern:?}")),
        }
    }
    if varies { Ok(()) } else { Err(format!("{pattern:?} names the same mask for every image")) }
}

/// The path that a pattern gives for an image id.
pub(crate) fn expand(pattern: &str, id: &str) -> String {
    let (folder, name) = id.rsplit_once('/').unwrap_or(("", id));
    let stem = stem(name);
    let mut out = String::with_capacity(pattern.len() + id.len());
    let mut rest = pattern;
    // One pass, so that a brace in a file's name is never taken for a pattern's.
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let inside = &rest[open + 1..];
        let close = inside.find('}').unwrap_or(inside.len());
        out.push_str(match &inside[..close] {
            "stem" => stem,
            "name" => name,
            "folder" => folder,
            "id" => id,
            _ => "",
        });
        rest = inside.get(close + 1..).unwrap_or("");
    }
    out.push_str(rest);
    out.trim_start_matches('/').to_owned()
}

/// A file name without its ending.
pub(crate) fn stem(name: &str) -> &str {
    match name.rfind('.') {
        Some(dot) if dot > 0 => &name[..dot],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_expand_every_name() {
        let id = "train/benign/a.b.jpg";
        assert_eq!(expand("masks/{stem}_segmentation.png", id), "masks/a.b_segmentation.png");
        assert_eq!(expand("{folder}/{name}.png", id), "train/benign/a.b.jpg.png");
        assert_eq!(expand("m/{id}", id), "m/train/benign/a.b.jpg");
        assert_eq!(expand("{folder}/{stem}.png", "x{stem}.jpg"), "x{stem}.png");
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        assert!(check_pattern("masks/{stem}.png").is_ok());
        assert!(check_pattern("masks/{image}.png").is_err_and(|e| e.contains("\"image\"")));
        assert!(check_pattern("masks/one.png").is_err());
        assert!(check_pattern("masks/{stem.png").is_err());
        assert!(check_pattern("masks/stem}.png").is_err());
        assert!(check_pattern("{folder}/mask.png").is_err());
    }
}
