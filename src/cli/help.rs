//! What stands below the options in `--help`: examples, and what the exit status means.

use clap::builder::{StyledStr, Styles};

/// The closing of a verb's help, with what its status 1 means. A test runs the examples.
pub fn closing(examples: &str, failure: &str) -> StyledStr {
    let heading = Styles::default().get_header().to_owned();
    StyledStr::from(format!(
        "{heading}Examples:{heading:#}\n{examples}\n\n\
         {heading}Exit status:{heading:#}\n  \
         0  all went well\n  \
         1  {failure}\n  \
         2  the arguments cannot be understood"
    ))
}
