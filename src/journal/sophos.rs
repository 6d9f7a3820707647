//! What Sophos calls the columns of our journal, in Live Discover exports and its journal tables.
//!
//! Spelling only: the rows are read as our own journal's.

use super::row::Column;

/// The column behind a Sophos name, given in lower case and without underscores: Sophos writes
/// both `destinationPort` and `destination_port`. Its published queries (Rapid Response's
/// `Network.01.0`, misspelling and all) name some columns anew.
pub(super) fn column(folded_name: &str) -> Option<Column> {
    Some(match folded_name {
        "path" => Column::Pathname,
        "cmdline" => Column::Cmdline,
        "datasent" => Column::BytesSent,
        "datarecv" => Column::BytesReceived,
        "subject" => Column::Subject,
        "datasource" => Column::DataSource,
        "datetime" => Column::SophosTime,
        "destinationip" | "destinationipurl" => Column::SophosDestination,
        "destinatinport" => Column::SophosPort,
        // Live Discover's, the Data Lake's, and those of queries that ask for them.
        "epname" | "metahostname" | "hostname" => Column::EndpointName,
        "endpointid" | "metaendpointid" => Column::EndpointId,
        _ => return None,
    })
}

/// Whether a row of `sophos_process_activity` with this subject is a connection; it also holds
/// process starts, file and registry access.
pub(super) fn is_connection(subject: &str) -> bool {
    subject.is_empty() || subject.eq_ignore_ascii_case("network")
}

/// Whether a row from this journal, as published queries name it, has its connection's time: those of
/// the IP, HTTP and DNS journals carry the start of the process instead.
pub(super) fn has_connection_time(data_source: &str) -> bool {
    !["IP Journal", "HTTP Journal", "DNS Journal"]
        .iter()
        .any(|journal| data_source.trim_start().starts_with(journal))
}
