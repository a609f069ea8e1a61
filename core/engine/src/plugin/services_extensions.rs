//! The C side of what only some methods call during a run: second derivatives, and taps inside the network.

use std::ffi::CString;

use lightbox_abi as abi;
use tch::Tensor;

use super::services::Tap;
use super::services_table::{Fault, RunContext, dimensions, expect_shape, fault, input, invalid, output, serve};

/// Second derivatives.
pub(super) static HVP: abi::Hvp = abi::Hvp { struct_size: size_of::<abi::Hvp>() as u64, hvp: Some(hvp) };

/// Taps.
pub(super) static TAPS: abi::Taps = abi::Taps {
    struct_size: size_of::<abi::Taps>() as u64,
    open: Some(open),
    describe: Some(describe),
    bias: Some(bias),
    output: Some(tap_output),
    gradient: Some(gradient),
};

/// A tap that was opened, with its name as the plugin sees it.
pub(super) struct OpenTap {
    name: CString,
    tap: Tap,
}

unsafe extern "C" fn hvp(
    run: *const abi::Run,
    at: i64,
    point: *const abi::Tensor,
    cotangent: *const abi::Tensor,
    direction: *const abi::Tensor,
    product: *const abi::Tensor,
) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "hvp", |context, services| {
            let at = context.place(at)?;
            let point = input(point, "the point")?;
            dimensions(&point, 4, "the point")?;
            expect_shape(cotangent, "the cotangent", &[point.size()[0], context.classes])?;
            expect_shape(direction, "the direction", &point.size())?;
            expect_shape(product, "the product", &point.size())?;
            let (cotangent, direction) = (input(cotangent, "the cotangent")?, input(direction, "the direction")?);
            output(product, "the product", &services.hvp(at, &point, &cotangent, &direction).map_err(fault)?)
        })
    }
}

unsafe extern "C" fn open(
    run: *const abi::Run,
    point: *const abi::Tensor,
    cotangent: *const abi::Tensor,
    count: *mut u64,
) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "taps", |context, services| {
            if count.is_null() {
                return Err(invalid("the place for the number of taps is null"));
            }
            let point = input(point, "the point")?;
            dimensions(&point, 4, "the point")?;
            expect_shape(cotangent, "the cotangent", &[point.size()[0], context.classes])?;
            let cotangent = input(cotangent, "the cotangent")?;
            let mut taps = context.taps.try_borrow_mut().map_err(|_| invalid("called from inside itself"))?;
            // The old ones go first: two passes' taps need not fit side by side.
            taps.clear();
            for tap in services.taps(&point, &cotangent).map_err(fault)? {
                let name = CString::new(tap.name.as_str()).map_err(|_| invalid("a tap's name has a zero byte"))?;
                dimensions(&tap.output, 4, "the output of a tap")?;
                taps.push(OpenTap { name, tap });
            }
            // SAFETY: the plugin passes a place for one number, and it is not null.
            count.write(taps.len() as u64);
            Ok(())
        })
    }
}

impl RunContext<'_> {
    fn tap<T>(&self, index: u64, read: impl FnOnce(&OpenTap) -> Result<T, Fault>) -> Result<T, Fault> {
        let taps = self.taps.try_borrow().map_err(|_| invalid("called from inside itself"))?;
        let tap = usize::try_from(index).ok().and_then(|index| taps.get(index));
        read(tap.ok_or_else(|| invalid(format!("{} taps are open, there is no tap {index}", taps.len())))?)
    }
}

unsafe extern "C" fn describe(run: *const abi::Run, index: u64, info: *mut abi::TapInfo) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "taps", |context, _| {
            // SAFETY: the plugin passes a place that begins with its size, or null.
            if info.is_null() || (*info).struct_size < size_of::<abi::TapInfo>() as u64 {
                return Err(invalid("the place for what a tap is is null or too small"));
            }
            context.tap(index, |open| {
                let size = open.tap.output.size();
                let [_, channels, height, width] = *size.as_slice() else {
                    return Err(invalid("the tap is no image"));
                };
                // SAFETY: the place is large enough; the name stays until the taps are opened again or the run ends.
                (*info).name = open.name.as_ptr();
                (*info).channels = channels.unsigned_abs();
                (*info).height = height.unsigned_abs();
                (*info).width = width.unsigned_abs();
                Ok(())
            })
        })
    }
}

/// Writes one value of a tap.
///
/// # Safety
///
/// As for the functions of [`abi::Taps`].
unsafe fn write(
    run: *const abi::Run,
    index: u64,
    out: *const abi::Tensor,
    what: &str,
    value: fn(&Tap) -> &Tensor,
) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe { serve(run, "taps", |context, _| context.tap(index, |open| output(out, what, value(&open.tap)))) }
}

unsafe extern "C" fn bias(run: *const abi::Run, index: u64, out: *const abi::Tensor) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe { write(run, index, out, "the bias", |tap| &tap.bias) }
}

unsafe extern "C" fn tap_output(run: *const abi::Run, index: u64, out: *const abi::Tensor) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe { write(run, index, out, "the output", |tap| &tap.output) }
}

unsafe extern "C" fn gradient(run: *const abi::Run, index: u64, out: *const abi::Tensor) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe { write(run, index, out, "the gradient", |tap| &tap.gradient) }
}
