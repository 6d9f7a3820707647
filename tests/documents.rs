//! The project's documents as their readers see them: Markdown taken apart.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A file of the project's source.
pub struct SourceFile {
    /// Below the root, with slashes.
    pub path: String,
    pub text: String,
}

/// What is looked at of a Markdown text.
#[derive(Default)]
pub struct Markdown {
    pub code_blocks: Vec<CodeBlock>,
    pub inline_code: Vec<String>,
    pub links: Vec<String>,
    /// Of its headings, as GitHub makes them.
    pub anchors: BTreeSet<String>,
}

pub struct CodeBlock {
    /// What stands behind the fence: a language, and words of ours.
    pub info: String,
    pub text: String,
    /// The heading that it is under.
    pub heading: String,
}

/// The files below `folder` whose names end in one of `endings`.
pub fn source_files(folder: &str, endings: &[&str]) -> Vec<SourceFile> {
    let mut paths = Vec::new();
    collect(&Path::new(ROOT).join(folder), &mut paths);
    paths.retain(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)));
    paths.sort();
    let read = |path: PathBuf| SourceFile {
        path: path.strip_prefix(ROOT).unwrap().to_str().unwrap().replace('\\', "/"),
        text: fs::read_to_string(&path).unwrap(),
    };
    paths.into_iter().map(read).collect()
}

/// All but what is built and what is hidden.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// Where a text stands.
enum Place {
    Heading,
    CodeBlock,
    Elsewhere,
}

impl Markdown {
    pub fn of(text: &str) -> Markdown {
        let mut markdown = Markdown::default();
        let mut heading = String::new();
        let mut place = Place::Elsewhere;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => {
                    heading.clear();
                    place = Place::Heading;
                }
                Event::End(TagEnd::Heading(_)) => {
                    markdown.add_anchor(&heading);
                    place = Place::Elsewhere;
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let info = match kind {
                        CodeBlockKind::Fenced(info) => info.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    let (text, heading) = (String::new(), heading.clone());
                    markdown.code_blocks.push(CodeBlock { info, text, heading });
                    place = Place::CodeBlock;
                }
                Event::End(TagEnd::CodeBlock) => place = Place::Elsewhere,
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    markdown.links.push(dest_url.into_string());
                }
                Event::Text(text) => match place {
                    Place::Heading => heading += &text,
                    Place::CodeBlock => markdown.code_blocks.last_mut().unwrap().text += &text,
                    Place::Elsewhere => {}
                },
                Event::Code(code) => {
                    if let Place::Heading = place {
                        heading += &code;
                    }
                    markdown.inline_code.push(code.into_string());
                }
                _ => {}
            }
        }
        markdown
    }

    fn add_anchor(&mut self, heading: &str) {
        let kept = |letter: &char| letter.is_alphanumeric() || "-_ ".contains(*letter);
        let lower = heading.trim().to_lowercase();
        let anchor: String = lower.chars().filter(kept).collect::<String>().replace(' ', "-");
        let again = (1..).map(|number| format!("{anchor}-{number}"));
        let mut names = std::iter::once(anchor.clone()).chain(again);
        let free = names.find(|name| !self.anchors.contains(name)).unwrap();
        self.anchors.insert(free);
    }
}
