//! The states of Slurm's jobs, and how they are read from what its commands print.

/// What a job is doing, as far as its run's owner must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits in the queue, or for its machine to start.
    Pending {
        /// Slurm's word for why, for example `Resources` or `JobHeldUser`.
        reason: String,
    },
    /// It has its machine.
    Running {
        /// The machine, or several as Slurm writes them.
        nodes: String,
    },
    /// Slurm took it back and is about to queue it again, under the same number.
    Requeued,
    /// It ended with exit code 0.
    Completed,
    /// It ended by itself with another one.
    Failed {
        /// The exit code; 128 and more when a signal ended it, as shells count. 130 is a worker that stopped when asked to.
        exit_code: i32,
        /// The signal that ended it.
        signal: Option<i32>,
    },
    /// Slurm ended it because it used more memory than it had asked for.
    OutOfMemory,
    /// Its time limit or deadline passed.
    TimedOut,
    /// Its machine failed or did not start.
    NodeLost,
    /// It had to make room for another job, and was not queued again.
    Preempted,
    /// It was cancelled.
    Cancelled,
    /// Slurm no longer knows it.
    Unknown,
}

impl JobState {
    /// Nothing more happens to it.
    pub fn has_ended(&self) -> bool {
        !matches!(self, Self::Pending { .. } | Self::Running { .. } | Self::Requeued)
    }
}

/// A job as one of Slurm's commands shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number.
    pub job: u64,
    /// The state in Slurm's own word.
    pub word: String,
    /// Its machines.
    pub nodes: String,
    /// Why it waits.
    pub reason: String,
    /// Exit code and signal, where the command knows them.
    pub exit: Option<(i32, i32)>,
}

impl Row {
    /// Reads Slurm's word. One that this version of Lightbox does not know is taken for a job that goes on: final states
    /// have not changed for a decade, and a job that is taken for ended while it runs would be started twice.
    pub fn state(&self) -> JobState {
        match self.word.as_str() {
            "PENDING" => JobState::Pending { reason: self.reason.clone() },
            "CONFIGURING" | "POWER_UP_NODE" | "REQUEUE_HOLD" | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => {
                JobState::Pending { reason: self.reason_or_word() }
            }
            "RUNNING" | "COMPLETING" | "STAGE_OUT" | "SIGNALING" | "RESIZING" | "SUSPENDED" | "STOPPED" => {
                JobState::Running { nodes: self.nodes.clone() }
            }
            "REQUEUED" | "REQUEUE_FED" => JobState::Requeued,
            "COMPLETED" => JobState::Completed,
            "FAILED" => {
                let (code, signal) = self.exit.unwrap_or((1, 0));
                let exit_code = if signal == 0 { code } else { 128_i32.saturating_add(signal) };
                JobState::Failed { exit_code, signal: (signal != 0).then_some(signal) }
            }
            "OUT_OF_MEMORY" => JobState::OutOfMemory,
            "TIMEOUT" | "DEADLINE" => JobState::TimedOut,
            "NODE_FAIL" | "BOOT_FAIL" | "LAUNCH_FAILED" => JobState::NodeLost,
            "PREEMPTED" => JobState::Preempted,
            "CANCELLED" => JobState::Cancelled,
            // A sibling of it runs on another cluster of a federation.
            "REVOKED" => JobState::Unknown,
            other => JobState::Pending { reason: format!("in state {other}") },
        }
    }

    fn reason_or_word(&self) -> String {
        let word = self.word.to_ascii_lowercase().replace('_', " ");
        if self.reason.is_empty() || self.reason == "None" { word } else { format!("{word}: {}", self.reason) }
    }
}

/// The `--format` of `squeue` that [`squeue`] reads.
pub(super) const SQUEUE_FORMAT: &str = "%A|%T|%N|%r";

/// Reads a line of `squeue`.
pub(super) fn squeue(line: &str) -> Option<Row> {
    let mut fields = line.splitn(4, '|').map(str::trim);
    let job = fields.next()?.parse().ok()?;
    let word = state_word(fields.next()?)?;
    let nodes = fields.next()?.to_owned();
    Some(Row { job, word, nodes, reason: fields.next()?.to_owned(), exit: None })
}

/// The `--format` of `sacct` that [`sacct`] reads.
pub(super) const SACCT_FORMAT: &str = "JobIDRaw,State,ExitCode,NodeList";

/// Reads a line of `sacct --parsable2`.
pub(super) fn sacct(line: &str) -> Option<Row> {
    let mut fields = line.splitn(4, '|').map(str::trim);
    let job = fields.next()?.parse().ok()?;
    let word = state_word(fields.next()?)?;
    let exit = exit_code(fields.next()?);
    Some(Row { job, word, nodes: fields.next()?.to_owned(), reason: String::new(), exit })
}

/// Reads what `scontrol --oneliner show job` prints for one job.
pub(super) fn scontrol(text: &str) -> Option<Row> {
    let field = |name: &str| {
        let mut words = text.split_ascii_whitespace();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let job = field("JobId")?.parse().ok()?;
    let word = state_word(field("JobState")?)?;
    let nodes = field("NodeList").filter(|nodes| *nodes != "(null)").unwrap_or_default().to_owned();
    let reason = field("Reason").unwrap_or_default().to_owned();
    Some(Row { job, word, nodes, reason, exit: field("ExitCode").and_then(exit_code) })
}

/// A job that may be a run's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tagged {
    /// Its number.
    pub job: u64,
    /// The state in Slurm's own word.
    pub word: String,
    /// Its comment.
    pub comment: String,
}

