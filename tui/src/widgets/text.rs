//! Short texts: durations, sizes, shares, and cutting them to a width.

use unicode_width::UnicodeWidthStr;

/// Seconds in two parts at most: `45 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    let s = seconds.round() as u64;
    match s {
        0..=59 => format!("{s} s"),
        60..=3599 => format!("{} m {:02} s", s / 60, s % 60),
        3600..=86_399 => format!("{} h {:02} m", s / 3600, s % 3600 / 60),
        _ => format!("{} d {:02} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// How long ago a time was.
pub fn ago(unix: f64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    let seconds = (now - unix).max(0.0);
    match seconds as u64 {
        0..=59 => "just now".to_owned(),
        60..=3599 => format!("{} min ago", (seconds / 60.0) as u64),
        3600..=86_399 => format!("{} h ago", (seconds / 3600.0) as u64),
        _ => format!("{} d ago", (seconds / 86_400.0) as u64),
    }
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// A text cut at its end to a width, with `…` where something is left out.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + w + 1 > columns {
            break;
        }
        used += w;
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// A text cut at its beginning: of a path the end says more.
pub fn cut_start(text: &str, columns: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    if width(text) <= columns || columns == 0 {
        return if columns == 0 { String::new() } else { text.to_owned() };
    }
    let mut kept = Vec::new();
    let mut used = 1;
    for &c in all.iter().rev() {
        let w = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + w > columns {
            break;
        }
        used += w;
        kept.push(c);
    }
    std::iter::once('…').chain(kept.into_iter().rev()).collect()
}

/// A bar of so many columns for a share of the whole.
pub fn bar(share: f64, columns: usize, ascii: bool) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    if ascii {
        let full = (share * columns as f64).round() as usize;
        return "#".repeat(full) + &".".repeat(columns - full);
    }
    // Half columns: a heavy line that ends in the middle of one.
    let halves = (share * columns as f64 * 2.0).round() as usize;
    let (full, half) = (halves / 2, halves % 2);
    let used = full + half;
    "━".repeat(full) + &"╸".repeat(half) + &"·".repeat(columns.saturating_sub(used))
}

/// Groups of three digits, parted by thin gaps.
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

/// A number with so many decimals; one that would read as nothing gets the digits that it needs.
pub fn figure(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.decimals$}");
    if value != 0.0 && text.chars().all(|c| matches!(c, '0' | '.' | '-')) {
        return format!("{value:.1e}");
    }
    text
}

/// Breaks text at spaces.
pub fn wrap(content: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in content.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && width(&line) + 1 + width(word) > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_parts() {
        assert_eq!(duration(44.6), "45 s");
        assert_eq!(duration(200.0), "3 m 20 s");
        assert_eq!(duration(7500.0), "2 h 05 m");
        assert_eq!(duration(273_600.0), "3 d 04 h");
        assert_eq!(duration(f64::NAN), "?");
    }

    #[test]
    fn texts_are_cut_to_columns_and_not_to_characters() {
        assert_eq!(cut("resnet50", 8), "resnet50");
        assert_eq!(cut("resnet50", 5), "resn…");
        assert_eq!(cut("脳腫瘍画像", 5), "脳腫…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(cut_start("/long/path/image.png", 10), "…image.png");
    }

    #[test]
    fn bars_have_their_width() {
        for share in [0.0, 0.01, 0.33, 0.5, 0.99, 1.0, 2.0, f64::NAN] {
            assert_eq!(width(&bar(share, 10, false)), 10, "{share}");
            assert_eq!(bar(share, 10, true).len(), 10);
        }
    }

    #[test]
    fn small_figures_do_not_read_as_nothing() {
        assert_eq!(figure(0.0004, 3), "4.0e-4");
        assert_eq!(figure(-0.0004, 3), "-4.0e-4");
        assert_eq!(figure(0.0, 3), "0.000");
        assert_eq!(figure(0.8514, 3), "0.851");
        assert_eq!(thousands(1_234_567), "1 234 567");
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("longerthanthis x", 5), ["longerthanthis", "x"]);
        assert_eq!(wrap("a\n\nb", 5), ["a", "", "b"]);
    }
}
