//! Slots: who may run where on this machine. A slot is taken when a job is launched and given back when its worker has
//! ended; nothing is guessed from memory in use.

use std::process::{Command, Stdio};

use lightbox_store::run::RunId;

use crate::protocol::SlotView;
use crate::settings::SlotSettings;

/// What a job needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A GPU when this machine has one that may be used, else the processor.
    Any,
    /// The processor.
    Cpu,
    /// The GPU of this number, in PCI order.
    Gpu(usize),
}

impl Needs {
    /// Reads a device as the user wrote it: `auto`, `cpu`, `cuda` or `cuda:I`.
    pub fn of(device: &str) -> Self {
        match device {
            "cpu" => Self::Cpu,
            "cuda" => Self::Gpu(0),
            other => match other.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
                Some(number) => Self::Gpu(number),
                None => Self::Any,
            },
        }
    }
}

/// A GPU of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Its number in PCI order.
    pub number: usize,
    /// Its UUID, which no reboot and no mask changes.
    pub uuid: String,
    /// Its own name.
    pub name: String,
}

/// Where a job runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A GPU.
    Gpu(Gpu),
    /// Wherever the cluster puts it.
    Cluster,
}

/// One place for one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// `cpu:0`, or a GPU's UUID and the number of the place on it.
    pub name: String,
    /// Where it is.
    pub device: Device,
    holder: Option<RunId>,
}

/// The slots of this machine.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    slots: Vec<Slot>,
    remarks: Vec<String>,
}

impl Slots {
    /// The slots that the settings give to this machine.
    pub fn of_this_machine(settings: &SlotSettings) -> Self {
        let (gpus, remark) = gpus();
        let mut slots = Self::new(settings, &gpus);
        slots.remarks.extend(remark);
        slots
    }

    /// Slots for these GPUs and the processor.
    pub fn new(settings: &SlotSettings, gpus: &[Gpu]) -> Self {
        let mut slots = Self::default();
        for gpu in gpus.iter().filter(|gpu| !left_alone(settings, gpu)) {
            for place in 0..settings.jobs_per_gpu {
                slots.push(format!("{}:{place}", gpu.uuid), Device::Gpu(gpu.clone()));
            }
        }
        for place in 0..settings.cpu {
            slots.push(format!("cpu:{place}"), Device::Cpu);
        }
        for given in &settings.leave_alone {
            let known = |gpu: &Gpu| names(given, gpu);
            if !gpus.iter().any(known) {
                slots.remarks.push(format!("slots.leave_alone: this machine has no GPU {given:?}"));
            }
        }
        slots
    }

    /// Places for jobs that are given to a cluster, which finds them a machine itself.
    pub fn of_a_cluster(jobs: usize) -> Self {
        let mut slots = Self::default();
        for place in 0..jobs {
            slots.push(format!("cluster:{place}"), Device::Cluster);
        }
        slots
    }

    fn push(&mut self, name: String, device: Device) {
        self.slots.push(Slot { name, device, holder: None });
    }

    /// The GPUs that may be used, each once.
    pub fn gpus(&self) -> Vec<Gpu> {
        let mut gpus: Vec<Gpu> = Vec::new();
        for slot in &self.slots {
            if let Device::Gpu(gpu) = &slot.device
                && !gpus.contains(gpu)
            {
                gpus.push(gpu.clone());
            }
        }
        gpus
    }

    /// Sentences that the user should know.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Whether any slot is free.
    pub fn any_free(&self) -> bool {
        self.slots.iter().any(|slot| slot.holder.is_none())
    }

    /// Takes a free slot for a job: none when all that fit are taken.
    ///
    /// # Errors
    /// A sentence when this machine has no slot at all that fits.
    pub fn take(&mut self, needs: Needs, run: &RunId) -> Result<Option<Slot>, String> {
        let has_gpu = self.slots.iter().any(|slot| matches!(slot.device, Device::Gpu(_)));
        let fits = |slot: &Slot| match (&slot.device, needs) {
            (Device::Cluster, _) => true,
            (Device::Cpu, Needs::Cpu) => true,
            (Device::Cpu, Needs::Any) => !has_gpu,
            (Device::Cpu, Needs::Gpu(_)) => false,
            (Device::Gpu(_), Needs::Any) => true,
            (Device::Gpu(gpu), Needs::Gpu(number)) => gpu.number == number,
            (Device::Gpu(_), Needs::Cpu) => false,
        };
        let mut any = false;
        for slot in self.slots.iter_mut().filter(|slot| fits(slot)) {
            any = true;
            if slot.holder.is_none() {
                slot.holder = Some(run.clone());
                return Ok(Some(slot.clone()));
            }
        }
        match (any, needs) {
            (true, _) => Ok(None),
            (false, Needs::Gpu(number)) => {
                Err(format!("this machine has no GPU {number} that may be used; see `lightbox daemon status`"))
            }
            (false, _) => Err("this machine has no slot for it; see `lightbox daemon status`".to_owned()),
        }
    }

