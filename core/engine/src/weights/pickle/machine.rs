//! The machine: one opcode after the other, over an arena of values.

use std::collections::HashMap;
use std::io::Read;

use super::globals::{self, Global};
use super::source::Source;
use super::value::{Id, Pickled, Value};
use super::{Result, broken, tensors};

/// Most values, entries and notes that one pickle may build. A checkpoint of a thousand tensors with the state of its optimizer
/// needs a twentieth.
const BUDGET: usize = 2_000_000;
/// Text counts against the budget too, by about the memory of one value.
const BYTES_PER_UNIT: usize = 32;

/// Whether a pickle may refer to storages outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageStyle {
    /// The pickle of the weights.
    Allowed,
    /// The small pickles around it.
    Refused,
}

/// Builds the value of one pickle.
pub struct Machine<'a, R> {
    source: &'a mut Source<R>,
    style: StorageStyle,
    built: Pickled,
    stack: Vec<Id>,
    marks: Vec<usize>,
    notes: HashMap<u64, Id>,
    storages: HashMap<String, usize>,
    budget: usize,
}

impl<'a, R: Read> Machine<'a, R> {
    /// A machine at the start of a pickle.
    pub fn new(source: &'a mut Source<R>, style: StorageStyle) -> Self {
        Machine {
            source,
            style,
            built: Pickled { values: Vec::new(), root: 0, storages: Vec::new(), tensors: Vec::new() },
            stack: Vec::new(),
            marks: Vec::new(),
            notes: HashMap::new(),
            storages: HashMap::new(),
            budget: BUDGET,
        }
    }

    /// Reads to the end of the pickle.
    pub fn run(mut self) -> Result<Pickled> {
        loop {
            let opcode = self.source.byte()?;
            if opcode == b'.' {
                self.built.root = self.pop()?;
                return Ok(self.built);
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            0x80 => self.source.byte().map(drop),
            0x95 => self.source.array::<8>().map(drop),
            b'(' => {
                self.spend(1)?;
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.discard(),
            b'1' => self.above_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.push_id(top)
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a | 0x8b => self.integer(opcode),
            b'F' => self.source.line().and_then(|_| self.push(Value::Float)),
            b'G' => self.source.array::<8>().and_then(|_| self.push(Value::Float)),
            b'S' | b'V' | b'T' | b'U' | b'X' | 0x8c | 0x8d => self.text(opcode),
            b'B' | b'C' | 0x8e | 0x96 => self.binary(opcode),
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            0x8f => self.push(Value::Inert),
            b'l' => self.above_mark().and_then(|items| self.push(Value::List(items))),
            b't' => self.above_mark().and_then(|items| self.push(Value::Tuple(items))),
            0x91 => self.above_mark().and_then(|_| self.push(Value::Inert)),
            b'd' => {
                let items = self.above_mark()?;
                self.push(Value::Dict(pairs(&items)?))
            }
            0x85..=0x87 => self.short_tuple(usize::from(opcode - 0x84)),
            b'a' => self.pop().and_then(|item| self.extend_list(vec![item])),
            b'e' => self.above_mark().and_then(|items| self.extend_list(items)),
            0x90 => self.above_mark().and_then(|_| self.top().map(drop)),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(&[key, value])
            }
            b'u' => self.above_mark().and_then(|items| self.extend_dict(&items)),
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.note(opcode),
            b'c' => {
                let (module, name) = (self.source.line()?, self.source.line()?);
                self.push(Value::Global(globals::resolve(&module, &name)?))
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(module), Some(name)) = (self.built.text(module), self.built.text(name)) else {
                    return broken("it names a class with something that is no text");
                };
                let global = globals::resolve(module, name)?;
                self.push(Value::Global(global))
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)
            }
            0x92 => {
                let (_keywords, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(class, arguments)
            }
            // The state of an object: `_metadata` of an OrderedDict, or of something that is not needed.
            b'b' => self.pop().and_then(|_| self.top().map(drop)),
            b'Q' => self.storage(),
            b'i' => {
                let (module, name) = (self.source.line()?, self.source.line()?);
                globals::resolve(&module, &name)?;
                self.above_mark()?;
                self.push(Value::Inert)
            }
            b'o' => self.above_mark().and_then(|_| self.push(Value::Inert)),
            other => broken(format!("it has the opcode {other:#04x}, which is not known, after {} bytes", self.at())),
        }
    }

