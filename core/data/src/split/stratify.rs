//! Dealing groups out to parts so that every part has its share of every class.
//!
//! Groups of the same make-up (two images of class 3, say) are interchangeable, so the search is over how many groups of
//! each make-up a part gets: first greedily, largest groups first, then by moves and swaps while they improve the balance.
//! Which group of a make-up goes where is then drawn at random. The balance is the chi-square distance from the wanted
//! counts, over classes and over all images together; before it counts that no part lacks a class that it could have.

use std::collections::BTreeMap;

use super::random::Stream;

/// Beginnings of the search, of which the best end counts.
const STARTS: usize = 6;
/// Trials of the improvement from one beginning, at most: a bound on time for data whose groups are all different.
const MOST_TRIALS: usize = 3_000_000;
/// How much the sizes of the parts count beside the classes: to decide between equals.
const WEIGHT_OF_SIZE: f64 = 0.1;
/// Improvements smaller than this are rounding.
const SMALLEST_GAIN: f64 = 1e-9;

/// Images of a group by class, as (class, count), classes rising; class `classes` stands for all of them together.
type MakeUp = Vec<(usize, u32)>;

/// How much better (negative) or worse a change is: parts that lack a class first, then the distance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Change {
    lacking: f64,
    distance: f64,
}

impl Change {
    const NONE: Self = Self { lacking: 0.0, distance: 0.0 };

    fn improves(self) -> bool {
        self.lacking < 0.0 || self.lacking == 0.0 && self.distance < -SMALLEST_GAIN
    }

    fn is_better_than(self, other: Self) -> bool {
        self.lacking < other.lacking || self.lacking == other.lacking && self.distance < other.distance
    }
}

/// The counts so far, against those wanted.
#[derive(Clone)]
struct Balance {
    /// By part, then class (the last is all).
    counts: Vec<Vec<i64>>,
    wanted: Vec<Vec<f64>>,
    /// What it costs that a part lacks a class it could have.
    weights: Vec<f64>,
}

impl Balance {
    fn cost(&self, part: usize, class: usize, count: i64) -> Change {
        let wanted = self.wanted[part][class];
        if wanted <= 0.0 {
            return Change::NONE;
        }
        let difference = count as f64 - wanted;
        let lacking = if count == 0 { self.weights[part] } else { 0.0 };
        let weight = if class + 1 == self.wanted[part].len() { WEIGHT_OF_SIZE } else { 1.0 };
        Change { lacking, distance: weight * difference * difference / wanted }
    }

    /// What all parts cost together.
    fn total(&self) -> Change {
        let mut total = Change::NONE;
        for (part, counts) in self.counts.iter().enumerate() {
            for (class, count) in counts.iter().enumerate() {
                total = sum(total, self.cost(part, class, *count));
            }
        }
        total
    }

    /// What it changes to add `plus` to a part and take `minus` from it.
    fn change(&self, part: usize, plus: &MakeUp, minus: &MakeUp) -> Change {
        let mut change = Change::NONE;
        let mut one = |class: usize, difference: i64| {
            let count = self.counts[part][class];
            let (before, after) = (self.cost(part, class, count), self.cost(part, class, count + difference));
            change.lacking += after.lacking - before.lacking;
            change.distance += after.distance - before.distance;
        };
        // Both lists rise by class: walk them side by side.
        let (mut p, mut m) = (plus.iter().peekable(), minus.iter().peekable());
        loop {
            match (p.peek().copied(), m.peek().copied()) {
                (None, None) => break,
                (Some((a, n)), Some((b, k))) if a == b => {
                    one(*a, i64::from(*n) - i64::from(*k));
                    p.next();
                    m.next();
                }
                (Some((a, n)), other) if other.is_none_or(|(b, _)| a < b) => {
                    one(*a, i64::from(*n));
                    p.next();
                }
                (_, Some((b, k))) => {
                    one(*b, -i64::from(*k));
                    m.next();
                }
                (Some(_), None) => break,
            }
        }
        change
    }

    fn add(&mut self, part: usize, make_up: &MakeUp, sign: i64) {
        for (class, count) in make_up {
            self.counts[part][*class] += sign * i64::from(*count);
        }
    }
}

/// Deals groups (each a list of its images' labels) out to parts of the given shares; gives the part of each group.
/// `weights` says how bad it is for each part to lack a class.
pub(super) fn deal(
    groups: &[Vec<usize>],
    classes: usize,
    shares: &[f64],
    weights: &[f64],
    stream: &mut Stream,
) -> Vec<usize> {
    let mut kinds: BTreeMap<MakeUp, Vec<usize>> = BTreeMap::new();
    let mut totals = vec![0_i64; classes + 1];
    for (group, labels) in groups.iter().enumerate() {
        let make_up = make_up(labels, classes);
        for (class, count) in &make_up {
            totals[*class] += i64::from(*count);
        }
        kinds.entry(make_up).or_default().push(group);
    }
    let empty = Balance {
        counts: vec![vec![0; classes + 1]; shares.len()],
        wanted: shares.iter().map(|share| totals.iter().map(|total| *total as f64 * share).collect()).collect(),
        weights: weights.to_vec(),
    };
    let (make_ups, mut members): (Vec<MakeUp>, Vec<Vec<usize>>) = kinds.into_iter().unzip();
    let mut best: Option<(Change, Vec<Vec<usize>>)> = None;
    for _ in 0..STARTS {
        let mut balance = empty.clone();
        let mut placed = greedy(&make_ups, &members, &mut balance, stream);
        improve(&make_ups, &mut placed, &mut balance);
        let total = balance.total();
        if best.as_ref().is_none_or(|(least, _)| total.is_better_than(*least)) {
            best = Some((total, placed));
        }
    }
    let placed = best.map(|(_, placed)| placed).unwrap_or_default();

    let mut part_of = vec![0; groups.len()];
    for (kind, members) in members.iter_mut().enumerate() {
        stream.shuffle(members);
        let mut rest = members.iter();
        for (part, count) in placed[kind].iter().enumerate() {
            for group in rest.by_ref().take(*count) {
                part_of[*group] = part;
            }
        }
    }
    part_of
}

