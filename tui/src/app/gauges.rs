//! How busy the GPUs are, by NVIDIA's own library, which is opened at run time: machines without it have no gauges.

use std::sync::mpsc::Sender;
use std::time::Duration;

use nvml_wrapper::Nvml;

use super::message::Message;
use crate::widgets::text;

/// How often they are read.
const EVERY: Duration = Duration::from_secs(2);

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// Its name without the maker's.
    pub name: String,
    /// Share of the last moment in which it computed, in percent.
    pub busy: u32,
    /// Memory in use, in bytes.
    pub used: u64,
    /// All its memory.
    pub total: u64,
}

impl Gauge {
    /// In one line: `H200 0 ▇▇▇▇▇▆· 87% 41/141 GB`.
    pub fn line(&self, number: usize, bar: usize, ascii: bool) -> String {
        let gigabytes = |bytes: u64| (bytes as f64 / 1e9).round() as u64;
        format!(
            "{} {number} {} {:>3}% {}/{} GB",
            self.name,
            text::bar(f64::from(self.busy) / 100.0, bar, ascii),
            self.busy,
            gigabytes(self.used),
            gigabytes(self.total)
        )
    }
}

/// Starts to read them, when there are any; ends with the loop.
pub fn start(messages: Sender<Message>) {
    std::thread::spawn(move || {
        let Ok(nvml) = Nvml::init() else { return };
        let mut before = Vec::new();
        loop {
            let now = read(&nvml);
            if now.is_empty() {
                return;
            }
            // A frame is drawn for what changed only.
            if now != before && messages.send(Message::Gauges(now.clone())).is_err() {
                return;
            }
            before = now;
            std::thread::sleep(EVERY);
        }
    });
}

fn read(nvml: &Nvml) -> Vec<Gauge> {
    let gauge = |index: u32| {
        let device = nvml.device_by_index(index).ok()?;
        let memory = device.memory_info().ok()?;
        Some(Gauge {
            name: device.name().ok()?.trim_start_matches("NVIDIA ").to_owned(),
            busy: device.utilization_rates().ok()?.gpu,
            used: memory.used,
            total: memory.total,
        })
    };
    (0..nvml.device_count().unwrap_or(0)).filter_map(gauge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_one_line() {
        let gauge = Gauge { name: "H200".into(), busy: 87, used: 41_000_000_000, total: 141_000_000_000 };
        assert_eq!(gauge.line(0, 8, true), "H200 0 #######.  87% 41/141 GB");
        assert_eq!(gauge.line(1, 4, false), "H200 1 ━━━╸  87% 41/141 GB");
    }
}
