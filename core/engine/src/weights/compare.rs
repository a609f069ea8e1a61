//! Which tensor of a file is which variable of a network, by name, and what is left over.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::error::Result;
use super::file::WeightsFile;
use super::key_map::KeyMap;
use crate::plugin::Variable;

/// Beginnings that wrappers put before a network's own names: DataParallel, Lightning, torch.compile, and homes of the model.
const WRAPPERS: [&str; 6] = ["module.", "model.", "_orig_mod.", "net.", "network.", "state_dict."];
/// Most wrappers around one name.
const MOST_WRAPPERS: usize = 4;
/// Counters that are no weights.
const COUNTERS: [&str; 2] = ["num_batches_tracked", "n_averaged"];
/// Names that a sentence shows of each kind of difference.
const SHOWN: usize = 2;

/// A variable as far as files are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableShape {
    /// Name in torchvision's `state_dict`.
    pub name: String,
    /// Names in older files.
    pub aliases: Vec<String>,
    /// Sides.
    pub shape: Vec<usize>,
    /// A parameter, not a buffer.
    pub trainable: bool,
}

/// A network as far as files are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkShape {
    /// Id of the network.
    pub id: String,
    /// Number of classes that it was made for.
    pub classes: usize,
    /// Its variables in order.
    pub variables: Vec<VariableShape>,
}

impl NetworkShape {
    /// The shape of a network of these variables.
    pub fn new(id: impl Into<String>, classes: usize, variables: &[Variable]) -> Self {
        let shape = |variable: &Variable| VariableShape {
            name: variable.name.clone(),
            aliases: variable.aliases.clone(),
            shape: variable.tensor.size().into_iter().map(|side| usize::try_from(side).unwrap_or(0)).collect(),
            trainable: variable.trainable,
        };
        NetworkShape { id: id.into(), classes, variables: variables.iter().map(shape).collect() }
    }

    /// Name of the classifier with a dot at its end: the last module with a parameter of as many outputs as classes.
    pub(super) fn classifier(&self) -> Option<&str> {
        let last = self.variables.iter().rev().find(|v| v.trainable && v.shape.first() == Some(&self.classes))?;
        last.name.rfind('.').map(|dot| &last.name[..=dot])
    }

    /// Place of the variable that images enter by: the first with four sides.
    pub(super) fn entrance(&self) -> Option<usize> {
        self.variables.iter().position(|variable| variable.trainable && variable.shape.len() == 4)
    }
}

/// A variable whose shape in the file is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Name of the variable.
    pub name: String,
    /// Shape in the file.
    pub in_file: Vec<usize>,
    /// Shape in the network.
    pub in_network: Vec<usize>,
}

/// A file held against a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Place of each variable's tensor in the file, in the order of the variables; none if the shape differs.
    #[serde(skip)]
    pub(super) places: Vec<Option<usize>>,
    /// The same, also where the shape differs.
    #[serde(skip)]
    pub(super) named: Vec<Option<usize>>,
    /// Names of variables that are in the file with their own shape.
    pub matched: Vec<String>,
    /// Names of variables that are not in the file.
    pub missing: Vec<String>,
    /// Variables that are there with another shape.
    pub mismatched: Vec<Mismatch>,
    /// Names in the file that belong to no variable.
    pub unexpected: Vec<String>,
    /// Those of them that begin as a variable does, so that the file is of another network; others are left alone.
    pub foreign: Vec<String>,
    /// Counters in the file, which no weights are.
    pub counters: Vec<String>,
}

