//! What the host does for a method while it runs: forward passes, gradients and resizing, in parts that fit into memory.

use tch::{Device, Tensor};

use super::explainer::Event;
use super::pass::to_vec;
use super::resize::resize_bilinear;
use super::{ExplainError, LayerChoice, Network, Result, pipeline};
use crate::Cancel;
use crate::plugin::{At, HostServices, LogLevel, Resize, ServiceError, Tap};
use crate::torch::cuda_empty_cache;

/// The head is the smaller part of a network: so many times more of its rows run at once.
const HEAD_SHARE: usize = 4;

/// Rows that run at once; halved when memory runs out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    /// Of the whole network, and of gradients.
    whole: usize,
    /// Of the head.
    head: usize,
}

impl Rows {
    pub fn new(whole: usize) -> Self {
        let whole = whole.max(1);
        Rows { whole, head: whole.saturating_mul(HEAD_SHARE) }
    }

    fn of(&mut self, part: Part) -> &mut usize {
        match part {
            Part::Whole => &mut self.whole,
            Part::Head => &mut self.head,
        }
    }
}

/// What is run.
#[derive(Clone, Copy, Debug)]
enum Part {
    Whole,
    Head,
}

/// The services of one call of a method.
pub(super) struct Services<'a> {
    pub network: &'a dyn Network,
    pub layers: &'a [LayerChoice],
    pub device: Device,
    /// Channels, height and width of the input.
    pub input_shape: (usize, usize, usize),
    pub rows: &'a mut Rows,
    pub cancel: &'a Cancel,
    pub method: &'a str,
    pub events: &'a mut dyn FnMut(Event<'_>),
}

impl Services<'_> {
    /// Runs `run` on the rows of a batch, as many at once as fit.
    fn in_parts(
        &mut self,
        rows: i64,
        part: Part,
        mut run: impl FnMut(&Self, i64, i64) -> Result<Tensor>,
    ) -> std::result::Result<Tensor, ServiceError> {
        let mut parts = Vec::new();
        let mut start = 0;
        while start < rows {
            if self.cancel.is_cancelled() {
                return Err(ServiceError::Cancelled);
            }
            let length = (*self.rows.of(part) as i64).clamp(1, rows - start);
            match run(self, start, length) {
                Ok(tensor) => {
                    parts.push(tensor);
                    start += length;
                }
                Err(error) if error.is_out_of_memory() && length > 1 => {
                    let fewer = length as usize / 2;
                    *self.rows.of(part) = fewer;
                    self.release();
                    (self.events)(Event::FewerRows { method: self.method, rows: fewer });
                }
                Err(error) => return Err(error.into_service_error()),
            }
        }
        Ok(Tensor::f_cat(&parts, 0)?)
    }

    fn release(&self) {
        if self.device.is_cuda() {
            // The next part may fit even if the cache stays.
            let _ = cuda_empty_cache();
        }
    }

    pub(super) fn cut(&self, layer: usize) -> std::result::Result<usize, ServiceError> {
        let all = self.layers.len();
        let unknown = || ServiceError::Failed(format!("the request has {all} layers and none of index {layer}"));
        Ok(self.layers.get(layer).ok_or_else(unknown)?.cut)
    }

    pub(super) fn check_input(&self, batch: &Tensor) -> std::result::Result<(), ServiceError> {
        let (channels, height, width) = self.input_shape;
        let own = [channels as i64, height as i64, width as i64];
        if batch.dim() == 4 && batch.size()[1..] == own {
            return Ok(());
        }
        Err(ServiceError::Failed(format!(
            "the network takes [M, {channels}, {height}, {width}], not {:?}",
            batch.size()
        )))
    }

    /// Logits from `from` on, without a graph.
    fn scores(&self, from: Option<usize>, values: &Tensor, start: i64, length: i64) -> Result<Tensor> {
        let _no_graph = tch::no_grad_guard();
        let rows = values.f_narrow(0, start, length)?.f_to_device(self.device)?;
        Ok(self.network.forward_between(&rows, from, None)?)
    }

    /// sum(cotangent * logits) of rows from `from` on, with its graph.
    pub(super) fn score(&self, rows: &Tensor, from: Option<usize>, cotangent: &Tensor) -> Result<Tensor> {
        let logits = self.network.forward_between(rows, from, None)?;
        if !logits.requires_grad() {
            return Err(ExplainError::NoGradient {
                method: self.method.to_owned(),
                network: self.network.id().to_owned(),
                layer: from.and_then(|cut| self.network.cut_points().get(cut).cloned()).unwrap_or("its input".into()),
            });
        }
        Ok(logits.f_mul(cotangent)?.f_sum(logits.kind())?)
    }

    /// The place of a request in the network, once the shapes are known to fit.
    fn place(&self, at: At, point: &Tensor, cotangent: &Tensor) -> std::result::Result<Option<usize>, ServiceError> {
        let cut = match at {
            At::Input => {
                self.check_input(point)?;
                None
            }
            At::Layer(layer) => Some(self.cut(layer)?),
        };
        let rows = point.size().first().copied().unwrap_or(0);
        let expected = [rows, self.network.classes() as i64];
        if cotangent.size() != expected {
            let found = cotangent.size();
            return Err(ServiceError::Failed(format!("the cotangent has the shape {found:?}, not {expected:?}")));
        }
        Ok(cut)
    }

    fn gradient(
        &self,
        from: Option<usize>,
        point: &Tensor,
        cotangent: &Tensor,
        start: i64,
        length: i64,
    ) -> Result<Tensor> {
        // Nothing in here panics: `with_grad` does not restore the mode on unwinding.
        tch::with_grad(|| {
            // A copy: autograd keeps what it is given, and the method may reuse its memory.
            let rows = point
                .f_narrow(0, start, length)?
                .f_to_device(self.device)?
                .f_detach_copy()?
                .f_set_requires_grad(true)?;
            let seeds = cotangent.f_narrow(0, start, length)?.f_to_device(self.device)?;
            let score = self.score(&rows, from, &seeds)?;
            let gradient = Tensor::f_run_backward(&[score], &[rows], false, false)?.pop();
            gradient.ok_or_else(|| ExplainError::Images("gave no gradient".to_owned()))
        })
    }
}

