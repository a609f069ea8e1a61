//! No panic crosses the ABI, and every failure leaves its sentence for the host to fetch.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lightbox_abi as abi;

use crate::Error;

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `call`, turns an error or a panic into a status, and keeps its text for [`last_error`].
pub fn guard(call: impl FnOnce() -> Result<(), Error>) -> abi::Status {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => abi::STATUS_OK,
        Ok(Err(error)) => {
            remember(error.message());
            error.status()
        }
        Err(panic) => {
            remember(&panic_text(panic));
            abi::STATUS_PANICKED
        }
    }
}

/// Runs `call`, and gives null after an error or a panic, whose text is kept for [`last_error`].
pub fn guard_pointer<T>(call: impl FnOnce() -> Result<*const T, Error>) -> *const T {
    let mut pointer = std::ptr::null();
    guard(|| {
        pointer = call()?;
        Ok(())
    });
    pointer
}

/// Runs `call`; a panic ends it and is otherwise ignored.
pub fn guard_silent(call: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        remember(&panic_text(panic));
    }
}

/// Keeps the text of an error that was handled elsewhere.
pub fn fail(error: &Error) -> abi::Status {
    remember(error.message());
    error.status()
}

fn remember(text: &str) {
    let _ = LAST_ERROR.try_with(|slot| {
        if let Ok(mut slot) = slot.try_borrow_mut() {
            slot.clear();
            slot.push_str(text);
        }
    });
}

fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without text".to_owned(),
    };
    // What was thrown may panic again when it is dropped.
    std::mem::forget(panic);
    format!("panicked: {text}")
}

/// The plugin's [`abi::Entry::last_error`].
///
/// # Safety
///
/// `buffer` has room for `capacity` bytes, or `capacity` is zero.
pub unsafe extern "C" fn last_error(buffer: *mut c_char, capacity: u64) -> u64 {
    let copy = |text: &String| {
        let room = usize::try_from(capacity).unwrap_or(usize::MAX).min(isize::MAX as usize);
        if !buffer.is_null() && room > 0 {
            let length = text.len().min(room - 1);
            // SAFETY: `length` bytes and the zero fit into the room that the caller promises.
            unsafe {
                std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), length);
                buffer.add(length).write(0);
            }
        }
        text.len() as u64
    };
    LAST_ERROR.try_with(|slot| slot.try_borrow().map_or(0, |text| copy(&text))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(capacity: usize) -> (u64, Vec<u8>) {
        let mut buffer = vec![0x55_u8; capacity + 1];
        // SAFETY: the buffer has room for `capacity` bytes.
        let length = unsafe { last_error(buffer.as_mut_ptr().cast(), capacity as u64) };
        assert_eq!(buffer.pop(), Some(0x55), "the byte after the buffer was written");
        (length, buffer)
    }

    #[test]
    fn errors_and_panics_become_statuses_with_text() {
        assert_eq!(guard(|| Err(Error::unsupported("no volumes"))), abi::STATUS_UNSUPPORTED);
        assert_eq!(text(32).1[..11], *b"no volumes\0");
        assert_eq!(guard(|| panic!("index {}", 7)), abi::STATUS_PANICKED);
        assert_eq!(text(32).1[..18], *b"panicked: index 7\0");
        assert_eq!(text(4), (17, b"pan\0".to_vec()));
        assert_eq!(text(0), (17, vec![]));
        assert!(guard_pointer::<u8>(|| panic!("gone")).is_null());
    }
}