    /// Marks a slot as taken by a job that was found running.
    pub fn occupy(&mut self, name: &str, run: &RunId) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.name == name && slot.holder.is_none()) {
            slot.holder = Some(run.clone());
        }
    }

    /// Gives back what a job holds.
    pub fn give_back(&mut self, run: &RunId) {
        for slot in self.slots.iter_mut().filter(|slot| slot.holder.as_ref() == Some(run)) {
            slot.holder = None;
        }
    }

    /// As clients see them.
    pub fn view(&self) -> Vec<SlotView> {
        let device = |device: &Device| match device {
            Device::Cpu => "cpu".to_owned(),
            Device::Gpu(gpu) => format!("cuda:{} {}", gpu.number, gpu.name),
            Device::Cluster => "cluster".to_owned(),
        };
        let view =
            |slot: &Slot| SlotView { name: slot.name.clone(), device: device(&slot.device), job: slot.holder.clone() };
        self.slots.iter().filter(|s| s.device != Device::Cluster || s.holder.is_some()).map(view).collect()
    }
}

fn left_alone(settings: &SlotSettings, gpu: &Gpu) -> bool {
    settings.leave_alone.iter().any(|given| names(given, gpu))
}

fn names(given: &str, gpu: &Gpu) -> bool {
    match given.parse::<usize>() {
        Ok(number) => number == gpu.number,
        Err(_) => !given.is_empty() && gpu.uuid.starts_with(given),
    }
}

/// The GPUs that the driver's own tool lists; without a driver there are none.
fn gpus() -> (Vec<Gpu>, Option<String>) {
    let query = ["--query-gpu=index,uuid,name", "--format=csv,noheader"];
    let output = Command::new("nvidia-smi").args(query).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => (read_gpus(&String::from_utf8_lossy(&output.stdout)), None),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (Vec::new(), Some(format!("nvidia-smi failed, so no GPU is used: {said}")))
        }
        Err(_) => (Vec::new(), None),
    }
}

fn read_gpus(text: &str) -> Vec<Gpu> {
    let gpu = |line: &str| {
        let mut fields = line.splitn(3, ',').map(str::trim);
        let number = fields.next()?.parse().ok()?;
        let uuid = fields.next().filter(|uuid| uuid.starts_with("GPU-"))?.to_owned();
        Some(Gpu { number, uuid, name: fields.next().unwrap_or_default().to_owned() })
    };
    text.lines().filter_map(gpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str) -> RunId {
        RunId(name.to_owned())
    }

    fn two_gpus() -> Vec<Gpu> {
        read_gpus("0, GPU-aa-1, NVIDIA H200\n1, GPU-bb-2, NVIDIA H200, odd\nNo devices were found\n")
    }

    #[test]
    fn a_gpu_job_never_takes_the_processor_when_there_are_gpus() {
        let mut slots = Slots::new(&SlotSettings::default(), &two_gpus());
        assert_eq!(slots.take(Needs::Any, &run("a")).unwrap().unwrap().name, "GPU-aa-1:0");
        assert_eq!(slots.take(Needs::Any, &run("b")).unwrap().unwrap().name, "GPU-bb-2:0");
        assert_eq!(slots.take(Needs::Any, &run("c")).unwrap(), None);
        assert_eq!(slots.take(Needs::Cpu, &run("d")).unwrap().unwrap().name, "cpu:0");
        slots.give_back(&run("b"));
        assert_eq!(slots.take(Needs::Gpu(0), &run("e")).unwrap(), None);
        assert_eq!(slots.take(Needs::Gpu(1), &run("e")).unwrap().unwrap().name, "GPU-bb-2:0");
    }

    #[test]
    fn without_gpus_any_device_is_the_processor() {
        let mut slots = Slots::new(&SlotSettings::default(), &[]);
        assert_eq!(slots.take(Needs::Any, &run("a")).unwrap().unwrap().device, Device::Cpu);
        assert!(slots.take(Needs::Gpu(0), &run("b")).unwrap_err().contains("GPU 0"));
    }

    #[test]
    fn gpus_are_left_alone_and_shared_as_asked() {
        let settings = SlotSettings { leave_alone: vec!["GPU-aa".into(), "7".into()], jobs_per_gpu: 2, cpu: 1 };
        let slots = Slots::new(&settings, &two_gpus());
        let names: Vec<String> = slots.view().into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["GPU-bb-2:0", "GPU-bb-2:1", "cpu:0"]);
        assert!(slots.remarks()[0].contains("\"7\""));
    }

    #[test]
    fn devices_are_read_as_the_user_writes_them() {
        assert_eq!(
            ["auto", "cpu", "cuda", "cuda:3"].map(Needs::of),
            [Needs::Any, Needs::Cpu, Needs::Gpu(0), Needs::Gpu(3)]
        );
    }
}
