//! The viewer: images with heatmaps over them as real pixels, alone or in a grid of methods, with what the network said.

mod draw;
mod export;
pub mod heat;
pub mod photo;
mod picks;
mod side;
pub mod source;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use lightbox_picture::Colormap;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::movement::{HasTable, Movement, Words, take_words};
use super::{Goal as AnyGoal, Screen};
use crate::app::keys::{self, Binding, Entry};
use crate::app::message::Update as AppUpdate;
use crate::app::shared::{Loaded, Shared};
use crate::widgets::{Canvas, DataTable, Hit};
use heat::{Heat, Key, Pending};
use photo::Photo;
use source::{Filter, List, Source, Wanted};

/// Photos and maps that are kept: a session's worth of going to and fro.
const MOST_PHOTOS: usize = 64;
const MOST_MAPS: usize = 4096;

/// Something for the viewer.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// A finished training run's test images.
    Run(String),
    /// Images of several runs.
    Show(Wanted),
    /// A dataset's images.
    Dataset(String),
    /// Explain with this method.
    Method(String),
    /// Explain this class: its name, none for the predicted one.
    Target(Option<String>),
    /// Explain the true class, whatever it is.
    TrueTarget,
    /// Explain this layer, none for the model's own.
    Layer(Option<String>),
    /// List these images.
    Filter(Filter),
    /// Give the method these parameters.
    Params(Vec<String>),
    /// Write the picture here.
    Export(PathBuf),
    /// Words for the list.
    Words(Words, String),
}

/// What came of reading beside the loop.
pub enum Update {
    /// The images.
    Source(Wanted, Result<Arc<Source>, String>),
    /// An image.
    Photo(PathBuf, Result<Photo, String>),
    /// A heatmap, or why there is none; nothing where it was given up.
    Heat(Box<(Key, Option<Result<Heat, String>>)>),
    /// A request is done, with what it had to say.
    Asked(Vec<String>),
    /// A picture was written, or not.
    Exported(Result<PathBuf, String>),
}

/// What is explained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Target {
    #[default]
    Predicted,
    Truth,
    Class(String),
}

/// How images are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    /// One image, one method.
    #[default]
    One,
    /// The image beside itself with its heatmap.
    Beside,
    /// One image, all methods.
    Methods,
    /// One method, several images.
    Images,
}

/// The screen.
pub struct Viewer {
    table: DataTable,
    source: Loaded<Arc<Source>>,
    wanted: Option<Wanted>,
    filter: Filter,
    chosen: Vec<usize>,
    method: String,
    target: Target,
    layer: Option<String>,
    params: Vec<String>,
    colormap: Colormap,
    opacity: f32,
    original: bool,
    outlines: bool,
    list: bool,
    view: View,
    photos: HashMap<PathBuf, Option<Result<Photo, String>>>,
    maps: HashMap<Key, Option<Result<Heat, String>>>,
    asking: Option<Pending>,
    /// The heatmap that was shown last: it stays until the next one of its image is there, for a picture is sent anew each time.
    seen: Option<Key>,
    entered: bool,
    remark: Option<String>,
}

fn with_image(viewer: &Viewer, _: &Shared) -> Result<(), String> {
    viewer.entry().map(|_| ()).ok_or_else(|| "no image".to_owned())
}

fn with_network(viewer: &Viewer, _: &Shared) -> Result<(), String> {
    match viewer.source.get() {
        Some(source) if !source.networks.is_empty() => Ok(()),
        Some(_) => Err("no network is trained on these images yet".to_owned()),
        None => Err("no images".to_owned()),
    }
}

type Bind = Binding<Viewer>;

