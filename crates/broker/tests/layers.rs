//! The layers of the broker crate, the rooms of the storage crate, and the order of the crates: the `lib.rs` of each draws the first two,
//! `docs/architecture.md` the last.
//!
//! Reads every `crate::` and `super::` path of every source file, tests included, and fails on one that leads to a
//! higher layer. What it does not see are methods and trait impls that a higher layer adds to a lower layer's type.
//! Inside a folder, modules may use each other in one direction only, tests excepted.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not covered by allow-unwrap-in-tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From bottom to top: a module uses its own layer and those before it.
struct Layers {
    name: &'static str,
    layers: &'static [&'static [&'static str]],
    /// Modules that any layer may use besides.
    exempt: &'static [&'static str],
}

const BROKER: Layers = Layers { name: "broker", layers: BROKER_LAYERS, exempt: FOR_TESTS };
/// A crate's public face, which `lib.rs` exports at its root, is no room: any may use it.
const STORAGE: Layers = Layers { name: "storage", layers: STORAGE_LAYERS, exempt: &[] };

const BROKER_LAYERS: &[&[&str]] = &[
    &["clock", "random", "tasks", "io"],
    &["config"],
    &["telemetry"],
    &["session"],
    &["topics"],
    &["services"],
    &["kafka"],
    &["http"],
    &["net"],
];

const STORAGE_LAYERS: &[&[&str]] = &[
    &["clock", "random", "disk", "error", "failure"],
    &["log"],
    &["options", "metrics"],
    &["engine"],
    &["write"],
    &["space"],
    &["storage"],
];

/// The broker as a whole, for tests: they may start one in any layer.
const FOR_TESTS: &[&str] = &["testing", "Outcome"];

/// From bottom to top: a crate depends on those before it, except on the ones named beside it.
const CRATES: &[(&str, &[&str])] = &[
    ("codec", &[]),
    // Libraries are all that it needs.
    ("security", &["codec"]),
    ("coordinator", &[]),
    // Both are pieces of the broker that know nothing of each other.
    ("storage", &["coordinator"]),
    // A client of any broker.
    ("cli", &["coordinator", "storage"]),
    // What embeds it must not carry the tools.
    ("broker", &["cli"]),
    // The binary.
    ("ottla", &[]),
];

#[test]
fn no_module_uses_a_higher_layer() {
    let wrong: Vec<String> = [BROKER, STORAGE].iter().flat_map(Layers::upward).collect();
    assert!(wrong.is_empty(), "modules use lower layers only:\n{}", wrong.join("\n"));
}

impl Layers {
    /// Every use of a higher layer.
    fn upward(&self) -> Vec<String> {
        let source = source(self.name);
        let mut wrong = Vec::new();
        for path in files(&source) {
            let inside = path.strip_prefix(&source).unwrap();
            let modules = modules(inside);
            let Some(rank) = self.rank(&modules[0]) else { continue };
            let text = fs::read_to_string(&path).unwrap();
            for Use { line, path } in uses(&text, &modules) {
                let Some(module) = path.first() else { continue };
                let rule = match self.rank(module) {
                    Some(used) if used <= rank => continue,
                    None if self.exempt.contains(&module.as_str()) => continue,
                    // An item of the crate's root, which begins with a capital, as no module does.
                    None if self.exempt.is_empty() && !source.join(format!("{module}.rs")).exists() => {
                        continue;
                    }
                    Some(_) => format!("`{}` is below `{module}`", modules[0]),
                    None => format!("`{module}` is in no layer, so only lib.rs may use it"),
                };
                wrong.push(format!("crates/{}/src/{}:{line}: {rule}", self.name, inside.display()));
            }
        }
        wrong
    }

    fn rank(&self, module: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.contains(&module))
    }
}

#[test]
fn no_modules_of_a_folder_use_each_other() {
    [BROKER, STORAGE].iter().for_each(|layers| assert_no_circles(layers.name));
}

fn assert_no_circles(name: &str) {
    let source = source(name);
    let all: Vec<(PathBuf, Vec<String>)> = files(&source)
        .into_iter()
        .map(|path| (path.clone(), modules(path.strip_prefix(&source).unwrap())))
        .filter(|(_, modules)| !modules.iter().any(|name| name == "testing" || name.ends_with("tests")))
        .collect();
    let mut used: BTreeMap<(&[String], &String), BTreeSet<String>> = BTreeMap::new();
    for (path, modules) in &all {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for Use { path, .. } in uses(text, modules) {
            // Where the two paths part are the siblings of which one uses the other.
            let common = path.iter().zip(modules).take_while(|(one, other)| one == other).count();
            let (Some(other), Some(own)) = (path.get(common), modules.get(common)) else { continue };
            if all.iter().any(|(_, known)| {
                known[..known.len() - 1] == modules[..common] && known.last() == Some(other)
            }) {
                used.entry((&modules[..common], own)).or_default().insert(other.clone());
            }
        }
    }
    for (folder, module) in used.keys() {
        let (mut reached, mut next) = (BTreeSet::new(), vec![*module]);
        while let Some(one) = next.pop() {
            let more = used.get(&(*folder, one)).into_iter().flatten();
            next.extend(more.filter(|other| reached.insert(*other)));
        }
        assert!(
            !reached.contains(module),
            "in crates/{name}/src/{}, `{module}` uses {:?}, one of which leads back to it",
            folder.join("/"),
            used[&(*folder, *module)]
        );
    }
}