fn make_up(labels: &[usize], classes: usize) -> MakeUp {
    let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
    for label in labels {
        *counts.entry(*label).or_default() += 1;
    }
    let all = counts.values().sum();
    counts.into_iter().chain([(classes, all)]).collect()
}

/// Places groups one by one where they fit best; gives the number of groups by kind and part.
fn greedy(make_ups: &[MakeUp], members: &[Vec<usize>], balance: &mut Balance, stream: &mut Stream) -> Vec<Vec<usize>> {
    let parts = balance.counts.len();
    let size = |kind: usize| make_ups[kind].last().map_or(0, |(_, count)| *count);
    let mut order: Vec<usize> =
        members.iter().enumerate().flat_map(|(kind, members)| std::iter::repeat_n(kind, members.len())).collect();
    stream.shuffle(&mut order);
    // Large before small, but only by powers of two: among groups of about one size chance decides, so that repeats
    // differ even where every group is unlike every other.
    order.sort_by_key(|kind| std::cmp::Reverse(size(*kind).max(1).ilog2()));
    let mut ties: Vec<usize> = (0..parts).collect();
    stream.shuffle(&mut ties);

    let nothing = MakeUp::new();
    let mut placed = vec![vec![0; parts]; make_ups.len()];
    for kind in order {
        let mut best = (ties[0], balance.change(ties[0], &make_ups[kind], &nothing));
        for part in ties.iter().skip(1) {
            let change = balance.change(*part, &make_ups[kind], &nothing);
            if change.is_better_than(best.1) {
                best = (*part, change);
            }
        }
        balance.add(best.0, &make_ups[kind], 1);
        placed[kind][best.0] += 1;
    }
    placed
}

/// Moves a group to another part, or swaps two, while that improves the balance.
fn improve(make_ups: &[MakeUp], placed: &mut [Vec<usize>], balance: &mut Balance) {
    let parts = balance.counts.len();
    let nothing = MakeUp::new();
    let mut trials = 0;
    let mut improved = true;
    while improved && trials < MOST_TRIALS {
        improved = false;
        for kind in 0..make_ups.len() {
            for from in 0..parts {
                for to in 0..parts {
                    if from == to || placed[kind][from] == 0 {
                        continue;
                    }
                    trials += 1;
                    let moved = sum(
                        balance.change(from, &nothing, &make_ups[kind]),
                        balance.change(to, &make_ups[kind], &nothing),
                    );
                    if moved.improves() {
                        shift(make_ups, placed, balance, kind, from, to);
                        improved = true;
                        continue;
                    }
                    for other in 0..make_ups.len() {
                        if other == kind || placed[other][to] == 0 || trials >= MOST_TRIALS {
                            continue;
                        }
                        trials += 1;
                        let swapped = sum(
                            balance.change(from, &make_ups[other], &make_ups[kind]),
                            balance.change(to, &make_ups[kind], &make_ups[other]),
                        );
                        if swapped.improves() {
                            shift(make_ups, placed, balance, kind, from, to);
                            shift(make_ups, placed, balance, other, to, from);
                            improved = true;
                            break;
                        }
                    }
                }
            }
        }
    }
}

fn sum(a: Change, b: Change) -> Change {
    Change { lacking: a.lacking + b.lacking, distance: a.distance + b.distance }
}

fn shift(make_ups: &[MakeUp], placed: &mut [Vec<usize>], balance: &mut Balance, kind: usize, from: usize, to: usize) {
    balance.add(from, &make_ups[kind], -1);
    balance.add(to, &make_ups[kind], 1);
    placed[kind][from] -= 1;
    placed[kind][to] += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_groups_are_dealt_evenly() {
        let groups: Vec<Vec<usize>> = (0..23).map(|i| vec![usize::from(i < 9)]).collect();
        let parts = deal(&groups, 2, &[0.2; 5], &[1.0; 5], &mut Stream::new(1, "test", 0, 0));
        for part in 0..5 {
            let of = |class: usize| groups.iter().zip(&parts).filter(|(g, p)| g[0] == class && **p == part).count();
            assert!((2..=3).contains(&of(0)) && (1..=2).contains(&of(1)), "{} {}", of(0), of(1));
            assert!((4..=5).contains(&(of(0) + of(1))));
        }
    }

    #[test]
    fn a_class_in_few_groups_reaches_every_part_it_can() {
        // Class 1 is in five groups, one of which holds nearly all of it.
        let mut groups = vec![vec![0]; 50];
        groups.push(vec![1; 20]);
        groups.extend(vec![vec![1]; 4]);
        let parts = deal(&groups, 2, &[0.2; 5], &[1.0; 5], &mut Stream::new(3, "test", 0, 0));
        let mut with: Vec<usize> = parts[50..].to_vec();
        with.sort_unstable();
        assert_eq!(with, [0, 1, 2, 3, 4]);
    }
}