const BINDINGS: &[Bind] = &[
    Bind::new(&["n", "right"], "next image", "Show the next image.", |v, s| v.step(1, s)).footer().when(with_image),
    Bind::new(&["p", "left"], "previous image", "Show the previous image.", |v, s| v.step(-1, s)).when(with_image),
    Bind::new(&["m"], "method", "Choose the explanation method.", Viewer::choose_method).footer().when(with_network),
    Bind::new(&["]"], "next method", "Explain with the next method.", |v, s| v.turn_method(1, s)).when(with_network),
    Bind::new(&["["], "previous method", "Explain with the previous method.", |v, s| v.turn_method(-1, s))
        .when(with_network),
    Bind::new(&["t"], "target", "Choose the class that is explained.", Viewer::choose_target)
        .footer()
        .when(with_network),
    Bind::new(&["x"], "original", "The image without its heatmap, and back.", |v, _| v.original = !v.original)
        .footer()
        .when(with_image),
    Bind::new(&["v"], "view", "One, beside its original, all methods, several images.", |v, s| v.turn_view(s))
        .footer()
        .when(with_image),
    Bind::new(&["f"], "which images", "All, misclassified, correct, of one class.", Viewer::choose_filter)
        .footer()
        .when(|v, _| v.source.get().map(|_| ()).ok_or_else(|| "no images".to_owned())),
    Bind::new(&["o"], "more colour", "More of the heatmap, less of the image.", |v, _| v.fade(0.1)),
    Bind::new(&["O"], "less colour", "Less of the heatmap, more of the image.", |v, _| v.fade(-0.1)),
    Bind::new(&["c"], "colormap", "The next colormap; viridis reads the same with any colour vision.", |v, _| {
        let at = Colormap::ALL.iter().position(|c| *c == v.colormap).unwrap_or(0);
        v.colormap = Colormap::ALL[(at + 1) % Colormap::ALL.len()];
    }),
    Bind::new(&["b"], "outline", "The lesion as experts drew it, on or off.", |v, _| v.outlines = !v.outlines)
        .when(with_image),
    Bind::new(&["l"], "layer", "Choose the layer that is explained.", Viewer::choose_layer).when(with_network),
    Bind::new(&["P"], "parameters", "Set the parameters of the method.", Viewer::choose_params).when(with_network),
    Bind::new(&["i"], "list", "The list of images, on or off.", |v, _| v.list = !v.list),
    Bind::new(&["w"], "network", "Choose whose images are shown.", |v, s| v.choose_source(s)).footer(),
    Bind::new(&["e"], "export", "Write the picture as PNG.", Viewer::choose_export).when(with_image),
    Bind::new(&["r"], "reset view", "Method, layer, target, colours and view as at the beginning.", |v, s| {
        v.reset();
        v.ask(s);
    }),
];

impl HasTable for Viewer {
    fn table(&self) -> &DataTable {
        &self.table
    }
    fn table_mut(&mut self) -> &mut DataTable {
        &mut self.table
    }
    fn moved(&mut self, shared: &mut Shared) {
        self.ask(shared);
    }
    fn words(kind: Words, text: String) -> AnyGoal {
        AnyGoal::Viewer(Goal::Words(kind, text))
    }
}

impl Viewer {
    /// The viewer before anything is read.
    pub fn new() -> Self {
        Self {
            table: DataTable::new(source::columns()).styled(draw::cell_style),
            source: Loaded::No,
            wanted: None,
            filter: Filter::All,
            chosen: Vec::new(),
            method: "gradcam".to_owned(),
            target: Target::Predicted,
            layer: None,
            params: Vec::new(),
            colormap: Colormap::default(),
            opacity: 0.5,
            original: false,
            outlines: true,
            list: true,
            view: View::One,
            photos: HashMap::new(),
            maps: HashMap::new(),
            asking: None,
            seen: None,
            entered: false,
            remark: None,
        }
    }

    fn reset(&mut self) {
        self.method = "gradcam".to_owned();
        (self.target, self.layer, self.params) = (Target::Predicted, None, Vec::new());
        (self.colormap, self.opacity, self.original, self.view) = (Colormap::default(), 0.5, false, View::One);
    }

    fn fade(&mut self, by: f32) {
        self.opacity = ((self.opacity + by) * 10.0).round().clamp(0.0, 10.0) / 10.0;
        self.original = false;
    }

    /// The image under the cursor.
    fn entry(&self) -> Option<&source::Entry> {
        self.entry_at(self.table.position())
    }

    /// The image at a place of the list.
    fn entry_at(&self, position: usize) -> Option<&source::Entry> {
        let row = *self.table.view().get(position)? as usize;
        self.source.get()?.entries.get(*self.chosen.get(row)?)
    }