    fn at(&self) -> u64 {
        self.source.consumed()
    }

    fn spend(&mut self, count: usize) -> Result<()> {
        match self.budget.checked_sub(count) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => broken(format!("it builds more than {BUDGET} values, far more than weights need")),
        }
    }

    fn push(&mut self, value: Value) -> Result<()> {
        self.spend(1)?;
        self.built.values.push(value);
        self.stack.push(self.built.values.len() - 1);
        Ok(())
    }

    fn push_id(&mut self, id: Id) -> Result<()> {
        self.spend(1)?;
        self.stack.push(id);
        Ok(())
    }

    /// How far down the stack may be popped: to the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id> {
        if self.stack.len() <= self.floor() {
            return broken(format!("it takes from an empty stack after {} bytes", self.at()));
        }
        self.stack.pop().map_or_else(|| broken("it takes from an empty stack"), Ok)
    }

    fn top(&self) -> Result<Id> {
        match self.stack.last() {
            Some(top) if self.stack.len() > self.floor() => Ok(*top),
            _ => broken(format!("it looks at an empty stack after {} bytes", self.at())),
        }
    }

    /// Pops a value, or the mark that lies on top.
    fn discard(&mut self) -> Result<()> {
        if self.stack.len() == self.floor() && self.marks.pop().is_some() {
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn above_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => broken(format!("it has no mark where one belongs after {} bytes", self.at())),
        }
    }

    fn short_tuple(&mut self, count: usize) -> Result<()> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn integer(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b'I' => match self.source.line()?.trim() {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                digits => decimal(digits)?,
            },
            b'L' => decimal(self.source.line()?.trim().trim_end_matches('L'))?,
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.source.array()?))),
            b'K' => Value::Int(i64::from(self.source.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.source.array()?))),
            _ => {
                let count = match opcode {
                    0x8a => u64::from(self.source.byte()?),
                    _ => u64::from(u32::from_le_bytes(self.source.array()?)),
                };
                let bytes = self.source.bytes(count)?;
                self.spend(bytes.len() / BYTES_PER_UNIT)?;
                if bytes.len() > 8 {
                    Value::Big(bytes)
                } else {
                    let fill = if bytes.last().is_some_and(|last| *last >= 0x80) { 0xff } else { 0 };
                    let mut whole = [fill; 8];
                    whole[..bytes.len()].copy_from_slice(&bytes);
                    Value::Int(i64::from_le_bytes(whole))
                }
            }
        };
        self.push(value)
    }

    fn text(&mut self, opcode: u8) -> Result<()> {
        let bytes = match opcode {
            b'S' | b'V' => {
                let line = self.source.line()?;
                let text = if opcode == b'S' { line.trim_matches(['\'', '"']) } else { &line };
                text.as_bytes().to_vec()
            }
            b'U' | 0x8c => {
                let count = self.source.byte()?;
                self.source.bytes(u64::from(count))?
            }
            b'T' | b'X' => {
                let count = u32::from_le_bytes(self.source.array()?);
                self.source.bytes(u64::from(count))?
            }
            _ => {
                let count = u64::from_le_bytes(self.source.array()?);
                self.source.bytes(count)?
            }
        };
        self.spend(bytes.len() / BYTES_PER_UNIT)?;
        self.push(Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn binary(&mut self, opcode: u8) -> Result<()> {
        let count = match opcode {
            b'C' => u64::from(self.source.byte()?),
            b'B' => u64::from(u32::from_le_bytes(self.source.array()?)),
            _ => u64::from_le_bytes(self.source.array()?),
        };
        self.source.bytes(count)?;
        self.push(Value::Inert)
    }

    fn note(&mut self, opcode: u8) -> Result<()> {
        let place = match opcode {
            b'p' | b'g' => {
                let line = self.source.line()?;
                line.trim().parse().or_else(|_| broken(format!("it has {line:?} where a number belongs")))?
            }
            b'q' | b'h' => u64::from(self.source.byte()?),
            b'r' | b'j' => u64::from(u32::from_le_bytes(self.source.array()?)),
            _ => self.notes.len() as u64,
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            return match self.notes.get(&place) {
                Some(id) => self.push_id(*id),
                None => broken(format!("it refers to note {place}, which it has not made")),
            };
        }
        self.spend(1)?;
        self.notes.insert(place, self.top()?);
        Ok(())
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Result<()> {
        let list = self.top()?;
        match self.built.values.get_mut(list) {
            Some(Value::List(known)) => known.extend(items),
            Some(Value::Inert) => {}
            _ => return broken("it appends to something that is no list"),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Result<()> {
        let (dict, items) = (self.top()?, pairs(items)?);
        match self.built.values.get_mut(dict) {
            Some(Value::Dict(known)) => known.extend(items),
            Some(Value::Inert) => {}
            _ => return broken("it adds an entry to something that is no dictionary"),
        }
        Ok(())
    }

    fn storage(&mut self) -> Result<()> {
        let persistent = self.pop()?;
        if self.style == StorageStyle::Refused {
            return broken("it refers to a storage where none belongs");
        }
        let storage = tensors::storage(&self.built, persistent)?;
        // Storages of one key that differ in type or view are kept apart.
        let place = format!("{}/{:?}/{}", storage.key, storage.element, storage.view_offset);
        let number = match self.storages.get(&place) {
            Some(number) => *number,
            None => {
                self.spend(1)?;
                self.built.storages.push(storage);
                self.storages.insert(place, self.built.storages.len() - 1);
                self.built.storages.len() - 1
            }
        };
        self.push(Value::Storage(number))
    }

    /// What a call of something on the list gives. Nothing is run.
    fn call(&mut self, callable: Id, arguments: Id) -> Result<()> {
        let Value::Tuple(arguments) = self.built.get(arguments) else { return broken("it calls without a tuple") };
        let arguments = arguments.clone();
        self.spend(arguments.len())?;
        let Value::Global(global) = self.built.get(callable).clone() else {
            return match self.built.get(callable) {
                Value::Inert => self.push(Value::Inert),
                _ => broken("it calls something that is no function"),
            };
        };
        match global {
            Global::Dict => self.dict_of_pairs(arguments.first().copied()),
            Global::DefaultDict => self.dict_of_pairs(arguments.get(1).copied()),
            Global::List | Global::Tuple => {
                let items = match arguments.first().map(|id| self.built.get(*id)) {
                    Some(Value::List(items) | Value::Tuple(items)) => items.clone(),
                    _ => Vec::new(),
                };
                self.spend(items.len())?;
                self.push(if global == Global::List { Value::List(items) } else { Value::Tuple(items) })
            }
            Global::Tensor => {
                let tensor = tensors::tensor(&self.built, &arguments)?;
                self.spend(1)?;
                self.built.tensors.push(tensor);
                self.push(Value::Tensor(self.built.tensors.len() - 1))
            }
            Global::Parameter => match arguments.first() {
                Some(tensor) => self.push_id(*tensor),
                None => broken("a parameter has no tensor"),
            },
            Global::FromType => match arguments.as_slice() {
                // Called with a function that itself calls: bounded, since each level is another function on the list.
                [function, _, inner, ..] if self.built_global(*function) == Some(Global::Tensor) => {
                    self.call(*function, *inner)
                }
                _ => self.push(Value::Inert),
            },
            Global::Storage(_) | Global::Element(_) | Global::Inert => self.push(Value::Inert),
        }
    }

    fn built_global(&self, id: Id) -> Option<Global> {
        match self.built.get(id) {
            Value::Global(global) => Some(global.clone()),
            _ => None,
        }
    }

    /// `OrderedDict([[key, value], ...])`, as Python 2 wrote it, or an empty one.
    fn dict_of_pairs(&mut self, items: Option<Id>) -> Result<()> {
        let mut entries = Vec::new();
        match items.map(|id| self.built.get(id)) {
            Some(Value::List(items) | Value::Tuple(items)) => {
                for item in items {
                    if let Value::List(pair) | Value::Tuple(pair) = self.built.get(*item)
                        && let [key, value] = pair.as_slice()
                    {
                        entries.push((*key, *value));
                    }
                }
            }
            Some(Value::Dict(known)) => entries.clone_from(known),
            _ => {}
        }
        self.spend(entries.len())?;
        self.push(Value::Dict(entries))
    }
}

fn decimal(digits: &str) -> Result<Value> {
    match digits.parse() {
        Ok(number) => Ok(Value::Int(number)),
        Err(_) if !digits.is_empty() && digits.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Value::Big(Vec::new()))
        }
        Err(_) => broken(format!("it has {digits:?} where a number belongs")),
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    if !items.len().is_multiple_of(2) {
        return broken("a dictionary has a key without a value");
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
