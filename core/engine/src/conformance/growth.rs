//! How much memory calls leave behind.

/// Windows that all have to grow before it is said that something is not freed.
const WINDOWS: usize = 3;

/// The least growth of resident memory, in bytes, over windows of calls; none where the system does not say. Memory also grows
/// where an allocator keeps what was freed, or where the system had taken pages away that are used again. Only what is never
/// freed grows in each window, so that another one is opened only where one grew by more than `limit`.
///
/// # Errors
/// Those of a window.
pub(super) fn least_growth(limit: u64, window: impl FnMut() -> Result<(), String>) -> Result<Option<u64>, String> {
    least_growth_of(resident, limit, window)
}

fn least_growth_of(
    mut memory: impl FnMut() -> Option<u64>,
    limit: u64,
    mut window: impl FnMut() -> Result<(), String>,
) -> Result<Option<u64>, String> {
    let mut least = None;
    for _ in 0..WINDOWS {
        let before = memory();
        window()?;
        let (Some(before), Some(after)) = (before, memory()) else { return Ok(None) };
        let grown = after.saturating_sub(before);
        least = least.map_or(Some(grown), |least: u64| Some(least.min(grown)));
        if grown <= limit {
            break;
        }
    }
    Ok(least)
}

/// Resident memory of this process in bytes, when the system says.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    // Pages are at least this large: enough to compare one figure with another.
    pages.checked_mul(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Growth where memory is as listed before and after each window.
    fn of(memory: &[u64]) -> (Option<u64>, usize) {
        let (mut memory, mut windows) = (memory.iter().copied(), 0);
        let window = || {
            windows += 1;
            Ok(())
        };
        (least_growth_of(|| memory.next(), 8, window).unwrap(), windows)
    }

    #[test]
    fn what_grows_once_is_kept_and_what_grows_always_is_not_freed() {
        assert_eq!(of(&[100, 108]), (Some(8), 1));
        assert_eq!(of(&[100, 90]), (Some(0), 1));
        assert_eq!(of(&[100, 200, 200, 203]), (Some(3), 2));
        assert_eq!(of(&[100, 200, 200, 209, 209, 309]), (Some(9), 3));
        assert_eq!(of(&[100, 200, 200]), (None, 2));
        assert!(least_growth(8, || Err("stopped".to_owned())).is_err());
    }
}