    /// What the heatmap of an image by a method is known by; none without a network.
    fn map_key(&self, entry: &source::Entry, method: &str) -> Option<Key> {
        let source = self.source.get()?;
        let network = source.networks.get(entry.network?)?;
        let target = match &self.target {
            Target::Predicted => None,
            Target::Truth => source.classes.get(entry.truth).cloned(),
            Target::Class(name) => Some(name.clone()),
        };
        let params = if method == self.method { self.params.clone() } else { Vec::new() };
        let image = entry.record.path.clone();
        Some(Key {
            run: network.path.clone(),
            image,
            method: method.to_owned(),
            layer: self.layer.clone(),
            target,
            params,
        })
    }

    /// The heatmap of an image by a method, as far as it is there.
    fn heat(&self, entry: &source::Entry, method: &str) -> Option<&Result<Heat, String>> {
        self.maps.get(&self.map_key(entry, method)?)?.as_ref()
    }

    /// The heatmap to show of an image, and of which method it is: while one is being made, the one that was there before it.
    fn shown(&self, entry: &source::Entry, method: &str) -> Option<(&Result<Heat, String>, &str)> {
        let key = self.map_key(entry, method)?;
        if let Some(Some(made)) = self.maps.get(&key) {
            return Some((made, &self.method));
        }
        let seen = self.seen.as_ref().filter(|seen| seen.run == key.run && seen.image == key.image)?;
        Some((self.maps.get(seen)?.as_ref()?, &seen.method))
    }

    /// Remembers the heatmap that the screen shows.
    fn remember(&mut self) {
        let key = self.entry().and_then(|entry| self.map_key(entry, &self.method));
        if let Some(key) = key.filter(|key| matches!(self.maps.get(key), Some(Some(Ok(_))))) {
            self.seen = Some(key);
        }
    }

    /// Ids of the methods; those that do not look at the network, which any other must beat, come last.
    fn methods(&self, shared: &Shared) -> Vec<String> {
        let Some(catalogue) = shared.catalogue.get() else { return vec![self.method.clone()] };
        let (looking, blind): (Vec<_>, Vec<_>) =
            catalogue.attributions.iter().partition(|m| m.needs.values().any(|need| need.as_bool() == Some(true)));
        looking.into_iter().chain(blind).map(|m| m.source.id.clone()).collect()
    }

    fn step(&mut self, by: isize, shared: &mut Shared) {
        self.table.step(by);
        self.ask(shared);
    }

    fn turn_method(&mut self, by: isize, shared: &mut Shared) {
        let command = if by > 0 { "next method" } else { "previous method" };
        if shared.plugins_for(command).is_none() {
            return;
        }
        let methods = self.methods(shared);
        let at = methods.iter().position(|m| *m == self.method).unwrap_or(0);
        let next = (at as isize + by).rem_euclid(methods.len().max(1) as isize) as usize;
        if let Some(method) = methods.get(next) {
            self.set_method(method.clone(), shared);
        }
    }

    fn set_method(&mut self, method: String, shared: &mut Shared) {
        if self.method != method {
            self.params.clear();
        }
        self.method = method;
        self.original = false;
        self.ask(shared);
    }

    fn turn_view(&mut self, shared: &mut Shared) {
        self.view = match self.view {
            View::One => View::Beside,
            View::Beside => View::Methods,
            View::Methods => View::Images,
            View::Images => View::One,
        };
        self.ask(shared);
    }

    /// Reads the images of the network that was trained last, when there are none yet.
    fn show_latest(&mut self, shared: &Shared) {
        if matches!(self.source, Loaded::No | Loaded::Failed(_))
            && let Some(wanted) = source::latest(&shared.runs)
        {
            self.show(wanted, shared);
        }
    }

    /// Reads the images of something else.
    fn show(&mut self, wanted: Wanted, shared: &Shared) {
        self.wanted = Some(wanted.clone());
        self.source = Loaded::Coming;
        self.filter = Filter::All;
        self.remark = None;
        let (home, runs) = (shared.home.clone(), Arc::clone(&shared.runs));
        shared.tasks.spawn(move || {
            let source = source::read(&home, &runs, &wanted).map(Arc::new);
            AppUpdate::Viewer(Box::new(Update::Source(wanted, source)))
        });
    }