/// A service that takes all of them depends on all of them, and its signature says nothing.
#[test]
fn no_service_is_handed_all_services() {
    let source = root().join("src");
    for path in files(&source.join("services")) {
        let modules = modules(path.strip_prefix(&source).unwrap());
        for Use { line, path: used } in uses(&fs::read_to_string(&path).unwrap(), &modules) {
            assert_ne!(used, ["services", "Services"], "{}:{line}", path.display());
        }
    }
}

#[test]
fn every_layer_exists() {
    for Layers { name, layers, .. } in [BROKER, STORAGE] {
        for module in layers.iter().flat_map(|layer| layer.iter()) {
            let exists = source(name).join(format!("{module}.rs")).exists();
            assert!(exists, "the layers of {name} name `{module}`, which is missing");
        }
    }
}

#[test]
fn no_crate_depends_on_a_higher_one() {
    for (rank, (name, besides)) in CRATES.iter().enumerate() {
        let path = root().join("..").join(name).join("Cargo.toml");
        let manifest = fs::read_to_string(&path).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or("");
        let dependencies = dependencies.split("\n[").next().unwrap_or("");
        for (other, _) in
            CRATES.iter().skip(rank).chain(CRATES.iter().filter(|(other, _)| besides.contains(other)))
        {
            let found = dependencies.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(other));
            assert!(!found, "crates/{name} must not depend on crates/{other}");
        }
    }
}

#[test]
fn paths_of_all_forms_are_read() {
    let text = "use crate::a::B;\nuse crate::{c, d::{E, F}, g};\n// crate::comment\nlet x = crate::h::i();\n\
                use super::j::K;\nuse super::super::l;\nuse super::{m, super::n};\n";
    let found = |modules: &[&str]| -> Vec<(usize, String)> {
        let modules: Vec<String> = modules.iter().map(|module| (*module).to_owned()).collect();
        let shown = |Use { line, path }: Use| (line, path.join("::"));
        uses(text, &modules).into_iter().map(shown).collect()
    };
    let always = [(1, "a::B"), (2, "c"), (2, "d::E"), (2, "d::F"), (2, "g"), (4, "h::i")];
    let expected = |more: &[(usize, &str)]| -> Vec<(usize, String)> {
        let mut all: Vec<_> =
            always.iter().chain(more).map(|(line, name)| (*line, (*name).to_owned())).collect();
        all.sort();
        all
    };
    assert_eq!(found(&["x", "y"]), expected(&[(5, "x::j::K"), (6, "l"), (7, "x::m"), (7, "n")]));
    assert_eq!(found(&["x"]), expected(&[(5, "j::K"), (7, "m")]), "nothing is above the root");
}

/// A path that begins at the root of the crate.
struct Use {
    line: usize,
    path: Vec<String>,
}

/// Of this crate: Cargo runs tests there.
fn root() -> &'static Path {
    Path::new(".")
}

fn source(name: &str) -> PathBuf {
    root().join("..").join(name).join("src")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The path of a file's module in its crate.
fn modules(path: &Path) -> Vec<String> {
    path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect()
}

/// Every path of a file that begins at the crate's root, by line. `super` inside an inline module is read as if it stood
/// outside of it, which can only report too much.
fn uses(text: &str, modules: &[String]) -> Vec<Use> {
    let code: String =
        text.lines().map(|line| format!("{}\n", line.split("//").next().unwrap_or(""))).collect();
    let mut found = BTreeSet::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = &code[..at];
            // A part of a longer path or name, or of a group, which is followed from where it begins.
            let is_part = |last: char| matches!(last, ':' | '_') || last.is_alphanumeric();
            if before.ends_with(is_part) || is_in_group(before) {
                continue;
            }
            let line = before.matches('\n').count() + 1;
            let mut paths = Vec::new();
            follow(&code[at..], modules, &mut paths);
            found.extend(paths.into_iter().map(|path| (line, path)));
        }
    }
    found.into_iter().map(|(line, path)| Use { line, path }).collect()
}

/// Returns true if the text ends inside `super::{`.
fn is_in_group(before: &str) -> bool {
    before.rfind("super::{").is_some_and(|at| !before[at..].contains('}'))
}

/// Follows a path from the module `here` and adds the whole of it, once for each of its branches.
fn follow(path: &str, here: &[String], found: &mut Vec<Vec<String>>) {
    let path = path.trim_start();
    if let Some(rest) = path.strip_prefix("crate::") {
        follow(rest, &[], found);
    } else if let Some(rest) = path.strip_prefix("super::") {
        let Some((_, parent)) = here.split_last() else { return };
        follow(rest, parent, found);
    } else if let Some(rest) = path.strip_prefix('{') {
        branches(rest).into_iter().for_each(|branch| follow(branch, here, found));
    } else {
        let name: String =
            path.chars().take_while(|letter| *letter == '_' || letter.is_alphanumeric()).collect();
        let mut whole = here.to_vec();
        if !name.is_empty() && name != "self" {
            whole.push(name.clone());
        }
        match path[name.len()..].strip_prefix("::") {
            Some(rest) => follow(rest, &whole, found),
            None => found.push(whole),
        }
    }
}

/// The comma-separated parts up to the brace that ends them.
fn branches(rest: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut found) = (0_u32, 0, Vec::new());
    for (at, letter) in rest.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&rest[begin..at]);
                return found;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&rest[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    found
}