impl Comparison {
    /// Finds each variable in the file: by its name or an alias, after the key map, with what wrappers put before it taken off.
    ///
    /// # Errors
    /// The key map fits nothing in the file.
    pub fn new(file: &WeightsFile, network: &NetworkShape, key_map: Option<&KeyMap>) -> Result<Self> {
        if let Some(map) = key_map {
            map.check_used(file.tensors().flat_map(|tensor| unwrapped(&tensor.name)))?;
        }
        let mut targets: HashMap<&str, usize> = HashMap::new();
        for (place, variable) in network.variables.iter().enumerate() {
            for alias in &variable.aliases {
                targets.entry(alias).or_insert(place);
            }
        }
        // A variable's own name goes before another's alias.
        targets.extend(network.variables.iter().enumerate().map(|(place, variable)| (variable.name.as_str(), place)));

        // A name that fits with less taken off goes first.
        let mut claims: Vec<(usize, usize, usize)> = Vec::new();
        let mut comparison = Comparison::default();
        let mut left_over = Vec::new();
        for (index, tensor) in file.tensors().enumerate() {
            let renamed = match key_map {
                // The map's author may have seen the names without their wrappers.
                Some(map) => map.rename(unwrapped(&tensor.name).find(|name| map.is_for(name)).unwrap_or(&tensor.name)),
                None => Some(tensor.name.as_str().into()),
            };
            // A rule of the key map says to leave it out.
            let Some(renamed) = renamed else { continue };
            if COUNTERS.iter().any(|counter| renamed.rsplit('.').next() == Some(counter)) {
                comparison.counters.push(tensor.name.clone());
                continue;
            }
            let found = unwrapped(&renamed).enumerate().find_map(|(off, name)| targets.get(name).map(|at| (off, *at)));
            match found {
                Some((off, place)) => claims.push((off, index, place)),
                None => left_over.push((index, renamed.into_owned())),
            }
        }
        claims.sort_unstable();
        comparison.named = vec![None; network.variables.len()];
        for (_, index, place) in claims {
            match comparison.named[place] {
                None => comparison.named[place] = Some(index),
                Some(_) => left_over.push((index, String::new())),
            }
        }
        comparison.sort_out(file, network, left_over);
        Ok(comparison)
    }

    fn sort_out(&mut self, file: &WeightsFile, network: &NetworkShape, mut left_over: Vec<(usize, String)>) {
        let shapes: Vec<_> = file.tensors().collect();
        self.places.clone_from(&self.named);
        for (variable, place) in network.variables.iter().zip(&mut self.places) {
            match *place {
                None => self.missing.push(variable.name.clone()),
                Some(index) if shapes[index].shape == variable.shape => self.matched.push(variable.name.clone()),
                Some(index) => {
                    self.mismatched.push(Mismatch {
                        name: variable.name.clone(),
                        in_file: shapes[index].shape.clone(),
                        in_network: variable.shape.clone(),
                    });
                    *place = None;
                }
            }
        }
        let modules: HashSet<&str> = network.variables.iter().filter_map(|v| v.name.split('.').next()).collect();
        left_over.sort_unstable_by_key(|(index, _)| *index);
        for (index, renamed) in left_over {
            let name = &shapes[index].name;
            if unwrapped(&renamed).any(|name| name.split('.').next().is_some_and(|module| modules.contains(module))) {
                self.foreign.push(name.clone());
            }
            self.unexpected.push(name.clone());
        }
    }

    /// Every variable is in the file with its shape, and nothing else in it is of such a network.
    pub fn fits(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty() && self.foreign.is_empty()
    }

    /// What differs, with the first names.
    pub fn sentence(&self) -> String {
        let variables = self.matched.len() + self.missing.len() + self.mismatched.len();
        let mut parts = vec![format!("{} of {variables} variables are in it with their shape", self.matched.len())];
        if !self.missing.is_empty() {
            parts.push(format!("it lacks {}", names(&self.missing)));
        }
        if let Some(first) = self.mismatched.first() {
            let more = match self.mismatched.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more differ"),
            };
            parts.push(format!(
                "`{}` has the shape {:?} in it and {:?} in the network{more}",
                first.name, first.in_file, first.in_network
            ));
        }
        // If nothing fits, all that is in the file tells what it is.
        let others = if self.foreign.is_empty() && self.matched.is_empty() { &self.unexpected } else { &self.foreign };
        if !others.is_empty() {
            parts.push(format!("it has {}, which the network has not", names(others)));
        }
        parts.join("; ")
    }
}

/// The first names, and how many more there are.
pub(super) fn names(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(" and "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The name as it is, then with one wrapper after the other taken off.
fn unwrapped(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| inside(name)).take(MOST_WRAPPERS + 1)
}

fn inside(name: &str) -> Option<&str> {
    WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper))
}