    fn apply_filter(&mut self, filter: Filter, shared: &Shared) {
        let Some(source) = self.source.get().cloned() else { return };
        self.chosen = filter.choose(&source.entries);
        self.filter = filter;
        self.table.set_rows(Arc::new(List { source, chosen: self.chosen.clone() }), shared);
        self.table.go_to_start();
        self.ask(shared);
    }

    /// Places of the list whose images are on the screen now.
    fn places(&self) -> Vec<usize> {
        let here = self.table.position();
        match self.view {
            View::Images => (here..(here + draw::STRIP).min(self.table.shown())).collect(),
            _ => vec![here],
        }
    }

    /// Asks for what the screen shows and is not there.
    fn ask(&mut self, shared: &Shared) {
        if self.photos.len() > MOST_PHOTOS {
            self.photos.clear();
        }
        if self.maps.len() > MOST_MAPS {
            self.maps.clear();
        }
        let manifest = self.source.get().and_then(|s| s.manifest.clone());
        // One more than is seen, so that the next image is there before it is asked for.
        let mut places = self.places();
        places.extend(places.last().map(|last| last + 1));
        for place in places {
            let Some(record) = self.entry_at(place).map(|e| Arc::clone(&e.record)) else { continue };
            if self.photos.contains_key(&record.path) {
                continue;
            }
            self.photos.insert(record.path.clone(), None);
            let manifest = manifest.clone();
            shared.tasks.spawn(move || {
                let photo = photo::read(&record, manifest.as_ref());
                AppUpdate::Viewer(Box::new(Update::Photo(record.path.clone(), photo)))
            });
        }
        self.ask_maps(shared);
    }

    /// The maps of each image that is shown.
    fn wanted_maps(&self, shared: &Shared) -> Vec<Vec<Key>> {
        let methods = if self.view == View::Methods { self.methods(shared) } else { vec![self.method.clone()] };
        let entries = self.places().into_iter().filter_map(|place| self.entry_at(place));
        entries.map(|entry| methods.iter().filter_map(|m| self.map_key(entry, m)).collect()).collect()
    }

    /// Asks the warm worker for the first missing map, with all that it can make in the same pass. One request at a time:
    /// what the user has moved away from meanwhile is never asked for.
    fn ask_maps(&mut self, shared: &Shared) {
        self.remember();
        let wanted = self.wanted_maps(shared);
        if let Some(pending) = &self.asking {
            pending.set_wanted(wanted.iter().flatten().any(|key| pending.keys.contains(key)));
            return;
        }
        let missing = wanted.into_iter().find_map(|keys| {
            let missing: Vec<Key> = keys.into_iter().filter(|k| !self.maps.contains_key(k)).collect();
            (!missing.is_empty()).then_some(missing)
        });
        let Some(keys) = missing else { return };
        for key in &keys {
            self.maps.insert(key.clone(), None);
        }
        let pending = Pending::of(keys);
        self.asking = Some(pending.clone());
        let (home, program) = (shared.home.clone(), shared.program.clone());
        shared.tasks.spawn_long(move |tell| {
            let mut each = |key, heat| tell.update(AppUpdate::Viewer(Box::new(Update::Heat(Box::new((key, heat))))));
            let remarks = heat::ask(&home, &program, &pending, &mut each);
            tell.update(AppUpdate::Viewer(Box::new(Update::Asked(remarks))));
        });
    }