impl HostServices for Services<'_> {
    fn forward(&mut self, batch: &Tensor) -> std::result::Result<Tensor, ServiceError> {
        self.check_input(batch)?;
        self.in_parts(batch.size()[0], Part::Whole, |own, start, length| own.scores(None, batch, start, length))
    }

    fn forward_from(&mut self, layer: usize, activations: &Tensor) -> std::result::Result<Tensor, ServiceError> {
        let cut = self.cut(layer)?;
        if activations.dim() == 0 {
            return Err(ServiceError::Failed("activations without a dimension".to_owned()));
        }
        let rows = activations.size()[0];
        self.in_parts(rows, Part::Head, |own, start, length| own.scores(Some(cut), activations, start, length))
    }

    fn vjp(&mut self, at: At, point: &Tensor, cotangent: &Tensor) -> std::result::Result<Tensor, ServiceError> {
        let cut = self.place(at, point, cotangent)?;
        let rows = point.size()[0];
        self.in_parts(rows, Part::Whole, |own, start, length| own.gradient(cut, point, cotangent, start, length))
    }

    fn hvp(
        &mut self,
        at: At,
        point: &Tensor,
        cotangent: &Tensor,
        direction: &Tensor,
    ) -> std::result::Result<Tensor, ServiceError> {
        let cut = self.place(at, point, cotangent)?;
        if direction.size() != point.size() {
            let found = direction.size();
            return Err(ServiceError::Failed(format!("the direction has the shape {found:?}, not {:?}", point.size())));
        }
        self.in_parts(point.size()[0], Part::Whole, |own, start, length| {
            let part = |tensor: &Tensor| tensor.f_narrow(0, start, length)?.f_to_device(own.device);
            own.product(cut, &part(point)?, &part(cotangent)?, &part(direction)?)
        })
    }

    fn taps(&mut self, point: &Tensor, cotangent: &Tensor) -> std::result::Result<Vec<Tap>, ServiceError> {
        self.place(At::Input, point, cotangent)?;
        if self.cancel.is_cancelled() {
            return Err(ServiceError::Cancelled);
        }
        self.tapped(point, cotangent)
    }

    fn scale_and_resize(
        &mut self,
        maps: &Tensor,
        size: (i64, i64),
        how: Resize,
    ) -> std::result::Result<Tensor, ServiceError> {
        let &[count, height, width] = maps.size().as_slice() else {
            return Err(ServiceError::Failed(format!("maps are [M, h, w], not {:?}", maps.size())));
        };
        if count < 1 || height < 1 || width < 1 || size.0 < 1 || size.1 < 1 {
            return Err(ServiceError::Failed(format!("maps of shape {:?} cannot be resized to {size:?}", maps.size())));
        }
        let mut values = to_vec(maps)?;
        if how.scale {
            pipeline::scale(&mut values, (height * width) as usize);
        }
        let to = (size.0 as usize, size.1 as usize);
        let resized = resize_bilinear(&values, (height as usize, width as usize), to, how.align_corners);
        Ok(Tensor::f_from_slice(&resized)?.f_view([count, size.0, size.1])?)
    }

    fn log(&mut self, level: LogLevel, text: &str) {
        (self.events)(Event::Log { method: self.method, level, text });
    }

    fn progress(&mut self, done: u64, total: u64) {
        (self.events)(Event::Progress { method: self.method, done, total });
    }

    fn is_cancelled(&mut self) -> bool {
        self.cancel.is_cancelled()
    }
}
