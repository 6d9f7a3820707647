//! What the documents say of columns and parameters is what the code has, and their links lead
//! somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use beacon_candidates::host::config::Config;
use beacon_candidates::reference;
use beacon_candidates::suppression::Rules;
use beacon_candidates::table::{Parameter, Table};

use crate::documents::{Markdown, ROOT, source_files};
use crate::statements::{over_the_sample, with_all_settings};
use crate::support::text;

#[test]
fn generated_documents_are_what_the_code_generates() {
    for document in reference::documents(Path::new(ROOT)).unwrap() {
        let found = fs::read_to_string(&document.path).unwrap_or_default();
        let path = document.path.display();
        assert!(found == document.text, "{path} is not up to date: run `cargo run -- reference`");
    }
}

#[test]
fn documented_defaults_are_in_force() {
    let (_cache, connection) = over_the_sample();
    let value = |of: &str| -> String {
        let sql = format!("SELECT {of} FROM beacon_candidates LIMIT 1");
        connection.query_row(&sql, [], |row| Ok(text(row.get_ref(0)?))).unwrap()
    };
    for parameter in Parameter::ALL {
        let (name, default) = (parameter.name(), parameter.default_value());
        match (parameter, default.parse::<f64>()) {
            // What has to be given where it is named.
            _ if name.starts_with("include_") => {
                let all = |condition: &str| {
                    let sql =
                        format!("SELECT group_concat(tuple) FROM beacon_candidates{condition}");
                    connection.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
                };
                assert_eq!(all(""), all(&format!(" WHERE {name} = {default}")), "{name}");
            }
            (_, Ok(number)) => assert_eq!(value(name).parse(), Ok(number), "{name}"),
            (Parameter::GroupBy, _) => assert_eq!(value(name), default),
            (Parameter::Since, _) => assert_eq!(value("until - since"), (24 * 3600).to_string()),
            // The sample's last connection.
            (Parameter::Until, _) => assert_eq!(value(name), value("max(last_seen)")),
            (other, _) => panic!("what is the default of {other:?}?"),
        }
    }
}

#[test]
fn the_columns_that_readme_explains_are_there() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let columns = Table::BeaconCandidates.visible_columns();
    let mut explained = 0;
    for cell in readme.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next()) {
        for name in cell.split('`').step_by(2).filter(|name| !name.is_empty()) {
            assert!(columns.iter().any(|column| column.name == name), "{name}");
            explained += 1;
        }
    }
    assert!(explained >= 10);
}

/// Not only as they are, but also with the settings that they have as comments.
#[test]
fn the_examples_in_the_packages_are_valid() {
    let folder = Path::new(ROOT).join("packaging/etc");
    let example = folder.join("beacon_candidates.toml.example");
    let config = Config::read(&example).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    let scratch = tempfile::TempDir::new().unwrap();
    let with_all = |example: &Path| -> PathBuf {
        let path = scratch.path().join(example.file_name().unwrap());
        let settings = with_all_settings(&fs::read_to_string(example).unwrap());
        // A query of one's own is the source then, as the example says.
        let settings = settings.replace("source = \"auto\"", "source = \"sql\"");
        fs::write(&path, settings).unwrap();
        path
    };
    Config::read(&with_all(&example)).unwrap();
    let example = folder.join("beacon_candidates_suppressions.toml.example");
    Rules::with_file(&example).unwrap();
    Rules::with_file(&with_all(&example)).unwrap();
}

#[test]
fn every_link_within_the_project_leads_somewhere() {
    for document in source_files(".", &[".md"]) {
        for link in Markdown::of(&document.text).links {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = Path::new(ROOT).join(linked(&document.path, path));
            assert!(target.exists(), "{}: {link}", document.path);
            if !anchor.is_empty() {
                let anchors = Markdown::of(&fs::read_to_string(&target).unwrap()).anchors;
                assert!(anchors.contains(anchor), "{}: {link}", document.path);
            }
        }
    }
}

#[test]
fn the_index_has_every_document() {
    const INDEX: &str = "docs/README.md";
    let index = fs::read_to_string(Path::new(ROOT).join(INDEX)).unwrap();
    let links = Markdown::of(&index).links;
    let linked: BTreeSet<_> = links.iter().map(|link| linked(INDEX, link)).collect();
    for document in source_files(".", &[".md"]) {
        let path = PathBuf::from(&document.path);
        assert!(document.path == INDEX || linked.contains(&path), "{INDEX} lacks {path:?}");
    }
}

/// Where a link in `document` leads, below the root; '' is the document itself.
fn linked(document: &str, link: &str) -> PathBuf {
    if link.is_empty() {
        return document.into();
    }
    let mut path = PathBuf::new();
    for part in Path::new(document).parent().unwrap().join(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{document}: {link} leaves the project"),
            part => path.push(part),
        }
    }
    path
}