    fn take(&mut self, update: &Update, shared: &mut Shared) {
        match update {
            Update::Source(wanted, source) if self.wanted.as_ref() == Some(wanted) => {
                self.source = Loaded::of(source.clone());
                if let Ok(source) = source {
                    self.remark = source.remarks.first().cloned();
                }
                self.apply_filter(Filter::All, shared);
            }
            Update::Source(..) => {}
            Update::Photo(path, photo) => {
                self.photos.insert(path.clone(), Some(photo.clone()));
            }
            Update::Heat(made) => {
                match &made.1 {
                    Some(heat) => drop(self.maps.insert(made.0.clone(), Some(heat.clone()))),
                    None => drop(self.maps.remove(&made.0)),
                }
                self.remember();
            }
            Update::Asked(remarks) => {
                self.asking = None;
                self.remark = remarks.first().cloned();
                self.ask_maps(shared);
            }
            Update::Exported(Ok(path)) => shared.say(format!("written: {}", path.display())),
            Update::Exported(Err(sentence)) => shared.say_bad(sentence.clone()),
        }
    }
}

impl Screen for Viewer {
    fn name(&self) -> &'static str {
        "Viewer"
    }

    fn about(&self) -> &'static str {
        "Why a network decided as it did: where in the image a method finds evidence for a class. A heatmap is scaled to its \
         own peak, so look at the raw peak too: a map without evidence is as bright as any other."
    }

    fn entries(&self, shared: &Shared) -> Vec<Entry> {
        let own = BINDINGS.iter().map(|b| b.entry(self, shared));
        let taken: Vec<&str> = BINDINGS.iter().flat_map(|b| b.keys).copied().collect();
        let rest = Movement::<Self>::BINDINGS.iter().filter(|b| !b.keys.iter().any(|k| taken.contains(k)));
        own.chain(rest.map(|b| b.entry(self, shared))).collect()
    }

    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> bool {
        keys::press(BINDINGS, self, key, shared) || keys::press(Movement::<Self>::BINDINGS, self, key, shared)
    }

    fn invoke(&mut self, name: &str, shared: &mut Shared) -> bool {
        keys::invoke(BINDINGS, self, name, shared) || keys::invoke(Movement::<Self>::BINDINGS, self, name, shared)
    }

    fn enter(&mut self, shared: &mut Shared) {
        shared.need_catalogue();
        self.entered = true;
        self.show_latest(shared);
    }

    fn go(&mut self, goal: AnyGoal, shared: &mut Shared) {
        let AnyGoal::Viewer(goal) = goal else { return };
        match goal {
            Goal::Run(run) => self.show(Wanted::Runs(vec![run]), shared),
            Goal::Show(wanted) => self.show(wanted, shared),
            Goal::Dataset(name) => self.show(Wanted::Dataset(name), shared),
            Goal::Method(method) => self.set_method(method, shared),
            Goal::Target(None) => self.target = Target::Predicted,
            Goal::Target(Some(name)) => self.target = Target::Class(name),
            Goal::TrueTarget => self.target = Target::Truth,
            Goal::Layer(layer) => self.layer = layer,
            Goal::Filter(filter) => self.apply_filter(filter, shared),
            Goal::Params(params) => self.params = params,
            Goal::Export(path) => self.export(path, shared),
            Goal::Words(kind, text) => take_words(self, kind, &text, shared),
        }
        self.ask(shared);
    }

    fn update(&mut self, update: &AppUpdate, shared: &mut Shared) {
        if self.table.update(update) {
            self.ask(shared);
        }
        match update {
            AppUpdate::Viewer(update) => self.take(update, shared),
            AppUpdate::Catalogue(_) if self.view == View::Methods => self.ask(shared),
            AppUpdate::Runs(_) if self.entered => self.show_latest(shared),
            _ => {}
        }
    }

    fn click(&mut self, hit: &Hit, _: bool, shared: &mut Shared) {
        match hit {
            Hit::Row { table, row } if *table == self.table.id => {
                self.table.select_position(*row);
                self.ask(shared);
            }
            Hit::Column { table, column } if *table == self.table.id => {
                self.table.sort_by(*column, shared);
                self.ask(shared);
            }
            _ => {}
        }
    }

    fn scroll(&mut self, by: isize, shared: &mut Shared) {
        self.step(by.signum(), shared);
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
        draw::draw(self, canvas, area, shared);
    }

    fn has_back(&self) -> bool {
        self.view != View::One
    }

    fn back(&mut self, shared: &mut Shared) -> bool {
        if self.view != View::One {
            self.view = View::One;
            self.ask(shared);
            return true;
        }
        false
    }
}
