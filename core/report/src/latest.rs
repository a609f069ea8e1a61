//! Which groups of runs a table outside a study is about: of each experiment the latest that finished.

use lightbox_store::{GroupId, JobConfig, RunDir, RunStatus, StoreError};

/// The runs of one group.
#[derive(Clone, Debug)]
pub struct Group<K> {
    /// What makes groups repetitions of one experiment.
    pub key: K,
    /// Its name.
    pub id: GroupId,
    /// Its runs with their states, oldest first.
    pub members: Vec<(RunDir, RunStatus)>,
    /// Second of its first run, and its place in the queue: the order of groups.
    began: (String, i64),
}

/// A group of which nothing, or not all, is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut<K> {
    /// Its experiment.
    pub key: K,
    /// Its name.
    pub id: GroupId,
    /// How its runs stand, for example `of 3 runs: 2 failed, 1 running`.
    pub state: String,
    /// Whether its finished runs are shown: no group of the experiment has more.
    pub shown: bool,
}

/// What is shown of some runs, and what is not.
#[derive(Clone, Debug)]
pub struct Latest<K> {
    /// The groups shown, by experiment in the order of first appearance; their finished runs only.
    pub shown: Vec<Group<K>>,
    /// Newer groups than those shown, and those that are shown in part.
    pub left_out: Vec<LeftOut<K>>,
}

/// Sorts runs into groups and picks of each experiment the latest group whose runs all finished, or else the finished
/// runs of the newest that has any. `key` names a run's experiment; runs without one are passed over.
///
/// # Errors
/// When a run's configuration or state cannot be read.
pub fn latest<K: Clone + PartialEq>(
    runs: &[RunDir],
    key: impl Fn(&JobConfig) -> Option<K>,
) -> Result<Latest<K>, StoreError> {
    let groups = by_group(runs, key)?;
    let mut latest = Latest { shown: Vec::new(), left_out: Vec::new() };
    for (i, group) in groups.iter().enumerate() {
        if groups[..i].iter().any(|earlier| earlier.key == group.key) {
            continue;
        }
        let mut same: Vec<&Group<K>> = groups.iter().filter(|g| g.key == group.key).collect();
        same.sort_by(|a, b| (&a.began, &a.id).cmp(&(&b.began, &b.id)));
        let whole = same.iter().rposition(|g| g.finished() == g.members.len());
        let chosen = whole.or_else(|| same.iter().rposition(|g| g.finished() > 0));
        let newer = chosen.map_or(0, |at| if whole.is_some() { at + 1 } else { at });
        let left_out = same[newer..].iter().enumerate().map(|(n, g)| LeftOut {
            key: g.key.clone(),
            id: g.id.clone(),
            state: g.state(),
            shown: chosen == Some(newer + n),
        });
        latest.left_out.extend(left_out);
        latest.shown.extend(chosen.map(|at| same[at].only_finished()));
    }
    Ok(latest)
}

fn by_group<K>(runs: &[RunDir], key: impl Fn(&JobConfig) -> Option<K>) -> Result<Vec<Group<K>>, StoreError> {
    let mut groups: Vec<Group<K>> = Vec::new();
    for run in runs {
        let config = run.config()?;
        let Some(key) = key(&config) else { continue };
        let member = (run.clone(), run.status()?);
        match groups.iter_mut().find(|g| g.id == config.group) {
            Some(group) => group.members.push(member),
            None => {
                let second = config.run.0.chars().take("20260101-120000".len()).collect();
                let began = (second, run.queue_entry()?.map_or(0, |entry| entry.order));
                groups.push(Group { key, id: config.group, members: vec![member], began });
            }
        }
    }
    Ok(groups)
}

impl<K: Clone> Group<K> {
    /// Its finished runs.
    pub fn runs(&self) -> impl Iterator<Item = &RunDir> {
        self.members.iter().filter(|(_, status)| *status == RunStatus::Finished).map(|(run, _)| run)
    }

    fn finished(&self) -> usize {
        self.runs().count()
    }

    fn only_finished(&self) -> Self {
        let finished = |(_, status): &&(RunDir, RunStatus)| *status == RunStatus::Finished;
        Self { members: self.members.iter().filter(finished).cloned().collect(), ..self.clone() }
    }

    /// How many runs are in which state, the unfinished ones first.
    fn state(&self) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for word in self.members.iter().map(|(_, status)| status.word()) {
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        counts.sort_by_key(|(word, _)| *word == RunStatus::Finished.word());
        let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let runs = self.members.len();
        format!("of {runs} {}: {}", if runs == 1 { "run" } else { "runs" }, counts.join(", "))
    }
}