/// The `--format` of `squeue` that [`tagged`] reads.
pub(super) const SQUEUE_TAGGED: &str = "%A|%T|%k";

/// The `--format` of `sacct` that [`tagged`] reads.
pub(super) const SACCT_TAGGED: &str = "JobIDRaw,State,Comment";

/// Reads a line of number, state and comment.
pub(super) fn tagged(line: &str) -> Option<Tagged> {
    let mut fields = line.splitn(3, '|').map(str::trim);
    let job = fields.next()?.parse().ok()?;
    let word = state_word(fields.next()?)?;
    Some(Tagged { job, word, comment: fields.next()?.to_owned() })
}

/// The first word of a state: `CANCELLED by 1000` and `COMPLETED+` mean no more than their first word.
fn state_word(text: &str) -> Option<String> {
    let word = text.split_ascii_whitespace().next()?.trim_end_matches('+');
    let known = |c: char| c.is_ascii_uppercase() || c == '_';
    (!word.is_empty() && word.chars().all(known)).then(|| word.to_owned())
}

/// Reads `CODE:SIGNAL`.
fn exit_code(text: &str) -> Option<(i32, i32)> {
    let (code, signal) = text.split_once(':')?;
    Some((code.parse().ok()?, signal.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(word: &str) -> JobState {
        squeue(&format!("7|{word}|n1|Why")).unwrap().state()
    }

    #[test]
    fn every_state_of_slurm_has_its_meaning() {
        let pending = |reason: &str| JobState::Pending { reason: reason.to_owned() };
        let running = JobState::Running { nodes: "n1".to_owned() };
        let table = [
            ("BOOT_FAIL", JobState::NodeLost),
            ("CANCELLED", JobState::Cancelled),
            ("COMPLETED", JobState::Completed),
            ("CONFIGURING", pending("configuring: Why")),
            ("COMPLETING", running.clone()),
            ("DEADLINE", JobState::TimedOut),
            ("FAILED", JobState::Failed { exit_code: 1, signal: None }),
            ("NODE_FAIL", JobState::NodeLost),
            ("OUT_OF_MEMORY", JobState::OutOfMemory),
            ("PENDING", pending("Why")),
            ("PREEMPTED", JobState::Preempted),
            ("RUNNING", running.clone()),
            ("RESV_DEL_HOLD", pending("resv del hold: Why")),
            ("REQUEUE_FED", JobState::Requeued),
            ("REQUEUE_HOLD", pending("requeue hold: Why")),
            ("REQUEUED", JobState::Requeued),
            ("RESIZING", running.clone()),
            ("REVOKED", JobState::Unknown),
            ("SIGNALING", running.clone()),
            ("SPECIAL_EXIT", pending("special exit: Why")),
            ("STAGE_OUT", running.clone()),
            ("STOPPED", running.clone()),
            ("SUSPENDED", running),
            ("TIMEOUT", JobState::TimedOut),
            ("EXPEDITING", pending("in state EXPEDITING")),
        ];
        for (word, meaning) in table {
            assert_eq!(state(word), meaning, "{word}");
        }
    }

    #[test]
    fn lines_of_the_three_commands_are_read() {
        assert_eq!(squeue("12|PENDING||Priority").unwrap().state(), JobState::Pending { reason: "Priority".into() });
        assert_eq!(sacct("12|CANCELLED by 1000|0:15|n1").unwrap().state(), JobState::Cancelled);
        let killed = sacct("12|FAILED|0:11|n[1-2]").unwrap();
        assert_eq!(
            (killed.state(), killed.nodes.as_str()),
            (JobState::Failed { exit_code: 139, signal: Some(11) }, "n[1-2]")
        );
        assert_eq!(sacct("12.batch|FAILED|1:0|n1"), None);
        let shown = "JobId=5 JobName=r UserId=me(1) JobState=FAILED Reason=NonZeroExitCode Dependency=(null) ExitCode=130:0 \
                     ReqNodeList=(null) NodeList=n1 BatchHost=n1";
        let row = scontrol(shown).unwrap();
        assert_eq!((row.job, row.nodes.as_str()), (5, "n1"));
        assert_eq!(row.state(), JobState::Failed { exit_code: 130, signal: None });
        assert_eq!(tagged("5|RUNNING|lightbox:a:0").unwrap().comment, "lightbox:a:0");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_passed_over(text in "\\PC{0,80}", job in any::<u64>(), word in "[A-Z_]{1,20}") {
            for parse in [squeue, sacct, scontrol] {
                if let Some(row) = parse(&text) {
                    row.state();
                }
            }
            tagged(&text);
            for line in [format!("{job}|{word}|{text}"), format!("{job}|{word}|{text}|{text}")] {
                for row in [squeue(&line), sacct(&line)].into_iter().flatten() {
                    prop_assert_eq!(row.job, job);
                    row.state();
                }
            }
            if let Some(row) = scontrol(&format!("JobId={job} JobState={word} ExitCode={text} {text}")) {
                prop_assert_eq!(row.job, job);
                row.state();
            }
        }

        #[test]
        fn no_exit_code_is_too_large(code in any::<i32>(), signal in any::<i32>()) {
            sacct(&format!("1|FAILED|{code}:{signal}|n")).unwrap().state();
        }
    }
}
