//! What Sophos calls the columns of our journal, in Live Discover exports and its journal tables.
//!
//! Spelling only: the rows are read as our own journal's.

use super::row::Column;

/// The column behind a Sophos name, given in lower case and without underscores: Sophos writes
/// both `destinationPort` and `destination_port`.
pub(super) fn column(folded_name: &str) -> Option<Column> {
    Some(match folded_name {
        "path" => Column::Pathname,
        "datasent" => Column::BytesSent,
        "datarecv" => Column::BytesReceived,
        "subject" => Column::Subject,
        _ => return None,
    })
}

/// Whether a row of `sophos_process_activity` with this subject is a connection; it also holds
/// process starts, file and registry access.
pub(super) fn is_connection(subject: &str) -> bool {
    subject.is_empty() || subject.eq_ignore_ascii_case("network")
}
