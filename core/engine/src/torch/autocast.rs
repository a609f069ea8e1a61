//! bf16 autocast that ends when its guard does, on unwinding too.

use std::marker::PhantomData;

use super::error::TorchError;
use super::ffi;

/// While it lives, matrix products and convolutions of this thread run in bfloat16 on the device; weights and the
/// gradients that reach them stay in 32 bits.
#[derive(Debug)]
pub struct Autocast {
    before: ffi::AutocastBefore,
    // libtorch keeps the setting per thread: the guard must end where it began.
    on_this_thread: PhantomData<*const ()>,
}

impl Autocast {
    /// Turns autocast on for the device's kind.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn bf16(device: tch::Device) -> Result<Self, TorchError> {
        let mut before = ffi::AutocastBefore::default();
        // SAFETY: `before` outlives the call.
        TorchError::check(unsafe { ffi::lightbox_torch_autocast_enter(i32::from(device.is_cuda()), &mut before) })?;
        Ok(Self { before, on_this_thread: PhantomData })
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: `before` is what `enter` stored. The call only sets flags; there is nobody to tell of a failure.
        unsafe { ffi::lightbox_torch_autocast_leave(&self.before) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    fn product_kind() -> Kind {
        let a = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        a.matmul(&a).kind()
    }

    #[test]
    fn a_panic_inside_restores_the_setting() {
        let unwound = std::panic::catch_unwind(|| {
            let _guard = Autocast::bf16(Device::Cpu).unwrap();
            assert_eq!(product_kind(), Kind::BFloat16);
            let inner = Autocast::bf16(Device::Cpu).unwrap();
            drop(inner);
            assert_eq!(product_kind(), Kind::BFloat16);
            panic!("on purpose");
        });
        assert!(unwound.is_err());
        assert_eq!(product_kind(), Kind::Float);
    }
}
